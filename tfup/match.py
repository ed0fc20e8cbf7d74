"""Stage 2, match: the newest build with no obstacle on this machine.

`obstacles` decides and explains: a build fits where it finds none, and what it finds is the
explanation of every build passed over. What a machine file does not know is held against no build.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace
from packaging.specifiers import SpecifierSet
from packaging.tags import mac_platforms
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfup import accelerators, backends, tables
from tfup.accelerators.notices import (
    gpu_notices,
    missing_libraries,
    other_card_notice,
    unknown_gpu_facts,
    unused_notice,
)
from tfup.accelerators.obstacles import gpu_obstacles
from tfup.conda_channels import has_python
from tfup.errors import Need, UnknownVersion
from tfup.model import Build, Choice, Interpreter, Machine, Match, Notice, Obstacle, PassedOver, System, Wish
from tfup.tables import BuildRow, CarrierRow, PythonRow
from tfup.wish import is_build, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.requirements import Requirement

DEFAULT_PROJECT = "tensorflow"
SLIM_PROJECT = "tensorflow-cpu"
GPU_PROJECT = "tensorflow-gpu"

FAMILIES = {
    ("linux", "x86_64"): "linux_x86_64",
    ("linux", "aarch64"): "linux_aarch64",
    ("macos", "x86_64"): "macos_x86_64",
    ("macos", "aarch64"): "macos_arm64",
    ("windows", "x86_64"): "windows_amd64",
}
CPU_ONLY = {"linux_aarch64", "macos_arm64"}  # where tensorflow itself is what tensorflow-cpu is elsewhere
OLDEST_GLIBC = "2.17"  # nothing older is served by uv and its Pythons, nor by most companions' wheels
WIDER = {
    "i686": "x86_64",
    "armv6l": "aarch64",
    "armv7l": "aarch64",
    "armv8l": "aarch64",
}  # of 64 bits, not 32
SYSTEM_NAMES = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}
FLOORS = {"linux": "a Linux with glibc", "macos": "macOS", "windows": "Windows"}
LEGACY_MANYLINUX = {
    5: "manylinux1",
    12: "manylinux2010",
    17: "manylinux2014",
}  # PEP 600, "Legacy manylinux tags"
NEWEST_MINOR = 99  # tags are listed one by one, and a machine file may say anything

Table = Callable[[str], Sequence[BuildRow]]
"""A project's rows by its name: `tables.releases`, or made-up ones."""


class Candidate(NamedTuple):
    """A build with its obstacles; no obstacle, then it fits."""

    build: Build
    obstacles: tuple[Obstacle, ...]


def match(machine: Machine, wish: Wish, table: Table = tables.releases) -> Match:
    """Return the newest build that uses the GPU, else the newest that fits, and every better one passed over.

    Raises UnknownVersion when no release at all meets the versions wished for.
    """
    if not uses_gpu(machine, wish):
        return search(machine, wish, table)
    on_gpu = search(machine, replace(wish, gpu=True, slim=False), table)
    older = None if on_gpu.choice else under_older_name(machine, wish)
    if wish.gpu and older and not any(map(is_build, wish.requirements)):
        return older
    if on_gpu.choice or wish.gpu:
        return on_gpu
    return without_gpu(search(machine, replace(wish, gpu=False), table), on_gpu, older, machine)


def uses_gpu(machine: Machine, wish: Wish) -> bool:
    """Tell whether a GPU is to be used if one can be: demanded, here, or meant by the name of the build."""
    if wish.gpu is not None or backends.is_wished(wish):
        return bool(wish.gpu)
    return accelerators.has_gpu(machine) or canonicalize_name(wished_build(wish, machine).name) == GPU_PROJECT


