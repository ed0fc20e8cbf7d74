"""The words and tags of systems: which wheels their installers accept, from which libc or macOS on."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.tags import mac_platforms
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfup.model import Build, System


FAMILIES = {
    ("linux", "x86_64"): "linux_x86_64",
    ("linux", "aarch64"): "linux_aarch64",
    ("macos", "x86_64"): "macos_x86_64",
    ("macos", "aarch64"): "macos_arm64",
    ("windows", "x86_64"): "windows_amd64",
}
CPU_ONLY = {"linux_aarch64", "macos_arm64"}  # where tensorflow itself is what tensorflow-cpu is elsewhere
OLDEST_GLIBC = "2.17"  # nothing older is served by uv and its Pythons, nor by most companions' wheels
WIDER = {
    "i686": "x86_64",
    "armv6l": "aarch64",
    "armv7l": "aarch64",
    "armv8l": "aarch64",
}  # of 64 bits, not 32
SYSTEM_NAMES = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}
LEGACY_MANYLINUX = {
    5: "manylinux1",
    12: "manylinux2010",
    17: "manylinux2014",
}  # PEP 600, "Legacy manylinux tags"
NEWEST_MINOR = 99  # tags are listed one by one, and a machine file may say anything


# ---------------------------------------------------------------- tags


def processor_of(system: System) -> str | None:
    """Return the processor's own family: under Rosetta an Apple one calls itself x86_64."""
    return "aarch64" if system.rosetta else system.arch


def family_of(system: System) -> str | None:
    """Return the family of wheels for a system, None where there is none or too little is known."""
    return FAMILIES.get((system.os or "", processor_of(system) or ""))


@lru_cache(maxsize=8)  # one system is asked about hundreds of wheels
def platform_tags(system: System) -> frozenset[str] | None:
    """Return the platform tags that a system's installers accept; None when too little is known."""
    arch = processor_of(system)
    if system.libc == "musl":
        return frozenset()  # no wheel of the tables has musllinux
    if system.os == "linux" and system.libc and system.libc_version and arch:
        return frozenset(linux_platforms(system.libc, system.libc_version, arch))
    if system.os == "macos" and system.version and arch:
        return frozenset(macos_platforms(system.version, arch))
    return frozenset({"win_amd64"}) if (system.os, arch) == ("windows", "x86_64") else None


def linux_platforms(libc: str, version: str, arch: str) -> Iterator[str]:
    """Yield the manylinux tags of a glibc (PEP 600)."""
    minor = min((*Version(version).release, 0)[1], NEWEST_MINOR)
    for supported in range(minor, 4, -1) if libc == "glibc" else ():
        yield f"manylinux_2_{supported}_{arch}"
        if supported in LEGACY_MANYLINUX:
            yield f"{LEGACY_MANYLINUX[supported]}_{arch}"


def macos_platforms(version: str, arch: str) -> Iterable[str]:
    """Return the tags of a macOS, newest first."""
    major, minor = (*Version(version).release, 0)[:2]
    return mac_platforms(
        (min(major, NEWEST_MINOR), min(minor, NEWEST_MINOR)), "arm64" if arch == "aarch64" else arch
    )


def glibc_floor(build: Build) -> str | None:
    """Return the oldest glibc that both the tag and the binaries allow; None off Linux.

    Companions are resolved for this floor, so that a lock serves every machine that the build fits.
    """
    legacy = {name: f"2.{minor}" for minor, name in LEGACY_MANYLINUX.items()}
    by_tag = []
    for tag in build.platform.split("."):
        if tag.startswith("manylinux_"):
            by_tag.append(".".join(tag.split("_")[1:3]))
        elif tag.startswith("manylinux"):
            by_tag.append(legacy[tag.split("_", 1)[0]])
    if not by_tag:
        return None
    return max(min(by_tag, key=Version), build.glibc or "0", OLDEST_GLIBC, key=Version)


def macos_floor(build: Build) -> str | None:
    """Return the oldest macOS that both the tag and the binaries allow; None on other systems."""
    by_tag = [".".join(tag.split("_")[1:3]) for tag in build.platform.split(".") if tag.startswith("macosx_")]
    return max(min(by_tag, key=Version), build.macos or "0", key=Version) if by_tag else None


def python_release(python_tag: str) -> tuple[int, int]:
    """Return the Python of a tag.

    >>> python_release("cp310"), python_release("cp27")
    ((3, 10), (2, 7))
    """
    return int(python_tag[2]), int(python_tag[3:])


def minor_of(python_tag: str) -> str:
    """Return the Python minor of a tag as people write it.

    >>> minor_of("cp310")
    '3.10'
    """
    return f"{python_tag[2]}.{python_tag[3:]}"


def abi_of(tag: str, family: str) -> str:
    """Return the usual ABI of a Python on a system.

    >>> abi_of("cp36", "linux_x86_64"), abi_of("cp27", "linux_x86_64"), abi_of("cp313", "windows_amd64")
    ('cp36m', 'cp27mu', 'cp313')
    """
    if tag == "cp27" and family.startswith("linux"):
        return "cp27mu"
    return f"{tag}m" if tag in {"cp27", "cp33", "cp34", "cp35", "cp36", "cp37"} else tag


# ---------------------------------------------------------------- words


def describe_family(family: str) -> str:
    """Return a family in people's words.

    >>> describe_family("macos_arm64")
    'macOS arm64'
    """
    system, arch = family.split("_", 1)
    return f"{SYSTEM_NAMES[system]} {arch}"


def describe_system(system: System) -> str:
    """Return a system in people's words.

    >>> from tfup.model import System
    >>> describe_system(System(os="linux", arch="x86_64", libc="musl", libc_version="1.2.4"))
    'Linux x86_64, musl 1.2.4'
    """
    name = SYSTEM_NAMES.get(system.os or "", system.os or "unknown system")
    version = f" {system.version}" if system.os != "linux" and system.version else ""
    libc = f", {system.libc} {system.libc_version or ''}".rstrip() if system.libc else ""
    return f"{name}{version} {processor_of(system) or 'unknown processor'}{libc}"


def platform_remedy(system: System) -> str | None:
    """Return what makes more wheels fit a system."""
    if system.os == "macos":
        return "update macOS"
    if system.libc == "musl":
        return "use a distribution or container with glibc, such as Debian or Ubuntu"
    return "use a newer release of the distribution, or a container of one"
