"""Resolving for Python 2.7, which uv does not know: what the pip of a throw-away environment installs."""

from __future__ import annotations

import json
import re
import subprocess
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from tfup.errors import Need, PinGone, Unresolvable
from tfup.managers import python27, uv
from tfup.model import Wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

COMPILED = ("grpcio", "h5py", "numpy", "protobuf", "pyyaml", "scipy")
"""Never built: that takes a compiler, and hours."""
OPTIONS = ("--quiet", "--no-build-isolation", "--only-binary", ",".join(COMPILED))
NOT_PINNED = {"pip"}  # virtualenv brings it, and it installs the rest
TRIES = 4


def resolve(
    python: str, requirements: Sequence[str], constraints: Sequence[str], mode: uv.Mode = uv.PLAIN
) -> tuple[uv.Resolved, ...]:
    """Return what requirements come to on an interpreter, each package with the file that pip fetched.

    What a constraint pins has no files: who pinned it knows them. The files are kept where `legacy.sync`
    looks for them. The resolver of those days lets a constraint replace what is asked for (the newer one that
    it has on trial does not end): wishes are constraints too, and what `pip check` misses is one of the next
    try.
    Raises Unresolvable or IndexUnreachable.
    """
    known, missed = [*constraints, *requirements], list[str]()
    with uv.scratch() as folder:
        inside = Path(python27.make_venv(python, Path(folder, "venv"), mode))
        brought = versions_in(inside)
        pip = partial(python27.run, inside, "-m", "pip", mode=mode, cache=Path(folder, "cache"))
        for _ in range(TRIES):
            bounds = Path(folder, "constraints.txt")
            bounds.write_text("\n".join(one_for_each(known)), encoding="utf-8")
            install(pip, requirements, bounds, offline=mode.offline)
            missed = re.findall(r" has requirement (.+), but you have ", ask_pip(inside, "check"))
            if not missed:
                found = versions_in(inside)
                if not mode.offline:
                    keep(pip, (f"{name}=={found[name]}" for name in found if name not in brought))
                return with_files(found, constraints)
            known += missed
    sentence = "The packages asked for do not go together."
    need = Need("packages", "versions that go together", ", ".join(missed))
    raise Unresolvable(sentence, (need,), "tfup versions")


def install(pip: Callable[..., str], requirements: Sequence[str], bounds: Path, *, offline: bool) -> None:
    """Install requirements under bounds; what was kept before need not be fetched."""
    places = (*["--no-index"] * offline, "--find-links", python27.kept_files())
    try:
        options = (*places, *OPTIONS, "--prefer-binary", "--constraint", bounds)
        pip("install", *options, *requirements, constrained=True)
    except PinGone as error:  # nothing is pinned yet: it is a wish that nothing meets
        sentence = f"On this Python nothing meets {', '.join(error.pins)}."
        raise Unresolvable(sentence, error.needs, "tfup versions") from error


def keep(pip: Callable[..., str], pins: Iterable[str]) -> None:
    """Keep the files of pins for `legacy.sync`: pip's cache, in which they are, goes with the environment."""
    pip("download", "--no-deps", "--dest", python27.kept_files(), *OPTIONS, "--prefer-binary", *pins)


def with_files(versions: Mapping[str, str], constraints: Iterable[str]) -> tuple[uv.Resolved, ...]:
    """Return versions as packages, those that no constraint pins with their files."""
    files = sorted(python27.kept_files().iterdir())
    new = {name for name, version in versions.items() if f"{name}=={version}" not in constraints}
    return tuple(
        uv.Resolved(name, version, tuple(fetched(files, name, version)) if name in new else ())
        for name, version in versions.items()
    )


def one_for_each(lines: Iterable[str]) -> list[str]:
    """Return one requirement for each package: of several constraints pip heeds the first alone.

    >>> one_for_each(["numpy<1.20", "six", "numpy>=1.13.3"])
    ['numpy<1.20,>=1.13.3', 'six']
    """
    joined: dict[str, SpecifierSet] = {}
    for one in map(Requirement, lines):
        joined[one.name] = joined.get(one.name, SpecifierSet()) & one.specifier
    return [f"{name}{specifier}" for name, specifier in joined.items()]


def ask_pip(inside: Path, *command: str) -> str:
    """Return what pip says of an environment; `pip check` tells by its words what it found."""
    asked = (str(inside), "-m", "pip", "--disable-pip-version-check", *command)
    done = subprocess.run(
        asked, check=False, capture_output=True, encoding="utf-8", env=python27.environment()
    )
    return done.stdout


def versions_in(inside: Path) -> dict[str, str]:
    """Return the version of each package in an environment, by canonical name."""
    listed = json.loads(ask_pip(inside, "list", "--format", "json"))
    versions = {canonicalize_name(one["name"]): one["version"] for one in listed}
    return {name: version for name, version in versions.items() if name not in NOT_PINNED}


def fetched(files: Iterable[Path], name: str, version: str) -> Iterator[Wheel]:
    """Yield the files of a version."""
    for file in files:
        if release_of(file.name) == (name, Version(version)):
            content = file.read_bytes()
            yield Wheel(file.name, sha256(content).hexdigest(), len(content))


def release_of(file: str) -> tuple[str, Version] | None:
    """Return the canonical name and the version in a file's name.

    >>> release_of("Keras-2.0.8.tar.gz")
    ('keras', <Version('2.0.8')>)
    """
    try:
        return parse_wheel_filename(file)[:2] if file.endswith(".whl") else parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
