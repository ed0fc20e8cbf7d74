"""Make the locks that we ship: an exact set of companions for each build, resolved under our rules.

Usage: python -m tools.make_locks [--family linux_x86_64] [--python cp313] [--again] [REQUIREMENT…]

Resolves what has no lock yet (everything, with --again), writes data/locks/ and data/files.json, and ends
with the builds that could not be resolved. File names, hashes and sizes only: no address is kept.

1.2.0 demands markdown 2.2.0, whose sdist of 2012 no Python of today can ask for its needs: name in
UV_CONFIG_FILE a uv.toml with `[[dependency-metadata]]`, its name, its version and `requires-dist = []`.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from tfup import managers, tables
from tfup.errors import TfupError
from tfup.managers import uv
from tfup.match.platforms import minor_of
from tfup.match.search import choose
from tfup.model import Build, Choice, Machine, Pin, Wheel, Wish
from tfup.pin.files import lock_digest, pin_of, usable_files
from tfup.pin.resolving import resolved_pins
from tfup.tables import DATA, FilesRow, LockRow
from tfup.wish import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

OLDEST_FOR_UV = (3, 3)
ABOUT = {"made_by": "tools/make_locks.py", "rules": "companions.json, keras.json, sdists.json"}

addresses: dict[str, str] = {}
"""Where uv found each file; used to ask for sizes, and forgotten."""


def main() -> int:
    """Resolve, write, and say what failed."""
    arguments = read_arguments()
    forget_local_wheels()
    builds = [build for build in wanted_builds(arguments) if arguments.again or not has_lock(build)]
    uv.find_uv()  # before the threads: sysconfig, which it asks, is not made for several at once
    failures: list[str] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for number, (build, pins, files, fault) in enumerate(pool.map(resolve_build, builds), 1):
            cell = f"{build.project} {build.version} {build.python_tag} {build.family}"
            print(f"[{number}/{len(builds)}] {cell}: {fault or f'{len(pins)} pins'}", flush=True)
            if fault:
                failures.append(f"{cell}: {fault}")
            else:
                keep(build, pins, files)
    prune_files()
    renew_digests()
    print(f"{len(builds) - len(failures)} resolved, {len(failures)} failed", *failures, sep="\n")
    return 1 if failures else 0


def forget_local_wheels() -> None:
    """Take pip's further places out of the settings: what lies on this disk, others cannot have."""
    os.environ["PIP_CONFIG_FILE"] = os.devnull
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        os.environ.pop(name, None)


