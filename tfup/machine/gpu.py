"""The graphics cards and NVIDIA's driver: gathered from all that tells of them, and only then concluded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import asdict, replace

from tfup.machine.capability import find_capability
from tfup.machine.cuda import loader_path
from tfup.machine.driver import OVERRIDE, Evidence, read_driver, read_modules
from tfup.machine.fact import Fact, Facts, list_facts
from tfup.machine.nvidia_libraries import Card, Report, ask_libraries, find_visible, shorten_bus
from tfup.machine.nvidia_smi import PLACES as PROGRAMS
from tfup.machine.nvidia_smi import ask_smi
from tfup.machine.pci import Adapter, list_adapters, of_nvidia
from tfup.machine.system import name_system, read_container
from tfup.model import Gpu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfup.machine.probe import Probe

NODES = ("/dev/nvidia*", "/dev/dxg", "/dev/nvhost-gpu", "/dev/nvmap")
"""What a program opens to reach a card: of Linux, of WSL, of a Jetson."""
SIGNS = (
    *NODES, "/proc/driver/nvidia", "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/usr/lib/*/libnvidia-ml.so.1", "/usr/lib64/libnvidia-ml.so.1", "/usr/lib/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1", "/usr/lib64-nvidia/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    r"C:\Windows\System32\nvml.dll", r"C:\Program Files\NVIDIA Corporation\NVSMI\nvml.dll", *PROGRAMS,
)  # fmt: skip
"""Where NVIDIA's driver shows; without any of them, nobody is asked."""
LOOKED = "NVML and the PCI bus"
BLIND = "no NVML, and no PCI bus to look at"

ROCM = ("/opt/rocm/.info/version", "/opt/rocm-*/.info/version")


class Found(NamedTuple):
    """A card in our words, where it was read, and what is to be said of single fields."""

    gpu: Gpu
    source: str
    notes: dict[str, str]


def read_gpus(probe: Probe) -> Facts:
    """Read driver and cards."""
    evidence = gather(probe)
    return {**read_driver(probe, evidence), **read_cards(probe, evidence), "rocm": read_rocm(probe)}


def gather(probe: Probe) -> Evidence:
    """Ask everybody who may know of driver and cards; nvidia-smi only where the others do not say."""
    signs = find_signs(probe)
    report = ask_libraries(probe) if signs else Report()
    modules, unread = read_modules(probe) if signs else ({}, [])
    # nvidia-smi asks NVML, too, and hangs where that hangs.
    silent = signs and not (report.driver or modules or report.late)
    page = ask_smi(probe) if silent else None
    nodes = any(probe.glob(node) for node in NODES)
    return Evidence(signs, report, modules, unread, page, list_adapters(probe), nodes, name_container(probe))


def name_container(probe: Probe) -> str | None:
    """Return the kind of container that we are in."""
    kind = read_container(probe).value if name_system(probe) == "linux" else None
    return str(kind) if kind else None


def find_signs(probe: Probe) -> list[str]:
    """Return the signs of NVIDIA's driver, on the loader's path, too."""
    folders = [folder.rstrip("/") for folder in loader_path(probe)]
    libraries = [f"{folder}/lib{name}.so.1" for folder in folders for name in ("nvidia-ml", "cuda")]
    return [sign for sign in (*SIGNS, *libraries) if probe.glob(sign)]


# ---------------------------------------------------------------- the cards


def read_cards(probe: Probe, evidence: Evidence) -> Facts:
    """Read the cards: NVIDIA's from its libraries; others, and those left out there, from the system."""
    known, source = list_known(evidence)
    cards = [describe_card(card, source, probe, evidence) for card in place_cards(known, evidence)]
    seen = {found.gpu.pci_id for found in cards}
    others = [one for one in evidence.adapters or () if not is_known(one, cards, seen)]
    lister = source if known or evidence.report.driver else None
    cards += [describe_adapter(one, lister, probe, evidence) for one in others]
    cards += imagine(probe, cards)
    silence = evidence.report.errors.get("nvml") if evidence.nodes else None
    if not cards and (evidence.adapters is None or silence):
        return {"gpus": Fact(None, f"NVML: {silence}" if silence else BLIND)}
    return note_fields(cards)


def list_known(evidence: Evidence) -> tuple[list[Card], str]:
    """Return the cards of the best source that lists any, and its name."""
    devices = enumerate(evidence.report.devices or ())
    by_cuda = [Card(n, d.name, d.uuid, d.capability, d.memory_bytes, d.bus) for n, d in devices]
    lists = {
        "NVML": evidence.report.cards,
        "libcuda": by_cuda,
        "nvidia-smi": evidence.page.cards if evidence.page else [],
    }
    return next(((cards, source) for source, cards in lists.items() if cards), ([], "NVML"))


def place_cards(cards: Sequence[Card], evidence: Evidence) -> list[Card]:
    """Give cards without an address those that are left over on the bus, where that is as many."""
    taken = {shorten_bus(card.bus) for card in cards if card.bus}
    left = [one.pci_id for one in of_nvidia(evidence.adapters) if one.pci_id not in taken]
    lost = [card.index for card in cards if not card.bus]
    places = dict(zip(lost, left, strict=True)) if len(lost) == len(left) else {}
    return [replace(card, bus=places.get(card.index, card.bus)) for card in cards]


def is_known(adapter: Adapter, cards: list[Found], seen: set[str | None]) -> bool:
    """Tell whether the libraries have told of a card of the system's list, which may lack addresses."""
    return adapter.pci_id in seen if adapter.pci_id else adapter.vendor == "nvidia" and bool(cards)


