"""Make the row of gpu_builds.json for a release: what was read in its wheel, and what is known besides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict, replace
from packaging.version import Version

from tfup.match.gpu.tables import CudaRow
from tools.wheel_contents import CannotMeasureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.fatbin import Kernels
    from tools.update_builds import Cell
    from tools.wheel_contents import Measured

    CudaRows = dict[tuple[str, str], CudaRow]

OF_NVIDIA = re.compile(r"(lib)?(cudart|cublas|cublasLt|cudnn|cufft|curand|cusolver|cusparse)(64_|\.)")
CUDART = re.compile(r"cudart(?:64_(\d+)(\d)\.dll|\.(?:so\.)?(\d+)\.(\d+))")


def cuda_row(cell: Cell, measured: Measured, rows: CudaRows) -> CudaRow | None:
    """Return the GPU part of a release as it was measured, None where it has none."""
    old = rows.get((cell.version, cell.family))
    if measured.carrier or not (measured.kernels.sass or measured.kernels.ptx):
        return old and without(old, cell.project)
    cuda, cuda_derived = cuda_of(measured)
    near = relative(cell, cuda, rows)
    cudnn, cudnn_derived = cudnn_of(measured, old or near)
    same = old if old and (old.cuda, major(old.cudnn)) == (cuda, major(cudnn)) else near
    linked = {name for needs in measured.needs for name in needs.linked if OF_NVIDIA.match(name)}
    names = renamed(same.sonames if same else [], major(cudnn))
    if not (names or linked):
        sentence = (
            f"No row of gpu_builds.json is for CUDA {major(cuda)}: nobody knows the names of its libraries."
        )
        raise CannotMeasureError(sentence)
    doubts = {"cuda": cuda_derived, "cudnn": cudnn_derived, "sonames": not linked}
    fields = {
        "version": cell.version,
        "family": cell.family,
        "projects": [cell.project],
        "cuda": cuda,
        "cudnn": cudnn,
        "source": measured.file,
        "linked": bool(linked),
        "sonames": names if linked <= set(names) else sorted(linked),
        "pip": package_make(cuda) if cell.family == "linux_x86_64" else None,
        "derived": [name for name, doubt in doubts.items() if doubt],
    }
    new = msgspec.convert(fields | kernel_fields(measured.kernels, cuda), CudaRow)
    return joined(old, new) if old else new


def kernel_fields(kernels: Kernels, cuda: str) -> dict[str, Any]:
    """Return what a row says of kernels."""
    return {
        "images": kernels.images,
        "sass": kernels.sass,
        "ptx": list(kernels.ptx),
        "ptx_exact": kernels.exact,
        "ptx_cuda": kernels.newest or cuda,
    }


def without(row: CudaRow, project: str) -> CudaRow | None:
    """Return a GPU part that is none of this project's, None where it is nobody's then."""
    others = [one for one in row.projects if one != project]
    return replace(row, projects=others) if others else None


def joined(old: CudaRow, new: CudaRow) -> CudaRow:
    """Return the new row with what is known besides; the old one where nothing differs."""
    merged = replace(
        new,
        projects=[*old.projects, *(one for one in new.projects if one not in old.projects)],
        derived=[what for what in new.derived if what in old.derived or old.cuda != new.cuda],
    )
    return merged if any(differing(old, merged)) else old


def cuda_of(measured: Measured) -> tuple[str, bool]:
    """Return the CUDA that a release was built with, and whether that was derived.

    The build says it, or the library's name that it is linked with, or the packages that it asks for; what
    is left is the newest PTX, which is as new as CUDA where NVIDIA's compiler made it.
    """
    said = in_full(measured.notes.get("cuda", ""))
    names = " ".join(name for needs in measured.needs for name in needs.linked)
    said = said or next((f"{a or c}.{b or d}" for a, b, c, d in CUDART.findall(names)), None)
    if said:
        return said, False
    return in_full(measured.asks.get("cuda-runtime", "")) or measured.kernels.newest or "", True


def cudnn_of(measured: Measured, known: CudaRow | None) -> tuple[str, bool]:
    """Return the lowest cuDNN that a release runs with, and whether that was derived."""
    asked = in_full(measured.asks.get("cudnn", ""))
    if asked:
        return asked, False
    said = measured.notes.get("cudnn", "").removeprefix("64_")
    if known and said in {"", major(known.cudnn)}:
        return known.cudnn, True
    if not said:
        sentence = f"{measured.file} does not say its cuDNN, and no row of gpu_builds.json is for that CUDA."
        raise CannotMeasureError(sentence)
    return f"{said}.0", True


def in_full(text: str) -> str | None:
    """Return a version with its minor, None where a text has none.

    >>> in_full("12.5.1"), in_full("64_101"), in_full("10")
    ('12.5', '10.1', None)
    """
    found = re.fullmatch(r"64_(\d+)(\d)|(\d+)\.(\d+).*", text)
    return f"{found[1] or found[3]}.{found[2] or found[4]}" if found else None


def major(version: str) -> str:
    """Return the major of a version."""
    return version.partition(".")[0]


def relative(cell: Cell, cuda: str, rows: CudaRows) -> CudaRow | None:
    """Return the row of the nearest release for that CUDA, or for its major, older ones first."""
    kin = [row for row in rows.values() if row.family == cell.family and major(row.cuda) == major(cuda)]
    others = [row for row in kin if row.version != cell.version]
    older = [row for row in others if Version(row.version) < Version(cell.version)]
    return max(older or others, key=lambda row: (row.cuda == cuda, Version(row.version)), default=None)


def renamed(sonames: list[str], cudnn: str) -> list[str]:
    """Return names of libraries with that major of cuDNN.

    >>> renamed(["libcudart.so.12", "libcudnn.so.8"], "9")
    ['libcudart.so.12', 'libcudnn.so.9']
    """
    return [re.sub(r"(libcudnn\.so\.|cudnn64_)\d+", rf"\g<1>{cudnn}", name) for name in sonames]


def package_make(cuda: str) -> str | None:
    """Return the make of NVIDIA's packages for a CUDA.

    None before 11.1, where cuSOLVER became libcusolver.so.11: the packages have no older one.
    """
    return f"cu{major(cuda)}" if Version(cuda) > Version("11.0") else None


def differing(old: msgspec.Struct, new: msgspec.Struct) -> Iterator[tuple[str, Any, Any]]:
    """Yield each field that differs, as it was and as it is; the same may be read out of another wheel."""
    before, after = asdict(old), asdict(new)
    for name in before:
        if name != "source" and before[name] != after[name]:
            yield name, before[name], after[name]
