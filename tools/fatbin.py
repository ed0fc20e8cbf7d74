"""Read NVIDIA's fat binaries inside a library: for which cards it has machine code, and for which PTX.

A fat binary is one kernel image: a header, and an entry for each target, which is machine code or PTX (the
text that the driver compiles for newer cards). Libraries of any system hold them one behind the other.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from mmap import mmap

HEADER = struct.Struct("<IHHQ")  # magic, version, bytes of this header, bytes of all entries
MAGIC = struct.pack("<IHH", 0xBA55ED50, 1, HEADER.size)
ENTRY = struct.Struct("<HHIQIIHHIIIQQQ")
PTX, MACHINE_CODE = 1, 2
LZ4, ZSTD = 0x2000, 0x8000  # flags of an entry: how its content is compressed
HEAD_BYTES = 2000  # the target of PTX stands behind a comment
TARGET = re.compile(rb"\.target\s+sm_\d+([a-z]?)")
TOOLKITS = {
    (4, 2): (7, 0), (4, 3): (7, 5), (5, 0): (8, 0), (6, 0): (9, 0), (6, 3): (10, 0), (7, 0): (11, 0),
    (8, 0): (12, 0), (8, 6): (12, 7), (9, 0): (13, 0),
}  # fmt: skip
"""Versions of PTX, and the CUDA that brought them; those between come with its next minor releases.

PTX ISA manual, release history: 8.5 came with 12.5, 8.6 with 12.7, 8.7 with 12.8.
"""


class UnknownCompressionError(Exception):
    """PTX is compressed in a way that is not known here; whom it is for must not be guessed."""


class Entry(NamedTuple):
    """A part of a kernel image."""

    kind: int
    capability: str
    isa: tuple[int, int]
    """The version of PTX that it is written in."""
    exact: bool
    """Whether this PTX is for that capability alone (sm_90a)."""


class Kernels(NamedTuple):
    """How many kernel images have what, by capability."""

    images: int
    sass: dict[str, int]
    ptx: dict[str, int]
    exact: dict[str, int]
    newest: str | None
    """The CUDA of the newest PTX."""


def count(images: Iterable[list[Entry]]) -> Kernels:
    """Count the images that have machine code or PTX."""
    total, newest = 0, (0, 0)
    sass, ptx, exact = Counter[str](), Counter[str](), Counter[str]()
    for image in images:
        code = {entry.capability for entry in image if entry.kind == MACHINE_CODE}
        texts = [entry for entry in image if entry.kind == PTX]
        total += bool(code)
        sass.update(code)
        ptx.update({entry.capability for entry in texts})
        exact.update({entry.capability for entry in texts if entry.exact})
        newest = max(newest, *(entry.isa for entry in texts), (0, 0))
    return Kernels(
        total, by_capability(sass), by_capability(ptx), by_capability(exact), toolkit(newest) if ptx else None
    )


def by_capability(counts: Counter[str]) -> dict[str, int]:
    """Return counts, the oldest card first."""
    return dict(sorted(counts.items(), key=lambda item: float(item[0])))


def toolkit(isa: tuple[int, int]) -> str:
    """Return the CUDA that brought a version of PTX.

    >>> toolkit((6, 4)), toolkit((8, 5)), toolkit((8, 7))
    ('10.1', '12.5', '12.8')
    """
    first = max((known for known in TOOLKITS if known <= isa), default=(4, 2))
    major, minor = TOOLKITS[first]
    return f"{major}.{minor + isa[1] - first[1]}"


def read_images(content: bytes | mmap) -> Iterator[list[Entry]]:
    """Yield the kernel images of a library."""
    place = content.find(MAGIC, 0)
    while place >= 0:
        start = place + HEADER.size
        end = start + HEADER.unpack_from(content, place)[3]
        yield list(read_entries(content, start, end))
        place = content.find(MAGIC, end)


def read_entries(content: bytes | mmap, place: int, end: int) -> Iterator[Entry]:
    """Yield the machine code and the PTX of an image."""
    while place + ENTRY.size <= end:
        kind, _, header, size, packed, _, minor, major, arch, _, _, flags, _, _ = ENTRY.unpack_from(
            content, place
        )
        body, place = place + header, place + header + size
        if kind in {PTX, MACHINE_CODE}:
            head = content[body : body + min(packed or size, HEAD_BYTES)] if kind == PTX else b""
            capability = f"{arch // 10}.{arch % 10}"
            yield Entry(kind, capability, (major, minor), kind == PTX and is_exact(head, flags))


def is_exact(head: bytes, flags: int) -> bool:
    """Tell whether PTX is for one capability alone, by the target that it names."""
    if flags & ZSTD:
        sentence = "This PTX is compressed by zstd, which tools/fatbin.py cannot read yet."
        raise UnknownCompressionError(sentence)
    found = TARGET.search(unpack(head, HEAD_BYTES) if flags & LZ4 else head)
    return bool(found and found[1])


def unpack(packed: bytes, wanted: int) -> bytes:
    r"""Return the first bytes of an LZ4 block.

    >>> unpack(b"\x32abc\x03\x00", 9)
    b'abcabcabc'
    """
    out, place = bytearray(), 0
    while len(out) < wanted and place < len(packed):
        token = packed[place]
        length, place = read_length(packed, place + 1, token >> 4)
        out += packed[place : place + length]
        offset = int.from_bytes(packed[place + length : place + length + 2], "little")
        length, place = read_length(packed, place + length + 2, token & 15)
        for _ in range(length + 4 if 0 < offset <= len(out) else 0):
            out.append(out[-offset])
    return bytes(out[:wanted])


def read_length(packed: bytes, place: int, length: int) -> tuple[int, int]:
    """Return a length and the place behind it: 15 says that more bytes follow, and 255 likewise."""
    more = length == 15  # noqa: PLR2004 -- four bits
    while more and place < len(packed):
        more = packed[place] == 255  # noqa: PLR2004 -- eight bits
        length, place = length + packed[place], place + 1
    return length, place
