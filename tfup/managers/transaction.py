"""An install changes a project completely or not at all, whatever kills it; one earlier generation is kept.

    DIR/.tfup/lock                held by the run at work, and by the uv that it started
    DIR/.tfup/journal.json        says what to do about a run that was killed: see `repair`
    DIR/.tfup/previous.new/       what this run replaces: copies of the files, the environment itself
    DIR/.tfup/previous/           the generation that `undo` brings back
    DIR/.tfup/trash/              what is to be deleted, when there is time

Each step is one rename, and each can be done again: a kill between any two leaves what `repair` completes.
Environments are moved and moved back, never copied, for their scripts hold the path that they were made for;
they are moved as they are, be they a link, a file or a stranger's folder.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import shlex
import shutil
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from tfup.errors import FolderBusy, InstallFailed, Need, NothingToUndo, UnusableFolder
from tfup.files import DRAFT, NO_LINK, is_link, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Say = Callable[[str], None]

PLAN = ".tfup/plan.json"
FILES = (
    *("Pipfile", "Pipfile.lock", "requirements.txt", "pylock.toml", "environment.yml"),
    *("requirements.tfup.txt", "pylock.tfup.toml", "environment.tfup.yml", PLAN),
)
"""What tfup writes in a project; files of other names are the person's, and never touched."""
HALVES = (f".*{DRAFT}", ".draft")
"""How the names of files end that are being written, after a dot and their own name; once also the second."""
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
PATIENCE = 1800.0  # seconds to wait for another run, whose checks may take half of that
OPEN, UNDO, COMMITTED = "open", "undo", "committed"


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


class Manifest(NamedTuple):
    """What a generation consists of: which of FILES it had, and whether it had an environment.

    An environment that it had and does not hold was not changed by what came after it.
    """

    files: list[str]
    environment: bool


# ---------------------------------------------------------------- what others call


@contextmanager
def transaction(folder: Path, *, say: Say | None = None, patience: float = PATIENCE) -> Iterator[Store]:
    """Keep what is in a project until the block ends well, and put it back if it does not.

    A block that calls `commit` itself is done then, and what it does after that is not taken back.
    Makes the folder; says it when another run is at work there, and waits at most `patience` seconds for it.
    Raises UnusableFolder, FolderBusy, and InstallFailed for a disk that fails in the block.
    """
    store = Store(folder.absolute())
    prepare(store)
    with locked(store, say, patience):
        repair(store)
        begin(store, OPEN)
        try:
            yield store
            if is_open(store):
                commit(store)
        except BaseException as error:
            if not is_open(store):
                raise
            take_back(store)
            if isinstance(error, OSError):
                raise failed(error) from error
            raise


def is_open(store: Store) -> bool:
    """Tell whether a transaction has begun that is neither committed nor taken back."""
    return store.journal.exists()


def set_aside(folder: Path) -> None:
    """Move the environment of a project out of the way of a new one, inside a transaction."""
    store = Store(folder.absolute())
    kept = store.draft / ".venv"
    if os.path.lexists(kept) or not read_manifest(store.draft).environment:
        discard(store, store.environment)  # a first try of this very transaction
    else:
        store.environment.rename(kept)


def undo(folder: Path, *, say: Say | None = None, patience: float = PATIENCE) -> Manifest:
    """Bring the previous generation back and return it; what is there now becomes the previous one.

    Raises NothingToUndo, UnusableFolder or FolderBusy.
    """
    store = Store(folder.absolute())
    if not store.home.is_dir():
        raise nothing(store)
    prepare(store)
    with locked(store, say, patience):
        repair(store)
        if not (store.previous / "generation.json").exists():
            raise nothing(store)
        begin(store, UNDO)
        return swap(store)


def recover(folder: Path, *, say: Say | None = None, patience: float = PATIENCE) -> None:
    """Put in order what a killed run left, before anything of it is read; a run at work is waited for.

    Raises UnusableFolder or FolderBusy.
    """
    store = Store(folder.absolute())
    refuse_links(store)
    if is_open(store):
        with locked(store, say, patience):
            repair(store)


