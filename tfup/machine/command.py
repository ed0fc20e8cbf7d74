"""Run a command that can neither hang us, nor flood us, nor see our own Python's settings."""

from __future__ import annotations

import os
import signal
import subprocess
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OUTPUT_LIMIT = 1_000_000
KILLED_SECONDS = 1.0


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Drop what would change a Python that we start, and ask for untranslated messages."""
    private = ("PYTHON", "__PYVENV_LAUNCHER__", "LC_", "LANGUAGE")
    kept = {name: value for name, value in environ.items() if not name.upper().startswith(private)}
    return kept | {"LC_ALL": "C"}


def run_command(command: Sequence[str], environ: Mapping[str, str], seconds: float) -> str | None:
    """Return what the command printed; None where it is absent, fails, is too slow or prints without end."""
    try:
        process = _start(command, environ)
    except (OSError, ValueError):
        return None
    try:
        return _listen(process, monotonic() + seconds)
    finally:
        _end(process)


def _start(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Give it a session of its own, so that its children can be ended with it."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        command, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing, env=environ, start_new_session=True
    )


def _listen(process: subprocess.Popen[bytes], end: float) -> str | None:
    """Read in a thread, for a pipe has no time limit; a grandchild may keep it open for ever."""
    chunks: list[bytes] = []
    reader = Thread(target=_read, args=(process, chunks), daemon=True)
    reader.start()
    reader.join(max(0.0, end - monotonic()))
    if reader.is_alive() or len(chunks[0]) == OUTPUT_LIMIT:
        return None
    return decode(chunks[0]) if _succeeded(process, end) else None


def decode(output: bytes) -> str:
    r"""Return what a program printed as text; Windows' own programs may write UTF-16, without a mark.

    >>> decode("Ubuntu\n".encode("utf-16-le")), decode("Ubuntu\n".encode())
    ('Ubuntu\n', 'Ubuntu\n')
    """
    return output.decode("utf-16-le" if b"\0" in output else "utf-8", "replace").removeprefix("\ufeff")


def _read(process: subprocess.Popen[bytes], chunks: list[bytes]) -> None:
    with process.stdout as pipe:  # type: ignore[union-attr]  # it is a pipe: see _start
        chunks.append(pipe.read(OUTPUT_LIMIT))


def _succeeded(process: subprocess.Popen[bytes], end: float) -> bool:
    try:
        return process.wait(max(0.0, end - monotonic())) == 0
    except subprocess.TimeoutExpired:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of it running; while the pipe is open, somebody of its family still is."""
    if process.poll() is not None and process.stdout and process.stdout.closed:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
        process.wait(KILLED_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return  # It is stuck in the kernel, and ends when that lets go.
