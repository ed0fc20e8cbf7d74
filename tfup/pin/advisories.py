"""What cannot be pinned away: known vulnerabilities of a release, Pythons out of support, candidates."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfup import tables
from tfup.match.platforms import minor_of
from tfup.model import Notice
from tfup.requirements import KERAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfup.model import Choice


class AdvisoryRow(Struct, frozen=True):
    """Advisories TFSA-YEAR-FIRST to LAST, and the releases that they name as affected."""

    year: int
    first: int
    last: int
    affected: str


class SupportRow(Struct, frozen=True):
    """Until when a Python gets security fixes: 2021-12-23, or 2024-10 for the whole month."""

    python: str
    until: str


def known_trouble(choice: Choice, on: date | None = None) -> tuple[Notice, ...]:
    """Return what a person should know of this release on this Python; `on` is the day, else today."""
    return (
        *candidate(choice),
        *unmeasured(choice, tables.releases(choice.project)),
        *out_of_support(choice, on),
        *vulnerable(choice),
    )


def candidate(choice: Choice) -> Iterator[Notice]:
    """A pre-release was asked for, and is one."""
    if Version(choice.version).is_prerelease:
        text = f"{choice.version} is not a final release; tfup takes it only because it was asked for."
        yield Notice("pre-release", text)


def unmeasured(choice: Choice, rows: Iterable[tables.BuildRow]) -> Iterator[Notice]:
    """Nobody measured what these binaries need of a machine."""
    cell = (choice.version, choice.platform)
    row = next((row for row in rows if (row.version, row.family) == cell), None)
    if row and row.needs_of:
        text = f"What {choice.version} needs of a machine was not measured; what {row.needs_of} needs counts."
        yield Notice("needs-not-measured", text)


def out_of_support(choice: Choice, on: date | None = None) -> Iterator[Notice]:
    """The Python gets no security fixes any more."""
    minor = minor_of(choice.python_tag)
    rows = tables.load("builds/python_support.json", SupportRow)
    until = next((row.until for row in rows if row.python == minor), None)
    today = (on or date.today()).isoformat()  # noqa: DTZ011 - the person's own day is meant
    if until and today[: len(until)] > until:
        text = f"Python {minor} has had no security fixes since {until}: keep it for work that needs it."
        yield Notice("python-out-of-support", text)


def vulnerable(choice: Choice) -> Iterator[Notice]:
    """TensorFlow's own list names this release."""
    if choice.project == KERAS:
        return
    rows = tables.load("builds/advisories.json", AdvisoryRow)
    count = sum(row.last - row.first + 1 for row in rows if names(row, choice.version))
    if count:
        text = (
            f"TensorFlow's security list has {count} advisories for {choice.version} "
            "(its patch releases hold some of the fixes): give it no models or data that you do not trust."
        )
        yield Notice("known-vulnerabilities", text)


def names(row: AdvisoryRow, version: str) -> bool:
    """Tell whether advisories name a release as affected."""
    return SpecifierSet(row.affected).contains(version)
