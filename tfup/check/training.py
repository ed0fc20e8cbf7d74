"""`check --train`: how long to train, what to train with, and where the plot goes.

The training itself is checks/networks_learn.py. What it needs beside the environment, scikit-learn for its
report and matplotlib for its plot, is borrowed for that one run where it is not installed.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from tfup.check.runner import TRAIN_CHECKS, check
from tfup.doctor.inspected import ask, is_place, read_place
from tfup.errors import (
    IndexUnreachable,
    InstallFailed,
    Need,
    NoEnvironment,
    Unresolvable,
    UnusableFolder,
    UsageError,
)
from tfup.folders import make_cache
from tfup.managers import hashed, python27, uv
from tfup.model import Outcome
from tfup.shell import typed

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping

    from tfup.errors import TfupError
    from tfup.model import Environment

LIBRARIES = ("scikit-learn", "matplotlib")
MOST_IMAGES = 50_000  # that is all of CIFAR-10
SECONDS = 900.0  # for the start, and again for every epoch of both networks


class Hearers(NamedTuple):
    """Who is told how far a training is, and what came of it."""

    progress: Callable[[str, str], None]
    outcome: Callable[[Outcome], None]


class Settings(NamedTuple):
    """How long to train, and with what."""

    epochs: int = 3
    batch_size: int = 32
    images: int = 2000
    download: bool = False
    """Whether Keras may fetch CIFAR-10, 170 MB, where it is not there."""


def asked(arguments: Namespace, folder: Path) -> Settings | None:
    """Return what training was asked for, None where none was; UsageError for what cannot be."""
    given = {name: getattr(arguments, name) for name in Settings._fields if getattr(arguments, name)}
    if not arguments.train:
        if given:
            sentence = f"--{next(iter(given)).replace('_', '-')} is for a training."
            raise UsageError(sentence, hint="tfup check --train")
        return None
    if not os.access(folder, os.W_OK):
        sentence = f"{folder} cannot be written, and the plot of the training would be saved there."
        raise UnusableFolder(sentence, hint=typed("ls", "-ld", folder))
    return fitting(Settings(**given))


def fitting(settings: Settings) -> Settings:
    """Return settings that the pictures are enough for; UsageError for others."""
    if settings.images > MOST_IMAGES:
        sentence = f"CIFAR-10 has {MOST_IMAGES} pictures to learn from, not {settings.images}."
        raise UsageError(sentence, hint=f"tfup check --train --images {MOST_IMAGES}")
    if settings.batch_size > settings.images:
        sentence = (
            f"A batch of {settings.batch_size} is more than the {settings.images} pictures to learn from."
        )
        raise UsageError(sentence, hint=f"tfup check --train --batch-size {settings.images}")
    return settings


# ---------------------------------------------------------------- the training


def train(
    environment: Environment, settings: Settings, folder: Path, log: Path, hears: Hearers
) -> tuple[Outcome, ...]:
    """Train in an environment, and return what came of it; the plot goes into the folder."""
    say = partial(hears.progress, TRAIN_CHECKS[0])
    try:
        with borrowed(environment.python, uv.Mode(log=log, say=say)) as libraries:
            return check(
                environment,
                TRAIN_CHECKS,
                timeout=SECONDS * (1 + settings.epochs),
                log=log,
                on_outcome=hears.outcome,
                on_progress=hears.progress,
                variables=variables(settings, folder, libraries),
            )
    except (InstallFailed, IndexUnreachable, Unresolvable) as error:
        outcome = without_libraries(error)
    hears.outcome(outcome)
    return (outcome,)


def variables(settings: Settings, folder: Path, libraries: str) -> dict[str, str]:
    """Return what the check is told; it runs in a home of its own, so that it must be told the person's."""
    person = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home would raise where there is none
    keras = Path(os.environ.get("KERAS_HOME") or person / ".keras")
    return {
        "TRAIN_EPOCHS": str(settings.epochs),
        "TRAIN_BATCH_SIZE": str(settings.batch_size),
        "TRAIN_IMAGES": str(settings.images),
        "TRAIN_DOWNLOAD": str(int(settings.download)),
        "TRAIN_DATASETS": str(keras / "datasets"),
        "TRAIN_LIBRARIES": libraries,
        "TRAIN_PLOT": str(folder / f"training-{time.strftime('%Y%m%d-%H%M%S')}.png"),
    }


def without_libraries(error: TfupError) -> Outcome:
    """Return the outcome where scikit-learn and matplotlib are not to be had."""
    found = "".join(f"\n{need.name}: {need.found or 'none'}" for need in error.needs)
    detail = f"{' and '.join(LIBRARIES)} could not be fetched for the training: {error.sentence}{found}"
    return Outcome(TRAIN_CHECKS[0], "failed", detail, f"tfup install {' '.join(LIBRARIES)}")


# ---------------------------------------------------------------- what it needs beside the environment


@contextmanager
def borrowed(python: str, mode: uv.Mode) -> Iterator[str]:
    """Yield a folder with what an environment lacks of LIBRARIES, empty text where it lacks nothing.

    They are resolved under the versions that the environment has, each file is the one that the index
    announced, and they come after the environment on the path, so that they change nothing in it; the folder
    is removed afterwards.
    """
    there = installed(python)
    missing = [name for name in LIBRARIES if name not in there.versions]
    if not missing:
        yield ""
        return
    if mode.say:
        mode.say(f"fetching {' and '.join(missing)} for this run; the environment stays as it is")
    with scratch() as folder:
        old = python27.is_legacy(there.python)
        place = hashed.Destination(python, mode, {}, folder=folder / "libraries", old=old)
        hashed.install(place, hashed.resolve(place, missing, there.versions))
        yield str(place.folder)


class Installed(NamedTuple):
    """An interpreter's release, and the packages that it finds."""

    python: str
    versions: Mapping[str, str]


def installed(python: str) -> Installed:
    """Return what is installed where a Python looks, the person's own packages left out."""
    inside = ask(python, os.environ)
    if inside is None:
        sentence = f"{python} does not say what it is."
        raise NoEnvironment(sentence, hint="tfup doctor")
    places = [Path(place) for place in inside.path if place != inside.user_site]
    found = [one for place in places if is_place(place) for one in read_place(place)]
    return Installed(inside.version, {one.name: one.version for one in reversed(found)})


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder on the disk of our cache, where uv's links may reach and where there is room."""
    cache = make_cache(os.environ, to_stay=False)
    try:
        temporary = TemporaryDirectory(prefix="training-", dir=cache, ignore_cleanup_errors=True)
    except OSError as error:
        need = Need("folder", "room for what the training needs", str(error))
        sentence = f"{cache} cannot be used."
        raise InstallFailed(sentence, (need,)) from error
    with temporary as folder:
        yield Path(folder)
