"""CUDA and cuDNN: of the system from headers and file names, of pip and conda from their packages."""

from __future__ import annotations

import re
from glob import escape
from typing import TYPE_CHECKING

from tfup.machine.cuda import describe_toolkits, loader_folders, read_toolkits, real_folders
from tfup.machine.fact import Fact, Facts, list_facts
from tfup.machine.libraries import Cache, ask_loader, find_runtimes, read_libraries
from tfup.machine.packages import read_packages
from tfup.machine.windows import ask_dll, cudnn_of
from tfup.model import Cudnn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tfup.machine.probe import Probe

VARIABLES = ("CUDNN_PATH", "CUDNN_HOME", "CUDNN_ROOT")
FOLDERS = (r"C:\Program Files\NVIDIA\CUDNN\v*",)
"""Where cuDNN's own installer puts it."""

HEADERS = (
    "/include/cudnn_version.h", "/include/cudnn.h",
    "/include/*-linux-gnu/cudnn_version.h", "/include/*-linux-gnu/cudnn_version_v*.h",
    "/include/*-linux-gnu/cudnn_v*.h", "/include/*/cudnn_version.h",
)  # fmt: skip
LIBRARIES = (
    "/lib64/libcudnn.so.*", "/lib/libcudnn.so.*", "/lib/*-linux-gnu/libcudnn.so.*", "/libcudnn.so.*",
    "/bin/cudnn64_*.dll", "/bin/*/cudnn64_*.dll",
)  # fmt: skip

Item = tuple[Cudnn, str]
"""A cuDNN and the file that tells it."""


def read_cuda(probe: Probe) -> Facts:
    """Read toolkits, cuDNN and libraries: of the system, and of what pip and conda brought."""
    packages, own, cache = read_packages(probe), read_toolkits(probe), ask_loader(probe)
    system = [*own, *find_runtimes(probe, cache, own)]
    cuda = {str(toolkit.path): toolkit.version for toolkit in system}
    folders = find_folders(probe, cache, cuda)
    others = [f"{folder}/{name}" for folder in folders for name in ("lib64", "lib") if folder != "/usr"]
    return {
        **describe_toolkits(probe, [*system, *packages.toolkits]),
        **read_cudnn(probe, {folder: cuda.get(folder) for folder in folders}, packages.cudnn),
        **read_libraries(probe, cache, system, packages.folders, others),
    }


def read_cudnn(probe: Probe, folders: Mapping[str, str | None], packages: Sequence[Cudnn]) -> Facts:
    """Say what was found; a header without a version is not the same as no cuDNN."""
    read = {folder: read_folder(probe, folder, cuda) for folder, cuda in folders.items()}
    items = [item for found in read.values() if isinstance(found, list) for item in found]
    items += [(cudnn, str(cudnn.path)) for cudnn in packages]
    silent = {f"cudnn[{place}]": Fact(None, found) for place, found in read.items() if isinstance(found, str)}
    if silent and not items:
        return {"cudnn": Fact(None, "; ".join(fact.note for fact in silent.values()))}
    return list_facts("cudnn", items, "headers and libraries of the toolkits and of /usr") | silent


def find_folders(probe: Probe, cache: Cache | None, cuda: dict[str, str]) -> list[str]:
    """Return where a cuDNN of the system may be, sorted."""
    named = [folder for name in VARIABLES if (folder := probe.variable(name))]
    own = [path for pattern in FOLDERS for path in probe.glob(pattern)]
    cached = [path.rpartition("/")[0] for name, path in (cache or {}).items() if "cudnn." in name]
    loose = [folder for folder in cached if not folder.startswith(("/usr/lib", *cuda))]
    return sorted({*cuda, *named, *own, *loose, *real_folders(probe, loader_folders(probe)), "/usr"})


# ---------------------------------------------------------------- one folder


def read_folder(probe: Probe, folder: str, cuda: str | None) -> list[Item] | str:
    """Return the cuDNN of a folder, or why what lies there tells nothing: its parts have to agree."""
    headers, libraries = read_headers(probe, folder), read_names(probe, folder)
    told = {version: path for path, version in (libraries | headers).items() if version}
    of_headers, of_libraries = (
        {version for version in some.values() if version} for some in (headers, libraries)
    )
    if of_headers and of_libraries and not of_headers & of_libraries:
        return "they disagree: " + ", ".join(f"{path} says {version}" for version, path in told.items())
    known = sorted(of_libraries or of_headers)
    if not known and (headers or libraries):
        return f"{next(iter((*headers, *libraries)))} found, no version in it"
    minor = cuda and ".".join(cuda.split(".")[:2])
    return [(Cudnn(version, told[version], minor), told[version]) for version in known]


def read_headers(probe: Probe, folder: str) -> dict[str, str | None]:
    """Return the version of each header, by its path."""
    paths = [path for pattern in HEADERS for path in probe.glob(escape(folder) + pattern)]
    return {path: parse_header(str(probe.ask("lines", path, "#define CUDNN_") or "")) for path in paths}


def read_names(probe: Probe, folder: str) -> dict[str, str | None]:
    """Return the version of each library that programs would get, by its path."""
    paths = [path for pattern in LIBRARIES for path in probe.glob(escape(folder) + pattern)]
    named = {path: parse_library(path) or read_dll(probe, path) for path in paths}
    links = {
        path: parse_library(str(probe.ask("real_path", path)))
        for path, version in named.items()
        if not version
    }
    taken = {version.split(".")[0]: version for version in links.values() if version}
    return {path: one for path, one in named.items() if not one or one == taken.get(one.split(".")[0], one)}


def read_dll(probe: Probe, path: str) -> str | None:
    """Return the version that a library of Windows tells in its resources."""
    return cudnn_of(path, ask_dll(probe, path)) if path.endswith(".dll") else None


def parse_header(text: str) -> str | None:
    r"""Return the version that the header defines.

    >>> parse_header("#define CUDNN_MAJOR 7\n#define CUDNN_MINOR 0\n#define CUDNN_PATCHLEVEL 5\n")
    '7.0.5'
    """
    parts = [
        re.search(rf"#define CUDNN_{part}\s+(\d{{1,5}})\b", text) for part in ("MAJOR", "MINOR", "PATCHLEVEL")
    ]
    return ".".join(part[1] for part in parts if part) if all(parts) else None


def parse_library(path: str) -> str | None:
    """Return the version that the library's file name carries.

    >>> parse_library("/usr/lib/x86_64-linux-gnu/libcudnn.so.8.9.7")
    '8.9.7'
    >>> parse_library("/usr/local/cuda/lib64/libcudnn.so.8") is None
    True
    """
    found = re.search(r"libcudnn\.so\.(\d{1,5}\.\d{1,5}\.\d{1,5})$", path)
    return found[1] if found else None
