"""Cells of the map drawn at random: what is called proved is installed and proved again, here and today."""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING

import pytest

from tests.running import tfup
from tfup import tables
from tfup.check.runner import CPU_CHECKS, checks_digest
from tfup.machine import detect
from tfup.machine.live import Live
from tfup.match.platforms import FAMILIES, minor_of
from tfup.match.pythons import fitting_pythons
from tfup.tables import ProofRow

if TYPE_CHECKING:
    from pathlib import Path

    from tfup.model import Machine

pytestmark = [pytest.mark.real, pytest.mark.network]

DRAWN, OF_A_DAY = 2, 20


def cells(machine: Machine) -> list[tuple[str, str]]:
    """Return the requirement and the Python of each proved cell that has an interpreter here."""
    family = FAMILIES.get((machine.system.os or "", machine.system.arch or ""))
    rows = {(row.project, row.version, row.python_tag) for row in proved() if row.family == family}
    return sorted(
        (f"{build.project}=={build.version}", minor_of(build.python_tag))
        for project in sorted({project for project, _, _ in rows})
        for row in tables.releases(project)
        for build in tables.builds(row)
        if build.family == family
        and (build.project, build.version, build.python_tag) in rows
        and fitting_pythons(build, machine)
    )


def proved() -> list[ProofRow]:
    """Return the valid proofs of builds for the processor."""
    checks = checks_digest("cpu")
    return [row for row in tables.load("proofs/proofs.json", ProofRow) if row.checks == checks]


def install_drawn(folder: Path) -> None:
    """Draw a cell, install it, and look at every outcome."""
    choices = cells(detect(Live()))
    if not choices:
        pytest.skip("no interpreter of a proved cell is here")
    requirement, minor = SystemRandom().choice(choices)
    done = tfup("install", requirement, "--python", minor, "--cpu", "--json", cwd=folder)
    drawn = f"{requirement} --python {minor}: {done.out}"

    assert 0 == done.code, drawn
    outcomes = {one["name"]: one["status"] for one in done.document["outcomes"]}
    assert "proved" == done.document["plan"]["proof"]["status"], drawn
    assert {*CPU_CHECKS} <= {*outcomes}, drawn
    assert {"proved"} == {outcomes[name] for name in CPU_CHECKS if outcomes[name] != "skipped"}, drawn
    assert "proved" == outcomes["hello_session"], drawn


@pytest.mark.parametrize("number", range(DRAWN))
def test_a_proved_cell_is_proved_again(number: int, tmp_path: Path) -> None:
    """Another cell each time that the tests run."""
    assert number < DRAWN
    install_drawn(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(OF_A_DAY))
def test_twenty_cells_of_a_day_are_proved_again(number: int, tmp_path: Path) -> None:
    """As the one above, often enough to be believed."""
    assert number < OF_A_DAY
    install_drawn(tmp_path)
