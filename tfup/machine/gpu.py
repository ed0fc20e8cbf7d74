"""The graphics cards and NVIDIA's driver: from NVML, else from the kernel's files and nvidia-smi."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, ValidationError, convert

from tfup.machine.fact import Fact, Facts, list_facts
from tfup.machine.system import name_architecture, name_system
from tfup.model import Gpu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfup.machine.probe import Probe

SIGNS = (
    "/dev/nvidia*", "/proc/driver/nvidia", "/dev/dxg", "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/usr/lib/*/libnvidia-ml.so.1", "/usr/lib64/libnvidia-ml.so.1", "/usr/lib/libnvidia-ml.so.1",
    r"C:\Windows\System32\nvml.dll", r"C:\Program Files\NVIDIA Corporation\NVSMI\nvml.dll",
)  # fmt: skip
"""Where NVIDIA's driver shows; without any of them, nobody is asked."""

VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
DISPLAY_CLASS = "0x03"


class Card(Struct):
    """A card as NVML describes it."""

    index: int
    name: str | None
    uuid: str | None
    capability: tuple[int, int] | None
    memory_bytes: int | None
    bus: str | None
    mig: bool | None


class Nvml(Struct):
    """What NVML says of driver and cards; CUDA as 12020 for 12.2."""

    driver: str | None
    cuda: int | None
    cards: list[Card]


def read_gpus(probe: Probe) -> Facts:
    """Read driver and cards."""
    signs = [sign for sign in SIGNS if probe.glob(sign)]
    nvml = ask_nvml(probe) if signs else None
    return {**read_driver(probe, nvml, signs), **read_cards(probe, nvml)}


def ask_nvml(probe: Probe) -> Nvml | None:
    """Return what NVML says, None where it is absent or answers nonsense."""
    try:
        return convert(probe.ask("nvml"), Nvml | None)
    except ValidationError:
        return None


# ---------------------------------------------------------------- the driver


def read_driver(probe: Probe, nvml: Nvml | None, signs: Sequence[str]) -> Facts:
    """Read the driver's version, and the newest CUDA that it serves."""
    if not signs:
        return {"driver": Fact(None, "no sign of NVIDIA's driver (no device, no library)")}
    if nvml and nvml.driver:
        return _driver(nvml.driver, parse_cuda(nvml.cuda) if nvml.cuda else None, "NVML")
    version = parse_kernel_module(probe.read("/proc/driver/nvidia/version") or "")
    if version:
        return _driver(version, None, "/proc/driver/nvidia/version")
    version, cuda = parse_nvidia_smi(probe.run("nvidia-smi") or "")
    if version:
        return _driver(version, cuda, "nvidia-smi")
    return {"driver": Fact(None, f"{signs[0]} is there, but neither NVML, the kernel nor nvidia-smi answers")}


def _driver(version: str, cuda: str | None, source: str) -> Facts:
    return {
        "driver.version": Fact(version, source),
        "driver.cuda": Fact(cuda, source if cuda else f"{source}: does not say"),
    }


def parse_cuda(number: int) -> str:
    """Return CUDA's version from the driver's number for it.

    >>> parse_cuda(12020), parse_cuda(9000)
    ('12.2', '9.0')
    """
    return f"{number // 1000}.{number % 1000 // 10}"


def parse_kernel_module(text: str) -> str | None:
    """Return the version of the kernel's NVIDIA module, the open one's too.

    >>> parse_kernel_module("NVRM version: NVIDIA UNIX x86_64 Kernel Module  375.74  Wed Jun 14 2017")
    '375.74'
    >>> parse_kernel_module("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.28.03  Release")
    '560.28.03'
    """
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d+\.\d+(?:\.\d+)?)", text)
    return found[1] if found else None


def parse_nvidia_smi(text: str) -> tuple[str | None, str | None]:
    """Return driver and CUDA from nvidia-smi's page; old ones do not know CUDA.

    >>> parse_nvidia_smi("| NVIDIA-SMI 535.104.05   Driver Version: 535.104.05   CUDA Version: 12.2     |")
    ('535.104.05', '12.2')
    >>> parse_nvidia_smi("| NVIDIA-SMI 384.111                Driver Version: 384.111                   |")
    ('384.111', None)
    """
    driver = re.search(r"Driver Version: (\d+(?:\.\d+)+)", text)
    cuda = re.search(r"CUDA Version: (\d+\.\d+)", text)
    return driver and driver[1], cuda and cuda[1]


# ---------------------------------------------------------------- the cards


