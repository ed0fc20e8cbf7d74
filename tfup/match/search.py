"""Stage 2, match: the newest build with no obstacle on this machine.

`obstacles` decides and explains: a build fits where it finds none, and what it finds is the
explanation of every build passed over. What a machine file does not know is held against no build.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from msgspec.structs import replace
from packaging.utils import canonicalize_name

from tfup import tables
from tfup.match import keras_backends
from tfup.match.builds import DEFAULT_PROJECT, GPU_PROJECT, Table, offered, unknown_version, wished_build
from tfup.match.gpu import judge
from tfup.match.gpu.warnings import gpu_notices, unused_notice
from tfup.match.obstacles import obstacles
from tfup.match.platforms import WIDER, glibc_floor, macos_floor, python_release
from tfup.match.pythons import usable_pythons, wished_version
from tfup.match.warnings import notices
from tfup.model import Build, Choice, Machine, Match, Obstacle, PassedOver, Wish
from tfup.requirements import is_build, parse


class Candidate(NamedTuple):
    """A build with its obstacles; no obstacle, then it fits."""

    build: Build
    obstacles: tuple[Obstacle, ...]


def match(machine: Machine, wish: Wish, table: Table = tables.releases) -> Match:
    """Return the newest build that uses the GPU, else the newest that fits, and every better one passed over.

    Raises UnknownVersion when no release at all meets the versions wished for.
    """
    if not uses_gpu(machine, wish):
        return search(machine, wish, table)
    on_gpu = search(machine, replace(wish, gpu=True, slim=False), table)
    older = None if on_gpu.choice else under_older_name(machine, wish, table)
    if wish.gpu and older and not any(map(is_build, wish.requirements)):
        return older
    if on_gpu.choice or wish.gpu:
        return on_gpu
    return without_gpu(search(machine, replace(wish, gpu=False), table), on_gpu, older, machine)


def uses_gpu(machine: Machine, wish: Wish) -> bool:
    """Tell whether a GPU is to be used if one can be: demanded, here, or meant by the name of the build."""
    if wish.gpu is not None or keras_backends.is_wished(wish):
        return bool(wish.gpu)
    return judge.has_gpu(machine) or canonicalize_name(wished_build(wish, machine).name) == GPU_PROJECT


def under_older_name(machine: Machine, wish: Wish, table: Table) -> Match | None:
    """Return the release under the name that GPU builds had once, if it uses the GPU with the CUDA here."""
    wanted = wished_build(wish, machine)
    if not machine.cuda or canonicalize_name(wanted.name) != DEFAULT_PROJECT:
        return None
    served = [row for row in table(GPU_PROJECT) if judge.is_served(row, machine)]
    if not any(wanted.specifier.contains(row.version) for row in served):
        return None
    beside = tuple(text for text in wish.requirements if not is_build(text))
    renamed = f"{GPU_PROJECT}{wanted.specifier}"
    older = replace(wish, gpu=True, slim=False, requirements=(renamed, *beside))
    found = search(machine, older, lambda name: served if name == GPU_PROJECT else ())
    return found if found.choice else None


def without_gpu(on_cpu: Match, on_gpu: Match, older: Match | None, machine: Machine) -> Match:
    """Return what runs on the processor alone, with why the GPU stays unused and what would change it."""
    if on_cpu.choice is None:
        return on_cpu
    instead = f"{older.choice.project}=={older.choice.version}" if older and older.choice else None
    return replace(
        on_cpu,
        choice=judge.leave_unused(on_cpu.choice, machine),
        passed_over=on_cpu.passed_over + on_gpu.passed_over,
        warnings=(*on_cpu.warnings, unused_notice(machine, on_gpu.nearest, instead)),
    )


def search(machine: Machine, wish: Wish, table: Table) -> Match:
    """Return the newest build that fits, on a GPU if the wish says so, and every newer one passed over."""
    wanted = wished_build(wish, machine)
    passed: list[PassedOver] = []
    for release in offered(wanted, machine, wish, table):
        best = best_candidate(release, machine, wish)
        if not best.obstacles:
            choice = choose(best.build, machine, wish)
            warnings = notices(best.build, machine, wish) + gpu_notices(choice, machine)
            return Match(choice, tuple(passed), warnings)
        passed.append(PassedOver(best.build.project, best.build.version, best.obstacles, bool(wish.gpu)))
    if not passed:
        raise unknown_version(wanted, table)
    return Match(None, tuple(passed), nearest=min(passed, key=distance))


def distance(over: PassedOver) -> tuple[object, ...]:
    """Order what was passed over by what it would take: another computer, card or wish, then less."""
    names = {obstacle.name for obstacle in over.obstacles}
    worst_first = ("system", "backend", "accelerator", "gpu", "cpu", "wish")
    return *(name in names for name in worst_first), len(over.obstacles)


def why_not(
    requirement: str, machine: Machine, wish: Wish, table: Table = tables.releases
) -> PassedOver | None:
    """Return what keeps the newest release of a requirement from this machine, None when nothing does."""
    best = nearest_of(requirement, machine, wish, table)
    return PassedOver(best.build.project, best.build.version, best.obstacles) if best.obstacles else None


def nearest_of(requirement: str, machine: Machine, wish: Wish, table: Table = tables.releases) -> Candidate:
    """Return the build of the newest release of a requirement that has the fewest obstacles here."""
    wanted = parse(requirement)
    newest = next(offered(wanted, machine, wish, table), None)
    if newest is None:
        raise unknown_version(wanted, table)
    gpu = uses_gpu(machine, replace(wish, requirements=(requirement,)))
    return best_candidate(newest, machine, replace(wish, gpu=gpu))


# ---------------------------------------------------------------- choosing


def best_candidate(release: tuple[Build, ...], machine: Machine, wish: Wish) -> Candidate:
    """Return the build of a release with the fewest obstacles; a Python here wins, then the newest."""
    candidates = [Candidate(build, obstacles(build, machine, wish)) for build in release]
    wanted = canonicalize_name(wished_build(wish, machine).name)
    return min(candidates, key=partial(preference, machine=machine, wish=wish, wanted=wanted))


def preference(candidate: Candidate, *, machine: Machine, wish: Wish, wanted: str) -> tuple[object, ...]:
    """Order candidates of one release: total, so that no order of any table matters."""
    build = candidate.build
    return (
        len(candidate.obstacles),
        not build.family.startswith(machine.system.os or ""),
        not build.family.endswith(WIDER.get(machine.system.arch or "", machine.system.arch or "")),
        sorted(obstacle.name for obstacle in candidate.obstacles),
        not usable_pythons(build, machine, wish),
        build.project != wanted,
        keras_backends.order(build),
        [-part for part in python_release(build.python_tag)],
        build.project,
        build.wheel.file,
    )


def choose(build: Build, machine: Machine, wish: Wish) -> Choice:
    """Return the choice of a build: with the interpreter that is here, or the minor to obtain."""
    python = next(iter(usable_pythons(build, machine, wish)), None)
    choice = Choice(
        project=build.project,
        version=build.version,
        python=python.version if python else wished_version(build, wish),
        python_tag=build.python_tag,
        python_path=python.path if python else None,
        python_from="found" if python else "obtain",
        wheel=build.wheel,
        platform=build.family,
        glibc=glibc_floor(build),
        macos=macos_floor(build),
        libraries=keras_backends.libraries(build, machine),
        backend=build.backend,
        requirement=build.requirement,
    )
    of_gpu = wish.gpu or build.project == GPU_PROJECT
    return judge.accelerate(choice, machine, wish) if of_gpu else choice
