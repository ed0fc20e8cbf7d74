"""The tables of the GPU half of the match: what each build holds, what each toolkit and card needs.

A row that has anything else in it than is described here is refused when it is read.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from tfup import tables

if TYPE_CHECKING:
    from tfup.model import Build, Wheel

Family = Literal["linux_x86_64", "windows_amd64", "macos_x86_64", "macos_arm64"]
Capability = Annotated[str, Meta(pattern=r"^\d{1,2}\.\d$")]
Minor = Annotated[str, Meta(pattern=r"^\d{1,2}\.\d{1,2}$")]
Release = Annotated[str, Meta(pattern=r"^\d+(\.\d+)*(rc\d+|\.post\d+)?$")]
Range = Annotated[str, Meta(pattern=r"^((==|<=|>=|<|>)[\d.]+(\.\*|rc\d+|\.post\d+)?(,|$))*$")]
Drivers = dict[Literal["linux", "windows"], Release]
"""The oldest driver of a system; WSL counts as Windows, whose driver it borrows."""


class GpuPackage(NamedTuple):
    """A package that makes a GPU usable for one build."""

    package: str
    version: str
    why: str
    files: tuple[Wheel, ...]
    """Any of them may be installed."""


class CudaRow(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The GPU part of one release for one system, as its wheel was opened and read."""

    version: Release
    family: Family
    projects: list[str]
    """Those of which this release is a GPU build; another project's may be for the CPU."""
    cuda: Minor
    cudnn: Minor
    """The lowest minor that it runs with; before cuDNN 7 the only one."""
    sonames: list[str] = []
    """The libraries that it asks the loader for, without the driver's."""
    linked: bool = False
    """True where the import fails without them."""
    images: int = 0
    """Kernels that have machine code for any card."""
    sass: dict[Capability, int] = {}
    """How many of them have machine code for a capability."""
    ptx: list[Capability] = []
    """The capabilities of its PTX, which the driver compiles for them and for every newer one."""
    ptx_exact: dict[Capability, int] = {}
    """Kernels whose PTX is for this very capability and for no newer one (sm_90a)."""
    ptx_cuda: Minor | None = None
    """The toolkit that made the newest PTX."""
    pip: Literal["cu11", "cu12"] | None = None
    """The make of NVIDIA's packages on the index that has its libraries."""
    derived: list[Literal["cuda", "cudnn", "sonames"]] = []
    """What was not read out of this very wheel."""
    source: str = ""


class ToolkitRow(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A minor release of CUDA."""

    cuda: Minor
    capabilities: tuple[Capability, Capability]
    """The oldest and the newest that it knows."""
    exact: Drivers
    """The driver that was made for it; that alone compiles its PTX."""
    source: str
    compatible: Drivers = {}
    """The driver that serves its whole major release with machine code (minor version compatibility)."""


class CardRow(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The cards of one compute capability."""

    capability: Capability
    architecture: str
    names: list[str]
    last_driver: Drivers = {}
    """The last branch of the driver that knows them; empty where all do."""
    source: str = ""


class CudnnRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A release of cuDNN, and the oldest card that it has code for."""

    cudnn: Release
    oldest: Capability
    source: str


class PluginRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A plug-in that makes a GPU of another make than NVIDIA's usable, and the release that it pairs with."""

    accelerator: Literal["metal", "directml"]
    project: str
    version: str
    tensorflow: Range
    family: Family
    system: str
    """The oldest release of the system that it runs on."""
    wheels: list[tuple[str, str, int]]
    """File name, sha256, bytes."""
    doubt: str
    """What contradicts the pair; empty where nothing does."""
    source: str


class DefectRow(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A fault in the GPU part of some releases, and what tfup does about it."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9-]+$")]
    kind: Literal[
        "libraries-not-found", "extra-unresolvable", "cudnn-too-new", "kernels-missing", "kernels-broken",
        "xla-fails", "name-wrong-inside",
    ]  # fmt: skip
    tensorflow: Range
    families: list[Family]
    what: str
    route: str
    source: str
    project: str | None = None
    python: Range = ""
    capabilities: Range = ""


@cache
def cuda_rows() -> dict[tuple[str, str], CudaRow]:
    """Return the GPU parts by release and family."""
    return {(row.version, row.family): row for row in tables.load("gpu/gpu_builds.json", CudaRow)}


def find_row(project: str, version: str, family: str) -> CudaRow | None:
    """Return the GPU part of a project's release on a system, None where it has none."""
    row = cuda_rows().get((version, family))
    return row if row and project in row.projects else None


@cache
def is_known(version: str) -> bool:
    """Tell whether the wheels of a release were looked at: those that have no row are for the processor."""
    return any(version == known for known, _ in cuda_rows())


def cuda_row(build: Build) -> CudaRow | None:
    """Return the GPU part of a build, None where it has none."""
    return find_row(build.project, build.version, build.family)


@cache
def toolkits() -> dict[str, ToolkitRow]:
    """Return the minor releases of CUDA."""
    return {row.cuda: row for row in tables.load("gpu/toolkits.json", ToolkitRow)}


def cards() -> list[CardRow]:
    """Return the cards by capability."""
    return tables.load("gpu/cards.json", CardRow)


def defects() -> list[DefectRow]:
    """Return the known faults of GPU builds."""
    return tables.load("gpu/gpu_defects.json", DefectRow)


def plugins() -> list[PluginRow]:
    """Return the plug-ins and what they pair with."""
    return tables.load("gpu/plugins.json", PluginRow)
