"""One class for each way to fail; `report.py` prints them all in one form.

Each class owns its reference (greppable, kebab-case) and its exit code; an instance carries
the sentence, what was needed and found, one hint that can be typed, and the log if there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Need:
    """One line of "needs … found …"; `found` is None when nothing of the kind is there."""

    name: str
    needs: str
    found: str | None = None


@dataclass
class TfupError(Exception):
    """A foreseen failure: it is explained, never shown as a traceback."""

    sentence: str
    needs: tuple[Need, ...] = ()
    hint: str | None = None
    log: str | None = field(default=None, kw_only=True)

    reference: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """Return the sentence, for tracebacks and logs."""
        return self.sentence


class UsageError(TfupError):
    """The command line cannot be understood."""

    reference = "usage"
    exit_code = 2


class UnknownProject(UsageError):
    """A project that the tables do not know was wished for as a build."""

    reference = "unknown-project"


class UnknownVersion(UsageError):
    """No release of the project has this version."""

    reference = "unknown-version"


class UnreadableFile(UsageError):
    """A file of the person's cannot be read as what it should be."""

    reference = "unreadable-file"


class UnusableFolder(UsageError):
    """The project folder cannot hold a project."""

    reference = "unusable-folder"


class NoBuildFits(TfupError):
    """No build satisfies the wish on this machine."""

    reference = "no-build-fits"
    exit_code = 3


class NothingToUndo(TfupError):
    """There is no earlier generation of this project."""

    reference = "nothing-to-undo"


class NoEnvironment(TfupError):
    """There is no environment to check in this folder."""

    reference = "no-environment"


class StrangeEnvironment(TfupError):
    """The environment of this folder may be a stranger's, and looking into it would run a program in it."""

    reference = "strange-environment"
    exit_code = 2


class InstallFailed(TfupError):
    """Making the environment failed; the former state was put back."""

    reference = "install-failed"
    exit_code = 4


class WrongFile(InstallFailed):
    """A file is not the one that was pinned; the reference is that of any failed install."""


class FolderBusy(TfupError):
    """Another tfup is at work on the same folder."""

    reference = "folder-busy"
    exit_code = 4


class IndexUnreachable(TfupError):
    """The package index gave no usable answer."""

    reference = "index-unreachable"
    exit_code = 5


@dataclass
class PinGone(IndexUnreachable):
    """The package index lacks what was pinned: it was removed there, or a mirror never had it."""

    pins: tuple[str, ...] = field(default=(), kw_only=True)
    """As "name==version"."""


class Unresolvable(TfupError):
    """The packages wished for contradict each other or the pins of the build."""

    reference = "unresolvable"
    exit_code = 3


@dataclass
class LacksWheels(Unresolvable):
    """Packages that have no wheel for the Python and the system; uv was not allowed to build them."""

    names: tuple[str, ...] = field(default=(), kw_only=True)


class OutputLost(TfupError):
    """The answer could not be written to standard output."""

    reference = "output-lost"


class Interrupted(TfupError):
    """The person pressed Ctrl-C, or the system asked us to stop."""

    reference = "interrupted"
    exit_code = 6


class Bug(TfupError):
    """Something unforeseen: a fault of tfup itself."""

    reference = "bug"
    exit_code = 10
