"""Stage 1 on Windows: its registry, what its libraries say of themselves, and folders that are watched."""

from __future__ import annotations

import struct
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from tests.machine.test_detect import machine_of
from tfup.machine import Recorder, Recording, detect
from tfup.machine.dll import SIGNATURE, Dll, read_dll, read_toolset
from tfup.machine.live import Live
from tfup.machine.probe import Answers
from tfup.machine.registry import Registry
from tfup.model import Distribution, Folder, Machine

Keys = dict[str, dict[str, object]]


class Winreg:
    """A stand-in for the module winreg: in each view its keys, each with the values that stand there."""

    HKEY_CURRENT_USER = "HKCU"
    HKEY_LOCAL_MACHINE = "HKLM"
    KEY_READ = 1
    KEY_WOW64_64KEY = 256
    KEY_WOW64_32KEY = 512

    def __init__(self, wide: Keys, narrow: Keys) -> None:
        """Keep the keys by how they are opened."""
        self.views = {257: wide, 513: narrow}

    def OpenKey(self, root: str, place: str, _: int, access: int) -> AbstractContextManager[tuple[str, Keys]]:  # noqa: N802 (as winreg)
        """Return the key, with all that stands below it; OSError where there is none."""
        key = f"{root}\\{place}"
        found = {name: v for name, v in self.views[access].items() if f"{name}\\".startswith(f"{key}\\")}
        if not found:
            raise FileNotFoundError(key)
        return nullcontext((key, found))

    def names(self, opened: tuple[str, Keys]) -> list[str]:
        """Return the names right below a key."""
        key, keys = opened
        return sorted({name[len(key) + 1 :].split("\\")[0] for name in keys if name != key})

    def QueryInfoKey(self, opened: tuple[str, Keys]) -> tuple[int]:  # noqa: N802
        """Return how many there are."""
        return (len(self.names(opened)),)

    def EnumKey(self, opened: tuple[str, Keys], number: int) -> str:  # noqa: N802
        """Return one of them."""
        return self.names(opened)[number]

    def QueryValueEx(self, opened: tuple[str, Keys], name: str) -> tuple[object, int]:  # noqa: N802
        """Return a value that stands at the key; OSError where there is none."""
        key, keys = opened
        if name not in keys.get(key, {}):
            raise FileNotFoundError(name)
        return keys[key][name], 1


PYTHON = r"HKCU\Software\Python\PythonCore"


def test_pythons_are_read_in_both_views() -> None:
    """As the py launcher does: every company and tag, its own path first, with or without a backslash."""
    common: Keys = {rf"{PYTHON}\3.6\InstallPath": {"": "C:\\Python36\\"}}
    moved: Keys = {
        r"HKLM\Software\Python\Astral\3.12\InstallPath": {"": r"C:\uv", "ExecutablePath": r"C:\uv\py.exe"}
    }
    narrow: Keys = {rf"{PYTHON}\3.7-32\InstallPath": {"": r"C:\Python37-32"}}
    empty: Keys = {r"HKLM\Software\Python\PyLauncher": {}, rf"{PYTHON}\3.5\InstallPath": {}}
    registry = Registry(Winreg(common | moved | empty, common | narrow))

    assert [r"C:\Python36\python.exe", r"C:\Python37-32\python.exe", r"C:\uv\py.exe"] == registry.pythons()


def test_a_value_is_read_wherever_it_is() -> None:
    """The view of 64 bits wins; what is neither text nor number, or not there, is nothing."""
    registry = Registry(Winreg({r"HKLM\A": {"x": 1, "y": b"\0"}}, {r"HKLM\A": {"x": 2, "z": "3"}}))

    assert [1, None, "3", None] == [registry.read(r"HKLM\A", name) for name in ("x", "y", "z", "w")]
    assert (None, []) == (registry.read(r"HKCU\A", "x"), registry.below(r"HKCU\A"))


# ---------------------------------------------------------------- libraries


def write_dll(path: Path, version: tuple[int, int, int, int], description: str) -> Path:
    """Write a library with nothing in it but its resources, as a linker lays them out."""
    high, low = version[0] << 16 | version[1], version[2] << 16 | version[3]
    text = f"FileDescription\0\0{description}\0\0".encode("utf-16-le")
    resources = b"\0" * 40 + SIGNATURE + struct.pack("<III", 0x10000, high, low) + b"\0" * 40 + text
    head = bytearray(b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40))
    head += b"PE\0\0" + struct.pack("<HH12xHH", 0x8664, 2, 0, 0)
    head += struct.pack("<8sIIII16x", b".text", 16, 0x1000, 16, 0x200)
    head += struct.pack("<8sIIII16x", b".rsrc", len(resources), 0x2000, len(resources), 0x300)
    path.write_bytes(bytes(head).ljust(0x300, b"\0") + resources)
    return path


def test_a_library_says_what_it_is(tmp_path: Path) -> None:
    """Version and description are read out of the file, on any system."""
    path = write_dll(tmp_path / "cudart64_90.dll", (6, 14, 11, 9000), "NVIDIA CUDA Runtime, Version 9.0.176 ")

    assert Dll("6.14.11.9000", "NVIDIA CUDA Runtime, Version 9.0.176 ") == read_dll(str(path))


