"""Keras on another back end than TensorFlow: the build is a release of Keras, with the back end beside it.

`data/backends.json` says which back end goes with which Keras, and what it needs of a machine;
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
from tfup.doctor.keras_config import rule_for
from tfup.model import Build, Choice, Library, Machine, Notice, Obstacle, Wheel, Wish
from tfup.tables import CompanionRule, FilesRow, KerasRelease, LockRow, ProofRow, SdistRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

KERAS = "keras"
TENSORFLOW = "tensorflow"
NAMES = {
    "tensorflow": "TensorFlow",
    "theano": "Theano",
    "cntk": "CNTK",
    "jax": "JAX",
    "torch": "PyTorch",
    "openvino": "OpenVINO",
}
"""As Keras itself writes them; the order is that of the help text."""
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


class BackendRow(Struct, frozen=True, omit_defaults=True):
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
    needs: list[str] = []
    """openmpi: cannot be imported without; compiler: slow without."""
    cpu: list[str] = []
    """CPU features of x86_64 without which the import dies."""
    implied: bool = False
    """True where wishing for the package alone means this back end: nothing else uses it."""
    predicts_only: bool = False
    locked: list[str] = []
    """The Keras releases that we ship a lock with."""


class BackendBound(Struct, frozen=True, omit_defaults=True):
    """A bound on a package beside a back end, with the reason."""

    id: str
    backend: str
    bound: str
    why: str
    source: str
    keras: str = ""
    python: str = ""
    required: bool = False


class PairLock(Struct, frozen=True):
    """The lock of one Keras on one release of a back end; kept in locks_backends/BACKEND.json."""

    keras: str
    requirement: str
    lock: LockRow


# ---------------------------------------------------------------- what is wished for


def implied(names: Iterable[str]) -> str | None:
    """Return the back end that the packages wished for mean, None where TensorFlow or nothing is meant.

    >>> implied({"keras", "theano"}), implied({"theano", "tensorflow"}), implied({"keras", "torch"})
    ('theano', None, None)
    """
    wished = set(names)
    if wished & tables.projects():
        return None
    meant = (row.backend for row in rows() if row.implied and Requirement(row.requirement).name in wished)
    return next(meant, None)


def is_wished(wish: Wish) -> bool:
    """Tell whether a wish is for another back end than TensorFlow."""
    return wish.backend not in {None, TENSORFLOW}


def wished_release(wish: Wish) -> Requirement:
    """Return the Keras wished for, any where none is named."""
    wished = (one for one in map(Requirement, wish.requirements) if canonicalize_name(one.name) == KERAS)
    return next(wished, Requirement(KERAS))


@cache
def rows() -> list[BackendRow]:
    """Return the table."""
    return tables.load("backends.json", BackendRow)


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
    fitting = [row for row in rows() if SpecifierSet(row.keras).contains(release.version)]
    for row in [row for row in fitting if row.backend == wish.backend] or fitting or [alone()]:
        for family, platform in row.platforms.items():
            for tag in row.python_tags:
                if SpecifierSet(release.requires_python or "").contains(f"{minor_of(tag)}.99"):
                    yield build(release, row, family, platform, tag)


def build(release: KerasRelease, row: BackendRow, family: str, platform: str, tag: str) -> Build:
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


def alone() -> BackendRow:
    """Return the row of a Keras that has TensorFlow alone: on every Python and system of the table."""
    platforms = {family: platform for row in rows() for family, platform in row.platforms.items()}
    tags = sorted({tag for row in rows() for tag in row.python_tags})
    return BackendRow(TENSORFLOW, "", "", tags, platforms, "", "")


@cache
def keras_releases() -> list[KerasRelease]:
    """Return the releases of Keras that we know the files of, newest first."""
    known = tables.load("keras_releases.json", KerasRelease)
    return [row for row in known if f"{KERAS}=={row.version}" in files()]


def versions() -> list[str]:
    """Return the versions of Keras, newest first."""
    return [row.version for row in keras_releases()]


def own_file(keras: str) -> Wheel:
    """Return the wheel of a Keras; the source of one that never had a wheel."""
    found = files()[f"{KERAS}=={keras}"]
    return next((file for file in found if file.file.endswith(".whl")), found[0])


def abi_of(tag: str, family: str) -> str:
    """Return the usual ABI of a Python on a system.

    >>> abi_of("cp36", "linux_x86_64"), abi_of("cp27", "linux_x86_64"), abi_of("cp313", "windows_amd64")
    ('cp36m', 'cp27mu', 'cp313')
    """
    if tag == "cp27" and family.startswith("linux"):
        return "cp27mu"
    return f"{tag}m" if tag in {"cp27", "cp33", "cp34", "cp35", "cp36", "cp37"} else tag


def minor_of(python_tag: str) -> str:
    """Return the Python minor of a tag.

    >>> minor_of("cp310")
    '3.10'
    """
    return f"{python_tag[2]}.{python_tag[3:]}"


def row_of(backend: str, requirement: str | None, keras: str) -> BackendRow | None:
    """Return the row of a back end's release with a Keras."""
    return next(
        (
            row
            for row in rows()
            if (row.backend, row.requirement) == (backend, requirement)
            and SpecifierSet(row.keras).contains(keras)
        ),
        None,
    )


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
    ran = [row.requirement for row in rows() if row.backend == build.backend]
    remedy = f"ask for one that was run: {', '.join(dict.fromkeys(ran))}"
    return Obstacle("backend-release", str(ours), str(wished), remedy)


