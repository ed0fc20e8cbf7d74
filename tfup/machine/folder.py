"""Where the project will be: whether a cloud copies it, and whether a guard keeps programs out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tfup.machine.fact import Fact, Facts
from tfup.machine.system import name_system
from tfup.machine.windows import read_guarded, read_synced

if TYPE_CHECKING:
    from pathlib import Path

    from tfup.machine.probe import Probe

APPLES_CLOUDS = r"^{home}/Library/(?:(?P<icloud>Mobile Documents)|CloudStorage/(?P<other>[A-Za-z]+))(?:/|-|$)"


def read_folder(probe: Probe, folder: Path | None) -> Facts:
    """Read what is to be known of the project's folder."""
    if folder is None:
        return {"folder": Fact(None, "no folder was named")}
    path, system = str(folder), name_system(probe)
    return {
        "folder.path": Fact(path, "the command line, else the current folder"),
        "folder.synced_by": CLOUDS.get(system, _dull)(probe, path),
        "folder.guarded": GUARDS.get(system, _dull)(probe, path),
    }


def read_apples_cloud(probe: Probe, folder: str) -> Fact:
    """Read whose cloud a folder of macOS is copied to."""
    cloud = parse_apples_cloud(str(probe.ask("real_path", folder) or folder), str(probe.ask("home")))
    return Fact(cloud, "its real path" if cloud else "its real path is in no cloud's folder")


def parse_apples_cloud(path: str, home: str) -> str | None:
    """Return whose cloud it is, by the folder that macOS keeps for it.

    >>> parse_apples_cloud("/Users/user/Library/Mobile Documents/com~apple~CloudDocs/tf", "/Users/user")
    'iCloud'
    >>> parse_apples_cloud("/Users/user/Library/CloudStorage/OneDrive-Personal/tf", "/Users/user")
    'OneDrive'
    >>> parse_apples_cloud("/Users/user/tensorflow", "/Users/user") is None
    True
    """
    found = re.match(APPLES_CLOUDS.replace("{home}", re.escape(home)), path)
    return ("iCloud" if found["icloud"] else found["other"]) if found else None


def _dull(_probe: Probe, _folder: str) -> Fact:
    return Fact(None, "only Windows asks, and macOS for a cloud")


CLOUDS = {"windows": read_synced, "macos": read_apples_cloud}
GUARDS = {"windows": read_guarded}