def read_cards(probe: Probe, nvml: Nvml | None) -> Facts:
    """Read the cards: NVIDIA's from NVML, the rest from the PCI bus; there is one in each Apple processor."""
    devices = probe.glob("/sys/bus/pci/devices/*")
    known = [(describe_card(card, nvml, probe), "NVML") for card in nvml.cards] if nvml else []
    seen = {gpu.pci_id for gpu, _ in known}
    others = [(gpu, "PCI bus") for gpu in read_devices(probe, devices) if gpu.pci_id not in seen]
    cards = [*known, *others, *read_apple(probe)]
    if not cards and not devices:
        return {"gpus": Fact(None, "no NVML, and no PCI bus to look at")}
    return list_facts("gpus", cards, "NVML and the PCI bus")


def describe_card(card: Card, nvml: Nvml, probe: Probe) -> Gpu:
    """Put NVML's description into our words."""
    return Gpu(
        vendor="nvidia",
        name=card.name,
        compute_capability="{}.{}".format(*card.capability) if card.capability else None,
        memory_bytes=card.memory_bytes,
        index=card.index,
        pci_id=card.bus and shorten_bus(card.bus),
        visible=is_visible(card, len(nvml.cards), probe),
        mig=card.mig,
    )


def shorten_bus(bus: str) -> str:
    """Return the PCI address as the kernel writes it; NVML's has a longer domain.

    >>> shorten_bus("00000000:3B:00.0")
    '0000:3b:00.0'
    """
    return bus.lower()[-len("0000:00:00.0") :]


def is_visible(card: Card, number: int, probe: Probe) -> bool | None:
    """Tell whether CUDA programs may see the card, None where that depends on CUDA's own order."""
    chosen = probe.variable("CUDA_VISIBLE_DEVICES")
    in_bus_order = number == 1 or probe.variable("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    if chosen is None:
        return True
    return parse_visible(chosen, card.index, card.uuid or "", in_bus_order=in_bus_order)


def parse_visible(chosen: str, index: int, uuid: str, *, in_bus_order: bool) -> bool | None:
    """Read CUDA_VISIBLE_DEVICES: numbers or the beginnings of identifiers, valid until the first wrong one.

    >>> parse_visible("", 0, "GPU-1f", in_bus_order=True)
    False
    >>> parse_visible("GPU-1", 0, "GPU-1f", in_bus_order=False)
    True
    >>> parse_visible("1,-1,0", 0, "GPU-1f", in_bus_order=True)
    False
    >>> parse_visible("0", 0, "GPU-1f", in_bus_order=False) is None
    True
    """
    names = [name.strip() for name in chosen.split(",")]
    valid = names[: next((place for place, name in enumerate(names) if name in {"", "-1"}), len(names))]
    if any(name.isdigit() for name in valid) and not in_bus_order:
        return None
    return any(uuid.startswith(name) or name == str(index) for name in valid)


def read_devices(probe: Probe, devices: Sequence[str]) -> list[Gpu]:
    """Read the graphics cards among the devices of the PCI bus."""
    read = {device: probe.read(f"{device}/class") for device in devices}
    displays = [device for device, kind in read.items() if (kind or "").startswith(DISPLAY_CLASS)]
    vendors = {device: (probe.read(f"{device}/vendor") or "").strip() for device in displays}
    return [
        Gpu(VENDORS[vendor], name=read_name(probe, device), pci_id=device.rpartition("/")[2])
        for device, vendor in vendors.items()
        if vendor in VENDORS
    ]


def read_name(probe: Probe, device: str) -> str | None:
    """Read the name that NVIDIA's kernel module gives to a card."""
    text = probe.read(f"/proc/driver/nvidia/gpus/{device.rpartition('/')[2]}/information")
    return parse_information(text or "")


def parse_information(text: str) -> str | None:
    r"""Return the card's name from NVIDIA's page about it.

    >>> parse_information("Model: \t\t GeForce GTX 1080\nIRQ:   \t\t 33\n")
    'GeForce GTX 1080'
    """
    found = re.search(r"^Model:\s*(.+?)\s*$", text, re.MULTILINE)
    return found[1] if found else None


def read_apple(probe: Probe) -> list[tuple[Gpu, str]]:
    """Return the graphics part of an Apple processor."""
    model = str(probe.ask("model"))
    is_apples = name_architecture(str(probe.ask("machine_type"))) == "aarch64" or model.startswith("Apple")
    if name_system(probe) != "macos" or not is_apples:  # Rosetta calls the machine x86_64, not the processor
        return []
    return [(Gpu("apple", name=model), "the processor's name")]
