"""What the files of a project have in common: the mark that they are ours, and how a pin is spelt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tfup.errors import Bug
from tfup.shell import typed

if TYPE_CHECKING:
    from pathlib import Path

    from tfup.model import Choice, Pin, Plan

MADE_BY = "Made by tfup"
"""Stands in the first lines of each file that tfup may overwrite."""


class Source(Struct, frozen=True):
    """A package index; credentials in the address only as ${VARIABLE}."""

    name: str
    url: str
    verify_ssl: bool = True


def chosen(plan: Plan) -> Choice:
    """Return the build of a plan; only a plan that has one becomes files."""
    if plan.choice is None:
        sentence = "A plan without a build cannot be written as files."
        raise Bug(sentence)
    return plan.choice


def headline(plan: Plan) -> str:
    """Return the comment line that says whose file this is and what it describes."""
    choice = chosen(plan)
    beside = f" on {choice.requirement}" if choice.requirement else ""
    keras = f" with {plan.keras.project} {plan.keras.version}" if plan.keras and not beside else beside
    python = python_minor(choice.python)
    return f"# {MADE_BY}: {choice.project} {choice.version}{keras} for Python {python} on {choice.platform}."


def python_minor(version: str) -> str:
    """Return the minor of a Python version.

    >>> python_minor("3.13.0")
    '3.13'
    """
    return ".".join(version.split(".")[:2])


def one_line(reason: str) -> str:
    """Return a reason as it may stand in a comment."""
    return " ".join(reason.split())


def requirement(pin: Pin) -> str:
    """Return a pin as PEP 508 spells it, without its hashes.

    >>> from tfup.model import Pin
    >>> requirement(Pin("six", "1.17.0", (), marker='sys_platform == "win32"'))
    'six==1.17.0 ; sys_platform == "win32"'
    """
    marker = f" ; {pin.marker}" if pin.marker else ""
    return f"{pin.name}=={pin.version}{marker}"


def set_aside(path: str | Path) -> str:
    """Return the command that puts an unreadable file out of the way.

    >>> set_aside("my Pipfile")
    "mv 'my Pipfile' 'my Pipfile.broken'"
    """
    return typed("mv", path, f"{path}.broken")


def in_order(plan: Plan) -> list[Pin]:
    """Return the pins by name, those of [dev-packages] last."""
    return sorted(plan.pins, key=lambda pin: (pin.purpose == "develop", pin.name))
