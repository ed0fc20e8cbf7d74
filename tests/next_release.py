"""A copy of the repository whose tables know two releases of TensorFlow more, made from the newest."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from msgspec import convert
from msgspec.json import decode
from msgspec.structs import replace
from packaging.version import Version

from tests.as_of import newest
from tests.test_repository import ROOT, files
from tfup import tables
from tfup.match.search import choose
from tfup.model import Machine, Wish
from tfup.pin.companions import companions_of
from tfup.pin.files import lock_digest
from tfup.pin.planning import lock_pins
from tfup.tables import BuildRow, LockRow, Table, render
from tools.update_builds import ordered

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tfup.model import Build

MEASURED = ("gpu/gpu_builds.json", "builds/msvc_needs.json")
"""Tables with a row for each release of what was read in its binaries."""


def copy_with_next_releases(target: Path) -> None:
    """Copy the repository, and add the next patch and the next minor release to the tables of the copy."""
    for name, content in files().items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
        (target / name).chmod((ROOT / name).stat().st_mode)
    # Some tests ask git which files there are.
    subprocess.run(("git", "init", "--quiet", target), check=True, timeout=60)
    last = newest("tensorflow")
    for number in next_numbers(last):
        add_release(target / "tfup" / "data", last, number)


def next_numbers(version: str) -> tuple[str, str]:
    """Return the numbers of the patch and of the minor release after this one.

    >>> next_numbers("2.9.3")
    ('2.9.4', '2.10.0')
    """
    major, minor, patch = Version(version).release
    return f"{major}.{minor}.{patch + 1}", f"{major}.{minor + 1}.0"


def add_release(data: Path, last: str, number: str) -> None:
    """Write what the tables say of the last release a second time, under the next number."""
    known = convert(read(data / "builds" / "builds.json"), list[BuildRow])
    rows = [row for row in known if row.version == last]
    write(data / "builds" / "builds.json", ordered([*known, *(replace(row, version=number) for row in rows)]))
    for name in MEASURED:
        write(data / name, [new for row in read(data / name) for new in doubled(row, last, number)])
    for project in {row.project for row in rows}:
        locks = [renumbered(build, lock, number) for build, lock in locked(project, rows)]
        if locks:
            write(data / "locks" / project / f"{number}.json", locks)


def doubled(row: dict[str, Any], last: str, number: str) -> list[dict[str, Any]]:
    """Return a row, and before it the same one for the new number if it is about the last release."""
    return [row | {"version": number}, row] if row["version"] == last else [row]


def locked(project: str, rows: Iterable[BuildRow]) -> Iterable[tuple[Build, LockRow]]:
    """Yield the builds of a project's rows that have a lock, with it."""
    for build in (build for row in rows if row.project == project for build in tables.builds(row)):
        lock = tables.lock(build.project, build.version, build.python_tag, build.family)
        if lock:
            yield build, lock


def renumbered(build: Build, lock: LockRow, number: str) -> LockRow:
    """Return the lock of a build as that of the next release, with its digest."""
    old, new = (f"{build.project}=={version}" for version in (build.version, number))
    choice = choose(build, Machine(), Wish())
    pins = [
        replace(pin, version=number) if pin.name == build.project else pin
        for pin in lock_pins(choice, companions_of(choice))
    ]
    names = [new if text == old else text for text in lock.pins]
    return replace(lock, digest=lock_digest(pins), pins=names)


def read(path: Path) -> list[Any]:
    """Return the rows of a table."""
    return decode(path.read_bytes(), type=Table).rows


def write(path: Path, rows: list[Any]) -> None:
    """Write the rows of a table; what it says about itself stays."""
    about = decode(path.read_bytes(), type=Table).about if path.exists() else {}
    path.write_text(render(about, rows), encoding="utf-8")
