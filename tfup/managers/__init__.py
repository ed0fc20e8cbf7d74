"""Stage 4, install: a project's files become an environment, as a transaction.

`pipenv`, `venv` and `conda` each have the same two functions, `install` and `next_steps`.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec.structs import replace

from tfup.errors import Need, NoEnvironment, UnreadableFile, Unresolvable
from tfup.managers import conda, pipenv, python27, python27_resolver, uv, venv
from tfup.managers.default_index import default_index
from tfup.managers.index_settings import configured_sources
from tfup.managers.transaction import transaction, undo
from tfup.model import Environment, Plan
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tfup.formats import Source
    from tfup.model import Choice, Project

__all__ = [
    "find",
    "indexes",
    "install",
    "new_log",
    "next_steps",
    "resolve",
    "transaction",
    "undo",
]

KEPT_LOGS = 5
LOG_NAMES = f"{8 * '[0-9]'}-{6 * '[0-9]'}.txt"
"""The date and time of a run; files of other names are not ours."""


class Manager(Protocol):
    """What a module of this folder offers to make environments and to use them."""

    def install(self, project: Project, plan: Plan, mode: uv.Mode, say: Callable[[str], None]) -> Environment:
        """Make the environment from the project's files."""

    def next_steps(self, project: Project, plan: Plan) -> tuple[str, ...]:
        """Return the commands that use the environment."""


MANAGERS: dict[str, Manager] = {"pipenv": pipenv, "venv": venv, "conda": conda}


def install(
    project: Project, *, offline: bool = False, log: Path, live: bool = False, say: Callable[[str], None]
) -> Environment:
    """Make the environment from the files on the disk, not from the plan in memory; inside a transaction.

    `log` is the file that keeps what uv said, `live` shows its bars, `say` takes a line for the person.
    """
    plan = read_plan(project)
    return MANAGERS[plan.manager].install(project, plan, uv.Mode(offline, log, live, say), say)


def resolve(  # noqa: PLR0913 - the first four are those of `pin.Resolve`
    choice: Choice,
    requirements: Sequence[str],
    constraints: Sequence[str],
    sdists: Sequence[str],
    *,
    offline: bool = False,
    say: Callable[[str], None] | None = None,
    here: bool = True,
) -> tuple[uv.Resolved, ...]:
    """Return what requirements come to beside a build, on its Python and its oldest system.

    A Python that uv does not know resolves for itself, and has to be here: what another machine's file names
    (then `here` is false) is never run.
    """
    mode = uv.Mode(offline, say=say)
    if python27.is_legacy(choice.python):
        python = interpreter_here(choice if here else replace(choice, python_path=None))
        if say:
            say(f"its own pip finds what goes with Python {choice.python}: that takes a minute")
        patient = mode._replace(patience=uv.SHORT_PATIENCE)
        return python27_resolver.resolve(python, requirements, constraints, patient)
    target = uv.Target(choice.python, choice.platform, choice.glibc, choice.macos)
    return uv.resolve(requirements, target, mode, constraints=constraints, sdists=sdists)


def interpreter_here(choice: Choice) -> str:
    """Return the interpreter of a choice, or raise Unresolvable where it is not on this machine."""
    if choice.python_path and os.access(choice.python_path, os.X_OK):
        return choice.python_path
    minor = ".".join(choice.python.split(".")[:2])
    sentence = f"For Python {minor}, packages beside {choice.project} are resolved by that Python itself."
    need = Need("python", f"CPython {minor} on this machine", choice.python_path)
    raise Unresolvable(sentence, (need,), f"tfup plan {choice.project}=={choice.version}")


def indexes(variables: Mapping[str, str]) -> tuple[Source, tuple[Source, ...]]:
    """Return the index that is meant where none is named, and those that the person's settings name."""
    return default_index(), configured_sources(variables)


def find(folder: Path) -> Environment:
    """Return the environment of a folder: its .venv, or the folder itself; NoEnvironment where neither is."""
    for place in (folder / ".venv", folder):
        python = Path(uv.interpreter(place))
        if (place / "pyvenv.cfg").is_file() or (place / "conda-meta").is_dir():
            return Environment(str(place), str(python), "venv", made=False)
    need = Need("environment", f"{folder / '.venv'}, or a folder that is an environment", None)
    sentence = f"There is no environment in {folder}."
    raise NoEnvironment(sentence, (need,), typed("tfup", "install", "--project", folder))


def new_log(folder: Path) -> Path:
    """Return the file for the log of this run, and remove all but the last few."""
    logs = folder / ".tfup" / "logs"
    with suppress(OSError):  # logs are a service: nothing fails for want of one
        for old in sorted(logs.glob(LOG_NAMES))[: -KEPT_LOGS + 1]:
            old.unlink(missing_ok=True)
    return logs / f"{time.strftime('%Y%m%d-%H%M%S')}.txt"


def next_steps(project: Project) -> tuple[str, ...]:
    """Return what to type to use the environment."""
    plan = read_plan(project)
    return MANAGERS[plan.manager].next_steps(project, plan)


def read_plan(project: Project) -> Plan:
    """Return the plan as it is on the disk, or raise UnreadableFile."""
    try:
        return msgspec.json.decode(Path(project.plan).read_bytes(), type=Plan)
    except (OSError, msgspec.MsgspecError) as error:
        need = Need("plan.json", "a plan document of schema 1", str(error))
        sentence = f"{project.plan} cannot be read."
        raise UnreadableFile(sentence, (need,), "tfup pin") from error
