"""Facts that only a library, or the interpreter itself, can tell; `probe.ask(name)` looks here.

Each takes the live probe and text, and returns what JSON can hold, or None. Heavy libraries are
imported by the one reader that needs them.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfup.folders import cache_folder
from tfup.machine import interpreters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tfup.machine.probe import Json, Live

SHEBANG_LIMIT = 1024
NVML_SECONDS = 10.0

# Other programs read variables of these families too, and keep secrets in them (TF_VAR_ is
# Terraform's): so those of TensorFlow are named, not all that begin with TF_.
FAMILIES = (
    "PIP_", "UV_", "CONDA_OVERRIDE_", "TF_CPP_", "TF_CUD", "TF_DETERMINISTIC", "TF_DISABLE_", "TF_ENABLE_",
    "TF_FORCE_", "TF_GPU_", "TF_NUM_", "TF_ONEDNN", "TF_USE_", "TF_XLA_",
)  # fmt: skip


# ---------------------------------------------------------------- the system


def read_platform(_: Live) -> str:
    """Return Python's name of the system: linux, darwin, win32."""
    return sys.platform


def read_machine_type(_: Live) -> str:
    """Return the processor's family as the system calls it: x86_64, AMD64, arm64."""
    import platform

    return platform.machine()


def read_release(_: Live) -> str:
    """Return the version of Windows or macOS: 10.0.19045, 14.5."""
    import platform

    return platform.mac_ver()[0] or platform.version()


def read_libc(_: Live) -> str | None:
    """Return what the C library calls itself, "glibc 2.36"; musl has no such answer."""
    return os.confstr("CS_GNU_LIBC_VERSION")


def read_long_paths(_: Live) -> bool:
    """Return whether Windows allows paths of more than 260 characters."""
    import winreg

    place = r"SYSTEM\CurrentControlSet\Control\FileSystem"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:  # type: ignore[attr-defined,unused-ignore]
        return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])  # type: ignore[attr-defined,unused-ignore]


# ---------------------------------------------------------------- what it is made of


def read_features(_: Live) -> list[str] | None:
    """Return the processor's features by archspec's names."""
    from archspec.cpu.detect import detected_info

    return sorted(detected_info().features) or None


def read_model(_: Live) -> str | None:
    """Return the processor's name as its maker writes it."""
    from archspec.cpu import brand_string

    name: str | None = brand_string()
    return name


def read_cores(_: Live) -> int | None:
    """Return the number of logical processors."""
    import psutil

    cores: int | None = psutil.cpu_count()
    return cores


def read_memory(_: Live) -> int:
    """Return the memory in bytes."""
    import psutil

    return int(psutil.virtual_memory().total)


def read_disk(_: Live, folder: str) -> int:
    """Return the bytes that we may still write where the folder is, or will be."""
    import psutil

    place = Path(folder).absolute()
    there = next(parent for parent in (place, *place.parents) if parent.exists())
    return int(psutil.disk_usage(str(there)).free)


def ask_nvml(live: Live) -> Json | None:
    """Ask NVIDIA's library, in a process of its own: a driver that hangs must not take us with it."""
    from msgspec import json

    script = Path(__file__).with_name("nvml.py").read_text(encoding="utf-8")
    text = live.run(sys.executable, "-c", script, timeout=NVML_SECONDS)
    return None if text is None else json.decode(text)


# ---------------------------------------------------------------- the person


def read_home(live: Live) -> str | None:
    """Return the home folder; HOME may be unset, and some accounts have none."""
    home = live.variable("HOME") or live.variable("USERPROFILE") or os.path.expanduser("~")  # noqa: PTH111 (it never raises)
    return home if Path(home).is_absolute() else None


def read_user(live: Live) -> str | None:
    """Return the person's login name, so that a recording can leave it out."""
    home = read_home(live)
    return live.variable("USER") or live.variable("USERNAME") or (Path(home).name if home else None)


def list_settings(live: Live) -> list[str]:
    """Return the names of the variables that belong to pip, uv or TensorFlow."""
    return sorted(name for name in live.environ if name.startswith(FAMILIES))


# ---------------------------------------------------------------- programs and interpreters


def find_interpreters(live: Live) -> list[str]:
    """Return the programs on the PATH that are named like interpreters."""
    paths = (f"{folder}{os.sep}{name}" for folder in _path(live) for name in _names_in(folder))
    return [path for path in paths if interpreters.is_interpreter(path) and is_program(path)]


