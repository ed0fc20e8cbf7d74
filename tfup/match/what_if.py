"""What would have to change here for a build to fit, and what that would give.

Nothing is promised by hand: the fact is changed in the machine or the wish, and the match is asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tfup import tables
from tfup.match.gpu import what_if as gpu
from tfup.match.keras import pair_of
from tfup.match.platforms import (
    FAMILIES,
    SYSTEM_NAMES,
    describe_family,
    describe_system,
    glibc_floor,
    macos_floor,
)
from tfup.match.pythons import python_row, starts_on, wished_version
from tfup.match.search import match, nearest_of, uses_gpu
from tfup.model import Build, Interpreter, Machine, System, Wish
from tfup.requirements import is_build, is_keras

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfup.match.builds import Table
    from tfup.model import Choice, Obstacle


class Change(NamedTuple):
    """One thing changed: in words, and the machine and the wish as they would be then."""

    words: str
    machine: Machine
    wish: Wish


def what_would_help(
    requirement: str, machine: Machine, wish: Wish, table: Table = tables.releases
) -> str | None:
    """Return the first thing to change for a release, and what it gives; None where nothing is or can be."""
    best = nearest_of(requirement, machine, wish, table)
    changes = (CHANGES[one.name](best.build, machine, wish) for one in best.obstacles if one.name in CHANGES)
    change = next((change for change in changes if change), None)
    if not change:
        return None
    exact = f"{best.build.project}=={best.build.version}"
    left = nearest_of(exact, change.machine, change.wish, table).obstacles
    return f"{change.words} {describe_gain(exact, change, left, table)}"


def describe_gain(requirement: str, change: Change, left: tuple[Obstacle, ...], table: Table) -> str:
    """Return what a change gives: the release asked about, else what is chosen instead and what is left."""
    choice = find_choice(requirement, change, table)
    still = ", ".join(dict.fromkeys(obstacle.name for obstacle in left))
    if not still and choice:
        return f"gives {describe_choice(choice, change)}"
    instead = describe_choice(choice, change) if choice else "nothing yet"
    return f"gives {instead}; what keeps {requirement} away then: {still or 'the rest of the wish'}"


def describe_choice(choice: Choice, change: Change) -> str:
    """Return a choice with where it runs, where that is a question."""
    place = " on the GPU" if choice.accelerator != "cpu" else " on the processor alone"
    asked = choice.accelerator != "cpu" or uses_gpu(change.machine, change.wish)
    return f"{choice.project} {choice.version}{place if asked else ''}"


def find_choice(requirement: str, change: Change, table: Table) -> Choice | None:
    """Return what would be chosen for the requirement, else for the wish."""
    beside = tuple(text for text in change.wish.requirements if not is_build(text))
    exact = replace(change.wish, requirements=(requirement, *beside))
    found = match(change.machine, exact, table).choice
    return found or match(change.machine, change.wish, table).choice


# ---------------------------------------------------------------- one change for each kind of obstacle


def change_system(build: Build, machine: Machine, wish: Wish) -> Change:
    """Take another computer, of which only the system is known."""
    os, arch = next(key for key, family in FAMILIES.items() if family == build.family)
    words = f"{describe_system(machine.system)} -> {describe_family(build.family)}"
    return Change(words, Machine(system=System(os=os, arch=arch)), wish)


def change_release(build: Build, machine: Machine, wish: Wish) -> Change:
    """Take a newer release of the system: with a newer C library, or of macOS."""
    glibc, macos = glibc_floor(build), macos_floor(build)
    return change_libc(glibc, machine, wish) if glibc else change_version(macos or "", machine, wish)


def change_libc(glibc: str, machine: Machine, wish: Wish) -> Change:
    """Take another release or distribution, with this glibc."""
    system = machine.system
    now = f"{system.libc} {system.libc_version or ''}".rstrip()
    words = f"{now} -> {glibc}" if system.libc == "glibc" else f"{now} -> glibc {glibc}"
    return Change(words, replace(machine, system=replace(system, libc="glibc", libc_version=glibc)), wish)


def change_version(version: str, machine: Machine, wish: Wish) -> Change:
    """Take another release of macOS or Windows."""
    system = machine.system
    words = f"{SYSTEM_NAMES[system.os or '']} {system.version} -> {version}"
    return Change(words, replace(machine, system=replace(system, version=version)), wish)


def change_processor(build: Build, machine: Machine, wish: Wish) -> Change:
    """Take a processor that has the features too."""
    features = (*(machine.cpu.features or ()), *build.cpu)
    words = f"{machine.cpu.model or 'this processor'} -> one with {', '.join(build.cpu).upper()}"
    return Change(words, replace(machine, cpu=replace(machine.cpu, features=features)), wish)


def add_python(build: Build, machine: Machine, wish: Wish) -> Change:
    """Install the interpreter; where the system is too old for it, a newer one."""
    row, system = python_row(build), machine.system
    if row and not starts_on(system, row):
        newer = change_libc if system.os == "linux" else change_version
        return newer(row.oldest, machine, wish)
    version = wished_version(build, wish)
    arch = next(arch for (_, arch), family in FAMILIES.items() if family == build.family)
    python = Interpreter("python", version, bits=64, arch=arch, abi=build.abi)
    return Change(
        f"CPython {version} installed", replace(machine, pythons=(*(machine.pythons or ()), python)), wish
    )


def drop_python(_build: Build, machine: Machine, wish: Wish) -> Change | None:
    """Leave the Python to us."""
    if wish.python is None:
        return None
    return Change(f"no --python {wish.python}", machine, replace(wish, python=None))


def change_keras(build: Build, machine: Machine, wish: Wish) -> Change:
    """Ask for the Keras that goes with the build."""
    others = tuple(text for text in wish.requirements if not is_keras(text))
    pair = pair_of(build).strip("'")
    return Change(pair, machine, replace(wish, requirements=(*others, pair)))


def use_cpu(_build: Build, machine: Machine, wish: Wish) -> Change:
    """Do without the GPU."""
    return Change("--cpu", machine, replace(wish, gpu=False))


def change_gpu_part(
    change: Callable[[Build, Machine], tuple[str, Machine] | None],
) -> Callable[[Build, Machine, Wish], Change | None]:
    """Return a change of what the GPU needs as one of this module."""

    def changed(build: Build, machine: Machine, wish: Wish) -> Change | None:
        found = change(build, machine)
        return Change(*found, wish) if found else None

    return changed


def name_release(build: Build, machine: Machine, wish: Wish) -> Change:
    """Ask for a withdrawn release by its number."""
    others = tuple(text for text in wish.requirements if not is_build(text))
    exact = f"{build.project}=={build.version}"
    return Change(exact, machine, replace(wish, requirements=(exact, *others)))


CHANGES: dict[str, Callable[[Build, Machine, Wish], Change | None]] = {
    "system": change_system,
    "platform": change_release,
    "libc": change_release,
    "macos": change_release,
    "cpu": change_processor,
    "python": add_python,
    "wish": drop_python,
    "carrier": drop_python,
    "keras": change_keras,
    "accelerator": use_cpu,
    "driver": change_gpu_part(gpu.newer_driver),
    "gpu": change_gpu_part(gpu.other_card),
    "cuda": change_gpu_part(gpu.other_toolkit),
    "cudnn": change_gpu_part(gpu.other_cudnn),
    "yanked": name_release,
}
"""By the name of the obstacle."""
