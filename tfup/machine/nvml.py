# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN002, ANN201, BLE001, T201
"""Run in a process of its own: prints what NVIDIA's libraries say of driver and cards, as JSON.

NVML is asked first, and libcuda where NVML has no answer or CUDA's own order of the cards matters.
Old drivers lack some of the questions; each is asked alone, and its answer may be null. A library
that hangs is left in its thread: what was said until then is printed in time.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from threading import Thread
from time import monotonic, time
from typing import Any

LIMIT = 1.1  # seconds

# "" is the current folder, where a stranger's pynvml.py may lie.
sys.path[:] = [folder for folder in sys.path if folder]

# Where the loader does not look by itself: WSL, containers of Google's, Colab, NixOS.
FOLDERS = ("/usr/lib/wsl/lib", "/usr/local/nvidia/lib64", "/usr/lib64-nvidia", "/run/opengl-driver/lib")

CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…

report: dict[str, Any] = {
    "driver": None, "cuda": None, "cards": [], "cuda_version": None, "devices": None, "errors": {},
}  # fmt: skip


def load(name):
    """Return a library of the driver."""
    try:
        return ctypes.CDLL(name)
    except OSError:
        elsewhere = [path for folder in FOLDERS if (path := Path(folder, name)).exists()]
        if not elsewhere:
            raise
        return ctypes.CDLL(str(elsewhere[0]))


# ---------------------------------------------------------------- NVML


def ask_nvml():
    """Describe the driver and every card by NVML."""
    import pynvml

    if sys.platform == "linux":
        pynvml.nvmlLib = load("libnvidia-ml.so.1")
    start(pynvml)
    report["driver"] = ask({}, "driver", pynvml.nvmlSystemGetDriverVersion)
    report["cuda"] = ask({}, "cuda", pynvml.nvmlSystemGetCudaDriverVersion_v2)
    for index in range(pynvml.nvmlDeviceGetCount()):
        report["cards"].append(describe(pynvml, index))


def start(pynvml):
    """Start NVML; drivers before 396 know only its second way."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_FunctionNotFound:
        code = pynvml.nvmlLib.nvmlInit_v2()
        if code:
            raise pynvml.NVMLError(code) from None


def describe(pynvml, index):
    """Describe the card of this number; where it says nothing, with the reason."""
    errors: dict[str, str] = {}
    card = ask(errors, "index", pynvml.nvmlDeviceGetHandleByIndex, index)
    facts = describe_card(pynvml, card, errors) if card else {}
    return {"index": index, **facts, "errors": errors}


def describe_card(pynvml, card, errors):
    """Describe a card by each of the questions."""
    memory = ask(errors, "memory_bytes", pynvml.nvmlDeviceGetMemoryInfo, card)
    mig = ask(errors, "mig", pynvml.nvmlDeviceGetMigMode, card)
    return {
        "name": ask(errors, "name", pynvml.nvmlDeviceGetName, card),
        "uuid": ask(errors, "uuid", pynvml.nvmlDeviceGetUUID, card),
        "capability": ask(errors, "compute_capability", pynvml.nvmlDeviceGetCudaComputeCapability, card),
        "memory_bytes": memory and memory.total,
        "bus": ask(errors, "pci_id", find_bus, pynvml, card),
        "mig": mig and mig[0] == 1,
        "mig_uuids": list_slices(pynvml, card) if mig and mig[0] == 1 else None,
    }


def find_bus(pynvml, card):
    """Return the PCI address; old drivers know only the second version of the question."""
    try:
        bus = pynvml.nvmlDeviceGetPciInfo(card).busId
    except pynvml.NVMLError_FunctionNotFound:
        pci = pynvml.nvmlPciInfo_v2_t()
        code = pynvml.nvmlLib.nvmlDeviceGetPciInfo_v2(card, ctypes.byref(pci))
        if code:
            raise pynvml.NVMLError(code) from None
        bus = pci.busId
    return bus


def list_slices(pynvml, card):
    """Return the identifiers of the slices that MIG has made of a card."""
    slices = []
    for number in range(ask({}, "", pynvml.nvmlDeviceGetMaxMigDeviceCount, card) or 0):
        piece = ask({}, "", pynvml.nvmlDeviceGetMigDeviceHandleByIndex, card, number)
        uuid = piece and ask({}, "", pynvml.nvmlDeviceGetUUID, piece)
        slices += [uuid] if uuid else []
    return slices


