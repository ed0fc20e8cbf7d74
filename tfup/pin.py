"""Stage 3, pin: every package exactly, each pin with its reason.

A build that we ship a lock for is pinned by looking it up. What the person asked for beside it is
resolved by uv under the pins of that lock; a build without a lock is resolved under our bounds.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tfup import backends, cuda_packages, tables
from tfup.accelerators import metal
from tfup.conda_channels import untried_cuda
from tfup.errors import LacksWheels, Need, Unresolvable
from tfup.matching.keras_pairs import keras_rule
from tfup.matching.platforms import linux_platforms, minor_of, python_release
from tfup.model import Choice, KerasPair, Match, Notice, Pin, Plan, Proof, Wheel, Wish, Workaround
from tfup.tables import CompanionRule, ProofRow, SdistRow
from tfup.trouble import known_trouble
from tfup.wish import is_build, is_keras, named, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tfup.managers.uv import Resolved

ARCHES = {
    "linux_x86_64": "x86_64",
    "linux_aarch64": "aarch64",
    "macos_x86_64": "x86_64",
    "macos_arm64": "arm64",
}

Resolve: TypeAlias = "Callable[[Choice, Sequence[str], Sequence[str], Sequence[str]], Sequence[Resolved]]"
"""Called with the choice, requirements, constraints, and the names that may be built from an sdist."""

Digest: TypeAlias = "Callable[..., str]"
"""`check.checks_digest`, or a made-up one."""

KERAS_NAMES = ("keras", "keras-nightly", "tf-keras")
TRIES = 8
OLDEST_RESOLVED = (3, 6)  # uv knows no older Python


def pin(found: Match, wish: Wish, resolve: Resolve, checks: Digest) -> Plan:
    """Return the plan: pins, the reasons for them, and what was proved of exactly these.

    `checks` gives the digest of the checks for an accelerator. Raises what `resolve` raises.
    """
    choice = found.choice
    if choice is None:
        return refusal(found, wish)
    pins = lock_pins(choice, wish)
    beside = wished_beside(wish, pins, choice)
    built: tuple[str, ...] = ()
    if beside or not pins:
        refuse_legacy(choice, beside)
        pins, built = resolved_pins(choice, pins, beside, resolve)
    proof = proof_of(choice, pins, checks_of(choice, checks))
    return Plan(
        wish=wish,
        choice=choice,
        keras=keras_pair(pins),
        manager=wish.manager,
        download_bytes=download_bytes(choice, pins),
        disk_bytes=proof.disk_bytes if proof else None,
        pins=pins,
        workarounds=workarounds(choice, pins) + cuda_packages.workarounds(choice),
        warnings=found.warnings
        + known_trouble(choice)
        + untried_cuda(choice)
        + unproved_notice(proof)
        + built_notices(built),
        passed_over=found.passed_over,
        proof=Proof("proved", proof.on, (proof.accelerator,)) if proof else part_proof(choice, pins, checks),
        built=built,
    )


def refusal(found: Match, wish: Wish) -> Plan:
    """Return the plan that says why there is none."""
    nearest = found.nearest
    blocking = nearest.obstacles if nearest else ()
    return Plan(
        wish=wish,
        choice=None,
        manager=wish.manager,
        passed_over=found.passed_over,
        obstacles=blocking,
        nearest=nearest,
        remedies=tuple(obstacle.remedy for obstacle in blocking if obstacle.remedy),
    )


# ---------------------------------------------------------------- locks


def lock_pins(choice: Choice, wish: Wish | None = None) -> tuple[Pin, ...]:
    """Return the pins of the lock that we ship for a choice; empty where we ship none.

    A lock of this very Keras and back end goes before that of the build.
    """
    pair = backends.lock(choice, wish or Wish())
    row = pair or tables.lock(choice.project, choice.version, choice.python_tag, choice.platform)
    texts = (*row.pins, *gpu_requirements(choice)) if row else ()
    return tuple(pin_of(choice, text.split("==")[0], text.split("==")[1]) for text in texts)


def pin_of(choice: Choice, name: str, version: str, files: Iterable[Wheel] | None = None) -> Pin:
    """Return one pin, with the hashes of its files and the reasons that our rules give for it."""
    usable = usable_files(choice, name, version, files)
    return Pin(
        name=name,
        version=version,
        hashes=tuple(sorted(f"sha256:{file.sha256}" for file in usable)),
        purpose="keras" if name in KERAS_NAMES else "tensorflow",
        why="; ".join(reasons(choice, name)),
    )


def usable_files(
    choice: Choice, name: str, version: str, files: Iterable[Wheel] | None = None
) -> tuple[Wheel, ...]:
    """Return the files of a pin which the chosen Python can install on the oldest system of the build.

    Without `files`, those of the table. The sdist is among them only where no wheel is, and only where
    sdists.json says that it builds.
    """
    if name == choice.project:
        return (choice.wheel,)
    known = known_files(choice, f"{name}=={version}") if files is None else tuple(files)
    wheels = tuple(file for file in known if file.file.endswith(".whl") and installs(choice, file.file))
    sdists = tuple(file for file in known if not file.file.endswith(".whl"))
    return wheels or (sdists if files is not None or name in sdists_of(choice) else ())


def known_files(choice: Choice, pin: str) -> tuple[Wheel, ...]:
    """Return the files of a pin in the tables: those of its own kind of build first."""
    known = (tables.files(), backends.files())
    first, second = reversed(known) if backends.is_backend(choice) else known
    of_gpu = (*cuda_packages.wheels(choice, pin), *metal.wheels(choice, pin))
    return first.get(pin) or second.get(pin) or of_gpu


def sdists_of(choice: Choice) -> tuple[str, ...]:
    """Return the packages that may be built from their sdist beside a choice."""
    if backends.is_backend(choice):
        return backends.sdists(choice)
    return sdist_names(choice.version, choice.python_tag)


@cache
def sdist_names(version: str, python_tag: str) -> tuple[str, ...]:
    """Return the packages that are built from their sdist beside a TensorFlow release on a Python."""
    rows = tables.load("sdists.json", tables.SdistRow)
    return tuple(row.name for row in rows if applies(row, version, python_tag))


def applies(rule: CompanionRule | SdistRow, version: str, python_tag: str) -> bool:
    """Tell whether a rule is about a TensorFlow release on a Python."""
    releases, pythons = SpecifierSet(rule.tensorflow), SpecifierSet(rule.python)
    return releases.contains(version, prereleases=True) and pythons.contains(minor_of(python_tag))


def installs(choice: Choice, file: str) -> bool:
    """Tell whether a wheel fits the choice's Python and system."""
    own = backends.abi_of(choice.python_tag, choice.platform)  # a Keras is a wheel for every Python, or none
    abi = own if backends.is_backend(choice) else choice.wheel.file.split("-")[-2]
    return not parse_wheel_filename(file)[3].isdisjoint(
        supported_tags(choice.python_tag, abi, choice.platform, choice.glibc, choice.macos)
    )


