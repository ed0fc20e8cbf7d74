"""The variables that turn one Python or one library into another."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tfup.doctor.findings.pairs import applies, rows
from tfup.doctor.trouble import Own, Repair, package_trouble, trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.doctor.patient import Patient
    from tfup.doctor.trouble import Trouble

HOME = Own(
    "PYTHONHOME is set",
    "It sends every Python to one standard library, whichever it was made for; most do not start.",
)
PURE = Own(
    "protobuf is told to do without its compiled part",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python makes reading models and logs many times slower.",
)
RELATIVE = Own(
    "LD_LIBRARY_PATH has an entry that means the current folder",
    "An empty or relative entry makes the loader take libraries from wherever you happen to be.",
)
STUBS = Own(
    "LD_LIBRARY_PATH has CUDA's stubs",
    "They are for linking only: a program that loads libcuda.so from there finds no graphics card.",
)
YES = {"1", "true"}
WATCHED = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "KERAS_BACKEND", "KERAS_HOME", "LD_LIBRARY_PATH",
    "TF_USE_LEGACY_KERAS", "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION",
)  # fmt: skip
LIBRARY = "libstdc++.so.6"
SYSTEM_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
)
LEVEL = re.compile(rb"GLIBCXX_3\.4\.(\d+)\0")


def describe(patient: Patient) -> str:
    """Say which of the variables are set that matter."""
    return ", ".join(name for name in WATCHED if patient.variables.get(name)) or "none that matters is set"


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield the variables that do harm."""
    value = patient.variables.get
    if value("PYTHONHOME"):
        yield trouble("pythonhome-set", f"PYTHONHOME={value('PYTHONHOME')}", "unset PYTHONHOME", own=HOME)
    if value("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION") == "python":
        name = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
        yield trouble("protobuf-in-python", f"{name}=python", f"unset {name}", own=PURE, state="warning")
    if (value("TF_USE_LEGACY_KERAS") or "").lower() in YES:
        yield from legacy_keras(patient)
    yield from loader_path(patient)


def legacy_keras(patient: Patient) -> Iterator[Trouble]:
    """Yield that Keras 2 is asked for and is not there, for a TensorFlow that brings Keras 3."""
    row = next(row for row in rows() if row.id == "tf-keras-needed")
    if patient.tensorflow and "tf-keras" not in patient.packages and applies(row, patient, row.versions):
        minor = ".".join(patient.tensorflow.version.split(".")[:2])
        pin = f"{patient.tensorflow.name}=={patient.tensorflow.version}"
        repair = Repair(install=(f"tf-keras=={minor}.*", pin))
        yield package_trouble(patient, row.id, "TF_USE_LEGACY_KERAS=1, and no package tf-keras", repair)


# ---------------------------------------------------------------- the loader's path


def loader_path(patient: Patient) -> Iterator[Trouble]:
    """Yield what is wrong with LD_LIBRARY_PATH: only Linux and its kin look at it."""
    text = patient.variables.get("LD_LIBRARY_PATH", "")
    entries = text.split(":") if text else []
    relative = [entry for entry in entries if not entry.startswith("/")]
    if relative:
        remedy = f"export LD_LIBRARY_PATH='{':'.join(entry for entry in entries if entry not in relative)}'"
        yield trouble(
            "loader-path-relative", f"LD_LIBRARY_PATH={text}", remedy, own=RELATIVE, state="warning"
        )
    stubs = [
        entry for entry in entries if Path(entry).name == "stubs" and any(Path(entry).glob("libcuda.so*"))
    ]
    if stubs:
        remedy = f"export LD_LIBRARY_PATH='{':'.join(entry for entry in entries if entry not in stubs)}'"
        yield trouble(
            "loader-path-stubs", f"LD_LIBRARY_PATH has {stubs[0]}", remedy, own=STUBS, state="warning"
        )
    yield from old_library(patient, [entry for entry in entries if entry])


def old_library(patient: Patient, entries: list[str]) -> Iterator[Trouble]:
    """Yield a libstdc++ on the loader's path that is older than what TensorFlow was linked against.

    TensorFlow's own library is large, and is read only where the system's libstdc++ is the newer one.
    """
    first = next((Path(entry, LIBRARY) for entry in entries if Path(entry, LIBRARY).is_file()), None)
    system = next((Path(place, LIBRARY) for place in SYSTEM_FOLDERS if Path(place, LIBRARY).is_file()), None)
    if first is None or system is None or level_of(first) >= level_of(system):
        return
    needed = max((level_of(path) for path in frameworks(patient)), default=0)
    if needed > level_of(first):
        evidence = f"{first} ends at GLIBCXX_3.4.{level_of(first)}; TensorFlow needs GLIBCXX_3.4.{needed}"
        kept = ":".join(entry for entry in entries if Path(entry) != first.parent)
        yield trouble("libstdcxx-too-old", evidence, f"export LD_LIBRARY_PATH='{kept}'")


def level_of(path: Path) -> int:
    """Return the newest GLIBCXX version that a library names, 0 where it names none."""
    import mmap

    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return 0
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return max((int(found[1]) for found in LEVEL.finditer(content)), default=0)


def frameworks(patient: Patient) -> Iterator[Path]:
    """Yield the library that all parts of TensorFlow are linked with."""
    for place in patient.places:
        for pattern in (
            "tensorflow/libtensorflow_framework.so*",
            "tensorflow_core/libtensorflow_framework.so*",
        ):
            yield from place.glob(pattern)