def find_programs(live: Live, name: str) -> list[str]:
    """Return the programs of that name on the PATH, the one that would run first."""
    paths = (f"{folder}{os.sep}{name}{suffix}" for folder in _path(live) for suffix in ("", ".exe"))
    return [path for path in paths if is_program(path)]


def _path(live: Live) -> list[str]:
    """Return the folders of the PATH.

    Relative ones are left out: what lies in the current folder may be anybody's.
    """
    folders = dict.fromkeys((live.variable("PATH") or "").split(os.pathsep))
    return [folder.rstrip(os.sep) for folder in folders if Path(folder).is_absolute()]


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 (thousands of names: Path takes 10 ms)
    except OSError:
        return []


def is_program(path: str) -> bool:
    """Tell whether this is a file that we may run, by a name that JSON can hold."""
    is_text = path.isascii() or path.encode("utf-8", "ignore") == os.fsencode(path)
    return is_text and os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113 (as above)


def read_real_path(_: Live, path: str) -> str | None:
    """Return where a path leads through all links, None where that is nowhere."""
    real = os.path.realpath(path)
    return real if Path(real).exists() else None


def find_lines(live: Live, path: str, *starts: str) -> str | None:
    """Return the lines of a text that begin so: of a long header, a recording needs three."""
    text = live.read(path)
    return None if text is None else "\n".join(line for line in text.splitlines() if line.startswith(starts))


def read_shebang(_: Live, path: str) -> str | None:
    """Return the beginning of a script, None for a binary."""
    with Path(path).open("rb") as file:
        start = file.read(SHEBANG_LIMIT)
    return start.decode("utf-8", "replace") if start.startswith(b"#!") else None


def list_registered(_: Live) -> list[str]:
    """Return the interpreters that Windows' registry knows, as the `py` launcher reads it (PEP 514)."""
    import winreg

    roots = [getattr(winreg, name) for name in ("HKEY_CURRENT_USER", "HKEY_LOCAL_MACHINE")]
    wide, narrow = (getattr(winreg, f"KEY_WOW64_{width}KEY") for width in (64, 32))
    found = {path for root in roots for view in (wide, narrow) for path in registered_in(winreg, root, view)}
    return sorted(found)


def registered_in(winreg: Any, root: int, view: int) -> Iterator[str]:  # noqa: ANN401 (the module is on Windows only)
    """Yield the interpreters below one root, in one of its two views."""
    access = winreg.KEY_READ | view
    for company in subkeys(winreg, root, r"Software\Python", access):
        for tag in subkeys(winreg, root, rf"Software\Python\{company}", access):
            place = rf"Software\Python\{company}\{tag}\InstallPath"
            with suppress(OSError), winreg.OpenKey(root, place, 0, access) as key:
                yield winreg.QueryValue(key, None).rstrip("\\") + r"\python.exe"


def subkeys(winreg: Any, root: int, place: str, access: int) -> list[str]:  # noqa: ANN401 (as above)
    """Return the names of the keys below one."""
    try:
        with winreg.OpenKey(root, place, 0, access) as key:
            return [winreg.EnumKey(key, number) for number in range(winreg.QueryInfoKey(key)[0])]
    except OSError:
        return []


def read_cache(live: Live) -> str:
    """Return our own cache folder, with links followed: interpreters are known by their real paths."""
    return os.path.realpath(cache_folder(live.environ))


def read_bits(_: Live) -> int:
    """Return the width of our own interpreter."""
    return 64 if sys.maxsize > 2**32 else 32


def read_own_interpreter(_: Live) -> str:
    """Return the interpreter that runs us."""
    return sys.executable


READERS: dict[str, Callable[..., Json | None]] = {
    "bits": read_bits,
    "cache": read_cache,
    "cores": read_cores,
    "disk_free": read_disk,
    "features": read_features,
    "home": read_home,
    "interpreters_on_path": find_interpreters,
    "libc": read_libc,
    "lines": find_lines,
    "long_paths": read_long_paths,
    "machine_type": read_machine_type,
    "memory": read_memory,
    "model": read_model,
    "nvml": ask_nvml,
    "own_interpreter": read_own_interpreter,
    "platform": read_platform,
    "programs": find_programs,
    "python": interpreters.interview,
    "real_path": read_real_path,
    "registered_interpreters": list_registered,
    "release": read_release,
    "settings": list_settings,
    "shebang": read_shebang,
    "user": read_user,
}
