"""nvidia-smi, where the libraries are silent: asked for its page, and where that is strange, for a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from tfup.machine.nvidia_libraries import Card

if TYPE_CHECKING:
    from tfup.machine.probe import Probe

SECONDS = 1.2
PLACES = (
    "/usr/lib/wsl/lib/nvidia-smi",
    r"C:\Windows\System32\nvidia-smi.exe",
    r"C:\Program Files\NVIDIA Corporation\NVSMI\nvidia-smi.exe",
    r"C:\Windows\System32\DriverStore\FileRepository\nv*\nvidia-smi.exe",
)
"""Where it is when it is not on the PATH."""
LIST = ("--query-gpu=index,name,uuid,pci.bus_id,memory.total,driver_version", "--format=csv,noheader,nounits")
MIB = 2**20
VERSION = r"\d{1,5}(?:\.\d{1,5})+"


class Page(Struct, frozen=True):
    """What nvidia-smi says; the CUDA that it names is the driver's, whatever toolkits there are."""

    driver: str | None = None
    cuda: str | None = None
    cards: list[Card] = []


def ask_smi(probe: Probe) -> Page | None:
    """Return what it says; None where it is absent, fails or hangs."""
    program = find_smi(probe)
    text = probe.run(program, timeout=SECONDS)
    if text is None:
        return None
    page = parse_page(text)
    return page if page.driver else parse_list(probe.run(program, *LIST, timeout=SECONDS) or "")


def find_smi(probe: Probe) -> str:
    """Return the program: on the PATH, else in its usual places, else by its name."""
    programs = probe.ask("programs", "nvidia-smi")
    on_path = [str(program) for program in programs] if isinstance(programs, list) else []
    usual = (path for place in PLACES for path in probe.glob(place))
    return next(iter(on_path), None) or next(usual, "nvidia-smi")


def parse_page(text: str) -> Page:
    """Return driver, CUDA and cards of the page; old ones do not know CUDA, new ones say "KMD" and "UMD".

    >>> page = parse_page("| NVIDIA-SMI 535.104.05   Driver Version: 535.104.05   CUDA Version: 12.2     |")
    >>> page.driver, page.cuda
    ('535.104.05', '12.2')
    >>> parse_page("| NVIDIA-SMI 384.111                Driver Version: 384.111     |").cuda is None
    True
    """
    driver = re.search(rf"(?:Driver|KMD) Version: *({VERSION})", text)
    cuda = re.search(r"CUDA (?:UMD )?Version: *(\d{1,2}\.\d{1,2})\b", text)
    return Page(driver and driver[1], cuda and cuda[1], parse_cards(text))


def parse_cards(text: str) -> list[Card]:
    r"""Return the cards of the page; long names are cut there.

    >>> card = parse_cards(
    ...     "|   0  NVIDIA GeForce RTX 2070         On | 00000000:01:00.0  On |                  N/A |\n"
    ...     "|  0%   46C    P8               11W / 185W|    287MiB /  8192MiB |      7%      Default |\n"
    ... )[0]
    >>> card.index, card.name, card.bus, card.memory_bytes
    (0, 'NVIDIA GeForce RTX 2070', '00000000:01:00.0', 8589934592)
    """
    first = r"^\| +(\d+) +(\S.*?) +(?:On|Off|WDDM|TCC|MCDM|N/A) *\| *([0-9A-Fa-f]{4,8}:[\w:.]+)"
    lines = re.findall(first + r".*\n.*?/ *(\d+)MiB", text, re.MULTILINE)
    return [
        Card(int(index), name, bus=bus, memory_bytes=int(memory) * MIB) for index, name, bus, memory in lines
    ]


def parse_list(text: str) -> Page:
    """Return driver and cards of the list, which says the same in every language.

    >>> page = parse_list("0, Tesla T4, GPU-5f, 00000000:00:04.0, 15360, 535.104.05")
    >>> page.driver, page.cards[0].name
    ('535.104.05', 'Tesla T4')
    """
    line = rf"^\s*(\d+), *([^,]+?), *([^,]+?), *([^,]+?), *([^,]+?), *({VERSION})\s*$"
    known = re.findall(line, text, re.MULTILINE)
    cards = [
        Card(int(index), name, uuid, bus=bus, memory_bytes=int(memory) * MIB if memory.isdigit() else None)
        for index, name, uuid, bus, memory, _ in known
    ]
    return Page(known[0][5] if known else None, None, cards)
