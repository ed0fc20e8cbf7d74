"""Detect a machine: all readers at once, and what they found as one value."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tfup.machine.backend_needs import read_backend_needs
from tfup.machine.concurrency import run_together
from tfup.machine.cpu import read_cpu, read_space
from tfup.machine.cudnn import read_cuda
from tfup.machine.fact import Fact, Facts, note_sources, note_unknown
from tfup.machine.folder import read_folder
from tfup.machine.gpu import read_gpus
from tfup.machine.python import read_pythons
from tfup.machine.system import read_system
from tfup.machine.tools import read_tools
from tfup.machine.user_settings import read_settings
from tfup.model import Cpu, Driver, Folder, Machine, System

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tfup.machine.probe import Probe

READER_SECONDS = 30.0
"""Longer than any limit inside a reader, so that it only ends what nothing else does."""

NOUNS = {"system": System, "cpu": Cpu, "driver": Driver, "folder": Folder}


def detect(probe: Probe, folder: Path | None = None, *, deep: bool = False) -> Machine:
    """Describe the machine; `folder` is where the project will be.

    With `deep`, tools whose version can only be had by starting them are started.
    """
    readers = list_readers(probe, folder, deep=deep)
    tasks = [partial(read_safely, name, reader) for name, reader in readers.items()]
    answers = run_together(tasks, READER_SECONDS)
    late = ({name: Fact(None, f"no answer in {READER_SECONDS:.0f} s")} for name in readers)
    return assemble({place: fact for facts in map(_first, answers, late) for place, fact in facts.items()})


def list_readers(probe: Probe, folder: Path | None, *, deep: bool) -> dict[str, Callable[[], Facts]]:
    """Return the readers, by the place in the machine file that they fill."""
    return {
        "pythons": partial(read_pythons, probe),
        "gpus": partial(read_gpus, probe),
        "tools": partial(read_tools, probe, folder, deep=deep),
        "cpu": partial(read_cpu, probe),
        "memory_bytes": partial(read_space, probe, folder),
        "system": partial(read_system, probe),
        "cuda": partial(read_cuda, probe),
        "environment": partial(read_settings, probe),
        "folder": partial(read_folder, probe, folder),
        "runtimes": partial(read_backend_needs, probe),
    }


def read_safely(name: str, reader: Callable[[], Facts]) -> Facts:
    """Turn a crash of one reader into the reason why its facts are unknown: the others go on."""
    try:
        return reader()
    except Exception as error:  # noqa: BLE001 (whatever a strange machine makes of a reader is told, not hidden)
        return {name: Fact(None, f"its reader failed: {type(error).__name__}: {error}")}


def _first(facts: Facts | None, otherwise: Facts) -> Facts:
    return otherwise if facts is None else facts


def assemble(facts: Facts) -> Machine:
    """Make the machine of its facts; "system.os" goes into the system, "cuda[0].path" only into the notes."""
    values: dict[str, Any] = {}
    for place, fact in facts.items():
        group, dot, name = place.partition(".")
        if dot and "[" not in place:
            values.setdefault(group, {})[name] = fact.value
        elif fact.value is not None and "[" not in place:
            values[place] = fact.value
    nouns = {name: noun(**values[name]) for name, noun in NOUNS.items() if name in values}
    return Machine(**values | nouns, sources=note_sources(facts), unknown=note_unknown(facts))
