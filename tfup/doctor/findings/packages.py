"""What is installed: each package once, whole, and the only one of its kind."""

from __future__ import annotations

import os
import re
import shutil
from functools import partial
from typing import TYPE_CHECKING

from tfup.doctor.finding import Own, Repair, package_trouble, remake, trouble
from tfup.doctor.inspected import installer_of, version_of
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Distribution, Patient

CODE = (".py", ".so", ".pyd", ".dll", ".dylib")
SHARED = {
    "tensorflow/__init__.py": "two-tensorflows",
    "keras/__init__.py": "two-kerases",
    "tensorboard/__init__.py": "tensorboard-duplicate-plugins",
    "cv2/__init__.py": "two-opencvs",
}
"""Modules that come in several packages: what is wrong when two of them are there."""
CONDAS = {
    ("numpy",): "conda-pip-mixed-numpy",
    ("tensorflow", "tensorflow-gpu", "tensorflow-base"): "conda-and-pip-two-tensorflows",
}
"""What conda and pip must not both install."""
SHOWN = 3
SHELL = re.compile(r"tensorrt(?:-cu\d+)?")
BINDINGS = re.compile(r"tensorrt(?:-cu\d+)?-bindings")
HELD = Own(
    "Programs use the environment that is to be repaired",
    "Windows replaces no file that a program holds open; elsewhere old files are mixed with new ones.",
)
BACKENDS = ("tensorflow", "jax", "torch", "theano", "openvino")


def describe(patient: Patient) -> str:
    """Say how many packages there are, and which TensorFlow and Keras."""
    named = [f"{one.name} {one.version}" for one in (*patient.tensorflows[:1], patient.keras) if one]
    return ", ".join((*named, f"{len(patient.packages)} packages"))


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield what is there twice or by halves."""
    leftovers = [*find_leftovers(patient)]
    yield from absent(patient)
    yield from mixed(patient)
    yield from (leftover_trouble(patient, path) for path in leftovers)
    yield from empty_records(patient)
    yield from without_bindings(patient)
    twice = [*several_versions(patient)]
    yield from twice
    shared = [*sharing(patient)]
    yield from shared
    if not shared and not twice:  # what those lost comes back with their repair
        yield from incomplete(patient)
    if leftovers:
        yield from held_open(patient)


# ---------------------------------------------------------------- what is not there


def absent(patient: Patient) -> Iterator[Trouble]:
    """Yield that there is no TensorFlow, nor another back end for the Keras that is there."""
    if patient.inside is None or patient.tensorflows or any(name in patient.packages for name in BACKENDS):
        return
    if patient.keras:
        evidence = f"{patient.keras.record}, and no package of a back end"
        yield trouble("keras-without-backend", evidence, remake(patient))
    elif not patient.packages.keys() & {"tensorflow-gpu", "tf-nightly"}:
        yield trouble("no-tensorflow", f"{patient.environment.folder}", remake(patient))


def without_bindings(patient: Patient) -> Iterator[Trouble]:
    """Yield a `tensorrt` that is a shell, without the package that holds its compiled parts."""
    shells = [one for name, one in patient.packages.items() if SHELL.fullmatch(name)]
    lists = [one.files() for one in shells]
    whole = any(name.endswith(CODE[1:]) for files in lists for name in files)
    bound = any(BINDINGS.fullmatch(name) for name in patient.packages)
    if shells and all(lists) and not whole and not bound:
        evidence = f"{shells[0].record}, and no package tensorrt-bindings"
        repair = Repair(safe=False, uninstall=tuple(one.name for one in shells))
        yield package_trouble(patient, "tensorrt-metapackage-without-bindings", evidence, repair)


def find_leftovers(patient: Patient) -> Iterator[Path]:
    """Yield what pip renamed to delete it, and did not: ~ensorflow, -ensorflow."""
    for place in patient.places:
        yield from sorted(path for path in place.iterdir() if path.name.startswith(("~", "-")))


def leftover_trouble(patient: Patient, path: Path) -> Trouble:
    """Return the trouble of one leftover."""
    repair = Repair(act=partial(delete, path), in_environment=True) if patient.is_ours else None
    return trouble("half-removed-distribution", str(path), typed("rm", "-r", path), repair=repair)


def empty_records(patient: Patient) -> Iterator[Trouble]:
    """Yield records without metadata: pip and Python see a package that has neither name nor version."""
    known = {one.record for one in patient.distributions}
    for place in patient.places:
        for record in sorted(place.glob("[!~-]*.dist-info")):
            if record not in known:
                yield empty_record(patient, record)


def empty_record(patient: Patient, record: Path) -> Trouble:
    """Return the trouble of a record without metadata; what its name says is installed again."""
    name, _, version = record.name.removesuffix(".dist-info").partition("-")
    lives = any((record.parent / module).exists() for module in (name, f"{name}.py"))
    repair = Repair(
        act=partial(delete, record),
        in_environment=True,
        install=(f"{name}=={version}",) if lives and version else (),
    )
    evidence = f"{record} has no readable METADATA"
    mine = repair if patient.is_ours else None
    return trouble("half-removed-distribution", evidence, typed("rm", "-r", record), repair=mine)


def delete(path: Path) -> str:
    """Delete a file or a folder, and say so; the environment as it was is kept for undo."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return f"deleted {path}"


