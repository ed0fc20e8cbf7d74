"""NVIDIA's driver against the CUDA of a build.

A driver serves every older CUDA. From CUDA 11 on machine code also runs on an older driver of the same
major (minor version compatibility); PTX is compiled only by a driver that is as new as its toolkit.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

from tfup.match.gpu.tables import CudaRow, ToolkitRow, cards, toolkits

if TYPE_CHECKING:
    from tfup.match.gpu.kernels import Verdict
    from tfup.model import Driver, Machine

Owner: TypeAlias = Literal["linux", "windows"]


def driver_system(machine: Machine) -> Owner:
    """Return whose driver counts: inside WSL it is that of Windows."""
    return "windows" if machine.system.os == "windows" or machine.system.wsl else "linux"


def needed_driver(row: CudaRow, verdict: Verdict, system: Owner) -> str | None:
    """Return the oldest driver that runs a build on a card of this verdict; None where none is known."""
    if verdict == "native":
        toolkit = toolkits()[row.cuda]
        known = [made[system] for made in (toolkit.exact, toolkit.compatible) if system in made]
        return min(known, key=parts_of, default=None)
    return toolkits()[row.ptx_cuda or row.cuda].exact.get(system)


def describe_need(row: CudaRow, verdict: Verdict, system: Owner) -> str:
    """Return the same in words."""
    needed = needed_driver(row, verdict, system)
    return f"{needed} or newer" if needed else f"one that serves CUDA {row.cuda}"


def describe_driver(driver: Driver) -> str:
    """Return a driver in words, though only its newest CUDA may be known."""
    return driver.version or f"one that serves CUDA {driver.cuda}"


def serves(driver: Driver, row: CudaRow, verdict: Verdict, system: Owner) -> bool | None:
    """Tell whether a driver runs a build on a card of this verdict; None where that is not known."""
    needed = needed_driver(row, verdict, system)
    if driver.version and needed:
        return parts_of(driver.version) >= parts_of(needed)
    if driver.cuda:
        return serves_cuda(driver.cuda, row, verdict)
    return None


def serves_cuda(newest: str, row: CudaRow, verdict: Verdict) -> bool:
    """Tell the same of a driver of which only the newest CUDA is known."""
    toolkit = toolkits()[row.cuda if verdict == "native" else row.ptx_cuda or row.cuda]
    reached = parts_of(newest) >= parts_of(toolkit.cuda)
    return reached or (verdict == "native" and shares_major(newest, toolkit))


def shares_major(cuda: str, toolkit: ToolkitRow) -> bool:
    """Tell whether minor version compatibility joins a CUDA and a toolkit."""
    return bool(toolkit.compatible) and parts_of(cuda)[0] == parts_of(toolkit.cuda)[0]


def last_driver(capability: str, system: Owner) -> str | None:
    """Return the last branch of the driver that knows a card, None where all do."""
    return next((row.last_driver.get(system) for row in cards() if row.capability == capability), None)


@cache
def parts_of(version: str) -> tuple[int, ...]:
    """Return a version so that it can be compared.

    >>> parts_of("525.60.13") > parts_of("470.256") > parts_of("470")
    True
    """
    return tuple(map(int, re.findall(r"\d{1,9}", version)))
