"""Ctrl-C, a closed terminal, a system that shuts down: each ends a run once, and never within a step."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""SIGHUP comes when the terminal was closed, or ssh has lost it."""


class Interruption:
    """What a signal does, and whether one waits for a step to be done or comes too late."""

    steps = 0
    waits = over = False

    def forget(self) -> None:
        """Begin anew: the run before has ended."""
        self.waits = self.over = False

    def __call__(self, _signal: int, _frame: object) -> None:
        """Raise KeyboardInterrupt at the first signal; a key that is held down must not break the repair."""
        if self.steps:
            self.waits = True
        elif not self.over:
            self.end()

    def end(self) -> NoReturn:
        """Raise KeyboardInterrupt, once."""
        self.over, self.waits = True, False
        raise KeyboardInterrupt


interruption = Interruption()


def listen() -> None:
    """Let signals end this run as Ctrl-C does, but those that the caller ignores, as nohup does."""
    interruption.forget()
    if threading.current_thread() is not threading.main_thread():  # others cannot set any
        return
    for number in known():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interruption)


def ignore_all() -> None:
    """Let no further signal change the answer of a run that was interrupted, while its Python ends."""
    for number in known() if threading.current_thread() is threading.main_thread() else ():
        signal.signal(number, signal.SIG_IGN)


def known() -> list[signal.Signals]:
    """Return those of NAMES that this system has."""
    return [getattr(signal, name) for name in NAMES if hasattr(signal, name)]


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back while the block runs; one that came ends the run after it."""
    interruption.steps += 1
    try:
        yield
    finally:
        interruption.steps -= 1
    if interruption.waits and not interruption.steps and not interruption.over:
        interruption.end()


def go_to_the_end() -> None:
    """Let no signal end this run any more: what was asked for is done, and the answer is to say so."""
    interruption.over = True
