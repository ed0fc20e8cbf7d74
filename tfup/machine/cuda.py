"""The CUDA toolkits that are installed, from what lies in their folders."""

from __future__ import annotations

import re
from glob import escape
from typing import TYPE_CHECKING

from msgspec import DecodeError, Struct, json

from tfup.machine.fact import Facts, list_facts
from tfup.machine.system import name_system
from tfup.model import Toolkit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tfup.machine.probe import Probe

PLACES = {
    "linux": ("/usr/local/cuda", "/usr/local/cuda-*", "/opt/cuda", "/opt/cuda-*", "/usr/lib/cuda", "/usr"),
    "windows": (r"C:\Program Files\NVIDIA GPU Computing Toolkit\CUDA\v*",),
    "macos": ("/Developer/NVIDIA/CUDA-*",),
}  # fmt: skip
VARIABLES = ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT")

LIBRARIES = {
    "linux": (
        "/lib64/libcudart.so.*", "/lib/libcudart.so.*", "/targets/*/lib/libcudart.so.*",
        "/lib/*-linux-gnu/libcudart.so.*",
    ),
    "windows": (r"\bin\cudart64_*.dll",),
}  # fmt: skip


class Part(Struct):
    """One entry of version.json."""

    version: str


def read_toolkits(probe: Probe) -> list[Toolkit]:
    """Read the version of each toolkit, in the way that costs least and says most."""
    toolkits = (read_toolkit(probe, folder) for folder in find_toolkits(probe))
    return [toolkit for toolkit in toolkits if toolkit]


def describe_toolkits(probe: Probe, toolkits: Iterable[Toolkit]) -> Facts:
    """Say what was found, and where it was looked for."""
    looked = ", ".join((*PLACES.get(name_system(probe), ()), *VARIABLES))
    return list_facts("cuda", [(toolkit, str(toolkit.source)) for toolkit in toolkits], looked)


def find_toolkits(probe: Probe) -> list[str]:
    """Return the real folders where a toolkit may be, sorted."""
    patterns = PLACES.get(name_system(probe), ())
    named = [probe.variable(name) for name in VARIABLES]
    found = (folder for pattern in patterns for folder in probe.glob(pattern))
    return real_folders(probe, (*found, *filter(None, named), *loader_folders(probe)))


def real_folders(probe: Probe, folders: Iterable[str]) -> list[str]:
    """Return the folders that are there, with links followed, each once."""
    return sorted({str(real) for folder in folders if (real := probe.ask("real_path", folder))})


def loader_folders(probe: Probe) -> list[str]:
    """Return the folders of which LD_LIBRARY_PATH names the libraries: where modules and people put CUDA."""
    named = (probe.variable("LD_LIBRARY_PATH") or "").split(":")
    return [strip_library(folder) for folder in named if folder.startswith("/")]


def strip_library(folder: str) -> str:
    """Return the folder that a folder of libraries belongs to.

    >>> strip_library("/apps/cuda/11.2/lib64/"), strip_library("/usr/local/cuda/targets/x86_64-linux/lib")
    ('/apps/cuda/11.2', '/usr/local/cuda')
    >>> strip_library("/home/user/cudnn")
    '/home/user/cudnn'
    """
    return re.sub(r"(?:/targets/[^/]+)?/lib(?:64)?(?:/stubs)?/*$", "", folder) or "/"


def read_toolkit(probe: Probe, folder: str) -> Toolkit | None:
    """Read one toolkit; a folder that nothing is said of is none."""
    for source, read in SOURCES.items():
        version = read(probe, folder)
        if version:
            return Toolkit(version, folder, source)
    return None


def _read_json(probe: Probe, folder: str) -> str | None:
    return parse_version_json(probe.read(f"{folder}/version.json") or "")


def _read_text(probe: Probe, folder: str) -> str | None:
    return parse_version_text(probe.read(f"{folder}/version.txt") or "")


def _read_library(probe: Probe, folder: str) -> str | None:
    patterns = LIBRARIES.get(name_system(probe), ())
    paths = (path for pattern in patterns for path in probe.glob(escape(folder) + pattern))
    return next((version for path in paths if (version := parse_library(path))), None)


def _read_header(probe: Probe, folder: str) -> str | None:
    return parse_header(str(probe.ask("lines", f"{folder}/include/cuda.h", "#define CUDA_VERSION") or ""))


def _read_nvcc(probe: Probe, folder: str) -> str | None:
    compilers = probe.glob(f"{escape(folder)}/bin/nvcc")
    return parse_nvcc(probe.run(compilers[0], "--version") or "") if compilers else None


SOURCES: dict[str, Callable[[Probe, str], str | None]] = {
    "version.json": _read_json,
    "version.txt": _read_text,
    "libcudart": _read_library,
    "cuda.h": _read_header,
    "nvcc": _read_nvcc,
}


def parse_version_json(text: str) -> str | None:
    """Return the toolkit's version; where only parts are named, the runtime's.

    >>> parse_version_json('{"cuda": {"name": "CUDA SDK", "version": "11.8.20220929"}}')
    '11.8.20220929'
    """
    try:
        parts = json.decode(text, type=dict[str, Part])
    except (DecodeError, UnicodeError):
        return None
    return next((parts[name].version for name in ("cuda", "cuda_cudart", "cuda_nvcc") if name in parts), None)


def parse_version_text(text: str) -> str | None:
    r"""Return the toolkit's version, not that of a patch.

    >>> parse_version_text("CUDA Version 9.0.176\nCUDA Patch Version 9.0.176.1\n")
    '9.0.176'
    """
    found = re.search(r"^CUDA Version (\d+(?:\.\d+)+)", text, re.MULTILINE)
    return found[1] if found else None


def parse_library(path: str) -> str | None:
    r"""Return the version that a runtime library's file name carries; a link says too little.

    >>> parse_library("/usr/local/cuda-9.0/lib64/libcudart.so.9.0.176")
    '9.0.176'
    >>> parse_library("/usr/local/cuda-11.8/lib64/libcudart.so.11.0") is None  # the soname of every 11
    True
    >>> parse_library(r"C:\CUDA\v9.0\bin\cudart64_90.dll")
    '9.0'
    """
    unix = re.search(r"libcudart\.so\.(\d+\.\d+\.\d+)$", path)
    windows = re.search(r"cudart64_(\d+)(\d)\.dll$", path)
    if unix:
        return unix[1]
    return f"{windows[1]}.{windows[2]}" if windows else None


def parse_header(text: str) -> str | None:
    """Return the version that cuda.h defines.

    >>> parse_header("#define CUDA_VERSION 13000")
    '13.0'
    """
    found = re.search(r"#define CUDA_VERSION\s+(\d+)", text)
    return f"{int(found[1]) // 1000}.{int(found[1]) % 1000 // 10}" if found else None


def parse_nvcc(text: str) -> str | None:
    r"""Return the compiler's version.

    >>> parse_nvcc("nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 9.0, V9.0.176\n")
    '9.0.176'
    """
    found = re.search(r"release [\d.]+, V(\d+(?:\.\d+)+)", text)
    return found[1] if found else None
