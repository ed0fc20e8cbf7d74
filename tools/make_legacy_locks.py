"""Make the locks for Python 2.7, which uv cannot resolve: by the pip of a throw-away 2.7 environment.

Usage: python -m tools.make_legacy_locks [--again] [REQUIREMENT…]

The bounds are those of the other locks; what pip installs under them becomes the lock. For a Mac, and for a
project such as tensorflow-gpu, it is the lock of tensorflow on Linux, once the wheel's own metadata is met.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from email import message_from_bytes
from functools import cache
from tempfile import TemporaryFile
from typing import TYPE_CHECKING
from urllib.request import urlopen
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfup import tables
from tfup.errors import Need, TfupError, Unresolvable
from tfup.machine import detect
from tfup.machine.live import Live
from tfup.managers import python27_resolver
from tfup.match.platforms import family_of
from tfup.match.pythons import fitting_pythons
from tfup.match.search import choose
from tfup.model import Build, Choice, Machine, Pin, Wheel, Wish
from tfup.pin.companions import bounds, keras_wish, required, sdist_names
from tfup.pin.files import pin_of, usable_files
from tfup.wish import parse
from tools import index
from tools.make_locks import addresses, forget_local_wheels, has_lock, keep, prune_files, renew_digests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfup.tables import LockRow

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


def main() -> int:
    """Resolve, write, and say what failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("requirement", nargs="*", default=["tensorflow"])
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    forget_local_wheels()
    machine = detect(Live())
    failures: list[str] = []
    builds = [
        build for build in wanted(arguments.requirement, machine) if arguments.again or not has_lock(build)
    ]
    for number, build in enumerate(builds, 1):
        told, good = lock_and_keep(build, machine)
        cell = f"{build.project} {build.version} {build.family}"
        print(f"[{number}/{len(builds)}] {cell}: {told}", flush=True)
        failures += [] if good else [f"{cell}: {told}"]
    prune_files()
    renew_digests()
    print(f"{len(builds) - len(failures)} resolved, {len(failures)} failed", *failures, sep="\n")
    return 1 if failures else 0


def lock_and_keep(build: Build, machine: Machine) -> tuple[str, bool]:
    """Lock a build; return what became of it, and whether it worked."""
    twin = twin_of(build)
    try:
        pins, files = (
            lock_like(twin, choose(build, Machine(), Wish()))
            if twin
            else lock(choose(build, machine, Wish()))
        )
    except TfupError as error:
        return f"{error.sentence} {error.needs[0].found if error.needs else ''}", False
    keep(build, pins, files)
    return f"{len(pins)} pins", True


def wanted(requirements: list[str], machine: Machine) -> list[Build]:
    """Return the builds for Python 2.7 that it can be done for here."""
    return [
        build
        for requirement in map(parse, requirements)
        for row in tables.releases(requirement.name)
        if requirement.specifier.contains(row.version)
        for build in tables.builds(row)
        if build.python_tag == PYTHON_TAG
        and (
            twin_of(build) or (build.family == family_of(machine.system) and fitting_pythons(build, machine))
        )
    ]


def lock(choice: Choice) -> tuple[tuple[Pin, ...], dict[str, tuple[Wheel, ...]]]:
    """Return the pins of a build and the files of each."""
    wish = (f"{choice.project}=={choice.version}", *keras_wish(choice, set()), *required(choice))
    found = python27_resolver.resolve(str(choice.python_path), wish, bounds(choice))
    return with_files(choice, {one.name: one.version for one in found})


