"""keras.json and KERAS_BACKEND: what the Keras of this environment makes of them."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfup.doctor import keras_config
from tfup.doctor.finding import Own, Repair, trouble
from tfup.files import write_whole
from tfup.match.keras import config_rule
from tfup.report.documents import ActiveBackend
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.doctor.finding import State, Trouble
    from tfup.doctor.inspected import Patient
    from tfup.doctor.keras_config import Fault, Reading
    from tfup.match.keras import ConfigRow

PACKAGES = {
    "theano": ("theano",),
    "cntk": ("cntk", "cntk-gpu"),
    "jax": ("jax",),
    "torch": ("torch",),
    "numpy": ("numpy",),
    "openvino": ("openvino",),
}
"""The packages that hold a back end; for TensorFlow the patient knows."""
LARGEST = 100_000
NO_BACKEND = Own(
    "The back end of Keras is not installed",
    "Keras takes it by default, where neither file nor variable names one.",
)


class Config(NamedTuple):
    """Where keras.json is, by which rules it is read, and what was read; None where it is not there."""

    path: Path
    rule: ConfigRow
    reading: Reading | None
    trouble: str | None = None
    """Why it cannot be read at all."""


def describe(patient: Patient) -> str:
    """Say which back end is active, and what decides that."""
    active = active_backend(patient)
    if active is None:
        return "no Keras here"
    source = {"default": "by default", "built in": "the only one of this Keras"}.get(
        active.source, active.place
    )
    return f"back end {active.name} ({source})"


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield what is wrong with the file and with the variables."""
    config = read_config(patient)
    if config is None:
        return
    yield from home_trouble(patient, config)
    if config.trouble:
        yield unreadable(config)
    elif config.reading:
        yield from file_troubles(config, config.reading)
    yield from variable_troubles(patient, config)


def active_backend(patient: Patient) -> ActiveBackend | None:
    """Return the back end that is used, and what decides it; None without Keras."""
    config = read_config(patient)
    if config is None:
        return None
    rule, value = config.rule, patient.variables.get("KERAS_BACKEND")
    if not rule.backends:
        return ActiveBackend(rule.default, "built in")
    if rule.variable and value:
        return ActiveBackend(value, "variable", f"KERAS_BACKEND={value}")
    named = config.reading.config.get("backend") if config.reading else None
    if named:
        return ActiveBackend(str(named), "file", str(config.path))
    return ActiveBackend(rule.default, "default")


# ---------------------------------------------------------------- reading


def read_config(patient: Patient) -> Config | None:
    """Return the configuration of the Keras that is here; None where there is none."""
    if patient.keras is None and not patient.tensorflows:
        return None
    rule = config_rule(patient.keras.version if patient.keras else None)
    path = config_path(patient, rule)
    if path.is_dir():
        return Config(path, rule, None, "is a folder")
    if not path.exists():
        return Config(path, rule, None)
    try:
        raw = path.read_bytes()[:LARGEST]
    except OSError as error:
        return Config(path, rule, None, f"cannot be read: {error.strerror}")
    by_variable = rule.variable and bool(patient.variables.get("KERAS_BACKEND"))
    return Config(
        path, rule, keras_config.examine(raw, rule, installed(patient), backend_counts=not by_variable)
    )


def config_path(patient: Patient, rule: ConfigRow) -> Path:
    """Return where this Keras looks for its file."""
    named = patient.variables.get("KERAS_HOME") if rule.home else None
    if named:
        return Path(named).expanduser() / "keras.json"
    usable = rule.built_in or os.access(patient.home, os.W_OK)
    home = patient.home if usable else Path("/tmp")  # noqa: S108 - it is Keras that looks there
    return home / ".keras" / "keras.json"


def installed(patient: Patient) -> tuple[str, ...]:
    """Return the back ends that are installed."""
    others = (name for name, packages in PACKAGES.items() if any(one in patient.packages for one in packages))
    return (*(["tensorflow"] if patient.tensorflows else []), *others)


# ---------------------------------------------------------------- the file


def unreadable(config: Config) -> Trouble:
    """Return the trouble of a file that cannot be opened; a folder in its place is moved away."""
    is_folder = config.path.is_dir()
    repair = Repair(act=partial(move_away, config.path)) if is_folder else None
    aside = ("mv", config.path, free_backup(config.path))
    remedy = typed(*aside) if is_folder else typed("chmod", "u+rw", config.path)
    return trouble(keras_config.BROKEN, f"{config.path} {config.trouble}", remedy, repair=repair)


