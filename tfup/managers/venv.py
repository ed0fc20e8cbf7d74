"""Stage 4 with uv alone: DIR/.venv from the files of a project, and how to use it by activation."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tfup
from tfup import tables
from tfup.errors import Bug, TfupError
from tfup.files import read_json
from tfup.managers import activation, in_use, python27, uv
from tfup.managers.seals import is_sealed, put_seal
from tfup.managers.transaction import set_aside
from tfup.model import Environment
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import ModuleType

    from tfup.model import Choice, Plan, Project


STAMP = "tfup.json"
"""What an environment was made from and what it holds, in its folder; its seal lies beside it."""
KINDS = ("conda", "backend", "libraries", "system_packages", "cuda")
"""What is noted of an environment only where it has it: one that has will not do where none is asked for."""


def install(project: Project, plan: Plan, mode: uv.Mode, say: Callable[[str], None]) -> Environment:
    """Make the environment from the project's files, unless it already is what they ask for.

    Inside a transaction. Raises InstallFailed or IndexUnreachable.
    """
    asked = wanted(project, choice_of(plan))
    return ensure(project, plan, asked, lambda: make(project, plan, mode, say))


def ensure(
    project: Project, plan: Plan, asked: dict[str, Any], make: Callable[[], tuple[str, ...]]
) -> Environment:
    """Return the environment of a project, made anew unless it already is what is asked for."""
    started = time.monotonic()
    folder = Path(project.folder, ".venv")
    asked = asked | activation.asked(plan)
    made = not is_as_asked(folder, asked)
    yanked: tuple[str, ...] = ()
    if made:
        yanked = make()
        activation.furnish(folder, plan)
        stamp(folder, asked)
    seconds = time.monotonic() - started
    return Environment(str(folder), uv.interpreter(folder), plan.manager, made, seconds, yanked)


def next_steps(project: Project, plan: Plan) -> tuple[str, ...]:  # noqa: ARG001 - as every manager has it
    """Return the commands that use the environment."""
    folder = Path(project.folder, ".venv")
    script = folder / "Scripts" / "activate.bat"
    return (typed(script) if script.exists() else typed(".", folder / "bin" / "activate"), "python")


def make(project: Project, plan: Plan, mode: uv.Mode, say: Callable[[str], None]) -> tuple[str, ...]:
    """Make the environment anew; the interpreter is fetched before the old one is moved aside.

    Returns the pins that the index has yanked.
    """
    choice = choice_of(plan)
    base = choice.python_path if choice.python_from == "found" else None
    base = base or uv.obtain(name_python(choice), mode)
    in_use.wait(Path(project.folder, ".venv"), say)
    set_aside(Path(project.folder))
    python = engine_of(choice).make_venv(base, Path(project.folder, ".venv"), mode)
    yanked = fill(python, project, plan, mode)
    renew_pylock(base, project, plan, mode, say)
    return yanked


def name_python(choice: Choice) -> str:
    """Return what uv is asked for: on a Mac with the processor, for a uv under Rosetta would take Intel's."""
    processor = {"macos_arm64": "aarch64", "macos_x86_64": "x86_64"}.get(choice.platform)
    return f"cpython-{choice.python}-macos-{processor}-none" if processor else choice.python


def engine_of(choice: Choice) -> ModuleType:
    """Return the engine that knows the Python of a build."""
    return python27 if python27.is_legacy(choice.python) else uv


def fill(python: str, project: Project, plan: Plan, mode: uv.Mode) -> tuple[str, ...]:
    """Install the pins into an environment that is there, each file checked against its hash.

    Returns those that the index has yanked.
    """
    requirements = Path(project.requirements)
    wheels = those_with_wheels(requirements.read_text(encoding="utf-8"), plan.built)
    yanked: tuple[str, ...] = engine_of(choice_of(plan)).sync(python, requirements, mode, wheels=wheels)
    return yanked


def renew_pylock(
    python: str, project: Project, plan: Plan, mode: uv.Mode, say: Callable[[str], None]
) -> None:
    """Write pylock.toml anew, or leave it out with a word; an older one would tell of other pins."""
    pylock = Path(project.pylock)
    pylock.unlink(missing_ok=True)
    if python27.is_legacy(choice_of(plan).python):
        say(f"{pylock.name} was left out: uv, which writes it, knows no Python that old.")
        return
    try:
        uv.write_pylock(python, Path(project.requirements), pylock, mode)
    except TfupError:  # such as an index without hashes; the log has uv's reason
        say(f"{pylock.name} was left out: it needs addresses and hashes that uv could not get.")


def those_with_wheels(requirements: str, built: Collection[str] = ()) -> list[str]:
    """Return the pins that must come as wheels: all but those that the table or the plan know to lack one."""
    lacking = {row.name for row in tables.load("builds/sdists.json", tables.SdistRow)}.union(built)
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
    noted = read_json(folder / STAMP) | asked | {"tfup": tfup.__version__, "packages": packages(folder)}
    (folder / STAMP).write_text(json.dumps(noted, indent=1), encoding="utf-8")
    put_seal(folder / STAMP)


def is_as_asked(folder: Path, asked: dict[str, Any]) -> bool:
    """Tell whether we made an environment here from these files, it holds what it held then, and runs."""
    if not is_own(folder):
        return False
    noted = read_json(folder / STAMP)
    same = asked.items() <= noted.items() and noted.get("packages") == packages(folder)
    of_one_kind = all(asked.get(kind) == noted.get(kind) for kind in KINDS)
    return same and of_one_kind and is_whole(folder) and runs(uv.interpreter(folder))


def is_own(folder: Path) -> bool:
    """Tell whether tfup made an environment at this place for this person; nothing of another's is run."""
    return is_sealed(folder / STAMP)


def is_whole(folder: Path) -> bool:
    """Tell whether all that was installed is there; an antivirus or a person may have taken some away."""
    records = (record for place in places(folder) for record in place.glob("*.dist-info/RECORD"))
    return all(file.exists() for record in records for file in files_of(record))


def files_of(record: Path) -> Iterator[Path]:
    """Yield the files of a package, but for compiled ones, which Python makes again."""
    with record.open(encoding="utf-8", errors="replace", newline="") as lines:
        names = [row[0] for row in csv.reader(lines) if row]
    yield from (record.parents[1] / name for name in names if not name.endswith(".pyc"))


def packages(folder: Path) -> list[str]:
    """Return the packages that are installed in an environment, by the names of their records."""
    records = [record for place in places(folder) for record in place.glob("*.dist-info")]
    return sorted(record.name for record in (*records, *folder.glob("conda-meta/*.json")))


def places(folder: Path) -> list[Path]:
    """Return where the packages of an environment are."""
    return [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]


def runs(python: str) -> bool:
    """Tell whether an interpreter starts; the one that an environment was made from may be gone."""
    try:
        return subprocess.run([python, "-S", "-c", ""], check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