@cache
def supported_tags(
    python_tag: str, abi: str, family: str, glibc: str | None, macos: str | None
) -> frozenset[Tag]:
    """Return the tags that an interpreter on a system accepts, as its installer would list them."""
    platforms = list(family_platforms(family, glibc, macos))
    python = python_release(python_tag)
    own = cpython_tags(python, abis=[abi], platforms=platforms)
    return frozenset((*own, *compatible_tags(python, python_tag, platforms)))


def family_platforms(family: str, glibc: str | None, macos: str | None) -> Iterator[str]:
    """Yield the platform tags of a family at its oldest system."""
    if family.startswith("linux"):
        yield from linux_platforms("glibc", glibc or "0.0", ARCHES[family])
        yield f"linux_{ARCHES[family]}"
    elif family.startswith("macos"):
        major, minor = (*Version(macos or "0").release, 0)[:2]
        yield from mac_platforms((major, minor), ARCHES[family])
    else:
        yield "win_amd64"


def lock_digest(pins: Iterable[Pin]) -> str:
    """Return the digest that a proof names: over names, versions and hashes, in canonical order."""
    lines = sorted(f"{item.name}=={item.version} {' '.join(item.hashes)}\n" for item in pins)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


# ---------------------------------------------------------------- resolving


def wished_beside(wish: Wish, pins: Sequence[Pin], choice: Choice | None = None) -> list[str]:
    """Return what was wished for beside the build and is not met by the pins already."""
    pinned = {item.name: item.version for item in pins}
    if "keras-nightly" in pinned:  # it is the package keras under another name
        pinned["keras"] = pinned["keras-nightly"]
    mine = is_keras if choice and backends.is_backend(choice) else is_build
    return [text for text in wish.requirements if not mine(text) and not meets(parse(text), pinned)]


