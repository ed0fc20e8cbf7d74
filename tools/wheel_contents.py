"""Read a wheel of the index: what its libraries need, which kernels they have, what it says of itself."""

from __future__ import annotations

import re
import shutil
import time
from functools import cache
from mmap import ACCESS_READ, mmap
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

from packaging.metadata import Metadata
from remotezip import RemoteZipError
from requests import RequestException
from urllib3.exceptions import HTTPError

from tools import binaries, fatbin, index
from tools.update_builds import PROJECTS, Cell, grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from zipfile import ZipFile, ZipInfo

    from packaging.requirements import Requirement

    from tools.binaries import Needs
    from tools.fatbin import Entry, Kernels
    from tools.index import Listed

LIBRARY = re.compile(r"\.(so|so\.[\d.]+|dylib|pyd|dll)$")
NOTES = re.compile(r"(cuda|cudnn)_version(?:_number)?'?\s*[,:=]\s*'([\d._]+)'")
RUNTIME_NOTE = re.compile(r"msvcp_dll_names?'?\s*[,:=]\s*'([^']+)'")
"""What `build_info.py` says of the build, in each of the ways in which it was written."""
MARKERS = {
    "linux": {"platform_system": "Linux", "sys_platform": "linux"},
    "macos": {"platform_system": "Darwin", "sys_platform": "darwin"},
    "windows": {"platform_system": "Windows", "sys_platform": "win32"},
}
BROKEN = (RequestException, HTTPError, RemoteZipError, BadZipFile, EOFError)
"""What becomes of a connection that breaks; a wheel is asked for once more then."""


class CannotMeasureError(Exception):
    """What was asked for cannot be measured; the sentence says why."""


class Measured(NamedTuple):
    """What was read out of one wheel."""

    file: str
    needs: tuple[Needs, ...] = ()
    kernels: Kernels = fatbin.count(())
    avx: bool = False
    notes: Mapping[str, str] = {}
    """The CUDA, the cuDNN and the parts of the C++ runtime that `build_info.py` names."""
    asks: Mapping[str, str] = {}
    """The versions of NVIDIA's packages that the metadata ask for: those that it was built with."""
    carrier: str | None = None
    lacks: tuple[str, ...] = ()


def measure(cell: Cell) -> Measured:
    """Read the wheel of a release, or of the release that an empty wheel only brings in."""
    listed = newest_wheel(cell)
    measured = read_wheel(listed, cell.family)
    if not measured.carrier:
        return measured
    project, _, version = measured.carrier.partition("==")
    carrier = Cell(project, version, cell.family)
    lacks = set(map(python_of, wheels_of(cell)))
    if project != cell.project:
        lacks -= set(map(python_of, wheels_of(carrier)))
        measured = measure(carrier)._replace(carrier=measured.carrier)
    return measured._replace(lacks=tuple(sorted(lacks, key=number_of)))


def newest_wheel(cell: Cell) -> Listed:
    """Return the wheel for the newest Python."""
    wheels = wheels_of(cell)
    if not wheels:
        sentence = f"The index has no wheel of {cell.project} {cell.version} for {cell.family}."
        raise CannotMeasureError(sentence)
    return max(wheels, key=lambda listed: number_of(python_of(listed)))


def wheels_of(cell: Cell) -> list[Listed]:
    """Return the wheels of a release for a system."""
    return grouped(cell.project, index.page_of(cell.project)).get(cell, [])


def python_of(listed: Listed) -> str:
    """Return the Python tag of a wheel."""
    return listed.file.file.split("-")[2]


def number_of(python_tag: str) -> int:
    """Return what Python tags are sorted by."""
    return int(re.sub(r"\D", "", python_tag))


@cache
def read_wheel(listed: Listed, family: str, tries: int = index.RETRIES) -> Measured:
    """Read one wheel, and once more where the connection broke: half a gigabyte is long."""
    try:
        return read_once(listed, family)
    except BROKEN as error:
        if tries == 1:
            raise
        print(f"{listed.file.file}: {type(error).__name__}, so once more", flush=True)
    return read_wheel(listed, family, tries - 1)