def describe_card(card: Card, source: str, probe: Probe, evidence: Evidence) -> Found:
    """Put the libraries' description into our words."""
    bus = card.bus and shorten_bus(card.bus)
    adapter = next((one for one in evidence.adapters or () if bus and one.pci_id == bus), None)
    name = card.name or (adapter.name if adapter else None)
    capability, told = tell_capability(card, name, adapter, source)
    visible, why = tell_visible(card, probe, evidence)
    gpu = Gpu(
        vendor="nvidia",
        name=name,
        compute_capability=capability,
        memory_bytes=card.memory_bytes,
        index=card.index,
        pci_id=bus,
        visible=visible,
        mig=card.mig,
        mig_devices=None if card.mig_uuids is None else len(card.mig_uuids),
    )
    named = adapter.source if adapter and not card.name else source
    notes = {"name": named, "compute_capability": told, "visible": why or source}
    return Found(gpu, source, notes | list_silent(gpu, card, source))


def list_silent(gpu: Gpu, card: Card, source: str) -> dict[str, str]:
    """Return the reason for each fact that is missing; of a card that cannot be opened, all are."""
    lost = card.errors.get("index")
    reasons = dict.fromkeys(asdict(gpu), lost) if lost else card.errors
    missing = {place for place, value in asdict(gpu).items() if value is None}
    return {place: f"{source}: {reason}" for place, reason in reasons.items() if place in missing}


def tell_capability(
    card: Card, name: str | None, adapter: Adapter | None, source: str
) -> tuple[str | None, str]:
    """Return a card's capability and its source; old drivers do not tell it, and the table does."""
    if card.capability:
        return "{}.{}".format(*card.capability), source
    return find_capability(name, adapter.device if adapter else None)


def tell_visible(card: Card, probe: Probe, evidence: Evidence) -> tuple[bool | None, str]:
    """Tell whether CUDA programs may use a card that the libraries list, and why."""
    if "index" in card.errors:
        return False, f"NVML: {card.errors['index']}"
    if card.mig and card.mig_uuids == []:
        return False, "MIG divides this card, and there is no slice for a program"
    report = replace(evidence.report, cards=list_known(evidence)[0])
    chosen, visible = probe.variable("CUDA_VISIBLE_DEVICES"), find_visible(probe, report)
    if visible is None:
        return None, f'CUDA_VISIBLE_DEVICES is "{chosen}" in CUDA\'s own order, the fastest card first'
    return card.index in visible, "" if chosen is None else f'CUDA_VISIBLE_DEVICES is "{chosen}"'


def describe_adapter(adapter: Adapter, lister: str | None, probe: Probe, evidence: Evidence) -> Found:
    """Put the system's description of a card into our words."""
    gpu = Gpu(adapter.vendor, name=adapter.name, pci_id=adapter.pci_id, memory_bytes=adapter.memory_bytes)
    if adapter.vendor != "nvidia":
        return Found(gpu, adapter.source, {})
    capability, told = find_capability(adapter.name, adapter.device)
    visible, why = tell_hidden(adapter, lister, probe, evidence)
    gpu = Gpu("nvidia", adapter.name, capability, adapter.memory_bytes, None, adapter.pci_id, visible)
    return Found(gpu, adapter.source, {"compute_capability": told, "visible": why})


def tell_hidden(
    adapter: Adapter, lister: str | None, probe: Probe, evidence: Evidence
) -> tuple[bool | None, str]:
    """Tell whether CUDA programs may use a card of NVIDIA's that only the system lists, and why."""
    if not evidence.signs:
        runs = f"{adapter.module} runs it" if adapter.module else "nothing runs it"
        return False, f"NVIDIA's driver is not there: {runs}"
    if lister:
        return False, f"{lister} does not list it: this container or this driver does not have it"
    if not evidence.nodes and name_system(probe) == "linux":
        return False, tell_missing(evidence)
    if evidence.mismatch:
        return False, evidence.mismatch
    if (chosen := probe.variable("CUDA_VISIBLE_DEVICES")) is not None and chosen.strip() in {"", "-1"}:
        return False, f'CUDA_VISIBLE_DEVICES is "{chosen}"'
    return None, f"NVML: {evidence.report.errors.get('nvml', 'it does not list it')}"


def tell_missing(evidence: Evidence) -> str:
    """Say what it means that the kernel's module is seen, and no device."""
    if evidence.container:
        return (
            f"the host's driver is seen, but no /dev/nvidia*: this {evidence.container} container got no GPU"
        )
    return "the kernel's module is there, but no /dev/nvidia*: `nvidia-modprobe` makes them"


def imagine(probe: Probe, cards: list[Found]) -> list[Found]:
    """Return a card of which nothing is known, where the person says that CUDA is to be counted with."""
    wished = (probe.variable(OVERRIDE) or "").strip()
    has_one = any(found.gpu.vendor == "nvidia" for found in cards)
    return [Found(Gpu("nvidia"), OVERRIDE, {})] if wished and not has_one else []


def note_fields(cards: list[Found]) -> Facts:
    """Describe the list; what is said of a single field takes the place of what is said of its card."""
    facts = list_facts("gpus", [(found.gpu, found.source) for found in cards], LOOKED)
    for number, found in enumerate(cards):
        for field, note in found.notes.items():
            place = f"gpus[{number}].{field}"
            facts |= {place: Fact(facts[place].value, note)} if place in facts else {}
    return facts


def read_rocm(probe: Probe) -> Fact:
    """Read the version of AMD's ROCm; the text goes on with the number of the build."""
    paths = [path for pattern in ROCM for path in (pattern, *probe.glob(pattern)) if "*" not in path]
    told = {path: re.match(r"\d+(?:\.\d+)+", probe.read(path) or "") for path in paths}
    known = (Fact(found[0], path) for path, found in told.items() if found)
    return next(known, Fact(None, f"no {ROCM[0]} that tells a version"))
