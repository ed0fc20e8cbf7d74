"""Stage 4 with uv alone: DIR/.venv from the files of a project, and how to use it by activation."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tfup
from tfup import tables
from tfup.errors import Bug, TfupError
from tfup.managers import legacy, uv
from tfup.managers.transaction import read_json, set_aside
from tfup.model import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tfup.model import Choice, Plan, Project


def install(project: Project, plan: Plan, mode: uv.Mode, say: Callable[[str], None]) -> Environment:
    """Make the environment from the project's files, unless it already is what they ask for.

    Inside a transaction. Raises InstallFailed or IndexUnreachable.
    """
    started = time.monotonic()
    folder = Path(project.folder, ".venv")
    asked = wanted(project, choice_of(plan))
    made = not is_as_asked(folder, asked)
    if made:
        make(project, plan, mode, say)
        stamp(folder, asked)
    return Environment(str(folder), uv.interpreter(folder), plan.manager, made, time.monotonic() - started)


def next_steps(project: Project, plan: Plan) -> tuple[str, ...]:  # noqa: ARG001 - as every manager has it
    """Return the commands that use the environment."""
    return (f". {quoted(Path(project.folder, '.venv', 'bin', 'activate'))}", "python")


def make(project: Project, plan: Plan, mode: uv.Mode, say: Callable[[str], None]) -> None:
    """Make the environment anew; the interpreter is fetched before the old one is moved aside."""
    choice = choice_of(plan)
    base = choice.python_path if choice.python_from == "found" else None
    base = base or uv.obtain(choice.python, mode)
    requirements = Path(project.requirements)
    wheels = those_with_wheels(requirements.read_text(encoding="utf-8"), plan.built)
    set_aside(Path(project.folder))
    engine = legacy if legacy.is_legacy(choice.python) else uv
    python = engine.make_venv(base, Path(project.folder, ".venv"), mode)
    engine.sync(python, requirements, mode, wheels=wheels)
    renew_pylock(base, project, mode, say)


def renew_pylock(python: str, project: Project, mode: uv.Mode, say: Callable[[str], None]) -> None:
    """Write pylock.toml anew, or leave it out with a word; an older one would tell of other pins."""
    pylock = Path(project.pylock)
    pylock.unlink(missing_ok=True)
    try:
        uv.write_pylock(python, Path(project.requirements), pylock, mode)
    except TfupError:  # such as an index without hashes; the log has uv's reason
        say(f"{pylock.name} was left out: it needs addresses and hashes that uv could not get.")


def those_with_wheels(requirements: str, built: Collection[str] = ()) -> list[str]:
    """Return the pins that must come as wheels: all but those that the table or the plan know to lack one."""
    lacking = {row.name for row in tables.load("sdists.json", tables.SdistRow)}.union(built)
    return [name for name in uv.PIN.findall(requirements) if name not in lacking]


def choice_of(plan: Plan) -> Choice:
    """Return the build of a plan; a plan without one is never installed."""
    if plan.choice is None:
        sentence = "A plan without a build cannot be installed."
        raise Bug(sentence)
    return plan.choice


# ---------------------------------------------------------------- is it there already?


def wanted(project: Project, choice: Choice) -> dict[str, Any]:
    """Return what an environment notes of the files that it was made from."""
    content = Path(project.requirements).read_bytes()
    return {
        "requirements": hashlib.sha256(content).hexdigest(),
        "python": choice.python,
        "python_path": choice.python_path,
    }


def stamp(folder: Path, asked: dict[str, Any]) -> None:
    """Note in an environment what it was made from and what it holds; the last step of making it."""
    noted = asked | {"tfup": tfup.__version__, "packages": packages(folder)}
    (folder / "tfup.json").write_text(json.dumps(noted, indent=1), encoding="utf-8")


def is_as_asked(folder: Path, asked: dict[str, Any]) -> bool:
    """Tell whether an environment was made from these files, holds what it held then, and runs."""
    noted = read_json(folder / "tfup.json")
    same = asked.items() <= noted.items() and noted.get("packages") == packages(folder)
    return same and runs(uv.interpreter(folder))


def packages(folder: Path) -> list[str]:
    """Return the packages that are installed in an environment, by the names of their records."""
    places = [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]
    return sorted(record.name for place in places for record in place.glob("*.dist-info"))


def runs(python: str) -> bool:
    """Tell whether an interpreter starts; the one that an environment was made from may be gone."""
    try:
        return subprocess.run([python, "-S", "-c", ""], check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def quoted(path: Path) -> str:
    """Return a path as it is typed in a shell."""
    import shlex

    return shlex.quote(str(path))
