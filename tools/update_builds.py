"""Compare data/builds/builds.json with the package index: what is new, withdrawn or gone, one line each.

Usage: python -m tools.update_builds [--pre] [--write]

`+` is a wheel that the table lacks, `!` a release withdrawn since, `?` a withdrawal taken back, `-` a wheel
that this index does not have (any more; the row stays, for a mirror may have it). Ends with 1 where they
differ. --write adds what is new; --pre looks at candidates of the next release, too. What the new binaries
need of a machine is not read here: the row says whose measured needs it carries. Then come
`python -m tools.make_locks tensorflow==X` and `python -m tools.prove tensorflow==X`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from tfup.model import Wheel
from tfup.tables import DATA, BuildRow, Table, load, save, wheel_name
from tools import index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tools.index import Listed

PROJECTS = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-gpu",
    "tensorflow-intel",
    "tensorflow-macos",
    "tensorflow-cpu-aws",
)
FAMILIES = {
    r"(many)?linux\w*_x86_64": "linux_x86_64",
    r"(many)?linux\w*_aarch64": "linux_aarch64",
    r"macosx_\w+_(x86_64|intel)": "macos_x86_64",
    r"macosx_\w+_arm64": "macos_arm64",
    r"win_amd64": "windows_amd64",
}
"""Platform tags, and the systems that we serve."""


class Cell(NamedTuple):
    """What a row of the table is about."""

    project: str
    version: str
    family: str


class Change(NamedTuple):
    """A line of the difference: its sign, the cell, and the wheels that it is about."""

    sign: str
    cell: Cell
    files: tuple[Listed, ...] = ()

    def __str__(self) -> str:
        """Return the line."""
        tags = sorted({listed.file.file.split("-")[2] for listed in self.files})
        return " ".join((self.sign, *self.cell, *tags))


def main() -> int:
    """Print the difference, and write it when asked to."""
    arguments = read_arguments()
    rows = load("builds/builds.json", BuildRow)
    changes = [
        change
        for project in PROJECTS
        for change in compare(rows, project, index.page_of(project), pre=arguments.pre)
    ]
    for change in changes:
        print(change)
    if arguments.write:
        about = msgspec.json.decode((DATA / "builds" / "builds.json").read_bytes(), type=Table).about
        save("builds/builds.json", about, ordered(applied(rows, changes)))
    written = "written" if arguments.write else "nothing written"
    print(f"{len(changes)} differences between the table and the index; {written}")
    return 1 if changes and not arguments.write else 0


def read_arguments() -> argparse.Namespace:
    """Return what is to be done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pre", action="store_true", help="look at release candidates, too")
    parser.add_argument("--write", action="store_true", help="add what is new to the table")
    return parser.parse_args()


# ---------------------------------------------------------------- comparing


def compare(
    rows: Iterable[BuildRow], project: str, page: Iterable[Listed], *, pre: bool = False
) -> Iterator[Change]:
    """Yield what a page of the index says otherwise than the table about a project, newest first."""
    table = {Cell(row.project, row.version, row.family): row for row in rows if row.project == project}
    newest = max((Version(cell.version) for cell in table), default=Version("0"))
    offered = grouped(project, page)
    for cell in sorted({*offered, *table}, key=release_and_family, reverse=True):
        version = Version(cell.version)
        if cell not in table and version.is_prerelease and not (pre and version > newest):
            continue
        yield from differences(cell, table.get(cell), offered.get(cell, []))


def release_and_family(cell: Cell) -> tuple[Version, str]:
    """Return what cells are sorted by."""
    return Version(cell.version), cell.family


def grouped(project: str, page: Iterable[Listed]) -> dict[Cell, list[Listed]]:
    """Return the wheels of a page for the systems that we serve, by release and system."""
    found = defaultdict(list)
    for listed in page:
        cell = cell_of(project, listed.file.file)
        if cell:
            found[cell].append(listed)
    return found


def cell_of(project: str, file: str) -> Cell | None:
    """Return the release and system of a wheel; None for another kind of file, and for another system.

    >>> cell_of("tensorflow", "tensorflow-2.21.0-cp313-cp313-manylinux_2_27_x86_64.whl")
    Cell(project='tensorflow', version='2.21.0', family='linux_x86_64')
    """
    try:
        version = str(parse_wheel_filename(file)[1])
    except InvalidWheelFilename:
        return None
    tag = file.removesuffix(".whl").split("-")[-1].split(".")[0]
    family = next((family for pattern, family in FAMILIES.items() if re.fullmatch(pattern, tag)), None)
    return Cell(project, version, family) if family else None


def differences(cell: Cell, row: BuildRow | None, offered: list[Listed]) -> Iterator[Change]:
    """Yield what differs between a row and what the index offers for it."""
    known = {wheel_name(cell.project, cell.version, *wheel[:3]) for wheel in row.wheels} if row else set()
    new = tuple(listed for listed in offered if listed.file.file not in known)
    gone = sorted(known - {listed.file.file for listed in offered})
    if new:
        yield Change("+", cell, new)
    if gone:
        yield Change("-", cell, tuple(index.Listed(Wheel(file, ""), "") for file in gone))
    if row and offered and row.yanked != all(listed.yanked for listed in offered):
        yield Change("?" if row.yanked else "!", cell)


# ---------------------------------------------------------------- writing


def applied(rows: Iterable[BuildRow], changes: Iterable[Change]) -> list[BuildRow]:
    """Return the rows with the new wheels and withdrawals in them."""
    table = {Cell(row.project, row.version, row.family): row for row in rows}
    for change in changes:
        row = table.get(change.cell)
        if change.sign == "+":
            table[change.cell] = with_wheels(row or heir(change.cell, table.values()), change.files)
        elif change.sign in "!?" and row:
            table[change.cell] = replace(row, yanked=change.sign == "!")
    return list(table.values())


def heir(cell: Cell, rows: Iterable[BuildRow]) -> BuildRow:
    """Return a row without wheels for a new release, with the needs measured of the one before it."""
    older = [
        row
        for row in rows
        if (row.project, row.family) == (cell.project, cell.family)
        and Version(row.version) < Version(cell.version)
    ]
    if not older:
        return BuildRow(*cell, wheels=[])
    nearest = max(older, key=lambda row: Version(row.version))
    return replace(
        nearest,
        version=cell.version,
        wheels=[],
        yanked=False,
        carried_by=None,
        carrier_lacks=[],
        needs_of=nearest.needs_of or nearest.version,
    )


def with_wheels(row: BuildRow, new: Iterable[Listed]) -> BuildRow:
    """Return a row with further wheels, their sizes asked of the index."""
    added = [wheel_row(listed) for listed in new]
    wheels = sorted((*row.wheels, *added), key=lambda wheel: (int(wheel[0][3:]), wheel[2]))
    return replace(row, wheels=wheels, yanked=row.yanked or all(listed.yanked for listed in new))


def wheel_row(listed: Listed) -> tuple[str, str, str, str, int]:
    """Return a wheel as the table has it."""
    *_, python, abi, platform = listed.file.file.removesuffix(".whl").split("-")
    return python, abi, platform, listed.file.sha256, index.size_of(listed)


def ordered(rows: Iterable[BuildRow]) -> list[BuildRow]:
    """Return the rows in the order of the table: by project, newest release first, by system."""
    by_system = sorted(rows, key=lambda row: row.family)
    newest_first = sorted(by_system, key=lambda row: Version(row.version), reverse=True)
    return sorted(newest_first, key=lambda row: PROJECTS.index(row.project))


if __name__ == "__main__":
    sys.exit(main())
