"""Stage 4 for people who use conda; a later version makes these environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from tfup.errors import InstallFailed, Need

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfup.managers.uv import Mode
    from tfup.model import Plan, Project


def install(project: Project, plan: Plan, mode: Mode, say: Callable[[str], None]) -> NoReturn:  # noqa: ARG001
    """Refuse, and name the manager that does it today; the arguments are those of every manager."""
    need = Need("manager", "pipenv or venv", "conda")
    sentence = "Environments made with conda come with a later tfup; environment.yml is there already."
    raise InstallFailed(sentence, (need,), "tfup install --manager pipenv")


def next_steps(project: Project, plan: Plan) -> tuple[str, ...]:  # noqa: ARG001 - as every manager has it
    """Return the command that makes the environment with conda itself."""
    return (f"conda env create -f '{project.environment_yml}'",)
