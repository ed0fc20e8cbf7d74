"""What cannot be pinned away is told: by release, by Python, by day."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace
from packaging.specifiers import SpecifierSet

from tests.pin.test_pin import CHOICE
from tfup import tables
from tfup.pin.advisories import AdvisoryRow, SupportRow, known_trouble, unmeasured

DAY = date(2026, 11, 20)
QUIET = replace(CHOICE, version="2.21.0", python_tag="cp313", python="3.13.0")


def test_the_newest_release_on_a_supported_python_has_no_trouble() -> None:
    """Nobody is warned of nothing."""
    assert () == known_trouble(QUIET, DAY)


def test_an_old_release_names_its_advisories_and_its_python() -> None:
    """The count is that of the rows that name the release, and there is advice."""
    told = {notice.id: notice.text for notice in known_trouble(CHOICE, DAY)}

    assert {"python-out-of-support", "known-vulnerabilities"} == set(told)
    assert "389 advisories for 1.15.5" in told["known-vulnerabilities"]
    assert "Python 3.7 has had no security fixes since 2023-06-27" in told["python-out-of-support"]


@pytest.mark.parametrize(
    ("day", "told"), [(date(2024, 10, 31), False), (date(2024, 11, 1), True), (date(2030, 1, 1), True)]
)
def test_a_month_of_support_counts_to_its_end(day: date, told: bool) -> None:  # noqa: FBT001 -- a table
    """Python 3.8 is named from the day after the month of its last fixes."""
    ids = [notice.id for notice in known_trouble(replace(QUIET, python_tag="cp38"), day)]

    assert told == ("python-out-of-support" in ids)


def test_a_candidate_says_that_it_is_one() -> None:
    """It was asked for, and is not final."""
    ids = [notice.id for notice in known_trouble(replace(QUIET, version="2.22.0rc0"), DAY)]

    assert ["pre-release"] == ids


def test_a_release_that_nobody_measured_says_whose_needs_count() -> None:
    """Until `tools/measure_wheel.py` has read its wheels."""
    row = tables.BuildRow("tensorflow", "2.99.0", QUIET.platform, [], needs_of="2.21.0")
    (notice,) = unmeasured(replace(QUIET, version="2.99.0"), [row])

    assert "needs-not-measured" == notice.id
    assert "what 2.21.0 needs counts" in notice.text
    assert () == tuple(unmeasured(QUIET, [row]))


def test_the_advisories_are_whole() -> None:
    """No number is there twice, one alone is missing, and every range means some release."""
    rows = tables.load("builds/advisories.json", AdvisoryRow)
    numbers = [(row.year, number) for row in rows for number in range(row.first, row.last + 1)]
    last = {2018: 6, 2019: 2, 2020: 34, 2021: 200, 2022: 170, 2023: 20}
    all_of_them = {(year, number) for year, most in last.items() for number in range(1, most + 1)}

    assert len(numbers) == len(set(numbers))
    assert {(2020, 32)} == all_of_them - set(numbers)
    assert all(
        any(SpecifierSet(row.affected).contains(one.version) for one in tables.releases("tensorflow"))
        for row in rows
    )


def test_each_python_has_one_day() -> None:
    """A day or a month, as it can be compared."""
    rows = tables.load("builds/python_support.json", SupportRow)

    assert len(rows) == len({row.python for row in rows})
    assert all(date.fromisoformat(f"{row.until}-01"[:10]) for row in rows)
