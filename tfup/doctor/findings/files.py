"""What Python would import instead of what is installed: files of the person's, and packages elsewhere."""

from __future__ import annotations

import os
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from tfup import tables
from tfup.doctor.finding import Repair, trouble
from tfup.doctor.inspected import read_place
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Patient

LIBRARIES = frozenset(
    {"tensorflow", "keras", "tf_keras", "tensorboard", "tensorflow_core", "tensorflow_estimator"}
)
OTHERS = frozenset(
    {"numpy", "h5py", "google", "six", "wrapt", "absl", "grpc", "gast", "scipy", "ml_dtypes", "theano"}
)
"""Modules that TensorFlow and Keras import."""
SUFFIXES = (".py", ".pyc", *EXTENSION_SUFFIXES)


def describe(patient: Patient) -> str:
    """Say where was looked."""
    return f"nothing in {', '.join(map(str, folders(patient)))} hides a module"


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield the files and packages that hide what is installed."""
    for folder in folders(patient):
        yield from hiding_files(folder)
    yield from hiding_packages(patient)


def folders(patient: Patient) -> tuple[Path, ...]:
    """Return the folders that Python may look into first: of the project, the current one, PYTHONPATH."""
    every = dict.fromkeys((patient.folder, Path.cwd(), *python_path(patient)))
    return tuple(folder for folder in every if folder.is_dir() and folder not in patient.places)


def python_path(patient: Patient) -> list[Path]:
    """Return the folders that PYTHONPATH names."""
    named = patient.variables.get("PYTHONPATH", "").split(os.pathsep)
    return [Path(name).absolute() for name in named if name]


# ---------------------------------------------------------------- files of the person's


def hiding_files(folder: Path) -> Iterator[Trouble]:
    """Yield the modules in a folder that have the name of one that TensorFlow imports."""
    standard = frozenset(tables.load("doctor/standard_modules.json", str))
    for path in sorted(folder.iterdir()) if os.access(folder, os.R_OK) else ():
        name = module_name(path)
        if name in LIBRARIES:
            yield hidden("own-file-shadows-tensorflow", path)
        elif name in standard:
            yield hidden("own-file-shadows-stdlib", path)
        elif name in OTHERS:
            yield hidden("own-file-shadows-package", path)


def module_name(path: Path) -> str | None:
    """Return the module that a path would be imported as; a folder needs an __init__ to come first.

    >>> module_name(Path("random.py")), module_name(Path("notes.txt"))
    ('random', None)
    """
    if path.is_dir():
        is_package = any((path / f"__init__{suffix}").is_file() for suffix in SUFFIXES)
        is_installed = any(path.parent.glob(f"{path.name}-*-info"))
        return path.name if is_package and not is_installed else None
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
    return path.name.removesuffix(suffix) if suffix else None


def hidden(name: str, path: Path) -> Trouble:
    """Return the trouble of a file that hides a module; a new name may break what imports it: ask."""
    new = free_name(path)
    repair = Repair(safe=False, act=partial(rename, path, new))
    return trouble(name, str(path), typed("mv", path, new), repair=repair)


def free_name(path: Path) -> Path:
    """Return a free name that hides nothing: my_tensorflow.py for tensorflow.py."""
    new = path.with_name(f"my_{path.name}")
    return free_name(new) if os.path.lexists(new) else new


def rename(path: Path, new: Path) -> str:
    """Rename a file, and delete what Python compiled of it."""
    path.rename(new)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
    return f"renamed {path} to {new.name}"


# ---------------------------------------------------------------- packages elsewhere


def hiding_packages(patient: Patient) -> Iterator[Trouble]:
    """Yield packages that come before those of the environment: the person's own, or of PYTHONPATH."""
    user = patient.inside.user_site if patient.inside else None
    if user:
        yield from hiding_place(patient, Path(user), "the packages of your user")
    for place in python_path(patient):
        yield from hiding_place(patient, place, "PYTHONPATH")


def hiding_place(patient: Patient, place: Path, whose: str) -> Iterator[Trouble]:
    """Yield that a folder has packages of other versions than the environment."""
    others = {one.name: one for one in read_place(place)}
    differ = [
        f"{name} {others[name].version} for {patient.packages[name].version}"
        for name in sorted(others.keys() & patient.packages.keys())
        if others[name].version != patient.packages[name].version
        and others[name].place != patient.packages[name].place
    ]
    if differ:
        remedy = "unset PYTHONPATH" if whose == "PYTHONPATH" else "export PYTHONNOUSERSITE=1"
        evidence = f"{place} ({whose}) puts {', '.join(differ)}"
        yield trouble("user-site-shadowing", evidence, remedy)