def meets(wanted: Requirement, pinned: dict[str, str]) -> bool:
    """Tell whether a pin satisfies a requirement as it stands."""
    version = pinned.get(canonicalize_name(wanted.name))
    plain = not wanted.extras and wanted.marker is None and wanted.url is None
    return plain and version is not None and wanted.specifier.contains(version, prereleases=True)


def resolved_pins(
    choice: Choice, locked: Sequence[Pin], beside: Sequence[str], resolve: Resolve
) -> tuple[tuple[Pin, ...], tuple[str, ...]]:
    """Resolve what was wished for beside the build, under its lock, or under our bounds where it has none.

    Returns the pins, and the names of those that must be built from their source.
    """
    displaced = named(beside)
    kept = [f"{item.name}=={item.version}" for item in locked if item.name not in displaced]
    build = f"{choice.project}=={choice.version}"
    requirements = (build, *keras_wish(choice, displaced), *required(choice), *beside)
    constraints = (*kept, *bounds(choice))
    pins, built = resolve_for_oldest(choice, requirements, constraints, resolve, build=bool(beside))
    before = {item.name for item in locked} or None
    in_order = sorted(pins, key=lambda item: item.name)
    return tuple(mark_extra(item, before, displaced) for item in in_order), built


def refuse_legacy(choice: Choice, beside: Sequence[str]) -> None:
    """Raise Unresolvable on a Python that uv does not know: there is only what we ship a lock for."""
    if python_release(choice.python_tag) >= OLDEST_RESOLVED:
        return
    minor, wished = minor_of(choice.python_tag), ", ".join(beside) or f"{choice.project}=={choice.version}"
    known = ", ".join(backends.pairs_on(choice.python_tag)) or "nothing"
    need = Need("packages", f"a lock that tfup ships for Python {minor}: {known}", wished)
    sentence = f"On Python {minor} tfup installs what it has a lock for, and cannot resolve anything else."
    raise Unresolvable(sentence, (need,), f"tfup plan {' '.join(beside) or choice.project} --python 3.6")


def resolve_for_oldest(
    choice: Choice,
    requirements: Sequence[str],
    constraints: Sequence[str],
    resolve: Resolve,
    *,
    build: bool,
) -> tuple[list[Pin], tuple[str, ...]]:
    """Resolve, and again without each version that has no file for the oldest system of the build.

    uv knows some steps of glibc and macOS only; a wheel made for a step above the build's own would
    keep the whole from machines that the build itself runs on. With `build`, what is neither ours nor has a
    wheel at all may be built from its source; the names of these are returned, too.
    """
    sdists = sdists_of(choice)
    built: tuple[str, ...] = ()
    refused: list[str] = []
    for _ in range(TRIES):
        try:
            resolved = resolve(choice, requirements, (*constraints, *refused), (*sdists, *built))
        except LacksWheels as error:
            new = to_be_built(error, {choice.project, *named(constraints), *built}) if build else ()
            if not new:
                raise
            built += new
            continue
        pins = [pin_of(choice, package.name, package.version, package.files) for package in resolved]
        unusable = [f"{item.name}!={item.version}" for item in pins if not item.hashes]
        if not unusable:
            return pins, tuple(package.name for package in resolved if package.name in built)
        refused += unusable
    sentence = f"No set of packages for {choice.project} {choice.version} fits this system."
    need = Need("packages", "a file for the system in each of them", ", ".join(refused))
    raise Unresolvable(sentence, (need,), "tfup versions")


def to_be_built(error: LacksWheels, settled: set[str]) -> tuple[str, ...]:
    """Return the packages that lack a wheel and are not settled: the lock's own never are built."""
    return tuple(name for name in error.names if name not in settled)


def mark_extra(item: Pin, before: set[str] | None, displaced: set[str]) -> Pin:
    """Mark a pin that is there for the sake of what the person asked for."""
    extra = item.purpose == "tensorflow" and (
        item.name in displaced or (before is not None and item.name not in before)
    )
    return replace(item, purpose="extra") if extra else item


def keras_wish(choice: Choice, displaced: set[str]) -> tuple[str, ...]:
    """Return the requirement of the Keras that pairs, unless one was typed or TensorFlow brings it.

    Where Keras is the build, that of its back end.
    """
    if choice.requirement:
        return () if parse(choice.requirement).name in displaced else (choice.requirement,)
    rule = keras_rule(choice.version)
    return () if "keras" in displaced or rule.project != "keras" else (f"keras{rule.keras}",)


# ---------------------------------------------------------------- reasons


