"""Stage 4 for people who use Pipenv: it takes DIR/.venv for its own, so only what to type differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfup.managers import venv
from tfup.managers.venv import install

if TYPE_CHECKING:
    from tfup.model import Plan, Project

__all__ = ["install", "next_steps"]


NEWEST = "3.99"  # the Python that today's Pipenv is asked about


def next_steps(project: Project, plan: Plan) -> tuple[str, ...]:
    """Return the commands that use the environment: Pipenv's, or activation where today's Pipenv cannot.

    Then also those that get a Pipenv which can.
    """
    from tfup.formats.pipenv_releases import pipenv_for

    minor = ".".join(venv.choice_of(plan).python.split(".")[:2])
    enter = f"cd {venv.quoted(Path(project.folder))}"
    release = pipenv_for(minor)
    if release is None:
        return venv.next_steps(project, plan)
    if release == pipenv_for(NEWEST):
        return (enter, "pipenv run python")
    get = f"python{release.runs_on} -m pip install pipenv=={release.pipenv}"
    return (*venv.next_steps(project, plan), get, enter, f"python{release.runs_on} -m pipenv run python")
