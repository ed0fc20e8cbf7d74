"""Where tfup keeps what is its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return tfup's cache folder: its own variable, the system's, the home folder, or a temporary place."""
    if environ.get("TFUP_CACHE_DIR"):
        return Path(environ["TFUP_CACHE_DIR"]).absolute()
    import tempfile  # 5 ms, for those without a home

    caches = Path(environ.get("XDG_CACHE_HOME", ""))
    home = Path(environ.get("HOME") or environ.get("USERPROFILE", ""))
    places = (caches / "tfup", home / ".cache" / "tfup", Path(tempfile.gettempdir(), f"tfup-{user_id()}"))
    return next(place for place in places if place.is_absolute())


def user_id() -> int:
    """Return the number of the person, 0 where the system has none."""
    return os.getuid() if hasattr(os, "getuid") else 0
