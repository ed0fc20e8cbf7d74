"""NVIDIA's driver: its version and the newest CUDA that it serves, from whoever knows, or why nobody does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from tfup.machine.fact import Fact, Facts
from tfup.machine.nvidia_libraries import Report
from tfup.machine.nvidia_smi import Page
from tfup.machine.pci import Adapter, of_nvidia

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfup.machine.probe import Probe

OVERRIDE = "CONDA_OVERRIDE_CUDA"
"""The newest CUDA that a plan shall count with, as conda reads it; empty is none."""
VERSION = "UV_CUDA_DRIVER_VERSION"
"""The driver that a plan shall count with, as uv reads it."""

LIBRARIES = ("/usr/lib/*/libcuda.so.1", "/usr/lib64/libcuda.so.1", "/usr/lib/libcuda.so.1")


class Evidence(Struct, frozen=True):
    """All that was gathered about driver and cards, before anything is concluded."""

    signs: list[str] = []
    """The places that show that NVIDIA's driver is here."""
    report: Report = Report()
    modules: dict[str, str] = {}
    """Versions of the driver by the file that tells them."""
    unread: list[str] = []
    """Files that should tell the version, and do not."""
    page: Page | None = None
    adapters: list[Adapter] | None = None
    nodes: bool = False
    """Whether programs have a device to open."""
    container: str | None = None

    @property
    def mismatch(self) -> str | None:
        """Say that the parts of the driver are of different versions, None where they are not."""
        if not self.report.driver and len({number_of(version) for version in self.modules.values()}) > 1:
            told = ", ".join(f"{path} says {version}" for path, version in self.modules.items())
            return f"the driver's files disagree ({told}): restart the computer, for an update is half done"
        if "mismatch" in self.report.errors.get("nvml", "").lower():
            return f"NVML: {self.report.errors['nvml']}: restart the computer, for an update is half done"
        return None


def number_of(version: str) -> tuple[int, ...]:
    """Return a version as numbers: some files write 361.93.2, and others 361.93.02.

    >>> number_of("361.93.2") == number_of("361.93.02")
    True
    """
    return tuple(int(part) for part in version.split("."))


# ---------------------------------------------------------------- gather


def read_modules(probe: Probe) -> tuple[dict[str, str], list[str]]:
    """Return the versions of the driver by the file that tells them, and the files that should and do not."""
    texts = {path: probe.read(path) for path in PARSERS}
    told = {path: PARSERS[path](text) for path, text in texts.items() if text is not None}
    libraries = {path: parse_library(str(probe.ask("real_path", path))) for path in find_libraries(probe)}
    known = {path: version for path, version in (told | libraries).items() if version}
    return known, [path for path, version in told.items() if not version]


def find_libraries(probe: Probe) -> list[str]:
    """Return the driver's own library, where the loader looks for it."""
    return [path for pattern in LIBRARIES for path in probe.glob(pattern)]


def parse_kernel_module(text: str) -> str | None:
    """Return the version of the kernel's NVIDIA module, the open one's too.

    >>> parse_kernel_module("NVRM version: NVIDIA UNIX x86_64 Kernel Module  375.74  Wed Jun 14 2017")
    '375.74'
    >>> parse_kernel_module("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.28.03  Release")
    '560.28.03'
    """
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d+\.\d+(?:\.\d+)?)", text)
    return found[1] if found else None


def parse_version(text: str) -> str | None:
    r"""Return a text that is a version, and nothing else.

    >>> parse_version("535.104.05\n"), parse_version("535.104.05-beta"), parse_version("")
    ('535.104.05', None, None)
    """
    found = re.fullmatch(r"\d{1,5}(?:\.\d{1,5})+", text.strip())
    return found[0] if found else None


def parse_library(path: str) -> str | None:
    """Return the version that the name of the driver's library carries.

    >>> parse_library("/usr/lib/x86_64-linux-gnu/libcuda.so.470.57.02")
    '470.57.02'
    >>> parse_library("/usr/lib/x86_64-linux-gnu/libcuda.so.1") is None
    True
    """
    found = re.search(r"/libcuda\.so\.(\d+(?:\.\d+)+)$", path)
    return found[1] if found else None


