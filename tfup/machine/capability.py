"""What a card can compute, where the driver does not say: by its chip's PCI number, else by its name."""

from __future__ import annotations

import re

from msgspec import Struct

from tfup.tables import load


class CapabilityRow(Struct, frozen=True):
    """The cards of one compute capability."""

    capability: str
    architecture: str
    names: str
    """A pattern that is found in the names of these cards, and in no others."""
    chips: list[str]
    """Ranges of PCI numbers, both ends included; the narrower range wins."""


def find_capability(name: str | None, device: str | None) -> tuple[str | None, str]:
    """Return a card's capability and where it is from, or None and why.

    >>> find_capability("Tesla V100-SXM2-16GB", None)
    ('7.0', "NVIDIA's table, by the card's name")
    >>> find_capability(None, "1b80")
    ('6.1', "NVIDIA's table, by the card's PCI number")
    """
    if device and (capability := by_chip(device)):
        return capability, "NVIDIA's table, by the card's PCI number"
    if name and (capability := by_name(name)):
        return capability, "NVIDIA's table, by the card's name"
    return None, f"{name or 'the card'} is not in NVIDIA's table"


def by_name(name: str) -> str | None:
    """Return the capability of the one row that a name fits.

    >>> [by_name(name) for name in ("NVIDIA GeForce RTX 4080 SUPER", "Quadro RTX 4000", "GRID T4-16Q")]
    ['8.9', '7.5', '7.5']
    >>> by_name("NVIDIA GeForce RTX 9090") is None
    True
    """
    text = re.sub(r"[-\s]+", " ", name).strip()
    found = [row.capability for row in rows() if re.search(row.names, text)]
    return found[0] if len(found) == 1 else None


def by_chip(device: str) -> str | None:
    """Return the capability of a chip; a narrow range inside a wide one is the exception to it.

    >>> by_chip("102d"), by_chip("1023"), by_chip("ffff"), by_chip("oops")
    ('3.7', '3.5', None, None)
    """
    if not re.fullmatch(r"[0-9a-f]{4}", device.lower()):
        return None
    fitting = ((chips, row) for row in rows() for chips in row.chips if is_in(device, chips))
    ranges = [(width_of(chips), row.capability) for chips, row in fitting]
    return min(ranges, default=(0, None))[1]


def is_in(device: str, chips: str) -> bool:
    """Tell whether a chip is in a range; four digits each, so that they compare as text."""
    first, last = chips.split("-")
    return first <= device.lower() <= last


def width_of(chips: str) -> int:
    """Return how many numbers a range has."""
    first, last = (int(end, 16) for end in chips.split("-"))
    return last - first


def rows() -> list[CapabilityRow]:
    """Return the table."""
    return load("gpu/capabilities.json", CapabilityRow)
