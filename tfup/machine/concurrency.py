"""Run things side by side, and never wait longer than we said."""

from __future__ import annotations

from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

WORKERS = 16


def run_together(tasks: Sequence[Callable[[], T]], seconds: float) -> list[T | None]:
    """Return the answer of each task, None for those that were not done in time.

    What a task raises is raised here. The threads are daemons: one that hangs (a dead network
    drive) is left behind and does not keep the process from ending, as those of
    `concurrent.futures` would.
    """
    answers: list[T | None] = [None] * len(tasks)
    failures: list[Exception] = []
    todo: SimpleQueue[int] = SimpleQueue()
    for number in range(len(tasks)):
        todo.put(number)
    work = partial(_work, todo, tasks, answers, failures)
    _wait([Thread(target=work, daemon=True) for _ in tasks[:WORKERS]], seconds)
    if failures:
        raise failures[0]
    return list(answers)


def _wait(threads: Sequence[Thread], seconds: float) -> None:
    end = monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - monotonic()))


def _work(
    todo: SimpleQueue[int],
    tasks: Sequence[Callable[[], T]],
    answers: list[T | None],
    failures: list[Exception],
) -> None:
    try:
        while True:
            number = todo.get_nowait()
            answers[number] = tasks[number]()
    except Empty:
        return
    except Exception as error:  # noqa: BLE001 (it is raised again where it can be heard)
        failures.append(error)
