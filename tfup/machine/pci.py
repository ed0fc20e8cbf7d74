"""The graphics cards that the system itself knows, whether or not their maker's driver is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from tfup.machine.system import name_architecture, name_system

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tfup.machine.probe import Probe

VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
DISPLAYS = ("0x03", "0x12")
"""Classes of the bus: displays, and what only computes (AMD Instinct)."""
BUS = "/sys/bus/pci/devices"
NVIDIAS = "/proc/driver/nvidia/gpus"
ADAPTERS = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
"""Where Windows keeps what it knows of its display adapters."""
SECONDS = 1.5


class Adapter(Struct, frozen=True):
    """A graphics card as the system lists it."""

    vendor: str
    source: str
    name: str | None = None
    pci_id: str | None = None
    """Its address on the bus, such as 0000:01:00.0."""
    device: str | None = None
    """Its maker's number for the chip, four hexadecimal digits."""
    memory_bytes: int | None = None
    module: str | None = None
    """The kernel's module that runs it, such as nouveau."""
    driver: str | None = None
    """NVIDIA's driver, where the list tells its version."""


def list_adapters(probe: Probe) -> list[Adapter] | None:
    """List the cards, None where there is nothing to look at."""
    return SYSTEMS.get(name_system(probe), list_bus)(probe)


# ---------------------------------------------------------------- Linux


def list_bus(probe: Probe) -> list[Adapter] | None:
    """List the cards of the PCI bus, and those of which only lspci, NVIDIA's module or the board tells."""
    addresses = [path.rpartition("/")[2] for path in probe.glob(f"{BUS}/*")]
    displays = [address for address in addresses if is_display(probe, address)]
    found = [adapter for address in displays if (adapter := read_adapter(probe, address))]
    complete = bool(addresses) and all(adapter.name for adapter in found)
    text = None if complete else probe.run("lspci", "-nn", timeout=SECONDS)
    listed = parse_lspci(text or "")
    names = {one.pci_id: one.name for one in listed}
    known = [replace(one, name=one.name or names.get(one.pci_id)) for one in found] if addresses else listed
    others = [*list_told(probe, {one.pci_id for one in known}), *read_board(probe)]
    return [*known, *others] if addresses or others or text else None


def list_told(probe: Probe, known: Collection[str | None]) -> list[Adapter]:
    """List the cards of which only NVIDIA's kernel module tells, as in a container without the bus."""
    told = [path.split("/")[-2] for path in probe.glob(f"{NVIDIAS}/*/information")]
    return [Adapter("nvidia", NVIDIAS, read_name(probe, one), one) for one in told if one not in known]


def is_display(probe: Probe, address: str) -> bool:
    """Tell whether a device of the bus is a graphics card."""
    return (probe.read(f"{BUS}/{address}/class") or "").startswith(DISPLAYS)


def read_adapter(probe: Probe, address: str) -> Adapter | None:
    """Read a card of the bus; None for one that only a virtual machine has."""
    vendor = VENDORS.get((probe.read(f"{BUS}/{address}/vendor") or "").strip())
    device = (probe.read(f"{BUS}/{address}/device") or "").strip().removeprefix("0x")
    module = str(probe.ask("real_path", f"{BUS}/{address}/driver") or "").rpartition("/")[2]
    if not vendor:
        return None
    name = read_name(probe, address) if vendor == "nvidia" else None
    return Adapter(vendor, "PCI bus", name, address, device or None, module=module or None)


def read_name(probe: Probe, address: str) -> str | None:
    """Read the name that NVIDIA's kernel module gives to a card."""
    return parse_information(probe.read(f"{NVIDIAS}/{address}/information") or "")


def parse_information(text: str) -> str | None:
    r"""Return the card's name from NVIDIA's page about it.

    >>> parse_information("Model: \t\t GeForce GTX 1080\nIRQ:   \t\t 33\n")
    'GeForce GTX 1080'
    """
    found = re.search(r"^Model:\s*(.+?)\s*$", text, re.MULTILINE)
    return found[1] if found else None


def parse_lspci(text: str) -> list[Adapter]:
    """Return the cards that `lspci -nn` lists.

    >>> card = parse_lspci("01:00.0 VGA [0300]: NVIDIA Corporation GP104 [GeForce GTX 1080] [10de:1b80]")[0]
    >>> card.vendor, card.name, card.pci_id, card.device
    ('nvidia', 'GeForce GTX 1080', '0000:01:00.0', '1b80')
    >>> parse_lspci("00:1f.3 Audio device [0403]: Intel Corporation Cannon Lake PCH cAVS [8086:a348]")
    []
    """
    address, kind = r"(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.\d", r"[^\[]+\[(?:03|12)\w\w\]"
    line = rf"^({address}) {kind}: (.+) \[([0-9a-f]{{4}}):([0-9a-f]{{4}})\]"
    return [
        Adapter(VENDORS[f"0x{vendor}"], "lspci", shorten_name(name), lengthen(place), device)
        for place, name, vendor, device in re.findall(line, text, re.MULTILINE)
        if f"0x{vendor}" in VENDORS
    ]


def lengthen(address: str) -> str:
    """Return a PCI address with its domain, which lspci leaves out where all are in the first.

    >>> lengthen("01:00.0"), lengthen("0001:01:00.0")
    ('0000:01:00.0', '0001:01:00.0')
    """
    return f"0000:{address}"[-len("0000:01:00.0") :]


