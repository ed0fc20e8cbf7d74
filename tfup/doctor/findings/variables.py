"""The variables that turn one Python or one library into another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfup.doctor import libstdcxx
from tfup.doctor.finding import Repair, package_trouble, trouble
from tfup.doctor.findings.pairs import applies, rows
from tfup.match.platforms import FAMILIES
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Patient

YES = {"1", "true"}
WATCHED = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "KERAS_BACKEND", "KERAS_HOME", "LD_LIBRARY_PATH",
    "TF_USE_LEGACY_KERAS", "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION",
)  # fmt: skip
NEWER = "update the system's libstdc++, or `conda install -c conda-forge libstdcxx-ng` in a conda environment"


def describe(patient: Patient) -> str:
    """Say which of the variables are set that matter."""
    return ", ".join(name for name in WATCHED if patient.variables.get(name)) or "none that matters is set"


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield the variables that do harm."""
    value = patient.variables.get
    if value("PYTHONHOME"):
        yield trouble("pythonhome-set", f"PYTHONHOME={value('PYTHONHOME')}", "unset PYTHONHOME")
    if value("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION") == "python":
        name = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
        yield trouble("protobuf-in-python", f"{name}=python", f"unset {name}", state="warning")
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
        remedy = keep_only(entry for entry in entries if entry not in relative)
        yield trouble("loader-path-relative", f"LD_LIBRARY_PATH={text}", remedy, state="warning")
    stubs = [
        entry for entry in entries if Path(entry).name == "stubs" and any(Path(entry).glob("libcuda.so*"))
    ]
    if stubs:
        remedy = keep_only(entry for entry in entries if entry not in stubs)
        yield trouble("loader-path-stubs", f"LD_LIBRARY_PATH has {stubs[0]}", remedy, state="warning")
    yield from old_library(patient, [entry for entry in entries if entry])


def keep_only(entries: Iterable[str]) -> str:
    """Return the command that leaves only these folders on the loader's path."""
    return f"export LD_LIBRARY_PATH={typed(':'.join(entries))}"


def old_library(
    patient: Patient, entries: list[str], system: Iterable[str] | None = None
) -> Iterator[Trouble]:
    """Yield a libstdc++ that is older than what TensorFlow was linked with; `system` are its folders.

    TensorFlow's own library is large, and is read only where LD_LIBRARY_PATH leads to an older one than the
    system's; what was measured of its release is in a table.
    """
    arch, found = patient.machine.system.arch or "", patient.tensorflow
    if system is None:
        system = libstdcxx.SYSTEM_FOLDERS.get(arch, ())
    first, own = libstdcxx.taken(patient, entries, system), libstdcxx.taken(patient, (), system)
    if first is None or found is None:
        return
    level = libstdcxx.level_of(first)
    family = FAMILIES.get((patient.machine.system.os or "", arch), "")
    needs = libstdcxx.needed(found.name, found.version, family) or 0
    if own and libstdcxx.level_of(own) > level:
        needs = max([needs, *map(libstdcxx.level_of, libstdcxx.frameworks(patient))])
    if 0 < level < needs:
        evidence = f"{first} ends at GLIBCXX_3.4.{level}; TensorFlow needs GLIBCXX_3.4.{needs}"
        leave = keep_only(entry for entry in entries if Path(entry) != first.parent)
        yield trouble("libstdcxx-too-old", evidence, leave if str(first.parent) in entries else NEWER)
