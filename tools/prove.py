"""Prove locks: make each environment as `tfup install` does, run all checks in it, and record the outcome.

Usage: python -m tools.prove [--python cp313] [--jobs 2] [--again] [REQUIREMENT…]
       python -m tools.prove keras [--backend theano]

Takes every Linux build of this processor that has a lock, an interpreter here and no valid proof. Resumes
where it stopped; each environment is removed when it was checked. What failed is printed, not recorded.
CNTK is tried only where Open MPI is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from tfup import formats, managers, tables
from tfup.check import runner, selection
from tfup.errors import TfupError
from tfup.folders import cache_folder
from tfup.machine import detect
from tfup.machine.live import Live
from tfup.managers import uv
from tfup.managers.default_index import default_index
from tfup.managers.transaction import transaction
from tfup.match import keras_backends
from tfup.match.gpu.judge import has_gpu
from tfup.match.gpu.tables import cuda_row
from tfup.match.platforms import family_of, minor_of
from tfup.model import Build, Machine, Outcome, Plan, Wish
from tfup.pin.files import lock_digest
from tfup.pin.planning import make
from tfup.pin.proofs import checks_of
from tfup.requirements import KERAS, parse
from tfup.tables import ProofRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from tfup.tables import LockRow

ABOUT = {"made_by": "tools/prove.py", "what": "runs of all checks; void when the lock or checks/ changes"}
GOOD = ("proved", "skipped")
CELLS_KEPT = 6


def main() -> int:
    """Prove what is left to prove, and count."""
    arguments = read_arguments()
    # The person's own cache of uv is not ours to clean
    os.environ["UV_CACHE_DIR"] = str(cache_folder(os.environ) / "prove")
    machine = detect(Live())
    plans = [
        plan
        for plan in plans_to_prove(arguments, machine)
        if arguments.again or plan.proof.status != "proved"
    ]
    uv.find_uv()  # before the threads: sysconfig, which it asks, is not made for several at once
    started, failed = time.monotonic(), []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for number, (plan, row, fault) in enumerate(pool.map(lambda one: prove(one, machine), plans), 1):
            left = (time.monotonic() - started) / number * (len(plans) - number)
            print(
                f"[{number}/{len(plans)}, {left / 60:.0f} min left] {name_of(plan)}: {fault or 'proved'}",
                flush=True,
            )
            if number % CELLS_KEPT == 0:
                forget_wheels(plan)
            if row and not fault:
                record(row)
            else:
                failed.append(f"{name_of(plan)}: {fault}")
    shutil.rmtree(cache_folder(os.environ) / "wheels", ignore_errors=True)  # those of Python 2.7
    print(f"{len(plans) - len(failed)} proved, {len(failed)} failed", *failed, sep="\n")
    return 1 if failed else 0


def forget_wheels(plan: Plan) -> None:
    """Bound the disk: an unpacked TensorFlow takes 1 to 2 GB in uv's cache, and no other build needs it."""
    if plan.choice:
        uv.run("cache", "clean", plan.choice.project)


