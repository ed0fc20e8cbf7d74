"""Keras on another back end than TensorFlow: the build is a release of Keras, with the back end beside it.

`data/keras/backends.json` says which back end goes with which Keras, and what it needs of a machine;
`keras_config.json` says which back ends a Keras knows at all. What this room yields, match and pin handle
as they handle TensorFlow's builds.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfup import tables
from tfup.match.keras import config_rule
from tfup.match.platforms import abi_of, minor_of
from tfup.model import Build, Choice, Library, Machine, Notice, Obstacle, Wheel, Wish
from tfup.requirements import KERAS
from tfup.tables import KerasRelease

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TENSORFLOW = "tensorflow"
OPEN_MPI = {"libmpi": "libmpi.so.12", "libmpi_cxx": "libmpi_cxx.so.1"}
"""Under which names CNTK asks for them: those of Open MPI 1.10."""
INSTALL_OPEN_MPI = {
    "debian": "sudo apt-get install libopenmpi3",
    "ubuntu": "sudo apt-get install libopenmpi3",
    "fedora": "sudo dnf install openmpi, then module load mpi",
    "red hat": "sudo dnf install openmpi, then module load mpi",
    "rocky": "sudo dnf install openmpi, then module load mpi",
    "centos": "sudo yum install openmpi3, then module load mpi",
    "suse": "sudo zypper install openmpi4",
}
"""By a word in the name of the system: what brings libmpi and libmpi_cxx of Open MPI 3 or 4."""


class PairRow(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A back end's release, or range of releases, that goes with a range of Keras on some Pythons."""

    backend: str
    requirement: str
    """Of the back end: theano==1.0.5, or jax for the newest."""
    keras: str
    python_tags: list[str]
    platforms: dict[str, str]
    """By family the platform tag that the back end's files ask for."""
    why: str
    source: str
    cpu: list[str] = []
    """CPU features of x86_64 without which the import dies."""
    locked: list[str] = []
    """The Keras releases that we ship a lock with."""


# ---------------------------------------------------------------- what is wished for


def implied(names: Iterable[str]) -> str | None:
    """Return the back end that the packages wished for mean, None where TensorFlow or nothing is meant.

    >>> implied({"keras", "theano"}), implied({"theano", "tensorflow"}), implied({"keras", "torch"})
    ('theano', None, None)
    """
    wished = set(names)
    if wished & tables.projects():
        return None
    known = tables.backends().values()
    return next((row.backend for row in known if row.implied and wished.intersection(row.packages)), None)


def is_wished(wish: Wish) -> bool:
    """Tell whether a wish is for another back end than TensorFlow."""
    return wish.backend not in {None, TENSORFLOW}


def wished_release(wish: Wish) -> Requirement:
    """Return the Keras wished for, any where none is named."""
    wished = (one for one in map(Requirement, wish.requirements) if canonicalize_name(one.name) == KERAS)
    return next(wished, Requirement(KERAS))


@cache
def pairs() -> list[PairRow]:
    """Return the table."""
    return tables.load("keras/backend_pairs.json", PairRow)


# ---------------------------------------------------------------- builds


def releases(wanted: Requirement, wish: Wish, family: str | None) -> Iterator[tuple[Build, ...]]:
    """Yield the builds of each Keras wished for, newest first: one for each back end's release and Python.

    A Keras that does not have the back end is there too: what keeps it away is the explanation.
    """
    asked = bool(wanted.specifier.prereleases)
    for row in keras_releases():
        if wanted.specifier.contains(row.version, prereleases=asked):
            every = tuple(builds(row, wish))
            here = tuple(build for build in every if build.family == family)
            if every:
                yield here or every


def builds(release: KerasRelease, wish: Wish) -> Iterator[Build]:
    """Yield the builds of one Keras on the back end wished for; where it lacks that, on what goes with it."""
    fitting = [row for row in pairs() if SpecifierSet(row.keras).contains(release.version)]
    for row in [row for row in fitting if row.backend == wish.backend] or fitting or [alone()]:
        for family, platform in row.platforms.items():
            for tag in row.python_tags:
                if SpecifierSet(release.requires_python or "").contains(f"{minor_of(tag)}.99"):
                    yield build(release, row, family, platform, tag)


