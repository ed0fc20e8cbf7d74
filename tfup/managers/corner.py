"""Our own corner of a project, DIR/.tfup: what lies where, and that nothing in it leads elsewhere."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tfup.errors import InstallFailed, Need, NothingToUndo, UnusableFolder
from tfup.files import DRAFT, is_link
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[[str], None]

PLAN = ".tfup/plan.json"
FILES = (
    *("Pipfile", "Pipfile.lock", "requirements.txt", "pylock.toml", "environment.yml"),
    *("requirements.tfup.txt", "pylock.tfup.toml", "environment.tfup.yml", PLAN),
)
"""What tfup writes in a project; files of other names are the person's, and never touched."""
NOT_OURS = "not-made-here-"
"""How the names of folders begin that hold what a stranger left in our corner, or a run with another key."""
REASONS = {
    errno.EACCES: "a folder that you may not write",
    errno.EPERM: "a folder that you may not write",
    errno.EROFS: "a disk that is read-only",
    errno.ENOSPC: "a disk that is full",
    errno.EDQUOT: "a disk quota that is used up",
    errno.EEXIST: "a file of that name",
    errno.ENOTDIR: "a path through a file",
    errno.ENAMETOOLONG: "a name that is too long",
    errno.ELOOP: "links that lead in a circle",
}


@dataclass(frozen=True)
class Store:
    """A project folder, and where its generations are."""

    folder: Path

    @property
    def home(self) -> Path:
        """Our own corner of the project."""
        return self.folder / ".tfup"

    @property
    def environment(self) -> Path:
        """The environment of the project, in whatever state."""
        return self.folder / ".venv"

    @property
    def journal(self) -> Path:
        """The note of what is being done; no journal, nothing to repair."""
        return self.home / "journal.json"

    @property
    def draft(self) -> Path:
        """The generation that this run replaces."""
        return self.home / "previous.new"

    @property
    def previous(self) -> Path:
        """The generation that undo brings back."""
        return self.home / "previous"

    @property
    def trash(self) -> Path:
        """What nobody needs any more."""
        return self.home / "trash"


def prepare(store: Store) -> None:
    """Make the folder and our corner in it, or raise UnusableFolder."""
    try:
        os.fsencode(store.folder).decode()  # uv, Pipfile and lock speak UTF-8
        refuse_strangers(store)
        store.trash.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise unusable(store, error) from error
    if not os.access(store.folder, os.W_OK | os.X_OK):
        raise unusable(store, PermissionError(errno.EACCES, ""))


# ---------------------------------------------------------------- what is not ours


def refuse_strangers(store: Store) -> None:
    """Raise UnusableFolder for a link in our corner, and for a corner of somebody else.

    tfup makes no links there, and one may lead out of the project: what is in its place would be emptied or
    overwritten. Who owns the corner may put one there at any moment.
    """
    for path in (store.home, *entries(store.home), *entries(store.draft), *entries(store.previous)):
        if is_link(path) and path.name != ".venv":
            raise stranger(store, path, "a file or folder of tfup's own", "a link")
    owner = strange_owner(store.home)
    if owner is not None:
        raise stranger(store, store.home, "a folder of yours", f"one of the user with the number {owner}")


def stranger(store: Store, path: Path, needs: str, found: str) -> UnusableFolder:
    """Return the error for a corner that tfup did not make alone; the hint begins anew."""
    need = Need(str(path.relative_to(store.folder)), needs, found)
    sentence = f"{store.home} was not made by tfup alone; nothing was changed."
    return UnusableFolder(sentence, (need,), typed("mv", store.home, f"{store.home}.not-ours"))


def strange_owner(folder: Path) -> int | None:
    """Return the user who owns a folder, None where that is this person, or a disk that knows no owners."""
    try:
        owner = folder.lstat().st_uid
        if os.name != "posix" or owner in ours():
            return None
        probe = folder / f".{uuid4().hex}{DRAFT}"
        probe.touch(exist_ok=False)
        made = probe.lstat().st_uid
        probe.unlink()
    except (OSError, ValueError):
        return None  # it is not there, or cannot be written, which is told elsewhere
    return None if made == owner else owner


def ours() -> set[int]:
    """Return the numbers of this person: with sudo there are two."""
    mine = os.geteuid()
    asked = os.environ.get("SUDO_UID", "")
    return {mine, int(asked)} if mine == 0 and asked.isdecimal() else {mine}


def set_apart(store: Store, *paths: Path) -> Path:
    """Move what is not believed into a folder of its own, where it harms nothing and is not lost."""
    apart = store.home / f"{NOT_OURS}{uuid4().hex}"
    apart.mkdir()
    for path in paths:
        if os.path.lexists(path):
            path.rename(apart / path.name)
    return apart


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, nothing where it is none or a link."""
    try:
        return [] if is_link(folder) else sorted(folder.iterdir())
    except (OSError, ValueError):
        return []


# ---------------------------------------------------------------- the disk


def discard(store: Store, path: Path) -> None:
    """Move something out of the way at once; it is deleted later."""
    if os.path.lexists(path):
        path.rename(store.trash / uuid4().hex)


def empty(folder: Path) -> None:
    """Delete what is in a folder, and the folder too unless it is the trash; links are never followed."""
    if folder.name == "trash":
        for path in folder.iterdir():
            remove(path)
    else:
        remove(folder)


def remove(path: Path) -> None:
    """Delete a file, a link or a folder, as far as the disk allows."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(without_limit(path), ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def without_limit(path: Path) -> Path:
    """Return a path as Windows takes it at any length: those of TensorFlow pass 260 letters in the trash."""
    return Path(f"\\\\?\\{path.absolute()}") if os.name == "nt" else path


# ---------------------------------------------------------------- errors


def unusable(store: Store, error: OSError | ValueError) -> UnusableFolder:
    """Return the error for a folder that cannot hold a project."""
    why = (isinstance(error, OSError) and REASONS.get(error.errno or 0)) or str(error)
    if isinstance(error, UnicodeError):
        why = "a name that is no UTF-8"
    need = Need("folder", "one that may be written", why)
    return UnusableFolder(
        f"{store.folder} cannot hold a project.", (need,), "tfup install --project ~/tensorflow"
    )


def failed(error: OSError) -> InstallFailed:
    """Return the error for a disk that failed in the middle."""
    why = REASONS.get(error.errno or 0, str(error))
    need = Need(
        "disk", "to take the files of the project", f"{why}: {error.filename}" if error.filename else why
    )
    hint = "ls -la" if error.errno in {errno.EACCES, errno.EPERM} else "df -h"
    return InstallFailed("A file of the project could not be written; all is as it was.", (need,), hint)


def nothing(store: Store) -> NothingToUndo:
    """Return the error for a project without a previous generation."""
    need = Need("previous generation", "an install before the last one", None)
    if os.path.lexists(store.previous / "generation.json"):
        need = Need("previous generation", "one that tfup kept here, for you", "one of another's making")
    return NothingToUndo(f"There is nothing to undo in {store.folder}.", (need,), "tfup install")
