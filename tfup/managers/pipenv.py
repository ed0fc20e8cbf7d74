"""Stage 4 for people who use Pipenv: it takes DIR/.venv for its own, so only what to type differs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tfup.managers import venv
from tfup.managers.venv import install
from tfup.shell import typed

if TYPE_CHECKING:
    from tfup.model import Plan, Project

__all__ = ["install", "next_steps"]


def next_steps(project: Project, plan: Plan) -> tuple[str, ...]:
    """Return the commands that use the environment: Pipenv's where one is here that can, else activation.

    Where only an older Pipenv can drive this Python, also the commands that get it.
    """
    from tfup.managers.pipenv_releases import is_current, pipenv_for

    release = pipenv_for(".".join(venv.choice_of(plan).python.split(".")[:2]))
    enter = typed("cd", project.folder)
    if release is None or (is_current(release) and not shutil.which("pipenv")):
        return venv.next_steps(project, plan)
    if is_current(release):
        return (enter, "pipenv run python")
    get = f"python{release.runs_on} -m pip install pipenv=={release.pipenv}"
    return (*venv.next_steps(project, plan), get, enter, f"python{release.runs_on} -m pipenv run python")