@pytest.mark.parametrize("content", [b"", b"MZ", b"\x7fELF" + b"\0" * 100, b"MZ" + b"\0" * 8000])
def test_what_is_no_library_says_nothing(content: bytes, tmp_path: Path) -> None:
    """A file that is cut off, of another system or of zeros has no version, and stops nothing."""
    (tmp_path / "x.dll").write_bytes(content)

    assert None is Live({}).ask("dll", str(tmp_path / "x.dll"))


def test_the_toolset_is_told_by_microsofts_linker_alone() -> None:
    """Its number stands in the header; other linkers write one that means nothing."""
    theirs = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x60) + b"Rich".ljust(0x20, b"\0") + b"PE\0\0"
    library = theirs + b"\0" * 22 + bytes([14, 29])

    assert "14.29" == read_toolset(BytesIO(library))
    assert None is read_toolset(BytesIO(library.replace(b"Rich", b"none")))


# ---------------------------------------------------------------- machines


def windows(**answers: object) -> Machine:
    """Detect a Windows that answers so."""
    ask = {"platform": "win32", "home": r"C:\Users\user", **(answers.pop("ask", None) or {})}  # type: ignore[dict-item]
    return machine_of(ask=ask, **answers)


def there(folder: str, *names: str) -> dict[str, list[str]]:
    """Return the answers to where libraries are."""
    return {rf"{folder}\{name}.dll": [rf"{folder}\{name}.dll"] for name in names}


def test_runtimes_are_told_with_their_versions() -> None:
    """What is missing is null with its place; a file that does not tell its version is at least present."""
    folder = r"D:\Win\System32"
    machine = windows(
        variable={"SYSTEMROOT": r"D:\Win"},
        glob=there(folder, "msvcp140", "vcruntime140"),
        ask={rf"dll {folder}\msvcp140.dll": {"version": "14.16.27033.0", "description": "Microsoft"}},
    )

    assert {
        "msvcp140": "14.16.27033.0",
        "msvcp140_1": None,
        "vcruntime140": "present",
        "vcruntime140_1": None,
        "vcruntime140_threads": None,
    } == machine.runtimes
    assert rf"{folder}\msvcp140.dll" == machine.sources["runtimes.msvcp140"]
    assert rf"no {folder}\msvcp140_1.dll" == machine.unknown["runtimes.msvcp140_1"]


PYTHON_312 = r"C:\Py312\python.exe"
ANSWER = {
    "executable": PYTHON_312,
    "version": "3.12.4",
    "implementation": "cpython",
    "bits": 64,
    "machine": "win-amd64",
    "abi": "cp312",
    "free_threaded": False,
    "prefix": r"C:\Py312",
    "base_prefix": r"C:\Py312",
    "base_executable": None,
    "conda": False,
}


def test_the_launchers_pythons_are_found_with_what_they_bring() -> None:
    """`py -0p` knows those that lie anywhere; each is told with the C++ runtimes beside it."""
    machine = windows(
        ask={
            "programs py": [r"C:\Windows\py.exe"],
            f"python {PYTHON_312}": ANSWER,
            r"dll C:\Py312\vcruntime140.dll": {"version": "14.38.33130.0"},
        },
        run={r"C:\Windows\py.exe -0p": f" -V:3.12 *        {PYTHON_312}\r\n"},
        glob=there(r"C:\Py312", "vcruntime140"),
    )

    assert [{"vcruntime140": "14.38.33130.0"}] == [python.runtimes for python in machine.pythons or ()]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "a stub that opens"),
        ([r"C:\L\Microsoft\WindowsApps\PythonSoftwareFoundation.Python.3.11_x"], "of the"),
    ],
)
def test_the_stores_pythons_are_named_and_left_alone(found: list[str], words: str) -> None:
    """A name in WindowsApps is never started; the reason says whether anything is behind it."""
    stub = r"C:\L\Microsoft\WindowsApps\python.exe"
    machine = windows(
        ask={"interpreters_on_path": [stub], f"python {stub}": ANSWER},
        variable={"LOCALAPPDATA": r"C:\L"},
        glob={r"C:\L\Microsoft\WindowsApps\PythonSoftwareFoundation.Python.*": found},
    )

    assert () == machine.pythons
    assert machine.unknown[f"pythons[{stub}]"].startswith(words)


def toolkit(name: str, version: str, *, cudnn: str, told: dict[str, str]) -> Machine:
    """Detect a toolkit of which only libraries are there; `told` is what cuDNN's says of itself."""
    folder = rf"C:\CUDA\{name}"
    runtime, library = rf"{folder}\bin\cudart64_{name}.dll", rf"{folder}\bin\cudnn64_{cudnn}.dll"
    return windows(
        variable={"CUDA_PATH": folder},
        glob={
            rf"{folder}\bin\cudart64_*.dll": [runtime],
            rf"{folder}/bin/cudnn64_*.dll": [library],
        },
        ask={
            f"real_path {folder}": folder,
            f"dll {runtime}": {
                "version": "6.14.11.0",
                "description": f"NVIDIA CUDA Runtime, Version {version} ",
            },
            f"dll {library}": told,
        },
    )