def under_older_name(machine: Machine, wish: Wish) -> Match | None:
    """Return the release under the name that GPU builds had once, if it uses the GPU with the CUDA here."""
    wanted = wished_build(wish, machine)
    if not machine.cuda or canonicalize_name(wanted.name) != DEFAULT_PROJECT:
        return None
    served = [row for row in tables.releases(GPU_PROJECT) if accelerators.is_served(row, machine)]
    if not any(wanted.specifier.contains(row.version) for row in served):
        return None
    beside = tuple(text for text in wish.requirements if not is_build(text))
    renamed = f"{GPU_PROJECT}{wanted.specifier}"
    older = replace(wish, gpu=True, slim=False, requirements=(renamed, *beside))
    found = search(machine, older, lambda name: served if name == GPU_PROJECT else ())
    return found if found.choice else None


def without_gpu(on_cpu: Match, on_gpu: Match, older: Match | None, machine: Machine) -> Match:
    """Return what runs on the processor alone, with why the GPU stays unused and what would change it."""
    if on_cpu.choice is None:
        return on_cpu
    instead = f"{older.choice.project}=={older.choice.version}" if older and older.choice else None
    return replace(
        on_cpu,
        choice=accelerators.leave_unused(on_cpu.choice, machine),
        passed_over=on_cpu.passed_over + on_gpu.passed_over,
        warnings=(*on_cpu.warnings, unused_notice(machine, on_gpu.nearest, instead)),
    )


def search(machine: Machine, wish: Wish, table: Table) -> Match:
    """Return the newest build that fits, on a GPU if the wish says so, and every newer one passed over."""
    wanted = wished_build(wish, machine)
    passed: list[PassedOver] = []
    for release in offered(wanted, machine, wish, table):
        best = best_candidate(release, machine, wish)
        if not best.obstacles:
            choice = choose(best.build, machine, wish)
            warnings = notices(best.build, machine, wish) + gpu_notices(choice, machine)
            return Match(choice, tuple(passed), warnings)
        passed.append(PassedOver(best.build.project, best.build.version, best.obstacles, bool(wish.gpu)))
    if not passed:
        raise unknown_version(wanted)
    return Match(None, tuple(passed), nearest=min(passed, key=distance))


def distance(over: PassedOver) -> tuple[object, ...]:
    """Order what was passed over by what it would take: another computer, card or wish, then less."""
    names = {obstacle.name for obstacle in over.obstacles}
    worst_first = ("system", "backend", "accelerator", "gpu", "cpu", "wish")
    return *(name in names for name in worst_first), len(over.obstacles)


def why_not(requirement: str, machine: Machine, wish: Wish) -> PassedOver | None:
    """Return what keeps the newest release of a requirement from this machine, None when nothing does."""
    best = nearest_of(requirement, machine, wish)
    return PassedOver(best.build.project, best.build.version, best.obstacles) if best.obstacles else None


def nearest_of(requirement: str, machine: Machine, wish: Wish) -> Candidate:
    """Return the build of the newest release of a requirement that has the fewest obstacles here."""
    wanted = parse(requirement)
    newest = next(offered(wanted, machine, wish), None)
    if newest is None:
        raise unknown_version(wanted)
    gpu = uses_gpu(machine, replace(wish, requirements=(requirement,)))
    return best_candidate(newest, machine, replace(wish, gpu=gpu))


# ---------------------------------------------------------------- the wish


def wished_build(wish: Wish, machine: Machine) -> Requirement:
    """Return the requirement that names the build; the default project where none does."""
    if backends.is_wished(wish):
        return backends.wished_release(wish)
    slim = wish.slim and family_of(machine.system) not in CPU_ONLY
    return parse(next(filter(is_build, wish.requirements), SLIM_PROJECT if slim else DEFAULT_PROJECT))


def names_exactly(wanted: Requirement) -> bool:
    """Tell whether a requirement names one version."""
    return any(item.operator in {"==", "==="} and "*" not in item.version for item in wanted.specifier)


def wished_keras(wish: Wish) -> SpecifierSet:
    """Return the versions of Keras wished for; the empty set allows all."""
    wanted = (parse(text) for text in wish.requirements)
    return next((one.specifier for one in wanted if canonicalize_name(one.name) == "keras"), SpecifierSet())


