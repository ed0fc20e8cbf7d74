"""The tables in data/: canonical, sourced, and consistent with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from packaging.requirements import Requirement

from tfup import tables
from tfup.match.search import choose
from tfup.model import Machine, Wish
from tfup.pin.companions import companions_of
from tfup.pin.files import lock_digest
from tfup.pin.planning import lock_pins
from tfup.report.documents import DOCUMENTS
from tfup.tables import (
    DATA,
    BuildRow,
    FailureRow,
    KerasRelease,
    LockRow,
    ProofRow,
    Table,
)
from tools.make_schemas import render as render_schema

if TYPE_CHECKING:
    from pathlib import Path

TABLES = sorted(path for path in DATA.rglob("*.json") if path.parent.name != "schemas")
LOCKS = [path for path in TABLES if "locks" in path.parts]


def locked_builds() -> list[tuple[tables.Build, LockRow]]:
    """Return every build that has a lock, with it."""
    found = []
    for row in tables.load("builds/builds.json", BuildRow):
        for build in tables.builds(row):
            lock = tables.lock(build.project, build.version, build.python_tag, build.family)
            if lock:
                found.append((build, lock))
    return found


@pytest.mark.parametrize("path", TABLES, ids=lambda path: str(path.relative_to(DATA)))
def test_table_is_in_canonical_form(path: Path) -> None:
    """What a tool would write is what is there: one row a line."""
    table = msgspec.json.decode(path.read_bytes(), type=Table)

    assert tables.render(table.about, table.rows) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema_is_that_of_the_type(name: str) -> None:
    """The published schemas are made from the types, and not by hand."""
    assert render_schema(name) == (DATA / "schemas" / f"{name}.json").read_text(encoding="utf-8")


def test_every_lock_belongs_to_a_build() -> None:
    """No lock is left over from a build that the table does not have."""
    rows = [row for path in LOCKS for row in tables.load(str(path.relative_to(DATA)), LockRow)]

    assert len([row for row in rows if not row.beside]) == len(locked_builds())


def test_digest_of_every_lock_is_that_of_its_pins() -> None:
    """Each pin has a file for the Python and the oldest system of the build; the digest is over them."""
    for build, lock in locked_builds():
        choice = choose(build, Machine(), Wish())
        pins = lock_pins(choice, companions_of(choice))

        assert [] == [pin.name for pin in pins if not pin.hashes], build.wheel.file
        assert lock.digest == lock_digest(pins), build.wheel.file


def test_locks_obey_the_rules() -> None:
    """Each pin is inside our bounds for its release and Python."""
    for build, lock in locked_builds():
        pinned = dict(pin.split("==") for pin in lock.pins)
        for bound in map(Requirement, companions_of(choose(build, Machine(), Wish())).bounds):
            assert bound.name not in pinned or bound.specifier.contains(pinned[bound.name]), (
                build.wheel.file,
                bound,
            )


def test_proofs_name_locks_that_are_there() -> None:
    """A proof of pins that nobody can get any more is removed."""
    rows = (row for path in LOCKS for row in tables.load(str(path.relative_to(DATA)), LockRow))
    digests = {row.digest for row in rows}

    assert [] == [
        row.version for row in tables.load("proofs/proofs.json", ProofRow) if row.lock not in digests
    ]


def test_files_are_named_once_by_their_hash() -> None:
    """No two files of the table have one name with different hashes."""
    seen: dict[str, str] = {}
    for files in tables.files().values():
        for file in files:
            assert seen.setdefault(file.file, file.sha256) == file.sha256


def test_table_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the row and what it lacks."""
    monkeypatch.setattr(tables, "DATA", tmp_path)
    (tmp_path / "odd.json").write_text('{"about": {}, "rows": [{"version": "3.0"}, {"yanked": true}]}')

    with pytest.raises(msgspec.ValidationError, match=r"odd\.json: .*`version` - at `\$\[1\]`"):
        tables.load("odd.json", KerasRelease)


def test_what_cannot_be_had_has_evidence_and_no_proof() -> None:
    """Each row is about a build of the table, and is gone once the build is locked."""
    builds = {
        (build.project, build.version, build.python_tag, build.family)
        for row in tables.load("builds/builds.json", BuildRow)
        for build in tables.builds(row)
    }
    for row in tables.load("proofs/failures.json", FailureRow):
        cell = (row.project, row.version, row.python_tag, row.family)
        assert cell in builds, row
        assert row.evidence, row
        assert not any(
            (one.project, one.version, one.python_tag, one.family) == cell
            for one in tables.load("proofs/proofs.json", ProofRow)
        ), row


def test_locks_hashes_and_proofs_are_small() -> None:
    """They travel in the wheel of tfup."""
    parts = [*LOCKS, DATA / "builds" / "files.json", DATA / "proofs" / "proofs.json"]

    assert 6_000_000 > sum(part.stat().st_size for part in parts)
