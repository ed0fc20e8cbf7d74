"""What takes space on the disk, and how to get it back: for `tfup clean`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tfup.documents import Removed
from tfup.files import is_link
from tfup.managers.transaction import Store, discard, empty, locked, prepare, remove, repair

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

OWN_NAMES = (
    "environment-*",
    "workshop-*",
    "virtualenv-*",
    "bootstrap-*.log",
    "training-*",
    "uv-*",
    ".*.trash",
)
"""What tfup puts into its cache folder; nobody else calls things so."""
COMMON_NAMES = (
    *("app-data", "bytecode", "interpreters", "logs", "nsis", "prove", "uv", "wheels"),
    *("bug.log", "doctor.txt", "start.log", "start.old.log"),
    *("hypothesis", "mypy", "pytest", "ruff", "wine10*", "pipenv*"),
)
"""The same, by names that others use, too; the last row is of tests/run.sh."""
KINDS = ("cache", "previous", "environment")
"""tfup's cache, the generation kept for undo, and the environment, which goes only by name."""


def removable(folder: Path, cache: Path, kinds: Collection[str] = KINDS[:2]) -> tuple[Removed, ...]:
    """Return what is there of KINDS, with the bytes that removing it gives back."""
    there = {kind: path for kind, path in places(folder, cache).items() if kind in kinds}
    found = [("cache", path) for path in ours(there.pop("cache", None))]
    found += [(kind, path) for kind, path in there.items() if os.path.lexists(path)]
    return tuple(Removed(kind, str(path), size(path)) for kind, path in found)


def ours(cache: Path | None) -> list[Path]:
    """Return what of a cache folder is ours: all of it as one, or by name what lies beside files of others.

    People set TFUP_CACHE_DIR to a folder that they have: a name that others use, too, counts only in a folder
    that is called tfup or that holds nothing else.
    """
    if cache is None or is_link(cache) or not cache.is_dir():
        return []
    entries = sorted(cache.iterdir())
    known = [path for path in entries if is_named(path, (*OWN_NAMES, *COMMON_NAMES))]
    if known == entries:
        return [cache]
    return known if cache.name == "tfup" else [path for path in known if is_named(path, OWN_NAMES)]


def is_named(path: Path, patterns: Collection[str]) -> bool:
    """Tell whether the name of a path is one of these patterns."""
    return any(fnmatchcase(path.name, pattern) for pattern in patterns)


def clean(things: Collection[Removed], folder: Path, say: Callable[[str], None] | None = None) -> None:
    """Remove what `removable` found. A run at work in the folder is waited for.

    Raises UnusableFolder or FolderBusy.
    """
    kept = [Path(thing.path) for thing in things if thing.what != "cache"]
    clean_project(Store(folder.absolute()), kept, say)
    clean_cache(things)


def clean_cache(things: Collection[Removed]) -> None:
    """Remove what is ours of a cache folder: each part leaves its place by one rename, then it is deleted.

    The environment that runs us may be among them, so nothing may be imported after that. What a kill leaves
    is no environment that the next start would take for a whole one.
    """
    sys.dont_write_bytecode = True  # a late import would make the folder again
    for place in [Path(thing.path) for thing in things if thing.what == "cache"]:
        parts = [place] if is_named(place, (*OWN_NAMES, *COMMON_NAMES)) else sorted(place.iterdir())
        for part in parts:
            gone = part.with_name(f".{part.name}.{uuid4().hex}.trash")
            part.rename(gone)
            remove(gone)
        with suppress(OSError):  # somebody has put something into it
            place.rmdir()


def clean_project(store: Store, paths: list[Path], say: Callable[[str], None] | None) -> None:
    """Remove folders of a project: out of the way in one step each, then deleted."""
    if not paths:
        return
    prepare(store)
    with locked(store, say, 600.0):
        repair(store)
        for path in paths:
            discard(store, path)
        empty(store.trash)


def places(folder: Path, cache: Path) -> dict[str, Path]:
    """Return where each of KINDS is."""
    store = Store(folder.absolute())
    return dict(zip(KINDS, (cache, store.previous, store.environment), strict=True))


def size(path: Path) -> int:
    """Return the bytes that deleting a path frees; a file that uv's cache holds by a link, too, frees none.

    What a link leads to does not count.
    """
    return sum(found.st_size for found in statuses(path) if found.st_nlink == 1)


def statuses(path: Path) -> Iterator[os.stat_result]:
    """Yield the status of each file below a path, or of the path itself where it is a file or a link."""
    if path.is_symlink() or path.is_file():
        yield path.lstat()
    for folder, _, names in os.walk(path) if not path.is_symlink() else ():
        yield from (Path(folder, name).lstat() for name in names)
