"""Requirements as people type them: read, named, and told apart."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tfup import tables
from tfup.errors import Need, UsageError
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Iterable

KERAS = "keras"


@cache
def parse(text: str) -> Requirement:
    """Return a requirement; UsageError where the text is none."""
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        fault = str(error).split("\n", 1)[0]
        sentence = f"{text!r} is not a requirement."
        need = Need("requirement", "a name, with versions where they matter", fault)
        hint = typed("tfup", "plan", meant(text) or "tensorflow==2.15.*")
        raise UsageError(sentence, (need,), hint) from None


def meant(text: str) -> str | None:
    """Return the requirement that a text in conda's spelling means, None where it is no such text.

    >>> meant("tensorflow=1.4"), meant("tensorflow==")
    ('tensorflow==1.4', None)
    """
    found = re.fullmatch(r"\s*([A-Za-z0-9][\w.-]*)\s*=\s*(\d[\w.*]*)\s*", text)
    return f"{found[1]}=={found[2]}" if found else None


def named(requirements: Iterable[str]) -> set[str]:
    """Return the canonical names of requirements."""
    return {canonicalize_name(parse(text).name) for text in requirements}


def is_build(text: str) -> bool:
    """Tell whether a requirement names a TensorFlow project of the tables."""
    return canonicalize_name(parse(text).name) in tables.projects()


def is_keras(text: str) -> bool:
    """Tell whether a requirement names Keras."""
    return canonicalize_name(parse(text).name) == KERAS
