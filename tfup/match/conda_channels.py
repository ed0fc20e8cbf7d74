"""What conda's channels have that a plan may rest on: Pythons, and CUDA libraries for the older GPU builds.

A channel is a name here; conda's settings turn it into an address.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from tfup import tables
from tfup.model import Notice
from tfup.tables import CondaCudaRow, CondaPythonRow

if TYPE_CHECKING:
    from tfup.model import Choice

KNOWN = {"seen": "were seen there", "derived": "are taken to be there, as they are for another system"}


def cuda_libraries(version: str, family: str) -> CondaCudaRow | None:
    """Return the packages with the CUDA libraries of a TensorFlow GPU build; None where conda has none."""
    rows = tables.load("gpu/conda_cuda.json", CondaCudaRow)
    here = (row for row in rows if family in row.families)
    fitting = (row for row in here if SpecifierSet(row.tensorflow).contains(version, prereleases=True))
    return next(fitting, None)


def untried_cuda(choice: Choice) -> tuple[Notice, ...]:
    """Say of CUDA libraries that conda is to bring that they are known to be there, and were not tried."""
    row = cuda_libraries(choice.version, choice.platform) if choice.cuda_from == "conda" else None
    if row is None:
        return ()
    packages = f"cudatoolkit {row.cudatoolkit} and cudnn {row.cudnn} of conda's channel {row.channel}"
    return (
        Notice("conda-cuda-untried", f"{packages} {KNOWN[row.certainty]}; nobody installed them for us."),
    )


def has_python(minor: str, family: str) -> bool:
    """Tell whether conda can bring a minor of Python to a system.

    >>> has_python("3.6", "linux_x86_64"), has_python("3.6", "macos_arm64")
    (True, False)
    """
    return minor in pythons().get(family, ())


@cache
def pythons() -> dict[str, tuple[str, ...]]:
    """Return the minors of Python for each system that conda serves."""
    return {
        row.family: tuple(row.pythons) for row in tables.load("builds/conda_pythons.json", CondaPythonRow)
    }
