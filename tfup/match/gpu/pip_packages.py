"""The packages that bring CUDA's libraries by pip: which a release needs, and which libraries are in them.

They are pinned one by one. The extra `and-cuda` of TensorFlow is never asked for: that of 2.14 and 2.15
wants releases of TensorRT that are gone, and that of 2.20 and newer takes the newest of everything.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.specifiers import SpecifierSet

from tfup import tables
from tfup.match.gpu.tables import DefectRow, GpuPackage
from tfup.model import Wheel, Workaround

if TYPE_CHECKING:
    from tfup.model import Choice

AVOIDED = ("libraries-not-found", "extra-unresolvable", "cudnn-too-new")
"""The kinds of defects that pip would bring and we do not."""
FAMILY = "linux_x86_64"
"""The only system with GPU builds of TensorFlow for which NVIDIA has such packages."""


class CudaPackageRow(Struct, frozen=True):
    """One package at one version, for a range of TensorFlow releases."""

    tensorflow: str
    package: str
    version: str
    why: str
    source: str
    files: list[tuple[str, str, int]]
    """File name, sha256, bytes; any of them may be installed."""
    libraries: list[str]
    """Paths below site-packages; the name of each file is the name that programs ask for."""


@cache
def packages_for(version: str) -> tuple[CudaPackageRow, ...]:
    """Return the packages of a TensorFlow release; empty where pip has none for it."""
    rows = tables.load("gpu/cuda_packages.json", CudaPackageRow)
    return tuple(row for row in rows if SpecifierSet(row.tensorflow).contains(version, prereleases=True))


def packages(choice: Choice) -> tuple[CudaPackageRow, ...]:
    """Return the packages that a choice takes: none unless its CUDA is to come from pip."""
    by_pip = choice.accelerator == "cuda" and choice.cuda_from == "pip" and choice.platform == FAMILY
    return packages_for(choice.version) if by_pip else ()


def companions(choice: Choice) -> tuple[GpuPackage, ...]:
    """Return the packages that a choice takes, in the form of all that makes a GPU usable."""
    return tuple(
        GpuPackage(row.package, row.version, row.why, tuple(Wheel(*file) for file in row.files))
        for row in packages(choice)
    )


def workarounds(choice: Choice) -> tuple[Workaround, ...]:
    """Return the defects of a release that these packages, pinned and opened as we do it, avoid."""
    rows = tables.load("gpu/gpu_defects.json", DefectRow) if packages(choice) else ()
    return tuple(Workaround(row.id, row.what, row.route) for row in rows if is_avoided(row, choice))


def is_avoided(row: DefectRow, choice: Choice) -> bool:
    """Tell whether a defect is one of this release on its Python, and of pip's way to bring the libraries."""
    of_release = SpecifierSet(row.tensorflow).contains(choice.version, prereleases=True)
    of_python = SpecifierSet(row.python).contains(choice.python)
    return row.kind in AVOIDED and choice.platform in row.families and of_release and of_python


def libraries(choice: Choice) -> tuple[str, ...]:
    """Return the libraries of a choice's packages, as paths below site-packages."""
    return tuple(path for row in packages(choice) for path in row.libraries)
