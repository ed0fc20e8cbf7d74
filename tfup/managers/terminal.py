"""A command whose bars are shown on the terminal while all that it says is kept."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r(?!\n)")
"""Colours, cursor movements, and what a later text on the same line wrote over."""


def is_possible() -> bool:
    """Tell whether a program can be given a terminal of ours; Windows has none to give."""
    return os.name == "posix"


def execute(command: list[str], environment: dict[str, str], timeout: float | None) -> tuple[int, str, str]:
    """Run a command that believes to be on a terminal, and return its exit code and its words.

    Programs draw bars on a terminal only, and what goes straight there cannot be read afterwards: so the
    command gets a terminal of its own, and we pass on what it writes. The words are returned without control
    sequences, all as stderr.
    """
    import pty

    ours, theirs = pty.openpty()
    copy_size(theirs)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=os.sep,
        close_fds=False,
    ) as process:
        os.close(theirs)
        try:
            text = b"".join(pass_on(ours)).decode(errors="replace")
            return process.wait(timeout), "", CONTROL.sub("", text.replace("\r\n", "\n"))
        except BaseException:
            process.kill()
            raise
        finally:
            os.close(ours)


def pass_on(source: int) -> Iterator[bytes]:
    """Yield what comes from a terminal's other end, after it was shown."""
    while chunk := read(source):
        sys.stderr.buffer.write(chunk)
        sys.stderr.buffer.flush()
        yield chunk


def read(source: int) -> bytes:
    """Return the next bytes; a terminal whose program has ended answers with an error instead of an end."""
    try:
        return os.read(source, 65536)
    except OSError:
        return b""


def copy_size(target: int) -> None:
    """Give a new terminal the size of the person's, so that bars fit it."""
    import fcntl
    import struct
    import termios

    columns, lines = os.get_terminal_size(sys.stderr.fileno()) if sys.stderr.isatty() else (80, 24)
    fcntl.ioctl(target, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
