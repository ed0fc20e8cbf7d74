"""The releases that there were once: what was planned with them, no newer release changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from tfup import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfup.match.builds import Table
    from tfup.tables import BuildRow


def as_of(last: str, candidate: str | None = None) -> Table:
    """Return the table of releases that ends with this one, for every project; a candidate may go before it.

    >>> as_of("2.4.4")("tensorflow")[0].version
    '2.4.4'
    """
    end = Version(last)

    def releases(project: str) -> Sequence[BuildRow]:
        """Return a project's rows, newest release first, without what came later."""
        return [
            row for row in tables.releases(project) if row.version == candidate or Version(row.version) <= end
        ]

    return releases


def newest(project: str) -> str:
    """Return the newest final release of a project that was not withdrawn.

    >>> newest("tensorflow-gpu")
    '2.11.0'
    """
    versions = (Version(row.version) for row in tables.releases(project) if not row.yanked)
    return str(max(version for version in versions if not version.is_prerelease))
