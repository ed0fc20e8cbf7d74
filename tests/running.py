"""Run tfup as a person does: as a process, in a folder of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
LAUNCHER = ROOT / "installers" / "start.py"
KEPT = ("PATH", "PYENV_ROOT", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "UV_CACHE_DIR", "TMPDIR", "CI")
SETTINGS = ("PIP_", "UV_", "TFUP_")


class Run(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Return what was printed, which must be one JSON document."""
        document: dict[str, Any] = json.loads(self.out)
        return document


def tfup(
    *words: str | Path, cwd: Path, home: Path | None = None, timeout: float = 1200, **variables: str
) -> Run:
    """Run tfup; without a home of its own it gets the working folder."""
    return run(command(*words), cwd, environment(home or cwd) | variables, timeout)


def command(*words: str | Path) -> list[str | Path]:
    """Return the command line of tfup in this clone."""
    return [sys.executable, "-I", LAUNCHER, *words]


def run(command: Sequence[str | Path], cwd: Path, variables: Mapping[str, str], timeout: float = 1200) -> Run:
    """Run a command to its end, without a terminal."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=timeout,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def environment(home: Path) -> dict[str, str]:
    """Return a plain environment: the person's settings of the index count, for they decide where it is.

    uv's cache is shared, so that a test does not fetch what another has fetched.
    """
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(SETTINGS)}
    cache = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
    return kept | {"HOME": str(home), "UV_CACHE_DIR": cache, "TFUP_CACHE_DIR": str(home / ".cache" / "tfup")}
