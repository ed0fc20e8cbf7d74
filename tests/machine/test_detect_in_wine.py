"""Stage 1 on a real registry and a real C: drive, by Windows' own Python: Wine stands in for Windows."""

from __future__ import annotations

import shutil
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from tests import wine
from tests.bare_machine import REPOSITORY
from tests.machine.test_windows import write_dll
from tfup.managers import runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

pytestmark = [pytest.mark.wine, pytest.mark.network]

HOME = "users/root/AppData/Local/Programs/Python/Python312"
PYTHON = "C:\\" + HOME.replace("/", "\\") + r"\python.exe"
CUDA = "Program Files/NVIDIA GPU Computing Toolkit/CUDA/v9.0"
HEADER = "#define CUDNN_MAJOR 7\n#define CUDNN_MINOR 0\n#define CUDNN_PATCHLEVEL 5\n"
LXSS = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Lxss\{1}"
NARROW = r"HKLM\Software\Wow6432Node\Python\PythonCore\3.7-32\InstallPath"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[wine.Windows]:
    """Yield a Windows 10 of early 2018: a Python in the registry, CUDA 9.0 and cuDNN 7.0.5 (scenario S2)."""
    assert pytestconfig.cache
    kept, scratch = pytestconfig.cache.mkdir("wine"), tmp_path_factory.mktemp("wine") / "machine"
    with wine.windows(kept, scratch) as made:
        interpreter = made.add_python("3.12", HOME)
        assert PYTHON == interpreter
        made.register("3.12", interpreter)
        lay_out(made.c, kept)
        for key, name, value in (
            (NARROW, "/ve", r"C:\Python37-32"),
            (LXSS, "/v DistributionName", "Ubuntu"),
        ):
            assert 0 == made.run("reg", "add", key, *name.split(), "/d", value, "/f").code
        yield made


@pytest.fixture(scope="module")
def detected(machine: wine.Windows) -> dict[str, Any]:
    """Return what tfup says of it."""
    variables = {"CUDA_PATH": f"C:\\{CUDA}".replace("/", "\\"), "PYTHONPATH": r"C:\libraries;C:\tfup"}
    variables["OneDrive"] = r"C:\users\root\OneDrive"
    run = machine.run(
        PYTHON, "-m", "tfup", "detect", "--json", cwd="users/root/OneDrive", timeout=300, **variables
    )
    assert 0 == run.code, run.err
    return run.document


def lay_out(c: Path, kept: Path) -> None:
    """Put tfup, its libraries, a toolkit, its cuDNN and a stub of the Store on the drive."""
    shutil.copytree(REPOSITORY / "tfup", c / "tfup" / "tfup", ignore=shutil.ignore_patterns("__pycache__"))
    for name, content in wine.libraries(kept).items():
        if not name.startswith("uv-"):
            with zipfile.ZipFile(BytesIO(content)) as wheel:
                wheel.extractall(c / "libraries")
    for folder in ("bin", "include"):
        (c / CUDA / folder).mkdir(parents=True)
    (c / CUDA / "version.txt").write_bytes(b"CUDA Version 9.0.176\r\n")
    (c / CUDA / "include" / "cudnn.h").write_text(HEADER, encoding="ascii")
    write_dll(
        c / CUDA / "bin" / "cudart64_90.dll", (6, 14, 11, 9000), "NVIDIA CUDA Runtime, Version 9.0.176 "
    )
    write_dll(
        c / CUDA / "bin" / "cudnn64_7.dll", (6, 14, 11, 9000), "NVIDIA CUDA CUDNN Library, Version 9.0.668 "
    )
    write_dll(
        c / "windows" / "system32" / "msvcp140_1.dll", (14, 16, 27033, 0), "Microsoft C Runtime Library _1"
    )
    (c / "users" / "root" / "OneDrive").mkdir()
    store = c / "users" / "root" / "AppData" / "Local" / "Microsoft" / "WindowsApps"
    store.mkdir(parents=True)
    (store / "python.exe").touch()


def test_windows_says_what_it_is(detected: dict[str, Any]) -> None:
    """Its version and processor are told without its own database, which answers no thread here."""
    system = detected["system"]

    assert ("windows", "x86_64", 0) == (system["os"], system["arch"], system["wsl"])
    assert system["version"].startswith("10.")
    assert "sse2" in detected["cpu"]["features"]


def test_the_registrys_python_is_asked(detected: dict[str, Any]) -> None:
    """The one that is there answers, with the runtimes beside it; one of 32 bits that is gone is named."""
    (python,) = detected["pythons"]

    assert ("3.12.9", "cp312", 64, "python.org") == tuple(
        python[name] for name in ("version", "abi", "bits", "managed_by")
    )
    assert {"vcruntime140", "vcruntime140_1"} == set(python["runtimes"])
    assert r"pythons[C:\Python37-32\python.exe]" in detected["unknown"]


def test_toolkit_and_cudnn_of_the_drive_are_read(detected: dict[str, Any]) -> None:
    """CUDA 9.0 and cuDNN 7.0.5, from the files that NVIDIA's installers lay down."""
    assert ["9.0.176"] == [toolkit["version"] for toolkit in detected["cuda"]]
    assert ["7.0.5"] == [cudnn["version"] for cudnn in detected["cudnn"]]


def test_runtimes_are_read_out_of_the_libraries(detected: dict[str, Any]) -> None:
    """Versions come from the version resources, what is missing is null."""
    assert "14.16.27033.0" == detected["runtimes"]["msvcp140_1"]
    assert None is detected["runtimes"]["vcruntime140_threads"]


def test_folder_linux_and_limit_are_known(detected: dict[str, Any]) -> None:
    """OneDrive by its variable, a Linux by the registry, the limit to paths by what is not set."""
    assert ("OneDrive", False) == (detected["folder"]["synced_by"], detected["folder"]["guarded"])
    assert ["Ubuntu"] == [linux["name"] for linux in detected["wsl"]]
    assert False is detected["long_paths"]


def test_a_runtime_in_an_environment_is_found_by_our_line_alone(machine: wine.Windows) -> None:
    """The program that runs is the base interpreter, beside which Windows looks; the line adds ours."""
    assert 0 == machine.run(PYTHON, "-m", "venv", "--without-pip", r"C:\tf\.venv").code
    folder = machine.c / "tf" / ".venv"
    shutil.copy(machine.c / HOME / "DLLs" / "sqlite3.dll", folder / "msvcp140_of_nobody.dll")
    (folder / runtime.LIBRARY).touch()
    load = (r"C:\tf\.venv\Scripts\python.exe", "-c", "import ctypes; ctypes.WinDLL('msvcp140_of_nobody.dll')")
    without = machine.run(*load)
    runtime.write(folder, folder / "Lib" / "site-packages")

    assert "Could not find module" in without.err
    assert (0, "") == ((done := machine.run(*load)).code, done.err)
