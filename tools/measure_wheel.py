"""Measure what the wheels of releases need of a machine and hold for GPUs, and compare it with the tables.

Usage: python -m tools.measure_wheel [REQUIREMENT...] [--family F] [--write]

Without a requirement, what was never measured itself is measured: the rows of builds.json with `needs_of`.
One wheel of each release and system is read, that for the newest Python: of the libraries in it, which take
up nearly all of a wheel, and of little else. A line tells each difference from builds.json, gpu_builds.json
and libstdcxx.json. Ends with 1 where they differ, with 2 where something could not be measured; --write puts
what was measured into the tables.
"""

from __future__ import annotations

import argparse
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
from msgspec.structs import asdict, replace
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pypi_simple import NoSuchProjectError

from tfup.doctor.libstdcxx import LibstdcxxRow
from tfup.match.gpu.tables import CudaRow
from tfup.tables import DATA, BuildRow, Table, save
from tools.fatbin import UnknownCompressionError
from tools.gpu_rows import cuda_row, differing
from tools.update_builds import FAMILIES, Cell, ordered
from tools.wheel_contents import BROKEN, CannotMeasureError, measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tools.gpu_rows import CudaRows
    from tools.wheel_contents import Measured

R = TypeVar("R", bound=msgspec.Struct)
AT_ONCE = 3  # wheels, each of which may take a gigabyte of disk
GPU_FAMILIES = ("linux_x86_64", "windows_amd64", "macos_x86_64")
RUNTIME = re.compile(r"msvcp140(_\w+)?\.dll")
FAILURES = (CannotMeasureError, UnknownCompressionError, NoSuchProjectError, *BROKEN)

BUILDS, GPU_BUILDS, LIBSTDCXX = "builds/builds.json", "gpu/gpu_builds.json", "builds/libstdcxx.json"
"""The three tables."""


class Tables(NamedTuple):
    """The rows that are measured again."""

    builds: dict[Cell, BuildRow]
    cuda: CudaRows
    levels: dict[tuple[str, str], int]
    """The number N of GLIBCXX_3.4.N, by system and release."""


def main(arguments: list[str] | None = None, folder: Path = DATA) -> int:
    """Measure, print the differences, and write them when asked to."""
    asked = read_arguments(arguments)
    tables = read_tables(folder)
    try:
        cells = list(find_cells(tables.builds, asked.requirement, asked.family))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = dict(zip(cells, pool.map(measure, cells), strict=True))
        new, differences = apply(tables, found)
    except FAILURES as error:
        print(f"error: {in_words(error)}", file=sys.stderr)
        return 2
    for difference in differences:
        print(difference)
    if asked.write and differences:
        write_tables(new, folder)
    written = "written" if asked.write else "nothing written"
    print(f"{len(found)} wheels measured: {len(differences)} differences from the tables; {written}")
    return 1 if differences and not asked.write else 0


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is to be done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("requirement", nargs="*", help="releases, such as tensorflow==2.21.*")
    parser.add_argument("--family", choices=sorted(FAMILIES.values()), help="measure for this system alone")
    parser.add_argument("--write", action="store_true", help="put what was measured into the tables")
    return parser.parse_args(arguments)


def in_words(error: Exception) -> str:
    """Return what went wrong as a sentence."""
    if isinstance(error, NoSuchProjectError):
        return f"The index has no project {error.project}."
    if isinstance(error, BROKEN):
        return f"The index did not answer as it should ({type(error).__name__}). Is there a network?"
    return str(error)


def find_cells(rows: Mapping[Cell, BuildRow], texts: list[str], family: str | None) -> Iterator[Cell]:
    """Yield what is to be measured."""
    ours = {cell: row for cell, row in rows.items() if family in {None, cell.family}}
    if not texts:
        yield from (cell for cell, row in ours.items() if row.needs_of)
    for requirement in map(parse, texts):
        cells = [cell for cell in ours if fits(cell, requirement)]
        if not cells:
            sentence = f"builds.json has no release {requirement}{f' for {family}' if family else ''}."
            raise CannotMeasureError(sentence)
        yield from cells


def parse(text: str) -> Requirement:
    """Return a requirement as an object."""
    try:
        return Requirement(text)
    except InvalidRequirement:
        sentence = f"{text} is no requirement such as tensorflow==2.21.0."
        raise CannotMeasureError(sentence) from None


def fits(cell: Cell, requirement: Requirement) -> bool:
    """Tell whether a release is asked for."""
    return cell.project == requirement.name and requirement.specifier.contains(cell.version)


# ---------------------------------------------------------------- rows


def build_row(row: BuildRow, measured: Measured) -> BuildRow:
    """Return a row of builds.json with what was measured."""
    linked = {name for needs in measured.needs for name in needs.linked if RUNTIME.fullmatch(name)}
    named = set(filter(None, measured.notes.get("runtime", "").split(",")))
    return replace(
        row,
        glibc=newest(needs.glibc for needs in measured.needs),
        macos=newest(needs.macos for needs in measured.needs),
        cpu=["avx"] if measured.avx else [],
        vc_runtime=sorted(linked | named, key=lambda name: (len(name), name)),
        carried_by=measured.carrier,
        carrier_lacks=list(measured.lacks),
        needs_of=None,
    )


