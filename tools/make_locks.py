"""Make the locks that we ship: an exact set of companions for each build, resolved under our rules.

Usage: python -m tools.make_locks [--family linux_x86_64] [--python cp313] [--again] [REQUIREMENT…]
       python -m tools.make_locks keras [--backend theano]

Resolves what has no lock yet (everything, with --again), writes data/locks/ and data/builds/files.json, and
ends with the builds that could not be resolved. File names, hashes and sizes only: no address is kept. The
pairs of Keras and back end are those of `locked` in data/keras/backend_pairs.json, on Linux x86_64.

1.2.0 demands markdown 2.2.0, whose sdist of 2012 no Python of today can ask for its needs: name in
UV_CONFIG_FILE a uv.toml with `[[dependency-metadata]]`, its name, its version and `requires-dist = []`.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from msgspec.structs import replace

from tfup import managers, tables
from tfup.errors import TfupError
from tfup.machine import detect
from tfup.machine.live import Live
from tfup.managers import uv
from tfup.match import keras_backends
from tfup.match.platforms import abi_of, minor_of
from tfup.match.search import choose
from tfup.model import Choice, Machine, Pin, Wheel, Wish
from tfup.pin.companions import companions_of
from tfup.pin.files import lock_digest, pin_of, usable_files
from tfup.pin.resolving import resolved_pins
from tfup.requirements import KERAS, parse
from tfup.tables import DATA, FilesRow, LockRow
from tools import python27_locks
from tools.python27_locks import PYTHON_TAG as PYTHON_27

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from packaging.requirements import Requirement

FAMILY = "linux_x86_64"
OLDER_KERAS = (("0.12.1", "1.1.0"),)
"""Of Python 2.7, where no other Keras than that of the lock can be resolved: TensorFlow, Keras."""
ABOUT = {"made_by": "tools/make_locks.py", "rules": "companions.json, keras.json, sdists.json"}

addresses: dict[str, str] = {}
"""Where the index has each file; used to ask for sizes, and forgotten."""


def main() -> int:
    """Resolve, write, and say what failed."""
    arguments = read_arguments()
    forget_local_wheels()
    machine = detect(Live())
    wanted = [choice for choice in choices(arguments, machine) if arguments.again or not lock_of(choice)]
    uv.find_uv()  # before the threads: sysconfig, which it asks, is not made for several at once
    failures: list[str] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for number, (choice, pins, files, fault) in enumerate(pool.map(resolve, wanted), 1):
            print(f"[{number}/{len(wanted)}] {name_of(choice)}: {fault or f'{len(pins)} pins'}", flush=True)
            if fault:
                failures.append(f"{name_of(choice)}: {fault}")
            else:
                keep(choice, pins, files)
    prune_files()
    renew_digests(machine)
    print(f"{len(wanted) - len(failures)} resolved, {len(failures)} failed", *failures, sep="\n")
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
    parser.add_argument("--backend", action="append", metavar="NAME")
    parser.add_argument("--family", action="append")
    parser.add_argument("--python", action="append", metavar="TAG")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--jobs", type=int, default=4)
    return parser.parse_args()


# ---------------------------------------------------------------- which


def choices(arguments: argparse.Namespace, machine: Machine) -> Iterator[Choice]:
    """Yield the choices asked for that can be resolved here."""
    for requirement in map(parse, arguments.requirement):
        found = of_keras if requirement.name == KERAS else of_tensorflow
        for choice in found(requirement, machine):
            if (
                (not arguments.family or choice.platform in arguments.family)
                and (not arguments.python or choice.python_tag in arguments.python)
                and (not arguments.backend or choice.backend in arguments.backend)
            ):
                yield choice


def of_tensorflow(wanted: Requirement, machine: Machine) -> Iterator[Choice]:
    """Yield the builds of a project; for Python 2.7 what can be done for it here."""
    for row in tables.releases(wanted.name):
        for build in tables.builds(row) if wanted.specifier.contains(row.version) else ():
            if build.python_tag == PYTHON_27:
                yield from python27_locks.choices(build, machine)
            elif build.carrier_lacks is None:
                yield choose(build, Machine(), Wish())


def of_keras(wanted: Requirement, machine: Machine) -> Iterator[Choice]:
    """Yield each Keras on each release of a back end, and TensorFlow with an older Keras than its own."""
    for row in keras_backends.pairs():
        wish = Wish(backend=row.backend)
        for keras in wanted.specifier.filter(row.locked):
            for release in keras_backends.releases(parse(f"{KERAS}=={keras}"), wish, FAMILY):
                builds = (build for build in release if build.requirement == row.requirement)
                yield from (choose(build, machine, wish) for build in builds)
    for version, keras in OLDER_KERAS:
        rows = (
            row for row in tables.releases("tensorflow") if (row.version, row.family) == (version, FAMILY)
        )
        for build in (build for row in rows for build in tables.builds(row)):
            if (build.python_tag, build.abi) == (PYTHON_27, abi_of(PYTHON_27, FAMILY)):
                yield replace(choose(build, machine, Wish()), requirement=f"{KERAS}=={keras}")


def beside(choice: Choice) -> str:
    """Return what makes the lock of a choice another one than that of its build alone."""
    return choice.requirement or ""


def lock_of(choice: Choice) -> LockRow | None:
    """Return the lock that a choice has already."""
    cell = (choice.project, choice.version, choice.python_tag, choice.platform, beside(choice))
    return tables.lock(*cell)


def name_of(choice: Choice) -> str:
    """Return a choice in one line."""
    words = (choice.project, choice.version, beside(choice), choice.python_tag, choice.platform)
    return " ".join(filter(None, words))


# ---------------------------------------------------------------- resolving


def resolve(choice: Choice) -> tuple[Choice, tuple[Pin, ...], dict[str, tuple[Wheel, ...]], str | None]:
    """Return the pins of a choice and the files of each, or the fault that kept it from being resolved."""
    companions = companions_of(choice)
    try:
        if choice.python_tag == PYTHON_27:
            return choice, *python27_locks.resolve(choice, companions, addresses), None
        resolved, _ = resolved_pins(choice, companions, (), (), managers.resolve)
        listed = list_files(choice, resolved)
    except TfupError as error:
        return choice, (), {}, " ".join((error.sentence, *(str(need.found) for need in error.needs)))
    pins = tuple(pin_of(choice, companions, pin.name, pin.version, listed.get(pin.name)) for pin in resolved)
    used = {
        f"{pin.name}=={pin.version}": usable_files(
            choice, companions, pin.name, pin.version, listed.get(pin.name)
        )
        for pin in pins
        if pin.name != choice.project
    }
    return choice, pins, used, None


def list_files(choice: Choice, pins: tuple[Pin, ...]) -> dict[str, tuple[Wheel, ...]]:
    """Return all files of each pin but the build, and remember where the index has them."""
    exact = [f"{pin.name}=={pin.version}" for pin in pins if pin.name != choice.project]
    listed = uv.list_files(exact, minor_of(choice.python_tag))
    for package in listed:
        addresses.update(zip((file.file for file in package.files), package.addresses, strict=True))
    return {package.name: package.files for package in listed}


# ---------------------------------------------------------------- writing

writing = Lock()


def keep(choice: Choice, pins: tuple[Pin, ...], files: dict[str, tuple[Wheel, ...]]) -> None:
    """Write the lock of a choice, and its files into the table of all."""
    with writing:
        known = dict(tables.files())
        for name, found in files.items():
            merged = {file.file: file for file in (*known.get(name, ()), *map(with_size, found))}
            known[name] = tuple(merged[file] for file in sorted(merged))
        write_files(known)
        save(choice, [f"{pin.name}=={pin.version}" for pin in pins])


def save(choice: Choice, pins: list[str]) -> None:
    """Write the lock of a choice beside those of the same release."""
    name = f"locks/{choice.project}/{choice.version}.json"
    rows = {key_of(row): row for row in tables.locks(choice.project, choice.version)}
    row = LockRow(choice.python_tag, choice.platform, digest_of(choice, pins), pins, beside(choice))
    rows[key_of(row)] = row
    tables.save(name, ABOUT, [rows[cell] for cell in sorted(rows)])


def key_of(row: LockRow) -> tuple[str, str, str]:
    """Return what a lock is about, in the order of the table."""
    return row.family, row.python_tag, row.beside


def digest_of(choice: Choice, pins: Iterable[str]) -> str:
    """Return the digest of a lock, over the files that the table has."""
    companions = companions_of(choice)
    parts = (pin.partition("==") for pin in pins)
    return lock_digest(pin_of(choice, companions, name, version) for name, _, version in parts)


def renew_digests(machine: Machine) -> None:
    """Write the digests anew of locks whose pins have got further files with other locks."""
    every = (
        *(of_tensorflow(parse(name), machine) for name in tables.projects()),
        of_keras(parse(KERAS), machine),
    )
    for choice in chain.from_iterable(every):
        lock = lock_of(choice)
        if lock and lock.digest != digest_of(choice, lock.pins):
            print(f"{name_of(choice)}: another digest", flush=True)
            save(choice, lock.pins)


def read_locks(path: Path) -> list[LockRow]:
    """Return the rows of a file of locks."""
    return tables.load(str(path.relative_to(DATA)), LockRow)


def write_files(known: dict[str, tuple[Wheel, ...]]) -> None:
    """Write the table of files."""
    rows = [FilesRow(pin, [(f.file, f.sha256, f.bytes or 0) for f in known[pin]]) for pin in sorted(known)]
    tables.save("builds/files.json", ABOUT, rows)


def prune_files() -> None:
    """Forget the files that no lock names any more."""
    used = {pin for path in (DATA / "locks").glob("*/*.json") for row in read_locks(path) for pin in row.pins}
    write_files({pin: files for pin, files in tables.files().items() if pin in used})


def with_size(file: Wheel) -> Wheel:
    """Return a file with its size, asked of the place where the index has it."""
    known = next((old for old in known_files().get(file.sha256, ()) if old.bytes), None)
    if known or file.bytes or file.file not in addresses:
        return known or file
    question = Request(addresses[file.file], method="HEAD")  # noqa: S310 -- the index's own address
    with urlopen(question, timeout=60) as answer:  # noqa: S310 -- likewise
        return Wheel(file.file, file.sha256, int(answer.headers["Content-Length"]))


def known_files() -> dict[str, tuple[Wheel, ...]]:
    """Return the files of the table by hash."""
    return {file.sha256: (file,) for files in tables.files().values() for file in files}


if __name__ == "__main__":
    sys.exit(main())
