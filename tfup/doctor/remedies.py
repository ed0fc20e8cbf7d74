"""Remedies as they are typed on one system, in one environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tfup.doctor.facts import Facts

PYTHONS = {"windows": "py", "linux": "python3", "macos": "python3"}
KERAS_JSON = {
    "windows": r"move %USERPROFILE%\.keras\keras.json %USERPROFILE%\.keras\keras.json.old",
    "linux": "mv ~/.keras/keras.json ~/.keras/keras.json.old",
}
PLATFORMS = {"win32": "windows", "darwin": "macos", "linux": "linux"}
VERSION = re.compile(r"\d[\w.+!]*", re.ASCII)
UNSET = {"windows": "set KERAS_BACKEND=", "linux": "unset KERAS_BACKEND"}


class Words(Struct, frozen=True):
    """How Python and pip are called here."""

    os: str | None = None
    """The system that we are on."""
    python: str | None = None
    """How this environment's Python is called; None where there is no environment."""
    pip: str | None = None


def words_of(folder: Path, platform: str, environ: Mapping[str, str]) -> Words:
    """Return how Python and pip are called in a project folder; the platform is as `sys` names it."""
    os = PLATFORMS.get(platform)
    place = ".venv\\Scripts\\python" if os == "windows" else ".venv/bin/python"
    if environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX"):
        return Words(os, "python", "python -m pip")
    if not (folder / ".venv" / "pyvenv.cfg").is_file():
        return Words(os)
    with_pip = any((folder / ".venv").glob("[Ll]ib/**/site-packages/pip/__main__.py"))
    return Words(os, place, f"{place} -m pip" if with_pip else "uv pip")


def fill(remedies: Iterable[str], facts: Facts, words: Words) -> str:
    """Return remedies with their blanks filled, one a line."""
    os = facts.os or words.os or "linux"
    here = words if facts.os in {None, words.os} else Words()
    python = here.python or PYTHONS.get(os, "python3")
    pip = here.pip or f"{python} -m pip"
    # the name of a record in a strange environment may end in anything
    release = facts.tensorflow if VERSION.fullmatch(facts.tensorflow or "") else None
    blanks = {
        "python": python,
        "pip": pip,
        "version": release or "VERSION",
        "minor": ".".join(release.split(".")[:2]) if release else "MINOR",
        "move": KERAS_JSON.get(os, KERAS_JSON["linux"]),
        "unset": UNSET.get(os, UNSET["linux"]),
    }
    text = "\n".join(remedies)
    text = for_cmd(text) if os == "windows" else text
    return re.sub(r"\{(\w+)\}", lambda blank: blanks.get(blank[1], blank[0]), text)


def for_cmd(text: str) -> str:
    r"""Return a text whose commands have the quotation marks that cmd and PowerShell both take.

    >>> for_cmd("the package's pin: `pip install 'numpy<2'`")
    'the package\'s pin: `pip install "numpy<2"`'
    """
    return re.sub(r"`[^`]*`", lambda command: command[0].replace("'", '"'), text)
