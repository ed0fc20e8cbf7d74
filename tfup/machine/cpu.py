"""The processor, the memory and the room on the disk, as archspec and psutil tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup.machine.fact import Fact, Facts

if TYPE_CHECKING:
    from pathlib import Path

    from tfup.machine.probe import Probe


def read_cpu(probe: Probe) -> Facts:
    """Read name, features and number of the processors."""
    features = probe.ask("features")
    unknown = Fact(None, "archspec could not tell")
    return {
        "cpu.model": ask_library(probe, "archspec", "model"),
        "cpu.features": Fact(tuple(features), "archspec") if isinstance(features, list) else unknown,
        "cpu.cores": ask_library(probe, "psutil", "cores"),
    }


def read_space(probe: Probe, folder: Path | None) -> Facts:
    """Read the memory, and the room where the project will be."""
    return {
        "memory_bytes": ask_library(probe, "psutil", "memory"),
        "disk_free_bytes": ask_library(probe, "psutil", "disk_free", str(folder or ".")),
    }


def ask_library(probe: Probe, library: str, *question: str) -> Fact:
    """Return the library's answer to a question of `readers.py`."""
    value = probe.ask(*question)
    return Fact(value, library) if value is not None else Fact(None, f"{library} could not tell")
