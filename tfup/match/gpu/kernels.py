"""What the machine code and PTX of a build are to one graphics card.

Machine code for X.y runs on X.z with z not below y, and on no other major; PTX is compiled by the
driver for its capability and for every newer one, except PTX for one architecture (sm_90a).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from tfup.match.gpu.tables import CudaRow, toolkits

if TYPE_CHECKING:
    from collections.abc import Iterator

Verdict: TypeAlias = Literal["native", "mixed", "jit", "broken", "none"]
Capability: TypeAlias = "tuple[int, int]"

NATIVE = 0.95  # of the kernels; the few others are of parts that no card runs


class Judgement(NamedTuple):
    """How a card would run a build; `percent` is that of machine code, or else of the broken kernels."""

    verdict: Verdict
    percent: int
    newer_than_cuda: bool
    """The card is newer than the build's CUDA, so that its cuBLAS and cuDNN may not know it."""


def judge(row: CudaRow, capability: Capability) -> Judgement:
    """Return how a card of this capability would run a build."""
    newer = capability > number_of(toolkits()[row.cuda].capabilities[1])
    share = machine_code(row, capability)
    if share >= NATIVE:
        return Judgement("native", round(100 * share), newer)
    lost = exact_only(row, capability)
    if lost and not share:
        return Judgement("broken", round(100 * lost), newer_than_cuda=False)
    if any(compiles(row, capability)):
        return Judgement("mixed" if share else "jit", round(100 * share), newer)
    return Judgement("none", 0, newer_than_cuda=False)


def machine_code(row: CudaRow, capability: Capability) -> float:
    """Return the share of the kernels that have machine code for a card."""
    counts = [count for text, count in row.sass.items() if runs(number_of(text), capability)]
    return max(counts, default=0) / row.images if row.images else 0.0


def runs(code: Capability, card: Capability) -> bool:
    """Tell whether machine code for a capability runs on a card."""
    return code[0] == card[0] and code[1] <= card[1]


def exact_only(row: CudaRow, capability: Capability) -> float:
    """Return the share of the kernels whose PTX is for one older architecture only, and useless here."""
    counts = [count for text, count in row.ptx_exact.items() if number_of(text) < capability]
    return max(counts, default=0) / row.images if row.images else 0.0


def compiles(row: CudaRow, capability: Capability) -> Iterator[str]:
    """Yield the capabilities of the PTX that the driver can compile for a card."""
    yield from (text for text in row.ptx if number_of(text) <= capability)


@cache
def number_of(capability: str) -> Capability:
    """Return a capability so that it can be compared.

    >>> number_of("12.0") > number_of("9.0")
    True
    """
    major, _, minor = capability.partition(".")
    return int(major), int(minor.split(".")[0] or 0)


def describe_needs(row: CudaRow) -> str:
    """Return the cards that a build has code for.

    >>> row = CudaRow("1", "linux_x86_64", [], "9.0", "7.0", images=1, sass={"3.5": 1}, ptx=["3.5"])
    >>> describe_needs(row)
    'compute capability 3.5 or newer'
    """
    oldest = min((*row.sass, *row.ptx), key=number_of, default=None)
    if oldest is None:
        return "a compute capability that is not known"
    newest = max((*row.sass, *row.ptx), key=number_of)
    end = f"to {newest}" if row.ptx_exact else "or newer"
    return f"compute capability {oldest} {end}"