def shorten_name(name: str) -> str | None:
    """Return a card's name without its maker, and without the chip's where people have another.

    >>> shorten_name("Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XT/7900 XTX]")
    'Radeon RX 7900 XT/7900 XTX'
    >>> shorten_name("Intel Corporation Alder Lake-P GT2 [Iris Xe Graphics]")
    'Iris Xe Graphics'
    >>> shorten_name("Intel Corporation UHD Graphics"), shorten_name("NVIDIA Corporation Device")
    ('UHD Graphics', None)
    """
    bare = re.sub(r"^(?:(?:NVIDIA|Intel) Corporation|Advanced Micro Devices.*?\[AMD/ATI\]) ", "", name)
    inner = re.search(r"\[(.+)\]$", bare)
    return inner[1] if inner else bare.removeprefix("Device") or None


def read_board(probe: Probe) -> list[Adapter]:
    """Return the graphics part of an NVIDIA Jetson, which is on no bus."""
    path = "/proc/device-tree/model"
    model = (probe.read(path) or "").strip("\0 \n")
    return [Adapter("nvidia", path, model)] if model.startswith("NVIDIA Jetson") else []


# ---------------------------------------------------------------- Windows


def list_windows(probe: Probe) -> list[Adapter] | None:
    """List the display adapters of Windows' registry."""
    keys = probe.ask("registry_keys", ADAPTERS)
    if not isinstance(keys, list):
        return None
    found = (read_registered(probe, rf"{ADAPTERS}\{key}") for key in keys)
    return [adapter for adapter in found if adapter]


def read_registered(probe: Probe, key: str) -> Adapter | None:
    """Read one adapter; None for one without a chip, such as that of a remote desktop."""
    identity = parse_identity(str(probe.ask("registry", key, "MatchingDeviceId") or ""))
    if not identity or f"0x{identity[0]}" not in VENDORS:
        return None
    vendor, name = VENDORS[f"0x{identity[0]}"], probe.ask("registry", key, "DriverDesc")
    version = parse_windows_driver(str(probe.ask("registry", key, "DriverVersion") or ""))
    driver = version if vendor == "nvidia" else None
    name = str(name) if name else None
    return Adapter(vendor, "Windows' registry", name, device=identity[1], driver=driver)


def parse_identity(text: str) -> tuple[str, str] | None:
    r"""Return the numbers of maker and chip.

    >>> parse_identity(r"PCI\VEN_10DE&DEV_1B80&SUBSYS_85AA1043")
    ('10de', '1b80')
    """
    found = re.search(r"ven_([0-9a-f]{4})&dev_([0-9a-f]{4})", text.lower())
    return (found[1], found[2]) if found else None


def parse_windows_driver(text: str) -> str | None:
    """Return the version of NVIDIA's driver, which are the last five digits of Windows' number for it.

    >>> parse_windows_driver("31.0.15.5186"), parse_windows_driver("23.21.13.8859")
    ('551.86', '388.59')
    """
    found = re.search(r"(\d)\.(\d\d)(\d\d)$", text)
    return f"{found[1]}{found[2]}.{found[3]}" if found else None


# ---------------------------------------------------------------- macOS


def list_macos(probe: Probe) -> list[Adapter] | None:
    """Return the graphics part of an Apple processor, or the cards of an older Mac."""
    model = str(probe.ask("model"))
    is_apples = name_architecture(str(probe.ask("machine_type"))) == "aarch64" or model.startswith("Apple")
    if is_apples:  # Rosetta calls the machine x86_64, not the processor
        return [Adapter("apple", "the processor's name", model)]
    text = probe.run("system_profiler", "SPDisplaysDataType", timeout=SECONDS)
    return parse_profiler(text) if text else None


def parse_profiler(text: str) -> list[Adapter]:
    r"""Return the cards of a Mac's page about its displays.

    >>> parse_profiler("  Chipset Model: AMD Radeon Pro 5500M\n  Vendor: AMD (0x1002)\n")[0].name
    'AMD Radeon Pro 5500M'
    """
    pages = re.split(r"^(?=\s*Chipset Model:)", text, flags=re.MULTILINE)[1:]
    return [Adapter(name_vendor(page), "system_profiler", _after("Chipset Model", page)) for page in pages]


def name_vendor(page: str) -> str:
    """Return the maker of a card.

    >>> name_vendor("Chipset Model: Intel HD Graphics 4000"), name_vendor("NVIDIA GeForce GT 650M")
    ('intel', 'nvidia')
    """
    return next((name for name in ("nvidia", "amd", "intel") if name in page.lower()), "unknown")


def _after(name: str, page: str) -> str | None:
    found = re.search(rf"{name}:\s*(.+?)\s*$", page, re.MULTILINE)
    return found[1] if found else None


SYSTEMS: dict[str, Callable[[Probe], list[Adapter] | None]] = {
    "linux": list_bus,
    "windows": list_windows,
    "macos": list_macos,
}


def of_nvidia(adapters: Iterable[Adapter] | None) -> list[Adapter]:
    """Return those of NVIDIA."""
    return [adapter for adapter in adapters or () if adapter.vendor == "nvidia"]
