"""Which Keras works with which TensorFlow, and what a Keras reads of its configuration."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfup import tables
from tfup.match.platforms import minor_of
from tfup.requirements import parse

if TYPE_CHECKING:
    from tfup.model import Build, Wish


class ConfigRow(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a range of Keras releases reads from keras.json and from the environment."""

    keras: str
    default: str
    backends: tuple[str, ...] = ()
    """Without any, TensorFlow is the only one."""
    variable: bool = False
    """Whether KERAS_BACKEND counts; likewise `home` and KERAS_HOME."""
    layout: str | None = None
    """The name of its key for the order of an image's axes."""
    home: bool = False
    external: bool = False
    """Whether any module may be the back end, such as plaidml.keras.backend."""
    built_in: bool = False
    """The row of tf.keras."""


def wished_keras(wish: Wish) -> SpecifierSet:
    """Return the versions of Keras wished for; the empty set allows all."""
    wanted = (parse(text) for text in wish.requirements)
    return next((one.specifier for one in wanted if canonicalize_name(one.name) == "keras"), SpecifierSet())


@cache
def keras_rules() -> list[tuple[SpecifierSet, tables.KerasRule]]:
    """Return the pairs of TensorFlow range and Keras rule."""
    return [
        (SpecifierSet(rule.tensorflow), rule) for rule in tables.load("keras/keras.json", tables.KerasRule)
    ]


@cache
def keras_rule(version: str) -> tables.KerasRule:
    """Return the rule for a TensorFlow release, its {minor} filled in."""
    rule = next(rule for versions, rule in keras_rules() if versions.contains(version, prereleases=True))
    return tables.for_minor(rule, version)


def fitting_keras(build: Build, wanted: SpecifierSet) -> list[str]:
    """Return the Keras releases wished for that work with the build on its Python, newest first."""
    return keras_in(SpecifierSet(keras_rule(build.version).works) & wanted, minor_of(build.python_tag))


@cache
def keras_in(versions: SpecifierSet, python: str) -> list[str]:
    """Return the Keras releases in a range that a Python minor may install, newest first."""
    return [
        row.version
        for row in tables.load("keras/keras_releases.json", tables.KerasRelease)
        if versions.contains(row.version, prereleases=False)
        and SpecifierSet(row.requires_python or "").contains(f"{python}.99")
    ]


def pair_of(build: Build) -> str:
    """Return the requirement of the Keras that pairs with a build, as it can be typed."""
    rule = keras_rule(build.version)
    return f"'keras{rule.keras or rule.works}'"


# ---------------------------------------------------------------- what a Keras reads


def config_rule(version: str | None) -> ConfigRow:
    """Return the row of a Keras release; without one, that of tf.keras."""
    rows: list[ConfigRow] = tables.load("keras/keras_config.json", ConfigRow)
    if version is None:
        return next(row for row in rows if row.built_in)
    return next(row for row in rows if SpecifierSet(row.keras).contains(version, prereleases=True))
