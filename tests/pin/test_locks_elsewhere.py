"""The locks for what uv cannot prove here install there: wheels only, of the right tags, none missing."""

from __future__ import annotations

from functools import cache

import pytest
from packaging.version import Version

from tfup import managers, tables
from tfup.match.platforms import minor_of
from tfup.match.search import choose
from tfup.model import Build, Choice, Machine, Wish
from tfup.pin.companions import companions_of
from tfup.pin.files import usable_files
from tfup.pin.planning import lock_pins
from tools.python27_locks import unmet

ELSEWHERE = ("windows_amd64", "macos_arm64", "macos_x86_64", "linux_aarch64")
OF_2_7 = ("linux_x86_64", "macos_x86_64")
OLDEST_FOR_UV = "3.6"


@cache
def newest_patches(family: str) -> tuple[Build, ...]:
    """Return the locked builds of the newest patch of each minor release."""
    rows = [row for row in tables.releases("tensorflow") if row.family == family and not row.yanked]
    final = [row for row in rows if not Version(row.version).is_prerelease]
    newest = {
        Version(row.version).release[:2]: row for row in sorted(final, key=lambda row: Version(row.version))
    }
    builds = (build for row in newest.values() for build in tables.builds(row) if build.carrier_lacks is None)
    return tuple(one for one in builds if companions_of(choice_of(one)).lock)


def is_known_to_uv(build: Build) -> bool:
    """Tell whether uv can resolve for the Python of a build."""
    return Version(minor_of(build.python_tag)) >= Version(OLDEST_FOR_UV)


def choice_of(build: Build) -> Choice:
    """Return the choice of a build, on a machine that has just its Python."""
    return choose(build, Machine(), Wish())


def name_of(build: Build) -> str:
    """Return the name of a case."""
    return f"{build.version}-{build.python_tag}-{build.family}"


ALL = [build for family in ELSEWHERE for build in newest_patches(family) if is_known_to_uv(build)]
OLD = [build for family in OF_2_7 for build in newest_patches(family) if build.python_tag == "cp27"]
SAMPLE = [max(newest_patches(family), key=lambda build: Version(build.version)) for family in ELSEWHERE]


@pytest.mark.parametrize("family", ELSEWHERE)
def test_every_pin_has_a_file_for_the_system(family: str) -> None:
    """A wheel whose tags its Python there accepts; a source only where the table says that it builds."""
    assert len({build.version for build in newest_patches(family)}) > 8
    for build in newest_patches(family):
        choice = choice_of(build)
        companions = companions_of(choice)
        pins = lock_pins(choice, companions)
        files = {pin.name: usable_files(choice, companions, pin.name, pin.version) for pin in pins}
        sources = {
            name for name, found in files.items() if not any(one.file.endswith(".whl") for one in found)
        }

        assert [] == [name for name, found in files.items() if not found], name_of(build)
        assert sources <= set(companions.sdists), name_of(build)


def is_complete(build: Build) -> bool:
    """Tell whether uv, asked for the pins and all that they require, comes to these very pins there."""
    choice = choice_of(build)
    companions = companions_of(choice)
    pins = [f"{pin.name}=={pin.version}" for pin in lock_pins(choice, companions)]
    resolved = managers.resolve(choice, pins, (), companions.sdists)
    return sorted(pins) == sorted(f"{one.name}=={one.version}" for one in resolved)


@pytest.mark.network
@pytest.mark.parametrize("build", SAMPLE, ids=name_of)
def test_the_newest_lock_resolves_for_the_system(build: Build) -> None:
    """By the metadata of the index, for a machine that is not here."""
    assert is_complete(build)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("build", ALL, ids=name_of)
def test_each_lock_resolves_for_its_system(build: Build) -> None:
    """Each newest patch, on each of its Pythons."""
    assert is_complete(build)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("build", OLD, ids=name_of)
def test_each_lock_for_2_7_has_what_its_wheels_ask_for(build: Build) -> None:
    """By the metadata inside the wheels; pip's resolver of those days did not see to it."""
    choice = choice_of(build)
    companions = companions_of(choice)
    pins = {pin.name: pin.version for pin in lock_pins(choice, companions)}

    assert [] == unmet(choice, companions, pins)
