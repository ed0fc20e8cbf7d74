"""What an examination finds: the finding that is shown, and the repair that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from tfup.doctor.catalogue import anchor, words_for
from tfup.report.documents import Finding
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfup.doctor.inspected import Patient


State: TypeAlias = Literal["warning", "wrong", "crashed"]


class Repair(NamedTuple):
    """What `--fix` does about a finding: packages by uv, or whatever `act` does and returns as a sentence."""

    safe: bool = True
    """A safe repair is not asked for: nothing of the person's is lost, and no version changes."""
    install: tuple[str, ...] = ()
    """Requirements that uv meets."""
    reinstall: tuple[str, ...] = ()
    """Pins that are installed again, without what they require."""
    uninstall: tuple[str, ...] = ()
    act: Callable[[], str] | None = None
    in_environment: bool = False
    """Whether `act` changes the environment, which is then kept for undo."""

    @property
    def changes_environment(self) -> bool:
        """Whether the environment has to be kept for undo."""
        return self.in_environment or bool(self.install or self.reinstall or self.uninstall)


class Trouble(NamedTuple):
    """A finding, and its repair where there is one."""

    finding: Finding
    repair: Repair | None = None


class Own(NamedTuple):
    """What is said of one case of an issue in place of the catalogue's words: title and cause."""

    title: str
    cause: str


def trouble(  # noqa: PLR0913 - what a finding consists of, each word once
    name: str,
    evidence: str,
    remedy: str | None = None,
    *,
    own: Own | None = None,
    state: State = "wrong",
    repair: Repair | None = None,
) -> Trouble:
    """Return a trouble in the catalogue's words, or in its own where this case has others."""
    known = words_for()[name]
    title, cause = own or Own(known.title, known.cause)
    remedy = remedy or known.remedy[0]
    finding = Finding(name, title, state, cause, evidence, remedy, repair is not None, docs=anchor(name))
    return Trouble(finding, repair)


def package_trouble(
    patient: Patient, name: str, evidence: str, repair: Repair, *, own: Own | None = None
) -> Trouble:
    """Return a trouble that a change of packages removes; only in an environment that undo can bring back."""
    mine = repair if patient.is_ours else None
    return trouble(name, evidence, command_of(patient, repair), own=own, repair=mine)


def remake(patient: Patient, *wish: str) -> str:
    """Return the command that makes the environment anew."""
    return typed("tfup", "install", "--project", patient.folder, *wish)


def command_of(patient: Patient, repair: Repair) -> str:
    """Return the command that does what a repair of packages does."""
    commands = []
    if repair.uninstall:
        commands.append(installer(patient, "uninstall", ["-y"], repair.uninstall))
    if repair.reinstall:
        commands.append(installer(patient, "install", ["--force-reinstall", "--no-deps"], repair.reinstall))
    if repair.install:
        commands.append(installer(patient, "install", [], repair.install))
    return " && ".join(commands)


def installer(patient: Patient, verb: str, options: list[str], words: tuple[str, ...]) -> str:
    """Return a command of the environment's own pip, or of uv where it has none."""
    python = patient.environment.python
    if "pip" in patient.packages:
        return typed(python, "-m", "pip", verb, *options, *words)
    plain = [{"--force-reinstall": "--reinstall"}.get(option, option) for option in options if option != "-y"]
    return typed("uv", "pip", verb, "--python", python, *plain, *words)
