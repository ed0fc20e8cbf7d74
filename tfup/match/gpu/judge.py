"""The GPU half of stage 2: which card runs which build how, by which driver, and with whose libraries.

`match` asks for obstacles, as it does for everything else; here they come from the tables of what the wheels
hold (`cuda.json`), what CUDA and its drivers need (`toolkits.json`), and what the cards are (`cards.json`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from packaging.version import Version

from tfup.match.gpu.cards import fit_cards, verdicts, without_part
from tfup.match.gpu.libraries import libraries_from, list_sources, toolkit_fits
from tfup.match.gpu.metal import find_plugin, metal_verdicts
from tfup.match.gpu.tables import find_row

if TYPE_CHECKING:
    from tfup.match.gpu.tables import CudaRow
    from tfup.model import Choice, Machine, Wish
    from tfup.tables import BuildRow

MAKERS = {"macos": "apple"}
"""Whose cards the builds of a system use, where it is not NVIDIA."""


def has_gpu(machine: Machine) -> bool:
    """Tell whether there is a card that some build uses, or a driver whose cards nobody could list."""
    if machine.gpus is None:
        return machine.driver is not None
    return any(gpu.vendor == MAKERS.get(machine.system.os or "", "nvidia") for gpu in machine.gpus)


def is_served(build: BuildRow, machine: Machine) -> bool:
    """Tell whether a toolkit of the system has the libraries that a release asks for."""
    row = find_row(build.project, build.version, build.family)
    return row is not None and toolkit_fits(row, machine) is True


def accelerate(choice: Choice, machine: Machine, wish: Wish) -> Choice:
    """Return the choice with what it takes of the GPU, where the wish is for one.

    A build that cannot even be imported without CUDA is a CUDA build wherever it stands.
    """
    row = find_row(choice.project, choice.version, choice.platform)
    plugin = find_plugin(choice.version, choice.platform)
    if wish.gpu and row:
        return with_cuda(choice, row, machine, wish)
    if wish.gpu and plugin:
        floor = max(choice.macos or plugin.system, plugin.system, key=Version)
        return replace(choice, accelerator="metal", gpus=metal_verdicts(plugin, machine), macos=floor)
    if row and row.linked:
        return replace(choice, accelerator="cuda", cuda=row.cuda, cudnn=row.cudnn)
    return choice


def with_cuda(choice: Choice, row: CudaRow, machine: Machine, wish: Wish) -> Choice:
    """Return the choice with its CUDA: the best source of libraries, and a verdict for each card."""
    fits = fit_cards(row, machine)
    source = next(iter(list_sources(row, machine, wish, fits)), None)
    return replace(
        choice,
        accelerator="cuda",
        cuda=row.cuda,
        cudnn=row.cudnn,
        cuda_from=source,
        gpus=verdicts(fits),
        libraries=libraries_from(source, row, machine),
    )


def leave_unused(choice: Choice, machine: Machine) -> Choice:
    """Return the choice of a build that uses no GPU, with the reason for each card that is here."""
    row = find_row(choice.project, choice.version, choice.platform)
    cards = verdicts(fit_cards(row, machine)) if row else without_part(choice.version, machine)
    return replace(choice, gpus=cards)
