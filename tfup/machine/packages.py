"""CUDA and cuDNN that pip and conda put into environments, by the names of their packages' files."""

from __future__ import annotations

import re
from glob import escape
from typing import TYPE_CHECKING

from msgspec import Struct

from tfup.machine.python import CONDA, list_conda_environments, list_folders, list_patterns
from tfup.machine.system import name_system
from tfup.model import Cudnn, Owner, Toolkit

if TYPE_CHECKING:
    from tfup.machine.probe import Probe

CONDA_PACKAGES = tuple(f"/conda-meta/{name}-[0-9]*.json" for name in ("cudnn", "cudatoolkit", "cuda-cudart"))
PIP_FOLDERS = {"windows": "/Lib/site-packages"}
PIP_FOLDER = "/lib/python*/*-packages"
PIP_PACKAGES = ("/nvidia_cudnn*.dist-info", "/nvidia_cuda_runtime*.dist-info")
LIBRARIES = {
    ("pip", "windows"): "/nvidia/*/bin", ("pip", ""): "/nvidia/*/lib",
    ("conda", "windows"): "/Library/bin", ("conda", ""): "/lib",
}  # fmt: skip
"""Where the libraries are, below site-packages or the environment."""


class Packages(Struct, frozen=True):
    """What pip and conda brought, and the folders with its libraries."""

    toolkits: list[Toolkit]
    cudnn: list[Cudnn]
    folders: dict[str, Owner]


def read_packages(probe: Probe) -> Packages:
    """Read the packages in the environments of the interpreters that are here."""
    found: list[tuple[str, Owner]] = [(path, "conda") for path in find_conda(probe)]
    found += [(path, "pip") for path in find_pip(probe)]
    toolkits = [toolkit for path, _ in found if (toolkit := parse_runtime(path))]
    cudnn = [one for path, _ in found if (one := parse_cudnn(path))]
    roots = {root_of(path): owner for path, owner in sorted(found)}
    folders = {
        folder: owner for root, owner in roots.items() for folder in list_libraries(probe, root, owner)
    }
    return Packages(toolkits, cudnn, folders)


def root_of(path: str) -> str:
    """Return the site-packages or the environment that a package's file lies in.

    >>> root_of("/opt/conda/conda-meta/cudnn-7.6.5-cuda10.1_0.json")
    '/opt/conda'
    >>> root_of("/v/lib/python3.12/site-packages/nvidia_cudnn_cu12-9.1.0.70.dist-info")
    '/v/lib/python3.12/site-packages'
    """
    return re.sub(r"(?:[/\\]conda-meta)?[/\\][^/\\]+$", "", path)


def find_conda(probe: Probe) -> list[str]:
    """Return the files of conda's packages."""
    usual = [prefix for prefix in list_prefixes(probe) if any(name in prefix for name in CONDA)]
    listed = [escape(folder) for folder in (*list_conda_environments(probe), "/opt/conda")]
    patterns = [prefix + package for prefix in sorted({*usual, *listed}) for package in CONDA_PACKAGES]
    return sorted({path for pattern in patterns for path in probe.glob(pattern)})


def find_pip(probe: Probe) -> list[str]:
    """Return the folders of pip's packages."""
    folder = PIP_FOLDERS.get(name_system(probe), PIP_FOLDER)
    patterns = [prefix + folder + package for prefix in list_prefixes(probe) for package in PIP_PACKAGES]
    return sorted({path for pattern in patterns for path in probe.glob(pattern)})


def list_prefixes(probe: Probe) -> list[str]:
    """Return, as patterns, the prefixes of all interpreters, of the active environment and of the person."""
    folders = list_folders(probe, name_system(probe))
    on_path = probe.ask("interpreters_on_path")
    programs = [escape(str(path)) for path in on_path] if isinstance(on_path, list) else []
    prefixes = [prefix_of(program) for program in (*list_patterns(probe), *programs)]
    active = probe.variable("VIRTUAL_ENV")
    own = [escape(active)] if active else []
    conda = [escape(folder) for folder in (*list_conda_environments(probe), "/opt/conda")]
    return sorted({*prefixes, *own, *conda, f"{escape(folders['home'])}/.local", "/usr", "/usr/local"})


def prefix_of(program: str) -> str:
    r"""Return the prefix of an interpreter, or of a pattern for some.

    >>> prefix_of("/home/user/.pyenv/versions/*/bin/python"), prefix_of(r"C:\Python*\python.exe")
    ('/home/user/.pyenv/versions/*', 'C:\\Python*')
    """
    return re.sub(r"/(?:bin|libexec)/[^/]+$|\\[^\\]+\.exe$", "", program)


def list_libraries(probe: Probe, root: str, owner: Owner) -> list[str]:
    """Return the folders with libraries below site-packages or an environment."""
    system = name_system(probe) if name_system(probe) == "windows" else ""
    pattern = LIBRARIES[owner, system]
    return probe.glob(escape(root) + pattern) if "*" in pattern else [root + pattern]


def parse_cudnn(path: str) -> Cudnn | None:
    """Return the cuDNN of a package, and the CUDA that it was made for, by the name of its file.

    >>> parse_cudnn("/usr/local/lib/python3.11/dist-packages/nvidia_cudnn_cu12-9.1.0.70.dist-info").cuda
    '12'
    >>> parse_cudnn("/opt/conda/conda-meta/cudnn-7.6.5-cuda10.1_0.json").version
    '7.6.5'
    """
    name = re.split(r"[/\\]", path)[-1]
    pip = re.match(r"nvidia_cudnn(?:_cu(\d+))?-(\d+(?:\.\d+)*)\.dist-info$", name)
    conda = re.match(r"cudnn-(\d+(?:\.\d+)*)-(?:.*?cuda(\d+(?:\.\d+)?))?", name)
    if pip:
        return Cudnn(pip[2], path, pip[1], "pip")
    return Cudnn(conda[1], path, conda[2], "conda") if conda else None


def parse_runtime(path: str) -> Toolkit | None:
    """Return the CUDA runtime of a package, by the name of its file.

    >>> parse_runtime("/v/lib/python3.11/site-packages/nvidia_cuda_runtime_cu12-12.3.101.dist-info").version
    '12.3.101'
    >>> parse_runtime("/opt/conda/conda-meta/cudatoolkit-9.2-0.json").owner
    'conda'
    """
    name = re.split(r"[/\\]", path)[-1]
    pip = re.match(r"(nvidia_cuda_runtime(?:_cu\d+)?)-(\d+(?:\.\d+)*)\.dist-info$", name)
    conda = re.match(r"(cudatoolkit|cuda-cudart)-(\d+(?:\.\d+)*)-", name)
    found = pip or conda
    return Toolkit(found[2], path, found[1], "pip" if pip else "conda") if found else None
