"""The files of a pin: those which the chosen Python can install on the oldest system of the build."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from tfup import tables
from tfup.match.platforms import linux_platforms, python_release
from tfup.model import Pin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tfup.model import Choice, Wheel
    from tfup.pin.companions import Companions


ARCHES = {
    "linux_x86_64": "x86_64",
    "linux_aarch64": "aarch64",
    "macos_x86_64": "x86_64",
    "macos_arm64": "arm64",
}

KERAS_NAMES = ("keras", "keras-nightly", "tf-keras")


def pin_of(
    choice: Choice, companions: Companions, name: str, version: str, files: Iterable[Wheel] | None = None
) -> Pin:
    """Return one pin, with the hashes of its files and the reasons that our rules give for it."""
    usable = usable_files(choice, companions, name, version, files)
    return Pin(
        name=name,
        version=version,
        hashes=tuple(sorted(f"sha256:{file.sha256}" for file in usable)),
        purpose="keras" if name in KERAS_NAMES else "tensorflow",
        why="; ".join(companions.reasons(name)),
    )


def usable_files(
    choice: Choice, companions: Companions, name: str, version: str, files: Iterable[Wheel] | None = None
) -> tuple[Wheel, ...]:
    """Return the files of a pin which the chosen Python can install on the oldest system of the build.

    Without `files`, those of the table. The sdist is among them only where no wheel is, and only where
    sdists.json says that it builds.
    """
    if name == choice.project:
        return (choice.wheel,)
    known = known_files(companions, f"{name}=={version}") if files is None else tuple(files)
    tags = supported_tags(choice.python_tag, companions.abi, choice.platform, choice.glibc, choice.macos)
    wheels = tuple(file for file in known if file.file.endswith(".whl") and installs(tags, file.file))
    sdists = tuple(file for file in known if not file.file.endswith(".whl"))
    return wheels or (sdists if files is not None or name in companions.sdists else ())


def known_files(companions: Companions, pin: str) -> tuple[Wheel, ...]:
    """Return the files of a pin in the tables."""
    of_gpu = (one.files for one in companions.gpu if f"{one.package}=={one.version}" == pin)
    return tables.files().get(pin) or next(of_gpu, ())


def installs(tags: frozenset[Tag], file: str) -> bool:
    """Tell whether a wheel fits an interpreter that accepts these tags."""
    return not parse_wheel_filename(file)[3].isdisjoint(tags)


@cache
def supported_tags(
    python_tag: str, abi: str, family: str, glibc: str | None, macos: str | None
) -> frozenset[Tag]:
    """Return the tags that an interpreter on a system accepts, as its installer would list them."""
    platforms = list(family_platforms(family, glibc, macos))
    python = python_release(python_tag)
    own = cpython_tags(python, abis=[abi], platforms=platforms)
    return frozenset((*own, *compatible_tags(python, python_tag, platforms)))


def family_platforms(family: str, glibc: str | None, macos: str | None) -> Iterator[str]:
    """Yield the platform tags of a family at its oldest system."""
    if family.startswith("linux"):
        yield from linux_platforms("glibc", glibc or "0.0", ARCHES[family])
        yield f"linux_{ARCHES[family]}"
    elif family.startswith("macos"):
        major, minor = (*Version(macos or "0").release, 0)[:2]
        yield from mac_platforms((major, minor), ARCHES[family])
    else:
        yield "win_amd64"


def lock_digest(pins: Iterable[Pin]) -> str:
    """Return the digest that a proof names: over names, versions and hashes, in canonical order."""
    lines = sorted(f"{item.name}=={item.version} {' '.join(item.hashes)}\n" for item in pins)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def download_bytes(choice: Choice, companions: Companions, pins: Sequence[Pin]) -> int | None:
    """Return the bytes of all files; None where a size is not known. Of several wheels the largest counts."""
    sizes = [largest(usable_files(choice, companions, item.name, item.version)) for item in pins]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def largest(wheels: Iterable[Wheel]) -> int | None:
    """Return the size of the largest file; None where no size is known."""
    return max((wheel.bytes for wheel in wheels if wheel.bytes is not None), default=None)
