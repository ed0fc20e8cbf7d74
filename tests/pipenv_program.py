"""The real Pipenv, installed from the index by the tests that ask it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from uv import find_uv_bin

from tests.pythons import interpreters

KEPT = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT", "TMPDIR")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def clean(**more: str) -> dict[str, str]:
    """Return an environment in which pip has no settings of this machine, its certificates apart."""
    kept = {name: os.environ[name] for name in (*KEPT, *PROXIES) if name in os.environ}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "NO_COLOR": "1", **more}


def run(*command: str | Path, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, and show all of its output where it fails."""
    done = subprocess.run(
        list(map(str, command)),
        check=False,
        cwd=folder,
        env=clean(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, f"{command} said:\n{done.stdout}"
    return done


def python_of(minor: str) -> Path:
    """Return this machine's Python of a minor; a machine without it fails the test."""
    return next(path for version, path in interpreters().items() if version.startswith(f"{minor}."))


def install_pipenv(folder: Path, python: str | Path, requirement: str) -> Path:
    """Install a Pipenv of its own, and return the program."""
    uv = find_uv_bin()
    run(uv, "venv", "--quiet", "--python", python, folder, folder=Path.cwd())
    # setuptools for the older ones, which import pkg_resources
    run(uv, "pip", "install", "--quiet", "--python", folder, requirement, "setuptools<82", folder=Path.cwd())
    return folder / "bin" / "pipenv"


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return every file, bytecode apart, with its size and time."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}
