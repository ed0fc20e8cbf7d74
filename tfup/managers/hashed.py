"""The one way to put packages into what is there already: exact pins, each file checked against its hash.

The repairs of doctor and what a training borrows come this way. The versions are decided once; the hashes
are those of the project's own files, and what these do not know is asked of the index once, and logged.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from tfup import tables
from tfup.errors import LacksWheels
from tfup.formats.requirements import one_spelling, pin_line
from tfup.managers import python27, uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tfup.formats.requirements import Hashes

WOULD_INSTALL = re.compile(r"^ \+ ([\w.-]+==\S+)", re.MULTILINE)
WHEELS_ALONE = ("--only-binary", ":all:")


class Destination(NamedTuple):
    """Where packages go: into the environment of an interpreter, or into a folder beside it."""

    python: str
    mode: uv.Mode
    known: Hashes
    """What the project's own files know, see `formats.read_hashes`."""
    folder: Path | None = None
    """Wheels alone go into it."""
    old: bool = False
    """Whether the interpreter is too old for uv."""


# ---------------------------------------------------------------- versions


def changes(
    destination: Destination, requirements: Sequence[str], sources: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Return the pins that meet requirements beside what is installed; nothing is changed.

    Only uv's dry run tells what it would leave as it is. A source is run to learn what it needs: only what
    has no wheel comes as one, see `sources`, and is checked first where the project knows its hash.
    """
    try:
        with uv.scratch() as folder:
            options = source_options(destination, sources, Path(folder, "constraints.txt"))
            return tuple(WOULD_INSTALL.findall(run_uv(destination, "--dry-run", *options, *requirements)))
    except LacksWheels as error:
        if sources.issuperset(error.names):
            raise
        return changes(destination, requirements, sources.union(error.names))


def source_options(destination: Destination, sources: frozenset[str], file: Path) -> list[str | Path]:
    """Return the options that let these packages come as sources, and no others; the file is for hashes."""
    known = (pin_line(pin, hashes) for pin, hashes in destination.known.items() if name_of(pin) in sources)
    hashed = uv.listed("--constraints", [*known], file)
    return [*WHEELS_ALONE, *uv.only("--no-binary", sorted(sources)), *builders(sources), *hashed]


def resolve(destination: Destination, requirements: Sequence[str], there: Mapping[str, str]) -> Hashes:
    """Return the pins, with their hashes, that requirements ask for beside the versions that are there.

    Wheels alone count; the index is asked once.
    """
    with uv.scratch() as folder:
        constraints = [f"{name}=={version}" for name, version in there.items()]
        options = (
            *WHEELS_ALONE,
            *uv.listed("--constraint", constraints, Path(folder, "constraints.txt")),
        )
        if destination.old:
            found = python27.download(destination.python, requirements, options, destination.mode)
        else:
            found = compiled(destination, requirements, options)
    return {pin: hashes for pin, hashes in found.items() if name_of(pin) not in there}


# ---------------------------------------------------------------- hashes


def with_hashes(destination: Destination, pins: Sequence[str]) -> Hashes:
    """Return pins with their hashes: those that the project knows, else what the index says."""
    known = {one_spelling(pin): hashes for pin, hashes in destination.known.items()}
    unknown = [pin for pin in pins if one_spelling(pin) not in known]
    if unknown:
        asked = ask_index(destination, unknown)
        known |= {one_spelling(pin): hashes for pin, hashes in asked.items()}
    # without a hash, an install is refused
    return {pin: known.get(one_spelling(pin), ()) for pin in pins}


def ask_index(destination: Destination, pins: Sequence[str]) -> Hashes:
    """Return the hashes that the index has for pins; PinGone where it lacks one."""
    with uv.pins_missed("\n".join(pins)):
        return compiled(destination, pins, ("--no-deps", *builders(pins)))


def compiled(destination: Destination, requirements: Sequence[str], options: Sequence[str | Path]) -> Hashes:
    """Return what `uv pip compile` makes of requirements for this interpreter, with the hashes of all files.

    As pylock.toml: in its other format uv leaves out hashes that the index does not tell.
    """
    mode = destination.mode._replace(live=False)
    command = ("pip", "compile", *uv.pylock_options(destination.python, mode), *options, "-")
    found = uv.parse_pylock(uv.run(*command, mode=mode, text="\n".join(requirements)).answer)
    return {
        f"{one.name}=={one.version}": tuple(f"sha256:{file.sha256}" for file in one.files) for one in found
    }


# ---------------------------------------------------------------- the change


def install(destination: Destination, pins: Hashes) -> None:
    """Install exactly these pins, also over what is there; a file with another hash ends it before a change.

    Raises WrongFile for such a file, PinGone where the index lacks a pin.
    """
    if destination.old:
        install_old(destination, pins)
    else:
        install_pins(destination, pins)


def rehearse(destination: Destination, pins: Hashes) -> None:
    """Make sure that the index has pins, before what they replace is removed; changes nothing."""
    install_pins(destination, pins, "--dry-run")


def install_pins(destination: Destination, pins: Hashes, *options: str) -> None:
    """Let uv install pins."""
    folder = destination.folder
    where = ("--target", str(folder), *WHEELS_ALONE) if folder else ("--reinstall",)
    with written(destination, pins) as file, uv.pins_missed("\n".join(pins)):
        exact = ("--require-hashes", "--no-deps", *builders(pins), "--requirement", file)
        run_uv(destination, *options, *where, *exact)


def install_old(destination: Destination, pins: Hashes) -> None:
    """Let an old pip install pins."""
    folder = destination.folder
    where = ("--target", str(folder)) if folder else ("--force-reinstall",)
    wheels = (":all:",) if folder else ()
    with written(destination, pins) as file:
        python27.sync(destination.python, Path(file), destination.mode, wheels=wheels, where=where)


@contextmanager
def written(destination: Destination, pins: Hashes) -> Iterator[str]:
    """Yield a file with pins for the length of a block; the log has them too, and keeps them."""
    lines = "\n".join(pin_line(pin, hashes) for pin, hashes in pins.items())
    with uv.scratch() as folder:
        file = Path(folder, "requirements.txt")
        file.write_text(f"{lines}\n", encoding="utf-8")
        uv.note(destination.mode.log, ("cat", str(file)), lines)
        yield str(file)


def run_uv(destination: Destination, *words: str | Path) -> str:
    """Let uv install, and return what it remarked."""
    python = destination.python
    linked = uv.link_mode(destination.folder or Path(python))
    command = ("pip", "install", "--python", python, *linked, *map(str, words))
    return uv.fetch_pins(command, destination.mode)


def builders(pins: Iterable[str]) -> list[str]:
    """Return the option that pins the tools which build those that never have a wheel."""
    sources = {row.name for row in tables.load("builds/sdists.json", tables.SdistRow)}
    return uv.builders(sources.intersection(map(name_of, pins)))


def name_of(pin: str) -> str:
    """Return the name of the package that is pinned."""
    return canonicalize_name(pin.partition("==")[0])
