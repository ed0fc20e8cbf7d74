"""The tables in `data/`: the only module that knows where facts are and how they are written.

A table is a JSON object `{"about": {...}, "rows": [...]}` with one row a line, so that a review
is a list of facts. Tools write them with `render`; tests compare file and rendering byte for byte.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from tfup.files import write_whole
from tfup.model import Accelerator, Build, Wheel

DATA = Path(__file__).parent / "data"

T = TypeVar("T")


class Table(Struct, frozen=True):
    """A table as it stands in its file."""

    about: dict[str, Any]
    rows: list[Any]


class BuildRow(Struct, frozen=True, omit_defaults=True):
    """All wheels of one release for one system, and what their binaries need."""

    project: str
    version: str
    family: str
    wheels: list[tuple[str, str, str, str, int]]
    """Python tag, ABI tag, platform tag, sha256, bytes."""
    yanked: bool = False
    glibc: str | None = None
    macos: str | None = None
    cpu: list[str] = []
    vc_runtime: list[str] = []
    carried_by: str | None = None
    """The requirement that an empty wheel only pulls in, such as tensorflow-intel==2.11.0."""
    carrier_lacks: list[str] = []
    """Python tags for which that other project has no wheel."""
    needs_of: str | None = None
    """The release whose binaries were measured, where it is not this one."""


class PythonRow(Struct, frozen=True):
    """A CPython minor that uv can fetch for a system."""

    python_tag: str
    family: str
    oldest: str
    """The oldest glibc, macOS or Windows that it starts on."""
    patches: list[int]
    """The last number of each release that can be fetched."""


class CarrierRow(Struct, frozen=True):
    """Releases of another project that are what a project's would be on a system."""

    project: str
    family: str
    carrier: str
    versions: str
    """The range of the carrier's releases for which that is so; empty is all."""
    why: str
    source: str


class KerasRelease(Struct, frozen=True, omit_defaults=True):
    """A release of Keras on the index."""

    version: str
    requires_python: str | None = None
    yanked: bool = False


class KerasRule(Struct, frozen=True, omit_defaults=True):
    """Which Keras goes with a range of TensorFlow releases."""

    tensorflow: str
    keras: str
    """The pair that is pinned; {minor} stands for the minor release of TensorFlow."""
    works: str
    """The range of Keras that may be asked for instead."""
    why: str
    source: str
    project: str = "keras"
    """Whose package it is; another name than keras is brought by TensorFlow itself."""


class CompanionRule(Struct, frozen=True, omit_defaults=True):
    """A bound on a package beside a range of TensorFlow releases, with the reason."""

    id: str
    tensorflow: str
    bound: str
    why: str
    source: str
    python: str = ""
    required: bool = False
    """True where nothing asks for the package by its metadata, and it must be there."""


class TwinRow(Struct, frozen=True):
    """A project that is no build of ours, and fills a folder that one of ours fills."""

    name: str
    folder: str
    source: str


class LockRow(Struct, frozen=True):
    """The pins of one build on one Python and system; kept in locks/PROJECT/VERSION.json."""

    python_tag: str
    family: str
    digest: str
    """Over names, versions and hashes; what a proof names (`pin.lock_digest`)."""
    pins: list[str]
    """As "name==version", canonical names, sorted."""


class FilesRow(Struct, frozen=True):
    """The files of one pin that some lock installs."""

    pin: str
    files: list[tuple[str, str, int]]
    """File name, sha256, bytes."""


class CondaCudaRow(Struct, frozen=True):
    """The CUDA libraries for a range of TensorFlow's GPU builds, as conda packages that go together."""

    tensorflow: str
    families: list[str]
    cudatoolkit: str
    cudnn: str
    channel: str
    """Where both are; a name, which the person's settings turn into an address."""
    certainty: Literal["seen", "derived"]
    """Whether these very packages were seen on the channel, or follow from others that were."""
    why: str
    source: str


class CondaPythonRow(Struct, frozen=True):
    """The minors of Python that conda's channels have for a system."""

    family: str
    pythons: list[str]
    source: str


class SdistRow(Struct, frozen=True, omit_defaults=True):
    """A package without a wheel that a range of TensorFlow releases needs; it builds without a compiler."""

    name: str
    tensorflow: str
    why: str
    python: str = ""


class MsvcWheelRow(Struct, frozen=True):
    """A wheel of msvc-runtime, which puts Microsoft's C++ runtime into an environment."""

    python_tag: str
    version: str
    file: str
    sha256: str
    bytes: int
    parts: dict[str, str]
    """The libraries in it that TensorFlow may load, with their versions."""