def mpi_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """CNTK loads Open MPI, which is the system's own; where nobody looked, none is missing."""
    row = row_of(build.backend, build.requirement, build.version)
    if row is None or "openmpi" not in row.needs:
        return None
    looked = [name for name in OPEN_MPI if name in machine.runtimes]
    missing = [name for name in looked if machine.runtimes[name] is None]
    if not missing:
        return None
    needs = "Open MPI 3 or 4 where the loader finds it: " + ", ".join(f"{name}.so.40" for name in OPEN_MPI)
    return Obstacle("mpi", needs, None, open_mpi_remedy(machine))


def libraries(build: Build, machine: Machine) -> tuple[Library, ...]:
    """Return what the back end loads of the system, by the names that it asks for."""
    row = row_of(build.backend, build.requirement, build.version)
    if row is None or "openmpi" not in row.needs:
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
    return sorted(rule_for(keras).backends) or [TENSORFLOW]


def has(wanted: Requirement, backend: str) -> bool:
    """Tell whether some Keras wished for has a back end."""
    return any(backend in known_by(version) for version in wanted.specifier.filter(versions()))


def newest_pair(backend: str) -> str | None:
    """Return the newest Keras that has a back end, with it, as it can be typed."""
    ranges = [SpecifierSet(row.keras) for row in rows() if row.backend == backend]
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
    row = row_of(build.backend, build.requirement, build.version)
    if row is None or "compiler" not in row.needs or machine.runtimes.get("c++", "") is not None:
        return None
    text = "There is no C++ compiler (g++): Theano computes in Python, which is right and slow."
    return Notice("theano-without-compiler", text)


def gpu_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """GPUs are matched for TensorFlow alone; PyTorch brings its own CUDA, and sees for itself."""
    if build.project != KERAS or build.backend == "torch" or not machine.gpus or wish.gpu is False:
        return None
    text = f"{NAMES[build.backend]} is prepared for the processor: tfup matches GPUs for TensorFlow alone."
    return Notice("gpu-unused", text)


def torch_notice(build: Build) -> Notice | None:
    """The index has PyTorch for Linux on x86_64 with CUDA inside, and no other."""
    if build.backend != "torch" or build.family != "linux_x86_64":
        return None
    text = "PyTorch comes with some gigabytes of NVIDIA's libraries here, and computes without a GPU too."
    return Notice("torch-brings-cuda", text)


def predicts_notice(build: Build) -> Notice | None:
    """A back end that cannot train is said so."""
    row = row_of(build.backend, build.requirement, build.version)
    if row is None or not row.predicts_only:
        return None
    text = (
        f"{NAMES[row.backend]} only predicts: train with another back end, save the model, and load it here."
    )
    return Notice("backend-predicts-only", text)


# ---------------------------------------------------------------- pins


def is_backend(choice: Choice) -> bool:
    """Tell whether a choice is a Keras on a back end, and no TensorFlow."""
    return choice.project == KERAS


def rules(choice: Choice) -> tuple[CompanionRule, ...]:
    """Return the bounds beside a Keras on its back end, in the form of those beside TensorFlow."""
    return tuple(
        CompanionRule(one.id, one.keras, one.bound, one.why, one.source, one.python, one.required)
        for one in tables.load("backend_bounds.json", BackendBound)
        if one.backend == choice.backend
        and SpecifierSet(one.keras).contains(choice.version)
        and SpecifierSet(one.python).contains(minor_of(choice.python_tag))
    )


def sdists(choice: Choice) -> tuple[str, ...]:
    """Return the packages that may be built from their source beside a back end, as beside TensorFlow."""
    python = minor_of(choice.python_tag)
    found = (row for row in tables.load("sdists.json", SdistRow) if SpecifierSet(row.python).contains(python))
    return tuple(dict.fromkeys(row.name for row in found))


@cache
def files() -> dict[str, tuple[Wheel, ...]]:
    """Return the files of every Keras, and of the pins in the locks of back ends."""
    found: dict[str, tuple[Wheel, ...]] = {}
    for name in ("keras_files.json", "files_backends.json"):
        found |= {row.pin: tuple(Wheel(*file) for file in row.files) for row in tables.load(name, FilesRow)}
    return found


def lock(choice: Choice, wish: Wish) -> LockRow | None:
    """Return the lock that we ship for a pair of Keras and back end; None where there is none."""
    keras = Requirement(f"{KERAS}=={choice.version}") if is_backend(choice) else wished_release(wish)
    beside = choice.requirement or f"{choice.project}=={choice.version}"
    return next(
        (
            pair.lock
            for pair in pair_locks(choice.backend)
            if keras.specifier == SpecifierSet(f"=={pair.keras}")
            and pair.requirement == beside
            and (pair.lock.python_tag, pair.lock.family) == (choice.python_tag, choice.platform)
        ),
        None,
    )


def pair_locks(backend: str) -> Sequence[PairLock]:
    """Return the locks of a back end."""
    name = f"locks_backends/{backend}.json"
    return tables.load(name, PairLock) if (tables.DATA / name).is_file() else ()


def proofs() -> list[ProofRow]:
    """Return the runs of pairs."""
    return tables.load("proofs_backends.json", ProofRow)


def describe(choice: Choice, pins: Iterable[tuple[str, str]]) -> str:
    """Return a back end with its version, in people's words."""
    name = Requirement(choice.requirement).name if choice.requirement else choice.backend
    version = next((version for pinned, version in pins if pinned == name), "")
    return f"{NAMES.get(choice.backend, choice.backend)} {version}".rstrip()
