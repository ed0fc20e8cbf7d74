"""Make the support table of the README, and the counts above it, from the tables.

Usage: python -m tools.make_readme [--check]
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from tfup import tables
from tfup.match.fitting import proofs
from tfup.match.keras import keras_rule
from tfup.match.platforms import minor_of, python_release
from tfup.tables import BuildRow

if TYPE_CHECKING:
    from tfup.model import Build

WORDS = ("proved", "resolved", "cannot be had", "not resolved", "empty wheels")
ROOT = Path(__file__).parents[1]
FAMILY = "linux_x86_64"
BEGIN = "<!-- support table: made by tools/make_readme.py -->"
END = "<!-- end of support table -->"
COUNTS = "<!-- counts: made by tools/make_readme.py -->", "<!-- end of counts -->"


def main() -> int:
    """Write the README, or with --check say whether it is up to date."""
    readme = ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    after = re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table()}{END}", before)
    after = re.sub(f"(?s){COUNTS[0]}.*{COUNTS[1]}", lambda _: f"{COUNTS[0]}\n{counts()}{COUNTS[1]}", after)
    if "--check" in sys.argv:
        return 0 if before == after else 1
    readme.write_text(after, encoding="utf-8")
    return 0


def counts() -> str:
    """Return what is known of all builds, as Markdown: one line a project and system."""
    cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in tables.load("builds/builds.json", BuildRow):
        for build in () if Version(row.version).is_prerelease else tables.builds(row):
            cells[row.project, row.family][status(build)] += 1
    head = f"| project | system | wheels | {' | '.join(WORDS)} |\n{'|---' * (3 + len(WORDS))}|\n"
    return head + "".join(
        f"| {project} | {family} | {count.total()} | {' | '.join(str(count[word]) for word in WORDS)} |\n"
        for (project, family), count in sorted(cells.items())
    )


def status(build: Build) -> str:
    """Return what is known of a build, one of WORDS."""
    if build.carrier_lacks:
        return "empty wheels"
    lock = tables.lock(build.project, build.version, build.python_tag, build.family)
    if lock:
        return "proved" if (lock.digest, "cpu") in proofs() else "resolved"
    failed = tables.load("proofs/failures.json", tables.FailureRow)
    cell = (build.project, build.version, build.python_tag, build.family)
    known = any((one.project, one.version, one.python_tag, one.family) == cell for one in failed)
    return "cannot be had" if known else "not resolved"


def table() -> str:
    """Return the table as Markdown."""
    head = "| tensorflow | Python | Keras | proved on | resolved for |\n|---|---|---|---|---|\n"
    return head + "".join(map(line, newest_patches()))


def newest_patches() -> list[BuildRow]:
    """Return the newest release of each minor, newest first."""
    rows: dict[str, BuildRow] = {}
    for row in tables.releases("tensorflow"):
        if row.family == FAMILY and not Version(row.version).is_prerelease:
            rows.setdefault(".".join(row.version.split(".")[:2]), row)
    return sorted(rows.values(), key=lambda row: Version(row.version), reverse=True)


def line(row: BuildRow) -> str:
    """Return the line of one release."""
    tags = sorted({wheel[0] for wheel in row.wheels}, key=python_release)
    locks = {tag: tables.lock(row.project, row.version, tag, FAMILY) for tag in tags}
    proved = [tag for tag, lock in locks.items() if lock and (lock.digest, "cpu") in proofs()]
    resolved = [tag for tag, lock in locks.items() if lock and tag not in proved]
    keras = {
        pin.split("==")[1]
        for lock in locks.values()
        if lock
        for pin in lock.pins
        if pin.startswith(("keras==", "keras-nightly=="))
    }
    paired = ", ".join(sorted(keras, key=Version)) or keras_rule(row.version).keras.removeprefix("==")
    return f"| {row.version} | {minors(tags)} | {paired} | {minors(proved)} | {minors(resolved)} |\n"


def minors(tags: list[str]) -> str:
    """Return Python tags as people write them."""
    return ", ".join(map(minor_of, tags)) or "-"


if __name__ == "__main__":
    sys.exit(main())
