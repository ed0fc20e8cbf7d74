"""CUDA and cuDNN: of the system from headers and file names, of pip and conda from their packages."""

from __future__ import annotations

import re
from glob import escape
from typing import TYPE_CHECKING

from tfup.machine.cuda import describe_toolkits, loader_folders, read_toolkits, real_folders
from tfup.machine.fact import Fact, Facts, list_facts
from tfup.machine.python import list_conda_environments, list_folders
from tfup.machine.system import name_system
from tfup.model import Cudnn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfup.machine.probe import Probe

VARIABLES = ("CUDNN_PATH", "CUDNN_HOME", "CUDNN_ROOT")

HEADERS = (
    "/include/cudnn_version.h", "/include/cudnn.h",
    "/include/*-linux-gnu/cudnn_version.h", "/include/*-linux-gnu/cudnn_version_v*.h",
    "/include/*-linux-gnu/cudnn_v*.h",
)  # fmt: skip
LIBRARIES = ("/lib64/libcudnn.so.*", "/lib/libcudnn.so.*", "/lib/*-linux-gnu/libcudnn.so.*", "/libcudnn.so.*")
PIP_PACKAGES = (
    "/lib/python*/*-packages/nvidia_cudnn*.dist-info",
    "/Lib/site-packages/nvidia_cudnn*.dist-info",
)
CONDA_PACKAGE = "/conda-meta/cudnn-[0-9]*.json"


def read_cuda(probe: Probe) -> Facts:
    """Read the toolkits, and the cuDNN in them, in the system's folders and in those that variables name."""
    toolkits = read_toolkits(probe)
    cuda = {str(toolkit.path): toolkit.version for toolkit in toolkits}
    named = filter(None, (probe.variable(name) for name in VARIABLES))
    folders = sorted({*cuda, *named, *real_folders(probe, loader_folders(probe)), "/usr"})
    found = [read_cudnn(probe, folder, cuda.get(folder)) for folder in folders]
    packages = [(cudnn, str(cudnn.path)) for cudnn in read_packages(probe)]
    return describe_toolkits(probe, toolkits) | describe_cudnn([*filter(None, found), *packages])


def read_packages(probe: Probe) -> list[Cudnn]:
    """Return the cuDNN that pip and conda have put into the environments in use and the usual folders."""
    conda = [escape(folder) for folder in (*list_conda_environments(probe), "/opt/conda")]
    patterns = [prefix + CONDA_PACKAGE for prefix in conda]
    patterns += [prefix + package for prefix in (*conda, *pip_prefixes(probe)) for package in PIP_PACKAGES]
    paths = sorted({path for pattern in patterns for path in probe.glob(pattern)})
    return [cudnn for path in paths if (cudnn := parse_package(path))]


def pip_prefixes(probe: Probe) -> list[str]:
    """Return, as patterns, the prefixes into which pip may have installed beside conda's."""
    folders = list_folders(probe, name_system(probe))
    active = probe.variable("VIRTUAL_ENV")
    home, pyenv = escape(folders["home"]), escape(folders["pyenv"])
    return [
        *([escape(active)] if active else []),
        f"{home}/.local",
        "/usr",
        "/usr/local",
        f"{pyenv}/versions/*",
    ]


def parse_package(path: str) -> Cudnn | None:
    """Return the cuDNN of a package, and the CUDA that it was made for, by the name of its file.

    >>> parse_package("/usr/local/lib/python3.11/dist-packages/nvidia_cudnn_cu12-9.1.0.70.dist-info").cuda
    '12'
    >>> parse_package("/opt/conda/conda-meta/cudnn-7.6.5-cuda10.1_0.json").version
    '7.6.5'
    """
    name = re.split(r"[/\\]", path)[-1]
    pip = re.match(r"nvidia_cudnn(?:_cu(\d+))?-(\d+(?:\.\d+)*)\.dist-info$", name)
    conda = re.match(r"cudnn-(\d+(?:\.\d+)*)-(?:.*?cuda(\d+(?:\.\d+)?))?", name)
    if pip:
        return Cudnn(pip[2], path, pip[1])
    return Cudnn(conda[1], path, conda[2]) if conda else None


def read_cudnn(probe: Probe, folder: str, cuda: str | None) -> tuple[Cudnn | None, str] | None:
    """Return cuDNN and the file that tells it, None for a folder without any."""
    version, path = find_version(probe, folder)
    if not path:
        return None
    return (Cudnn(version, path, cuda and ".".join(cuda.split(".")[:2])) if version else None), path


def describe_cudnn(found: Sequence[tuple[Cudnn | None, str]]) -> Facts:
    """Say what was found; a header without a version is not the same as no cuDNN."""
    items = [(cudnn, path) for cudnn, path in found if cudnn]
    if found and not items:
        return {"cudnn": Fact(None, f"{found[0][1]} found, no version in it")}
    return list_facts("cudnn", items, "headers and libraries of the toolkits and of /usr")


def find_version(probe: Probe, folder: str) -> tuple[str | None, str | None]:
    """Return version and file; the file alone where it does not tell the version."""
    headers = [path for pattern in HEADERS for path in probe.glob(escape(folder) + pattern)]
    libraries = [path for pattern in LIBRARIES for path in probe.glob(escape(folder) + pattern)]
    read = [(parse_header(str(probe.ask("lines", path, "#define CUDNN_") or "")), path) for path in headers]
    read += [(parse_library(path), path) for path in libraries]
    return next((pair for pair in read if pair[0]), read[0] if read else (None, None))


def parse_header(text: str) -> str | None:
    r"""Return the version that the header defines.

    >>> parse_header("#define CUDNN_MAJOR 7\n#define CUDNN_MINOR 0\n#define CUDNN_PATCHLEVEL 5\n")
    '7.0.5'
    """
    parts = [re.search(rf"#define CUDNN_{part}\s+(\d+)", text) for part in ("MAJOR", "MINOR", "PATCHLEVEL")]
    return ".".join(part[1] for part in parts if part) if all(parts) else None


def parse_library(path: str) -> str | None:
    """Return the version that the library's file name carries.

    >>> parse_library("/usr/lib/x86_64-linux-gnu/libcudnn.so.8.9.7")
    '8.9.7'
    >>> parse_library("/usr/local/cuda/lib64/libcudnn.so.8") is None
    True
    """
    found = re.search(r"libcudnn\.so\.(\d+\.\d+\.\d+)$", path)
    return found[1] if found else None
