"""What stands beside a build: looked up once for a choice, and handed through stage 3.

There are two kinds of build, TensorFlow and Keras on another back end, and one kind of `Companions`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tfup import tables
from tfup.match.gpu import metal, pip_packages
from tfup.match.keras import keras_rule
from tfup.match.platforms import abi_of, minor_of
from tfup.model import Wish, Workaround
from tfup.pin.conflicts import names_of_tensorflow
from tfup.requirements import KERAS, is_keras, parse
from tfup.tables import CompanionRule, LockRow, SdistRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tfup.match.gpu.tables import GpuPackage
    from tfup.model import Choice, Pin


class Companions(NamedTuple):
    """What goes beside one build on its Python and system."""

    rules: tuple[CompanionRule, ...]
    """Our bounds, each with its reason."""
    pair: str | None
    """The requirement of the Keras that pairs, or of the back end; None where the build brings it."""
    gpu: tuple[GpuPackage, ...]
    """What makes a GPU usable."""
    sdists: tuple[str, ...]
    """The packages that may be built from their source."""
    lock: LockRow | None
    """The pins that we ship."""
    abi: str
    """Of the interpreter that installs them."""
    folders: frozenset[str]
    """The folders in site-packages that are filled, so that no other project may fill them."""
    aliases: tuple[str, ...]
    """Other names under which a package may ask for the same modules."""
    words: tuple[str, ...]
    """What a person types to ask for the build."""

    @property
    def bounds(self) -> tuple[str, ...]:
        """Return our bounds, as requirements."""
        return tuple(rule.bound for rule in self.rules)

    @property
    def gpu_pins(self) -> tuple[str, ...]:
        """Return what makes a GPU usable, as "name==version"."""
        return tuple(f"{one.package}=={one.version}" for one in self.gpu)

    @property
    def required(self) -> tuple[str, ...]:
        """Return what must be there although no metadata asks for it, as requirements."""
        return (*(rule.bound for rule in self.rules if rule.required), *self.gpu_pins)

    def paired(self, displaced: Collection[str]) -> tuple[str, ...]:
        """Return the requirement of the Keras, or of the back end, unless another was typed."""
        return () if self.pair is None or parse(self.pair).name in displaced else (self.pair,)

    def reasons(self, name: str) -> Iterator[str]:
        """Yield why a package is pinned at its version."""
        yield from (rule.why for rule in self.rules if Requirement(rule.bound).name == name)
        yield from (one.why for one in self.gpu if one.package == name)

    def workarounds(self, pins: Sequence[Pin]) -> tuple[Workaround, ...]:
        """Return the known issues that the pins avoid."""
        names = {item.name for item in pins}
        rules = (rule for rule in self.rules if Requirement(rule.bound).name in names)
        return tuple(Workaround(rule.id, rule.why, rule.bound) for rule in rules)


def companions_of(choice: Choice, wish: Wish | None = None) -> Companions:
    """Return what goes beside a choice."""
    maker = beside_keras if choice.project == KERAS else beside_tensorflow
    return maker(choice, wish or Wish())


def beside_tensorflow(choice: Choice, wish: Wish) -> Companions:
    """Return what goes beside a TensorFlow; a lock with the very Keras wished for goes before its own."""
    rule = keras_rule(choice.version)
    wished = next((parse(text) for text in wish.requirements if is_keras(text)), None)
    return Companions(
        rules=companion_rules(choice.version, choice.python_tag),
        pair=f"keras{rule.keras}" if rule.project == KERAS else None,
        gpu=(*pip_packages.companions(choice), *metal.companions(choice)),
        sdists=sdist_names(choice.version, choice.python_tag),
        lock=(lock_of(choice, f"{KERAS}{wished.specifier}") if wished else None) or lock_of(choice, ""),
        abi=choice.wheel.file.split("-")[-2],
        folders=frozenset(("keras", "tensorflow")),
        aliases=tuple(name for name in names_of_tensorflow() if name != choice.project),
        words=(f"{choice.project}=={choice.version}",),
    )


def beside_keras(choice: Choice, _wish: Wish) -> Companions:
    """Return what goes beside a Keras on another back end than TensorFlow."""
    return Companions(
        rules=companion_rules(choice.version, choice.python_tag, choice.backend),
        pair=choice.requirement,
        gpu=(),
        sdists=sdist_names(None, choice.python_tag),
        lock=lock_of(choice, choice.requirement or ""),
        abi=abi_of(choice.python_tag, choice.platform),  # a Keras is a wheel for every Python, or none
        folders=frozenset(("keras",)),
        aliases=(),
        words=(f"{choice.project}=={choice.version}", "--backend", choice.backend),
    )


# ---------------------------------------------------------------- from the tables


@cache
def companion_rules(version: str, python_tag: str, backend: str = "tensorflow") -> tuple[CompanionRule, ...]:
    """Return the bounds for a release on a Python, their {minor} filled in."""
    rules = (rule for rule in tables.load("builds/companions.json", CompanionRule) if rule.backend == backend)
    return tuple(
        tables.for_minor(rule, version)
        for rule in rules
        if is_in(version, rule.versions) and is_in(minor_of(python_tag), rule.python)
    )


@cache
def sdist_names(version: str | None, python_tag: str) -> tuple[str, ...]:
    """Return the packages that are built from their sdist beside a TensorFlow, or beside any, on a Python."""
    rows = tables.load("builds/sdists.json", SdistRow)
    fitting = (
        row
        for row in rows
        if (version is None or is_in(version, row.tensorflow)) and is_in(minor_of(python_tag), row.python)
    )
    return tuple(dict.fromkeys(row.name for row in fitting))


def is_in(version: str, range_: str) -> bool:
    """Tell whether a version is in a range; an empty range has all."""
    return SpecifierSet(range_).contains(version, prereleases=True)


def lock_of(choice: Choice, beside: str) -> LockRow | None:
    """Return the lock of a choice with that beside it."""
    return tables.lock(choice.project, choice.version, choice.python_tag, choice.platform, beside)
