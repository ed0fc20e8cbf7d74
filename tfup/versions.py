"""The releases that fit a machine, newest first, with what was proved of each."""

from __future__ import annotations

from packaging.requirements import Requirement

from tfup import tables
from tfup.documents import VersionRow
from tfup.match import DEFAULT_PROJECT, best_candidate, choose, releases
from tfup.model import Choice, Machine, Wish


def fitting_versions(machine: Machine, project: str = DEFAULT_PROJECT) -> tuple[tuple[VersionRow, ...], int]:
    """Return the releases of a project that fit, and the number of those that do not."""
    best = [best_candidate(release, machine, Wish()) for release in releases(Requirement(project), machine)]
    fitting = [choose(candidate.build, machine, Wish()) for candidate in best if not candidate.obstacles]
    return tuple(map(version_row, fitting)), len(best) - len(fitting)


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
    )


def proofs() -> dict[tuple[str, str], str]:
    """Return the day of each proof, by lock digest and accelerator."""
    return {(row.lock, row.accelerator): row.on for row in tables.load("proofs.json", tables.ProofRow)}