def read_arguments() -> argparse.Namespace:
    """Return what is to be done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("requirement", nargs="*", default=["tensorflow"])
    parser.add_argument("--family", action="append")
    parser.add_argument("--python", action="append", metavar="TAG")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--jobs", type=int, default=4)
    return parser.parse_args()


def wanted_builds(arguments: argparse.Namespace) -> Iterator[Build]:
    """Yield the builds asked for which uv can resolve."""
    for requirement in map(parse, arguments.requirement):
        for row in tables.releases(requirement.name):
            if requirement.specifier.contains(row.version):
                for build in tables.builds(row):
                    python = tuple(map(int, minor_of(build.python_tag).split(".")))
                    if (
                        python >= OLDEST_FOR_UV
                        and (not arguments.family or build.family in arguments.family)
                        and (not arguments.python or build.python_tag in arguments.python)
                        and build.carrier_lacks is None
                    ):
                        yield build


def has_lock(build: Build) -> bool:
    """Tell whether a build is locked already."""
    return tables.lock(build.project, build.version, build.python_tag, build.family) is not None


def resolve_build(build: Build) -> tuple[Build, tuple[Pin, ...], dict[str, tuple[Wheel, ...]], str | None]:
    """Return the pins of a build and the files of each, or the fault that kept it from being resolved."""
    choice = choose(build, Machine(), Wish())
    try:
        resolved, _ = resolved_pins(choice, (), (), managers.resolve)
        listed = list_files(choice, resolved)
    except TfupError as error:
        return build, (), {}, " ".join((error.sentence, *(str(need.found) for need in error.needs)))
    pins = tuple(pin_of(choice, pin.name, pin.version, listed.get(pin.name)) for pin in resolved)
    used = {
        f"{pin.name}=={pin.version}": usable_files(choice, pin.name, pin.version, listed.get(pin.name))
        for pin in pins
        if pin.name != choice.project
    }
    return build, pins, used, None


def list_files(choice: Choice, pins: tuple[Pin, ...]) -> dict[str, tuple[Wheel, ...]]:
    """Return all files of each pin but the build, and remember where the index has them."""
    exact = [f"{pin.name}=={pin.version}" for pin in pins if pin.name != choice.project]
    listed = uv.list_files(exact, minor_of(choice.python_tag))
    for package in listed:
        addresses.update(zip((file.file for file in package.files), package.addresses, strict=True))
    return {package.name: package.files for package in listed}


# ---------------------------------------------------------------- writing

writing = Lock()


def keep(build: Build, pins: tuple[Pin, ...], files: dict[str, tuple[Wheel, ...]]) -> None:
    """Write the lock of a build, and its files into the table of all."""
    with writing:
        known = dict(tables.files())
        for name, found in files.items():
            merged = {file.file: file for file in (*known.get(name, ()), *map(with_size, found))}
            known[name] = tuple(merged[file] for file in sorted(merged))
        write_files(known)
        save(build, [f"{pin.name}=={pin.version}" for pin in pins])


def save(build: Build, pins: list[str]) -> None:
    """Write the lock of a build beside those of the same release."""
    name = f"locks/{build.project}/{build.version}.json"
    rows = {(row.family, row.python_tag): row for row in read_locks(DATA / name)}
    row = LockRow(build.python_tag, build.family, digest_of(build, pins), pins)
    rows[build.family, build.python_tag] = row
    tables.save(name, ABOUT, [rows[cell] for cell in sorted(rows)])


def digest_of(build: Build, pins: Iterable[str]) -> str:
    """Return the digest of a lock, over the files that the table has."""
    choice = choose(build, Machine(), Wish())
    parts = (pin.partition("==") for pin in pins)
    return lock_digest(pin_of(choice, name, version) for name, _, version in parts)


def renew_digests() -> None:
    """Write the digests anew of locks whose pins have got further files with other locks."""
    for project in tables.projects():
        for build in (build for row in tables.releases(project) for build in tables.builds(row)):
            lock = tables.lock(build.project, build.version, build.python_tag, build.family)
            if lock and lock.digest != digest_of(build, lock.pins):
                print(
                    f"{project} {build.version} {build.python_tag} {build.family}: another digest", flush=True
                )
                save(build, lock.pins)


def read_locks(path: Path) -> list[LockRow]:
    """Return the rows of a file of locks."""
    return tables.load(str(path.relative_to(DATA)), LockRow) if path.is_file() else []


def write_files(known: dict[str, tuple[Wheel, ...]]) -> None:
    """Write the table of files."""
    rows = [FilesRow(pin, [(f.file, f.sha256, f.bytes or 0) for f in known[pin]]) for pin in sorted(known)]
    tables.save("files.json", ABOUT, rows)


def prune_files() -> None:
    """Forget the files that no lock names any more."""
    used = {pin for path in (DATA / "locks").glob("*/*.json") for row in read_locks(path) for pin in row.pins}
    write_files({pin: files for pin, files in tables.files().items() if pin in used})


def with_size(file: Wheel) -> Wheel:
    """Return a file with its size, asked of the place where uv found it."""
    known = next((old for old in known_files().get(file.sha256, ()) if old.bytes), None)
    if known or file.bytes or file.file not in addresses:
        return known or file
    question = Request(addresses[file.file], method="HEAD")  # noqa: S310 -- uv's own address
    with urlopen(question, timeout=60) as answer:  # noqa: S310 -- likewise
        return Wheel(file.file, file.sha256, int(answer.headers["Content-Length"]))


def known_files() -> dict[str, tuple[Wheel, ...]]:
    """Return the files of the table by hash."""
    return {file.sha256: (file,) for files in tables.files().values() for file in files}


if __name__ == "__main__":
    sys.exit(main())
