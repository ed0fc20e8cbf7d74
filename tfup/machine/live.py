"""The machine that we are on, behind the door of probe.py."""

from __future__ import annotations

import os
import stat
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from tfup.machine.command import clean_environment, run_command
from tfup.machine.probe import RUN_SECONDS
from tfup.machine.readers import READERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfup.machine.probe import Json

READ_LIMIT = 1_000_000


class Live:
    """The machine that we are on."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Take the environment variables from `environ`, else from the process."""
        self.environ = dict(os.environ if environ is None else environ)

    def read(self, path: str) -> str | None:
        """Read at most a megabyte; a pipe or device is not read, for it might never end."""
        try:
            if not stat.S_ISREG(Path(path).stat().st_mode):
                return None
            with Path(path).open("rb") as file:
                return file.read(READ_LIMIT).decode("utf-8", "replace")
        except (OSError, ValueError):
            return None

    def run(self, *command: str, timeout: float = RUN_SECONDS) -> str | None:
        """Run a command in a cleaned environment, with nothing to read and its complaints dropped."""
        return run_command(command, clean_environment(self.environ), timeout)

    def glob(self, pattern: str) -> list[str]:
        """Leave out names that are not UTF-8: no JSON document could hold them."""
        try:
            return sorted(filter(_is_text, glob(pattern)))  # noqa: PTH207 (a whole path)
        except (OSError, ValueError):
            return []

    def variable(self, name: str) -> str | None:
        """Replace what is not UTF-8 in a value."""
        value = self.environ.get(name)
        return None if value is None else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def ask(self, name: str, *arguments: str) -> Json | None:
        """Call the reader of that name with this probe."""
        try:
            return READERS[name](self, *arguments)
        except Exception:  # noqa: BLE001 (libraries raise what they like; the door says None)
            return None


def _is_text(path: str) -> bool:
    return path.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in path)
