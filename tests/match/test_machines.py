"""The machines of tests/machines, and what is planned for each: one that somebody reports is a row more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import UNSET, Struct, UnsetType, to_builtins
from msgspec.json import decode

from tests.as_of import as_of
from tests.running import tfup
from tfup import tables
from tfup.arguments import read_arguments
from tfup.machine import read_machine
from tfup.match.search import match
from tfup.wish import from_arguments

if TYPE_CHECKING:
    from tfup.match.builds import Table

FOLDER = Path(__file__).parents[1] / "machines"
AS_PROCESSES = (
    "linux-ubuntu24.04-rtx4090-pip-cudnn.json",
    "linux-centos6-python3.7-built-by-hand.json",
    "linux-alpine3.19-container-without-python.json",
    "windows-7-core2-python3.8-32bit.json",
    "windows-11-snapdragon-arm64.json",
)


OF_THE_PINS = {"not-proved-before", "python-out-of-support", "known-vulnerabilities"}
"""What a plan warns of beside what the match does."""


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """What is expected of one wish on one machine: a choice, or the nearest release and its obstacles."""

    file: str
    wish: list[str]
    warnings: list[str]
    choice: list[str] | UnsetType = UNSET
    """Project, version, Python, and whether that was found or is to be obtained."""
    gpu: list[str] | UnsetType = UNSET
    """Where one is used: accelerator, CUDA and whose, and the verdict of each kind of card."""
    nearest: list[str] | UnsetType = UNSET
    obstacles: list[str] | UnsetType = UNSET
    as_of: str | UnsetType = UNSET
    """The newest release when the row was written, where it is not that of the table."""


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """The table of expectations; `as_of` in its `about` is the newest release when they were written."""

    about: dict[str, str]
    rows: list[Row]


EXPECTED = decode((FOLDER / "expected.json").read_bytes(), type=Expected)
ROWS = EXPECTED.rows
THEN = EXPECTED.about["as_of"]


def answer(row: Row, table: Table) -> Row:
    """Return what the match answers for the machine and the wish of a row, with these releases."""
    wish = from_arguments(read_arguments(["plan", *row.wish]))
    found = match(read_machine(str(FOLDER / row.file)), wish, table)
    warnings, choice, near = [notice.id for notice in found.warnings], found.choice, found.nearest
    if choice:
        parts = [choice.project, choice.version, choice.python, choice.python_from]
        return said(row, warnings, choice=parts, gpu=use_of_gpu(to_builtins(choice)))
    assert near is not None
    names = [obstacle.name for obstacle in near.obstacles]
    return said(row, warnings, nearest=[near.project, near.version], obstacles=names)


def said(row: Row, warnings: list[str], **parts: Any) -> Row:  # noqa: ANN401 (of each field its own)
    """Return an answer as a row for the same wish on the same machine."""
    return Row(row.file, row.wish, warnings, as_of=row.as_of, **parts)


def use_of_gpu(choice: dict[str, Any]) -> list[str] | UnsetType:
    """Return how a choice uses the GPU, as a row says it."""
    if choice["accelerator"] == "cpu":
        return UNSET
    cuda = filter(None, (choice["cuda"], choice["cuda_from"]))
    return [choice["accelerator"], *cuda, *dict.fromkeys(card["verdict"] for card in choice["gpus"])]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join([row.file.removesuffix(".json"), *row.wish]))
def test_each_machine_gets_what_fits_it(row: Row) -> None:
    """The plan for a recorded machine, with the releases of its day, is the one that stands beside it."""
    assert row == answer(row, as_of(row.as_of or THEN))


def test_each_machine_has_its_plan() -> None:
    """No recording lies there without an expectation, and none is expected that is not there."""
    files = {path.name for path in FOLDER.glob("*.json")} - {"expected.json"}

    assert files == {row.file for row in ROWS if not row.wish}


@pytest.mark.parametrize("system", ["linux", "macos", "windows"])
def test_each_system_has_several_machines(system: str) -> None:
    """A rule that is wrong for one system only is met by more than one machine."""
    assert len([path for path in FOLDER.glob("*.json") if path.name.startswith(system)]) > 5


@pytest.mark.parametrize("name", AS_PROCESSES)
def test_the_command_says_what_the_match_says(name: str, tmp_path: Path) -> None:
    """`tfup plan --machine FILE --json` prints the plan of today; the exit code tells if there is one."""
    row = next(row for row in ROWS if row.file == name and not row.wish)
    run = tfup("plan", "--machine", FOLDER / name, "--json", "--offline", cwd=tmp_path)
    now = answer(row, tables.releases)

    assert now == told(row, run.document)
    assert (3 if now.choice is UNSET else 0) == run.code


def told(row: Row, plan: dict[str, Any]) -> Row:
    """Return what a plan document says, as a row."""
    own = [notice["id"] for notice in plan["warnings"] if notice["id"] not in OF_THE_PINS]
    choice = plan["choice"]
    if choice:
        parts = [choice[name] for name in ("project", "version", "python", "python_from")]
        return said(row, own, choice=parts, gpu=use_of_gpu(choice))
    near = [plan["nearest"]["project"], plan["nearest"]["version"]]
    return said(row, own, nearest=near, obstacles=[one["name"] for one in plan["obstacles"]])


def test_the_expectations_are_one_row_a_line() -> None:
    """So that a review of a change is a list of machines."""
    lines = (FOLDER / "expected.json").read_text(encoding="utf-8").splitlines()

    assert len(ROWS) + 3 == len(lines)
    assert all(json.loads(line.rstrip(",")) for line in lines[2:-1])
