"""The engine for Python 2.7, which uv does not know: an old virtualenv, and the pip 20.3 that it brings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tfup.errors import InstallFailed, Need, WrongFile
from tfup.folders import cache_folder
from tfup.managers import uv
from tfup.managers.settings import uv_environment
from tfup.privacy import hide_credentials
from tfup.tables import DATA

if TYPE_CHECKING:
    from collections.abc import Sequence

OLDEST_OF_UV = (3, 6)
REQUIREMENTS = DATA / "virtualenv.txt"
SAID_LAST = 3  # lines of pip's that tell why it gave up


def is_legacy(python: str) -> bool:
    """Tell whether a Python is too old for uv.

    >>> is_legacy("2.7.18"), is_legacy("3.10")
    (True, False)
    """
    return tuple(map(int, python.split(".")[:2])) < OLDEST_OF_UV


def make_venv(python: str, folder: Path, mode: uv.Mode = uv.PLAIN) -> str:
    """Make an environment with the interpreter of that absolute path, and return the interpreter inside."""
    tool = virtualenv(mode)
    data = tool.parents[2] / "app-data"
    options = ("--quiet", "--no-download", "--no-periodic-update", "--app-data", data, "--python", python)
    run(tool, "-m", "virtualenv", *options, folder, mode=mode)
    return uv.interpreter(folder)


def sync(python: str, requirements: Path, mode: uv.Mode = uv.PLAIN, *, wheels: Sequence[str] = ()) -> None:
    """Install exactly the pins into a fresh environment, each file checked against its hash.

    `wheels` are the packages that must come as wheels. The tools that build the others are those of the
    environment, which virtualenv brought: nothing is fetched unpinned.
    """
    options = (
        "--no-deps",
        "--require-hashes",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "--quiet",
    )
    only = ("--only-binary", ",".join(wheels)) if wheels else ()
    run(Path(python), "-m", "pip", "install", *options, *only, "--requirement", requirements, mode=mode)


def virtualenv(mode: uv.Mode) -> Path:
    """Return the interpreter that has virtualenv, in our cache; made when first needed."""
    digest = sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    home = cache_folder(os.environ) / f"virtualenv-{digest}"
    python = Path(uv.interpreter(home))
    if not (home / "made").exists():
        uv.make_venv(sys.executable, home, mode)
        uv.sync(str(python), REQUIREMENTS, mode)
        (home / "made").touch()
    return python


def run(python: Path, *arguments: str | Path, mode: uv.Mode) -> None:
    """Run a module of an interpreter; raises InstallFailed with what it said last."""
    command = [str(python), *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,  # the exit code is looked at below
        close_fds=False,  # the lock on the project is inherited: see transaction.locked
        encoding="utf-8",
        errors="replace",
        env=pip_environment(mode),
        stdin=subprocess.DEVNULL,
    )
    uv.note(mode.log, command, done.stdout + done.stderr)
    if done.returncode:
        raise explain(done.stdout + done.stderr, mode)


def pip_environment(mode: uv.Mode) -> dict[str, str]:
    """Return the environment of a pip of 2020, which obeys its own settings and not uv's.

    What it does not know is said in its words: the index of uv's settings, and the file of certificates.
    """
    known = uv_environment(os.environ)
    said = {
        "PIP_INDEX_URL": known.get("UV_DEFAULT_INDEX") or known.get("UV_INDEX_URL", ""),
        "PIP_CERT": known.get("SSL_CERT_FILE", ""),
        "PIP_CACHE_DIR": str(cache_folder(os.environ) / "pip"),
        "PIP_NO_INDEX": "1" if mode.offline else "",
        "PYTHONNOUSERSITE": "1",
        "PYTHONWARNINGS": "ignore",  # pip says on every run that 2.7 has ended, as if that were news
    }
    return known | {name: value for name, value in said.items() if value and not known.get(name)}


def explain(text: str, mode: uv.Mode) -> InstallFailed:
    """Return the error for what pip or virtualenv said before it gave up."""
    text = hide_credentials(text)
    log = str(mode.log) if mode.log else None
    if "HASHES FROM THE REQUIREMENTS FILE" in text:
        found = re.search(r"^\s+(\S+==\S+) from ", text, re.MULTILINE)
        need = Need(found[1] if found else "package", "the pinned hash", "another one")
        sentence = "The index sent another file than the pinned one; it was not installed."
        return WrongFile(sentence, (need,), "TFUP_INDEX_URL=https://ADDRESS/simple tfup install", log=log)
    last = [line.strip() for line in text.splitlines() if line.strip()][-SAID_LAST:]
    need = Need("pip", "an environment made from the pins", "\n".join(last) or "no word")
    return InstallFailed("pip could not make the environment.", (need,), "tfup doctor", log=log)
