#!/usr/bin/env python3
"""Tries what people type without tfup: `pip install tensorflow==X` in a fresh environment, then the checks.

Usage: python benchmarks/plain_pip.py [VERSION…]

Takes the newest patch of each minor release on the newest Python here that has a wheel, and writes the
outcomes to benchmarks/plain_pip.json as they come; what is there from today is not tried again. The heat
map of the README shows them beside tfup's own. Each environment is removed again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tfup import tables  # noqa: E402 - a script of the clone
from tfup.check import runner  # noqa: E402
from tfup.machine import detect  # noqa: E402
from tfup.machine.live import Live  # noqa: E402
from tfup.managers import python27, uv  # noqa: E402
from tfup.match.platforms import python_release  # noqa: E402
from tfup.match.pythons import fitting_pythons  # noqa: E402
from tfup.model import Environment  # noqa: E402
from tools.make_locks import forget_local_wheels  # noqa: E402
from tools.make_readme import FAMILY, newest_patches  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.model import Build, Machine

RESULTS = ROOT / "benchmarks/plain_pip.json"
FIELDS = ("version", "python_tag", "outcome", "detail", "on")
CHECKS = ("import_tensorflow", "hello_session", "matrix_product", "keras_fit", "save_and_load")
PATIENCE = 7200.0  # seconds for pip: that of Python 3.6 compiles grpcio for a quarter of an hour


def main() -> int:
    """Try what was not tried today, and write each outcome at once."""
    forget_local_wheels()
    machine = detect(Live())
    today = datetime.now(timezone.utc).date().isoformat()
    rows = {(row["version"], row["python_tag"]): row for row in read()}
    for build, python in cells(machine, sys.argv[1:]):
        key = build.version, build.python_tag
        if rows.get(key, {}).get("on") != today:
            outcome, detail = tried(build, python)
            values = (*key, outcome, detail, today)
            rows[key] = dict(zip(FIELDS, values, strict=True))
            write(list(rows.values()))
        print(*key, rows[key]["outcome"], rows[key]["detail"], flush=True)
    return 0


def cells(machine: Machine, versions: list[str]) -> Iterator[tuple[Build, str]]:
    """Yield the build of each minor release and the interpreter to try it on."""
    for row in newest_patches():
        here = [
            (python_release(build.python_tag), build, pythons[0].path)
            for build in tables.builds(row)
            if build.family == FAMILY and (pythons := fitting_pythons(build, machine))
        ]
        if here and (not versions or row.version in versions):
            _, build, path = max(here, key=lambda cell: cell[0])
            yield build, path


def tried(build: Build, python: str) -> tuple[str, str]:
    """Return whether it works, breaks, or does not even install, and the reason."""
    with TemporaryDirectory(prefix="plain-pip-") as folder:
        home = Path(folder, "venv")
        if build.python_tag == "cp27":
            python27.make_venv(python, home, uv.PLAIN)
        else:
            subprocess.run([python, "-m", "venv", str(home)], check=True, capture_output=True)
        environment = Environment(str(home), uv.interpreter(home), "venv")
        said = install(environment.python, f"{build.project}=={build.version}")
        return ("refuses", said) if said else checked(environment, Path(folder, "log.txt"))


def install(python: str, requirement: str) -> str | None:
    """Install with pip as it came with the Python; return its last word where it fails."""
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", requirement]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"pip had not ended after {PATIENCE:g} s"
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in said if "error" in line.lower()]
    return (errors or said or ["pip failed without a word"])[-1][:200] if done.returncode else None


def checked(environment: Environment, log: Path) -> tuple[str, str]:
    """Return what the checks say of an environment."""
    outcomes = runner.check(environment, CHECKS, timeout=600, log=log)
    bad = [one for one in outcomes if one.status not in {"proved", "skipped"}]
    return ("breaks", f"{bad[0].name}: {bad[0].detail[:160]}") if bad else ("works", "")


def read() -> list[dict[str, Any]]:
    """Return the outcomes so far."""
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    return rows


def write(rows: list[dict[str, Any]]) -> None:
    """Write the outcomes in the form of all our tables."""
    about = {"made_by": "benchmarks/plain_pip.py", "what": "pip install tensorflow==X, then the checks"}
    RESULTS.write_text(tables.render(about, rows), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
