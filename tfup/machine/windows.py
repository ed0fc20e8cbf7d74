"""What only Windows has: C++ runtimes, a limit to paths, folders that are watched, and a Linux inside."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from msgspec import ValidationError, convert

from tfup.machine.dll import Dll
from tfup.machine.fact import Fact, Facts
from tfup.model import Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfup.machine.probe import Probe

RUNTIMES = ("msvcp140", "msvcp140_1", "vcruntime140", "vcruntime140_1", "vcruntime140_threads")
"""The parts of Microsoft's C++ runtime that builds of TensorFlow load."""
PRESENT = "present"
"""In the place of a version that a file does not tell."""

LINUXES = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Lxss"
PERSONAL = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders"
PERSONAL_NAMES = ("Desktop", "Personal", "My Pictures")
CLOUDS = ("ONEDRIVE", "ONEDRIVECONSUMER", "ONEDRIVECOMMERCIAL")  # as Python spells variables of Windows
GUARD = (
    r"HKLM\SOFTWARE\Microsoft\Windows Defender\Windows Defender Exploit Guard\Controlled Folder Access",
    "EnableControlledFolderAccess",
)


def ask_dll(probe: Probe, path: str) -> Dll | None:
    """Return what a library says of itself; None where it says nothing."""
    try:
        return convert(probe.ask("dll", path), Dll | None)
    except ValidationError:
        return None


def cuda_of(dll: Dll | None) -> str | None:
    """Return the CUDA that a library of NVIDIA's is of: by its description, else by its number.

    >>> cuda_of(Dll("6.14.11.11080", "NVIDIA CUDA Runtime, Version 11.8.89 "))
    '11.8.89'
    >>> cuda_of(Dll("6.14.11.9000", "NVIDIA CUDA CUDNN Library, Version 9.0.668 ")), cuda_of(Dll("8.9.4.19"))
    ('9.0', None)
    """
    number = re.fullmatch(r"6\.14\.11\.(\d+)", dll.version) if dll else None
    runtime = re.match(r"NVIDIA CUDA Runtime, Version (\d+(?:\.\d+)+)", (dll and dll.description) or "")
    if runtime:
        return runtime[1]
    return f"{int(number[1]) // 1000}.{int(number[1]) % 1000 // 10}" if number else None


def cudnn_of(path: str, dll: Dll | None) -> str | None:
    r"""Return the version of a cuDNN; before 8 its libraries tell the CUDA that they are for, and no version.

    >>> cudnn_of(r"C:\bin\cudnn64_8.dll", Dll("8.9.4.19")), cudnn_of("cudnn64_7.dll", Dll("6.14.11.9000"))
    ('8.9.4', None)
    """
    major = re.search(r"cudnn64_(\d+)\.dll$", path, re.IGNORECASE)
    ours = dll and major and dll.version.startswith(f"{major[1]}.")
    return ".".join(dll.version.split(".")[:3]) if dll and ours else None


# ---------------------------------------------------------------- C++ runtimes


def read_runtimes(probe: Probe) -> Facts:
    """Read the C++ runtimes that all programs share."""
    folder = (probe.variable("SYSTEMROOT") or r"C:\Windows") + r"\System32"
    found = find_runtimes(probe, folder)
    missing = {name: Fact(None, rf"no {folder}\{name}.dll") for name in RUNTIMES}
    return {
        f"runtimes.{name}": Fact(found[name], rf"{folder}\{name}.dll") if name in found else missing[name]
        for name in RUNTIMES
    }


def find_runtimes(probe: Probe, folder: str) -> dict[str, str]:
    """Return the C++ runtimes that lie in a folder, with their versions."""
    files = {name: probe.glob(rf"{folder}\{name}.dll") for name in RUNTIMES}
    dlls = {name: ask_dll(probe, paths[0]) for name, paths in files.items() if paths}
    return {name: dll.version if dll else PRESENT for name, dll in dlls.items()}


# ---------------------------------------------------------------- Linux inside


def read_distributions(probe: Probe) -> Fact:
    """Read which Linux is installed in Windows.

    `wsl` is started only where the registry has one: without any, it would offer to install one.
    """
    keys = probe.ask("registry_keys", LINUXES)
    names = [probe.ask("registry", rf"{LINUXES}\{key}", "DistributionName") for key in _texts(keys)]
    known = sorted(name for name in names if isinstance(name, str))
    if not known:
        return Fact((), LINUXES)
    told = parse_wsl_list(probe.run("wsl", "-l", "-v") or "")
    return Fact(told, "wsl -l -v") if told else Fact(tuple(map(Distribution, known)), LINUXES)


def parse_wsl_list(text: str) -> tuple[Distribution, ...]:
    r"""Return what `wsl -l -v` lists, the default first; its headings are translated.

    >>> parse_wsl_list("  NAME      STATE      VERSION\r\n* Ubuntu    Stopped    2\r\n")
    (Distribution(name='Ubuntu', version=2, default=True),)
    """
    rows = re.findall(r"^([* ]) (\S.*?) {2,}\S.*? +([12])\s*$", text, re.MULTILINE)
    found = [Distribution(name, int(version), star == "*") for star, name, version in rows]
    return tuple(sorted(found, key=lambda one: not one.default))


# ---------------------------------------------------------------- folders


def read_synced(probe: Probe, folder: str) -> Fact:
    """Read whose cloud a folder is copied to."""
    roots = {name: probe.variable(name) for name in CLOUDS}
    for name, root in roots.items():
        if root and is_below(folder, root):
            return Fact("OneDrive", f"variable {name}")
    return Fact(None, f"it is in no folder that {', '.join(CLOUDS)} name")


def read_guarded(probe: Probe, folder: str) -> Fact:
    """Read whether Windows keeps unknown programs from writing into a folder (controlled folder access)."""
    switch = probe.ask("registry", *GUARD)
    on = switch == 1 and any(is_below(folder, place) for place in personal_folders(probe))
    return Fact(on, GUARD[1] if switch is not None else f"{GUARD[1]} is not set")


def personal_folders(probe: Probe) -> list[str]:
    """Return where desktop, documents and pictures are; people and OneDrive move them."""
    home = str(probe.ask("home") or "")
    told = (probe.ask("registry", PERSONAL, name) for name in PERSONAL_NAMES)
    return [expand(str(place), home) for place in told if place]


def expand(path: str, home: str) -> str:
    r"""Return a path of the registry with the person's folder in it.

    >>> expand(r"%USERPROFILE%\Desktop", r"C:\Users\user")
    'C:\\Users\\user\\Desktop'
    """
    return re.sub("%USERPROFILE%", lambda _: home, path, flags=re.IGNORECASE)


def is_below(path: str, folder: str) -> bool:
    r"""Tell whether a path of Windows is a folder or lies in it.

    >>> is_below(r"c:\Users\user\OneDrive\tf", "C:\\users\\user\\OneDrive\\")
    True
    >>> is_below(r"C:\Users\user\OneDriveOld", r"C:\Users\user\OneDrive")
    False
    """
    parts = partial(re.split, r"[/\\]+")
    inner, outer = parts(path.lower()), parts(folder.lower().rstrip("/\\"))
    return inner[: len(outer)] == outer


def _texts(value: object) -> Iterable[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