def repair(store: Store) -> None:
    """Complete or take back what a killed run left; only for the holder of the lock."""
    sweep(store)
    phase = read_json(store.journal).get("phase")
    held = (store.draft / "generation.json").exists()
    if phase == COMMITTED:
        finish(store)
    elif phase == UNDO and held and (store.previous / "generation.json").exists():
        swap(store)
    elif store.journal.exists() and held:
        roll_back(store)
    store.journal.unlink(missing_ok=True)
    discard(store, store.draft)  # without a journal it holds nothing that is not in its place, too
    empty(store.trash)


# ---------------------------------------------------------------- the steps


def prepare(store: Store) -> None:
    """Make the folder and our corner in it, or raise UnusableFolder."""
    try:
        os.fsencode(store.folder).decode()  # uv, Pipfile and lock speak UTF-8
        refuse_links(store)
        store.trash.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise unusable(store, error) from error
    if not os.access(store.folder, os.W_OK | os.X_OK):
        raise unusable(store, PermissionError(errno.EACCES, ""))


def refuse_links(store: Store) -> None:
    """Raise UnusableFolder for a link in our corner: tfup makes none, and one may lead out of the project.

    A folder that came from somebody else may hold one in the place of the trash, the logs or a journal, and
    what it leads to would be emptied or overwritten.
    """
    for path in (store.home, *entries(store.home), *entries(store.draft), *entries(store.previous)):
        if is_link(path) and path.name != ".venv":
            need = Need(str(path.relative_to(store.folder)), "a file or folder of tfup's own", "a link")
            sentence = f"{store.home} was not made by tfup alone; nothing was changed."
            aside = shlex.join(["mv", str(store.home), f"{store.home}.not-ours"])
            raise UnusableFolder(sentence, (need,), aside)


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, nothing where it is none or a link."""
    try:
        return [] if is_link(folder) else sorted(folder.iterdir())
    except (OSError, ValueError):
        return []


def begin(store: Store, phase: str) -> None:
    """Copy the files aside, then note that they are; the environment follows when it is replaced."""
    try:
        store.draft.mkdir()
        present = [name for name in FILES if (store.folder / name).is_file()]
        for name in present:
            shutil.copy2(store.folder / name, held(store.draft, name))
        manifest = Manifest(present, os.path.lexists(store.environment))
        write_json(store.draft / "generation.json", manifest._asdict())
        write_json(store.journal, {"schema": 1, "phase": phase})
    except OSError as error:
        raise unusable(store, error) from error


def commit(store: Store) -> None:
    """Make what this run replaced the previous generation; nothing replaced, nothing kept."""
    if is_unchanged(store):
        store.journal.unlink()
        empty(store.draft)
    else:
        write_json(store.journal, {"schema": 1, "phase": COMMITTED})
        finish(store)


def finish(store: Store) -> None:
    """Put the generation that was replaced into the place of the one before it."""
    if store.draft.exists():
        discard(store, store.previous)
        store.draft.rename(store.previous)
    store.journal.unlink(missing_ok=True)
    # Thousands of files go while the checks run; the interpreter waits for the thread, a kill leaves trash.
    threading.Thread(target=empty, args=(store.trash,), name="trash").start()


def take_back(store: Store) -> None:
    """Put everything back; raise InstallFailed when the disk refuses that, too, and the next run has to."""
    try:
        roll_back(store)
    except OSError as error:
        need = Need("disk", "to take back the former state", str(error))
        sentence = f"The former state of {store.folder} is kept in {store.draft}; the next run puts it back."
        raise InstallFailed(sentence, (need,), "tfup install") from error


def roll_back(store: Store) -> None:
    """Put everything back; only renames, so that it needs no space on a full disk."""
    manifest = read_manifest(store.draft)
    put_files(store, manifest, store.draft)
    if os.path.lexists(store.draft / ".venv"):
        discard(store, store.environment)
        (store.draft / ".venv").rename(store.environment)
    elif not manifest.environment:
        discard(store, store.environment)
    store.journal.unlink(missing_ok=True)
    empty(store.draft)
    empty(store.trash)


def swap(store: Store) -> Manifest:
    """Exchange what is there with the previous generation, and return that."""
    manifest = read_manifest(store.previous)
    earlier = store.previous / ".venv"
    if os.path.lexists(store.environment) and (os.path.lexists(earlier) or not manifest.environment):
        store.environment.rename(store.draft / ".venv")
    if os.path.lexists(earlier):
        earlier.rename(store.environment)
    put_files(store, manifest, store.previous)
    write_json(store.journal, {"schema": 1, "phase": COMMITTED})
    finish(store)
    return manifest


def put_files(store: Store, manifest: Manifest, source: Path) -> None:
    """Move the files of a generation into place, and remove those that it did not have."""
    for name in FILES:
        place = Path(os.path.realpath(store.folder / name))  # formats writes through links, and leaves them
        if held(source, name).exists():
            shutil.move(held(source, name), place)
        elif name not in manifest.files and place.is_file():
            place.unlink()


def sweep(store: Store) -> None:
    """Remove what a killed run left of the files that it was writing: see files.write_whole."""
    for half in store.home.glob(HALVES[0]):  # of the journal itself, too
        half.unlink(missing_ok=True)
    for name in FILES if store.journal.exists() else ():
        place = Path(os.path.realpath(store.folder / name))
        for pattern in HALVES:
            for path in place.parent.glob(f".{glob.escape(place.name)}{pattern}"):
                path.unlink(missing_ok=True)


def is_unchanged(store: Store) -> bool:
    """Tell whether this run left the environment and all files but the plan as they were."""
    manifest = read_manifest(store.draft)
    if os.path.lexists(store.draft / ".venv") or manifest.environment != os.path.lexists(store.environment):
        return False
    return all(same(store.folder / name, held(store.draft, name)) for name in FILES if name != PLAN)


def same(one: Path, other: Path) -> bool:
    """Tell whether two files hold the same, or neither is there."""
    if not (one.is_file() and other.is_file()):
        return one.is_file() == other.is_file()
    return one.read_bytes() == other.read_bytes()


# ---------------------------------------------------------------- one run at a time


@contextmanager
def locked(store: Store, say: Say | None, patience: float) -> Iterator[None]:
    """Hold the lock of a project.

    Programs started with `close_fds=False` inherit the lock: should we be killed, the next run waits until
    our uv has ended, which would else write into the environment that the next run puts back.
    """
    from filelock import unlock_descriptor

    try:
        descriptor = os.open(store.home / "lock", os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    except OSError as error:
        raise unusable(store, error) from error
    try:
        wait(store, descriptor, say, patience)
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the only way to say it
        yield
        unlock_descriptor(descriptor)
    finally:
        os.close(descriptor)


def wait(store: Store, descriptor: int, say: Say | None, patience: float) -> None:
    """Take the lock, or raise FolderBusy when the other run does not end."""
    from filelock import lock_descriptor

    if lock_descriptor(descriptor, blocking=False):
        return
    if say:
        say(f"Another tfup is at work in {store.folder}; waiting for it to end.")
    end = time.monotonic() + patience
    while not lock_descriptor(descriptor, blocking=False):
        if time.monotonic() > end:
            need = Need("folder", "one run at a time", f"another run, for more than {patience:.0f} s")
            sentence = f"Another tfup is still at work in {store.folder}."
            raise FolderBusy(sentence, (need,), "tfup install --project OTHER-FOLDER")
        time.sleep(0.05)


# ---------------------------------------------------------------- the disk


def held(generation: Path, name: str) -> Path:
    """Return where a generation holds a file."""
    return generation / Path(name).name


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


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a document completely or not at all."""
    write_whole(path, json.dumps(content).encode())


def read_json(path: Path) -> dict[str, Any]:
    """Return a document, or an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_manifest(generation: Path) -> Manifest:
    """Return the manifest of a generation."""
    content = read_json(generation / "generation.json")
    return Manifest(content.get("files", []), content.get("environment", True))


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
    return NothingToUndo(f"There is nothing to undo in {store.folder}.", (need,), "tfup install")
