"""Make the locks for Python 2.7, which uv cannot resolve: by the pip of a throw-away 2.7 environment.

Usage: python -m tools.make_legacy_locks [--again] [REQUIREMENT…]

The bounds are those of the other locks; what pip installs under them becomes the lock.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.utils import canonicalize_name

from tfup import tables
from tfup.errors import TfupError
from tfup.machine import Live, detect
from tfup.managers import legacy, uv
from tfup.match import choose, fitting_pythons
from tfup.model import Build, Choice, Machine, Pin, Wheel, Wish
from tfup.pin import bounds, keras_wish, pin_of, required, sdist_names, usable_files
from tfup.wish import parse
from tools import index
from tools.make_locks import addresses, forget_local_wheels, has_lock, keep, prune_files

PYTHON_TAG = "cp27"
COMPILED = (
    "grpcio",
    "h5py",
    "numpy",
    "protobuf",
    "pyyaml",
    "scipy",
)  # never built: that takes a compiler, and hours
NOT_LOCKED = {"pip"}  # virtualenv brings it, and it installs the rest


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
        print(f"[{number}/{len(builds)}] {build.version}: {told}", flush=True)
        failures += [] if good else [f"{build.version}: {told}"]
    prune_files()
    print(f"{len(builds) - len(failures)} resolved, {len(failures)} failed", *failures, sep="\n")
    return 1 if failures else 0


def lock_and_keep(build: Build, machine: Machine) -> tuple[str, bool]:
    """Lock a build; return what became of it, and whether it worked."""
    try:
        pins, files = lock(choose(build, machine, Wish()))
    except TfupError as error:
        return f"{error.sentence} {error.needs[0].found if error.needs else ''}", False
    keep(build, pins, files)
    return f"{len(pins)} pins", True


def wanted(requirements: list[str], machine: Machine) -> list[Build]:
    """Return the builds for a Python 2.7 that is here."""
    return [
        build
        for requirement in map(parse, requirements)
        for row in tables.releases(requirement.name)
        if requirement.specifier.contains(row.version)
        for build in tables.builds(row)
        if build.python_tag == PYTHON_TAG
        and build.family == f"{machine.system.os}_{machine.system.arch}"
        and fitting_pythons(build, machine)
    ]


def lock(choice: Choice) -> tuple[tuple[Pin, ...], dict[str, tuple[Wheel, ...]]]:
    """Return the pins of a build and the files of each."""
    with TemporaryDirectory(prefix="tfup-lock-") as folder:
        installed = install_loosely(choice, Path(folder))
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


def install_loosely(choice: Choice, folder: Path) -> dict[str, str]:
    """Let pip resolve a build under our bounds, and return the versions that it installed."""
    python = Path(legacy.make_venv(str(choice.python_path), folder / "venv"))
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(bounds(choice)), encoding="utf-8")
    options = (
        "--disable-pip-version-check",
        "--quiet",
        "--no-build-isolation",
    )
    only = ("--prefer-binary", "--only-binary", ",".join(COMPILED))
    wish = (f"{choice.project}=={choice.version}", *keras_wish(choice, set()), *required(choice))
    legacy.run(python, "-m", "pip", "install", *options, *only, "-c", constraints, *wish, mode=uv.PLAIN)
    said = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        check=True,
        capture_output=True,
        text=True,
    )
    found = {canonicalize_name(one["name"]): one["version"] for one in json.loads(said.stdout)}
    return {name: version for name, version in found.items() if name not in NOT_LOCKED}


def listed(name: str, version: str) -> tuple[Wheel, ...]:
    """Return the files of a pin, and remember where the index has them."""
    found = index.files_of(name, version)
    addresses.update({one.file.file: one.address for one in found})
    return tuple(one.file for one in found)


if __name__ == "__main__":
    sys.exit(main())
