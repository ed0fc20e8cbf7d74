"""Prove locks: make each environment as `tfup install` does, run all checks in it, and record the outcome.

Usage: python -m tools.prove [--python cp313] [--jobs 2] [--again] [REQUIREMENT…]

Takes every Linux build of this processor that has a lock, an interpreter here and no valid proof. Resumes
where it stopped; each environment is removed when it was checked. What failed is printed, not recorded.
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

from packaging.version import Version

from tfup import formats, managers, tables
from tfup.check import runner
from tfup.errors import TfupError
from tfup.folders import cache_folder
from tfup.machine import detect
from tfup.machine.live import Live
from tfup.managers import uv
from tfup.managers.default_index import default_index
from tfup.managers.transaction import transaction
from tfup.match.gpu.judge import has_gpu
from tfup.match.gpu.tables import cuda_row
from tfup.match.platforms import family_of, minor_of
from tfup.match.pythons import fitting_pythons
from tfup.match.search import match
from tfup.model import Build, Machine, Outcome, Plan, Wish
from tfup.pin.files import lock_digest
from tfup.pin.planning import pin
from tfup.pin.proofs import checks_of
from tfup.tables import ProofRow
from tfup.wish import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    parser.add_argument("--python", action="append", metavar="TAG")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def plans_to_prove(arguments: argparse.Namespace, machine: Machine) -> Iterator[Plan]:
    """Yield the plan of each build asked for that has a lock and an interpreter here."""
    for requirement in map(parse, arguments.requirement):
        for row in tables.releases(requirement.name):
            for build in tables.builds(row) if requirement.specifier.contains(row.version) else ():
                if is_provable(build, machine) and (
                    not arguments.python or build.python_tag in arguments.python
                ):
                    yield plan_for(build, machine)


def is_provable(build: Build, machine: Machine) -> bool:
    """Tell whether a build can be run here; one that cannot be imported without CUDA only beside a GPU."""
    locked = tables.lock(build.project, build.version, build.python_tag, build.family)
    same = build.family == family_of(machine.system)
    return same and locked is not None and bool(fitting_pythons(build, machine)) and starts(build, machine)


def starts(build: Build, machine: Machine) -> bool:
    """Tell whether the libraries that a build is linked to can be here."""
    row = cuda_row(build)
    return row is None or not row.linked or has_gpu(machine)


def plan_for(build: Build, machine: Machine) -> Plan:
    """Return the plan that a person gets who asks for exactly this build."""
    wish = Wish(
        requirements=(f"{build.project}=={build.version}",), python=minor_of(build.python_tag), gpu=False
    )
    return pin(match(machine, wish), wish, managers.resolve, runner.checks_digest)


def prove(plan: Plan, machine: Machine) -> tuple[Plan, ProofRow | None, str | None]:
    """Install a plan in a fresh folder, check it, and remove it; return the proof or the fault."""
    folder = Path(mkdtemp(prefix="tfup-prove-"))
    log = folder / "log.txt"
    try:
        with transaction(folder):
            project = formats.write(plan, folder, default_index())
            environment = managers.install(project, log=log, say=print)
        outcomes = runner.check(environment, timeout=900, log=log)
        return plan, proof_row(plan, machine, outcomes, size_of(folder)), fault_in(outcomes)
    except TfupError as error:
        return plan, None, f"{error.reference}: {error.sentence}"
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
    )


def record(row: ProofRow) -> None:
    """Add a proof to the table; of the same build it replaces the older one."""
    rows = {key_of(known): known for known in tables.load("proofs.json", ProofRow)}
    rows[key_of(row)] = row
    tables.save("proofs.json", ABOUT, [rows[key] for key in sorted(rows)])


def key_of(row: ProofRow) -> tuple[str, Version, str, str, str]:
    """Return what a proof is about, in the order of the table."""
    return row.project, Version(row.version), row.python_tag, row.family, row.accelerator


def size_of(folder: Path) -> int:
    """Return the bytes that a folder takes."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def name_of(plan: Plan) -> str:
    """Return a plan's build in one word."""
    choice = plan.choice
    return f"{choice.project} {choice.version} {choice.python_tag}" if choice else "nothing"


if __name__ == "__main__":
    sys.exit(main())
