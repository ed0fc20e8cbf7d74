"""The door to the machine: read a file, run a command, look for names, ask a library.

`Live` (live.py) does it, `Recording` answers from a JSON file, `Recorder` wraps one and remembers. So a
machine that somebody reports becomes a test by adding a file. Nothing here raises: what cannot
be had is None.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct, field, json, structs

from tfup import privacy

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

Json = object
"""A value that JSON can hold; the one who asks checks its shape."""

RUN_SECONDS = 5.0


class Probe(Protocol):
    """Everything that stage 1 may do to the machine."""

    def read(self, path: str) -> str | None:
        """Return the text of a regular file, None where there is none to be read."""

    def run(self, *command: str, timeout: float = RUN_SECONDS) -> str | None:
        """Return what a command printed, None where it is absent, fails or takes too long."""

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that fit the pattern, sorted."""

    def variable(self, name: str) -> str | None:
        """Return an environment variable."""

    def ask(self, name: str, *arguments: str) -> Json | None:
        """Return a fact that only a library knows; `readers.py` lists the names."""


class Answers(Struct):
    """A recording: every question that was asked, with its answer; null is an answer."""

    recording: int = 1
    ask: dict[str, Json] = field(default_factory=dict)
    glob: dict[str, list[str]] = field(default_factory=dict)
    read: dict[str, str | None] = field(default_factory=dict)
    run: dict[str, str | None] = field(default_factory=dict)
    variable: dict[str, str | None] = field(default_factory=dict)


class Recording:
    """A machine as it was recorded; what was never asked there is not there."""

    def __init__(self, answers: Answers) -> None:
        """Answer from these."""
        self.answers = answers

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Open a recording that `tfup detect --record` wrote."""
        return cls(json.decode(Path(path).read_bytes(), type=Answers))

    def read(self, path: str) -> str | None:
        """Return the text that the file had."""
        return self.answers.read.get(path)

    def run(self, *command: str, timeout: float = RUN_SECONDS) -> str | None:  # noqa: ARG002 (a recording is never slow)
        """Return what the command printed there."""
        return self.answers.run.get(" ".join(command))

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that were there."""
        return self.answers.glob.get(pattern, [])

    def variable(self, name: str) -> str | None:
        """Return the value that it had."""
        return self.answers.variable.get(name)

    def ask(self, name: str, *arguments: str) -> Json | None:
        """Return what the library said."""
        return self.answers.ask.get(" ".join((name, *arguments)))


class Recorder:
    """A probe that passes every question on, and remembers the answer."""

    def __init__(self, probe: Probe) -> None:
        """Ask `probe`."""
        self.probe = probe
        self.answers = Answers()

    def read(self, path: str) -> str | None:
        """Remember the text, or that there was none."""
        return _remember(self.answers.read, path, self.probe.read(path))

    def run(self, *command: str, timeout: float = RUN_SECONDS) -> str | None:
        """Remember what was printed, or that nothing came."""
        return _remember(self.answers.run, " ".join(command), self.probe.run(*command, timeout=timeout))

    def glob(self, pattern: str) -> list[str]:
        """Remember the paths, or that there were none."""
        return _remember(self.answers.glob, pattern, self.probe.glob(pattern))

    def variable(self, name: str) -> str | None:
        """Remember the value, or that it was not set."""
        return _remember(self.answers.variable, name, self.probe.variable(name))

    def ask(self, name: str, *arguments: str) -> Json | None:
        """Remember what the library said, or that it was silent."""
        return _remember(self.answers.ask, " ".join((name, *arguments)), self.probe.ask(name, *arguments))

    def text(self) -> str:
        """Return the recording as JSON, without user names, home folders and credentials."""
        hide = partial(_hide, home=_text(self.probe.ask("home")), user=_text(self.probe.ask("user")))
        variables = {
            name: value and privacy.hide_secret(name, value) for name, value in self.answers.variable.items()
        }
        kept = _walk(structs.asdict(structs.replace(self.answers, variable=variables)), hide)
        return json.format(json.encode(kept, order="sorted"), indent=1).decode() + "\n"


def _hide(text: str, home: str | None, user: str | None) -> str:
    return privacy.hide_credentials(privacy.hide_person(text, home, user))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _walk(value: Json, hide: Callable[[str], str]) -> Json:
    """Apply `hide` to every text, keys included, so that a replay asks by the names that are stored."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, (list, tuple)):
        return [_walk(item, hide) for item in value]
    if isinstance(value, dict):
        return {hide(key): _walk(item, hide) for key, item in value.items()}
    return value


def _remember(answers: dict[str, T], question: str, answer: T) -> T:
    answers[question] = answer
    return answer
