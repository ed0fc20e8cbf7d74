"""Tells by its exit code whether the private environment that runs this is what the pins ask for, and whole.

An antivirus may have taken a file of it away; then it is made anew. Its copy of the pins is its last file.
"""

import csv
import sys
from pathlib import Path


def main(pins: str) -> int:
    """Return 0 if nothing is to be done."""
    place = Path(sys.prefix)
    kept = place / "requirements.txt"
    if not kept.is_file() or kept.read_bytes() != Path(pins).read_bytes():
        return 1
    lost = [file for record in place.glob("Lib/site-packages/*.dist-info/RECORD") for file in missing(record)]
    sys.stdout.write("".join(f"missing: {file}\n" for file in lost))
    return 1 if lost else 0


def missing(record: Path) -> list[str]:
    """Return the files of a package that are not there, or not of the size that was installed."""
    packages = record.parents[1]
    with record.open(encoding="utf-8", newline="") as lines:
        rows = [(packages / row[0], row[2]) for row in csv.reader(lines)]
    return [
        str(file) for file, size in rows if not file.exists() or (size and file.stat().st_size != int(size))
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
