"""Projects that fill one folder: an environment holds one of them, or each breaks the other."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from tfup import tables
from tfup.errors import Need, Unresolvable
from tfup.requirements import parse
from tfup.shell import typed
from tfup.tables import TwinRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tfup.model import Wish

OURS = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu")
"""The names that other packages ask for when they want TensorFlow; on some systems empty wheels."""


@cache
def rows() -> dict[str, TwinRow]:
    """Return the projects of others, by canonical name."""
    return {row.name: row for row in tables.load("builds/twins.json", TwinRow)}


def others_that_fill(folder: str) -> tuple[str, ...]:
    """Return the projects of others that fill a folder."""
    return tuple(name for name, row in rows().items() if row.folder == folder)


def folder_of(project: str) -> str | None:
    """Return which of the folders tensorflow and keras a project fills; None for one that fills neither.

    Nothing is said of projects such as tensorflow-intel: what asks for them means the wheel itself.
    """
    row = rows().get(project)
    if project in OURS or project == "keras":
        return "keras" if project == "keras" else "tensorflow"
    return row.folder if row else None


def names_of_tensorflow() -> tuple[str, ...]:
    """Return the names under which a package may ask for the modules of TensorFlow."""
    return (*OURS, *others_that_fill("tensorflow"))


def refuse_twins(wished: Iterable[str], wish: Wish, filled: Collection[str]) -> None:
    """Raise Unresolvable where a project wished for would fill a folder that the build fills."""
    known = rows()
    for text in wished:
        row = known.get(canonicalize_name(parse(text).name))
        if row and row.folder in filled:
            remaining = [one for one in wish.requirements if one != text] or [row.folder]
            sentence = f"{row.name} fills the folder of {row.folder}; side by side, each breaks the other."
            need = Need("project", f"one that fills the folder {row.folder}", f"{row.folder}, {text}")
            raise Unresolvable(sentence, (need,), typed("tfup", "plan", *remaining))