def file_troubles(config: Config, reading: Reading) -> Iterator[Trouble]:
    """Yield the faults of the file, those of one kind together; one repair removes them all."""
    repair = Repair(act=partial(rewrite, config.path, keras_config.text_of(reading.repaired)))
    kinds: dict[str, list[Fault]] = {}
    for fault in reading.faults:
        kinds.setdefault(fault.id, []).append(fault)
    for name, faults in kinds.items():
        evidence = "; ".join(f"{config.path}: {line}" for line in keras_config.places(faults))
        state: State = "warning" if all(fault.harmless for fault in faults) else "wrong"
        yield trouble(name, evidence, "tfup doctor --fix", state=state, repair=repair)


def rewrite(path: Path, text: str) -> str:
    """Replace keras.json in one step; the former one is kept beside it."""
    target = path.resolve()
    backup = free_backup(target)
    shutil.copy2(target, backup)
    write_whole(target, text.encode("ascii"))
    return f"{path} was repaired; the former one is {backup}"


def move_away(path: Path) -> str:
    """Move what is no file out of the way; Keras writes one with its defaults."""
    backup = free_backup(path)
    path.rename(backup)
    return f"{path} was no file; it is now {backup}"


def free_backup(path: Path) -> Path:
    """Return a name for a backup that nothing has: keras.json.before-tfup, then .before-tfup-2 and so on."""
    first = path.with_name(f"{path.name}.before-tfup")
    number = 2
    backup = first
    while os.path.lexists(backup):
        backup = first.with_name(f"{first.name}-{number}")
        number += 1
    return backup


# ---------------------------------------------------------------- the variables


def home_trouble(patient: Patient, config: Config) -> Iterator[Trouble]:
    """Yield that KERAS_HOME has no effect, or names a file."""
    home = patient.variables.get("KERAS_HOME")
    if not home:
        return
    place = Path(home).expanduser()
    if not config.rule.home and (place / "keras.json").exists() and place != config.path.parent:
        yield trouble("keras-home-ignored", f"KERAS_HOME={home}", "unset KERAS_HOME", state="warning")
    elif config.rule.home and place.is_file():
        remedy = f"export KERAS_HOME={typed(place.parent)}"
        yield trouble("keras-home-not-a-folder", f"KERAS_HOME={home}", remedy)


def variable_troubles(patient: Patient, config: Config) -> Iterator[Trouble]:
    """Yield a KERAS_BACKEND that cannot be met, and a default that cannot."""
    value, rule = patient.variables.get("KERAS_BACKEND"), config.rule
    there = installed(patient)
    if value and not rule.variable:
        if value != rule.default:
            evidence = f"KERAS_BACKEND={value}; this Keras uses {rule.default}"
            yield trouble("keras-backend-ignored", evidence, "unset KERAS_BACKEND", state="warning")
    elif value:
        yield from chosen_by_variable(patient, config, value)
    elif there and not by_file(config) and rule.backends and rule.default not in there:
        best = keras_config.choose_backend(rule, there)
        evidence = f"{rule.default} is the default of Keras; {best} is installed"
        yield trouble(keras_config.BACKEND, evidence, f"export KERAS_BACKEND={best}", own=NO_BACKEND)


def by_file(config: Config) -> bool:
    """Tell whether the file names a back end, or will once it is repaired."""
    return bool(config.reading and config.reading.repaired.get("backend"))


def chosen_by_variable(patient: Patient, config: Config, value: str) -> Iterator[Trouble]:
    """Yield that KERAS_BACKEND names no usable back end, or that conda set it against the file."""
    judged = keras_config.judge_backend(value, config.rule, installed(patient))
    named = config.reading.config.get("backend") if config.reading else None
    scripts = sorted(patient.root.glob("etc/conda/activate.d/keras_activate*"))
    if judged.what:
        evidence = f"KERAS_BACKEND={value}: {judged.what}"
        yield trouble(keras_config.BACKEND, evidence, f"export KERAS_BACKEND={judged.right}")
    elif named and named != value and scripts:
        evidence = f"KERAS_BACKEND={value} by {scripts[0]}; {config.path} says {named}"
        yield trouble("keras-backend-env-overrides", evidence, "unset KERAS_BACKEND", state="warning")
