"""Our rules for a choice: what bounds its companions, what must be there beside it, and why."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tfup import tables
from tfup.match import keras_backends
from tfup.match.gpu import metal, pip_packages
from tfup.match.keras import keras_rule
from tfup.match.platforms import minor_of
from tfup.model import Workaround
from tfup.tables import CompanionRule, SdistRow
from tfup.wish import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tfup.model import Choice, Pin


def rules_for(choice: Choice) -> tuple[CompanionRule, ...]:
    """Return the bounds for a choice, their {minor} filled in."""
    if keras_backends.is_backend(choice):
        return keras_backends.rules(choice)
    return companion_rules(choice.version, choice.python_tag)


@cache
def companion_rules(version: str, python_tag: str) -> tuple[CompanionRule, ...]:
    """Return the bounds for a TensorFlow release on a Python."""
    rules = tables.load("companions.json", CompanionRule)
    return tuple(tables.for_minor(rule, version) for rule in rules if applies(rule, version, python_tag))


def applies(rule: CompanionRule | SdistRow, version: str, python_tag: str) -> bool:
    """Tell whether a rule is about a TensorFlow release on a Python."""
    releases, pythons = SpecifierSet(rule.tensorflow), SpecifierSet(rule.python)
    return releases.contains(version, prereleases=True) and pythons.contains(minor_of(python_tag))


def bounds(choice: Choice) -> tuple[str, ...]:
    """Return our bounds on the companions of a choice, as requirements."""
    return tuple(rule.bound for rule in rules_for(choice))


def required(choice: Choice) -> tuple[str, ...]:
    """Return what must be there although no metadata asks for it, as requirements."""
    rules = (rule.bound for rule in rules_for(choice) if rule.required)
    return (*rules, *gpu_requirements(choice))


def gpu_requirements(choice: Choice) -> tuple[str, ...]:
    """Return what a choice takes for the sake of its GPU, as requirements."""
    return (*pip_packages.requirements(choice), *metal.requirements(choice))


def keras_wish(choice: Choice, displaced: set[str]) -> tuple[str, ...]:
    """Return the requirement of the Keras that pairs, unless one was typed or TensorFlow brings it.

    Where Keras is the build, that of its back end.
    """
    if choice.requirement:
        return () if parse(choice.requirement).name in displaced else (choice.requirement,)
    rule = keras_rule(choice.version)
    return () if "keras" in displaced or rule.project != "keras" else (f"keras{rule.keras}",)


def sdists_of(choice: Choice) -> tuple[str, ...]:
    """Return the packages that may be built from their sdist beside a choice."""
    if keras_backends.is_backend(choice):
        return keras_backends.sdists(choice)
    return sdist_names(choice.version, choice.python_tag)


@cache
def sdist_names(version: str, python_tag: str) -> tuple[str, ...]:
    """Return the packages that are built from their sdist beside a TensorFlow release on a Python."""
    rows = tables.load("sdists.json", tables.SdistRow)
    return tuple(row.name for row in rows if applies(row, version, python_tag))


def reasons(choice: Choice, name: str) -> Iterator[str]:
    """Yield why a package is pinned at its version."""
    yield from (rule.why for rule in rules_for(choice) if Requirement(rule.bound).name == name)
    yield from (row.why for row in pip_packages.packages(choice) if row.package == name)
    yield from metal.reasons(choice, name)


def workarounds(choice: Choice, pins: Sequence[Pin]) -> tuple[Workaround, ...]:
    """Return the known issues that the pins avoid."""
    names = {item.name for item in pins}
    rules = (rule for rule in rules_for(choice) if Requirement(rule.bound).name in names)
    return tuple(Workaround(rule.id, rule.why, rule.bound) for rule in rules)
