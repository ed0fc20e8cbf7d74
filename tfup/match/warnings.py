"""What a person should know about the build that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from tfup.match import keras_backends
from tfup.match.builds import GPU_PROJECT, carriers, wished_build
from tfup.match.gpu import judge
from tfup.match.gpu.tables import cuda_row
from tfup.match.gpu.warnings import missing_libraries, other_card_notice, unknown_gpu_facts
from tfup.match.platforms import CPU_ONLY, family_of, macos_floor
from tfup.match.pythons import usable_pythons
from tfup.model import Build, Machine, Notice, Wish
from tfup.requirements import KERAS

if TYPE_CHECKING:
    from collections.abc import Iterator


def notices(build: Build, machine: Machine, wish: Wish) -> tuple[Notice, ...]:
    """Return what the person should know about the build chosen."""
    found = (
        carrier_notice(build, machine, wish),
        gpu_build_notice(build, machine, wish),
        unused_gpu_notice(machine, wish),
        sampled_notice(build, machine),
        unknown_notice(build, machine, wish),
        *keras_backends.notices(build, machine, wish),
    )
    return tuple(notice for notice in found if notice)


def carrier_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """A release that another project carries is said so, with the reason."""
    wanted = canonicalize_name(wished_build(wish, machine).name)
    rows = (row for row in carriers(wanted) if (row.carrier, row.family) == (build.project, build.family))
    why = next((row.why for row in rows if build.project != wanted), None)
    text = f"{wanted} is met by {build.project} {build.version}: {why}."
    return Notice("met-by-another-project", text) if why else None


def gpu_build_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """A CUDA build on a machine without its CUDA may not even be imported; its CPU twin can."""
    missing = missing_libraries(build, machine, wish) if build.project == GPU_PROJECT else None
    if missing is None:
        return None
    row = cuda_row(build)
    without = "cannot be imported" if row and row.linked else "uses no GPU"
    twin = f"its CPU twin, tensorflow=={build.version}, needs neither"
    text = f"Without {missing}, which were not found, this build {without}; {twin}."
    return Notice("gpu-build-without-cuda", text)


def unused_gpu_notice(machine: Machine, wish: Wish) -> Notice | None:
    """A card for which there are no builds is said to stay unused."""
    return None if wish.gpu is not None or judge.has_gpu(machine) else other_card_notice(machine)


def sampled_notice(build: Build, machine: Machine) -> Notice | None:
    """On a processor without AVX, that a build has none is known from samples of its code."""
    features = machine.cpu.features
    if build.project == KERAS:
        return None
    if features is None or "avx" in features or family_of(machine.system) in {None, *CPU_ONLY}:
        return None
    text = f"Samples of {build.project} {build.version} have no AVX in them; on no such processor was it run."
    return Notice("cpu-level-sampled", text)


def unknown_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """A fact that mattered and could not be read is named."""
    unknown = list(unknown_facts(build, machine, wish))
    if not unknown:
        return None
    return Notice(
        "unknown-facts", f"Not known of this machine, so not held against the build: {', '.join(unknown)}."
    )


def unknown_facts(build: Build, machine: Machine, wish: Wish) -> Iterator[str]:
    """Yield the facts that some obstacle of this build rests on and that are not known."""
    system, pythons = machine.system, usable_pythons(build, machine, wish)
    facts = {
        "the system": system.os,
        "the processor": system.arch,
        "the CPU's features": machine.cpu.features if build.cpu else "not needed",
        "the version of glibc": system.libc_version if build.glibc else "not needed",
        "the version of macOS": system.version if macos_floor(build) else "not needed",
        "the Pythons": machine.pythons,
    }
    yield from (name for name, fact in facts.items() if fact is None)
    yield from unknown_gpu_facts(build, machine, wish)
    if pythons and None in {pythons[0].abi, pythons[0].bits, pythons[0].arch}:
        yield f"what {pythons[0].path} was built for"
