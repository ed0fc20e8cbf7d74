"""What tells our own notes from those that came with somebody's folder: a seal that needs this person's key.

A journal, a kept generation or an environment may lie in a folder that was cloned or unpacked, and look like
ours. Acting on it would delete, overwrite or run what a stranger chose; so only what is sealed is believed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from tfup.errors import TfupError
from tfup.files import NO_LINK, NO_WAIT, read_json, write_new, write_whole
from tfup.folders import make_cache, state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY_BYTES = 32
SEAL = "seal"


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a document that this person's runs will believe; raises OSError."""
    write_whole(path, json.dumps({**content, SEAL: seal(canonical(content))}).encode())


def read_sealed(path: Path) -> dict[str, Any]:
    """Return a document that was written here, an empty one where there is none, or another's."""
    content = read_json(path)
    given = str(content.pop(SEAL, None)).encode()
    return content if hmac.compare_digest(given, seal(canonical(content)).encode()) else {}


def put_seal(path: Path) -> None:
    """Vouch for a file at this very place, in a file beside it. Raises OSError."""
    write_whole(path.with_suffix(".seal"), seal(at_its_place(path)).encode())


def is_sealed(path: Path) -> bool:
    """Tell whether a run of this person vouched for a file at this place, and it is as it was then."""
    try:
        return hmac.compare_digest(path.with_suffix(".seal").read_bytes(), seal(at_its_place(path)).encode())
    except OSError:
        return False


def at_its_place(path: Path) -> bytes:
    """Return what a file holds and where it is: the scripts of an environment that was moved lead astray."""
    return os.fsencode(os.path.realpath(path)) + b"\0" + path.read_bytes()


def seal(content: bytes) -> str:
    """Return the HMAC-SHA256 of a content under this person's key."""
    return hmac.new(key(), content, hashlib.sha256).hexdigest()


def canonical(content: Mapping[str, Any]) -> bytes:
    """Return a document as bytes that do not depend on the order of its keys."""
    return json.dumps(content, sort_keys=True).encode()


# ---------------------------------------------------------------- the key


@cache
def key() -> bytes:
    """Return this person's key, made at the first use; where none can be kept, one for this run alone."""
    for find in (state_folder, make_cache):
        with suppress(OSError, RuntimeError, TfupError):
            return read_or_make(find(os.environ) / "key")
    return os.urandom(KEY_BYTES)


def read_or_make(path: Path) -> bytes:
    """Return the key in a file, made where there is none; OSError for a file that others may write."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(path, os.urandom(KEY_BYTES))
    with os.fdopen(os.open(path, os.O_RDONLY | NO_LINK | NO_WAIT), "rb") as stream:
        state = os.fstat(stream.fileno())
        content = stream.read(KEY_BYTES + 1)
    theirs = os.name == "posix" and (state.st_uid != os.geteuid() or state.st_mode & 0o077)
    if theirs or not stat.S_ISREG(state.st_mode) or len(content) != KEY_BYTES:
        raise PermissionError(str(path))
    return content
