"""The locks for Python 2.7, which uv cannot resolve: by the pip of a throw-away 2.7 environment.

The bounds are those of the other locks; what pip installs under them becomes the lock. For a Mac, and for a
project such as tensorflow-gpu, it is the lock of tensorflow on Linux, once the wheel's own metadata is met.
"""

from __future__ import annotations

from email import message_from_bytes
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfup import tables
from tfup.errors import Need, Unresolvable
from tfup.managers import python27_resolver
from tfup.match.platforms import family_of
from tfup.match.pythons import fitting_pythons
from tfup.match.search import choose
from tfup.model import Build, Choice, Machine, Pin, Wheel, Wish
from tfup.pin.files import pin_of, usable_files
from tools import index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tfup.pin.companions import Companions
    from tfup.tables import LockRow

Locked: TypeAlias = "tuple[tuple[Pin, ...], dict[str, tuple[Wheel, ...]]]"
"""Pins, and the files of each."""
Addresses: TypeAlias = "dict[str, str]"
"""By file, where the index has it."""
PYTHON_TAG = "cp27"
TWIN = "tensorflow"  # what pip resolves here; others need the same
LINUX = "linux_x86_64"
MARKERS = {
    "python_version": "2.7",
    "python_full_version": "2.7.18",
    "sys_platform": "linux2",
    "platform_system": "Linux",
    "extra": "",
}


def choices(build: Build, machine: Machine) -> Iterator[Choice]:
    """Yield the choice of a build for Python 2.7, where it can be resolved here or has a twin."""
    if twin_of(build):
        yield choose(build, Machine(), Wish())
    elif build.family == family_of(machine.system) and fitting_pythons(build, machine):
        yield choose(build, machine, Wish())


def resolve(choice: Choice, companions: Companions, addresses: Addresses) -> Locked:
    """Return the pins of a choice and the files of each, and remember where the index has them.

    Raises Unresolvable, and what pip's failures become.
    """
    twin = None if choice.python_path else twin_of(choice)
    if twin:
        return lock_like(twin, choice, companions, addresses)
    wish = (f"{choice.project}=={choice.version}", *own_pair(choice, companions), *companions.required)
    found = python27_resolver.resolve(str(choice.python_path), wish, companions.bounds)
    return with_files(choice, companions, {one.name: one.version for one in found}, addresses)


def own_pair(choice: Choice, companions: Companions) -> tuple[str, ...]:
    """Return the Keras that is asked for beside a TensorFlow, else what pairs."""
    return (choice.requirement,) if choice.requirement else companions.paired(())


def with_files(
    choice: Choice, companions: Companions, installed: Mapping[str, str], addresses: Addresses
) -> Locked:
    """Return the versions beside a build as pins, and the files of each."""
    files = {
        name: listed(name, version, addresses)
        for name, version in installed.items()
        if name != choice.project
    }
    pins = tuple(
        pin_of(choice, companions, name, version, files.get(name))
        for name, version in sorted(installed.items())
    )
    bare = [pin.name for pin in pins if not pin.hashes or not any_wheel(files.get(pin.name, ()), pin)]
    unknown = set(bare) - {choice.project, *companions.sdists}
    if unknown:
        print(f"  no wheel, and not in sdists.json: {', '.join(sorted(unknown))}", flush=True)
    used = {
        f"{pin.name}=={pin.version}": usable_files(choice, companions, pin.name, pin.version, files[pin.name])
        for pin in pins
        if pin.name != choice.project
    }
    return pins, used


def any_wheel(files: tuple[Wheel, ...], pin: Pin) -> bool:
    """Tell whether a pin may be installed from a wheel."""
    return any(f"sha256:{file.sha256}" in pin.hashes and file.file.endswith(".whl") for file in files)


# ---------------------------------------------------------------- like another lock


def twin_of(build: Build | Choice) -> LockRow | None:
    """Return the lock that another build for Linux has: of the same project, else of tensorflow."""
    family = build.family if isinstance(build, Build) else build.platform
    projects = [build.project] if family != LINUX else []
    if build.project != TWIN:
        projects.append(TWIN)
    found = (tables.lock(project, build.version, build.python_tag, LINUX) for project in projects)
    return next(filter(None, found), None)


def lock_like(twin: LockRow, choice: Choice, companions: Companions, addresses: Addresses) -> Locked:
    """Return the pins of a twin for another build.

    Raises Unresolvable where the build asks for more, or the index lacks files for its system.
    """
    versions = dict(pin.split("==") for pin in twin.pins)
    versions[choice.project] = versions.pop(choice.project if choice.project in versions else TWIN)
    pins, files = with_files(choice, companions, dict(sorted(versions.items())), addresses)
    lacking = [*(pin.name for pin in pins if not pin.hashes), *unmet(choice, companions, versions)]
    if lacking:
        sentence = f"{choice.project} {choice.version} cannot have the pins of its twin."
        raise Unresolvable(sentence, (Need("pins", "files, and what they ask for", ", ".join(lacking)),))
    return pins, files


def unmet(choice: Choice, companions: Companions, versions: Mapping[str, str]) -> list[str]:
    """Return what the wheels of a lock ask for on its system and these versions do not give."""
    mac = choice.platform.startswith("macos")
    environment = MARKERS | ({"sys_platform": "darwin", "platform_system": "Darwin"} if mac else {})
    return [
        f"{name} {version} asks for {asked}"
        for name, version in versions.items()
        for asked in map(Requirement, asked_by(choice, companions, name, version))
        if (asked.marker is None or asked.marker.evaluate(environment))
        and not is_met(asked, versions.get(canonicalize_name(asked.name)))
    ]


def is_met(asked: Requirement, version: str | None) -> bool:
    """Tell whether a version is what is asked for; None is not."""
    return version is not None and asked.specifier.contains(version, prereleases=True)


def asked_by(choice: Choice, companions: Companions, name: str, version: str) -> tuple[str, ...]:
    """Return the Requires-Dist of a pin beside a choice; nothing for one that comes as its source."""
    usable = {file.file for file in usable_files(choice, companions, name, version)}
    wheels = sorted(one.address for one in index.files_of(name, version) if one.file.file in usable)
    return requirements_in(wheels[0]) if wheels and wheels[0].endswith(".whl") else ()


@cache
def requirements_in(address: str) -> tuple[str, ...]:
    """Return the Requires-Dist of a wheel that the index has."""
    with index.opened(address) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return tuple(message_from_bytes(wheel.read(name)).get_all("Requires-Dist", []))


def listed(name: str, version: str, addresses: Addresses) -> tuple[Wheel, ...]:
    """Return the files of a pin, and remember where the index has them."""
    found = index.files_of(name, version)
    addresses.update({one.file.file: one.address for one in found})
    return tuple(one.file for one in found)
