"""The real interpreters of this machine, for code that must run on all of them.

pyenv's are found by PYENV_ROOT, by the `pyenv` or its shims on PATH, or in the usual folder: a test may have
another HOME.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"


@cache
def interpreters() -> dict[str, Path]:
    """Return the interpreters by their version, oldest first; one that does not start is an error."""
    found = {version_of(python): python for python in (*on_path(), *of_pyenv())}
    return {version: found[version] for version in sorted(found, key=numbers)}


def of_pyenv() -> list[Path]:
    """Return the Python of each version that pyenv has, whether it is there or not."""
    roots = (root for root in pyenv_roots() if (root / "versions").is_dir())
    folders = [*next(roots, Path("/no/pyenv")).glob("versions/[0-9]*")]
    return [folder / "bin" / "python" for folder in folders if not folder.is_symlink()]


def pyenv_roots() -> Iterator[Path]:
    """Return the folders that may be pyenv's, the surest first."""
    if root := os.environ.get("PYENV_ROOT"):
        yield Path(root)
    if program := shutil.which("pyenv"):
        yield Path(program).resolve().parents[1]
    yield from (folder.parent for folder in path_folders() if folder.name == "shims")
    yield Path("~/.pyenv").expanduser()


def on_path() -> list[Path]:
    """Return the Pythons on PATH that are named by their version, without pyenv's shims."""
    folders = [folder for folder in path_folders() if folder.name != "shims" and folder.is_dir()]
    return [
        file for folder in folders for file in folder.iterdir() if re.fullmatch(r"python\d\.\d+", file.name)
    ]


def path_folders() -> list[Path]:
    """Return the folders of PATH."""
    return [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]


def version_of(python: Path) -> str:
    """Return what the interpreter says its version is."""
    return subprocess.run(
        [python, "-c", VERSION], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def numbers(version: str) -> tuple[int, ...]:
    """Return the version as numbers, to sort by."""
    return tuple(int(part) for part in version.split("."))
