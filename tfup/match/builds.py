"""What there is to choose from: the builds of each release wished for, newest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfup import tables
from tfup.errors import Need, UnknownVersion
from tfup.match import keras_backends
from tfup.match.platforms import CPU_ONLY, family_of
from tfup.requirements import KERAS, is_build, parse
from tfup.shell import typed
from tfup.tables import BuildRow, CarrierRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.requirements import Requirement

    from tfup.model import Build, Machine, Wish

DEFAULT_PROJECT = "tensorflow"
SLIM_PROJECT = "tensorflow-cpu"
GPU_PROJECT = "tensorflow-gpu"
Table = Callable[[str], Sequence[BuildRow]]
"""A project's rows by its name: `tables.releases`, or made-up ones."""


def wished_build(wish: Wish, machine: Machine) -> Requirement:
    """Return the requirement that names the build; the default project where none does."""
    if keras_backends.is_wished(wish):
        return keras_backends.wished_release(wish)
    slim = wish.slim and family_of(machine.system) not in CPU_ONLY
    return parse(next(filter(is_build, wish.requirements), SLIM_PROJECT if slim else DEFAULT_PROJECT))


def names_exactly(wanted: Requirement) -> bool:
    """Tell whether a requirement names one version."""
    return any(item.operator in {"==", "==="} and "*" not in item.version for item in wanted.specifier)


def offered(
    wanted: Requirement, machine: Machine, wish: Wish, table: Table = tables.releases
) -> Iterator[tuple[Build, ...]]:
    """Yield the releases to choose from: of Keras where another back end than TensorFlow is wished for."""
    if keras_backends.is_wished(wish) and canonicalize_name(wanted.name) == KERAS:
        return keras_backends.releases(wanted, wish, family_of(machine.system))
    return releases(wanted, machine, table)


def releases(
    wanted: Requirement, machine: Machine, table: Table = tables.releases
) -> Iterator[tuple[Build, ...]]:
    """Yield the builds of each release wished for, newest first: those for this system, else all.

    A pre-release is there only for a requirement that names one.
    """
    rows = list_rows(canonicalize_name(wanted.name), table)
    asked = bool(wanted.specifier.prereleases)
    versions = {row.version for row in rows if wanted.specifier.contains(row.version, prereleases=asked)}
    family = family_of(machine.system)
    for version in sorted(versions, key=Version, reverse=True):
        release = [row for row in rows if row.version == version]
        here = [row for row in release if row.family == family]
        yield tuple(build for row in here or release for build in tables.builds(row))


def list_rows(project: str, table: Table) -> list[BuildRow]:
    """Return a project's rows, and those of other projects that carry its releases on some system."""
    carried = (
        row
        for carrier in carriers(project)
        for row in table(carrier.carrier)
        if row.family == carrier.family and SpecifierSet(carrier.versions).contains(row.version)
    )
    return [*table(project), *carried]


@cache
def carriers(project: str) -> tuple[CarrierRow, ...]:
    """Return who carries a project's releases, by system."""
    return tuple(row for row in tables.load("builds/carriers.json", CarrierRow) if row.project == project)


def unknown_version(wanted: Requirement, table: Table) -> UnknownVersion:
    """Return the error for versions that no release has, with the nearest ones."""
    name = canonicalize_name(wanted.name)
    known = keras_backends.versions() if name == KERAS else [row.version for row in table(name)]
    asked = wanted.specifier.prereleases
    final = [version for version in known if asked or not Version(version).is_prerelease]
    near = nearest_versions([item.version for item in wanted.specifier], final or known)
    return UnknownVersion(
        f"No release of {wanted.name} is {wanted.specifier}.",
        (Need("version", str(wanted.specifier), ", ".join(near) + " are the nearest"),),
        f"tfup versions, or {typed('tfup', 'plan', f'{wanted.name}=={near[0]}')}",
    )


def nearest_versions(asked: Iterable[str], known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known versions nearest to those asked for, by major, minor, then patch.

    >>> nearest_versions(["2.10.7"], ["2.11.0", "2.10.1", "2.10.0", "1.15.0"])
    ['2.10.1', '2.10.0', '2.11.0']
    """
    wanted = Version(next((text.removesuffix(".*") for text in asked), "0")).release

    def distance(version: str) -> tuple[int, ...]:
        pairs = zip((*Version(version).release, 0, 0), (*wanted, 0, 0), strict=False)
        return tuple(abs(left - right) for left, right in list(pairs)[:3])

    return sorted(dict.fromkeys(known), key=distance)[:count]
