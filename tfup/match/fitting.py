"""The releases that fit a machine, newest first, with what was proved of each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from tfup import tables
from tfup.check.runner import checks_digest
from tfup.match.builds import DEFAULT_PROJECT, Table, releases
from tfup.match.gpu.judge import has_gpu
from tfup.match.search import best_candidate, choose
from tfup.model import Choice, Machine, Wish
from tfup.report.documents import VersionRow
from tfup.requirements import KERAS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfup.model import Build


def fitting_versions(
    machine: Machine, project: str = DEFAULT_PROJECT, table: Table = tables.releases
) -> tuple[tuple[VersionRow, ...], int]:
    """Return the releases of a project that fit, on a GPU where they can, and how many do not."""
    wishes = (Wish(gpu=True), Wish(gpu=False)) if has_gpu(machine) else (Wish(),)
    offered = releases(Requirement(project), machine, table)
    best = [best_choice(release, machine, wishes) for release in offered]
    fitting = tuple(version_row(choice) for choice in best if choice)
    return fitting, len(best) - len(fitting)


def best_choice(release: tuple[Build, ...], machine: Machine, wishes: Iterable[Wish]) -> Choice | None:
    """Return the choice of a release by the first wish that it meets; None where it meets none."""
    for wish in wishes:
        candidate = best_candidate(release, machine, wish)
        if not candidate.obstacles:
            return choose(candidate.build, machine, wish)
    return None


def version_row(choice: Choice) -> VersionRow:
    """Return what is known of a release on its Python, from the lock that we ship."""
    lock = tables.lock(choice.project, choice.version, choice.python_tag, choice.platform)
    keras = [text.split("==")[1] for text in lock.pins if text.startswith("keras==")] if lock else []
    proved = proofs().get((lock.digest, choice.accelerator)) if lock else None
    return VersionRow(
        project=choice.project,
        version=choice.version,
        python=choice.python,
        python_from=choice.python_from,
        keras=keras[0] if keras else None,
        proof="proved" if proved else "resolved" if lock else "none",
        on=proved,
        accelerator=choice.accelerator,
    )


@cache
def proofs() -> dict[tuple[str, str], str]:
    """Return the day of each proof by these very checks, by lock digest and accelerator."""
    rows = tables.load("proofs/proofs.json", tables.ProofRow)
    of_tensorflow = [row for row in rows if row.project != KERAS]
    used = {row.accelerator for row in of_tensorflow}
    checks = {accelerator: checks_digest(accelerator) for accelerator in used}
    return {
        (row.lock, row.accelerator): row.on for row in of_tensorflow if row.checks == checks[row.accelerator]
    }
