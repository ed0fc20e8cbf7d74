"""What carries our words out: streams that may fail, and characters that may not reach a terminal.

A report that cannot be written must not stop the work that it tells of, and a name that a stranger chose must
not move the cursor.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that command a terminal: controls, turns of direction, halves of a pair that no encoding has."""


class Voice:
    """A stream that never fails: once nothing can be written to it, nothing is, and `lost` says why."""

    def __init__(self, stream: TextIO) -> None:
        """Speak through standard output or standard error."""
        self.stream = stream
        self.lost: OSError | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        """Be the stream in everything else."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text as far as the encoding of the stream reaches, the rest as escapes."""
        encoding = self.stream.encoding or "utf-8"
        with self.bearing_failure():
            self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Write what is held back."""
        with self.bearing_failure():
            self.stream.flush()

    @contextmanager
    def bearing_failure(self) -> Iterator[None]:
        """Keep the first failure, and lead the stream to where all later words go, the interpreter's too."""
        try:
            yield
        except OSError as error:
            self.lost = self.lost or error
            with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - pathlib is not needed here
                os.dup2(nowhere.fileno(), self.stream.fileno())


def open_streams() -> None:
    """Open what the caller closed (`>&-`); the next file opened would else be standard output for all."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good


def visible(text: str) -> str:
    r"""Return a text with the characters that would command a terminal as escapes; lines stay lines.

    >>> visible("\x1b[31mred\u202e name")
    '\\x1b[31mred\\u202e name'
    """
    return COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


def visible_json(text: str) -> str:
    r"""Return JSON with such characters as JSON itself escapes them.

    >>> visible_json('"\x9b31m"')
    '"\\u009b31m"'
    """
    return COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