def test_libraries_tell_what_their_names_do_not() -> None:
    """All of CUDA 11 is called 110, and a cuDNN 8 by its major release alone."""
    machine = toolkit("110", "11.8.89", cudnn="8", told={"version": "8.9.4.19"})

    assert ["11.8.89"] == [one.version for one in machine.cuda or ()]
    assert [("8.9.4", "11.8")] == [(one.version, one.cuda) for one in machine.cudnn or ()]


def test_a_cudnn_7_without_its_header_has_no_version() -> None:
    """What its library says is the CUDA that it is for: no number of cuDNN is made of that."""
    told = {"version": "6.14.11.9000", "description": "NVIDIA CUDA CUDNN Library, Version 9.0.668 "}
    machine = toolkit("90", "9.0.176", cudnn="7", told=told)

    assert not machine.cudnn
    assert any("cudnn64_7.dll found, no version" in reason for reason in machine.unknown.values())


LXSS = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Lxss"
LISTED = "  NAME                   STATE           VERSION\r\n* Ubuntu 24.04           Stopped         2\r\n"


def test_linux_inside_windows_is_told() -> None:
    """With the version of WSL from `wsl -l -v`; the default comes first."""
    ask = {f"registry_keys {LXSS}": ["{1}"], rf"registry {LXSS}\{{1}} DistributionName": "Ubuntu 24.04"}
    told = windows(ask=ask, run={"wsl -l -v": LISTED + "  Debian                 Wird ausgeführt 1\r\n"})
    silent = windows(ask=ask)

    assert (
        Distribution("Ubuntu 24.04", 2, default=True),
        Distribution("Debian", 1, default=False),
    ) == told.wsl
    assert (Distribution("Ubuntu 24.04"),) == silent.wsl


def test_wsl_is_not_started_where_there_is_none() -> None:
    """It would offer to install a Linux."""
    recorder = Recorder(Recording(msgspec.convert({"ask": {"platform": "win32"}}, Answers)))

    assert () == detect(recorder).wsl
    assert {} == {name: said for name, said in recorder.answers.run.items() if name.startswith("wsl")}


def test_a_program_of_windows_may_speak_utf_16(tmp_path: Path) -> None:
    """`wsl` does, whatever the console's code page is."""
    (tmp_path / "wsl").write_bytes(LISTED.encode("utf-16-le"))

    assert LISTED == Live({"PATH": "/usr/bin:/bin"}).run("cat", str(tmp_path / "wsl"))


GUARD = (
    r"registry HKLM\SOFTWARE\Microsoft\Windows Defender\Windows Defender Exploit Guard"
    r"\Controlled Folder Access EnableControlledFolderAccess"
)
SHELL = r"registry HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders"


@pytest.mark.parametrize(
    ("path", "synced", "guarded"),
    [
        (r"C:\Users\user\OneDrive\Desktop\tf", "OneDrive", True),
        (r"C:\Users\user\onedrive\x", "OneDrive", False),
        (r"C:\Users\user\OneDriveOld\x", None, False),
        (r"C:\Users\user\Documents", None, True),
        (r"C:\tf", None, False),
    ],
)
def test_folders_that_are_watched_are_known(path: str, synced: str | None, guarded: bool) -> None:  # noqa: FBT001 -- a table
    """OneDrive takes the desktop with it; controlled folder access guards it wherever it went."""
    ask = {
        "platform": "win32",
        "home": r"C:\Users\user",
        GUARD: 1,
        f"{SHELL} Desktop": r"C:\Users\user\OneDrive\Desktop",
        f"{SHELL} Personal": r"%USERPROFILE%\Documents",
    }
    answers = {"ask": ask, "variable": {"ONEDRIVE": r"C:\Users\user\OneDrive"}}
    probe = Recording(msgspec.convert(answers, Answers))

    assert Folder(path, synced, guarded) == detect(probe, Path(path)).folder


def test_apples_cloud_is_known() -> None:
    """Of a link the place counts that it leads to."""
    answers = {
        "platform": "darwin",
        "home": "/Users/user",
        "real_path /Users/user/tf": "/Users/user/Library/Mobile Documents/com~apple~CloudDocs/tf",
    }
    probe = Recording(msgspec.convert({"ask": answers}, Answers))

    assert Folder("/Users/user/tf", "iCloud", None) == detect(probe, Path("/Users/user/tf")).folder


def test_apples_stub_is_named_and_left_alone() -> None:
    """Without the developer tools /usr/bin/python3 opens a dialog: it is told how to get them."""
    machine = machine_of(ask={"platform": "darwin"}, glob={"/usr/bin/python3": ["/usr/bin/python3"]})

    assert "xcode-select --install" in machine.unknown["pythons[/usr/bin/python3]"]
