"""What would have to change here for a card to be used: another driver, CUDA, cuDNN or card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from tfup.match.gpu.cards import capability_of, fit_cards, name_of
from tfup.match.gpu.drivers import driver_system, last_driver, needed_driver, parts_of
from tfup.match.gpu.kernels import number_of
from tfup.match.gpu.libraries import cudnn_fits
from tfup.match.gpu.tables import cuda_row, toolkits
from tfup.model import Cudnn, Driver, Gpu, Machine, Toolkit

if TYPE_CHECKING:
    from tfup.match.gpu.tables import CudaRow
    from tfup.model import Build


def newer_driver(build: Build, machine: Machine) -> tuple[str, Machine] | None:
    """Return the driver that a build asks for, in words and in the machine; None where no card has one."""
    row = cuda_row(build)
    needed = least_driver(row, machine) if row else None
    if needed is None:
        return None
    now = machine.driver.version if machine.driver else None
    gpus = machine.gpus and tuple(replace(gpu, visible=True) for gpu in machine.gpus)
    words = f"driver {now} -> {needed}" if now else f"driver {needed} installed"
    return words, replace(machine, driver=Driver(needed, newest_cuda(needed, machine)), gpus=gpus)


def least_driver(row: CudaRow, machine: Machine) -> str | None:
    """Return the oldest driver with which some card here runs a build, and which that card still has."""
    system = driver_system(machine)
    fits = fit_cards(row, replace(machine, driver=None, gpus=seen(machine)))
    wanted = [
        needed
        for fit in fits
        if fit.usable and (needed := needed_driver(row, fit.verdict, system))
        if has_driver(fit.gpu, needed, machine)
    ]
    return min(wanted, key=parts_of, default=None) if machine.gpus else needed_driver(row, "native", system)


def seen(machine: Machine) -> tuple[Gpu, ...] | None:
    """Return the cards as they would be with a driver: one that lacks it cannot be seen."""
    return machine.gpus and tuple(replace(gpu, visible=True) for gpu in machine.gpus)


def has_driver(gpu: Gpu, needed: str, machine: Machine) -> bool:
    """Tell whether NVIDIA still made such a driver for a card."""
    last = last_driver(capability_of(gpu) or "", driver_system(machine))
    return last is None or parts_of(needed)[:1] <= parts_of(last)[:1]


def newest_cuda(driver: str, machine: Machine) -> str | None:
    """Return the newest CUDA that a driver serves."""
    system = driver_system(machine)
    served = [
        row.cuda
        for row in toolkits().values()
        if parts_of(row.exact.get(system, "99999")) <= parts_of(driver)
    ]
    return max(served, key=parts_of, default=None)


def other_card(build: Build, machine: Machine) -> tuple[str, Machine] | None:
    """Return the oldest card that a build has machine code for, in words and in the machine."""
    row = cuda_row(build)
    if row is None or not row.sass:
        return None
    oldest = min(row.sass, key=number_of)
    mine = [name_of(gpu) for gpu in machine.gpus or () if gpu.vendor == "nvidia"]
    words = f"{mine[0] if mine else 'no NVIDIA GPU'} -> one of compute capability {oldest}"
    return words, replace(machine, gpus=(Gpu("nvidia", compute_capability=oldest),))


def other_toolkit(build: Build, machine: Machine) -> tuple[str, Machine] | None:
    """Return the CUDA that a build asks for, and cuDNN if it lacks, in words and in the machine."""
    row = cuda_row(build)
    if row is None:
        return None
    cuda = (*(machine.cuda or ()), Toolkit(row.cuda, owner="system"))
    with_cuda = replace(machine, cuda=cuda, libraries=None)
    if cudnn_fits(row, machine, fit_cards(row, machine)) is not False:
        return f"CUDA {row.cuda} installed", with_cuda
    return f"CUDA {row.cuda} and cuDNN {row.cudnn} installed", add_cudnn(row, with_cuda)


def other_cudnn(build: Build, machine: Machine) -> tuple[str, Machine] | None:
    """Return the cuDNN that a build asks for, installed, in words and in the machine."""
    row = cuda_row(build)
    if row is None:
        return None
    return f"cuDNN {row.cudnn} for CUDA {row.cuda} installed", add_cudnn(row, machine)


def add_cudnn(row: CudaRow, machine: Machine) -> Machine:
    """Return the machine with the cuDNN that a build was made with."""
    cudnn = Cudnn(row.cudnn, cuda=row.cuda, owner="system")
    return replace(machine, cudnn=(*(machine.cudnn or ()), cudnn))
