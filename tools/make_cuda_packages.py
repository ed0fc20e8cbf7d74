"""Make data/gpu/cuda_packages.json: the packages that bring CUDA's libraries to a TensorFlow release by pip.

From 2.14 on TensorFlow's own metadata names them (the extra `and-cuda`): taken in the versions that the
release was built with, which are its exact pins or its lower bounds. Before, the table below does.
The libraries in each package are read from the list of files at the end of the wheel on the index.

Usage: python -m tools.make_cuda_packages
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from packaging.metadata import Metadata
from packaging.version import Version

from tfup import tables
from tfup.match.gpu.pip_packages import FAMILY, CudaPackageRow
from tools.index import files_of, opened, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from tools.index import Listed

EXTRA = "and-cuda"
OLDEST = Version("2.5")  # the first release for CUDA 11; pip has no libraries of CUDA 10
REFUSED = ("tensorrt", "tensorrt-bindings", "tensorrt-libs")  # 2.14 and 2.15 ask for releases that are gone
LAST_11 = "the last CUDA 11: the names that this release asks for, and machine code for Kepler to Hopper"
CUDA_11 = {
    "nvidia-cublas-cu11": "11.11.3.6",
    "nvidia-cuda-cupti-cu11": "11.8.87",
    "nvidia-cuda-nvcc-cu11": "11.8.89",
    "nvidia-cuda-runtime-cu11": "11.8.89",
    "nvidia-cudnn-cu11": "8.6.0.163",
    "nvidia-cufft-cu11": "10.9.0.58",
    "nvidia-curand-cu11": "10.3.0.86",
    "nvidia-cusolver-cu11": "11.4.1.48",
    "nvidia-cusparse-cu11": "11.7.5.86",
}
WITHOUT_CUPTI = ("nvidia-cuda-cupti-cu11", Version("2.12"))  # before, the profiler asks for libcupti.so.11.2
MEASURED = "file lists and machine code of the wheels; tensorflow/docs, source.md: cuDNN 8.6 with CUDA 11.8"
LIBRARIES = {
    "cublas": ("libcublasLt.so", "libcublas.so"),
    "cuda-cupti": ("libcupti.so",),
    "cuda-nvcc": (),
    "cuda-nvrtc": ("libnvrtc.so",),
    "cuda-runtime": ("libcudart.so",),
    "cudnn": ("libcudnn.so",),
    "cufft": ("libcufft.so",),
    "curand": ("libcurand.so",),
    "cusolver": ("libcusolver.so",),
    "cusparse": ("libcusparse.so",),
    "nccl": ("libnccl.so",),
    "nvjitlink": ("libnvJitLink.so",),
    "nvshmem": ("libnvshmem_host.so",),
}
"""What TensorFlow opens by name, and what those libraries need of each other."""


QUESTIONS = 8  # asked of the index at once


class Needed(NamedTuple):
    """One package at the version that a release is to have, and why."""

    package: str
    version: str
    why: str
    source: str


def main() -> None:
    """Write the table."""
    releases = [row for row in tables.releases("tensorflow") if row.family == FAMILY]
    releases = sorted(
        (row for row in releases if Version(row.version) >= OLDEST), key=lambda row: Version(row.version)
    )
    with ThreadPoolExecutor(QUESTIONS) as pool:
        found = pool.map(needed, releases)
        needs = {row.version: needs for row, needs in zip(releases, found, strict=True)}
        rows = list(pool.map(as_row, *zip(*ranges(needs), strict=True)))
    tables.save("gpu/cuda_packages.json", ABOUT, rows)
    print(len(rows), "rows for", len(needs), "releases")


ABOUT = {
    "source": f"metadata of TensorFlow's wheels (extra {EXTRA}); lists of files of the wheels on the index",
    "made_by": "tools/make_cuda_packages.py",
}


def needed(release: tables.BuildRow) -> list[Needed]:
    """Return the packages of a release: those of its metadata, or of CUDA 11 where it names none."""
    wheel = max(tables.builds(release), key=lambda build: int(build.python_tag[3:])).wheel.file
    named = list(requirements(release.version, wheel))
    source = f"metadata of {wheel}"
    if named:
        return [Needed(need.name, built_with(need), reason(need), source) for need in named]
    package, first = WITHOUT_CUPTI
    kept = (name for name in CUDA_11 if name != package or Version(release.version) >= first)
    return [Needed(name, CUDA_11[name], LAST_11, MEASURED) for name in kept]


def requirements(version: str, wheel: str) -> Iterator[Requirement]:
    """Yield what the extra of a release asks for, without TensorRT, which it runs without."""
    listed = next(listed for listed in files_of("tensorflow", version) if listed.file.file == wheel)
    with opened(listed.address) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(archive.read(name), validate=False)
    for requirement in metadata.requires_dist or ():
        asked = requirement.marker and not requirement.marker.evaluate({"extra": ""})
        if asked and EXTRA in str(requirement.marker) and requirement.name not in REFUSED:
            yield requirement


def built_with(requirement: Requirement) -> str:
    """Return the version that a release was built with: its exact pin, or its lower bound."""
    return next(bound.version for bound in requirement.specifier if bound.operator in {"==", ">="})


def reason(requirement: Requirement) -> str:
    """Return why that version is pinned."""
    exact = any(bound.operator == "==" for bound in requirement.specifier)
    if requirement.name.startswith("nvidia-cudnn") and not exact:
        return "as the release was built with: cuDNN 9.11 dropped the GPUs before compute capability 7.5"
    return (
        "as the release pins it"
        if exact
        else "as the release was built with, not the newest, which is larger"
    )


# ---------------------------------------------------------------- rows


def ranges(needs: dict[str, list[Needed]]) -> Iterator[tuple[str, Needed]]:
    """Yield each package with the range of releases that need it in one version, for one reason."""
    order = list(needs)
    for package in sorted({need.package for release in needs.values() for need in release}):
        of_release = [(version, find(package, needs[version])) for version in order]
        for need, group in groupby(of_release, key=lambda pair: pair[1] and pair[1]._replace(source="")):
            first, *_, last = [*group] * 2
            if need:
                after = order.index(last[0]) + 1
                end = order[after] if after < len(order) else following(last[0])
                yield f">={first[0]},<{end}", last[1] or need


def find(package: str, needs: list[Needed]) -> Needed | None:
    """Return the need of that package."""
    return next((need for need in needs if need.package == package), None)


def following(version: str) -> str:
    """Return the minor release after a version.

    >>> following("2.21.0")
    '2.22'
    """
    major, minor = Version(version).release[:2]
    return f"{major}.{minor + 1}"


def as_row(versions: str, need: Needed) -> CudaPackageRow:
    """Return a row, with the files of the package and the libraries in them."""
    wheels = wheels_of(need.package, need.version)
    files = [(wheel.file.file, wheel.file.sha256, size_of(wheel)) for wheel in wheels]
    listed = [libraries(wheel.address, need.package) for wheel in wheels]
    if listed.count(listed[0]) != len(listed):
        sys.exit(f"The wheels of {need.package} {need.version} hold different libraries.")
    return CudaPackageRow(versions, need.package, need.version, need.why, need.source, files, listed[0])


@cache
def wheels_of(package: str, version: str) -> list[Listed]:
    """Return the wheels of a package for the systems of the table."""
    return [listed for listed in files_of(package, version) if listed.file.file.endswith("_x86_64.whl")]


@cache
def libraries(address: str, package: str) -> list[str]:
    """Return the libraries of a wheel that are to be loaded, as paths below site-packages."""
    with opened(address) as wheel:
        names = wheel.namelist()
    kind = package.removeprefix("nvidia-").rpartition("-cu")[0]
    found = [next((name for name in names if f"/{stem}." in name), stem) for stem in LIBRARIES[kind]]
    if missing := [name for name in found if name not in names]:
        sys.exit(f"{package} lacks {', '.join(missing)}.")
    return found


if __name__ == "__main__":
    main()
