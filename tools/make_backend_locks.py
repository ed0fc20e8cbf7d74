"""Make the locks of Keras on its back ends: data/locks_backends/ and data/files_backends.json.

Usage: python -m tools.make_backend_locks [--again] [--python cp36] [BACKEND…]

Which pairs: `locked` in data/backends.json, and TENSORFLOW below, on Linux x86_64. Python 2.7, which uv
does not know, is resolved by the pip of a throw-away environment.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.version import Version

from tfup import tables
from tfup.errors import TfupError
from tfup.machine import detect
from tfup.machine.live import Live
from tfup.match import keras_backends
from tfup.match.keras_backends import PairLock
from tfup.match.search import choose
from tfup.model import Build, Choice, Machine, Pin, Wheel, Wish
from tfup.pin.files import lock_digest
from tfup.tables import FilesRow, LockRow
from tools import make_legacy_locks, make_locks

if TYPE_CHECKING:
    from collections.abc import Iterator

FAMILY = "linux_x86_64"
LEGACY = "cp27"
TENSORFLOW = (("0.12.1", "1.1.0"),)
"""Of Python 2.7, where no other Keras than that of the lock can be resolved: TensorFlow, Keras."""
ABOUT = {"made_by": "tools/make_backend_locks.py", "rules": "backends.json, backend_bounds.json, sdists.json"}

Files = dict[str, tuple[Wheel, ...]]


class Pair(NamedTuple):
    """What is to be locked: a choice, and how the lock is called."""

    choice: Choice
    build: Build
    keras: str
    requirement: str


def main() -> int:
    """Resolve, write, and say what failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backend", nargs="*")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--python", action="append", metavar="TAG")
    arguments = parser.parse_args()
    make_locks.forget_local_wheels()
    pairs = [pair for pair in pairs_to_lock(arguments) if arguments.again or not is_locked(pair)]
    failures = [
        name_of(pair) for number, pair in enumerate(pairs, 1) if not lock(pair, f"{number}/{len(pairs)}")
    ]
    prune_files()
    print(f"{len(pairs) - len(failures)} locked, {len(failures)} failed", *failures, sep="\n")
    return 1 if failures else 0


def pairs_to_lock(arguments: argparse.Namespace) -> Iterator[Pair]:
    """Yield the pairs asked for."""
    machine = detect(Live())
    for pair in (*keras_pairs(machine), *tensorflow_pairs(machine)):
        if (not arguments.backend or pair.choice.backend in arguments.backend) and (
            not arguments.python or pair.choice.python_tag in arguments.python
        ):
            yield pair


def keras_pairs(machine: Machine) -> Iterator[Pair]:
    """Yield each Keras on each release of a back end."""
    for row in keras_backends.rows():
        for keras in row.locked:
            wish = Wish(backend=row.backend)
            for release in keras_backends.releases(Requirement(f"keras=={keras}"), wish, FAMILY):
                for build in release:
                    if build.requirement == row.requirement:
                        yield Pair(choose(build, machine, wish), build, keras, row.requirement)


def tensorflow_pairs(machine: Machine) -> Iterator[Pair]:
    """Yield TensorFlow with another Keras than that of its own lock."""
    for version, keras in TENSORFLOW:
        rows = (
            row for row in tables.releases("tensorflow") if (row.version, row.family) == (version, FAMILY)
        )
        for build in (build for row in rows for build in tables.builds(row)):
            if build.python_tag == LEGACY and build.abi == keras_backends.abi_of(LEGACY, FAMILY):
                choice = replace(choose(build, machine, Wish()), requirement=f"keras=={keras}")
                yield Pair(choice, build, keras, f"tensorflow=={version}")


def lock(pair: Pair, place: str) -> bool:
    """Lock a pair, say what became of it, and tell whether it worked."""
    pins, files, fault = resolve(pair)
    print(f"[{place}] {name_of(pair)}: {fault or f'{len(pins)} pins'}", flush=True)
    if not fault:
        keep(pair, pins, files)
    return not fault


def resolve(pair: Pair) -> tuple[tuple[Pin, ...], Files, str | None]:
    """Return the pins of a pair and the files of each, or the fault."""
    if pair.choice.python_tag != LEGACY:
        return make_locks.resolve_build(pair.build)[1:]
    try:
        return *make_legacy_locks.lock(pair.choice), None
    except TfupError as error:
        return (), {}, f"{error.sentence} {error.needs[0].found if error.needs else ''}"


def keep(pair: Pair, pins: tuple[Pin, ...], files: Files) -> None:
    """Write the lock of a pair, and its files into the table of back ends."""
    known = {row.pin: row for row in tables.load("files_backends.json", FilesRow)}
    for name, found in files.items():
        before = known[name].files if name in known else []
        sized = [make_locks.with_size(file) for file in found]
        merged = {
            file[0]: file for file in (*before, *((one.file, one.sha256, one.bytes or 0) for one in sized))
        }
        known[name] = FilesRow(name, [merged[file] for file in sorted(merged)])
    write_files(known)
    choice = pair.choice
    row = LockRow(
        choice.python_tag, choice.platform, lock_digest(pins), [f"{pin.name}=={pin.version}" for pin in pins]
    )
    locks = {key_of(one): one for one in keras_backends.pair_locks(choice.backend)}
    new = PairLock(pair.keras, pair.requirement, row)
    locks[key_of(new)] = new
    tables.save(f"locks_backends/{choice.backend}.json", ABOUT, [locks[key] for key in sorted(locks)])


def key_of(one: PairLock) -> tuple[Version, str, str, str]:
    """Return what a lock is about, in the order of the table."""
    return Version(one.keras), one.requirement, one.lock.family, one.lock.python_tag


def write_files(known: dict[str, FilesRow]) -> None:
    """Write the table of files."""
    about = {"made_by": ABOUT["made_by"], "what": "the files of the pins in locks_backends/"}
    tables.save("files_backends.json", about, [known[pin] for pin in sorted(known)])
    keras_backends.files.cache_clear()


def prune_files() -> None:
    """Forget the files that no lock of a back end names any more."""
    names = (*keras_backends.NAMES,)
    used = {pin for name in names for one in keras_backends.pair_locks(name) for pin in one.lock.pins}
    write_files({row.pin: row for row in tables.load("files_backends.json", FilesRow) if row.pin in used})


def is_locked(pair: Pair) -> bool:
    """Tell whether a pair has a lock."""
    cell = (pair.keras, pair.requirement, pair.choice.python_tag)
    known = keras_backends.pair_locks(pair.choice.backend)
    return any((one.keras, one.requirement, one.lock.python_tag) == cell for one in known)


def name_of(pair: Pair) -> str:
    """Return a pair in one line."""
    return f"keras {pair.keras} {pair.requirement} {pair.choice.python_tag}"


if __name__ == "__main__":
    sys.exit(main())
