"""Stage 4 for people who use conda, mamba, micromamba or pixi: DIR/.venv is a conda environment.

Conda brings Python, and CUDA's libraries for older GPU builds, from the channels of environment.yml; uv
installs the pins into it as into any other, each file checked against its hash. So the environment is kept,
brought back and checked like all others.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfup.files import read_json
from tfup.formats.environment_yml import conda_part
from tfup.machine.live import Live
from tfup.managers import conda_programs, in_use, uv, venv
from tfup.managers.transaction import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfup.model import Environment, Plan, Project


def install(project: Project, plan: Plan, mode: uv.Mode, say: Callable[[str], None]) -> Environment:
    """Make the environment from the project's files, unless it already is what they ask for.

    Inside a transaction. Raises InstallFailed, IndexUnreachable or Unresolvable.
    """
    return venv.ensure(project, plan, wanted(project, plan), lambda: make(project, plan, mode, say))


def next_steps(project: Project, plan: Plan) -> tuple[str, ...]:  # noqa: ARG001 - as every manager has it
    """Return the commands that use the environment: those of the program that made it."""
    prefix = Path(project.folder, ".venv")
    program = read_json(prefix / "tfup.json").get("program")
    known = program if program in conda_programs.NAMES else conda_programs.NAMES[0]
    return (conda_programs.activation(known, prefix), "python")


def make(project: Project, plan: Plan, mode: uv.Mode, say: Callable[[str], None]) -> tuple[str, ...]:
    """Make the environment anew; the program is looked for before the old one is moved aside.

    Returns the pins that the index has yanked.
    """
    folder, prefix = Path(project.folder), Path(project.folder, ".venv")
    program = conda_programs.find(Live(), folder)
    in_use.wait(prefix, say)
    set_aside(folder)
    conda_programs.create(program, prefix, read_conda_part(project), mode)
    (prefix / "tfup.json").write_text(json.dumps({"program": program.name}), encoding="utf-8")
    python = uv.interpreter(prefix)
    yanked = venv.fill(python, project, plan, mode)
    venv.renew_pylock(python, project, plan, mode, say)
    return yanked


def wanted(project: Project, plan: Plan) -> dict[str, Any]:
    """Return what an environment notes of the files that it was made from; its Python is conda's own."""
    content = read_conda_part(project).encode()
    noted = venv.wanted(project, venv.choice_of(plan))
    return noted | {"python_path": None, "conda": hashlib.sha256(content).hexdigest()}


def read_conda_part(project: Project) -> str:
    """Return what environment.yml asks of conda, without the comments, which tell no more than that."""
    text = conda_part(Path(project.environment_yml).read_text(encoding="utf-8"))
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))
