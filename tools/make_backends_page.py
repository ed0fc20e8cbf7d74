"""Make the table of docs/backends.md from the locks and proofs of Keras on its back ends.

Usage: python -m tools.make_backends_page [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from tfup.match import keras_backends
from tfup.match.platforms import minor_of, python_release

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfup.match.keras_backends import PairLock

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


def table() -> str:
    """Return the table as Markdown, the newest Keras first."""
    head = "| Keras | back end | run on Python | resolved for | on |\n|---|---|---|---|---|\n"
    pairs: dict[tuple[str, str], list[PairLock]] = {}
    for pair in sorted(all_pairs(), key=place, reverse=True):
        pairs.setdefault((pair.keras, pinned(pair)), []).append(pair)
    return head + "".join(line(keras, on, found) for (keras, on), found in pairs.items())


def all_pairs() -> Iterable[PairLock]:
    """Return every lock of a pair."""
    return (pair for backend in keras_backends.NAMES for pair in keras_backends.pair_locks(backend))


def place(pair: PairLock) -> tuple[Version, str, Version, tuple[int, int]]:
    """Return the place of a pair in the table."""
    name, version = pinned(pair).rsplit(" ", 1)
    return Version(pair.keras), name, Version(version), python_release(pair.lock.python_tag)


def pinned(pair: PairLock) -> str:
    """Return the back end as the lock pins it."""
    name = pair.requirement.split("==")[0]
    version = next(pin.split("==")[1] for pin in pair.lock.pins if pin.split("==")[0] == name)
    return f"{keras_backends.NAMES[name]} {version}"


def line(keras: str, on: str, pairs: list[PairLock]) -> str:
    """Return the line of one Keras on one release of a back end."""
    proofs = {row.lock: row.on for row in keras_backends.proofs()}
    run = [pair for pair in pairs if pair.lock.digest in proofs]
    left = [pair for pair in pairs if pair.lock.digest not in proofs]
    days = ", ".join(sorted({proofs[pair.lock.digest] for pair in run})) or "-"
    return f"| {keras} | {on} | {minors(run)} | {minors(left)} | {days} |\n"


def minors(pairs: list[PairLock]) -> str:
    """Return the Pythons of some locks, oldest first."""
    return ", ".join(minor_of(pair.lock.python_tag) for pair in reversed(pairs)) or "-"


if __name__ == "__main__":
    sys.exit(main())
