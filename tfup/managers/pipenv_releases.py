"""Which release of Pipenv can drive an environment of a given Python."""

from __future__ import annotations

from msgspec import Struct
from packaging.specifiers import SpecifierSet

from tfup import tables


class PipenvRelease(Struct, frozen=True):
    """The newest Pipenv whose commands all work on environments of some Pythons."""

    target: str
    """Python minors of the environment, as a range."""
    pipenv: str
    """A version, or "newest"."""
    runs_on: str
    """The Python minor that Pipenv itself runs on, or the range of those that serve."""
    source: str


def pipenv_for(python_minor: str) -> PipenvRelease | None:
    """Return the Pipenv for an environment of a Python minor, None where no release is known to work."""
    rows = tables.load("builds/pipenv.json", PipenvRelease)
    return next((row for row in rows if SpecifierSet(row.target).contains(python_minor)), None)


def is_current(release: PipenvRelease) -> bool:
    """Tell whether a release is today's: the one in the last row, which is for the newest Pythons."""
    newest: PipenvRelease = tables.load("builds/pipenv.json", PipenvRelease)[-1]
    return release == newest
