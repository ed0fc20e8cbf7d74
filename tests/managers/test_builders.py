"""An sdist is built with the very tools that data/builds/builders.txt pins, and with no others."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from functools import cache
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from tests.bare_machine import serve
from tests.loopback_index import be_a_person, sha256, wheel
from tests.pythons import interpreters
from tfup import tables
from tfup.errors import TfupError
from tfup.managers import uv
from tfup.managers.uv import Mode, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVIL = "open({!r}, 'w')\nraise SystemExit('a stranger was asked to build')\n"
PINS = [
    Requirement(line.partition("\\")[0])
    for line in uv.BUILDERS.read_text(encoding="utf-8").splitlines()
    if "==" in line
]


def pinned(name: str, minor: str) -> str:
    """Return the version that is pinned for a Python."""
    fitting = (pin for pin in PINS if pin.name == name)
    full = {"python_full_version": f"{minor}.5", "python_version": minor}
    return next(str(pin.specifier) for pin in fitting if pin.marker is None or pin.marker.evaluate(full))


@pytest.mark.parametrize("minor", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.13", "3.14"])
def test_every_python_has_its_tools(minor: str) -> None:
    """One exact version of setuptools and of wheel is pinned for each Python that builds."""
    assert ["==", "=="] == [pinned(name, minor)[:2] for name in ("setuptools", "wheel")]


# ---------------------------------------------------------------- against a stranger's tools


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be a person whose index has a stranger's setuptools, newer and of all versions that are pinned.

    Yields the file that they make when they are run.
    """
    served, place = tmp_path / "served", tmp_path / "evil"
    versions = [str(pin.specifier)[2:] for pin in PINS if pin.name == "setuptools"]
    files = [
        wheel("setuptools", version, content=EVIL.format(str(place))) for version in ("999.0", *versions)
    ]
    for file, content in (*files, ("gast-0.2.2.tar.gz", sdist())):
        offer(served, file, content)
    with serve(served) as url:
        be_a_person(monkeypatch, str(tmp_path), f"{url}/simple")
        yield place


def offer(served: Path, file: str, content: bytes) -> None:
    """Put a file into an index."""
    page = served / "simple" / file.partition("-")[0] / "index.html"
    for folder in (served / "files", page.parent):
        folder.mkdir(parents=True, exist_ok=True)
    (served / "files" / file).write_bytes(content)
    with page.open("a", encoding="utf-8") as stream:
        stream.write(f'<a href="/files/{file}#sha256={sha256(content)}">{file}</a>\n')


@cache
def sdist() -> bytes:
    """Return an sdist as they were made before pyproject.toml; once, for gzip notes the time."""
    target = io.BytesIO()
    texts = {
        "setup.py": "from setuptools import setup\nsetup(name='gast', version='0.2.2')\n",
        "PKG-INFO": "Metadata-Version: 1.0\nName: gast\nVersion: 0.2.2\n",
    }
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, text in texts.items():
            entry = tarfile.TarInfo(f"gast-0.2.2/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return target.getvalue()


def requirements_for_gast(folder: Path) -> Path:
    """Write what pins the sdist."""
    file = folder / "requirements.txt"
    file.write_text(f"gast==0.2.2 --hash=sha256:{sha256(sdist())}\n", encoding="utf-8")
    return file


def test_a_strangers_tools_do_not_run(evil: Path, tmp_path: Path) -> None:
    """Newer tools are passed over, and files that only claim to be the pinned ones are refused."""
    python = uv.make_venv(sys.executable, tmp_path / ".venv")
    mode = Mode(log=tmp_path / "log.txt")

    with pytest.raises(TfupError):
        uv.sync(python, requirements_for_gast(tmp_path), mode)

    assert "hash" in (tmp_path / "log.txt").read_text(encoding="utf-8").lower()
    assert not evil.exists()


def test_a_strangers_tools_do_not_run_for_a_plan_either(evil: Path) -> None:
    """Asking an sdist what it needs runs the same tools, and none but these."""
    with pytest.raises(TfupError):
        uv.resolve(["gast"], Target("3.11", "linux_x86_64", "2.31"), sdists=["gast"])

    assert not evil.exists()


def test_without_the_pins_the_stranger_would_run(evil: Path, tmp_path: Path) -> None:
    """What the two tests above guard against is real: uv alone takes the newest setuptools, and runs them."""
    python = uv.make_venv(sys.executable, tmp_path / ".venv")
    command = [uv.find_uv(), "pip", "sync", "--require-hashes", "--python", python]

    done = subprocess.run(
        [*command, requirements_for_gast(tmp_path)], check=False, capture_output=True, timeout=60, text=True
    )

    assert evil.exists(), done.stderr


# ---------------------------------------------------------------- with the real ones


@pytest.mark.network
@pytest.mark.parametrize(
    ("minor", "pin"),
    [("3.6", "theano==1.0.5"), ("3.7", "gast==0.2.2"), ("3.8", "jax==0.4.13"), ("3.9", "wrapt==1.12.1")],
)
def test_an_sdist_is_built_with_what_is_pinned(
    minor: str, pin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that uv chose to build a real sdist, each is exactly what the file has for that Python."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("RUST_LOG", "uv_resolver=debug")
    base = next(path for version, path in interpreters().items() if version.startswith(f"{minor}."))
    (source,) = (file for file in tables.files()[pin] if not file.file.endswith(".whl"))
    requirements, log = tmp_path / "requirements.txt", tmp_path / "log.txt"
    requirements.write_text(f"{pin} --hash=sha256:{source.sha256}\n", encoding="utf-8")

    uv.sync(uv.make_venv(str(base), tmp_path / ".venv"), requirements, Mode(log=log))

    chosen = set(re.findall(r"Selecting: ([\w-]+)(==\S+)", log.read_text(encoding="utf-8")))
    builders = {(name, version) for name, version in chosen if f"{name}{version}" != pin}
    assert ("setuptools", pinned("setuptools", minor)) in builders
    assert builders <= {(name, pinned(name, minor)) for name in ("setuptools", "wheel")}
