"""Make keras_files.json: name, hash and size of the file that each release of Keras is installed from.

Usage: python -m tools.update_keras_files

The wheel, or the source of a release that never had one; no address is kept.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from tfup import tables
from tfup.tables import FilesRow, KerasRelease
from tools import index

ABOUT = {"made_by": "tools/update_keras_files.py", "source": "file list of the package index, project keras"}
KINDS = (".whl", ".tar.gz", ".zip")


def main() -> int:
    """Ask the index, and write."""
    versions = [row.version for row in tables.load("keras/keras_releases.json", KerasRelease)]
    with ThreadPoolExecutor(8) as pool:
        rows = [row for row in pool.map(row_of, versions) if row]
    tables.save("keras/keras_files.json", ABOUT, rows)
    print(f"{len(rows)} of {len(versions)} releases have a file")
    return 0


def row_of(version: str) -> FilesRow | None:
    """Return the row of a release; None where the index has no file that can be installed."""
    found = sorted(index.files_of("keras", version), key=lambda one: kind_of(one.file.file))
    if not found or kind_of(found[0].file.file) == len(KINDS):
        return None
    file = found[0].file
    return FilesRow(f"keras=={version}", [(file.file, file.sha256, index.size_of(found[0]))])


def kind_of(file: str) -> int:
    """Return the place of a file's kind in the order in which they are preferred."""
    return next((place for place, ending in enumerate(KINDS) if file.endswith(ending)), len(KINDS))


if __name__ == "__main__":
    sys.exit(main())