def with_files(
    choice: Choice, installed: Mapping[str, str]
) -> tuple[tuple[Pin, ...], dict[str, tuple[Wheel, ...]]]:
    """Return the versions beside a build as pins, and the files of each."""
    files = {name: listed(name, version) for name, version in installed.items() if name != choice.project}
    pins = tuple(
        pin_of(choice, name, version, files.get(name)) for name, version in sorted(installed.items())
    )
    bare = [pin.name for pin in pins if not pin.hashes or not any_wheel(files.get(pin.name, ()), pin)]
    unknown = set(bare) - {choice.project, *sdist_names(choice.version, choice.python_tag)}
    if unknown:
        print(f"  no wheel, and not in sdists.json: {', '.join(sorted(unknown))}", flush=True)
    used = {
        f"{pin.name}=={pin.version}": usable_files(choice, pin.name, pin.version, files[pin.name])
        for pin in pins
        if pin.name != choice.project
    }
    return pins, used


def any_wheel(files: tuple[Wheel, ...], pin: Pin) -> bool:
    """Tell whether a pin may be installed from a wheel."""
    return any(f"sha256:{file.sha256}" in pin.hashes and file.file.endswith(".whl") for file in files)


# ---------------------------------------------------------------- like another lock


def twin_of(build: Build) -> LockRow | None:
    """Return the lock that another build for Linux has: of the same project, else of tensorflow."""
    projects = [build.project] if build.family != LINUX else []
    if build.project != TWIN:
        projects.append(TWIN)
    found = (tables.lock(project, build.version, build.python_tag, LINUX) for project in projects)
    return next(filter(None, found), None)


def lock_like(twin: LockRow, choice: Choice) -> tuple[tuple[Pin, ...], dict[str, tuple[Wheel, ...]]]:
    """Return the pins of a twin for another build.

    Raises Unresolvable where the build asks for more, or the index lacks files for its system.
    """
    versions = dict(pin.split("==") for pin in twin.pins)
    versions[choice.project] = versions.pop(choice.project if choice.project in versions else TWIN)
    pins, files = with_files(choice, dict(sorted(versions.items())))
    lacking = [*(pin.name for pin in pins if not pin.hashes), *unmet(choice, versions)]
    if lacking:
        sentence = f"{choice.project} {choice.version} cannot have the pins of its twin."
        raise Unresolvable(sentence, (Need("pins", "files, and what they ask for", ", ".join(lacking)),))
    return pins, files


def unmet(choice: Choice, versions: Mapping[str, str]) -> list[str]:
    """Return what the wheels of a lock ask for on its system and these versions do not give."""
    mac = choice.platform.startswith("macos")
    environment = MARKERS | ({"sys_platform": "darwin", "platform_system": "Darwin"} if mac else {})
    return [
        f"{name} {version} asks for {asked}"
        for name, version in versions.items()
        for asked in map(Requirement, asked_by(choice, name, version))
        if (asked.marker is None or asked.marker.evaluate(environment))
        and not is_met(asked, versions.get(canonicalize_name(asked.name)))
    ]


def is_met(asked: Requirement, version: str | None) -> bool:
    """Tell whether a version is what is asked for; None is not."""
    return version is not None and asked.specifier.contains(version, prereleases=True)


def asked_by(choice: Choice, name: str, version: str) -> tuple[str, ...]:
    """Return the Requires-Dist of a pin beside a choice; nothing for one that comes as its source."""
    usable = {file.file for file in usable_files(choice, name, version)}
    wheels = sorted(one.address for one in index.files_of(name, version) if one.file.file in usable)
    return requirements_in(wheels[0]) if wheels and wheels[0].endswith(".whl") else ()


@cache
def requirements_in(address: str) -> tuple[str, ...]:
    """Return the Requires-Dist of a wheel that the index has."""
    with TemporaryFile() as file:
        with urlopen(address, timeout=index.SECONDS) as answer:  # noqa: S310 -- the person's own index
            shutil.copyfileobj(answer, file)
        with ZipFile(file) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            return tuple(message_from_bytes(wheel.read(name)).get_all("Requires-Dist", []))


def listed(name: str, version: str) -> tuple[Wheel, ...]:
    """Return the files of a pin, and remember where the index has them."""
    found = index.files_of(name, version)
    addresses.update({one.file.file: one.address for one in found})
    return tuple(one.file for one in found)


if __name__ == "__main__":
    sys.exit(main())
