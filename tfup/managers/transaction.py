"""An install changes a project completely or not at all, whatever kills it; one earlier generation is kept.

    DIR/.tfup/lock                held by the run at work, and by the uv that it started
    DIR/.tfup/journal.json        says what to do about a run that was killed: see `repair`
    DIR/.tfup/previous.new/       what this run replaces: copies of the files, the environment itself
    DIR/.tfup/previous/           the generation that `undo` brings back
    DIR/.tfup/trash/              what is to be deleted, when there is time
    DIR/.tfup/not-made-here-*/    a journal or generation that nobody vouches for: see tfup/managers/seals.py

Each step is one rename, and each can be done again: a kill between any two leaves what `repair` completes.
Environments are moved and moved back, never copied, for their scripts hold the path that they were made for;
they are moved as they are, be they a link, a file or a stranger's folder.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfup.errors import FolderBusy, InstallFailed, Need
from tfup.files import NO_LINK
from tfup.managers import generation
from tfup.managers.corner import (
    Store,
    discard,
    empty,
    failed,
    nothing,
    prepare,
    refuse_strangers,
    set_apart,
    unusable,
)
from tfup.managers.generation import HALVES, MANIFEST, Manifest, put_files, read_manifest, sweep
from tfup.managers.seals import read_sealed, write_sealed
from tfup.managers.signals import go_to_the_end, uninterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tfup.managers.corner import Say

PATIENCE = 1800.0  # seconds to wait for another run, whose checks may take half of that
OPEN, UNDO, COMMITTED, UNDONE = "open", "undo", "committed", "undone"
TOLD = {
    OPEN: "A run was broken off here; what it had changed was taken back.",
    UNDO: "An undo was broken off here; it was completed.",
}


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
        repair(store, say)
        try:
            begin(store, OPEN)
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
    manifest = read_manifest(store.draft)
    if os.path.lexists(kept) or not (manifest and manifest.environment):
        discard(store, store.environment)  # a first try of this very transaction
    else:
        store.environment.rename(kept)


def undo(folder: Path, *, say: Say | None = None, patience: float = PATIENCE) -> None:
    """Bring the previous generation back; what is there now becomes the previous one.

    Where an undo was broken off, completing it is all. Raises NothingToUndo, UnusableFolder or FolderBusy.
    """
    store = Store(folder.absolute())
    if not store.home.is_dir():
        raise nothing(store)
    prepare(store)
    with locked(store, say, patience), uninterrupted():
        if repair(store, say) in {UNDO, UNDONE}:
            go_to_the_end()
            return
        manifest = read_manifest(store.previous)
        if manifest is None:
            raise nothing(store)
        begin(store, UNDO)
        swap(store, manifest)
        empty(store.trash)
        store.journal.unlink()
        go_to_the_end()


def recover(folder: Path, *, say: Say | None = None, patience: float = PATIENCE) -> None:
    """Put in order what a killed run left, before anything of it is read; a run at work is waited for.

    Raises UnusableFolder or FolderBusy.
    """
    store = Store(folder.absolute())
    refuse_strangers(store)
    if is_open(store):
        with locked(store, say, patience):
            repair(store, say)


def repair(store: Store, say: Say | None = None) -> str | None:
    """Complete or take back what a killed run left, and return the phase that it was in.

    Only for the holder of the lock. What was not written here is not acted on: it is set apart, and said.
    """
    with uninterrupted():
        store.trash.mkdir(exist_ok=True)
        for half in store.home.glob(HALVES[0]):  # of the journal itself, too
            half.unlink(missing_ok=True)
        refuse_disbelieved(store, say)
        phase = read_sealed(store.journal).get("phase")
        told = complete(store, phase)
        if told and say:
            say(TOLD[told])
        discard(store, store.draft)  # by now it holds nothing that is not in its place, too
        empty(store.trash)
        store.journal.unlink(missing_ok=True)  # last, so that an undo that was broken off is known as one
    return phase


def complete(store: Store, phase: str | None) -> str | None:
    """Do what is left of a phase; return the word of TOLD for what the person would not expect."""
    draft, previous = read_manifest(store.draft), read_manifest(store.previous)
    if store.journal.exists():
        sweep(store, draft)
    if phase in {COMMITTED, UNDONE}:
        keep_previous(store)
    elif phase == UNDO and draft and previous:
        swap(store, previous)
        return UNDO
    elif phase and draft:
        roll_back(store, draft)
        return OPEN
    return None


def refuse_disbelieved(store: Store, say: Say | None) -> None:
    """Set a journal or a draft apart that no run of this person wrote: it came with the folder, perhaps."""
    strange = is_open(store) and not read_sealed(store.journal)
    if is_strange(store.draft) or (strange and os.path.lexists(store.draft)):
        apart = set_apart(store, store.journal, store.draft)
        if say:
            say(f"What a run was doing here is not known to be tfup's own; it was set apart in {apart}.")


def is_strange(kept: Path) -> bool:
    """Tell whether a generation has a manifest, and no run of this person wrote it."""
    return os.path.lexists(kept / MANIFEST) and read_manifest(kept) is None


# ---------------------------------------------------------------- the steps


def begin(store: Store, phase: str) -> None:
    """Copy the files aside, then note that they are; the environment follows when it is replaced."""
    try:
        with uninterrupted():
            generation.keep(store)
            note(store, phase)
    except OSError as error:
        raise unusable(store, error) from error


def note(store: Store, phase: str) -> None:
    """Write down in the journal what is being done."""
    write_sealed(store.journal, {"schema": 1, "phase": phase})


def commit(store: Store) -> None:
    """Make what this run replaced the previous generation; nothing replaced, nothing kept."""
    with uninterrupted():
        manifest = read_manifest(store.draft)
        if manifest and generation.is_unchanged(store, manifest):
            store.journal.unlink()
            empty(store.draft)
        else:
            note(store, COMMITTED)
            keep_previous(store)
            store.journal.unlink()
            # Thousands of files go while the checks run; Python waits for the thread, a kill leaves trash.
            threading.Thread(target=empty, args=(store.trash,), name="trash").start()


def keep_previous(store: Store) -> None:
    """Put the generation that was replaced into the place of the one before it."""
    if store.draft.exists():
        if is_strange(store.previous):
            set_apart(store, store.previous)
        discard(store, store.previous)
        store.draft.rename(store.previous)


def take_back(store: Store) -> None:
    """Put everything back; raise InstallFailed when the disk refuses that, too, and the next run has to."""
    manifest = read_manifest(store.draft)
    try:
        with uninterrupted():
            if manifest:
                roll_back(store, manifest)
    except OSError as error:
        need = Need("disk", "to take back the former state", str(error))
        sentence = f"The former state of {store.folder} is kept in {store.draft}; the next run puts it back."
        raise InstallFailed(sentence, (need,), "tfup install") from error


def roll_back(store: Store, manifest: Manifest) -> None:
    """Put everything back; only renames, so that it needs no space on a full disk."""
    put_files(store, manifest, store.draft)
    if os.path.lexists(store.draft / ".venv"):
        discard(store, store.environment)
        (store.draft / ".venv").rename(store.environment)
    elif not manifest.environment:
        discard(store, store.environment)
    store.journal.unlink(missing_ok=True)
    empty(store.draft)
    empty(store.trash)


def swap(store: Store, manifest: Manifest) -> None:
    """Exchange what is there with the previous generation."""
    earlier = store.previous / ".venv"
    if os.path.lexists(store.environment) and (os.path.lexists(earlier) or not manifest.environment):
        store.environment.rename(store.draft / ".venv")
    if os.path.lexists(earlier):
        earlier.rename(store.environment)
    put_files(store, manifest, store.previous)
    note(store, UNDONE)
    keep_previous(store)


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
