"""What a person should know of the GPU that a plan uses, or leaves unused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from tfup.match.gpu import pip_packages
from tfup.match.gpu.cards import capability_of, describe_card, fit_cards, name_of
from tfup.match.gpu.drivers import parts_of
from tfup.match.gpu.kernels import number_of
from tfup.match.gpu.libraries import list_sources, of_the_system, serves_toolkit
from tfup.match.gpu.metal import metal_notices, plugin_of
from tfup.match.gpu.obstacles import part_remedy
from tfup.match.gpu.tables import CudaRow, cuda_row, defects, find_row, toolkits
from tfup.model import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfup.match.gpu.cards import Fit
    from tfup.model import Build, Choice, Machine, Obstacle, PassedOver, Wish

NOUNS = {"driver": "driver", "cuda": "CUDA", "cudnn": "cuDNN"}
"""What an obstacle is about, where its needs are a version alone."""
JIT_COST = (
    "the driver compiles them when they are first used, and keeps them; TensorFlow itself warns that "
    "this may take 30 minutes or longer"
)
DERIVED = {
    "cuda": "its CUDA follows from the packages that it asks for, or from its kernels",
    "cudnn": "its cuDNN minor follows from its neighbours",
    "sonames": "the names of its libraries follow from its CUDA",
}


def gpu_notices(choice: Choice, machine: Machine) -> tuple[Notice, ...]:
    """Return what is to be said of a choice that uses a GPU."""
    plugin = plugin_of(choice)
    if plugin:
        return tuple(metal_notices(plugin, choice.version))
    row = find_row(choice.project, choice.version, choice.platform) if choice.cuda_from else None
    return tuple(cuda_notices(choice, row, machine)) if row else ()


def cuda_notices(choice: Choice, row: CudaRow, machine: Machine) -> Iterator[Notice]:
    """Yield what is to be said of a CUDA build on the cards that it uses."""
    fits = [fit for fit in fit_cards(row, machine) if fit.usable]
    yield from jit_notices(fits)
    yield from newer_notices(cuda_of_libraries(choice, row, machine), fits)
    yield from xla_notices(row, fits)
    yield from derived_notices(row)


def jit_notices(fits: Iterable[Fit]) -> Iterator[Notice]:
    """Yield which cards have little or no machine code, and what that costs."""
    for fit in distinct(fits):
        if fit.judgement and fit.verdict in {"mixed", "jit"}:
            most = 100 - fit.judgement.percent
            text = f"{describe_card(fit.gpu)}: {most} % of the kernels have no machine code; {JIT_COST}."
            yield Notice("gpu-jit", text)


def newer_notices(cuda: str, fits: Iterable[Fit]) -> Iterator[Notice]:
    """Yield which cards are newer than the CUDA whose libraries serve."""
    newest = number_of(toolkits()[cuda].capabilities[1])
    for fit in distinct(fits):
        capability = capability_of(fit.gpu)
        if capability and number_of(capability) > newest:
            text = f"{describe_card(fit.gpu)} is newer than CUDA {cuda}: cuBLAS and cuDNN may fail on it."
            yield Notice("gpu-newer-than-cuda", text)


def cuda_of_libraries(choice: Choice, row: CudaRow, machine: Machine) -> str:
    """Return the CUDA whose libraries serve a choice: it may be newer than the one that it was made for."""
    texts = [row.cuda]
    if choice.cuda_from == "pip":
        packages = pip_packages.packages(choice)
        texts += [one.version for one in packages if "cuda-runtime" in one.package]
    if choice.cuda_from == "system":
        texts += [one.version for one in of_the_system(machine.cuda or ()) if serves_toolkit(row, one)]
    minors = [".".join(text.split(".")[:2]) for text in texts]
    return max((text for text in minors if text in toolkits()), key=parts_of)


def xla_notices(row: CudaRow, fits: Iterable[Fit]) -> Iterator[Notice]:
    """Yield for which cards XLA of the release is known to fail, with the routes that remain."""
    routes = "what remains is not to use jit_compile, NVIDIA's own TensorFlow container, or --cpu"
    for fit in distinct(fits):
        capability = capability_of(fit.gpu)
        if capability and any(defect_applies(row, capability)):
            text = f"On {describe_card(fit.gpu)}, XLA (jit_compile) of {row.version} fails; {routes}."
            yield Notice("gpu-xla-fails", text)


def defect_applies(row: CudaRow, capability: str) -> Iterator[bool]:
    """Yield for each known fault of XLA whether it is one of this release and card."""
    for defect in defects():
        if defect.kind == "xla-fails" and row.family in defect.families:
            of_release = SpecifierSet(defect.tensorflow).contains(row.version)
            yield of_release and SpecifierSet(defect.capabilities).contains(capability)


def derived_notices(row: CudaRow) -> Iterator[Notice]:
    """Yield what the table holds of a release that was not read out of its wheel."""
    if row.derived:
        reasons = "; ".join(DERIVED[what] for what in row.derived)
        yield Notice("gpu-table-derived", f"Of {row.version} not all was read out of its wheel: {reasons}.")


def distinct(fits: Iterable[Fit]) -> list[Fit]:
    """Return one of each kind of card."""
    return list({(name_of(fit.gpu), capability_of(fit.gpu)): fit for fit in fits}.values())


# ---------------------------------------------------------------- a GPU that stays unused


def unused_notice(machine: Machine, nearest: PassedOver | None, instead: str | None) -> Notice:
    """Say why the GPU stays unused and what would change it; without any card, nothing would."""
    if machine.gpus == () and nearest:
        text = f"No GPU was found, and {nearest.project} {nearest.version} is made for one."
        return Notice("gpu-unused", text)
    names = list(
        dict.fromkeys(name_of(gpu) for gpu in machine.gpus or () if gpu.vendor in {"nvidia", "apple"})
    )
    stays = f"{', '.join(names) or 'A GPU'} {'stay' if len(names) > 1 else 'stays'} unused"
    reasons = "; ".join(map(describe_obstacle, nearest.obstacles)) if nearest else ""
    build = f": {nearest.project} {nearest.version} {reasons}" if nearest else ""
    windows = f" On Windows, {part_remedy('windows_amd64')}." if machine.system.os == "windows" else ""
    other = f" {instead} would use it as it is." if instead else ""
    return Notice("gpu-unused", f"{stays}{build}.{windows}{other}")


def describe_obstacle(obstacle: Obstacle) -> str:
    """Return an obstacle as part of a sentence."""
    name = f"{NOUNS[obstacle.name]} " if obstacle.name in NOUNS else ""
    remedy = f" ({obstacle.remedy})" if obstacle.remedy else ""
    return f"needs {name}{obstacle.needs}, found {obstacle.found or 'none'}{remedy}"


def other_card_notice(machine: Machine) -> Notice | None:
    """Say of cards that no build of TensorFlow's own makers uses what there is for them."""
    if not machine.gpus:
        return None
    names = list(dict.fromkeys(map(name_of, machine.gpus)))
    stays = f"{', '.join(names)} {'stay' if len(names) > 1 else 'stays'} unused"
    routes = [
        OTHERS[vendor] for vendor in dict.fromkeys(gpu.vendor for gpu in machine.gpus) if vendor in OTHERS
    ]
    why = "TensorFlow's own wheels use NVIDIA cards, with CUDA, and on a Mac Apple's, with Metal"
    return Notice("gpu-unused", f"{stays}: {'; '.join([why, *routes])}.")


