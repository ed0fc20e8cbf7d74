"""One way to write a file whole or not at all, and to open what may not be what its name says."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

DRAFT = ".part"
"""How the names of files end that are being written, after a dot, their own name and a random word."""
NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for somebody at its other end


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace a file in one step, so that no reader, no crash and no power cut ever shows half of it.

    The draft has a name that nobody foresees and is made where nothing is, so that no link which waits there
    is followed. The mode and the owner of a file that is replaced stay; a new one gets `mode` less the umask.
    A link at `path` itself is replaced; who means what it leads to resolves it first. Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}{DRAFT}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            keep_owner_and_mode(stream.fileno(), path)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a file of the person's alone, unless one is there by then: the first of several writers wins.

    Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}{DRAFT}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        except OSError:  # a disk that knows one name for each file
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file with its mode, times and owner, and let the copy reach the disk. Raises OSError."""
    shutil.copy2(source, target)
    with suppress(PermissionError):  # Windows syncs nothing that is read-only, as the source may be
        descriptor = os.open(target, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
        try:
            keep_owner_and_mode(descriptor, source)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def keep_owner_and_mode(descriptor: int, path: Path) -> None:
    """Give an open file the owner and the mode of the file that it will replace, as far as we may."""
    if os.name != "posix" or not path.is_file() or path.is_symlink():
        return
    before = path.stat()
    with suppress(OSError):  # only root may give a file away
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk; a rename that counts is lost in a power cut otherwise."""
    with suppress(OSError):  # Windows opens no folder, and some network disks know no such thing
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """Return a document, or an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def open_log(path: Path) -> FileIO:
    """Open a log to be added to, and the folder above it; raises OSError for a link or what is no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK | NO_WAIT, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileExistsError(errno.EEXIST, "not a regular file", str(path))
    return os.fdopen(descriptor, "ab", buffering=0)


def is_link(path: Path) -> bool:
    """Tell whether a path is a link, or a junction of Windows."""
    try:
        state = path.lstat()
    except (OSError, ValueError):
        return False
    junction = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)
    return stat.S_ISLNK(state.st_mode) or (
        junction is not None and getattr(state, "st_reparse_tag", 0) == junction
    )
