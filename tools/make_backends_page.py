"""Make the table of docs/backends.md from the locks and proofs of Keras on its back ends.

Usage: python -m tools.make_backends_page [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from tfup import tables
from tfup.match.platforms import minor_of, python_release
from tfup.requirements import KERAS
from tfup.tables import DATA, LockRow, ProofRow

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "backends.md"
BEGIN = "<!-- table of pairs: made by tools/make_backends_page.py -->"
END = "<!-- end of table of pairs -->"


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    before = PAGE.read_text(encoding="utf-8")
    after = re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table()}{END}", before)
    if "--check" in sys.argv:
        return 0 if before == after else 1
    PAGE.write_text(after, encoding="utf-8")
    return 0


class Pair(NamedTuple):
    """A lock of a Keras on a back end, or of TensorFlow with an older Keras."""

    keras: str
    backend: str
    release: str
    """Of the back end."""
    lock: LockRow

    @property
    def on(self) -> str:
        """Return the back end with its release, as people write it."""
        return f"{tables.backends()[self.backend].name} {self.release}"


def table() -> str:
    """Return the table as Markdown, the newest Keras first."""
    head = "| Keras | back end | run on Python | resolved for | on |\n|---|---|---|---|---|\n"
    found: dict[tuple[str, str], list[Pair]] = {}
    for pair in sorted(all_pairs(), key=place, reverse=True):
        found.setdefault((pair.keras, pair.on), []).append(pair)
    return head + "".join(line(keras, on, pairs) for (keras, on), pairs in found.items())


def all_pairs() -> Iterator[Pair]:
    """Yield every lock that has something beside its build."""
    for path in sorted((DATA / "locks").glob("*/*.json")):
        for lock in tables.load(str(path.relative_to(DATA)), LockRow):
            if lock.beside:
                yield pair_of(lock)


def pair_of(lock: LockRow) -> Pair:
    """Return what a lock pairs."""
    pins = dict(pin.split("==") for pin in lock.pins)
    name = lock.beside.split("==")[0]
    backend = "tensorflow" if name == KERAS else name
    return Pair(pins[KERAS], backend, pins[backend], lock)


def place(pair: Pair) -> tuple[Version, str, Version, tuple[int, int]]:
    """Return the place of a pair in the table."""
    name = tables.backends()[pair.backend].name
    return Version(pair.keras), name, Version(pair.release), python_release(pair.lock.python_tag)


def line(keras: str, on: str, pairs: list[Pair]) -> str:
    """Return the line of one Keras on one release of a back end."""
    proofs = {row.lock: row.on for row in tables.load("proofs/proofs.json", ProofRow)}
    run = [pair for pair in pairs if pair.lock.digest in proofs]
    left = [pair for pair in pairs if pair.lock.digest not in proofs]
    days = ", ".join(sorted({proofs[pair.lock.digest] for pair in run})) or "-"
    return f"| {keras} | {on} | {minors(run)} | {minors(left)} | {days} |\n"


def minors(pairs: list[Pair]) -> str:
    """Return the Pythons of some locks, oldest first."""
    return ", ".join(minor_of(pair.lock.python_tag) for pair in reversed(pairs)) or "-"


if __name__ == "__main__":
    sys.exit(main())