OTHERS = {
    "amd": "for AMD cards there is ROCm on Linux (project tensorflow-rocm), which tfup does not install",
    "intel": "for Intel cards there is Intel's own extension, which tfup does not install",
}


def unknown_gpu_facts(build: Build, machine: Machine, wish: Wish) -> Iterator[str]:
    """Yield what is not known of the machine and mattered for a build that is to use a GPU."""
    row = cuda_row(build) if wish.gpu else None
    if row is None:
        return
    system = list_sources(row, machine, wish, fit_cards(row, machine))[:1] == ("system",)
    facts = {
        "the GPU": machine.gpus,
        "the NVIDIA driver": machine.driver,
        "the CUDA toolkit": machine.cuda if system else "not needed",
        "cuDNN": machine.cudnn if system else "not needed",
    }
    yield from (name for name, fact in facts.items() if fact is None)
    for gpu in machine.gpus or ():
        if gpu.vendor == "nvidia" and gpu.visible is not False and capability_of(gpu) is None:
            yield f"the compute capability of {name_of(gpu)}"


def missing_libraries(build: Build, machine: Machine, wish: Wish) -> str | None:
    """Return the CUDA and cuDNN that a build is not sure to find here; None where it is sure to."""
    row = cuda_row(build)
    if row is None:
        return None
    sources = list_sources(row, machine, wish, fit_cards(row, machine))
    unsure = sources == ("system",) and None in (machine.cuda, machine.cudnn)
    return f"CUDA {row.cuda} and cuDNN {row.cudnn}" if unsure or not sources else None