def build(release: KerasRelease, row: PairRow, family: str, platform: str, tag: str) -> Build:
    """Return one Keras on one back end, Python and system."""
    return Build(
        project=KERAS,
        version=release.version,
        python_tag=tag,
        abi=abi_of(tag, family),
        platform=platform,
        family=family,
        wheel=own_file(release.version),
        yanked=release.yanked,
        cpu=tuple(row.cpu) if family.endswith(("x86_64", "amd64")) else (),
        backend=row.backend,
        requirement=row.requirement or None,
    )


def alone() -> PairRow:
    """Return the row of a Keras that has TensorFlow alone: on every Python and system of the table."""
    platforms = {family: platform for row in pairs() for family, platform in row.platforms.items()}
    tags = sorted({tag for row in pairs() for tag in row.python_tags})
    return PairRow(TENSORFLOW, "", "", tags, platforms, "", "")


@cache
def keras_releases() -> list[KerasRelease]:
    """Return the releases of Keras that we know the files of, newest first."""
    known = tables.load("keras/keras_releases.json", KerasRelease)
    return [row for row in known if f"{KERAS}=={row.version}" in tables.files()]


def versions() -> list[str]:
    """Return the versions of Keras, newest first."""
    return [row.version for row in keras_releases()]


def own_file(keras: str) -> Wheel:
    """Return the wheel of a Keras; the source of one that never had a wheel."""
    found = tables.files()[f"{KERAS}=={keras}"]
    return next((file for file in found if file.file.endswith(".whl")), found[0])


def needs_of(build: Build) -> list[str]:
    """Return what the back end of a build needs of a machine."""
    return tables.backends()[build.backend].needs


# ---------------------------------------------------------------- obstacles


def backend_obstacle(build: Build, _machine: Machine, wish: Wish) -> Obstacle | None:
    """The Keras never had the back end wished for."""
    if build.project != KERAS or build.backend == wish.backend:
        return None
    known = ", ".join(known_by(build.version))
    pair = newest_pair(wish.backend or TENSORFLOW)
    remedy = f"ask for {pair}" if pair else None
    return Obstacle("backend", f"one of the back ends of this Keras: {known}", f"{wish.backend}", remedy)


def release_obstacle(build: Build, _machine: Machine, wish: Wish) -> Obstacle | None:
    """Another release of the back end was wished for than goes with this Keras."""
    ours = Requirement(build.requirement) if build.requirement else None
    typed = map(Requirement, wish.requirements)
    wished = next((one for one in typed if ours and canonicalize_name(one.name) == ours.name), None)
    if not (ours and wished and ours.specifier and build.backend == wish.backend):
        return None
    version = next(iter(ours.specifier)).version
    if wished.specifier.contains(version):
        return None
    ran = [row.requirement for row in pairs() if row.backend == build.backend]
    remedy = f"ask for one that was run: {', '.join(dict.fromkeys(ran))}"
    return Obstacle("backend-release", str(ours), str(wished), remedy)


def mpi_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """CNTK loads Open MPI, which is the system's own; where nobody looked, none is missing."""
    if "openmpi" not in needs_of(build):
        return None
    looked = [name for name in OPEN_MPI if name in machine.runtimes]
    missing = [name for name in looked if machine.runtimes[name] is None]
    if not missing:
        return None
    needs = "Open MPI 3 or 4 where the loader finds it: " + ", ".join(f"{name}.so.40" for name in OPEN_MPI)
    return Obstacle("mpi", needs, None, open_mpi_remedy(machine))


def libraries(build: Build, machine: Machine) -> tuple[Library, ...]:
    """Return what the back end loads of the system, by the names that it asks for."""
    if "openmpi" not in needs_of(build):
        return ()
    found = ((name, machine.runtimes.get(name)) for name in OPEN_MPI)
    return tuple(Library(OPEN_MPI[name], "system", path) for name, path in found)


