"""The nearest cell that was proved, for whoever cannot have the one asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from tfup import tables
from tfup.errors import PinGone
from tfup.match.fitting import proofs
from tfup.match.platforms import minor_of
from tfup.tables import ProofRow

if TYPE_CHECKING:
    from collections.abc import Collection

    from tfup.model import Choice


def nearest_proved(choice: Choice, gone: Collection[str]) -> ProofRow | None:
    """Return the proved build nearest to a choice that does without the pins `gone` ("name==version").

    Nearest is the same Python first, then the release least far away. None where nothing is left.
    """
    cells = [
        row
        for row in tables.load("proofs/proofs.json", ProofRow)
        if (row.project, row.family, row.accelerator) == (choice.project, choice.platform, choice.accelerator)
        and row.beside == (choice.requirement or "")
        and is_proved_without(row, gone)
    ]
    return min(cells, key=lambda row: distance(row, choice), default=None)


def is_proved_without(row: ProofRow, gone: Collection[str]) -> bool:
    """Tell whether a proof holds today for the lock that we ship, and that lock has none of these pins."""
    lock = tables.lock(row.project, row.version, row.python_tag, row.family, row.beside)
    valid = lock is not None and lock.digest == row.lock and (row.lock, row.accelerator) in proofs()
    return valid and set(lock.pins if lock else ()).isdisjoint(gone)


def distance(row: ProofRow, choice: Choice) -> tuple[bool, tuple[int, ...]]:
    """Return how far a cell is from a choice: another Python, then the steps from release to release."""
    pairs = zip((*Version(row.version).release, 0), (*Version(choice.version).release, 0), strict=False)
    return row.python_tag != choice.python_tag, tuple(abs(left - right) for left, right in pairs)


def name_of(row: ProofRow) -> str:
    """Return a cell in words."""
    return f"{row.project} {row.version} on Python {minor_of(row.python_tag)}"


def command_for(row: ProofRow) -> str:
    """Return what a person types to have a cell."""
    return f"tfup install {row.project}=={row.version} --python {minor_of(row.python_tag)}"


# ---------------------------------------------------------------- what is said of it


def advised(error: PinGone, choice: Choice | None) -> PinGone:
    """Return the error for pins that the index lacks with the nearest cell that does without them."""
    near = nearest_proved(choice, error.pins) if choice else None
    if near is None:
        return error
    sentence = f"{error.sentence[:-1]}; the nearest proved build without it is {name_of(near)}."
    return PinGone(sentence, error.needs, command_for(near), log=error.log, pins=error.pins)


def told_of_yanked(yanked: Collection[str], choice: Choice) -> str:
    """Return the note on pins that were installed although the index has yanked them."""
    near = nearest_proved(choice, yanked)
    way_out = f"; the nearest proved build without: {command_for(near)}" if near else ""
    return f"withdrawn (yanked) by the index, and installed as pinned: {', '.join(yanked)}{way_out}"