def offered(
    wanted: Requirement, machine: Machine, wish: Wish, table: Table = tables.releases
) -> Iterator[tuple[Build, ...]]:
    """Yield the releases to choose from: of Keras where another back end than TensorFlow is wished for."""
    if backends.is_wished(wish) and canonicalize_name(wanted.name) == backends.KERAS:
        return backends.releases(wanted, wish, family_of(machine.system))
    return releases(wanted, machine, table)


def releases(
    wanted: Requirement, machine: Machine, table: Table = tables.releases
) -> Iterator[tuple[Build, ...]]:
    """Yield the builds of each release wished for, newest first: those for this system, else all.

    A pre-release is there only for a requirement that names one.
    """
    rows = list_rows(canonicalize_name(wanted.name), table)
    asked = bool(wanted.specifier.prereleases)
    versions = {row.version for row in rows if wanted.specifier.contains(row.version, prereleases=asked)}
    family = family_of(machine.system)
    for version in sorted(versions, key=Version, reverse=True):
        release = [row for row in rows if row.version == version]
        here = [row for row in release if row.family == family]
        yield tuple(build for row in here or release for build in tables.builds(row))


def list_rows(project: str, table: Table) -> list[BuildRow]:
    """Return a project's rows, and those of other projects that carry its releases on some system."""
    carried = (
        row
        for carrier in carriers(project)
        for row in table(carrier.carrier)
        if row.family == carrier.family and SpecifierSet(carrier.versions).contains(row.version)
    )
    return [*table(project), *carried]


@cache
def carriers(project: str) -> tuple[CarrierRow, ...]:
    """Return who carries a project's releases, by system."""
    return tuple(row for row in tables.load("carriers.json", CarrierRow) if row.project == project)


def unknown_version(wanted: Requirement) -> UnknownVersion:
    """Return the error for versions that no release has, with the nearest ones."""
    name = canonicalize_name(wanted.name)
    known = backends.versions() if name == backends.KERAS else [row.version for row in tables.releases(name)]
    near = nearest_versions([item.version for item in wanted.specifier], known)
    return UnknownVersion(
        f"No release of {wanted.name} is {wanted.specifier}.",
        (Need("version", str(wanted.specifier), ", ".join(near) + " are the nearest"),),
        f"tfup versions, or tfup plan '{wanted.name}=={near[0]}'",
    )