def newest(versions: Iterable[str | None]) -> str | None:
    """Return the newest of some versions, None where there is none."""
    return max(filter(None, versions), key=Version, default=None)


# ---------------------------------------------------------------- tables


def apply(tables: Tables, found: Mapping[Cell, Measured]) -> tuple[Tables, list[str]]:
    """Return the tables with what was measured, and a line for each difference."""
    builds, cuda, levels = dict(tables.builds), dict(tables.cuda), dict(tables.levels)
    lines = []
    for cell, measured in found.items():
        row, key = builds[cell], (cell.version, cell.family)
        builds[cell] = build_row(row, measured)
        lines += [line(cell, *change) for change in differing(row, builds[cell])]
        old, new = cuda.get(key), cuda_row(cell, measured, cuda)
        lines += compare_parts(cell, old, new)
        cuda.pop(key, None)
        cuda |= {key: new} if new else {}
    for key, level in newest_levels(tables, found).items():
        if levels.get(key) != level:
            lines.append(f"{key[1]} {key[0]}: libstdc++ level {level}, the table has {levels.get(key)}")
            levels[key] = level
    return Tables(builds, cuda, levels), lines


def line(cell: Cell, name: str, old: object, new: object) -> str:
    """Return the line of a difference."""
    return f"{' '.join(cell)}: {name} {in_short(new)}, the table has {in_short(old)}"


def in_short(value: object) -> str:
    """Return a value as a person writes it."""
    return msgspec.json.encode(value).decode() if value else "nothing"


def compare_parts(cell: Cell, old: CudaRow | None, new: CudaRow | None) -> list[str]:
    """Return a line for each difference between two GPU parts."""
    if old and new:
        return [line(cell, *change) for change in differing(old, new)]
    return [line(cell, "GPU part", old, new)] if old or new else []


def newest_levels(tables: Tables, found: Mapping[Cell, Measured]) -> dict[tuple[str, str], int]:
    """Return the level of libstdc++ of the releases that were measured.

    That is the highest of all projects of a release: the table's stands where not all were measured.
    """
    levels: dict[tuple[str, str], int] = {}
    for cell, measured in found.items():
        key = (cell.family, cell.version)
        level = newest(needs.libstdcxx for needs in measured.needs)
        whole = all(one in found for one in tables.builds if (one.family, one.version) == key)
        known = 0 if whole else tables.levels.get(key, 0)
        if level:
            levels[key] = max(levels.get(key, known), Version(level).micro)
    return levels


def read_tables(folder: Path) -> Tables:
    """Read the three tables."""
    builds = {Cell(row.project, row.version, row.family): row for row in rows_of(folder, BUILDS, BuildRow)}
    cuda: CudaRows = {(row.version, row.family): row for row in rows_of(folder, GPU_BUILDS, CudaRow)}
    ranges = [
        (row.family, SpecifierSet(row.tensorflow), row.level)
        for row in rows_of(folder, LIBSTDCXX, LibstdcxxRow)
    ]
    levels = {
        (cell.family, cell.version): level
        for cell in builds
        for family, versions, level in ranges
        if family == cell.family and versions.contains(cell.version)
    }
    return Tables(builds, cuda, levels)


def rows_of(folder: Path, name: str, row: type[R]) -> list[R]:
    """Return the rows of a table in a folder."""
    content = msgspec.json.decode((folder / name).read_bytes(), type=Table)
    return [msgspec.convert(one, row) for one in content.rows]


def write_tables(tables: Tables, folder: Path) -> None:
    """Write the three tables, checked against the types of their rows."""
    newest_first = sorted(
        tables.cuda.values(),
        key=lambda row: (Version(row.version), -GPU_FAMILIES.index(row.family)),
        reverse=True,
    )
    for name, rows in (
        (BUILDS, ordered(tables.builds.values())),
        (GPU_BUILDS, newest_first),
        (LIBSTDCXX, list(level_rows(tables.levels))),
    ):
        about = msgspec.json.decode((folder / name).read_bytes(), type=Table).about
        save(name, about, [msgspec.convert(asdict(row), type(row)) for row in rows], folder)


def level_rows(levels: Mapping[tuple[str, str], int]) -> Iterator[LibstdcxxRow]:
    """Yield a row for each run of releases that ask for the same libstdc++."""
    for family in sorted({family for family, _ in levels}):
        versions = sorted((version for one, version in levels if one == family), key=Version)
        for level, run in groupby(versions, key=lambda version: levels[family, version]):
            first, *_, last = [*run] * 2
            yield LibstdcxxRow(family, f">={first},<={last}", level)


if __name__ == "__main__":
    sys.exit(main())
