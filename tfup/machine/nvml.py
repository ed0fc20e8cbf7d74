# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN002, ANN201, E402, T201
"""Run in a process of its own: prints what NVIDIA's library says of driver and cards, as JSON.

Old drivers lack some of the questions; each is asked alone, and its answer may be null.
"""

from __future__ import annotations

import json
import sys

# "" is the current folder, where a stranger's pynvml.py may lie.
sys.path[:] = [folder for folder in sys.path if folder]

import pynvml


def ask(question, *arguments):
    """Return NVML's answer as text or number, None where the driver has none."""
    try:
        answer = getattr(pynvml, question)(*arguments)
    except (pynvml.NVMLError, AttributeError):
        return None
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def describe(index):
    """Describe the card of this number."""
    card = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = ask("nvmlDeviceGetMemoryInfo", card)
    pci = ask("nvmlDeviceGetPciInfo", card)
    bus = getattr(pci, "busId", None)
    mig = ask("nvmlDeviceGetMigMode", card)
    return {
        "index": index,
        "name": ask("nvmlDeviceGetName", card),
        "uuid": ask("nvmlDeviceGetUUID", card),
        "capability": ask("nvmlDeviceGetCudaComputeCapability", card),
        "memory_bytes": memory and memory.total,
        "bus": bus.decode() if isinstance(bus, bytes) else bus,
        "mig": mig and mig[0] == 1,
    }


def describe_all():
    """Describe the driver and every card."""
    pynvml.nvmlInit()
    return {
        "driver": ask("nvmlSystemGetDriverVersion"),
        "cuda": ask("nvmlSystemGetCudaDriverVersion_v2") or ask("nvmlSystemGetCudaDriverVersion"),
        "cards": [describe(index) for index in range(pynvml.nvmlDeviceGetCount())],
    }


if __name__ == "__main__":
    print(json.dumps(describe_all()))
