"""Ask an interpreter what it is, and remember the answer for as long as its file stays the same."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from msgspec import MsgspecError, Struct, json, to_builtins

from tfup.files import write_whole
from tfup.folders import optional_cache

if TYPE_CHECKING:
    from tfup.machine.live import Live
    from tfup.machine.probe import Json

MARKER = "\ntfup-interview: "
INTERVIEW_SECONDS = 5.0
SILENCE_KEPT_SECONDS = 600.0
"""A broken interpreter is asked again after that; a good one when its file changes."""


class Answer(Struct):
    """What an interpreter says about itself; `interpreter_probe.py` asks."""

    executable: str
    version: str
    implementation: str
    bits: int
    machine: str
    abi: str | None
    free_threaded: bool
    prefix: str
    base_prefix: str
    base_executable: str | None
    conda: bool


class Memory(Struct):
    """A remembered interview: of which file, and when."""

    path: str
    modified_ns: int
    bytes: int
    asked: float
    answer: Answer | None


def interview(live: Live, path: str) -> Json:
    """Return the answer of the interpreter at this real path, as JSON holds it."""
    script = Path(__file__).with_name("interpreter_probe.py").read_text(encoding="utf-8")
    cache = optional_cache(live.environ)
    file = memory_file(cache, path, script) if cache else None
    memory = recall(file, path) if file else None
    if memory is None:
        memory = _ask(live, path, script)
        if file:
            remember(file, memory)
    answer: Json = to_builtins(memory.answer)
    return answer


def _ask(live: Live, path: str, script: str) -> Memory:
    state = Path(path).stat()
    text = live.run(path, "-s", "-c", script, timeout=INTERVIEW_SECONDS)
    return Memory(path, state.st_mtime_ns, state.st_size, time(), parse_answer(text or ""))


def is_interpreter(path: str) -> bool:
    r"""Tell whether a program has the name of an interpreter.

    >>> [is_interpreter(path) for path in ("/usr/bin/python3.13t", r"C:\Python27\python.exe", "pypy3.10")]
    [True, True, True]
    >>> [is_interpreter(path) for path in ("/usr/bin/python3.11-config", r"C:\Py\pythonw.exe", "pytest")]
    [False, False, False]
    """
    name = r"(?:python|pypy)(?:\d(?:\.\d+)?t?)?(?:\.exe)?|platform-python"
    return re.search(rf"(?:^|[/\\])(?:{name})$", path, re.IGNORECASE) is not None


def parse_answer(text: str) -> Answer | None:
    r"""Find the answer between what start-up hooks print; anything else is None.

    >>> parse_answer("welcome!\ntfup-interview: {}\n") is None
    True
    >>> parse_answer("Python was not found; run without arguments to install from the Store") is None
    True
    """
    line = text.rpartition(MARKER)[2].partition("\n")[0]
    try:
        return json.decode(line, type=Answer)
    except (MsgspecError, UnicodeError):
        return None


# ---------------------------------------------------------------- the memory


def memory_file(cache: Path, path: str, script: str) -> Path:
    """Return the file that remembers one interpreter and one set of questions, so that writers never meet."""
    digest = sha256(f"{path}\0{script}".encode()).hexdigest()[:32]
    return cache / "interpreters" / f"{digest}.json"


def recall(file: Path, path: str) -> Memory | None:
    """Return what we remember, None where the interpreter has changed since or the memory is of no use."""
    try:
        memory = json.decode(file.read_bytes(), type=Memory)
        state = Path(path).stat()
    except (OSError, MsgspecError, UnicodeError):
        return None
    return memory if _is_fresh(memory, path, state) else None


def remember(file: Path, memory: Memory) -> None:
    """Write the memory in one stroke; where that cannot be, the interpreter is asked again next time.

    A wrapper that leads to another interpreter is not remembered: it may lead elsewhere tomorrow.
    """
    if memory.answer and os.path.realpath(memory.answer.executable) != memory.path:
        return
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(file, json.encode(memory))


def _is_fresh(memory: Memory, path: str, state: os.stat_result) -> bool:
    same = (path, state.st_mtime_ns, state.st_size) == (memory.path, memory.modified_ns, memory.bytes)
    return same and (memory.answer is not None or abs(time() - memory.asked) < SILENCE_KEPT_SECONDS)
