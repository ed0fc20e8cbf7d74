"""The Pythons that can load a build: those here, and those that can be fetched."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from packaging.version import Version

from tfup import tables
from tfup.match.conda_channels import has_python
from tfup.match.platforms import minor_of, processor_of, python_release
from tfup.tables import PythonRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.model import Build, Interpreter, Machine, System, Wish


FLOORS = {"linux": "a Linux with glibc", "macos": "macOS", "windows": "Windows"}
parsed = lru_cache(maxsize=64)(Version)  # a few Pythons are held against a thousand wheels


def fitting_pythons(build: Build, machine: Machine) -> list[Interpreter]:
    """Return the interpreters here that can load the wheel, the newest first."""
    fitting = [python for python in machine.pythons or () if loads(python, build, machine.system)]
    return sorted(fitting, key=lambda python: (Version(python.version), python.path), reverse=True)


def loads(python: Interpreter, build: Build, system: System) -> bool:
    """Tell whether an interpreter has the wheel's implementation, ABI and architecture."""
    release = parsed(python.version)
    return (
        python.implementation == "cpython"
        and not python.free_threaded
        and not release.is_prerelease
        and release.release[:2] == python_release(build.python_tag)
        and python.abi in {None, build.abi}
        and python.bits in {None, 64}
        and (python.arch is None or system.arch is None or python.arch == processor_of(system))
    )


def usable_pythons(build: Build, machine: Machine, wish: Wish) -> list[Interpreter]:
    """Return those of the fitting interpreters that the wish allows, newest first; conda brings its own."""
    if wish.manager == "conda":
        return []
    return [python for python in fitting_pythons(build, machine) if is_wished(python, wish)]


def is_wished(python: Interpreter, wish: Wish) -> bool:
    """Tell whether an interpreter is the Python wished for: a minor, or an exact version."""
    return wish.python is None or f"{python.version}.".startswith(f"{wish.python}.")


def wished_version(build: Build, wish: Wish) -> str:
    """Return the Python to obtain for a wheel: the very one wished for, else the minor."""
    minor = minor_of(build.python_tag)
    return wish.python if wish.python and wish.python.startswith(f"{minor}.") else minor


# ---------------------------------------------------------------- those that can be fetched


@cache
def python_rows() -> dict[tuple[str, str], PythonRow]:
    """Return what uv can fetch, by Python tag and family."""
    return {(row.python_tag, row.family): row for row in tables.load("builds/pythons.json", PythonRow)}


def python_row(build: Build) -> PythonRow | None:
    """Return what uv can fetch for the wheel."""
    return python_rows().get((build.python_tag, build.family))


def obtainable(build: Build, system: System, wish: Wish) -> bool:
    """Tell whether uv or conda can fetch an interpreter for the wheel: the very one that was wished for."""
    if wish.manager == "conda":
        return has_python(minor_of(build.python_tag), build.family)
    row, patch = python_row(build), wished_version(build, wish).split(".")[2:]
    return row is not None and starts_on(system, row) and all(int(part) in row.patches for part in patch)


def starts_on(system: System, row: PythonRow) -> bool:
    """Tell whether a Python that uv fetches starts on a system; where too little is known, it does."""
    release = system.libc_version if system.os == "linux" else system.version
    known = re.match(r"\d{1,6}(\.\d{1,6})?", release or "")
    if system.os not in FLOORS or system.libc == "musl" or not known:
        return True
    return Version(known[0]) >= Version(row.oldest)


# ---------------------------------------------------------------- words


def describe_pythons(machine: Machine) -> Iterator[str]:
    """Yield the interpreters here, the newest first, each with what is wrong with it for this processor."""
    words = {(python.version, foreign_word(python, machine)) for python in machine.pythons or ()}
    for version, word in sorted(words, key=described_order, reverse=True):
        yield f"{version} ({word})" if word else version


def described_order(described: tuple[str, str | None]) -> tuple[object, ...]:
    """Order versions with what is wrong with each: total, so that no order of the interpreters shows."""
    version, word = described
    return Version(version), version, word is None, word or ""


def foreign_word(python: Interpreter, machine: Machine) -> str | None:
    """Return what is wrong with an interpreter for this processor, None where nothing is."""
    processor = processor_of(machine.system)
    if python.bits == 32:  # noqa: PLR2004 -- a width, not magic
        return "32 bit"
    if None in {python.arch, processor} or python.arch == processor:
        return None
    dies = "; under Rosetta TensorFlow dies at its first AVX instruction"
    return f"made for {python.arch}{dies if machine.system.os == 'macos' else ''}"


def python_remedy(build: Build, machine: Machine, version: str) -> str:
    """Return how this Python could be had."""
    minor, row, system = minor_of(build.python_tag), python_row(build), machine.system
    here = fitting_pythons(build, machine)
    if row and not here and not starts_on(system, row):
        return f"use {FLOORS[system.os or '']} {row.oldest} or newer, where tfup can fetch CPython {minor}"
    if (row or here) and version != minor:
        return f"ask for --python {minor}"
    how = "" if system.os == "windows" else f" (for instance: pyenv install {version})"
    return f"install CPython {version}{how} and run the same command again"