class MsvcNeedRow(Struct, frozen=True):
    """What the binaries of a release for Windows were made with."""

    version: str
    toolset: str
    """Of the linker, such as 14.39: the runtime must be at least as new."""
    parts: list[str]
    """Libraries of the runtime that they load, besides those in builds.json."""
    longest: int
    """Letters of the longest path below site-packages."""


class ProofRow(Struct, frozen=True):
    """A run of all checks on exactly these pins."""

    project: str
    version: str
    python_tag: str
    family: str
    accelerator: Accelerator
    lock: str
    checks: str
    python: str
    system: str
    on: str
    disk_bytes: int
    outcomes: dict[str, tuple[str, float]]


class FailureRow(Struct, frozen=True):
    """A build that cannot be locked or proved, with what was seen."""

    project: str
    version: str
    python_tag: str
    family: str
    evidence: str
    on: str


def wheel_name(project: str, version: str, python_tag: str, abi: str, platform: str) -> str:
    """Return the file name of a wheel.

    >>> wheel_name("tensorflow-cpu", "1.2", "cp36", "cp36m", "win_amd64")
    'tensorflow_cpu-1.2-cp36-cp36m-win_amd64.whl'
    """
    return f"{project.replace('-', '_')}-{version}-{python_tag}-{abi}-{platform}.whl"


@cache
def load(name: str, row: type[T]) -> list[T]:
    """Return the rows of a table, checked against their type; msgspec's error gets the name of the file."""
    content = (DATA / name).read_bytes()
    try:
        return msgspec.convert(msgspec.json.decode(content, type=Table).rows, list[row])  # type: ignore[valid-type]
    except msgspec.DecodeError as error:
        error.args = (f"{name}: {error}",)
        raise


def lock(project: str, version: str, python_tag: str, family: str) -> LockRow | None:
    """Return the lock that we ship for a build, None where we ship none."""
    name = f"locks/{project}/{version}.json"
    rows = load(name, LockRow) if (DATA / name).is_file() else []
    cell = (python_tag, family)
    return next((row for row in rows if (row.python_tag, row.family) == cell), None)


@cache
def files() -> dict[str, tuple[Wheel, ...]]:
    """Return the files of every pin in the locks, by "name==version"."""
    return {row.pin: tuple(Wheel(*file) for file in row.files) for row in load("files.json", FilesRow)}


@cache
def locked_versions() -> dict[str, tuple[str, ...]]:
    """Return the versions of each package that some lock has."""
    found: dict[str, tuple[str, ...]] = {}
    for name, _, version in (pin.partition("==") for pin in files()):
        found[name] = (*found.get(name, ()), version)
    return found


R = TypeVar("R", bound=Struct)


def for_minor(rule: R, version: str) -> R:
    """Return a rule with {minor} replaced by the minor release of a TensorFlow version."""
    minor = ".".join(version.split(".")[:2])
    fields = msgspec.structs.asdict(rule)
    return type(rule)(
        **{k: v.replace("{minor}", minor) if isinstance(v, str) else v for k, v in fields.items()}
    )


@cache
def projects() -> frozenset[str]:
    """Return the names of the TensorFlow projects that the tables know."""
    return frozenset(row.project for row in load("builds.json", BuildRow))


@cache
def releases(project: str) -> tuple[BuildRow, ...]:
    """Return a project's rows, newest release first; empty for a project the table does not know."""
    return tuple(row for row in load("builds.json", BuildRow) if row.project == project)


def builds(row: BuildRow) -> tuple[Build, ...]:
    """Return the builds of one row: one for each wheel."""
    return tuple(
        Build(
            project=row.project,
            version=row.version,
            python_tag=python_tag,
            abi=abi,
            platform=platform,
            family=row.family,
            wheel=Wheel(wheel_name(row.project, row.version, python_tag, abi, platform), sha256, size),
            yanked=row.yanked,
            glibc=row.glibc,
            cpu=tuple(row.cpu),
            macos=row.macos,
            carrier_lacks=row.carried_by if python_tag in row.carrier_lacks else None,
        )
        for python_tag, abi, platform, sha256, size in row.wheels
    )


def render(about: dict[str, Any], rows: list[Any]) -> str:
    """Return the canonical text of a table: one row a line, in the order given."""
    encode = msgspec.json.encode
    lines = ",\n".join(encode(row).decode() for row in rows)
    return f'{{"about":{encode(about).decode()},\n"rows":[\n{lines}\n]}}\n'


def save(name: str, about: dict[str, Any], rows: list[Any]) -> None:
    """Write a table in its canonical form, whole or not at all; for the tools."""
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, render(about, rows).encode())
    load.cache_clear()
    files.cache_clear()
    locked_versions.cache_clear()