def nearest_versions(asked: Iterable[str], known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known versions nearest to those asked for, by major, minor, then patch.

    >>> nearest_versions(["2.10.7"], ["2.11.0", "2.10.1", "2.10.0", "1.15.0"])
    ['2.10.1', '2.10.0', '2.11.0']
    """
    wanted = Version(next((text.removesuffix(".*") for text in asked), "0")).release

    def distance(version: str) -> tuple[int, ...]:
        pairs = zip((*Version(version).release, 0, 0), (*wanted, 0, 0), strict=False)
        return tuple(abs(left - right) for left, right in list(pairs)[:3])

    return sorted(dict.fromkeys(known), key=distance)[:count]


# ---------------------------------------------------------------- obstacles


def obstacles(build: Build, machine: Machine, wish: Wish) -> tuple[Obstacle, ...]:
    """Return everything that keeps this build from this machine; nothing when it fits.

    Of a build for another system only that is said, and what keeps it from the wish.
    """
    foreign = system_obstacle(build, machine, wish)
    found = (test(build, machine, wish) for test in (WISH_TESTS if foreign else (*HERE_TESTS, *WISH_TESTS)))
    of_gpu = () if foreign else gpu_obstacles(build, machine, wish)
    return tuple(obstacle for obstacle in (foreign, *found, *of_gpu) if obstacle)


def system_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """The wheel was made for another system or processor."""
    system = machine.system
    if system.os is None or system.arch is None or family_of(system) == build.family:
        return None
    remedy = "use a 64-bit system on x86_64 or ARM" if system.arch in WIDER else None
    return Obstacle("system", describe_family(build.family), describe_system(system), remedy)


def platform_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """The wheel's platform tag is not among those of this system (libc or macOS too old, or musl)."""
    supported = platform_tags(machine.system)
    if supported is None or any(tag in supported for tag in build.platform.split(".")):
        return None
    return Obstacle(
        "platform", build.platform, describe_system(machine.system), platform_remedy(machine.system)
    )


def libc_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """The binaries ask for a newer glibc than this one, whatever the tag says."""
    system = machine.system
    if build.glibc is None or system.libc != "glibc" or system.libc_version is None:
        return None
    if Version(system.libc_version) >= Version(build.glibc):
        return None
    return Obstacle(
        "libc", f"glibc {build.glibc} or newer", f"glibc {system.libc_version}", platform_remedy(system)
    )


def macos_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """The binaries were made for a newer macOS, whatever the tag says."""
    system = machine.system
    if build.macos is None or system.os != "macos" or system.version is None:
        return None
    if Version(system.version) >= Version(build.macos):
        return None
    return Obstacle("macos", f"macOS {build.macos} or newer", f"macOS {system.version}", "update macOS")


def cpu_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """The binaries use instructions that this processor lacks; the import would die without a word."""
    if machine.cpu.features is None:
        return None
    missing = [feature for feature in build.cpu if feature not in machine.cpu.features]
    if not missing:
        return None
    return Obstacle(
        "cpu",
        f"a processor with {', '.join(missing).upper()}",
        machine.cpu.model or "a processor without",
        None,
    )


def python_obstacle(build: Build, machine: Machine, wish: Wish) -> Obstacle | None:
    """No interpreter for this wheel is here, and none can be obtained."""
    if usable_pythons(build, machine, wish) or obtainable(build, machine.system, wish):
        return None
    version = wished_version(build, wish)
    if wish.manager == "conda":
        return Obstacle("python", f"CPython {version} from conda", None, "choose another manager or Python")
    here = ", ".join(describe_pythons(machine))
    remedy = python_remedy(build, machine.system, version)
    return Obstacle("python", f"CPython {version} with ABI {build.abi}, 64 bit", here or None, remedy)


def describe_pythons(machine: Machine) -> Iterator[str]:
    """Yield the interpreters here, the newest first, each with what is wrong with it for this processor."""
    words = {(python.version, foreign_word(python, machine)) for python in machine.pythons or ()}
    for version, word in sorted(words, key=lambda pair: (Version(pair[0]), pair[1] is None), reverse=True):
        yield f"{version} ({word})" if word else version


def foreign_word(python: Interpreter, machine: Machine) -> str | None:
    """Return what is wrong with an interpreter for this processor, None where nothing is."""
    processor = processor_of(machine.system)
    if python.bits == 32:  # noqa: PLR2004 -- a width, not magic
        return "32 bit"
    if None in {python.arch, processor} or python.arch == processor:
        return None
    dies = "; under Rosetta TensorFlow dies at its first AVX instruction"
    return f"made for {python.arch}{dies if machine.system.os == 'macos' else ''}"


def python_remedy(build: Build, system: System, version: str) -> str:
    """Return how this Python could be had."""
    minor, row = minor_of(build.python_tag), python_row(build)
    if row and not starts_on(system, row):
        return f"use {FLOORS[system.os or '']} {row.oldest} or newer, where tfup can fetch CPython {minor}"
    if row and version != minor:
        return f"ask for --python {minor}"
    how = "" if system.os == "windows" else f" (for instance: pyenv install {version})"
    return f"install CPython {version}{how} and run the same command again"


def wished_python_obstacle(build: Build, _machine: Machine, wish: Wish) -> Obstacle | None:
    """The person asked for another Python than this wheel's."""
    if wish.python is None or minor_of(build.python_tag) == ".".join(wish.python.split(".")[:2]):
        return None
    return Obstacle(
        "wish", f"Python {minor_of(build.python_tag)}", f"--python {wish.python}", "leave out --python"
    )


def carrier_obstacle(build: Build, _machine: Machine, _wish: Wish) -> Obstacle | None:
    """The wheel is empty, and the project that it pulls in has none for this Python."""
    if build.carrier_lacks is None:
        return None
    remedy = "choose another Python, or another release"
    return Obstacle("carrier", f"{build.carrier_lacks} for {build.python_tag}", None, remedy)


def yanked_obstacle(build: Build, machine: Machine, wish: Wish) -> Obstacle | None:
    """The release was withdrawn by its makers and was not asked for by its exact number."""
    if not build.yanked or names_exactly(wished_build(wish, machine)):
        return None
    remedy = f"ask for {build.project}=={build.version} exactly"
    return Obstacle("yanked", "a release that was not withdrawn", "withdrawn", remedy)


def keras_obstacle(build: Build, _machine: Machine, wish: Wish) -> Obstacle | None:
    """No Keras of the versions wished for works with this release on this Python."""
    wanted = wished_keras(wish)
    if not wanted or build.project == backends.KERAS or fitting_keras(build, wanted):
        return None
    rule = keras_rule(build.version)
    return Obstacle(
        "keras", f"keras {rule.works} ({rule.why})", f"keras{wanted}", f"ask for {pair_of(build)}"
    )


Test = Callable[[Build, Machine, Wish], Obstacle | None]
HERE_TESTS: Sequence[Test] = (
    platform_obstacle,
    libc_obstacle,
    macos_obstacle,
    cpu_obstacle,
    python_obstacle,
    backends.mpi_obstacle,
)
"""What a build needs of the machine."""
WISH_TESTS: Sequence[Test] = (
    yanked_obstacle,
    carrier_obstacle,
    wished_python_obstacle,
    keras_obstacle,
    backends.backend_obstacle,
    backends.release_obstacle,
)
"""What keeps a build from being what was asked for."""


# ---------------------------------------------------------------- choosing


def best_candidate(release: tuple[Build, ...], machine: Machine, wish: Wish) -> Candidate:
    """Return the build of a release with the fewest obstacles; a Python here wins, then the newest."""
    candidates = [Candidate(build, obstacles(build, machine, wish)) for build in release]
    wanted = canonicalize_name(wished_build(wish, machine).name)
    return min(candidates, key=partial(preference, machine=machine, wish=wish, wanted=wanted))


def preference(candidate: Candidate, *, machine: Machine, wish: Wish, wanted: str) -> tuple[object, ...]:
    """Order candidates of one release: total, so that no order of any table matters."""
    build = candidate.build
    return (
        len(candidate.obstacles),
        not build.family.startswith(machine.system.os or ""),
        not build.family.endswith(WIDER.get(machine.system.arch or "", machine.system.arch or "")),
        sorted(obstacle.name for obstacle in candidate.obstacles),
        not usable_pythons(build, machine, wish),
        build.project != wanted,
        backends.order(build),
        [-part for part in python_release(build.python_tag)],
        build.project,
        build.wheel.file,
    )


def choose(build: Build, machine: Machine, wish: Wish) -> Choice:
    """Return the choice of a build: with the interpreter that is here, or the minor to obtain."""
    python = next(iter(usable_pythons(build, machine, wish)), None)
    choice = Choice(
        project=build.project,
        version=build.version,
        python=python.version if python else wished_version(build, wish),
        python_tag=build.python_tag,
        python_path=python.path if python else None,
        python_from="found" if python else "obtain",
        wheel=build.wheel,
        platform=build.family,
        glibc=glibc_floor(build),
        macos=macos_floor(build),
        libraries=backends.libraries(build, machine),
        backend=build.backend,
        requirement=build.requirement,
    )
    of_gpu = wish.gpu or build.project == GPU_PROJECT
    return accelerators.accelerate(choice, machine, wish) if of_gpu else choice


def fitting_pythons(build: Build, machine: Machine) -> list[Interpreter]:
    """Return the interpreters here that can load the wheel, the newest first."""
    fitting = [python for python in machine.pythons or () if loads(python, build, machine.system)]
    return sorted(fitting, key=lambda python: (Version(python.version), python.path), reverse=True)


def loads(python: Interpreter, build: Build, system: System) -> bool:
    """Tell whether an interpreter has the wheel's implementation, ABI and architecture."""
    release = Version(python.version)
    return (
        python.implementation == "cpython"
        and not python.free_threaded
        and not release.is_prerelease
        and release.release[:2] == python_release(build.python_tag)
        and python.abi in {None, build.abi}
        and python.bits in {None, 64}
        and (python.arch is None or system.arch is None or python.arch == processor_of(system))
    )


def usable_pythons(build: Build, machine: Machine, wish: Wish) -> list[Interpreter]:
    """Return those of the fitting interpreters that the wish allows, newest first; conda brings its own."""
    if wish.manager == "conda":
        return []
    return [python for python in fitting_pythons(build, machine) if is_wished(python, wish)]


def is_wished(python: Interpreter, wish: Wish) -> bool:
    """Tell whether an interpreter is the Python wished for: a minor, or an exact version."""
    return wish.python is None or f"{python.version}.".startswith(f"{wish.python}.")


def wished_version(build: Build, wish: Wish) -> str:
    """Return the Python to obtain for a wheel: the very one wished for, else the minor."""
    minor = minor_of(build.python_tag)
    return wish.python if wish.python and wish.python.startswith(f"{minor}.") else minor


@cache
def python_rows() -> dict[tuple[str, str], PythonRow]:
    """Return what uv can fetch, by Python tag and family."""
    return {(row.python_tag, row.family): row for row in tables.load("pythons.json", PythonRow)}


def python_row(build: Build) -> PythonRow | None:
    """Return what uv can fetch for the wheel."""
    return python_rows().get((build.python_tag, build.family))


def obtainable(build: Build, system: System, wish: Wish) -> bool:
    """Tell whether uv or conda can fetch an interpreter for the wheel: the very one that was wished for."""
    if wish.manager == "conda":
        return has_python(minor_of(build.python_tag), build.family)
    row, patch = python_row(build), wished_version(build, wish).split(".")[2:]
    return row is not None and starts_on(system, row) and all(int(part) in row.patches for part in patch)


def starts_on(system: System, row: PythonRow) -> bool:
    """Tell whether a Python that uv fetches starts on a system; where too little is known, it does."""
    release = system.libc_version if system.os == "linux" else system.version
    known = re.match(r"\d{1,6}(\.\d{1,6})?", release or "")
    if system.os not in FLOORS or system.libc == "musl" or not known:
        return True
    return Version(known[0]) >= Version(row.oldest)


def notices(build: Build, machine: Machine, wish: Wish) -> tuple[Notice, ...]:
    """Return what the person should know about the build chosen."""
    found = (
        carrier_notice(build, machine, wish),
        gpu_build_notice(build, machine, wish),
        unused_gpu_notice(machine, wish),
        sampled_notice(build, machine),
        unknown_notice(build, machine, wish),
        *backends.notices(build, machine, wish),
    )
    return tuple(notice for notice in found if notice)


def carrier_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """A release that another project carries is said so, with the reason."""
    wanted = canonicalize_name(wished_build(wish, machine).name)
    rows = (row for row in carriers(wanted) if (row.carrier, row.family) == (build.project, build.family))
    why = next((row.why for row in rows if build.project != wanted), None)
    text = f"{wanted} is met by {build.project} {build.version}: {why}."
    return Notice("met-by-another-project", text) if why else None


def gpu_build_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """A CUDA build on a machine without its CUDA may not even be imported; its CPU twin can."""
    missing = missing_libraries(build, machine, wish) if build.project == GPU_PROJECT else None
    if missing is None:
        return None
    text = f"This build needs {missing}, which were not found; the CPU twin is tensorflow=={build.version}."
    return Notice("gpu-build-without-cuda", text)


def unused_gpu_notice(machine: Machine, wish: Wish) -> Notice | None:
    """A card for which there are no builds is said to stay unused."""
    return None if wish.gpu is not None or accelerators.has_gpu(machine) else other_card_notice(machine)


def sampled_notice(build: Build, machine: Machine) -> Notice | None:
    """On a processor without AVX, that a build has none is known from samples of its code."""
    features = machine.cpu.features
    if build.project == backends.KERAS:
        return None
    if features is None or "avx" in features or family_of(machine.system) in {None, *CPU_ONLY}:
        return None
    text = f"Samples of {build.project} {build.version} have no AVX in them; on no such processor was it run."
    return Notice("cpu-level-sampled", text)


def unknown_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """A fact that mattered and could not be read is named."""
    unknown = list(unknown_facts(build, machine, wish))
    if not unknown:
        return None
    return Notice(
        "unknown-facts", f"Not known of this machine, so not held against the build: {', '.join(unknown)}."
    )


def unknown_facts(build: Build, machine: Machine, wish: Wish) -> Iterator[str]:
    """Yield the facts that some obstacle of this build rests on and that are not known."""
    system, pythons = machine.system, usable_pythons(build, machine, wish)
    facts = {
        "the system": system.os,
        "the processor": system.arch,
        "the CPU's features": machine.cpu.features if build.cpu else "not needed",
        "the version of glibc": system.libc_version if build.glibc else "not needed",
        "the version of macOS": system.version if macos_floor(build) else "not needed",
        "the Pythons": machine.pythons,
    }
    yield from (name for name, fact in facts.items() if fact is None)
    yield from unknown_gpu_facts(build, machine, wish)
    if pythons and None in {pythons[0].abi, pythons[0].bits, pythons[0].arch}:
        yield f"what {pythons[0].path} was built for"


# ---------------------------------------------------------------- Keras


@cache
def keras_rules() -> list[tuple[SpecifierSet, tables.KerasRule]]:
    """Return the pairs of TensorFlow range and Keras rule."""
    return [(SpecifierSet(rule.tensorflow), rule) for rule in tables.load("keras.json", tables.KerasRule)]


@cache
def keras_rule(version: str) -> tables.KerasRule:
    """Return the rule for a TensorFlow release, its {minor} filled in."""
    rule = next(rule for versions, rule in keras_rules() if versions.contains(version, prereleases=True))
    return tables.for_minor(rule, version)


def fitting_keras(build: Build, wanted: SpecifierSet) -> list[str]:
    """Return the Keras releases wished for that work with the build on its Python, newest first."""
    return keras_in(SpecifierSet(keras_rule(build.version).works) & wanted, minor_of(build.python_tag))


@cache
def keras_in(versions: SpecifierSet, python: str) -> list[str]:
    """Return the Keras releases in a range that a Python minor may install, newest first."""
    return [
        row.version
        for row in tables.load("keras_releases.json", tables.KerasRelease)
        if versions.contains(row.version, prereleases=False)
        and SpecifierSet(row.requires_python or "").contains(f"{python}.99")
    ]


def pair_of(build: Build) -> str:
    """Return the requirement of the Keras that pairs with a build, as it can be typed."""
    rule = keras_rule(build.version)
    return f"'keras{rule.keras or rule.works}'"


# ---------------------------------------------------------------- tags


def processor_of(system: System) -> str | None:
    """Return the processor's own family: under Rosetta an Apple one calls itself x86_64."""
    return "aarch64" if system.rosetta else system.arch


def family_of(system: System) -> str | None:
    """Return the family of wheels for a system, None where there is none or too little is known."""
    return FAMILIES.get((system.os or "", processor_of(system) or ""))


@lru_cache(maxsize=8)  # one system is asked about hundreds of wheels
def platform_tags(system: System) -> frozenset[str] | None:
    """Return the platform tags that a system's installers accept; None when too little is known."""
    arch = processor_of(system)
    if system.libc == "musl":
        return frozenset()  # no wheel of the tables has musllinux
    if system.os == "linux" and system.libc and system.libc_version and arch:
        return frozenset(linux_platforms(system.libc, system.libc_version, arch))
    if system.os == "macos" and system.version and arch:
        return frozenset(macos_platforms(system.version, arch))
    return frozenset({"win_amd64"}) if (system.os, arch) == ("windows", "x86_64") else None


def linux_platforms(libc: str, version: str, arch: str) -> Iterator[str]:
    """Yield the manylinux tags of a glibc (PEP 600)."""
    minor = min((*Version(version).release, 0)[1], NEWEST_MINOR)
    for supported in range(minor, 4, -1) if libc == "glibc" else ():
        yield f"manylinux_2_{supported}_{arch}"
        if supported in LEGACY_MANYLINUX:
            yield f"{LEGACY_MANYLINUX[supported]}_{arch}"


def macos_platforms(version: str, arch: str) -> Iterable[str]:
    """Return the tags of a macOS, newest first."""
    major, minor = (*Version(version).release, 0)[:2]
    return mac_platforms(
        (min(major, NEWEST_MINOR), min(minor, NEWEST_MINOR)), "arm64" if arch == "aarch64" else arch
    )


def glibc_floor(build: Build) -> str | None:
    """Return the oldest glibc that both the tag and the binaries allow; None off Linux.

    Companions are resolved for this floor, so that a lock serves every machine that the build fits.
    """
    legacy = {name: f"2.{minor}" for minor, name in LEGACY_MANYLINUX.items()}
    by_tag = []
    for tag in build.platform.split("."):
        if tag.startswith("manylinux_"):
            by_tag.append(".".join(tag.split("_")[1:3]))
        elif tag.startswith("manylinux"):
            by_tag.append(legacy[tag.split("_", 1)[0]])
    if not by_tag:
        return None
    return max(min(by_tag, key=Version), build.glibc or "0", OLDEST_GLIBC, key=Version)


def macos_floor(build: Build) -> str | None:
    """Return the oldest macOS that both the tag and the binaries allow; None on other systems."""
    by_tag = [".".join(tag.split("_")[1:3]) for tag in build.platform.split(".") if tag.startswith("macosx_")]
    return max(min(by_tag, key=Version), build.macos or "0", key=Version) if by_tag else None


def python_release(python_tag: str) -> tuple[int, int]:
    """Return the Python of a tag.

    >>> python_release("cp310"), python_release("cp27")
    ((3, 10), (2, 7))
    """
    return int(python_tag[2]), int(python_tag[3:])


def minor_of(python_tag: str) -> str:
    """Return the Python minor of a tag as people write it.

    >>> minor_of("cp310")
    '3.10'
    """
    return f"{python_tag[2]}.{python_tag[3:]}"


# ---------------------------------------------------------------- words


def describe_family(family: str) -> str:
    """Return a family in people's words.

    >>> describe_family("macos_arm64")
    'macOS arm64'
    """
    system, arch = family.split("_", 1)
    return f"{SYSTEM_NAMES[system]} {arch}"


def describe_system(system: System) -> str:
    """Return a system in people's words.

    >>> describe_system(System(os="linux", arch="x86_64", libc="musl", libc_version="1.2.4"))
    'Linux x86_64, musl 1.2.4'
    """
    name = SYSTEM_NAMES.get(system.os or "", system.os or "unknown system")
    version = f" {system.version}" if system.os != "linux" and system.version else ""
    libc = f", {system.libc} {system.libc_version or ''}".rstrip() if system.libc else ""
    return f"{name}{version} {processor_of(system) or 'unknown processor'}{libc}"


def platform_remedy(system: System) -> str | None:
    """Return what makes more wheels fit a system."""
    if system.os == "macos":
        return "update macOS"
    if system.libc == "musl":
        return "use a distribution or container with glibc, such as Debian or Ubuntu"
    return "use a newer release of the distribution, or a container of one"
