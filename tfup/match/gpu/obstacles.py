"""What keeps the GPU part of a build from a machine, and what would change it."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from packaging.version import Version

from tfup.match.gpu.cards import capability_of, describe_card, fit_cards, name_of
from tfup.match.gpu.drivers import describe_driver, describe_need, driver_system, parts_of, serves
from tfup.match.gpu.kernels import describe_needs, judge, number_of
from tfup.match.gpu.libraries import (
    FIRST_LENIENT_CUDNN,
    cudnn_fits,
    in_conda,
    lacking,
    list_sources,
    of_the_system,
    serves_toolkit,
    toolkit_fits,
)
from tfup.match.gpu.metal import find_plugin, metal_obstacles
from tfup.match.gpu.tables import CudaRow, cuda_row, cuda_rows, is_known, plugins
from tfup.model import Obstacle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.match.gpu.cards import Fit
    from tfup.match.gpu.drivers import Owner
    from tfup.model import Build, Cudnn, Driver, Machine, Wish


def gpu_obstacles(build: Build, machine: Machine, wish: Wish) -> tuple[Obstacle, ...]:
    """Return everything that keeps a build from using a GPU here; nothing unless one is wished for."""
    if not wish.gpu:
        return ()
    row, plugin = cuda_row(build), find_plugin(build.version, build.family)
    if row:
        return of_release(row.version, row.family, Very(machine), wish)
    return tuple(metal_obstacles(plugin, build.python_tag, machine)) if plugin else (part_obstacle(build),)


class Very:
    """A very machine, as a key: the wheels of a release ask the same of it, one after the other."""

    def __init__(self, machine: Machine) -> None:
        """Hold the machine, so that no other can take its place in memory."""
        self.machine = machine

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same object."""
        return isinstance(other, Very) and self.machine is other.machine

    def __hash__(self) -> int:
        """Return a number that the same object always has."""
        return id(self.machine)


@lru_cache(maxsize=8)
def of_release(version: str, family: str, the: Very, wish: Wish) -> tuple[Obstacle, ...]:
    """Return what keeps the GPU part of a release from a machine, for all its wheels."""
    return tuple(cuda_obstacles(cuda_rows()[version, family], the.machine, wish))


def part_obstacle(build: Build) -> Obstacle:
    """The wheel has no GPU part at all, or one that nobody has looked at yet."""
    release = f"{build.project} {build.version}"
    alone = f"{release} for this system is for the processor alone"
    what = alone if is_known(build.version) else f"{release}, of whose GPU part nothing is known"
    return Obstacle("accelerator", "a build with a GPU part", what, part_remedy(build.family))


@cache
def part_remedy(family: str) -> str:
    """Return what remains on a system where a release has no GPU part."""
    if family == "windows_amd64":
        newest = newest_release(family)
        plugin = next(row for row in plugins() if row.accelerator == "directml")
        other = f"{plugin.project} {plugin.version} beside tensorflow-cpu{plugin.tensorflow}"
        return f"use WSL2 for the newest release, {newest} with its CUDA and cuDNN, or {other}"
    if family == "macos_arm64":
        return f"ask for a release that tensorflow-metal pairs with, such as {newest_pair(family)}"
    return "ask for tensorflow itself" if family == "linux_x86_64" else "use --cpu"


def newest_release(family: str) -> str:
    """Return the newest release with a GPU part for a system, as it can be typed."""
    versions = [version for version, place in cuda_rows() if place == family]
    return f"tensorflow=={max(versions, key=Version)}"


def newest_pair(family: str) -> str:
    """Return the newest releases that a plug-in pairs with, as they can be typed."""
    ranges = [row.tensorflow for row in plugins() if row.family == family]
    return f"tensorflow{max(ranges, key=parts_of)}"


# ---------------------------------------------------------------- CUDA


def cuda_obstacles(row: CudaRow, machine: Machine, wish: Wish) -> Iterator[Obstacle]:
    """Yield what CUDA needs: a card with code for it, a driver, and the libraries."""
    fits = fit_cards(row, machine)
    yield from card_obstacles(row, machine, fits)
    yield from sibling_obstacles(row, wish, fits)
    if not list_sources(row, machine, wish, fits):
        yield from library_obstacles(row, machine, fits)


def card_obstacles(row: CudaRow, machine: Machine, fits: list[Fit]) -> Iterator[Obstacle]:
    """Yield why no card would be used; cards that nobody could list are not held against a build.

    Of several cards that is the nearest to use: a newer driver is less than another card.
    """
    driver, waiting = machine.driver, [fit.driver for fit in fits if fit.driver]
    if machine.gpus is None:
        yield from driver_of_nobody(row, driver, driver_system(machine))
    elif any(fit.usable for fit in fits):
        return
    elif driver is None and any(is_unseen(fit) for fit in fits):
        yield no_driver(row, machine)
    else:
        yield old_driver(min(waiting, key=parts_of), driver) if waiting and driver else no_card(row, fits)


def is_unseen(fit: Fit) -> bool:
    """Tell whether a card is NVIDIA's, and CUDA programs cannot see it."""
    return fit.gpu.vendor == "nvidia" and fit.gpu.visible is False


