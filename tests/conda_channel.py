"""A conda channel in a folder: small packages of our own, among them a Python that really runs.

The Python is that of the tests: its program is copied, its library linked to, and its site-packages are new:
a package of some kilobytes makes an environment that anything can be installed into.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import platform
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUBDIR = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}[platform.machine()]
MINOR = "{}.{}".format(*sys.version_info)
QUESTION = """
import os, sys, platform
prefix = getattr(sys, "base_prefix", sys.prefix)
for text in platform.python_version(), sys.executable, prefix, os.path.dirname(os.__file__):
    print(text)
"""
OWN = {"site-packages", "dist-packages", "__pycache__", "EXTERNALLY-MANAGED"}
Content = bytes | Path
"""The bytes of a file, or where a link leads."""


def make(folder: Path, *pythons: str | Path) -> Path:
    """Make a channel with some Pythons, else that of the tests, and a pip; return its folder."""
    for python in pythons or (sys.executable,):
        place = ask(python)
        write(folder, "python", place.version, "0_test", files=python_files(place), subdir=SUBDIR)
    write(folder, "pip", "24.0", "0_test", ["python"])
    index(folder)
    return folder


def index(folder: Path) -> None:
    """Write what a channel tells of its packages."""
    from rattler.index import index_fs

    (folder / "noarch").mkdir(parents=True, exist_ok=True)
    asyncio.run(index_fs(folder))


def write(  # noqa: PLR0913 - what a package is, each word once
    channel: Path,
    name: str,
    version: str,
    build: str,
    depends: Iterable[str] = (),
    *,
    files: Mapping[str, Content] | None = None,
    subdir: str = "noarch",
) -> None:
    """Write a package into a channel."""
    content = files or {f"share/{name}.txt": name.encode()}
    record = {"name": name, "version": version, "build": build, "build_number": 0, "depends": list(depends),
              "subdir": subdir, "license": "none", "timestamp": 1_700_000_000_000}  # fmt: skip
    if subdir == "noarch":
        record["noarch"] = "generic"
    paths = {"paths_version": 1, "paths": [entry(path, data) for path, data in content.items()]}
    about: dict[str, Content] = {
        "info/index.json": json.dumps(record).encode(),
        "info/paths.json": json.dumps(paths).encode(),
        "info/files": "".join(f"{path}\n" for path in content).encode(),
        "info/about.json": b"{}",
    }
    folder = channel / subdir
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / f"{name}-{version}-{build}.tar.bz2", "w:bz2", compresslevel=1) as archive:
        for path, data in {**about, **content}.items():
            add(archive, path, data)


def entry(path: str, data: Content) -> dict[str, Any]:
    """Return what a package tells of one of its files."""
    if isinstance(data, Path):
        return {"_path": path, "path_type": "softlink"}
    digest = hashlib.sha256(data).hexdigest()
    return {"_path": path, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(data)}


def add(archive: tarfile.TarFile, path: str, data: Content) -> None:
    """Add a file or a link to an archive."""
    member = tarfile.TarInfo(path)
    member.mode = 0o755 if path.startswith("bin/") else 0o644
    if isinstance(data, Path):
        member.type, member.linkname = tarfile.SYMTYPE, str(data)
        archive.addfile(member)
    else:
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


class Place(NamedTuple):
    """Where the parts of an interpreter are."""

    version: str
    program: Path
    prefix: Path
    library: Path


def ask(python: str | Path) -> Place:
    """Ask an interpreter where its parts are; 2.7, too."""
    said = subprocess.run([python, "-c", QUESTION], check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    return Place(said[0], *(Path(line).resolve() for line in said[1:4]))


def python_files(place: Place) -> dict[str, Content]:
    """Return the files of a Python that takes its library from one that is here."""
    minor = place.version.rpartition(".")[0]
    home = f"lib/python{minor}"
    linked = [path for path in place.library.iterdir() if path.name not in OWN]
    return {
        f"bin/python{minor}": place.program.read_bytes(),
        "bin/python": Path(f"python{minor}"),
        f"bin/python{minor[0]}": Path(f"python{minor}"),
        f"{home}/site-packages/README.txt": b"Here packages are installed.\n",
        f"{home}/EXTERNALLY-MANAGED": b"[externally-managed]\nError=use conda\n",  # as conda-pypi leaves it
        **{f"{home}/{path.name}": path for path in linked},
        **{f"lib/{path.name}": path for path in place.prefix.glob("lib/libpython*")},
        **pip_files(place.library, home),
    }


def pip_files(library: Path, home: str) -> dict[str, Content]:
    """Return copies of the pip of a Python that is older than uv knows, for it has to install by itself."""
    if not home.endswith("2.7"):
        return {}
    names = ("pip", "pip-", "setuptools", "pkg_resources", "wheel", "easy_install")
    site = library / "site-packages"
    files = (
        file for path in site.iterdir() if path.name.startswith(names) for file in (path, *path.rglob("*"))
    )
    copied = (file for file in files if file.is_file() and file.suffix != ".pyc")
    return {f"{home}/site-packages/{file.relative_to(site)}": file.read_bytes() for file in copied}
