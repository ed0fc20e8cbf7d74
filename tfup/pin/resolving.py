"""What was wished for beside a build, resolved under the pins of its lock, or under our bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfup import tables
from tfup.errors import LacksWheels, Need, Unresolvable
from tfup.pin.files import pin_of, usable_files
from tfup.requirements import KERAS, is_build, is_keras, named, parse
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tfup.managers.uv import Resolved
    from tfup.model import Choice, Pin, Wish
    from tfup.pin.companions import Companions


Resolve: TypeAlias = "Callable[[Choice, Sequence[str], Sequence[str], Sequence[str]], Sequence[Resolved]]"
"""Called with the choice, requirements, constraints, and the names that may be built from an sdist."""

TRIES = 8


def wished_extras(wish: Wish, pins: Sequence[Pin], choice: Choice | None = None) -> list[str]:
    """Return what was wished for beside the build and is not met by the pins already."""
    pinned = {item.name: item.version for item in pins}
    if "keras-nightly" in pinned:  # it is the package keras under another name
        pinned["keras"] = pinned["keras-nightly"]
    mine = is_keras if choice and choice.project == KERAS else is_build
    return [text for text in wish.requirements if not mine(text) and not meets(parse(text), pinned)]


def meets(wanted: Requirement, pinned: dict[str, str]) -> bool:
    """Tell whether a pin satisfies a requirement as it stands."""
    version = pinned.get(canonicalize_name(wanted.name))
    plain = not wanted.extras and wanted.marker is None and wanted.url is None
    return plain and version is not None and wanted.specifier.contains(version, prereleases=True)


def resolved_pins(
    choice: Choice,
    companions: Companions,
    locked: Sequence[Pin],
    extras: Sequence[str],
    resolve: Resolve,
) -> tuple[tuple[Pin, ...], tuple[str, ...]]:
    """Resolve what was wished for beside the build, under its lock, or under our bounds where it has none.

    Returns the pins, and the names of those that must be built from their source.
    """
    displaced = named(extras)
    kept = [f"{item.name}=={item.version}" for item in locked if item.name not in displaced]
    build = f"{choice.project}=={choice.version}"
    requirements = (build, *companions.paired(displaced), *companions.required, *extras)
    aliases = companions.aliases
    constraints = (*kept, *companions.bounds, *(f"{name}=={choice.version}" for name in aliases))
    try:
        asked = Asked(requirements, constraints, build=bool(extras))
        pins, built = resolve_for_oldest(choice, companions, asked, resolve)
    except Unresolvable as error:
        tell_clashes(error, companions, extras)
        raise
    before = {item.name for item in locked} or None
    # A package may ask for tensorflow where the build is tensorflow-cpu: it has it
    in_order = sorted((item for item in pins if item.name not in aliases), key=lambda item: item.name)
    return tuple(mark_extra(item, before, displaced) for item in in_order), built


def tell_clashes(error: Unresolvable, companions: Companions, extras: Sequence[str]) -> None:
    """Add to an error which of our bounds the wishes contradict, with the reason, and what to type instead.

    uv calls every bound that it was given one of the person's.
    """
    met: list[str] = []
    for text in extras:
        clashing = [rule for rule in companions.rules if clash(parse(text), Requirement(rule.bound))]
        if clashing:
            name = canonicalize_name(parse(text).name)
            range_ = SpecifierSet(",".join(str(Requirement(rule.bound).specifier) for rule in clashing))
            error.needs += (Need(name, f"{range_}: {'; '.join(rule.why for rule in clashing)}", text),)
        met.append(f"{name}{range_}" if clashing else text)
    if met != [*extras]:
        error.hint = typed("tfup", "plan", *companions.words, *met)


def clash(wished: Requirement, bound: Requirement) -> bool:
    """Tell whether no version that is known, by our locks or by the wish itself, meets both."""
    if canonicalize_name(wished.name) != bound.name:
        return False
    written = (item.version.removesuffix(".*") for item in wished.specifier)
    locked = tables.locked_versions().get(bound.name, ())
    both = wished.specifier & bound.specifier
    return not any(both.contains(version, prereleases=True) for version in (*written, *locked))


class Asked(NamedTuple):
    """What is to be resolved."""

    requirements: Sequence[str]
    constraints: Sequence[str]
    build: bool
    """Whether what is neither ours nor has a wheel may be built from its source."""


def resolve_for_oldest(
    choice: Choice, companions: Companions, asked: Asked, resolve: Resolve
) -> tuple[list[Pin], tuple[str, ...]]:
    """Resolve, and again without each version that has no file for the oldest system of the build.

    uv knows some steps of glibc and macOS only; a wheel made for a step above the build's own would
    keep the whole from machines that the build itself runs on. Returns the names of what is to be built, too.
    """
    sdists = companions.sdists
    built: tuple[str, ...] = ()
    refused: list[str] = []
    for _ in range(TRIES):
        try:
            resolved = resolve(choice, asked.requirements, (*asked.constraints, *refused), (*sdists, *built))
        except LacksWheels as error:
            new = (
                to_be_built(error, {choice.project, *named(asked.constraints), *built}) if asked.build else ()
            )
            if not new:
                raise
            built += new
            continue
        pins = [pin_of(choice, companions, one.name, one.version, one.files or None) for one in resolved]
        unusable = [f"{item.name}!={item.version}" for item in pins if not item.hashes]
        if not unusable:
            return pins, tuple(
                one.name for one in resolved if one.name not in sdists and is_source(choice, companions, one)
            )
        refused += unusable
    sentence = f"No set of packages for {choice.project} {choice.version} fits this system."
    need = Need("packages", "a file for the system in each of them", ", ".join(refused))
    raise Unresolvable(sentence, (need,), "tfup versions")


def is_source(choice: Choice, companions: Companions, package: Resolved) -> bool:
    """Tell whether a package comes as its source, for want of a wheel that fits."""
    files = usable_files(choice, companions, package.name, package.version, package.files or None)
    return not any(file.file.endswith(".whl") for file in files)


def to_be_built(error: LacksWheels, settled: set[str]) -> tuple[str, ...]:
    """Return the packages that lack a wheel and are not settled: the lock's own never are built."""
    return tuple(name for name in error.names if name not in settled)


def mark_extra(item: Pin, before: set[str] | None, displaced: set[str]) -> Pin:
    """Mark a pin that is there for the sake of what the person asked for."""
    extra = item.purpose == "tensorflow" and (
        item.name in displaced or (before is not None and item.name not in before)
    )
    return replace(item, purpose="extra") if extra else item
