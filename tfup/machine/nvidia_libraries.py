"""What NVIDIA's libraries say, as it comes out of their process (nvml.py), and which cards CUDA may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, ValidationError, convert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfup.machine.probe import Probe


class Card(Struct, frozen=True):
    """A card as NVML describes it, with the reason for each thing that it does not say."""

    index: int
    name: str | None = None
    uuid: str | None = None
    capability: tuple[int, int] | None = None
    memory_bytes: int | None = None
    bus: str | None = None
    mig: bool | None = None
    mig_uuids: list[str] | None = None
    errors: dict[str, str] = {}


class Device(Struct, frozen=True):
    """A device as libcuda describes it."""

    name: str | None = None
    uuid: str | None = None
    capability: tuple[int, int] | None = None
    memory_bytes: int | None = None
    bus: str | None = None


class Report(Struct, frozen=True):
    """What the libraries say of driver and cards; CUDA as 12020 for 12.2."""

    driver: str | None = None
    cuda: int | None = None
    cards: list[Card] = []
    cuda_version: int | None = None
    """The newest CUDA of the driver by libcuda."""
    devices: list[Device] | None = None
    """In CUDA's own order; None where libcuda was not asked, or has no answer."""
    errors: dict[str, str] = {}
    """Why NVML ("nvml") or libcuda ("cuda") did not answer to the end."""

    @property
    def late(self) -> bool:
        """Whether NVML hangs: whoever asks it again hangs, too."""
        return self.errors.get("nvml", "").startswith("no answer")


SILENT = "its process gave no answer"


def ask_libraries(probe: Probe) -> Report:
    """Return what the libraries say; they may be absent, crash or answer nonsense."""
    try:
        report = convert(probe.ask("nvml"), Report | None)
    except ValidationError as error:
        return Report(errors={"nvml": f"a senseless answer: {error}"})
    return report or Report(errors={"nvml": SILENT})


def shorten_bus(bus: str) -> str:
    """Return the PCI address as the kernel writes it; NVML's has a longer domain.

    >>> shorten_bus("00000000:3B:00.0")
    '0000:3b:00.0'
    """
    return bus.lower()[-len("0000:00:00.0") :]


# ---------------------------------------------------------------- CUDA_VISIBLE_DEVICES


def find_visible(probe: Probe, report: Report) -> set[int] | None:
    """Return the indices of the cards that CUDA programs may see.

    None where the variable counts cards in an order that only CUDA knows: the fastest first.
    """
    chosen = probe.variable("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return {card.index for card in report.cards}
    order = order_cards(report, probe.variable("CUDA_DEVICE_ORDER"))
    names = [name.strip() for name in chosen.split(",")]
    if order is None and any(name.isdigit() for name in names):
        return None
    return {card.index for card in choose_cards(names, order or report.cards)}


def order_cards(report: Report, wished: str | None) -> list[Card] | None:
    """Return the cards as CUDA counts them; None where that is not known."""
    if report.devices:
        place = {shorten_bus(device.bus or ""): number for number, device in enumerate(report.devices)}
        known = [card for card in report.cards if shorten_bus(card.bus or "") in place]
        return sorted(known, key=lambda card: place[shorten_bus(card.bus or "")])
    alike = len({card.name for card in report.cards}) <= 1
    return report.cards if alike or wished == "PCI_BUS_ID" else None


def choose_cards(names: Sequence[str], order: Sequence[Card]) -> list[Card]:
    """Return the cards that are named; the first name that fits none, or several, ends the list.

    >>> cards = [Card(0, uuid="GPU-1f"), Card(1, uuid="GPU-2e")]
    >>> [card.index for card in choose_cards(["1", "-1", "0"], cards)]
    [1]
    >>> [card.index for card in choose_cards(["GPU-2", "0"], cards)], choose_cards([""], cards)
    ([1, 0], [])
    """
    chosen: list[Card] = []
    for name in names:
        fitting = [card for number, card in enumerate(order) if is_named(name, card, number)]
        if len(fitting) != 1:
            break
        chosen += fitting
    return chosen


def is_named(name: str, card: Card, number: int) -> bool:
    """Tell whether a name is that of a card: its number, or the beginning of its or a slice's identifier.

    >>> slices = Card(0, uuid="GPU-1f", mig_uuids=["MIG-77", "MIG-88"])
    >>> [is_named(name, slices, 0) for name in ("MIG-8", "MIG-GPU-1f/1/0", "GPU-1", "0", "1", "")]
    [True, True, True, True, False, False]
    """
    if name.startswith("MIG-GPU-"):  # as drivers before 470 name a slice
        return name.removeprefix("MIG-").split("/")[0] == card.uuid
    if name.isdigit() or not name:
        return name == str(number)
    return any(known.startswith(name) for known in (card.uuid or "", *(card.mig_uuids or ())))
