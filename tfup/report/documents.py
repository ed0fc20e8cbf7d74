"""The JSON documents of the commands: a public interface, published as schemas in data/schemas/.

A field is never removed or given another meaning under the same schema number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from tfup.model import Accelerator, Environment, Machine, Outcome, PassedOver, Plan, Project

if TYPE_CHECKING:
    from tfup.errors import TfupError


class ErrorText(Struct, frozen=True):
    """A failure in the form that people see."""

    reference: str
    sentence: str
    needs: dict[str, str]
    found: dict[str, str | None]
    """What was needed and what was found, by the same names."""
    hint: str | None
    exit_code: int
    log: str | None


class ErrorDocument(Struct, frozen=True):
    """Printed in place of any other document when a command fails."""

    error: ErrorText
    schema: Literal[1] = 1


class WhyNotDocument(Struct, frozen=True):
    """`plan --why-not BUILD`: what keeps that build from this machine; nothing when it fits."""

    build: str
    fits: bool
    passed_over: PassedOver | None
    change: str | None
    """The first thing to change."""
    gives: str | None = None
    """What that change, made in this machine's facts and matched again, leads to."""
    schema: Literal[1] = 1


class PinDocument(Struct, frozen=True):
    """`pin`: the plan, and the files that were written."""

    plan: Plan
    project: Project
    schema: Literal[1] = 1


class InstallDocument(Struct, frozen=True):
    """`install`: the whole story."""

    machine: Machine
    plan: Plan
    project: Project | None
    environment: Environment | None
    outcomes: tuple[Outcome, ...]
    next_steps: tuple[str, ...]
    log: str | None
    proved: bool
    schema: Literal[1] = 1


class CheckDocument(Struct, frozen=True):
    """`check`: what each check found."""

    outcomes: tuple[Outcome, ...]
    report: str | None = None
    """The HTML page that was written."""
    schema: Literal[1] = 1


class Finding(Struct, frozen=True):
    """Something that is not well in an environment or around it, and what repairs it."""

    id: str
    """Of the known issues where it is one: docs/known-issues.md tells more."""
    title: str
    state: Literal["warning", "wrong", "crashed"]
    """A warning may do no harm; crashed is an examination that failed, not a fault of the environment."""
    cause: str
    evidence: str
    """What was seen, with the path and the line."""
    remedy: str
    """What to type, or what to do where nothing can be typed."""
    fixable: bool = False
    """Whether `doctor --fix` can do it."""
    fixed: bool = False
    docs: str | None = None
    """Where the docs tell more, of a known issue."""


class Examined(Struct, frozen=True):
    """One subject that doctor looked at; skipped with the reason where it could not."""

    subject: str
    state: Literal["well", "warning", "wrong", "skipped", "crashed"]
    detail: str


class ActiveBackend(Struct, frozen=True):
    """The back end that Keras uses here, and what decides it."""

    name: str
    source: Literal["file", "variable", "default", "built in"]
    place: str | None = None
    """The file or the variable."""


class DoctorDocument(Struct, frozen=True):
    """`doctor`: what is not well in an environment; `outcomes` are those of the checks that ran in it."""

    folder: str
    environment: Environment
    well: bool
    findings: tuple[Finding, ...]
    examined: tuple[Examined, ...]
    backend: ActiveBackend | None
    outcomes: tuple[Outcome, ...]
    repairs: tuple[str, ...] = ()
    """What --fix did, and where the backups are."""
    schema: Literal[1] = 1


class ExplainedIssue(Struct, frozen=True):
    """A known issue that a log shows."""

    id: str
    title: str
    cause: str
    remedy: str
    """What to do, one way a line; commands stand between backquotes."""
    confidence: Literal["high", "medium", "low"]
    evidence: str
    """The line that tells, without colours."""
    line: int
    """Its number in the log, the first is 1."""
    docs: str


class ExplainDocument(Struct, frozen=True):
    """`explain`: the causes of an error, the most likely first; none where tfup does not know it."""

    matches: tuple[ExplainedIssue, ...]
    harmless: tuple[ExplainedIssue, ...] = ()
    """Messages that look like errors, and are none."""
    schema: Literal[1] = 1


class UndoDocument(Struct, frozen=True):
    """`undo`: the generation that is back."""

    folder: str
    project: str | None
    version: str | None
    schema: Literal[1] = 1


class VersionRow(Struct, frozen=True):
    """A release on this machine."""

    project: str
    version: str
    python: str
    python_from: Literal["found", "obtain"]
    keras: str | None
    proof: Literal["proved", "resolved", "none"]
    on: str | None
    accelerator: Accelerator = "cpu"
    """What it computes on here; the processor where no card of this machine can be used."""


class VersionsDocument(Struct, frozen=True):
    """`versions`: the releases that fit this machine, newest first."""

    versions: tuple[VersionRow, ...]
    not_fitting: int
    schema: Literal[1] = 1


class Removed(Struct, frozen=True):
    """Something that was removed, or that could be."""

    what: str
    path: str
    bytes: int


class CleanDocument(Struct, frozen=True):
    """`clean`: what was removed, and how many bytes that freed."""

    removed: tuple[Removed, ...]
    freed_bytes: int
    dry_run: bool
    schema: Literal[1] = 1


DOCUMENTS: dict[str, type[Struct]] = {
    "machine": Machine,
    "plan": Plan,
    "why_not": WhyNotDocument,
    "pin": PinDocument,
    "install": InstallDocument,
    "check": CheckDocument,
    "doctor": DoctorDocument,
    "explain": ExplainDocument,
    "undo": UndoDocument,
    "versions": VersionsDocument,
    "clean": CleanDocument,
    "error": ErrorDocument,
}


def error_document(error: TfupError) -> ErrorDocument:
    """Return a failure as a document."""
    return ErrorDocument(
        ErrorText(
            reference=error.reference,
            sentence=error.sentence,
            needs={need.name: need.needs for need in error.needs},
            found={need.name: need.found for need in error.needs},
            hint=error.hint,
            exit_code=error.exit_code,
            log=error.log,
        )
    )