def sibling_obstacles(row: CudaRow, wish: Wish, fits: list[Fit]) -> Iterator[Obstacle]:
    """Yield that another patch release has the machine code that this one lacks by a fault of its making."""
    used = {capability_of(fit.gpu): fit.verdict for fit in fits if fit.usable}
    if set(used.values()) != {"jit"} or is_named(row, wish):
        return
    better = [sibling_for(row, capability or "") for capability in used]
    if None not in better:
        found = f"{row.version} without any, by a fault of its making"
        cards = ", ".join(sorted(filter(None, used)))
        yield Obstacle("gpu", f"machine code for {cards}", found, f"take {better[0]}")


def sibling_for(row: CudaRow, capability: str) -> str | None:
    """Return the newest other patch release that has machine code for a card; None where none has."""
    minor = row.version.split(".")[:2]
    rows = (other for other in cuda_rows().values() if other.version.split(".")[:2] == minor)
    native = (
        other.version
        for other in rows
        if other.family == row.family and judge(other, number_of(capability)).verdict == "native"
    )
    return next(native, None)


def is_named(row: CudaRow, wish: Wish) -> bool:
    """Tell whether the wish is for this very release."""
    return any(text.replace(" ", "").endswith(f"=={row.version}") for text in wish.requirements)


def driver_of_nobody(row: CudaRow, driver: Driver | None, system: Owner) -> Iterator[Obstacle]:
    """Yield that the driver is too old for any card: of a machine whose cards are not known."""
    if driver and serves(driver, row, "native", system) is False:
        yield old_driver(describe_need(row, "native", system), driver)


def old_driver(needed: str, driver: Driver) -> Obstacle:
    """The driver is too old."""
    return Obstacle("driver", needed, describe_driver(driver), f"update the NVIDIA driver to {needed}")


def no_driver(row: CudaRow, machine: Machine) -> Obstacle:
    """There are NVIDIA cards, and no driver of NVIDIA's that answers for them."""
    needed, reason = describe_need(row, "native", driver_system(machine)), machine.unknown.get("driver")
    return Obstacle("driver", needed, reason, "install the NVIDIA driver, or mend it")


def no_card(row: CudaRow, fits: list[Fit]) -> Obstacle:
    """No card would run it: none is NVIDIA's, none can be seen, or there is no code for any."""
    mine = [fit for fit in fits if fit.gpu.vendor == "nvidia"] or fits
    found = ", ".join(dict.fromkeys(f"{describe_card(fit.gpu)}: {fit.why}" for fit in mine))
    return Obstacle("gpu", f"an NVIDIA GPU of {describe_needs(row)}", found or None, card_remedy(fits))


def card_remedy(fits: list[Fit]) -> str:
    """Return what remains where no card is usable."""
    if any(fit.verdict == "broken" for fit in fits):
        return "take a release whose PTX is for newer cards too, or NVIDIA's own container, or --cpu"
    hidden = [name_of(fit.gpu) for fit in fits if fit.gpu.visible is False]
    return f"let CUDA programs see the {hidden[0]}, or use --cpu" if hidden else "use --cpu"


def library_obstacles(row: CudaRow, machine: Machine, fits: list[Fit]) -> Iterator[Obstacle]:
    """Yield which of CUDA and cuDNN are not here, and cannot be brought."""
    conda = ", or use --manager conda" if in_conda(row.version, row.family) else ""
    if toolkit_fits(row, machine) is False:
        here = ", ".join(sorted({minor_of(one.version) for one in machine.cuda or ()}))
        served = any(serves_toolkit(row, one) for one in of_the_system(machine.cuda or ()))
        missing = f" without {', '.join(lacking(row, machine))}" if served else ""
        beside = " beside it" if here else ""
        remedy = f"install CUDA {row.cuda}{beside}{conda}"
        yield Obstacle("cuda", row.cuda, f"{here}{missing}" or None, remedy)
    if cudnn_fits(row, machine, fits) is False:
        here = ", ".join(sorted(set(map(name_cudnn, machine.cudnn or ()))))
        remedy = f"install cuDNN {row.cudnn} for CUDA {row.cuda}{conda}"
        yield Obstacle("cudnn", describe_cudnn(row), here or None, remedy)


def minor_of(version: str) -> str:
    """Return the minor release of a toolkit."""
    return ".".join(version.split(".")[:2])


def name_cudnn(cudnn: Cudnn) -> str:
    """Return an installed cuDNN with the CUDA that it was made for."""
    return f"{cudnn.version} for CUDA {cudnn.cuda}" if cudnn.cuda else cudnn.version


def describe_cudnn(row: CudaRow) -> str:
    """Return which cuDNN a build takes.

    >>> describe_cudnn(CudaRow("1", "linux_x86_64", [], "9.0", "7.2"))
    '7.2 or a newer 7.x, for CUDA 9.0'
    """
    major = parts_of(row.cudnn)[0]
    newer = f" or a newer {major}.x" if major >= FIRST_LENIENT_CUDNN else ""
    return f"{row.cudnn}{newer}, for CUDA {row.cuda}"
