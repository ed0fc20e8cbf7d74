"""The rules in data/: reason, source, a range that is met; a fault is told by file, row and key."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from tfup import tables
from tfup.match.platforms import minor_of
from tfup.pin.companions import is_in
from tfup.tables import DATA, BuildRow, CompanionRule, KerasRelease, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SAID = ("why", "source")
"""What a row says for itself, where any row of its table does."""
EACH = "each row names its own"
"""The source of a table without a common one."""


def read(name: str) -> Table:
    """Return a table as it stands in its file, its rows not converted."""
    return msgspec.json.decode((DATA / name).read_bytes(), type=Table)


@cache
def known(key: str) -> tuple[str, ...]:
    """Return every version that a range under this key may be about; nothing where the key holds no range."""
    if key == "tensorflow":
        return tuple(dict.fromkeys(row.version for row in tables.releases("tensorflow")))
    if key in {"keras", "works"}:
        return tuple(row.version for row in tables.load("keras/keras_releases.json", KerasRelease))
    if key == "python":
        builds = tables.load("builds/builds.json", BuildRow)
        return tuple(dict.fromkeys(minor_of(wheel[0]) for row in builds for wheel in row.wheels))
    return ()


RULES = sorted(
    name
    for name in (str(path.relative_to(DATA)) for path in DATA.glob("*/*.json"))
    if not name.startswith("schemas")
    and any(isinstance(row, dict) and {"why", "tensorflow"} & {*row} for row in read(name).rows)
)


# ---------------------------------------------------------------- what is wrong with a table


def faults(name: str, table: Table) -> Iterator[str]:
    """Yield what its rows lack, and their ranges that nothing meets."""
    said = [key for key in SAID if any(key in row for row in table.rows)]
    if "source" not in said and table.about.get("source", EACH).startswith(EACH):
        yield f"{name}, about: names no source, and neither does any row"
    for number, row in enumerate(table.rows, 1):
        for key, words in (
            *unsaid(row, said),
            *unmet(row),
            *unmet(row.get("affected", {})),
            *unbound(row),
        ):
            yield f"{name} row {number}, {key}: {words}"


def unsaid(row: dict[str, Any], said: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the keys under which a row says nothing."""
    return ((key, "nothing is said") for key in said if not row.get(key))