PARSERS: dict[str, Callable[[str], str | None]] = {
    "/proc/driver/nvidia/version": parse_kernel_module,
    "/sys/module/nvidia/version": parse_version,
}


# ---------------------------------------------------------------- conclude


def read_driver(probe: Probe, evidence: Evidence) -> Facts:
    """Return version and CUDA, or why there is no driver; what the person set counts before what is here."""
    version = find_version(probe, evidence)
    wished = probe.variable(OVERRIDE)
    if wished is not None and (not wished.strip() or is_minor(wished)):
        return honour(wished.strip(), version)
    if version.value is None and not evidence.report.devices:
        return {"driver": version}
    return {"driver.version": version, "driver.cuda": find_cuda(evidence)}


def is_minor(text: str) -> bool:
    """Tell whether a text is a release of CUDA.

    >>> is_minor("12.4"), is_minor(" 11 "), is_minor("none")
    (True, True, False)
    """
    return bool(re.fullmatch(r"\d{1,2}(?:\.\d{1,2}){0,2}", text.strip()))


def honour(wished: str, version: Fact) -> Facts:
    """Return the CUDA that the person set; the version of the driver that is here shall not contradict it."""
    if not wished:
        return {"driver": Fact(None, f"{OVERRIDE} is empty: CUDA shall not be used")}
    found = f"found: {version.value} ({version.note})" if version.value else version.note
    reason = f"{OVERRIDE} counts in its place; {found}"
    return {"driver.version": Fact(None, reason), "driver.cuda": Fact(wished, OVERRIDE)}


def find_version(probe: Probe, evidence: Evidence) -> Fact:
    """Return the driver's version with its source, or the reason why it is not known."""
    wished = parse_version(probe.variable(VERSION) or "")
    if not wished and evidence.mismatch:
        return Fact(None, evidence.mismatch)
    told = ((wished, VERSION), *list_versions(evidence))
    known = (Fact(version, source) for version, source in told if version)
    return next(known, Fact(None, explain(evidence)))


def list_versions(evidence: Evidence) -> list[tuple[str | None, str]]:
    """Return what each source says, the best first."""
    return [
        (parse_version(evidence.report.driver or ""), "NVML"),
        *((version, path) for path, version in evidence.modules.items()),
        (evidence.page.driver if evidence.page else None, "nvidia-smi"),
        *((adapter.driver, adapter.source) for adapter in of_nvidia(evidence.adapters)),
    ]


def find_cuda(evidence: Evidence) -> Fact:
    """Return the newest CUDA that the driver serves; that of a toolkit is never it."""
    numbers = {"NVML": evidence.report.cuda, "libcuda": evidence.report.cuda_version}
    told = [Fact(parse_cuda(number), source) for source, number in numbers.items() if number]
    told += [Fact(evidence.page.cuda, "nvidia-smi")] if evidence.page and evidence.page.cuda else []
    source = "NVML" if evidence.report.driver else "the driver"
    return next(iter(told), Fact(None, f"{source}: does not say"))


def parse_cuda(number: int) -> str:
    """Return CUDA's version from the driver's number for it.

    >>> parse_cuda(12020), parse_cuda(9000)
    ('12.2', '9.0')
    """
    return f"{number // 1000}.{number % 1000 // 10}"


def explain(evidence: Evidence) -> str:
    """Say why the driver's version is not known."""
    cards = of_nvidia(evidence.adapters)
    if evidence.signs:
        silence = evidence.report.errors.get("nvml", "it does not say")
        unread = "".join(f"; {path}: no version in it" for path in evidence.unread)
        sign = evidence.signs[0]
        return f"{sign} is there, but neither NVML ({silence}), the kernel nor nvidia-smi answers{unread}"
    if cards:
        runs = f"{cards[0].module} runs it" if cards[0].module else "nothing runs it"
        card = cards[0].pci_id or cards[0].name
        return f"a card of NVIDIA is there ({card}), but no driver of NVIDIA: {runs}"
    return "no sign of NVIDIA's driver (no device, no library)"
