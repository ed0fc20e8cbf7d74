"""Where tfup keeps what is its own."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tfup.errors import Need, UnusableFolder
from tfup.files import is_link, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

TAG = "CACHEDIR.TAG"
TAG_TEXT = b"""\
Signature: 8a477f597d28d172789f06886806bc55
# The cache of tfup, which makes it anew as needed; it is removed by: tfup clean
"""
"""What marks a cache as ours, by a standard that programs for backups know: https://bford.info/cachedir/"""


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return tfup's cache folder: its own variable, the system's, the home folder, or a temporary place."""
    if environ.get("TFUP_CACHE_DIR"):
        return Path(environ["TFUP_CACHE_DIR"]).absolute()
    caches = Path(environ.get("XDG_CACHE_HOME", ""))
    home = Path(environ.get("HOME") or environ.get("USERPROFILE", ""))
    places = (caches / "tfup", home / ".cache" / "tfup")
    return next((place for place in places if place.is_absolute()), None) or temporary_folder()


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return where tfup keeps what outlives its cache: in the home folder that the system knows.

    A service, cron and sudo set other variables, and what one run has written the next is to believe. Raises
    RuntimeError where there is no home folder.
    """
    home = Path(home_by_number() or environ.get("HOME") or environ.get("USERPROFILE", ""))
    if not home.is_absolute():
        sentence = "There is no home folder."
        raise RuntimeError(sentence)
    return home / ".local" / "state" / "tfup"


def home_by_number() -> str | None:
    """Return the home folder that the system's list of users gives this one, None where it does not."""
    try:
        import pwd
    except ImportError:  # Windows
        return None
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return None


def make_cache(environ: Mapping[str, str], *, to_stay: bool = True) -> Path:
    """Make tfup's cache folder and return it; what lies in it is run. One that is to stay gets our tag.

    Raises UnusableFolder for one that cannot be made, and for a temporary one that others may write.
    """
    folder = cache_folder(environ)
    try:
        if is_temporary(folder) and private_folder() is None:
            raise unusable(folder, "one that others may write")
        folder.mkdir(parents=True, exist_ok=True)
        if to_stay:
            tag(folder)
    except OSError as error:
        raise unusable(folder, error.strerror or str(error)) from error
    return folder


def tag(folder: Path) -> None:
    """Mark a cache folder as ours if nothing is in it: what somebody had before keeps other things, too."""
    if not any(folder.iterdir()):
        with suppress(OSError):
            write_whole(folder / TAG, TAG_TEXT)


def has_tag(folder: Path) -> bool:
    """Tell whether a folder has our mark; start.bat ends its lines otherwise."""
    file = folder / TAG
    return not is_link(file) and file.is_file() and file.read_bytes().split() == TAG_TEXT.split()


def optional_cache(environ: Mapping[str, str]) -> Path | None:
    """Make tfup's cache folder for what can be done without; None where `make_cache` raises."""
    try:
        return make_cache(environ)
    except UnusableFolder:
        return None


def unusable(folder: Path, found: str) -> UnusableFolder:
    """Return the error for a cache folder that will not do."""
    need = Need("folder", "one that you alone may write", found)
    sentence = f"The folder for what tfup itself needs cannot be used: {folder}."
    return UnusableFolder(sentence, (need,), "TFUP_CACHE_DIR=FOLDER tfup install")


def is_temporary(folder: Path) -> bool:
    """Tell whether a folder is that place; its name is asked first, which costs nothing."""
    return folder.name == f"tfup-{user_id()}" and folder == temporary_folder()


def temporary_folder() -> Path:
    """Return the place for those without a home that takes files."""
    import tempfile  # 5 ms, and seldom needed

    return Path(tempfile.gettempdir(), f"tfup-{user_id()}")


def private_folder() -> Path | None:
    """Make that place for us alone; None where it is somebody else's, who could put in what we run."""
    folder = temporary_folder()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(state.st_mode) and state.st_uid == user_id() and not state.st_mode & 0o022
    return folder if ours else None


def user_id() -> int:
    """Return the number of the person, 0 where the system has none."""
    return os.getuid() if hasattr(os, "getuid") else 0
