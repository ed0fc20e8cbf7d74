"""Make msvc_runtimes.json and msvc_needs.json: Microsoft's C++ runtime as wheels, and who needs which.

Usage: python -m tools.update_runtimes [--again]

Of each release for Windows the toolset and the longest path are read out of one wheel, by asking for those
bytes alone; all libraries are read where that does not suffice: where another linker says no toolset, or the
toolset has newer parts of the runtime. With `--again`, releases that the table has are measured again.
"""

from __future__ import annotations

import re
import sys
from itertools import takewhile
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from tfup.machine.dll import parse_resources, read_toolset
from tfup.machine.windows import RUNTIMES
from tfup.tables import DATA, BuildRow, MsvcNeedRow, MsvcWheelRow, load, save
from tools.index import opened, page_of, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zipfile import ZipFile, ZipInfo

    from tools.index import Listed

PROJECT = "msvc-runtime"
FAMILY = "windows_amd64"
HOLDERS = ("tensorflow", "tensorflow-intel")
EXCEPTIONS, THREADS, MUTEX = "14.20", "14.38", "14.40"
"""The first toolsets whose programs load vcruntime140_1, load vcruntime140_threads, make a mutex alone.

Microsoft's notes on Visual Studio 2019 (/d2FH4), 2022 17.8 (C11 threads) and 2022 17.10 (std::mutex).
"""
PARTS = re.compile(rb"(?i)\b((?:msvcp140|vcruntime140)\w*)\.dll\0")
OLD_MUTEX, ANY_MUTEX = b"_Mtx_init_in_situ\0", b"_Mtx_lock\0"
"""Functions of the runtime: programs of a toolset before MUTEX call both."""


def main() -> None:
    """Write both tables."""
    wheels = [describe_wheel(listed) for listed in newest_wheels()]
    about = {"what": "the newest msvc-runtime for each Python", "made_by": "tools/update_runtimes.py"}
    save(
        "builds/msvc_runtimes.json", about, sorted(wheels, key=lambda row: Version(row.version), reverse=True)
    )
    known = {} if "--again" in sys.argv else known_needs()
    needs = [known.get(version) or measure(version, listed) for version, listed in list_releases()]
    about = {
        "what": "toolset, parts of the C++ runtime and longest path of each release's binaries for Windows",
        "source": "the headers of the largest library of one wheel; from toolset 14.38 on all imports",
        "made_by": "tools/update_runtimes.py",
    }
    save("builds/msvc_needs.json", about, needs)


# ---------------------------------------------------------------- the runtime


def newest_wheels() -> list[Listed]:
    """Return the newest wheel for each CPython on Windows."""
    found: dict[str, Listed] = {}
    for listed in page_of(PROJECT):
        tags = listed.file.file.split("-")
        if tags[-1] == "win_amd64.whl" and re.fullmatch(r"cp\d+m?", tags[-2]):
            found[tags[-3]] = max(found.get(tags[-3], listed), listed, key=version_of)
    return list(found.values())


def version_of(listed: Listed) -> Version:
    """Return the version of a wheel."""
    return parse_wheel_filename(listed.file.file)[1]


def describe_wheel(listed: Listed) -> MsvcWheelRow:
    """Return what one wheel brings."""
    with opened(listed.address) as wheel:
        parts = {name: part for name in RUNTIMES if (part := part_of(wheel, name))}
    tag, file = listed.file.file.split("-")[-3], listed.file
    return MsvcWheelRow(tag, str(version_of(listed)), file.file, file.sha256, size_of(listed), parts)


def part_of(wheel: ZipFile, name: str) -> str | None:
    """Return the version of a part of the runtime in a wheel, None where it is not in it."""
    members = [member for member in wheel.namelist() if member.endswith(f"/{name}.dll")]
    dll = parse_resources(wheel.read(members[0])) if members else None
    return dll.version if dll else None


# ---------------------------------------------------------------- who needs it


def list_releases() -> Iterator[tuple[str, Listed]]:
    """Yield each release for Windows with one of its wheels, newest first; empty ones carry nothing."""
    rows = [
        row for row in load("builds/builds.json", BuildRow) if row.project in HOLDERS and row.family == FAMILY
    ]
    full = {row.version: row for row in rows if row.carried_by is None}
    for version in sorted(full, key=Version, reverse=True):
        row = full[version]
        hashes = {wheel[3] for wheel in row.wheels}
        yield version, next(one for one in page_of(row.project) if one.file.sha256 in hashes)


def known_needs() -> dict[str, MsvcNeedRow]:
    """Return what the table has."""
    there = (DATA / "builds" / "msvc_needs.json").is_file()
    return {row.version: row for row in load("builds/msvc_needs.json", MsvcNeedRow)} if there else {}


def measure(version: str, listed: Listed) -> MsvcNeedRow:
    """Read what one release needs."""
    with opened(listed.address) as wheel:
        with wheel.open(max(libraries_of(wheel), key=lambda one: one.file_size)) as library:
            toolset = read_toolset(library)  # type: ignore[arg-type]
        longest = max(map(len, wheel.namelist()))
    if toolset is None or Version(toolset) >= Version(THREADS):
        row = look_through(version, toolset, listed, longest)
    else:
        row = MsvcNeedRow(version, toolset, usual_parts(toolset), longest)
    print(row.version, row.toolset, row.longest, *row.parts, flush=True)
    return row


def libraries_of(wheel: ZipFile) -> list[ZipInfo]:
    """Return the libraries in a wheel."""
    return [one for one in wheel.infolist() if one.filename.endswith((".pyd", ".dll"))]


def usual_parts(toolset: str) -> list[str]:
    """Return the parts of C that a toolset's programs load; builds.json has those of C++."""
    return ["vcruntime140", "vcruntime140_1"] if Version(toolset) >= Version(EXCEPTIONS) else ["vcruntime140"]


def look_through(version: str, toolset: str | None, listed: Listed, longest: int) -> MsvcNeedRow:
    """Read all libraries of a wheel for the names of what they load."""
    with opened(listed.address) as wheel:
        names = {name for library in libraries_of(wheel) for name in names_in(wheel, library)}
    parts = sorted(names & set(RUNTIMES))
    return MsvcNeedRow(version, toolset or least_toolset(names), parts, longest)


def least_toolset(names: set[str]) -> str:
    """Return the oldest toolset whose programs load this."""
    if "lock" in names and "init" not in names:
        return MUTEX
    return THREADS if "vcruntime140_threads" in names else EXCEPTIONS


def names_in(wheel: ZipFile, library: ZipInfo) -> set[str]:
    """Return the parts of the runtime that a library names, "init" and "lock" where it calls a mutex's."""
    names: set[str] = set()
    tail = b""
    with wheel.open(library) as file:
        for block in takewhile(bool, iter(lambda: file.read(1 << 24), None)):
            text = tail + block
            names |= {found.decode().lower() for found in PARTS.findall(text)}
            names |= {name for name, word in (("init", OLD_MUTEX), ("lock", ANY_MUTEX)) if word in text}
            tail = block[-64:]
    return names


if __name__ == "__main__":
    main()