def ask(errors, place, question, *arguments):
    """Return the answer as text or number; None where there is none, with the reason for the place."""
    try:
        answer = question(*arguments)
    except Exception as error:
        errors[place] = explain(error)
        return None
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


# ---------------------------------------------------------------- libcuda


class Refused(Exception):
    """Libcuda answered a question with a code."""

    def __str__(self) -> str:
        """Say it in one line; cuda.h knows what the codes mean."""
        return "{}: error {}".format(*self.args)


def ask_cuda():
    """Describe the devices by libcuda, all of them and in its own order."""
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    cuda = load("libcuda.so.1") if os.name == "posix" else ctypes.CDLL("nvcuda.dll")
    report["cuda_version"] = number(cuda, "cuDriverGetVersion")
    check(cuda.cuInit(0), "cuInit")
    report["devices"] = [describe_device(cuda, index) for index in range(number(cuda, "cuDeviceGetCount"))]


def describe_device(cuda, index):
    """Describe the device of this number."""
    device = ctypes.c_int(number(cuda, "cuDeviceGet", ctypes.c_int(index)))
    memory = ctypes.c_size_t()
    check(cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device), "cuDeviceTotalMem")
    capability = [
        number(cuda, "cuDeviceGetAttribute", ctypes.c_int(attribute), device)
        for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR)
    ]
    return {
        "name": text(cuda, "cuDeviceGetName", device),
        "uuid": identify(cuda, device),
        "capability": capability,
        "memory_bytes": memory.value,
        "bus": text(cuda, "cuDeviceGetPCIBusId", device),
    }


def number(cuda, question, *arguments):
    """Return a number that libcuda tells."""
    answer = ctypes.c_int()
    check(getattr(cuda, question)(ctypes.byref(answer), *arguments), question)
    return answer.value


def text(cuda, question, device):
    """Return a text that libcuda tells."""
    answer = ctypes.create_string_buffer(256)
    check(getattr(cuda, question)(answer, len(answer), device), question)
    return answer.value.decode("utf-8", "replace")


def identify(cuda, device):
    """Return the identifier of a device; None where the driver is too old for the question."""
    answer = ctypes.create_string_buffer(16)
    if not hasattr(cuda, "cuDeviceGetUuid") or cuda.cuDeviceGetUuid(answer, device):
        return None
    digits = answer.raw.hex()
    return "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def check(code, question):
    """Turn a code of libcuda's into an exception."""
    if code:
        raise Refused(question, code)


# ---------------------------------------------------------------- both, in time


def explain(error):
    """Return the reason in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def run(name, stage):
    """Run one stage, and note why it ended early."""
    report["errors"][name] = "no answer within its time"
    try:
        stage()
        del report["errors"][name]
    except Exception as error:
        report["errors"][name] = explain(error)


def begin(name, stage):
    """Start a stage in a thread: a library that hangs cannot be called back."""
    thread = Thread(target=run, args=(name, stage), daemon=True)
    thread.start()
    return thread


def needs_order():
    """Tell whether only CUDA knows which cards were chosen: its numbers count the fastest first."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES") or ""
    by_bus = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    alike = len({card.get("name") for card in report["cards"]}) <= 1
    return any(letter.isdigit() for letter in chosen) and not (by_bus or alike)


def main(arguments):
    """Ask, and print in time what was said; the end may be told, for to start this took time, too."""
    seconds = max(0.0, float(arguments[0]) - time()) if arguments else LIMIT
    end = monotonic() + seconds
    threads = [begin("nvml", ask_nvml)]
    threads[0].join(seconds / 2)
    if report["errors"] or needs_order():
        threads.append(begin("cuda", ask_cuda))
    for thread in threads:
        thread.join(max(0.0, end - monotonic()))
    print("\n" + json.dumps({**report, "cards": list(report["cards"]), "errors": dict(report["errors"])}))
    sys.stdout.flush()
    os._exit(0)  # at a proper end, a library that hangs would be waited for


if __name__ == "__main__":
    main(sys.argv[1:])