def rules_for(choice: Choice) -> tuple[CompanionRule, ...]:
    """Return the bounds for a choice, their {minor} filled in."""
    if backends.is_backend(choice):
        return backends.rules(choice)
    return companion_rules(choice.version, choice.python_tag)


@cache
def companion_rules(version: str, python_tag: str) -> tuple[CompanionRule, ...]:
    """Return the bounds for a TensorFlow release on a Python."""
    rules = tables.load("companions.json", CompanionRule)
    return tuple(tables.for_minor(rule, version) for rule in rules if applies(rule, version, python_tag))


def bounds(choice: Choice) -> tuple[str, ...]:
    """Return our bounds on the companions of a choice, as requirements."""
    return tuple(rule.bound for rule in rules_for(choice))


def required(choice: Choice) -> tuple[str, ...]:
    """Return what must be there although no metadata asks for it, as requirements."""
    rules = (rule.bound for rule in rules_for(choice) if rule.required)
    return (*rules, *gpu_requirements(choice))


def gpu_requirements(choice: Choice) -> tuple[str, ...]:
    """Return what a choice takes for the sake of its GPU, as requirements."""
    return (*cuda_packages.requirements(choice), *metal.requirements(choice))


def reasons(choice: Choice, name: str) -> Iterator[str]:
    """Yield why a package is pinned at its version."""
    yield from (rule.why for rule in rules_for(choice) if Requirement(rule.bound).name == name)
    yield from (row.why for row in cuda_packages.packages(choice) if row.package == name)
    yield from metal.reasons(choice, name)


def workarounds(choice: Choice, pins: Sequence[Pin]) -> tuple[Workaround, ...]:
    """Return the known issues that the pins avoid."""
    names = {item.name for item in pins}
    rules = (rule for rule in rules_for(choice) if Requirement(rule.bound).name in names)
    return tuple(Workaround(rule.id, rule.why, rule.bound) for rule in rules)


def keras_pair(pins: Sequence[Pin]) -> KerasPair | None:
    """Return the Keras among the pins."""
    return next((KerasPair(item.name, item.version) for item in pins if item.name in KERAS_NAMES), None)


def download_bytes(choice: Choice, pins: Sequence[Pin]) -> int | None:
    """Return the bytes of all files; None where a size is not known. Of several wheels the largest counts."""
    sizes = [largest(usable_files(choice, item.name, item.version)) for item in pins]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def largest(wheels: Iterable[Wheel]) -> int | None:
    """Return the size of the largest file; None where no size is known."""
    return max((wheel.bytes for wheel in wheels if wheel.bytes is not None), default=None)


def proof_of(choice: Choice, pins: Sequence[Pin], checks: str) -> ProofRow | None:
    """Return the shipped proof of exactly these pins with exactly these checks."""
    digest = lock_digest(pins)
    wanted = (digest, choice.python_tag, choice.platform, choice.accelerator, checks)
    proofs = (*tables.load("proofs.json", ProofRow), *backends.proofs())
    return next(
        (
            row
            for row in proofs
            if (row.lock, row.python_tag, row.family, row.accelerator, row.checks) == wanted
        ),
        None,
    )


def checks_of(choice: Choice, checks: Digest) -> str:
    """Return the digest of the checks that apply to a choice."""
    if backends.is_backend(choice):
        return checks(choice.accelerator, backend=choice.backend)
    return checks(choice.accelerator)


def part_proof(choice: Choice, pins: Sequence[Pin], checks: Digest) -> Proof:
    """Return what was run of pins that nobody has run as a whole: perhaps all but the GPU's part."""
    beside = {text.split("==")[0] for text in gpu_requirements(choice)}
    rest = [item for item in pins if item.name not in beside]
    plain = replace(choice, accelerator="cpu")
    row = proof_of(plain, rest, checks_of(plain, checks))
    return Proof("resolved", row.on, (row.accelerator,)) if row else Proof("resolved")


def unproved_notice(proof: ProofRow | None) -> tuple[Notice, ...]:
    """Say that nobody has run exactly these pins yet."""
    text = "This very set of packages was resolved, not run, before; the checks of the install decide."
    return () if proof else (Notice("not-proved-before", text),)


def built_notices(names: Iterable[str]) -> tuple[Notice, ...]:
    """Say which packages have no wheel: building runs their code, and may need what is not there."""
    text = "{} has no wheel that fits: it is built from its source on this machine; that needs a compiler."
    return tuple(Notice("built-from-source", text.format(name)) for name in names)