def unmet(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the keys whose range is none, or that no known version meets; of Keras we list one project."""
    unlisted = set() if row.get("project", "keras") == "keras" else {"keras", "works"}
    for key, text in row.items():
        meant = release_key(row) if key == "versions" else key
        if isinstance(text, str) and known(meant) and key not in unlisted and "{minor}" not in text:
            try:
                range_ = SpecifierSet(text)
            except InvalidSpecifier:
                yield key, f"{text!r} is no range"
            else:
                if not any(map(range_.contains, known(meant))):
                    yield key, f"no known version is in {text!r}"


def release_key(row: dict[str, Any]) -> str:
    """Return whose releases the range of a bound is about."""
    if "bound" not in row:
        return "versions"
    return "tensorflow" if row.get("backend", "tensorflow") == "tensorflow" else "keras"


def unbound(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the bound of a row where it is no requirement, or bounds nothing."""
    if "bound" in row:
        try:
            if not Requirement(row["bound"].format(minor="1.0")).specifier:
                yield "bound", f"{row['bound']!r} bounds nothing"
        except InvalidRequirement:
            yield "bound", f"{row['bound']!r} is no requirement"


def contradictions(name: str, table: Table) -> Iterator[str]:
    """Yield the bounds that, alone or together, leave no version of a package that some lock has."""
    rules = msgspec.convert(table.rows, list[CompanionRule])
    told: set[tuple[int, ...]] = set()
    for row in tables.releases("tensorflow"):
        for tag in dict.fromkeys(wheel[0] for wheel in row.wheels):
            for package, numbers in by_package(rules, row.version, tag).items():
                texts = [tables.for_minor(rules[number - 1], row.version).bound for number in numbers]
                if numbers not in told and not left_by(package, texts):
                    told.add(numbers)
                    rows = " and ".join(map(str, numbers))
                    bounds = " and ".join(map(repr, texts))
                    beside = f"beside tensorflow {row.version} on {tag}"
                    yield f"{name} row {rows}, bound: {bounds} leave no {package} {beside}"


def by_package(rules: Sequence[CompanionRule], version: str, tag: str) -> dict[str, tuple[int, ...]]:
    """Return the numbers of the rows that bound each package beside a release on a Python."""
    found: dict[str, tuple[int, ...]] = {}
    for number, rule in enumerate(rules, 1):
        of_release = is_in(version, rule.versions) and rule.backend == "tensorflow"
        if of_release and is_in(minor_of(tag), rule.python):
            package = Requirement(rule.bound.format(minor="1.0")).name
            found[package] = (*found.get(package, ()), number)
    return found


def left_by(package: str, bounds: Iterable[str]) -> list[str]:
    """Return the versions of a package in our locks that meet all bounds."""
    whole = SpecifierSet(",".join(str(Requirement(bound).specifier) for bound in bounds))
    return [version for version in tables.locked_versions().get(package, ()) if whole.contains(version)]


def overlaps(name: str, table: Table) -> Iterator[str]:
    """Yield the releases that no row is about, or more than one."""
    ranges = {number: SpecifierSet(row["tensorflow"]) for number, row in enumerate(table.rows, 1)}
    for version in dict.fromkeys(row.version for row in tables.load("builds/builds.json", BuildRow)):
        met = [str(number) for number, range_ in ranges.items() if range_.contains(version, prereleases=True)]
        if len(met) != 1:
            yield f"{name} row {' and '.join(met) or 'none'}, tensorflow: {version} is in {len(met)} ranges"


# ---------------------------------------------------------------- the tables


@pytest.mark.parametrize("name", RULES)
def test_rules_are_sourced_and_met(name: str) -> None:
    """A rule without a source is a rumour, and one that nothing meets is dead."""
    assert [] == list(faults(name, read(name)))


def test_two_bounds_never_leave_nothing() -> None:
    """Where several bounds meet on one package, some version that we lock satisfies all of them."""
    assert [] == list(contradictions("builds/companions.json", read("builds/companions.json")))


def test_each_release_has_one_rule_of_keras() -> None:
    """Neither none nor two."""
    assert [] == list(overlaps("keras/keras.json", read("keras/keras.json")))


# ---------------------------------------------------------------- that a broken table is told


def broken(name: str, **keys: str | None) -> Table:
    """Return a table whose second row has other values; None takes the key away."""
    table = read(name)
    table.rows[1] = {key: value for key, value in (table.rows[1] | keys).items() if value is not None}
    return table


@pytest.mark.parametrize(
    ("name", "keys", "told"),
    [
        ("builds/companions.json", {"source": None}, "builds/companions.json row 2, source: nothing is said"),
        ("builds/sdists.json", {"why": ""}, "builds/sdists.json row 2, why: nothing is said"),
        (
            "keras/keras.json",
            {"tensorflow": ">=9"},
            "keras/keras.json row 2, tensorflow: no known version is in '>=9'",
        ),
        (
            "keras/keras.json",
            {"works": "==2.9.9"},
            "keras/keras.json row 2, works: no known version is in '==2.9.9'",
        ),
        (
            "builds/sdists.json",
            {"python": "<2"},
            "builds/sdists.json row 2, python: no known version is in '<2'",
        ),
        (
            "builds/companions.json",
            {"bound": "numpy"},
            "builds/companions.json row 2, bound: 'numpy' bounds nothing",
        ),
        (
            "builds/companions.json",
            {"bound": "numpy 2"},
            "builds/companions.json row 2, bound: 'numpy 2' is no requirement",
        ),
        (
            "gpu/gpu_defects.json",
            {"tensorflow": "2.x"},
            "gpu/gpu_defects.json row 2, tensorflow: '2.x' is no range",
        ),
    ],
)
def test_faulty_row_is_named(name: str, keys: dict[str, str | None], told: str) -> None:
    """By its file, its number and its key."""
    assert [told] == list(faults(name, broken(name, **keys)))


def test_contradiction_is_named_with_both_rows() -> None:
    """Row 3 wants NumPy below 1.24 where the broken row 2 wants 2; the newest such release is told."""
    told = list(contradictions("builds/companions.json", broken("builds/companions.json", bound="numpy>=2")))

    assert told[0] == (
        "builds/companions.json row 2 and 3, bound: 'numpy>=2' and 'numpy<1.24'"
        " leave no numpy beside tensorflow 2.7.4 on cp37"
    )


def test_bound_that_leaves_nothing_by_itself_is_named() -> None:
    """No second row is needed for that."""
    told = list(contradictions("builds/companions.json", broken("builds/companions.json", bound="numpy<0.1")))

    assert told[0].startswith(
        "builds/companions.json row 2, bound: 'numpy<0.1' leave no numpy beside tensorflow"
    )


def test_release_with_two_rules_of_keras_is_named() -> None:
    """And one that lost its rule."""
    told = list(overlaps("keras/keras.json", broken("keras/keras.json", tensorflow=">=0.12,<1.5")))

    assert "keras/keras.json row 1 and 2, tensorflow: 0.12.1 is in 2 ranges" in told
    assert "keras/keras.json row none, tensorflow: 2.1.0 is in 0 ranges" in list(
        overlaps("keras/keras.json", Table(about={}, rows=[]))
    )
