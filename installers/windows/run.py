"""Runs tfup from this clone, or the one that tfup-setup.exe installed.

What is said also goes into the file that TFUP_TRANSCRIPT names, for a window may be closed unread.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).parents[2]
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Both:
    """A stream whose words are kept in a file, too."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        """Speak through `stream`."""
        self.stream = stream
        self.file = file

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        """Be the stream in everything else."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text to both."""
        self.file.write(COLOURS.sub("", text))
        self.file.flush()
        return self.stream.write(text)


def main() -> int:
    """Return the exit code of tfup."""
    sys.pycache_prefix = str(Path(sys.prefix).with_name("bytecode"))  # the clone may be read-only
    if (ROOT / "tfup").is_dir():
        sys.path.insert(0, str(ROOT))
    from tfup.cli import main as tfup

    transcript = os.environ.get("TFUP_TRANSCRIPT")
    if not transcript or sys.stdout is None or sys.stderr is None:
        return tfup()
    with open(transcript, "a", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 - as the person wrote it
        sys.stdout, sys.stderr = Both(sys.stdout, file), Both(sys.stderr, file)
        return tfup()


if __name__ == "__main__":
    sys.exit(main())
