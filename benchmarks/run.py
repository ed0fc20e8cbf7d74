#!/usr/bin/env python3
"""Measures tfup against its goals and writes the table in benchmarks/README.md.

The commands of one comparison take turns, so that whatever else the machine does falls on all of
them alike; ratios are those of medians within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "benchmarks/README.md"
PRIVATE_PYTHON = """
set -eu; root=$1
. "$root/installers/unix/bootstrap.sh"
environment "$root/requirements/tfup.txt"
echo "$python"
"""

# Runs tfup in a process that ends where the checks would begin, and says what it cost until there.
UP_TO_CHECKS = f"""
import json, os, re, sys
sys.path.insert(0, {str(ROOT)!r})
from tfup import cli
from tfup.check import runner
def stop(environment, *_, **__):
    peak = re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]
    print(json.dumps({{"stage": environment.seconds, "peak": int(peak) * 1024}}), flush=True)
    os._exit(0)
runner.check = stop
cli.main()
"""

# The statements of the checks, one after the other, with nothing around them.
BARE_CHECKS = f"""
import importlib, sys
sys.path.insert(0, {str(ROOT / "checks")!r})
for name in sys.argv[1:]:
    try:
        getattr(importlib.import_module(name), name)()
    except Exception as error:
        print(name, error)
"""


class Bench(NamedTuple):
    """Where, how often and with which wish to measure."""

    folder: Path
    python: Path
    wish: list[str]
    rounds: int

    def run(self, *command: str | Path, **variables: str) -> str:
        """Run a command, quietly, and return its output; a failure ends the measurement."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            command, env=kept | variables, cwd=self.folder, check=False, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\nended {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def tfup(self, *arguments: str | Path) -> str:
        """Run tfup by its own interpreter, without install.sh."""
        return self.run(self.python, "-I", ROOT / "installers/start.py", *arguments)

    def compare(self, rounds: int, **takes: Callable[[], object]) -> dict[str, list[float]]:
        """Time each callable once a round, after one round that does not count."""
        times: dict[str, list[float]] = {name: [] for name in takes}
        for number in range(rounds + 1):
            for name, take in takes.items():
                started = time.perf_counter()
                take()
                times[name].append(time.perf_counter() - started)
                shutil.rmtree(self.folder / "old", ignore_errors=True)
                print(f"{number or 'warm-up':>8}  {name:8} {times[name][-1]:8.3f} s", flush=True)
        return {name: seconds[1:] for name, seconds in times.items()}

    def fresh(self, name: str) -> Path:
        """Return an empty folder; what was in it is put aside, for removing takes time."""
        new = self.folder / name
        if new.exists():
            (self.folder / "old").mkdir(exist_ok=True)
            new.rename(self.folder / "old" / name)
        new.mkdir()
        return new


class Row(NamedTuple):
    """One line of the table."""

    what: str
    least: str
    median: str
    against: str = ""
    goal: str = ""


def row(what: str, seconds: list[float], against: str = "", goal: str = "") -> Row:
    """Return the line for some measurements."""
    return Row(what, f"{min(seconds):.3f} s", f"{median(seconds):.3f} s", against, goal)


def commands(bench: Bench) -> list[Row]:
    """Measure the commands that install nothing, as whole processes."""
    times = bench.compare(
        4 * bench.rounds,
        alone=lambda: bench.tfup("--version"),
        start=lambda: bench.run(ROOT / "install.sh", "--version"),
        plan=lambda: bench.tfup("plan", *bench.wish),
        detect=lambda: bench.tfup("detect"),
    )
    share = median(times["start"]) - median(times["alone"])
    return [
        row("`tfup plan`", times["plan"], goal="at most 0.25 s"),
        row("`tfup detect`", times["detect"], goal="at most 0.4 s"),
        row("`./install.sh --version`", times["start"], f"{share:+.3f} s to tfup alone", "at most +0.1 s"),
    ]


def by_uv(bench: Bench, **variables: str) -> None:
    """Make the environment with uv alone, from the pins and the Python of tfup's."""
    uv, venv, made = bench.python.with_name("uv"), bench.fresh("uv") / ".venv", bench.folder / "tfup"
    bench.run(uv, "venv", "--quiet", "--python", made / ".venv/bin/python", venv, **variables)
    sync = ("pip", "sync", "--quiet", "--require-hashes", "--python", venv / "bin/python")
    bench.run(uv, *sync, made / "requirements.txt", **variables)


def by_tfup(bench: Bench, **variables: str) -> dict[str, float]:
    """Install with tfup up to the checks; return the seconds of the install stage and the peak of memory."""
    arguments: tuple[str | Path, ...] = ("install", *bench.wish, "--quiet", "--project", bench.fresh("tfup"))
    said = bench.run(bench.python, "-I", "-c", UP_TO_CHECKS, *arguments, **variables)
    costs: dict[str, float] = json.loads(said.splitlines()[-1])
    return costs


