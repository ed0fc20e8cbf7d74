"""Read what a library for Linux, macOS or Windows needs of a machine.

>>> newest(["GLIBC_2.9", "GLIBC_2.17", "GLIBC_PRIVATE"], "GLIBC_")
'2.17'
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from capstone import CS_ARCH_X86, CS_MODE_64, Cs
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from packaging.version import Version
from pefile import DIRECTORY_ENTRY, PE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from mmap import mmap

SAMPLES, SAMPLE_BYTES = 24, 20_000  # of machine code that is disassembled
VECTOR = re.compile(r"\b[xyz]mm\d")
MACH_O, FAT = b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"
X86, X86_64 = "EM_X86_64", 0x01000007
VERSION_MIN, BUILD_VERSION, SEGMENT, LOAD_DYLIB = 0x24, 0x32, 0x19, 0x0C
SEGMENT_HEADER, SECTION = 72, 80  # bytes


class Needs(NamedTuple):
    """What one library needs."""

    glibc: str | None = None
    libstdcxx: str | None = None
    """The newest version of its symbols, such as 3.4.22."""
    macos: str | None = None
    linked: frozenset[str] = frozenset()
    """The libraries that must be there when it is loaded."""
    code: tuple[int, int] | None = None
    """Place and size of its machine code for x86-64."""


def read_needs(content: mmap) -> Needs:
    """Return what a library needs; nothing for a file of another kind."""
    if content[:4] == b"\x7fELF":
        return read_elf(content)
    if content[:2] == b"MZ":
        return read_pe(content)
    start = struct.unpack_from(">I", content, 16)[0] if content[:4] == FAT else 0
    return read_mach_o(content, start) if content[start : start + 4] == MACH_O else Needs()


# ---------------------------------------------------------------- Linux


def read_elf(content: mmap) -> Needs:
    """Return what a library for Linux needs."""
    elf = ELFFile(content)  # type: ignore[arg-type]  # a map of a file can be read like one
    sections = list(elf.iter_sections())
    versions = [one for one in sections if isinstance(one, GNUVerNeedSection)]
    names = [aux.name for one in versions for _, needed in one.iter_versions() for aux in needed]
    tags = [tag for one in sections if isinstance(one, DynamicSection) for tag in one.iter_tags("DT_NEEDED")]
    linked = frozenset(tag.needed for tag in tags)  # type: ignore[attr-defined]  # given for this kind of tag
    text = elf.get_section_by_name(".text")
    return Needs(
        glibc=newest(names, "GLIBC_"),
        libstdcxx=newest(names, "GLIBCXX_"),
        linked=linked,
        code=(text["sh_offset"], text["sh_size"]) if text and elf["e_machine"] == X86 else None,
    )


def newest(names: Iterable[str], prefix: str) -> str | None:
    """Return the newest version among the names of symbol versions, None where there is none."""
    texts = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
    return max((text for text in texts if re.fullmatch(r"[\d.]+", text)), key=Version, default=None)


# ---------------------------------------------------------------- Windows


def read_pe(content: mmap) -> Needs:
    """Return what a library for Windows needs."""
    program = PE(data=content, fast_load=True)
    program.parse_data_directories(
        [DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_IMPORT"]], import_dllnames_only=True
    )
    imports = getattr(program, "DIRECTORY_ENTRY_IMPORT", [])
    text = next((one for one in program.sections if one.Name.rstrip(b"\0") == b".text"), None)
    return Needs(
        linked=frozenset(one.dll.decode().lower() for one in imports),
        code=(text.PointerToRawData, text.SizeOfRawData) if text else None,
    )


# ---------------------------------------------------------------- macOS


def read_mach_o(content: mmap, start: int) -> Needs:
    """Return what a library for macOS needs."""
    macos = code = None
    linked = set()
    processor = struct.unpack_from("<I", content, start + 4)[0]
    for place, command in list_commands(content, start):
        if command in {VERSION_MIN, BUILD_VERSION}:
            (number,) = struct.unpack_from("<I", content, place + (8 if command == VERSION_MIN else 12))
            macos = f"{number >> 16}.{number >> 8 & 0xFF}"
        elif command == LOAD_DYLIB:
            linked.add(name_of(content, place))
        elif command == SEGMENT and processor == X86_64:
            code = code or find_code(content, place, start)
    return Needs(macos=macos, linked=frozenset(linked), code=code)


def list_commands(content: mmap, start: int) -> Iterator[tuple[int, int]]:
    """Yield place and kind of each load command."""
    (count,) = struct.unpack_from("<I", content, start + 16)
    place = start + 32
    for _ in range(count):
        command, size = struct.unpack_from("<II", content, place)
        yield place, command
        place += size


def name_of(content: mmap, place: int) -> str:
    """Return the name of a library that is to be loaded, without its folder."""
    size, start = struct.unpack_from("<4xII", content, place)
    path = content[place + start : place + size].partition(b"\0")[0].decode()
    return path.rpartition("/")[2]


def find_code(content: mmap, place: int, start: int) -> tuple[int, int] | None:
    """Return place and size of the machine code, None where this segment has none."""
    (count,) = struct.unpack_from("<I", content, place + 64)
    for section in (place + SEGMENT_HEADER + SECTION * number for number in range(count)):
        name, size, offset = struct.unpack_from("<16s24xQI", content, section)
        if name.rstrip(b"\0") == b"__text":
            return start + offset, size
    return None


# ---------------------------------------------------------------- the processor


def uses_avx(content: mmap, code: tuple[int, int]) -> bool:
    """Tell whether the machine code is AVX, as most samples of it are.

    Kernels that are chosen at run time are AVX in every library, and some are old assembly in every library.
    """
    votes = [sample for sample in map(is_avx, list_samples(content, *code)) if sample is not None]
    return 2 * sum(votes) > len(votes)


def list_samples(content: mmap, place: int, size: int) -> Iterator[bytes]:
    """Yield parts of the machine code, spread over all of it."""
    for number in range(SAMPLES):
        start = place + size * number // SAMPLES
        yield content[start : min(start + SAMPLE_BYTES, place + size)]


def is_avx(sample: bytes) -> bool | None:
    r"""Tell whether most instructions on vectors are AVX, None where there are none.

    >>> is_avx(bytes.fromhex("c5f858c1")), is_avx(bytes.fromhex("0f58c1")), is_avx(b"\x90")
    (True, False, None)
    """
    reader = Cs(CS_ARCH_X86, CS_MODE_64)
    reader.skipdata = True
    found = [name[0] == "v" for _, _, name, what in reader.disasm_lite(sample, 0) if VECTOR.search(what)]
    return 2 * sum(found) > len(found) if found else None
