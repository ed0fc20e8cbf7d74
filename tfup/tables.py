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


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a table; a key that it does not know is a slip of the pen."""


class Table(Struct, frozen=True):
    """A table as it stands in its file."""

    about: dict[str, Any]
    rows: list[Any]


class BuildRow(Row, frozen=True, omit_defaults=True):
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


class PythonRow(Row, frozen=True):
    """A CPython minor that uv can fetch for a system."""

    python_tag: str
    family: str
    oldest: str
    """The oldest glibc, macOS or Windows that it starts on."""
    patches: list[int]
    """The last number of each release that can be fetched."""


class CarrierRow(Row, frozen=True):
    """Releases of another project that are what a project's would be on a system."""

    project: str
    family: str
    carrier: str
    versions: str
    """The range of the carrier's releases for which that is so; empty is all."""
    why: str
    source: str


class KerasRelease(Row, frozen=True, omit_defaults=True):
    """A release of Keras on the index."""

    version: str
    requires_python: str | None = None
    yanked: bool = False


class KerasRule(Row, frozen=True, omit_defaults=True):
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


class CompanionRule(Row, frozen=True, omit_defaults=True):
    """A bound on a package beside a range of releases, with the reason."""

    id: str
    versions: str
    """The range of the build's releases: of TensorFlow, or of Keras where `backend` is another."""
    bound: str
    why: str
    source: str
    python: str = ""
    required: bool = False
    """True where nothing asks for the package by its metadata, and it must be there."""
    backend: str = "tensorflow"


class BackendRow(Row, frozen=True, omit_defaults=True):
    """A back end of Keras; the order of the rows is that of the help text."""

    backend: str
    name: str
    """As Keras itself writes it."""
    packages: list[str] = []
    """Whose presence means that the back end is there; for TensorFlow the table of builds knows."""
    checks: list[str] = []
    """The checks that apply to a Keras on it, where they are not those of TensorFlow."""
    needs: list[str] = []
    """openmpi: cannot be imported without; compiler: slow without."""
    implied: bool = False
    """True where wishing for the package alone means this back end: nothing else uses it."""
    predicts_only: bool = False


class TwinRow(Row, frozen=True):
    """A project that is no build of ours, and fills a folder that one of ours fills."""

    name: str
    folder: str
    source: str


class LockRow(Row, frozen=True, omit_defaults=True):
    """The pins of one build on one Python and system; kept in locks/PROJECT/VERSION.json."""

    python_tag: str
    family: str
    digest: str
    """Over names, versions and hashes; what a proof names (`pin.lock_digest`)."""
    pins: list[str]
    """As "name==version", canonical names, sorted."""
    beside: str = ""
    """The requirement that makes the lock another one: of a Keras its back end, of TensorFlow its Keras."""


class FilesRow(Row, frozen=True):
    """The files of one pin that some lock installs."""

    pin: str
    files: list[tuple[str, str, int]]
    """File name, sha256, bytes."""


class CondaCudaRow(Row, frozen=True):
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


class CondaPythonRow(Row, frozen=True):
    """The minors of Python that conda's channels have for a system."""

    family: str
    pythons: list[str]
    source: str


class SdistRow(Row, frozen=True, omit_defaults=True):
    """A package without a wheel that a range of TensorFlow releases needs; it builds without a compiler."""

    name: str
    tensorflow: str
    why: str
    python: str = ""


class MsvcWheelRow(Row, frozen=True):
    """A wheel of msvc-runtime, which puts Microsoft's C++ runtime into an environment."""

    python_tag: str
    version: str
    file: str
    sha256: str
    bytes: int
    parts: dict[str, str]
    """The libraries in it that TensorFlow may load, with their versions."""


class MsvcNeedRow(Row, frozen=True):
    """What the binaries of a release for Windows were made with."""

    version: str
    toolset: str
    """Of the linker, such as 14.39: the runtime must be at least as new."""
    parts: list[str]
    """Libraries of the runtime that they load, besides those in builds.json."""
    longest: int
    """Letters of the longest path below site-packages."""


class ProofRow(Row, frozen=True, omit_defaults=True):
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
    beside: str = ""
    """As in the lock."""


class FailureRow(Row, frozen=True):
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


def locks(project: str, version: str) -> list[LockRow]:
    """Return the locks of a release."""
    name = f"locks/{project}/{version}.json"
    return load(name, LockRow) if (DATA / name).is_file() else []


def lock(project: str, version: str, python_tag: str, family: str, beside: str = "") -> LockRow | None:
    """Return the lock that we ship for a build, None where we ship none."""
    cell = (python_tag, family, beside)
    rows = locks(project, version)
    return next((row for row in rows if (row.python_tag, row.family, row.beside) == cell), None)


@cache
def backends() -> dict[str, BackendRow]:
    """Return the back ends of Keras by name."""
    return {row.backend: row for row in load("keras/backends.json", BackendRow)}


@cache
def files() -> dict[str, tuple[Wheel, ...]]:
    """Return the files of every pin in the locks, and of every Keras, by "name==version"."""
    rows = (*load("keras/keras_files.json", FilesRow), *load("builds/files.json", FilesRow))
    return {row.pin: tuple(Wheel(*file) for file in row.files) for row in rows}


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
    return frozenset(row.project for row in load("builds/builds.json", BuildRow))


@cache
def releases(project: str) -> tuple[BuildRow, ...]:
    """Return a project's rows, newest release first; empty for a project the table does not know."""
    return tuple(row for row in load("builds/builds.json", BuildRow) if row.project == project)


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


def save(name: str, about: dict[str, Any], rows: list[Any], folder: Path | None = None) -> None:
    """Write a table in its canonical form, whole or not at all; for the tools."""
    path = (folder or DATA) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, render(about, rows).encode())
    load.cache_clear()
    files.cache_clear()
    locked_versions.cache_clear()
