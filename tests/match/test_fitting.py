"""The releases that fit a machine: on its GPU where they can, and what was proved of each."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from tests.as_of import as_of
from tfup.machine.file import read_machine
from tfup.match.fitting import fitting_versions, proofs

MACHINES = Path(__file__).parents[1] / "machines"


def test_each_release_that_fits_is_there_once_newest_first() -> None:
    """Without a GPU all run on the processor."""
    rows, _ = fitting_versions(
        read_machine(str(MACHINES / "linux-debian12-pyenv-ten-pythons.json")), table=as_of("2.21.0")
    )

    assert rows
    assert len(rows) == len({row.version for row in rows})
    assert {"cpu"} == {row.accelerator for row in rows}
    assert "2.21.0" == rows[0].version
    assert any(row.proof == "proved" and row.on for row in rows)


def test_what_a_card_cannot_run_is_listed_for_the_processor() -> None:
    """A K80 runs the releases of its time; the newer ones fit all the same, without it."""
    machine = read_machine(str(MACHINES / "gpu-k80-driver470.json"))
    rows, none = fitting_versions(machine)
    runs_on = {row.version: row.accelerator for row in rows}
    without, none_without = fitting_versions(replace(machine, gpus=(), driver=None))

    assert ("cpu", "cuda") == (runs_on["2.21.0"], runs_on["2.14.1"])
    assert ([row.version for row in without], none_without) == ([row.version for row in rows], none)


def test_only_proofs_by_these_checks_count() -> None:
    """Each has a day."""
    assert all(len(day) == len("2026-11-20") for day in proofs().values())
