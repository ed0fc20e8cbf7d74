"""An environment that somebody else may have made: whoever looks into it runs its Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tfup.errors import Need, StrangeEnvironment
from tfup.managers.venv import is_own

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfup.model import Environment

ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")


def is_known(environment: Environment, variables: Mapping[str, str]) -> bool:
    """Tell whether tfup made an environment here, the person has activated it, or it is the system's."""
    active = [os.path.realpath(variables[name]) for name in ACTIVE if variables.get(name)]
    folder = Path(environment.folder)
    return environment.manager == "system" or os.path.realpath(folder) in active or is_own(folder)


def refuse(environment: Environment, command: str) -> None:
    """Raise StrangeEnvironment where the Python of an environment is a program that lies in it.

    Such a program comes with a folder that was cloned or unpacked. What people make here links to a Python
    outside; but on Windows, where nothing can be told by that.
    """
    if os.name != "posix" or not is_inside(environment.python, environment.folder):
        return
    need = Need("python", "one outside that folder, or an environment that tfup made", environment.python)
    sentence = (
        f"{environment.folder} was not made by tfup here, and its Python is a program in it: it was not run."
    )
    raise StrangeEnvironment(sentence, (need,), f"tfup {command} --yes")


def is_inside(program: str, folder: str) -> bool:
    """Tell whether a program lies in a folder, all links followed."""
    return Path(os.path.realpath(program)).is_relative_to(os.path.realpath(folder))
