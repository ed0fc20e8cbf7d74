"""The known issues: one row of `data/doctor/known_issues.json` each; used by pin, doctor and explain.

What only doctor finds, for no log shows it, is in `data/doctor/doctor_issues.json`.

>>> issue("numpy2-abi").affected.tensorflow
'<2.18'
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from msgspec import Struct

from tfup import tables

TABLE = "doctor/known_issues.json"
DOCTOR_TABLE = "doctor/doctor_issues.json"
PAGE = "docs/known-issues.md"

Confidence = Literal["high", "medium", "low"]


class Affected(Struct, frozen=True, omit_defaults=True):
    """Where an issue can occur; an empty field says nothing."""

    tensorflow: str = ""
    """Releases of TensorFlow, as a specifier set of PEP 440; likewise Keras and Python (its minor)."""
    keras: str = ""
    python: str = ""
    os: tuple[Literal["linux", "macos", "windows"], ...] = ()
    arch: tuple[Literal["x86_64", "aarch64", "i686"], ...] = ()
    """The processor, by the names of the machine file."""
    note: str = ""
    """What the fields cannot say."""


class KnownIssue(Struct, frozen=True, omit_defaults=True):
    """A problem that people really had: how to know it, where it comes from, what repairs it."""

    id: str
    title: str
    patterns: tuple[str, ...]
    """Regular expressions for its messages; `explain` says how they are searched for."""
    cause: str
    """One sentence."""
    remedy: tuple[str, ...]
    """The first is the best; a command stands between backquotes, {minor} and the like are its blanks."""
    affected: Affected
    sources: tuple[str, ...]
    """Public threads as OWNER/REPOSITORY#NUMBER, or what was run or read, and when."""
    text_alone_decides: bool = True
    """False where the same message has several causes, and the machine or the environment decides."""
    confidence: Confidence = "high"
    """How sure we are of cause and remedy, once it is this issue."""
    level: Literal["cause", "consequence", "noise"] = "cause"
    """A consequence is named after any cause; noise is harmless, and never named as a fault."""
    instead_of: tuple[str, ...] = ()
    """Issues with wider messages, which are not named where this one is."""
    soft: bool = False
    """The program goes on after the message; where work was done afterwards, it did no harm."""
    gpu_patterns: tuple[str, ...] = ()
    """Messages that are harmless without an NVIDIA GPU, and mean this issue where there is one."""


class DoctorIssue(Struct, frozen=True):
    """What is wrong with an environment and shows in no log: the words for it, as those of a known issue."""

    id: str
    title: str
    cause: str
    remedy: tuple[str, ...]


@cache
def issues() -> tuple[KnownIssue, ...]:
    """Return all known issues, in the order of the table."""
    return tuple(tables.load(TABLE, KnownIssue))


@cache
def by_id() -> dict[str, KnownIssue]:
    """Return the known issues by their ids."""
    return {row.id: row for row in issues()}


@cache
def doctor_issues() -> tuple[DoctorIssue, ...]:
    """Return what only doctor finds, in the order of the table."""
    return tuple(tables.load(DOCTOR_TABLE, DoctorIssue))


@cache
def words_for() -> dict[str, KnownIssue | DoctorIssue]:
    """Return the words for whatever a finding can be, by its id."""
    return {**by_id(), **{row.id: row for row in doctor_issues()}}


def issue(name: str) -> KnownIssue:
    """Return the issue with this id; KeyError where there is none."""
    return by_id()[name]


def anchor(name: str) -> str:
    """Return where the docs tell more about an issue.

    >>> anchor("numpy2-abi")
    'docs/known-issues.md#numpy2-abi'
    """
    return f"{PAGE}#{name}"