def installs(bench: Bench) -> list[Row]:
    """Measure an install from warm caches up to the checks, against uv with the same pins."""
    costs: list[dict[str, float]] = []
    times = bench.compare(bench.rounds, tfup=lambda: costs.append(by_tfup(bench)), uv=lambda: by_uv(bench))
    stages = [cost["stage"] for cost in costs[1:]]
    ratio, more = median(stages) / median(times["uv"]), median(times["tfup"]) - median(stages)
    peaks = [cost["peak"] / 1e6 for cost in costs]
    return [
        row("`uv venv` and `uv pip sync`, warm", times["uv"]),
        row("install stage, warm", stages, f"{ratio:.2f} times uv", "at most 1.25 times"),
        row(
            "whole process up to the checks, warm",
            times["tfup"],
            f"{more:+.2f} s to the stage",
            "at most +0.7 s",
        ),
        Row("memory of tfup itself", f"{min(peaks):.0f} MB", f"{median(peaks):.0f} MB", "", "at most 120 MB"),
    ]


def checks(bench: Bench) -> list[Row]:
    """Measure the checks against the same statements in one bare process."""
    project = bench.folder / "tfup"
    names = [
        outcome["name"]
        for outcome in json.loads(bench.tfup("check", "--project", project, "--json"))["outcomes"]
    ]
    times = bench.compare(
        bench.rounds,
        bare=lambda: bench.run(project / ".venv/bin/python", "-c", BARE_CHECKS, *names),
        tfup=lambda: bench.tfup("check", "--project", project),
    )
    ratio = median(times["tfup"]) / median(times["bare"])
    return [
        row("the statements of the checks in one process", times["bare"]),
        row("`tfup check`", times["tfup"], f"{ratio:.2f} times bare", "at most 1.3 times"),
    ]


def by_pipenv(bench: Bench, program: str) -> list[Row]:
    """Measure Pipenv's own way to the same packages, from warm caches."""

    def install() -> None:
        folder = bench.fresh("pipenv")
        folder.mkdir(exist_ok=True)
        (folder / "Pipfile").write_text("[packages]\n", encoding="utf-8")  # a PIPENV_PIPFILE must be there
        variables = {"PIPENV_VENV_IN_PROJECT": "1", "PIPENV_PIPFILE": str(folder / "Pipfile")}
        bench.run(program, "install", "tensorflow", "keras", **variables)

    times = bench.compare(1, pipenv=install, tfup=lambda: by_tfup(bench))
    ratio = f"{median(times['pipenv']) / median(times['tfup']):.0f} times tfup up to the checks"
    return [row("`pipenv install tensorflow keras`, warm", times["pipenv"], ratio, "at least 10 times")]


def cold(bench: Bench) -> list[Row]:
    """Measure an install from empty caches, against uv with the same pins."""
    times = bench.compare(
        bench.rounds,
        tfup=lambda: by_tfup(bench, UV_CACHE_DIR=str(bench.fresh("cache"))),
        uv=lambda: by_uv(bench, UV_CACHE_DIR=str(bench.fresh("cache"))),
    )
    ratio = f"{median(times['tfup']) / median(times['uv']):.2f} times uv"
    return [
        row("`uv venv` and `uv pip sync`, cold", times["uv"]),
        row("whole process up to the checks, cold", times["tfup"], ratio, "at most 1.1 times"),
    ]


def write_table(rows: list[Row]) -> None:
    """Print the table, and put it between the marks in the README."""
    lines = ["| what | least | median | against | goal |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    where = f"{time.strftime('%Y-%m-%d')}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    table = "\n".join([where, "", *lines])
    print(table)
    between = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end -->)", re.DOTALL)
    README.write_text(between.sub(lambda _: f"\n{table}\n\n", README.read_text()))


def main() -> None:
    """Measure everything that was asked for and write the table."""
    parser = argparse.ArgumentParser(description="Measure tfup against its goals, into benchmarks/README.md.")
    parser.add_argument(
        "wish", nargs="*", help="what to install, as said to tfup; the newest TensorFlow without"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pipenv", metavar="PROGRAM", help="compare with this pipenv: minutes a round")
    parser.add_argument("--cold", action="store_true", help="compare from empty caches: downloads everything")
    arguments = parser.parse_args()
    said = subprocess.run(
        ["sh", "-c", PRIVATE_PYTHON, "sh", ROOT], check=True, stdout=subprocess.PIPE, text=True
    )
    with tempfile.TemporaryDirectory(prefix="tfup-benchmark-") as folder:
        bench = Bench(Path(folder), Path(said.stdout.strip()), arguments.wish, arguments.rounds)
        rows = [*commands(bench), *installs(bench), *checks(bench)]
        rows += by_pipenv(bench, arguments.pipenv) if arguments.pipenv else []
        rows += cold(bench) if arguments.cold else []
    write_table(rows)


if __name__ == "__main__":
    main()
