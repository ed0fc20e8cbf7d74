"""Each graphics card of a machine beside the GPU part of a build: a verdict, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tfup.machine.capability import by_name
from tfup.match.gpu.drivers import describe_driver, describe_need, driver_system, parts_of, serves
from tfup.match.gpu.kernels import Judgement, Verdict, describe_needs, judge, number_of
from tfup.match.gpu.tables import CudaRow, is_known, toolkits
from tfup.model import GpuVerdict

if TYPE_CHECKING:
    from tfup.model import Gpu, Machine

USABLE = ("native", "mixed", "jit")


class Fit(NamedTuple):
    """What one card is to one build."""

    gpu: Gpu
    verdict: Verdict
    why: str
    judgement: Judgement | None = None
    """What the kernels say; None where they do not matter, or the capability is not known."""
    driver: str | None = None
    """The driver that it would take, in words, where the one that is here is too old."""

    @property
    def usable(self) -> bool:
        """Tell whether the build would use the card."""
        return self.verdict in USABLE


def fit_cards(row: CudaRow, machine: Machine) -> list[Fit]:
    """Return what each card is to a build."""
    return [fit_card(row, gpu, number, machine) for number, gpu in enumerate(machine.gpus or ())]


def fit_card(row: CudaRow, gpu: Gpu, number: int, machine: Machine) -> Fit:
    """Return what one card is to a build."""
    closed = why_closed(gpu, number, machine)
    if closed:
        return Fit(gpu, "none", closed)
    capability = capability_of(gpu)
    if capability is None:
        return fit_unknown(row, gpu, machine)
    judgement = judge(row, number_of(capability))
    if judgement.verdict not in USABLE:
        return Fit(gpu, judgement.verdict, describe(row, capability, judgement), judgement)
    return with_driver(
        Fit(gpu, judgement.verdict, describe(row, capability, judgement), judgement), row, machine
    )


def fit_unknown(row: CudaRow, gpu: Gpu, machine: Machine) -> Fit:
    """Return what a card of unknown capability is: that is not held against it."""
    why = f"its compute capability is not known; the build is for {describe_needs(row)}"
    return with_driver(Fit(gpu, "native", why), row, machine)


def with_driver(fit: Fit, row: CudaRow, machine: Machine) -> Fit:
    """Return the fit as the driver leaves it: one that is too old runs nothing."""
    driver, system = machine.driver, driver_system(machine)
    if driver is None or serves(driver, row, fit.verdict, system) is not False:
        return fit._replace(why=fit.why + compatibility(row, machine))
    needed = describe_need(row, fit.verdict, system)
    what = f"CUDA {row.cuda}" if fit.verdict == "native" else "its PTX"
    why = f"the driver, {describe_driver(driver)}, is too old for {what}: {needed} is needed"
    return fit._replace(verdict="none", why=why, driver=needed)


def compatibility(row: CudaRow, machine: Machine) -> str:
    """Return why a driver that is older than the build's CUDA serves it; nothing where it is not older."""
    driver, made_for = machine.driver, toolkits()[row.cuda].exact.get(driver_system(machine))
    if not driver or not driver.version or not made_for or parts_of(driver.version) >= parts_of(made_for):
        return ""
    return f"; driver {driver.version} serves CUDA {row.cuda} by minor version compatibility"


def why_closed(gpu: Gpu, number: int, machine: Machine) -> str | None:
    """Return why no CUDA program can use a card, None where one can."""
    if gpu.vendor != "nvidia":
        return "TensorFlow's own wheels know NVIDIA's CUDA only"
    if gpu.visible is False:
        reason = machine.sources.get(f"gpus[{number}].visible")
        return f"CUDA programs cannot use it{f' ({reason})' if reason else ''}"
    if gpu.mig and gpu.mig_devices == 0:
        return "it is divided (MIG), and has no slice"
    return None


def describe(row: CudaRow, capability: str, judgement: Judgement) -> str:
    """Return a verdict's reason."""
    return {
        "native": f"machine code for {capability}",
        "mixed": f"machine code for {capability} in {judgement.percent} % of the kernels; "
        "the driver compiles the others at their first use",
        "jit": f"no machine code for {capability}: the driver compiles every kernel at its first use",
        "broken": f"{judgement.percent} % of the kernels hold PTX that no card of {capability} accepts",
        "none": f"no code for {capability}; the build is for {describe_needs(row)}",
    }[judgement.verdict]


def verdicts(fits: list[Fit]) -> tuple[GpuVerdict, ...]:
    """Return the verdicts as the plan shows them."""
    return tuple(GpuVerdict(fit.gpu.index, name_of(fit.gpu), fit.verdict, fit.why) for fit in fits)


def without_part(version: str, machine: Machine) -> tuple[GpuVerdict, ...]:
    """Return the verdicts of a build that has no GPU part, or an unknown one."""
    why = "this build is for the processor alone" if is_known(version) else "its GPU part is not known"
    return tuple(GpuVerdict(gpu.index, name_of(gpu), "none", why) for gpu in machine.gpus or ())


# ---------------------------------------------------------------- the card itself


def name_of(gpu: Gpu) -> str:
    """Return a card's name, its maker's where it has none."""
    return gpu.name or f"{VENDORS.get(gpu.vendor, gpu.vendor)} GPU"


VENDORS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple"}


def describe_card(gpu: Gpu) -> str:
    """Return a card with its capability."""
    capability = capability_of(gpu)
    return f"{name_of(gpu)} ({capability})" if capability else name_of(gpu)


def capability_of(gpu: Gpu) -> str | None:
    """Return a card's capability, from the table of names where its driver is too old to tell."""
    if gpu.vendor != "nvidia":
        return None
    return gpu.compute_capability or by_name(gpu.name or "")