# ---------------------------------------------------------------- what is there twice


def several_versions(patient: Patient) -> Iterator[Trouble]:
    """Yield packages with two records in one folder."""
    records: dict[tuple[Path, str], list[Distribution]] = {}
    for one in patient.distributions:
        records.setdefault((one.place, one.name), []).append(one)
    for (_, name), found in records.items():
        if len({one.version for one in found}) > 1:  # Debian has some packages by two records of one version
            newest = max(found, key=lambda one: version_of(one.version))
            evidence = ", ".join(str(one.record) for one in found)
            repair = Repair(reinstall=(f"{name}=={newest.version}",))
            yield package_trouble(patient, "two-versions", evidence, repair)


def sharing(patient: Patient) -> Iterator[Trouble]:
    """Yield packages that were unpacked into the same folder."""
    for module, name in SHARED.items():
        owners = owners_of(patient, module)
        if len(owners) > 1:
            keep, *others = sorted(owners, key=partial(preference, patient), reverse=True)
            repair = Repair(
                safe=False,
                uninstall=tuple(other.name for other in others),
                reinstall=(f"{keep.name}=={keep.version}",),
            )
            evidence = (
                f"{' and '.join(f'{one.name} {one.version}' for one in owners)} in {keep.place / module}"
            )
            yield package_trouble(patient, name, evidence, repair)


def owners_of(patient: Patient, module: str) -> list[Distribution]:
    """Return the packages that say that a module is theirs; only those of that kind are asked."""
    stem = module.partition("/")[0].replace("cv2", "opencv")
    kin = [
        one
        for one in patient.packages.values()
        if one.name.startswith((stem, f"tf-{stem}", "tf-nightly", "tb-nightly", "intel-tensorflow"))
    ]
    return [one for one in kin if module in one.files()]


def preference(patient: Patient, one: Distribution) -> tuple[object, ...]:
    """Order packages of which one can stay: the one that others require, the plain name, the newest."""
    required = sum(
        1
        for other in patient.packages.values()
        for need in other.requires
        if need.name.replace("_", "-").lower() == one.name
    )
    return required, one.name in {"tensorflow", "keras", "tensorboard"}, version_of(one.version)


def mixed(patient: Patient) -> Iterator[Trouble]:
    """Yield NumPy and TensorFlow where both conda and pip installed them."""
    for names, issue in CONDAS.items():
        records = [record for name in names for record in patient.root.glob(f"conda-meta/{name}-[0-9]*.json")]
        pips = [one for name in names if (one := patient.packages.get(name)) and installer_of(one) == "pip"]
        if records and pips:
            evidence = f"{records[0]} is conda's, {pips[0].record} is pip's"
            yield trouble(issue, evidence, remake(patient))


# ---------------------------------------------------------------- what is there by halves


def incomplete(patient: Patient) -> Iterator[Trouble]:
    """Yield packages of which modules are missing."""
    there = {place: set(walk(place)) for place in {one.place for one in patient.packages.values()}}
    for one in patient.packages.values():
        gone = [name for name in one.files() if is_code(name) and name not in there[one.place]]
        if gone:
            more = f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
            evidence = f"{one.name} {one.version} lacks {', '.join(gone[:SHOWN])}{more} in {one.place}"
            repair = Repair(reinstall=(f"{one.name}=={one.version}",))
            yield package_trouble(patient, "files-missing", evidence, repair)


def is_code(name: str) -> bool:
    """Tell whether a file of a package can be imported or loaded; scripts and notes may be elsewhere."""
    return name.endswith(CODE) and not name.startswith(("..", "/"))


def walk(place: Path) -> Iterable[str]:
    """Yield all files below a folder, relative and with slashes, as RECORD writes them."""
    root = str(place)
    for folder, _, names in os.walk(root):
        inner = folder[len(root) + 1 :].replace(os.sep, "/")
        yield from (f"{inner}/{name}" if inner else name for name in names)


# ---------------------------------------------------------------- who uses it


def held_open(patient: Patient) -> Iterator[Trouble]:
    """Yield the programs that use the environment while something has to be repaired in it."""
    users = [*users_of(patient.root)]
    if users:
        evidence = "; ".join(f"process {number}: {command}" for number, command in users)
        remedy = f"end {', '.join(str(number) for number, _ in users)}, then: tfup doctor --fix"
        yield trouble("windows-access-denied-in-use", evidence, remedy, own=HELD, state="warning")


def users_of(folder: Path) -> Iterator[tuple[int, str]]:
    """Yield the processes of the person that run the Python of an environment."""
    import psutil

    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        if command and command[0].startswith(f"{folder}{os.sep}") and process.pid != os.getpid():
            yield process.pid, " ".join(command[:3])
