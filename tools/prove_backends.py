"""Prove the locks of Keras on its back ends, as tools/prove.py does those of TensorFlow.

Usage: python -m tools.prove_backends [--again] [--python cp36] [--keras 2.3.1] [BACKEND…]

Takes every pair that has a lock, an interpreter here and no valid proof; makes each environment as
`tfup install` does, runs the checks that apply, and records what passed in data/proofs_backends.json. What
failed is printed. CNTK is tried only where Open MPI is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from packaging.version import Version

from tfup import formats, managers, tables
from tfup.check import runner, selection
from tfup.errors import TfupError
from tfup.folders import cache_folder
from tfup.machine import detect
from tfup.machine.live import Live
from tfup.managers.default_index import default_index
from tfup.managers.transaction import transaction
from tfup.match import keras_backends
from tfup.match.platforms import minor_of
from tfup.match.search import match
from tfup.model import Machine, Outcome, Plan, Wish
from tfup.pin.files import lock_digest
from tfup.pin.planning import pin
from tools.prove import fault_in, proof_row, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.tables import ProofRow

ABOUT = {
    "made_by": "tools/prove_backends.py",
    "what": "runs of all checks of a Keras on a back end; void when the lock or checks/ changes",
}


def main() -> int:
    """Prove what is left to prove, and count."""
    arguments = read_arguments()
    os.environ.setdefault("UV_CACHE_DIR", str(cache_folder(os.environ) / "prove"))
    machine = detect(Live())
    plans = [plan for plan in plans_to_prove(arguments, machine) if arguments.again or not is_proved(plan)]
    failed = []
    for number, plan in enumerate(plans, 1):
        row, fault = prove(plan, machine)
        print(f"[{number}/{len(plans)}] {name_of(plan)}: {fault or 'proved'}", flush=True)
        if row and not fault:
            record(row)
        else:
            failed.append(f"{name_of(plan)}: {fault}")
    print(f"{len(plans) - len(failed)} proved, {len(failed)} failed", *failed, sep="\n")
    return 1 if failed else 0


def read_arguments() -> argparse.Namespace:
    """Return what is to be proved."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backend", nargs="*", default=list(keras_backends.NAMES))
    parser.add_argument("--python", action="append", metavar="TAG")
    parser.add_argument("--keras", action="append", metavar="VERSION")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def plans_to_prove(arguments: argparse.Namespace, machine: Machine) -> Iterator[Plan]:
    """Yield the plan of each locked pair that can be run here."""
    for backend in arguments.backend:
        for pair in keras_backends.pair_locks(backend):
            tag = pair.lock.python_tag
            if not is_asked(tag, arguments.python) or not is_asked(pair.keras, arguments.keras):
                continue
            wished = (f"keras=={pair.keras}", pair.requirement)
            wish = Wish(wished, gpu=False, python=minor_of(tag), backend=backend)
            plan = pin(match(machine, wish), wish, managers.resolve, runner.checks_digest)
            if plan.choice is None or plan.choice.python_from != "found":
                print(f"not here: {', '.join(wished)} on {tag}: {', '.join(plan.remedies)}", flush=True)
            elif lock_digest(plan.pins) == pair.lock.digest:
                yield plan


def is_asked(value: str, asked: list[str] | None) -> bool:
    """Tell whether one of many is asked for; all are where none is named."""
    return not asked or value in asked


def is_proved(plan: Plan) -> bool:
    """Tell whether a plan has a valid proof."""
    return plan.proof.status == "proved"


def prove(plan: Plan, machine: Machine) -> tuple[ProofRow | None, str | None]:
    """Install a plan in a fresh folder, check it, and remove it; return the proof or the fault."""
    folder = Path(mkdtemp(prefix="tfup-prove-"))
    log = folder / "log.txt"
    try:
        with transaction(folder):
            project = formats.write(plan, folder, default_index())
            environment = managers.install(project, log=log, say=print)
        names = selection.claims(plan)
        outcomes = runner.check(
            environment, names, timeout=900, log=log, variables=selection.variables(plan), on_outcome=tell
        )
        return proof_row(plan, machine, outcomes, size_of(folder)), fault_in(outcomes)
    except TfupError as error:
        return None, f"{error.reference}: {error.sentence} {error.needs}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tell(outcome: Outcome) -> None:
    """Print what one check found."""
    print(f"    {outcome.name} {outcome.status} {outcome.seconds:.1f} s: {outcome.detail}", flush=True)


def record(row: ProofRow) -> None:
    """Add a proof to the table; of the same lock it replaces the older one."""
    rows = {known.lock: known for known in keras_backends.proofs()}
    rows[row.lock] = row
    tables.save("proofs_backends.json", ABOUT, sorted(rows.values(), key=key_of))


def key_of(row: ProofRow) -> tuple[str, Version, str, str]:
    """Return the place of a proof in the table."""
    return row.project, Version(row.version), row.python_tag, row.lock


def name_of(plan: Plan) -> str:
    """Return a pair in one line."""
    choice = plan.choice
    if choice is None:
        return "nothing"
    pins = ((pin.name, pin.version) for pin in plan.pins)
    keras = plan.keras.version if plan.keras else ""
    return f"keras {keras} on {keras_backends.describe(choice, pins)}, {choice.python_tag}"


if __name__ == "__main__":
    sys.exit(main())
