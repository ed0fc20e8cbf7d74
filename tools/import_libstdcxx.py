"""Make libstdcxx.json from the measured facts: the newest GLIBCXX version that each release asks for.

Usage: python -m tools.import_libstdcxx FACTS_FOLDER   (the folder with cpu.json)
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from packaging.version import Version

from tfup.doctor.libstdcxx import LibstdcxxRow
from tfup.tables import save

FAMILIES = ("linux_aarch64", "linux_x86_64")
ABOUT = {
    "what": "the newest symbol version of libstdc++ that releases of TensorFlow ask for, by system",
    "source": "the version tables of the binaries in the wheels; the highest of all projects of a release",
    "made_by": "tools/import_libstdcxx.py",
}


def main(folder: Path) -> None:
    """Write the table."""
    projects = json.loads((folder / "cpu.json").read_text(encoding="utf-8"))["releases"]
    save("builds/libstdcxx.json", ABOUT, [row for family in FAMILIES for row in rows(family, projects)])


def rows(family: str, projects: dict[str, Any]) -> list[LibstdcxxRow]:
    """Return a row for each run of releases that ask for the same version."""
    levels: dict[str, int] = {}
    for releases in projects.values():
        for version, families in releases.items():
            measured = families.get(family, {}).get("glibcxx_measured")
            if measured:
                levels[version] = max(levels.get(version, 0), int(measured.rpartition(".")[2]))
    runs = groupby(sorted(levels, key=Version), key=lambda version: levels[version])
    return [LibstdcxxRow(family, span(list(run)), level) for level, run in runs]


def span(versions: list[str]) -> str:
    """Return the releases from the first to the last as a specifier set."""
    return f">={versions[0]},<={versions[-1]}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
