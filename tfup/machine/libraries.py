"""The libraries of CUDA by the names that programs ask for, and whether the loader finds them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tfup.machine.cuda import loader_path, parse_library
from tfup.machine.fact import Fact, Facts
from tfup.machine.system import name_system
from tfup.model import FoundLibrary, Owner, Toolkit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tfup.machine.probe import Probe

Cache = dict[str, str]
"""What the loader has found before: the path of a library by its name."""

NAMES = (
    r"(?:lib)?(?:cudart|cublas(?:Lt)?|cufft|curand|cusolver|cusparse|cupti|nvrtc|nvJitLink|cudnn|nccl|nvinfer)"
    r"(?:\.so\.\d+(?:\.\d+)*|64_\d+(?:_\d+)*\.dll)"
)
"""A pattern for the files that builds of TensorFlow ask for, in whole."""
FULL_VERSION = 3
"""Numbers in the name of a library's file itself; a name that programs ask for has fewer."""

FOLDERS = {
    "linux": ("lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"),
    "windows": (r"bin", r"bin\x64"),
}
PROFILER = {"linux": "extras/CUPTI/lib64", "windows": r"extras\CUPTI\lib64"}
SYSTEMS_OWN = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")


def read_libraries(
    probe: Probe,
    cache: Cache | None,
    toolkits: Sequence[Toolkit],
    folders: dict[str, Owner],
    others: Iterable[str],
) -> Facts:
    """List the libraries of the toolkits, of the packages' folders, and of other folders of the system."""
    system = name_system(probe)
    own = [folder for toolkit in toolkits for folder in list_folders(toolkit.path or "", system)]
    cached = [path.rpartition("/")[0] for path in (cache or {}).values()]
    shared = dict.fromkeys((*search_path(probe), *own, *others, *SYSTEMS_OWN, *cached))
    places: dict[str, Owner] = {**dict.fromkeys(shared, "system"), **folders}
    listed = ask_folders(probe, places)
    if cache is None and not listed:
        return {"libraries": Fact(None, "neither the loader nor any folder could be asked")}
    found = list_found(listed, places, find_winners(probe, listed, cache or {}))
    is_silent = cache is None and not (system == "windows" and probe.variable("PATH"))
    told = [replace(one, loader=one.loader or None) if is_silent else one for one in found]
    return {"libraries": Fact(tuple(told), "the loader and folders")}


def list_found(
    listed: dict[str, list[str]], owners: dict[str, Owner], winners: dict[str, str]
) -> list[FoundLibrary]:
    """Return the libraries in the order of their names."""
    found = [
        FoundLibrary(name, join(folder, name), owners[folder], winners.get(name) == folder)
        for folder, names in listed.items()
        for name in names
        if is_asked_for(name)
    ]
    return sorted(found, key=lambda one: (one.soname, one.path))


def ask_folders(probe: Probe, folders: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of CUDA's libraries by folder, each folder once, whatever links lead to it."""
    real = {str(probe.ask("real_path", folder) or folder): folder for folder in reversed([*folders])}
    return {
        folder: names for folder in reversed(real.values()) if (names := ask_names(probe, folder)) is not None
    }


def list_folders(toolkit: str, system: str) -> list[str]:
    """Return the folders of a toolkit's libraries."""
    if toolkit == "/usr":
        return []
    names = (*FOLDERS.get(system, ()), PROFILER.get(system, ""))
    return [join(toolkit, name) for name in names if name]


def join(folder: str, name: str) -> str:
    r"""Return the path of a file in a folder, as its system writes it.

    >>> join("/usr/lib", "libcudart.so.12"), join(r"C:\CUDA\bin", "cudart64_90.dll")
    ('/usr/lib/libcudart.so.12', 'C:\\CUDA\\bin\\cudart64_90.dll')
    """
    return f"{folder.rstrip('/')}/{name}" if folder.startswith("/") else f"{folder}\\{name}"


def ask_names(probe: Probe, folder: str) -> list[str] | None:
    """Return the names of CUDA's libraries in a folder, None where there is no such folder."""
    names = probe.ask("libraries", folder)
    return [str(name) for name in names] if isinstance(names, list) else None


def is_asked_for(name: str) -> bool:
    """Tell whether programs ask for a library by this name; the file itself has the whole version in it.

    >>> [is_asked_for(name) for name in ("libcudart.so.11.0", "libcudnn.so.8", "cudart64_110.dll")]
    [True, True, True]
    >>> is_asked_for("libcudnn.so.8.9.7")
    False
    """
    return name.count(".") < FULL_VERSION + 1


# ---------------------------------------------------------------- the loader


def ask_loader(probe: Probe) -> Cache | None:
    """Return the libraries of CUDA in the loader's cache: path by name; None where it has no cache."""
    cache = probe.ask("loader_libraries")
    return {str(name): str(path) for name, path in cache.items()} if isinstance(cache, dict) else None


def search_path(probe: Probe) -> list[str]:
    """Return the folders that a variable tells the loader to look in first."""
    if name_system(probe) != "windows":
        return loader_path(probe)
    return [
        folder.rstrip("\\")
        for folder in (probe.variable("PATH") or "").split(";")
        if "CUDA" in folder.upper()
    ]


def find_winners(probe: Probe, listed: dict[str, list[str]], cache: Cache) -> dict[str, str]:
    """Return the folder from which the loader takes each name: by its variable, else by its cache."""
    places = {str(probe.ask("real_path", folder) or folder): folder for folder in listed}
    first = [folder for path in search_path(probe) if (folder := find_place(probe, path, places))]
    told = [(name, folder) for folder in first for name in listed[folder]]
    cached = ((name, find_place(probe, path.rpartition("/")[0], places)) for name, path in cache.items())
    told += [(name, folder) for name, folder in cached if folder]
    return dict(reversed(told))


def find_place(probe: Probe, folder: str, places: dict[str, str]) -> str | None:
    """Return the folder under the name by which it is listed."""
    return places.get(str(probe.ask("real_path", folder) or folder))


def find_runtimes(probe: Probe, cache: Cache | None, toolkits: Sequence[Toolkit]) -> list[Toolkit]:
    """Return the CUDA runtimes that the loader finds outside of every toolkit."""
    known = tuple(f"{toolkit.path}/" for toolkit in toolkits)
    paths = [path for name, path in sorted((cache or {}).items()) if name.startswith("libcudart.")]
    real = [str(probe.ask("real_path", path) or path) for path in paths]
    outside = [path for path in real if not path.startswith(known)]
    told = {path: parse_library(path) for path in outside}
    return [
        Toolkit(version, path.rpartition("/")[0], "the loader's cache")
        for path, version in told.items()
        if version
    ]


def parse_cache(text: str) -> Cache:
    r"""Return path by name out of what `ldconfig -p` prints; the first of a name is the one that is taken.

    >>> parse_cache("\tlibcudart.so.12 (libc6) => /c/libcudart.so.12\n\tlibz.so.1 (libc6) => /lib/libz.so.1")
    {'libcudart.so.12': '/c/libcudart.so.12'}
    """
    found = re.findall(rf"^\s*({NAMES}) \([^)]*\) => (/\S+)", text, re.MULTILINE)
    return dict(reversed(found))