def open_mpi_remedy(machine: Machine) -> str:
    """Return what brings Open MPI to a system."""
    name = (machine.system.name or "").lower()
    found = (command for word, command in INSTALL_OPEN_MPI.items() if word in name)
    return next(found, "install Open MPI 4 with its C++ bindings (Debian and Ubuntu: libopenmpi3)")


def known_by(keras: str) -> list[str]:
    """Return the back ends that a Keras can use; TensorFlow alone where it has no choice."""
    return sorted(config_rule(keras).backends) or [TENSORFLOW]


def has(wanted: Requirement, backend: str) -> bool:
    """Tell whether some Keras wished for has a back end."""
    return any(backend in known_by(version) for version in wanted.specifier.filter(versions()))


def newest_pair(backend: str) -> str | None:
    """Return the newest Keras that has a back end, with it, as it can be typed."""
    ranges = [SpecifierSet(row.keras) for row in pairs() if row.backend == backend]
    for version in versions():
        if backend in known_by(version) and any(known.contains(version) for known in ranges):
            return f"{KERAS}=={version} --backend {backend}"
    return None


def order(build: Build) -> list[int]:
    """Order a back end's releases, the newest first; those without a number before all."""
    specifier = Requirement(build.requirement).specifier if build.requirement else SpecifierSet()
    version = next((Version(one.version) for one in specifier), None)
    return [-part for part in version.release] if version else []


# ---------------------------------------------------------------- notices


def notices(build: Build, machine: Machine, wish: Wish) -> tuple[Notice, ...]:
    """Return what the person should know about a back end."""
    found = (
        variable_notice(machine, wish),
        compiler_notice(build, machine),
        predicts_notice(build),
        gpu_notice(build, machine, wish),
        torch_notice(build),
    )
    return tuple(notice for notice in found if notice)


def variable_notice(machine: Machine, wish: Wish) -> Notice | None:
    """A KERAS_BACKEND in the person's shell beats that of the environment."""
    value = machine.environment.get("KERAS_BACKEND")
    if not value or wish.backend is None or value == wish.backend:
        return None
    text = f"KERAS_BACKEND={value} in your shell beats the {wish.backend} of this environment: unset it."
    return Notice("keras-backend-env-overrides", text)


def compiler_notice(build: Build, machine: Machine) -> Notice | None:
    """Theano compiles what it computes; without a compiler it goes on in Python."""
    if "compiler" not in needs_of(build) or machine.runtimes.get("c++", "") is not None:
        return None
    text = "There is no C++ compiler (g++): Theano computes in Python, which is right and slow."
    return Notice("theano-without-compiler", text)


def gpu_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """GPUs are matched for TensorFlow alone; PyTorch brings its own CUDA, and sees for itself."""
    if build.project != KERAS or build.backend == "torch" or not machine.gpus or wish.gpu is False:
        return None
    name = tables.backends()[build.backend].name
    text = f"{name} is prepared for the processor: tfup matches GPUs for TensorFlow alone."
    return Notice("gpu-unused", text)


def torch_notice(build: Build) -> Notice | None:
    """The index has PyTorch for Linux on x86_64 with CUDA inside, and no other."""
    if build.backend != "torch" or build.family != "linux_x86_64":
        return None
    text = "PyTorch comes with some gigabytes of NVIDIA's libraries here, and computes without a GPU too."
    return Notice("torch-brings-cuda", text)


def predicts_notice(build: Build) -> Notice | None:
    """A back end that cannot train is said so."""
    row = tables.backends()[build.backend]
    if not row.predicts_only:
        return None
    text = f"{row.name} only predicts: train with another back end, save the model, and load it here."
    return Notice("backend-predicts-only", text)


def describe(choice: Choice, pins: Iterable[tuple[str, str]]) -> str:
    """Return a back end with its version, in people's words."""
    name = Requirement(choice.requirement).name if choice.requirement else choice.backend
    version = next((version for pinned, version in pins if pinned == name), "")
    return f"{tables.backends()[choice.backend].name} {version}".rstrip()