def read_once(listed: Listed, family: str) -> Measured:
    """Read one wheel, and say so."""
    start = time.monotonic()
    with index.opened(listed.address, at_once=True) as wheel:
        members = [one for one in wheel.infolist() if is_own(one.filename) and one.file_size]
        measured = read_texts(Measured(listed.file.file), wheel, family, carried=not members)
        measured = read_libraries(measured, wheel, members)
    size = sum(member.compress_size for member in members) / 1e6
    print(f"{listed.file.file}: {size:.0f} MB in {time.monotonic() - start:.0f} s", flush=True)
    return measured


def read_texts(measured: Measured, wheel: ZipFile, family: str, *, carried: bool) -> Measured:
    """Read the metadata, and what the build says of itself."""
    texts = {name: wheel.read(name).decode() for name in wheel.namelist() if is_text(name)}
    metadata = next((text for name, text in texts.items() if name.endswith("METADATA")), "")
    needs = Metadata.from_email(metadata, validate=False).requires_dist or []
    own = "\n".join(text for name, text in texts.items() if name.endswith(".py"))
    runtime = RUNTIME_NOTE.search(own)
    notes = dict(NOTES.findall(own)) | ({"runtime": runtime[1]} if runtime else {})
    return measured._replace(
        notes=notes,
        asks=dict(map(built_with, filter(is_of_nvidia, needs))),
        carrier=next((str(need) for need in carriers(needs, family)), None) if carried else None,
    )


def is_own(name: str) -> bool:
    """Tell whether a file in a wheel is a library of TensorFlow's own; 1.7 brings NVIDIA's TensorRT along."""
    return bool(LIBRARY.search(name)) and "/external/" not in name


def is_text(name: str) -> bool:
    """Tell whether a file in a wheel is one of the texts that are read."""
    return name.endswith((".dist-info/METADATA", "/platform/build_info.py"))


def is_of_nvidia(need: Requirement) -> bool:
    """Tell whether a requirement is one of NVIDIA's packages."""
    return need.name.startswith("nvidia-")


def built_with(need: Requirement) -> tuple[str, str]:
    """Return the kind of NVIDIA's package, and the version that the release was built with.

    >>> from packaging.requirements import Requirement
    >>> built_with(Requirement("nvidia-cudnn-cu12<10.0,>=9.3.0.75"))
    ('cudnn', '9.3.0.75')
    """
    kind = need.name.removeprefix("nvidia-").rpartition("-cu")[0]
    return kind, next((one.version for one in need.specifier if one.operator in {"==", ">="}), "")


def carriers(needs: Iterable[Requirement], family: str) -> Iterator[str]:
    """Yield the releases of other builds that a wheel needs on a system.

    >>> from packaging.requirements import Requirement
    >>> list(carriers([Requirement('tensorflow-intel==2.11.1; platform_system=="Windows"')], "windows_amd64"))
    ['tensorflow-intel==2.11.1']
    """
    system, _, processor = family.partition("_")
    marked = MARKERS[system] | {"platform_machine": processor.replace("amd64", "AMD64"), "extra": ""}
    for need in needs:
        if need.name in PROJECTS and (need.marker is None or need.marker.evaluate(marked)):
            yield f"{need.name}{need.specifier}"


def read_libraries(measured: Measured, wheel: ZipFile, members: list[ZipInfo]) -> Measured:
    """Read all libraries; the largest tells which processors it is made for."""
    largest = max(members, key=lambda member: member.file_size, default=None)
    read = [read_library(wheel, member, sampled=member is largest) for member in members]
    images = [image for _, images, _ in read for image in images]
    return measured._replace(
        needs=tuple(needs for needs, _, _ in read),
        kernels=fatbin.count(images),
        avx=any(avx for _, _, avx in read),
    )


def read_library(wheel: ZipFile, member: ZipInfo, *, sampled: bool) -> tuple[Needs, list[list[Entry]], bool]:
    """Read one library, which may be larger than the memory."""
    with TemporaryFile() as file:
        with wheel.open(member) as packed:
            shutil.copyfileobj(packed, file, index.PART)
        file.flush()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            needs = binaries.read_needs(content)
            avx = bool(sampled and needs.code and binaries.uses_avx(content, needs.code))
            return needs, list(fatbin.read_images(content)), avx