def read_arguments() -> argparse.Namespace:
    """Return what is to be proved."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("requirement", nargs="*", default=["tensorflow"])
    parser.add_argument("--backend", action="append", metavar="NAME")
    parser.add_argument("--python", action="append", metavar="TAG")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def plans_to_prove(arguments: argparse.Namespace, machine: Machine) -> Iterator[Plan]:
    """Yield the plan of each build asked for that has a lock and an interpreter here."""
    for wish in wishes(arguments, machine):
        plan = make(machine, wish, managers.resolve, runner.checks_digest)
        if plan.choice is None or plan.choice.python_from != "found":
            print(
                f"not here: {' '.join(wish.requirements)} {wish.python}: {', '.join(plan.remedies)}",
                flush=True,
            )
        else:
            yield plan


def wishes(arguments: argparse.Namespace, machine: Machine) -> Iterator[Wish]:
    """Yield what a person asks for who wants exactly one of the locks."""
    for requirement in map(parse, arguments.requirement):
        found = of_keras if requirement.name == KERAS else of_tensorflow
        for backend, version, lock in found(requirement, machine):
            asked_backend = not arguments.backend or backend in arguments.backend
            if asked_backend and (not arguments.python or lock.python_tag in arguments.python):
                beside = (lock.beside,) if lock.beside else ()
                build = f"{canonicalize_name(requirement.name)}=={version}"
                yield Wish((build, *beside), gpu=False, python=minor_of(lock.python_tag), backend=backend)


def of_keras(wanted: Requirement, _machine: Machine) -> Iterator[tuple[str | None, str, LockRow]]:
    """Yield the locks of a Keras on another back end than TensorFlow, with its name."""
    backends = {row.requirement: row.backend for row in keras_backends.pairs()}
    for version in wanted.specifier.filter(keras_backends.versions()):
        yield from ((backends[lock.beside], version, lock) for lock in tables.locks(KERAS, version))


def of_tensorflow(wanted: Requirement, machine: Machine) -> Iterator[tuple[str | None, str, LockRow]]:
    """Yield the locks of builds that can be run here."""
    for row in tables.releases(canonicalize_name(wanted.name)):
        if wanted.specifier.contains(row.version) and row.family == family_of(machine.system):
            tags = {build.python_tag for build in tables.builds(row) if starts(build, machine)}
            locks = tables.locks(row.project, row.version)
            yield from (
                (None, row.version, lock)
                for lock in locks
                if lock.family == row.family and lock.python_tag in tags
            )


def starts(build: Build, machine: Machine) -> bool:
    """Tell whether the libraries that a build is linked to can be here; some have none without CUDA."""
    row = cuda_row(build)
    return row is None or not row.linked or has_gpu(machine)


def prove(plan: Plan, machine: Machine) -> tuple[Plan, ProofRow | None, str | None]:
    """Install a plan in a fresh folder, check it, and remove it; return the proof or the fault."""
    folder = Path(mkdtemp(prefix="tfup-prove-"))
    log = folder / "log.txt"
    try:
        with transaction(folder):
            project = formats.write(plan, folder, default_index())
            environment = managers.install(project, log=log, say=print)
        names, told = selection.claims(plan), selection.variables(plan)
        outcomes = runner.check(environment, names, timeout=900, log=log, variables=told)
        return plan, proof_row(plan, machine, outcomes, size_of(folder)), fault_in(outcomes)
    except TfupError as error:
        return plan, None, f"{error.reference}: {error.sentence} {error.needs}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fault_in(outcomes: tuple[Outcome, ...]) -> str | None:
    """Return what did not pass."""
    bad = [
        f"{outcome.name} {outcome.status}: {outcome.detail[-300:]}"
        for outcome in outcomes
        if outcome.status not in GOOD
    ]
    return "; ".join(bad) or None


def proof_row(plan: Plan, machine: Machine, outcomes: tuple[Outcome, ...], size: int) -> ProofRow:
    """Return the record of a run."""
    choice = plan.choice
    if choice is None:
        sys.exit("a plan without a build cannot have been run")
    return ProofRow(
        project=choice.project,
        version=choice.version,
        python_tag=choice.python_tag,
        family=choice.platform,
        accelerator=choice.accelerator,
        lock=lock_digest(plan.pins),
        checks=checks_of(choice, runner.checks_digest),
        python=choice.python,
        system=f"{machine.system.name} {machine.system.version}",
        on=datetime.now(timezone.utc).date().isoformat(),
        disk_bytes=size,
        outcomes={one.name: (one.status, round(one.seconds, 1)) for one in outcomes},
        beside=beside_of(plan),
    )


def beside_of(plan: Plan) -> str:
    """Return what makes the lock of a plan another one than that of its build alone."""
    choice, keras = plan.choice, plan.keras
    if choice is None or choice.requirement:
        return choice.requirement or "" if choice else ""
    wished = f"{KERAS}=={keras.version}" if keras else ""
    return wished if wished in plan.wish.requirements else ""


def record(row: ProofRow) -> None:
    """Add a proof to the table; of the same build it replaces the older one."""
    rows = {key_of(known): known for known in tables.load("proofs/proofs.json", ProofRow)}
    rows[key_of(row)] = row
    tables.save("proofs/proofs.json", ABOUT, [rows[key] for key in sorted(rows)])


def key_of(row: ProofRow) -> tuple[str, Version, str, str, str, str]:
    """Return what a proof is about, in the order of the table."""
    return row.project, Version(row.version), row.python_tag, row.family, row.accelerator, row.beside


def size_of(folder: Path) -> int:
    """Return the bytes that a folder takes."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def name_of(plan: Plan) -> str:
    """Return a plan's build in one word."""
    choice = plan.choice
    words = (choice.project, choice.version, beside_of(plan), choice.python_tag) if choice else ("nothing",)
    return " ".join(filter(None, words))


if __name__ == "__main__":
    sys.exit(main())
