"""Facts that only a library, or the interpreter itself, can tell; `probe.ask(name)` looks here.

Each takes the live probe and text, and returns what JSON can hold, or None. Heavy libraries are
imported by the one reader that needs them.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from tfup.folders import cache_folder
from tfup.machine import interpreters, libraries
from tfup.machine.dll import read_dll
from tfup.machine.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfup.machine.live import Live
    from tfup.machine.probe import Json

SHEBANG_LIMIT = 1024
CACHE_SECONDS = 1.0
NVML_SECONDS = 1.1
NVML_GRACE = 0.25
"""How much later than it was told nvml.py may end: with what comes before and after it, 1.5 s at most."""

# Other programs read variables of these families too, and keep secrets in them (TF_VAR_ is
# Terraform's): so those of TensorFlow are named, not all that begin with TF_.
FAMILIES = (
    "PIP_", "UV_", "CONDA_OVERRIDE_", "CUDA_PATH_V", "TF_CPP_", "TF_CUD", "TF_DETERMINISTIC", "TF_DISABLE_",
    "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_NUM_", "TF_ONEDNN", "TF_USE_", "TF_XLA_",
)  # fmt: skip


# ---------------------------------------------------------------- the system


def read_platform(_: Live) -> str:
    """Return Python's name of the system: linux, darwin, win32."""
    return sys.platform


def read_machine_type(live: Live) -> str | None:
    """Return the processor's family as the system calls it: x86_64, AMD64, arm64.

    On Windows the variable tells what it makes of the processor for this program, the registry what it is.
    """
    if hasattr(os, "uname"):
        return os.uname().machine
    name = "PROCESSOR_ARCHITECTURE"
    told = Registry().read(r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment", name)
    return str(told) if told else live.variable(name)


def read_release(_: Live) -> str:
    """Return the version of Windows or macOS: 10.0.19045, 14.5.

    For Windows `platform` asks its own database (WMI), which may take seconds, and answers not every thread.
    """
    import platform

    windows = getattr(sys, "getwindowsversion", None)
    return ".".join(map(str, windows().platform_version)) if windows else platform.mac_ver()[0]


def read_libc(_: Live) -> str | None:
    """Return what the C library calls itself, "glibc 2.36"; musl has no such answer."""
    return os.confstr("CS_GNU_LIBC_VERSION")


def read_long_paths(_: Live) -> bool:
    """Return whether Windows allows paths of more than 260 characters."""
    return bool(Registry().read(r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem", "LongPathsEnabled"))


# ---------------------------------------------------------------- what it is made of


def read_features(_: Live) -> list[str] | None:
    """Return the processor's features by archspec's names."""
    from archspec.cpu.detect import detected_info

    return sorted((_cpuid() or detected_info()).features) or None


def read_model(_: Live) -> str | None:
    """Return the processor's name as its maker writes it."""
    from archspec.cpu import brand_string

    cpuid = _cpuid()
    name: str | None = cpuid.brand_string() if cpuid else brand_string()
    return name and name.strip("\0 ")


def _cpuid() -> Any:  # noqa: ANN401 (archspec ships no types)
    """Ask the processor itself on Windows, where archspec would ask `platform` first: see read_release."""
    from sysconfig import get_platform

    from archspec.cpu.detect import CpuidInfoCollector

    return CpuidInfoCollector() if get_platform() == "win-amd64" else None


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
    end = str(time() + NVML_SECONDS)
    text = live.run(sys.executable, "-c", script, end, timeout=NVML_SECONDS + NVML_GRACE)
    return None if text is None else json.decode(text.splitlines()[-1])  # the library may print, too


def list_libraries(_: Live, folder: str) -> list[str] | None:
    """Return the names of CUDA's libraries in a folder; a link that leads nowhere is none."""
    if not Path(folder).is_dir():
        return None
    named = (name for name in _names_in(folder) if re.fullmatch(libraries.NAMES, name))
    return [name for name in named if (Path(folder) / name).exists()]


def list_cached(live: Live) -> dict[str, str] | None:
    """Return the libraries of CUDA in the loader's cache, path by name; musl keeps none."""
    text = live.run("/sbin/ldconfig", "-p", timeout=CACHE_SECONDS)
    return None if text is None else libraries.parse_cache(text)


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
    """Return the interpreters that Windows' registry knows."""
    return Registry().pythons()


def read_registry(_: Live, key: str, name: str = "") -> Json | None:
    """Return a value of Windows' registry."""
    return Registry().read(key, name)


def list_registry(_: Live, key: str) -> list[str]:
    """Return the names of the keys below one of Windows' registry."""
    return Registry().below(key)


def describe_dll(_: Live, path: str) -> Json | None:
    """Return version and description of a Windows library."""
    from msgspec import to_builtins

    dll: Json = to_builtins(read_dll(path))
    return dll


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
    "dll": describe_dll,
    "features": read_features,
    "home": read_home,
    "interpreters_on_path": find_interpreters,
    "libc": read_libc,
    "libraries": list_libraries,
    "lines": find_lines,
    "loader_libraries": list_cached,
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
    "registry": read_registry,
    "registry_keys": list_registry,
    "release": read_release,
    "settings": list_settings,
    "shebang": read_shebang,
    "user": read_user,
}
