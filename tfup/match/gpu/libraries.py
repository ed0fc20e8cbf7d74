"""Where the CUDA libraries of a build can come from: the system, NVIDIA's packages on the index, conda.

Those of the system must have the very names that the build asks the loader for, and be no older than
those that it was made with: so before CUDA 11 the very minor release.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeVar

from tfup import tables
from tfup.match.conda_channels import cuda_libraries
from tfup.match.gpu.cards import Fit, capability_of, fit_cards
from tfup.match.gpu.drivers import parts_of
from tfup.match.gpu.kernels import number_of
from tfup.match.gpu.tables import CudaRow, CudnnRow, cuda_row, cuda_rows, toolkits
from tfup.model import Library

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfup.model import Build, Cudnn, Machine, Owner, Toolkit, Wish

FIRST_LENIENT_CUDNN = 7  # a newer minor of cuDNN serves from there on


def possible_sources(build: Build, machine: Machine, wish: Wish) -> tuple[Owner, ...]:
    """Return where the libraries of a build can come from, the best first; none for a build without CUDA."""
    row = cuda_row(build)
    return list_sources(row, machine, wish, fit_cards(row, machine)) if row else ()


def list_sources(row: CudaRow, machine: Machine, wish: Wish, fits: Iterable[Fit]) -> tuple[Owner, ...]:
    """Return the same for the GPU part of a build.

    What is not known of the system is not held against it, but something sure is better.
    """
    toolkit, cudnn = toolkit_fits(row, machine), cudnn_fits(row, machine, fits)
    sure: list[Owner] = ["system"] if toolkit and cudnn is not False else []
    if row.pip:
        sure.append("pip")
    if wish.manager == "conda" and in_conda(row.version, row.family):
        sure.append("conda")
    return tuple(sure) or (() if False in (toolkit, cudnn) else ("system",))


def libraries_from(source: Owner | None, row: CudaRow, machine: Machine) -> tuple[Library, ...]:
    """Return the libraries that a build asks for; the system's with their paths, where these are known."""
    paths = {one.soname: one.path for one in machine.libraries or () if one.owner == "system"}
    if source is None:
        return ()
    return tuple(
        Library(soname, source, paths.get(soname) if source == "system" else None) for soname in row.sonames
    )


@cache
def in_conda(version: str, family: str) -> bool:
    """Tell whether conda has the libraries of a release."""
    return cuda_libraries(version, family) is not None


# ---------------------------------------------------------------- CUDA


def toolkit_fits(row: CudaRow, machine: Machine) -> bool | None:
    """Tell whether a toolkit of the system has the libraries of a build; None where it is not known."""
    if machine.cuda is None:
        return None
    return any(serves_toolkit(row, one) for one in of_the_system(machine.cuda)) and not lacking(row, machine)


def lacking(row: CudaRow, machine: Machine) -> list[str]:
    """Return the libraries that a runtime of the system comes without, where they were looked for."""
    here = {one.soname for one in machine.libraries or () if one.owner == "system"}
    wanted = [name for name in row.sonames if "cudnn" not in name]
    return [name for name in wanted if name not in here] if any("cudart" in name for name in here) else []


def serves_toolkit(row: CudaRow, toolkit: Toolkit) -> bool:
    """Tell whether a toolkit has libraries of the names that a build asks for, and none older."""
    built, here = parts_of(row.cuda), parts_of(toolkit.version)[:2]
    if here[:1] != built[:1] or not has_compatible_minors(row):
        return here == built
    return here >= built and names_of(here, row.family) == libraries_of_cuda(row)


def has_compatible_minors(row: CudaRow) -> bool:
    """Tell whether the minor releases of a build's CUDA serve for each other."""
    return bool(toolkits()[row.cuda].compatible)


@cache
def names_of(cuda: tuple[int, ...], family: str) -> frozenset[str]:
    """Return the names of the libraries of a CUDA: those of its neighbours in the table, if these agree."""
    known = known_names(family)
    below = max((one for one in known if one <= cuda and one[0] == cuda[0]), default=None)
    above = min((one for one in known if one >= cuda and one[0] == cuda[0]), default=None)
    neighbours = {known[one] for one in (below, above) if one}
    return neighbours.pop() if len(neighbours) == 1 else frozenset()


@cache
def known_names(family: str) -> dict[tuple[int, ...], frozenset[str]]:
    """Return the names of the libraries of each CUDA that some release was made with."""
    return {
        parts_of(row.cuda): libraries_of_cuda(row) for row in cuda_rows().values() if row.family == family
    }


def libraries_of_cuda(row: CudaRow) -> frozenset[str]:
    """Return the names of CUDA's own libraries that a build asks for.

    Not every build asks for all, so that those are compared that tell one release from another.
    """
    return frozenset(name for name in row.sonames if "cusolver" in name or "cudart" in name)


# ---------------------------------------------------------------- cuDNN


def cudnn_fits(row: CudaRow, machine: Machine, fits: Iterable[Fit]) -> bool | None:
    """Tell whether a cuDNN of the system serves a build and a card; None where it is not known."""
    if machine.cudnn is None:
        return None
    here = [one for one in of_the_system(machine.cudnn) if serves_cudnn(row, one)]
    used = [capability for fit in fits if fit.usable and (capability := capability_of(fit.gpu))]
    return any(not used or any(knows(one.version, capability) for capability in used) for one in here)


def serves_cudnn(row: CudaRow, cudnn: Cudnn) -> bool:
    """Tell whether a cuDNN is of the make that a build was made with, and not older."""
    built, here = parts_of(row.cudnn), parts_of(cudnn.version)[:2]
    if here[:1] != built[:1] or not is_for(cudnn, row):
        return False
    return here >= built if built[0] >= FIRST_LENIENT_CUDNN else here == built


def is_for(cudnn: Cudnn, row: CudaRow) -> bool:
    """Tell whether a cuDNN was made for the CUDA of a build; where its own is not known, it was."""
    if cudnn.cuda is None:
        return True
    built, here = parts_of(row.cuda), parts_of(cudnn.cuda)
    length = 1 if has_compatible_minors(row) else min(len(built), len(here))
    return built[:length] == here[:length]


def knows(cudnn: str, capability: str) -> bool:
    """Tell whether a cuDNN has code for a card, by the nearest release at or before it in the table."""
    before = [row for row in tables.load("gpu/cudnn.json", CudnnRow) if is_at_or_before(row.cudnn, cudnn)]
    nearest = max(before, key=lambda row: parts_of(row.cudnn), default=None)
    return nearest is None or number_of(nearest.oldest) <= number_of(capability)


def is_at_or_before(known: str, version: str) -> bool:
    """Tell whether a release in the table is of the same major and not newer."""
    one, other = parts_of(known), parts_of(version)
    return one[:1] == other[:1] and one[:2] <= other[:2]


Part = TypeVar("Part", "Toolkit", "Cudnn")


def of_the_system(found: Iterable[Part]) -> list[Part]:
    """Return what serves every program; what pip or conda brought serves its own environment."""
    return [one for one in found if one.owner in {None, "system"}]
