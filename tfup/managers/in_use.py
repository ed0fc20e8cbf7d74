"""Windows keeps the files of running programs in their place: what runs in an environment is waited for.

Elsewhere a running program goes on with the files that it has, wherever they are moved.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from tfup.errors import InstallFailed, Need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 600.0  # seconds; who waits in front of the screen ends the program or presses Ctrl-C sooner
POLL = 2.0


class User(NamedTuple):
    """A process that runs a program of a folder."""

    number: int
    name: str

    def __str__(self) -> str:
        """Return the process as people find it in their task manager."""
        return f"{self.name} (process {self.number})"


def wait(
    folder: Path,
    say: Callable[[str], None],
    *,
    patience: float | None = None,
    poll: float = POLL,
    users: Callable[[Path], Iterator[User]] | None = None,
) -> None:
    """Return once no program of the folder runs; say which do, and raise InstallFailed if they do not end.

    Only Windows is asked, unless a test says who the `users` are.
    """
    if users is None and (os.name != "nt" or not folder.exists()):
        return
    find = users or users_of
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    told: list[User] = []
    while running := list(find(folder)):
        if running != told:
            say(f"{names(running)} runs from {folder}; tfup goes on when it has ended, Ctrl-C gives up.")
            told = running
        if time.monotonic() > end:
            raise still_running(folder, running)
        time.sleep(poll)


def still_running(folder: Path, running: list[User]) -> InstallFailed:
    """Return the error for programs that did not end."""
    need = Need("environment", "no program that runs from it", names(running))
    sentence = f"{folder} is in use, and Windows replaces no file of a running program; all is as it was."
    return InstallFailed(sentence, (need,), f"taskkill /pid {running[0].number}")


def names(running: list[User]) -> str:
    """Return processes as words."""
    return ", ".join(map(str, running))


def users_of(folder: Path) -> Iterator[User]:
    """Yield the processes whose program lies in a folder; those that may not be looked at are not ours."""
    import psutil

    inside = os.path.normcase(f"{folder}{os.sep}")
    for process in psutil.process_iter(["exe", "name"]):
        program = process.info["exe"] or ""
        if os.path.normcase(program).startswith(inside):
            yield User(process.pid, process.info["name"] or program)
