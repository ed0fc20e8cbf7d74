"""The CUDA toolkits that are installed, from what lies in their folders."""

from __future__ import annotations

import re
from glob import escape
from typing import TYPE_CHECKING

from msgspec import DecodeError, Struct, json

from tfup.machine.fact import Fact, Facts, list_facts
from tfup.machine.system import name_system
from tfup.machine.windows import ask_dll, cuda_of
from tfup.model import Toolkit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tfup.machine.probe import Probe

PLACES = {
    "linux": ("/usr/local/cuda", "/usr/local/cuda-*", "/opt/cuda", "/opt/cuda-*", "/usr/lib/cuda", "/usr"),
    "windows": (r"C:\Program Files\NVIDIA GPU Computing Toolkit\CUDA\v*",),
    "macos": ("/Developer/NVIDIA/CUDA-*",),
}  # fmt: skip
VARIABLES = ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR")
NUMBERED = "CUDA_PATH_V"
"""How the names begin by which Windows' installer tells each toolkit."""
DEBIAN = "/usr/lib/nvidia-cuda-toolkit"
"""Where Debian's package keeps its compiler; its headers and libraries are in the system's folders."""

LIBRARIES = {
    "linux": (
        "/lib64/libcudart.so.*", "/lib/libcudart.so.*", "/targets/*/lib/libcudart.so.*",
        "/lib/*-linux-gnu/libcudart.so.*", "/libcudart.so.*",
    ),
    "windows": (r"\bin\cudart64_*.dll", r"\bin\x64\cudart64_*.dll"),
}  # fmt: skip


VERSION = r"\d{1,5}(?:\.\d{1,8})+"
"""What is taken for a version; longer numbers are damage. Some toolkits end with a date."""


class Part(Struct):
    """One entry of version.json."""

    version: str


def read_toolkits(probe: Probe) -> list[Toolkit]:
    """Read the version of each toolkit of the system, in the way that costs least and says most."""
    read = (read_toolkit(probe, folder) for folder in find_toolkits(probe))
    toolkits = [toolkit for toolkit in read if toolkit]
    whole = {minor_of(toolkit) for toolkit in toolkits if toolkit.source != "nvcc"}
    # A compiler alone is a link or a wrapper, where there is a toolkit of its release.
    return [toolkit for toolkit in toolkits if toolkit.source != "nvcc" or minor_of(toolkit) not in whole]


def minor_of(toolkit: Toolkit) -> str:
    """Return the minor release of a toolkit."""
    return ".".join(toolkit.version.split(".")[:2])


def describe_toolkits(probe: Probe, toolkits: Sequence[Toolkit]) -> Facts:
    """Say what was found, where it was looked for, and which places say nothing."""
    looked = ", ".join((*PLACES.get(name_system(probe), ()), *VARIABLES))
    silent = find_silent(probe, {str(toolkit.path) for toolkit in toolkits})
    return list_facts("cuda", [(toolkit, str(toolkit.source)) for toolkit in toolkits], looked) | silent


def find_silent(probe: Probe, known: set[str]) -> Facts:
    """Return the reason for each place that is named like a toolkit, or by a variable, and is none."""
    patterns = [pattern for pattern in PLACES.get(name_system(probe), ()) if pattern != "/usr"]
    named = [folder for name in list_variables(probe) if (folder := probe.variable(name))]
    places = sorted({*named, *(path for pattern in patterns for path in probe.glob(pattern))})
    real = {place: probe.ask("real_path", place) for place in places}
    return {
        f"cuda[{place}]": Fact(None, "nothing in it tells a version" if target else "it leads nowhere")
        for place, target in real.items()
        if target not in known
    }


def find_toolkits(probe: Probe) -> list[str]:
    """Return the real folders where a toolkit may be, sorted."""
    patterns = PLACES.get(name_system(probe), ())
    named = [probe.variable(name) for name in list_variables(probe)]
    found = (folder for pattern in patterns for folder in probe.glob(pattern))
    return real_folders(
        probe, (*found, *filter(None, named), *compiler_folders(probe), *loader_folders(probe))
    )


