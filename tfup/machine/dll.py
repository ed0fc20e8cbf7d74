"""What a Windows library says of itself: its version resource, read as bytes, so that any system can."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_BYTES = 4096
RESOURCE_LIMIT = 4_000_000
HEADER_AT = 0x3C  # where a program says at which byte its header begins
SIGNATURE = struct.pack("<I", 0xFEEF04BD)  # of VS_FIXEDFILEINFO
SECTION = struct.Struct("<8sIIII")  # name, size in memory, address, size in the file, place in the file
SECTION_BYTES = 40


class Dll(Struct):
    """The version of a library, and the sentence that describes it."""

    version: str
    description: str | None = None


def read_dll(path: str) -> Dll | None:
    """Return what a library's resources say; None where it has none or is no library.

    A cuDNN is hundreds of megabytes: only the header and the resources are read.
    """
    with Path(path).open("rb") as file:
        place, size = find_resources(file.read(HEAD_BYTES)) or (0, 0)
        file.seek(place)
        return parse_resources(file.read(min(size, RESOURCE_LIMIT)))


def read_toolset(file: BinaryIO) -> str | None:
    """Return the version of Microsoft's tools that a library was linked with, such as 14.29.

    Other linkers leave out the part that begins with "Rich", and their number says nothing.
    """
    head = file.read(HEAD_BYTES)
    if b"Rich" not in head[: header_of(head)]:
        return None
    return "{}.{:02}".format(*struct.unpack_from("BB", head, header_of(head) + 26))


def header_of(head: bytes) -> int:
    """Return where the header begins behind the one of MS-DOS."""
    (place,) = struct.unpack_from("<I", head, HEADER_AT)
    return int(place)


def find_resources(head: bytes) -> tuple[int, int] | None:
    """Return place and size of the section with the resources."""
    if not head.startswith(b"MZ"):
        return None
    header = header_of(head)
    return next(((at, size) for name, at, size in list_sections(head, header) if name == b".rsrc"), None)


def list_sections(head: bytes, header: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, place and size of each section."""
    count, optional = struct.unpack_from("<H12xH", head, header + 6)
    for number in range(count):
        start = header + 24 + optional + SECTION_BYTES * number
        name, _, _, size, place = SECTION.unpack_from(head, start)
        yield name.rstrip(b"\0"), place, size


def parse_resources(data: bytes) -> Dll | None:
    """Return version and description out of the resources.

    >>> parse_resources(SIGNATURE + struct.pack("<III", 0x10000, 14 << 16 | 38, 33130 << 16)).version
    '14.38.33130.0'
    """
    place = data.find(SIGNATURE)
    if place < 0:
        return None
    high, low = struct.unpack_from("<II", data, place + 8)
    version = ".".join(str(number) for number in (high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF))
    return Dll(version, parse_description(data))


def parse_description(data: bytes) -> str | None:
    r"""Return the sentence that describes a file, as its resources hold it in UTF-16.

    >>> parse_description("FileDescription\0\0NVIDIA CUDA Runtime, Version 11.8.89\0".encode("utf-16-le"))
    'NVIDIA CUDA Runtime, Version 11.8.89'
    """
    found = re.search("FileDescription".encode("utf-16-le") + rb"(?:\0\0)+((?:[^\0]\0|[^\0][^\0])+)", data)
    return found[1].decode("utf-16-le", "replace") if found else None
