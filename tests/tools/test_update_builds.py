"""What the index has and the table has not, and the other way round."""

from __future__ import annotations

import pytest

from tests.as_of import as_of
from tfup.match.search import match
from tfup.model import Machine, System, Wish
from tfup.tables import BuildRow, Wheel
from tools import index, update_builds
from tools.index import Listed
from tools.update_builds import applied, cell_of, compare

ROW = BuildRow(
    "tensorflow",
    "2.21.0",
    "linux_x86_64",
    [("cp312", "cp312", "manylinux_2_27_x86_64", "a" * 64, 10)],
    glibc="2.27",
    cpu=["avx"],
)


def listed(
    version: str, python: str, platform: str = "manylinux_2_27_x86_64", *, yanked: bool = False
) -> Listed:
    """Return a wheel of tensorflow as an index lists it."""
    file = f"tensorflow-{version}-{python}-{python}-{platform}.whl"
    return Listed(Wheel(file, "b" * 64), f"https://index.example/{file}", yanked)


def lines(*page: Listed, pre: bool = False) -> list[str]:
    """Return the difference between the one row and a page."""
    return [str(change) for change in compare([ROW], "tensorflow", page, pre=pre)]


def test_the_same_is_no_difference() -> None:
    """Files for systems that we do not serve are none either."""
    assert [] == lines(listed("2.21.0", "cp312"), listed("2.21.0", "cp312", "win32"))


def test_a_new_wheel_and_a_new_release_are_told() -> None:
    """One line for each release and system, with the Pythons."""
    page = [listed("2.21.0", "cp312"), listed("2.21.0", "cp313"), listed("2.22.0", "cp314", "win_amd64")]

    assert ["+ tensorflow 2.22.0 windows_amd64 cp314", "+ tensorflow 2.21.0 linux_x86_64 cp313"] == lines(
        *page
    )


def test_a_candidate_is_new_only_when_asked_for() -> None:
    """Candidates of releases that are out are never of interest."""
    page = [listed("2.21.0", "cp312"), listed("2.22.0rc0", "cp314"), listed("2.21.0rc1", "cp312")]

    assert [] == lines(*page)
    assert ["+ tensorflow 2.22.0rc0 linux_x86_64 cp314"] == lines(*page, pre=True)


def test_withdrawn_and_gone_are_told() -> None:
    """Withdrawn is still there for who names it; gone is gone."""
    assert ["! tensorflow 2.21.0 linux_x86_64"] == lines(listed("2.21.0", "cp312", yanked=True))
    assert ["- tensorflow 2.21.0 linux_x86_64 cp312"] == lines()


def test_what_is_new_is_written_with_the_needs_of_the_release_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row says whose binaries were measured; the old row stays as it is."""
    monkeypatch.setattr(index, "size_of", lambda _: 77)
    page = [listed("2.21.0", "cp312"), listed("2.22.0", "cp313"), listed("2.22.0", "cp312")]

    new, old = update_builds.ordered(applied([ROW], compare([ROW], "tensorflow", page)))

    assert ROW == old
    assert ("2.22.0", ["cp312", "cp313"]) == (new.version, [wheel[0] for wheel in new.wheels])
    assert ("2.27", ["avx"], "2.21.0", 77) == (new.glibc, new.cpu, new.needs_of, new.wheels[0][4])


def test_a_withdrawal_is_written() -> None:
    """And the wheels stay, for who names the release."""
    (row,) = applied([ROW], compare([ROW], "tensorflow", [listed("2.21.0", "cp312", yanked=True)]))

    assert (True, ROW.wheels) == (row.yanked, row.wheels)


@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("tensorflow-1.15.0-cp27-cp27m-macosx_10_11_intel.whl", "macos_x86_64"),
        ("tensorflow-1.0.0-cp27-cp27mu-manylinux1_x86_64.whl", "linux_x86_64"),
        (
            "tensorflow-2.9.0-cp310-cp310-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
            "linux_aarch64",
        ),
        ("tensorflow-2.9.0-cp310-cp310-win32.whl", None),
        ("tensorflow-2.9.0.tar.gz", None),
    ],
)
def test_a_wheel_is_of_one_system(file: str, family: str | None) -> None:
    """By its platform tag; what is no wheel is of none."""
    cell = cell_of("tensorflow", file)

    assert family == (cell.family if cell else None)


THEN = as_of("2.21.0", candidate="2.22.0rc0")
NEW_MACHINE = Machine(system=System(os="linux", arch="x86_64", libc="glibc", libc_version="2.39"))


def test_a_candidate_is_never_chosen_unasked() -> None:
    """Where no Python is, one is obtained for the newest final release."""
    choice = match(NEW_MACHINE, Wish(), THEN).choice

    assert choice is not None
    assert ("2.21.0", "obtain") == (choice.version, choice.python_from)


@pytest.mark.parametrize("wish", ["tensorflow==2.22.0rc0", "tensorflow>=2.22.0rc0"])
def test_a_candidate_that_was_asked_for_is_chosen(wish: str) -> None:
    """To the letter."""
    choice = match(NEW_MACHINE, Wish(requirements=(wish,)), THEN).choice

    assert choice is not None
    assert "2.22.0rc0" == choice.version


def test_a_python_for_candidates_only_gives_no_candidate() -> None:
    """--python 3.14 had no final release, and that is said instead of taking a candidate without a word."""
    found = match(NEW_MACHINE, Wish(python="3.14"), THEN)

    assert found.choice is None
    assert found.nearest is not None
    assert "2.21.0" == found.nearest.version