def list_variables(probe: Probe) -> list[str]:
    """Return the variables that name a toolkit's folder."""
    settings = probe.ask("settings")
    numbered = (
        [str(name) for name in settings if str(name).startswith(NUMBERED)]
        if isinstance(settings, list)
        else []
    )
    return [*VARIABLES, *numbered]


def compiler_folders(probe: Probe) -> list[str]:
    """Return the folders of the compilers on the PATH."""
    programs = probe.ask("programs", "nvcc")
    real = (
        [str(probe.ask("real_path", str(path)) or path) for path in programs]
        if isinstance(programs, list)
        else []
    )
    folders = [re.sub(r"[/\\]bin[/\\]nvcc(?:\.exe)?$", "", path) for path in real]
    return ["/usr" if folder == DEBIAN else folder for folder in folders]


def real_folders(probe: Probe, folders: Iterable[str]) -> list[str]:
    """Return the folders that are there, with links followed, each once."""
    return sorted({str(real) for folder in folders if (real := probe.ask("real_path", folder))})


def loader_folders(probe: Probe) -> list[str]:
    """Return the folders of which LD_LIBRARY_PATH names the libraries: where modules and people put CUDA."""
    return [strip_library(folder) for folder in loader_path(probe)]


def loader_path(probe: Probe) -> list[str]:
    """Return the folders that LD_LIBRARY_PATH names, without relative ones."""
    named = (probe.variable("LD_LIBRARY_PATH") or "").split(":")
    return [folder for folder in named if folder.startswith("/")]


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
    versions = (parse_library(path) or _read_dll(probe, path) for path in paths)
    return next(filter(None, versions), None)


def _read_dll(probe: Probe, path: str) -> str | None:
    return cuda_of(ask_dll(probe, path)) if path.endswith(".dll") else None


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
    told = [parts[name].version for name in ("cuda", "cuda_cudart", "cuda_nvcc") if name in parts]
    return next((version for version in told if re.fullmatch(VERSION, version)), None)


def parse_version_text(text: str) -> str | None:
    r"""Return the toolkit's version, not that of a patch.

    >>> parse_version_text("CUDA Version 9.0.176\nCUDA Patch Version 9.0.176.1\n")
    '9.0.176'
    """
    found = re.search(rf"^CUDA Version ({VERSION})", text, re.MULTILINE)
    return found[1] if found else None


def parse_library(path: str) -> str | None:
    r"""Return the version that a runtime library's file name carries; a link says too little.

    >>> parse_library("/usr/local/cuda-9.0/lib64/libcudart.so.9.0.176")
    '9.0.176'
    >>> parse_library("/usr/local/cuda-11.8/lib64/libcudart.so.11.0") is None  # the soname of every 11
    True
    >>> parse_library(r"C:\CUDA\v9.0\bin\cudart64_90.dll"), parse_library(r"C:\x\bin\cudart64_101.dll")
    ('9.0', '10.1')
    >>> parse_library(r"C:\x\bin\cudart64_110.dll"), parse_library(r"C:\x\bin\cudart64_12.dll")
    (None, None)
    """
    unix = re.search(r"libcudart\.so\.(\d{1,5}\.\d{1,5}\.\d{1,5})$", path)
    windows = re.search(r"cudart64_([5-9]|10)(\d)\.dll$", path)
    if unix:
        return unix[1]
    return f"{windows[1]}.{windows[2]}" if windows else None


def parse_header(text: str) -> str | None:
    """Return the version that cuda.h defines.

    >>> parse_header("#define CUDA_VERSION 13000")
    '13.0'
    """
    found = re.search(r"#define CUDA_VERSION\s+(\d{4,6})\b", text)
    return f"{int(found[1]) // 1000}.{int(found[1]) % 1000 // 10}" if found else None


def parse_nvcc(text: str) -> str | None:
    r"""Return the compiler's version.

    >>> parse_nvcc("nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 9.0, V9.0.176\n")
    '9.0.176'
    """
    found = re.search(rf"release [\d.]+, V({VERSION})", text)
    return found[1] if found else None
