"""Kill an install and an undo before each thing that they do to the disk, and the repair after them likewise.

A program of its own, without threads, because it forks: `FOLDER once` kills the install and the undo only,
`FOLDER twice` the repair, too. Prints how many kills the project survived.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tfup.managers.transaction import set_aside, transaction, undo

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copyfile", "shutil.move", "shutil.rmtree"}


def install(folder: Path, name: str) -> None:
    """Make a generation whose file and environment both say its name; "two" has one file more."""
    with transaction(folder):
        (folder / "Pipfile").write_text(name, encoding="utf-8")
        if name == "two":
            (folder / "requirements.txt").touch()
        set_aside(folder)
        (folder / ".venv").mkdir()
        (folder / ".venv" / "name").write_text(name, encoding="utf-8")
    settle()


def settle() -> None:
    """Wait for the trash to be emptied."""
    for thread in threading.enumerate():
        if thread.name == "trash":
            thread.join()


def state(folder: Path) -> str:
    """Return the generation that is there, or a mixture."""
    names = {(folder / place).read_text(encoding="utf-8") for place in ("Pipfile", ".venv/name")}
    whole = (folder / "requirements.txt").exists() == (names == {"two"})
    return "+".join(sorted(names)) if whole else f"{names} with requirements.txt amiss"


def killed(action: Callable[[], object], step: int) -> bool:
    """Run an action in a child that is killed before its nth step; tell whether it came that far."""
    child = os.fork()
    if child == 0:
        steps = itertools.count(1)

        def die(event: str, arguments: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(arguments[1], str) and "r" not in arguments[1]
            if (writes or event in STEPS) and next(steps) == step:
                os._exit(9)

        sys.addaudithook(die)
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def repaired(folder: Path) -> str:
    """Return what a project says after the next run has come by."""
    with transaction(folder):
        pass
    settle()
    return state(folder)


def survive(folder: Path, action: Callable[[Path], object], outcomes: dict[str, str], *, twice: bool) -> int:
    """Kill an action before each of its steps, and its repair before each of its own; return the kills.

    `outcomes` are the generations that may be there afterwards, each with the one that undo then brings.
    """
    kills = 0
    for step in itertools.count(1):
        for again in itertools.count(1):
            prepare(folder)
            if not killed(lambda: action(folder), step):
                return kills
            came = twice and killed(lambda: repaired(folder), again)
            kills += 1 + came
            judge(folder, outcomes, f"killed at step {step}, its repair at {again}")
            if not came:
                break
    return kills


def undo_again(folder: Path) -> int:
    """Kill an undo before each of its steps and run it again; return the kills."""
    for step in itertools.count(1):
        prepare(folder)
        came = killed(lambda: undo(folder), step)
        if not came:
            return step - 1
        undo(folder)
        if state(folder) != "zero":
            sys.exit(f"killed at step {step} and run again, undo brought {state(folder)}")
    raise AssertionError


def prepare(folder: Path) -> None:
    """Make a project of two generations anew."""
    shutil.rmtree(folder, ignore_errors=True)
    install(folder, "zero")
    install(folder, "one")


def judge(folder: Path, outcomes: dict[str, str], story: str) -> None:
    """End the program unless the project is one whole generation, tidy, and can be taken back."""
    now = repaired(folder)
    left = [*sorted(path.name for path in folder.glob(".tfup/*")), *map(str, folder.glob(".tfup/trash/*"))]
    undo(folder)
    settle()
    then = state(folder)
    if outcomes.get(now) != then or left != ["lock", "previous", "trash"]:
        sys.exit(f"{story}: {now}, undone {then}, leaving {left}")


if __name__ == "__main__":
    place, deep = Path(sys.argv[1], "project"), sys.argv[2] == "twice"
    installs = survive(
        place, lambda folder: install(folder, "two"), {"one": "zero", "two": "one"}, twice=deep
    )
    undos = survive(place, undo, {"one": "zero", "zero": "one"}, twice=deep)
    sys.stdout.write(f"{installs} {undos} {undo_again(place)}")
