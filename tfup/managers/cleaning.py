"""What takes space on the disk, and how to get it back: for `tfup clean`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tfup.documents import Removed
from tfup.managers.transaction import Store, discard, empty, locked, prepare, repair

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

KINDS = ("cache", "previous", "environment")
"""tfup's cache, the generation kept for undo, and the environment, which goes only by name."""


def removable(folder: Path, cache: Path, kinds: Collection[str] = KINDS[:2]) -> tuple[Removed, ...]:
    """Return what is there of KINDS, with the bytes that removing it gives back."""
    there = {kind: path for kind, path in places(folder, cache).items() if kind in kinds}
    return tuple(
        Removed(kind, str(path), size(path)) for kind, path in there.items() if os.path.lexists(path)
    )


def clean(things: Collection[Removed], folder: Path, say: Callable[[str], None] | None = None) -> None:
    """Remove what `removable` found. A run at work in the folder is waited for.

    Raises UnusableFolder or FolderBusy.
    """
    paths = {thing.what: Path(thing.path) for thing in things}
    if "cache" in paths:
        empty(paths.pop("cache"))
    clean_project(Store(folder.absolute()), list(paths.values()), say)


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
