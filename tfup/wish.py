"""Stage 0, the wish: what the person typed, and what the project folder remembers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfup.errors import Need, UsageError
from tfup.match import keras_backends
from tfup.model import Wish
from tfup.requirements import is_build, is_keras, named, parse
from tfup.shell import typed

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable


NO_SYSTEM_PACKAGE = "none"
"""The word that forgets the modules of the system which the project has had."""


def from_arguments(arguments: Namespace) -> Wish:
    """Return the wish of a command line; UsageError where a part of it cannot be understood."""
    refuse_two_builds(arguments.wish)
    return Wish(
        requirements=tuple(arguments.wish),
        gpu=arguments.gpu,
        python=python_minor(arguments.python),
        backend=arguments.backend or keras_backends.implied(named(arguments.wish)),
        manager=arguments.manager,
        slim=arguments.slim,
        system_packages=tuple(dict.fromkeys(arguments.system_package)),
    )


def refuse_two_builds(asked: Iterable[str]) -> None:
    """Raise UsageError where more than one requirement names a build: they share a folder."""
    builds = [text for text in asked if is_build(text)]
    if len(builds) <= 1:
        return
    name, *others = named(builds)
    joined = f"{name}{SpecifierSet(','.join(str(parse(text).specifier) for text in builds))}"
    narrowest = max(builds, key=lambda text: bool(parse(text).specifier))
    sentence = "More than one build of TensorFlow is asked for, and an environment holds one."
    need = Need("build", "one requirement", ", ".join(builds))
    raise UsageError(sentence, (need,), typed("tfup", "plan", narrowest if others else joined))


def python_minor(text: str | None) -> str | None:
    """Return the Python wished for; UsageError unless it reads like 3.10 or 3.10.13."""
    if text is None or re.fullmatch(r"\d\.\d{1,2}(\.\d+)?", text):
        return text
    sentence = f"{text!r} is not a Python version."
    need = Need("--python", "a minor such as 3.10, or a full version", text)
    raise UsageError(sentence, (need,), "tfup plan --python 3.10")


def remember(typed: Wish, before: Wish | None, beside: Iterable[str] = ()) -> Wish:
    """Return the wish with what the folder already holds.

    `before` is the wish of the last plan, whose build, Keras and Python go on where nothing else is typed;
    `beside` is what the project's Pipfile asks for.
    """
    names = named(typed.requirements)
    new_build = any(map(is_build, typed.requirements))
    if before and typed.backend not in {None, before.backend}:
        before = switched(before, typed.backend or "")
    earlier = (
        [text for text in before.requirements if is_build(text) or is_keras(text)]
        if before and not new_build
        else []
    )
    kept: dict[str, str] = {}
    for text in (*earlier, *beside):
        name = canonicalize_name(parse(text).name)
        if name not in names and not (is_build(text) and (new_build or any(map(is_build, kept)))):
            kept.setdefault(name, text)
    python = before.python if before and typed.python is None and not names else typed.python
    requirements = (*typed.requirements, *kept.values())
    backend = typed.backend or (before.backend if before and not new_build else None)
    seen = before.system_packages if before and NO_SYSTEM_PACKAGE not in typed.system_packages else ()
    visible = (*typed.system_packages, *seen)
    return replace(
        typed,
        requirements=requirements,
        python=python,
        backend=backend or keras_backends.implied(named(requirements)),
        system_packages=tuple(dict.fromkeys(visible)),
    )


def switched(before: Wish, backend: str) -> Wish:
    """Return what an earlier wish is worth on another back end: Keras if it has that one, and no Python."""
    keras = (text for text in before.requirements if is_keras(text))
    kept = tuple(text for text in keras if keras_backends.has(parse(text), backend))
    return replace(before, requirements=kept, python=None)
