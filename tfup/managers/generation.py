"""A generation: copies of a project's files, and what says which of them it had.

Its manifest is sealed and names each copy with its sum, so that neither what a stranger left nor what a power
cut made of a copy is ever put into a project.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfup.files import DRAFT, copy_whole, is_link, sync_folder, write_whole
from tfup.managers.corner import FILES, PLAN
from tfup.managers.seals import read_sealed, write_sealed

if TYPE_CHECKING:
    from tfup.managers.corner import Store

MANIFEST = "generation.json"
HALVES = (f".*{DRAFT}", ".draft")
"""How the names of files end that are being written, after a dot and their own name; once also the second."""


class Manifest(NamedTuple):
    """What a generation consists of. An environment that it had and does not hold was not changed since."""

    files: dict[str, str]
    """Those of FILES that it had, each with the SHA-256 of its copy."""
    links: dict[str, str]
    """Those of FILES that were links, each with what it led to."""
    environment: bool


def keep(store: Store) -> None:
    """Copy the files of a project aside, and note which there are. Raises OSError."""
    store.draft.mkdir()
    present = [name for name in FILES if (store.folder / name).is_file()]
    for name in present:
        copy_whole(store.folder / name, held(store.draft, name))
    sums = {name: digest(held(store.draft, name)) for name in present}
    links = {name: target_of(store.folder / name) for name in FILES if is_link(store.folder / name)}
    manifest = Manifest(sums, links, os.path.lexists(store.environment))
    sync_folder(store.draft)
    write_sealed(store.draft / MANIFEST, manifest._asdict())


def read_manifest(generation: Path) -> Manifest | None:
    """Return the manifest of a generation that was kept here, None where there is none."""
    content = read_sealed(generation / MANIFEST)
    return Manifest(**content) if content.keys() == set(Manifest._fields) else None


def put_files(store: Store, manifest: Manifest, source: Path) -> None:
    """Move the files of a generation into place, and remove those that it did not have.

    A copy that is not what was kept stays away: the file that is there is whole.
    """
    for name in FILES:
        copy, place = held(source, name), place_of(store, name, manifest)
        if copy.exists() and digest(copy) == manifest.files.get(name):
            move(copy, place)
        elif name not in manifest.files and (
            place.is_file() or (is_link(place) and name not in manifest.links)
        ):
            place.unlink()


def place_of(store: Store, name: str, manifest: Manifest) -> Path:
    """Return where a file of a generation goes: through a link only where it was that very link then."""
    path = store.folder / name
    through = is_link(path) and manifest.links.get(name) == target_of(path)
    return Path(os.path.realpath(path)) if through else path


def target_of(link: Path) -> str:
    """Return what a link holds, as it stands there."""
    return os.fsdecode(link.readlink())


def move(copy: Path, place: Path) -> None:
    """Put a copy into place by a rename; on another disk by writing it there."""
    try:
        copy.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        write_whole(place, copy.read_bytes())
        copy.unlink()


def sweep(store: Store, manifest: Manifest | None) -> None:
    """Remove what a killed run left of the files that it was writing: see files.write_whole."""
    for name in FILES:
        places = {store.folder / name} | ({place_of(store, name, manifest)} if manifest else set())
        for place in places:
            for pattern in HALVES:
                for path in place.parent.glob(f".{glob.escape(place.name)}{pattern}"):
                    path.unlink(missing_ok=True)


def is_unchanged(store: Store, manifest: Manifest) -> bool:
    """Tell whether this run left the environment and all files but the plan as they were."""
    if os.path.lexists(store.draft / ".venv") or manifest.environment != os.path.lexists(store.environment):
        return False
    now = {name: digest(store.folder / name) for name in FILES if (store.folder / name).is_file()}
    return all(now.get(name) == manifest.files.get(name) for name in FILES if name != PLAN)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def held(generation: Path, name: str) -> Path:
    """Return where a generation holds a file."""
    return generation / Path(name).name
