"""What takes space on the disk, and how to get it back: for `tfup clean`."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tfup.files import is_link, read_json
from tfup.folders import TAG, has_tag
from tfup.managers import venv
from tfup.managers.corner import Store, discard, empty, prepare, remove
from tfup.managers.transaction import is_strange, locked, repair
from tfup.report.documents import Removed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

OWN_NAMES = re.compile(
    r"environment-(\d+|[0-9a-f]{64})|virtualenv-[0-9a-f]{16}(\.lock)?|uv-\d+\.\d+\.\d+(\.exe)?"
)
"""What tfup puts into its cache folder under names that nobody else gives."""
COMMON_NAMES = re.compile(
    r"app-data|bytecode|interpreters|key|nsis|prove|uv|wheels|workshop-\w+|training-\w+|\..*\.(trash|part)"
    r"|bug\.log|doctor\.txt|start(\.old)?\.log|bootstrap-\w+\.log(\.clean)?"
    r"|hypothesis|mypy|pytest|ruff"  # of tests/run.sh
)
"""The same, under names that others give, too."""
FOLDER_NAMES = re.compile(r"tfup(-\d+)?")
"""How a cache folder is called that nobody has named; another one has our tag, if it was made for us."""
KINDS = ("cache", "previous", "environment")
"""tfup's cache, the generation kept for undo, and the environment, which goes only by name."""


def removable(folder: Path, cache: Path, kinds: Collection[str] = KINDS[:2]) -> tuple[Removed, ...]:
    """Return what is there of KINDS, with the bytes that removing it gives back."""
    there = {kind: path for kind, path in places(folder, cache).items() if kind in kinds}
    found = [("cache", path) for path in ours(there.pop("cache", None))]
    found += [(kind, path) for kind, path in there.items() if is_tfups(kind, path)]
    return tuple(Removed(kind, str(path), size(path)) for kind, path in found)


def is_tfups(kind: str, path: Path) -> bool:
    """Tell whether a generation or an environment is there, and tfup's: others are the person's to remove."""
    if kind == "environment":
        return is_link(path) or "tfup" in read_json(path / venv.STAMP)
    return os.path.lexists(path) and not is_strange(path)


def leaves(folder: Path, things: Collection[Removed]) -> bool:
    """Tell whether the environment of a project is there and is not among what goes."""
    place = Store(folder.absolute()).environment
    return os.path.lexists(place) and str(place) not in {thing.path for thing in things}


def ours(cache: Path | None) -> list[Path]:
    """Return what of a cache folder is ours: all of it as one, or by name what lies beside files of others.

    People set TFUP_CACHE_DIR to a folder that they have, where names that others give, too, do not count.
    """
    if cache is None or is_link(cache) or not cache.is_dir():
        return []
    entries = contents(cache)
    sure = [path for path in entries if OWN_NAMES.fullmatch(path.name)]
    if not is_cache(cache):
        return sure
    known = [path for path in entries if path in sure or COMMON_NAMES.fullmatch(path.name)]
    return [cache] if known == entries else known


def contents(cache: Path) -> list[Path]:
    """Return what lies in a cache folder beside its tag, which goes last."""
    return sorted(path for path in cache.iterdir() if path.name != TAG)


def is_cache(folder: Path) -> bool:
    """Tell whether a folder was made for us, rather than named to us."""
    return bool(FOLDER_NAMES.fullmatch(folder.name)) or has_tag(folder)


def clean(
    things: Collection[Removed],
    folder: Path,
    say: Callable[[str], None] | None = None,
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Remove what `removable` found. A run at work in the folder is waited for.

    `tell` is called before the cache goes: the libraries that run us may be in there.
    Raises UnusableFolder or FolderBusy.
    """
    kept = [Path(thing.path) for thing in things if thing.what != "cache"]
    clean_project(Store(folder.absolute()), kept, say)
    tell()
    clean_cache([Path(thing.path) for thing in things if thing.what == "cache"])


def clean_cache(paths: Collection[Path]) -> None:
    """Remove a cache folder or parts of one; each part leaves its place by one rename, then it is deleted.

    What a kill leaves is no environment that the next start would take for a whole one. What may not be
    removed stays: on Windows, for one, the program that runs.
    """
    sys.dont_write_bytecode = True  # a late import would make the folder again
    for path in paths:
        with suppress(FileNotFoundError):  # another clean was quicker
            remove_cache(path) if is_cache(path) else remove_part(path)


def remove_part(part: Path) -> None:
    """Remove a part of a cache, if it may be removed."""
    with suppress(OSError):
        remove(part.rename(part.with_name(f".{part.name}.{uuid4().hex}.trash")))


def remove_cache(cache: Path) -> None:
    """Remove a cache folder; what is left in it, or was put in meanwhile, keeps the folder and its tag."""
    for part in contents(cache):
        remove_part(part)
    with suppress(OSError):
        if not contents(cache):
            (cache / TAG).unlink(missing_ok=True)
            cache.rmdir()


def clean_project(store: Store, paths: list[Path], say: Callable[[str], None] | None) -> None:
    """Remove folders of a project: out of the way in one step each, then deleted."""
    if not paths:
        return
    prepare(store)
    with locked(store, say, 600.0):
        repair(store, say)
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
