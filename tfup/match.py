"""Stage 2, match: the newest build with no obstacle on this machine.

`obstacles` decides and explains: a build fits where it finds none, and what it finds is the
explanation of every build passed over. What a machine file does not know is held against no build.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.tags import mac_platforms
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfup import tables
from tfup.errors import Need, UnknownVersion
from tfup.model import Build, Choice, Interpreter, Machine, Match, Notice, Obstacle, PassedOver, System, Wish
from tfup.wish import is_build, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from packaging.requirements import Requirement

DEFAULT_PROJECT = "tensorflow"
SLIM_PROJECT = "tensorflow-cpu"
GPU_PROJECT = "tensorflow-gpu"

CARRIERS = {
    # Apple silicon and 64-bit ARM had their wheels under other names before the project itself had them
    ("tensorflow", "macos_arm64"): ("tensorflow", "tensorflow-macos"),
    ("tensorflow", "linux_aarch64"): ("tensorflow", "tensorflow-cpu-aws"),
}
FAMILIES = {
    ("linux", "x86_64"): "linux_x86_64",
    ("linux", "aarch64"): "linux_aarch64",
    ("macos", "x86_64"): "macos_x86_64",
    ("macos", "aarch64"): "macos_arm64",
    ("windows", "x86_64"): "windows_amd64",
}
OLDEST_GLIBC = "2.17"  # nothing older is served by uv and its Pythons, nor by most companions' wheels
SYSTEM_NAMES = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}
LEGACY_MANYLINUX = {
    5: "manylinux1",
    12: "manylinux2010",
    17: "manylinux2014",
}  # PEP 600, "Legacy manylinux tags"


class Candidate(NamedTuple):
    """A build with its obstacles; no obstacle, then it fits."""

    build: Build
    obstacles: tuple[Obstacle, ...]


def match(machine: Machine, wish: Wish) -> Match:
    """Return the newest build that fits, and every newer release passed over.

    Raises UnknownVersion when no release at all meets the versions wished for.
    """
    wanted = wished_build(wish)
    passed: list[PassedOver] = []
    for release in releases(wanted, machine):
        best = best_candidate(release, machine, wish)
        if not best.obstacles:
            return Match(choose(best.build, machine, wish), tuple(passed), notices(best.build, machine, wish))
        passed.append(PassedOver(best.build.project, best.build.version, best.obstacles))
    if not passed:
        raise unknown_version(wanted)
    return Match(None, tuple(passed), nearest=min(passed, key=lambda over: len(over.obstacles)))


def why_not(requirement: str, machine: Machine, wish: Wish) -> PassedOver | None:
    """Return what keeps the newest release of a requirement from this machine, None when nothing does."""
    wanted = parse(requirement)
    newest = next(releases(wanted, machine), None)
    if newest is None:
        raise unknown_version(wanted)
    best = best_candidate(newest, machine, wish)
    return PassedOver(best.build.project, best.build.version, best.obstacles) if best.obstacles else None


# ---------------------------------------------------------------- the wish


def wished_build(wish: Wish) -> Requirement:
    """Return the requirement that names the build; the default project where none does."""
    default = SLIM_PROJECT if wish.slim else DEFAULT_PROJECT
    return parse(next(filter(is_build, wish.requirements), default))


def names_exactly(wanted: Requirement) -> bool:
    """Tell whether a requirement names one version."""
    return any(item.operator in {"==", "==="} and "*" not in item.version for item in wanted.specifier)


def wished_keras(wish: Wish) -> SpecifierSet:
    """Return the versions of Keras wished for; the empty set allows all."""
    wanted = (parse(text) for text in wish.requirements)
    return next((one.specifier for one in wanted if canonicalize_name(one.name) == "keras"), SpecifierSet())


def releases(wanted: Requirement, machine: Machine) -> Iterator[tuple[Build, ...]]:
    """Yield the builds of each release wished for, newest first; a pre-release only by its exact number."""
    project = canonicalize_name(wanted.name)
    family = FAMILIES.get((machine.system.os or "", machine.system.arch or ""), "")
    rows = [row for name in CARRIERS.get((project, family), (project,)) for row in tables.releases(name)]
    versions = {row.version for row in rows if wanted.specifier.contains(row.version)}
    for version in sorted(versions, key=Version, reverse=True):
        yield tuple(build for row in rows if row.version == version for build in tables.builds(row))


def unknown_version(wanted: Requirement) -> UnknownVersion:
    """Return the error for versions that no release has, with the nearest ones."""
    known = [row.version for row in tables.releases(canonicalize_name(wanted.name))]
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
    """Return everything that keeps this build from this machine; nothing when it fits."""
    found = (test(build, machine, wish) for test in TESTS)
    return tuple(obstacle for obstacle in found if obstacle)


def system_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """The wheel was made for another system or processor."""
    system = machine.system
    if system.os is None or system.arch is None or FAMILIES.get((system.os, system.arch)) == build.family:
        return None
    remedy = "use a 64-bit system on x86_64 or ARM" if system.arch == "i686" else None
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


def python_obstacle(build: Build, machine: Machine, _wish: Wish) -> Obstacle | None:
    """No interpreter for this wheel is here, and none can be obtained."""
    if fitting_pythons(build, machine) or obtainable(build):
        return None
    minor = minor_of(build.python_tag)
    here = ", ".join(python.version for python in machine.pythons or ()) or None
    remedy = f"install CPython {minor} (for instance: pyenv install {minor}) and run the same command again"
    return Obstacle("python", f"CPython {minor} with ABI {build.abi}, 64 bit", here, remedy)


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
    return Obstacle("carrier", f"{build.carrier_lacks} for {build.python_tag}", None, "choose a newer Python")


def yanked_obstacle(build: Build, _machine: Machine, wish: Wish) -> Obstacle | None:
    """The release was withdrawn by its makers and was not asked for by its exact number."""
    if not build.yanked or names_exactly(wished_build(wish)):
        return None
    remedy = f"ask for {build.project}=={build.version} exactly"
    return Obstacle("yanked", "a release that was not withdrawn", "withdrawn", remedy)


def keras_obstacle(build: Build, _machine: Machine, wish: Wish) -> Obstacle | None:
    """No Keras of the versions wished for works with this release on this Python."""
    wanted = wished_keras(wish)
    if not wanted or fitting_keras(build, wanted):
        return None
    rule = keras_rule(build.version)
    return Obstacle(
        "keras", f"keras {rule.works} ({rule.why})", f"keras{wanted}", f"ask for {pair_of(build)}"
    )


def accelerator_obstacle(_build: Build, _machine: Machine, wish: Wish) -> Obstacle | None:
    """A GPU was demanded; this version of tfup matches builds for the CPU only."""
    if not wish.gpu:
        return None
    return Obstacle(
        "accelerator", "a match of GPU, driver and CUDA", "tfup matches CPU builds only so far", "use --cpu"
    )


TESTS: Sequence[Callable[[Build, Machine, Wish], Obstacle | None]] = (
    system_obstacle,
    platform_obstacle,
    libc_obstacle,
    macos_obstacle,
    cpu_obstacle,
    yanked_obstacle,
    carrier_obstacle,
    wished_python_obstacle,
    python_obstacle,
    keras_obstacle,
    accelerator_obstacle,
)


# ---------------------------------------------------------------- choosing


def best_candidate(release: tuple[Build, ...], machine: Machine, wish: Wish) -> Candidate:
    """Return the build of a release with the fewest obstacles; a Python here wins, then the newest."""
    candidates = [Candidate(build, obstacles(build, machine, wish)) for build in release]
    return min(
        candidates,
        key=partial(preference, machine=machine, wanted=canonicalize_name(wished_build(wish).name)),
    )


def preference(candidate: Candidate, *, machine: Machine, wanted: str) -> tuple[object, ...]:
    """Order candidates of one release: total, so that no order of any table matters."""
    build = candidate.build
    return (
        len(candidate.obstacles),
        not build.family.startswith(machine.system.os or ""),
        sorted(obstacle.name for obstacle in candidate.obstacles),
        not fitting_pythons(build, machine),
        build.project != wanted,
        [-part for part in python_release(build.python_tag)],
        build.project,
        build.wheel.file,
    )


def choose(build: Build, machine: Machine, wish: Wish) -> Choice:
    """Return the choice of a build: with the interpreter that is here, or the minor to obtain."""
    here = [python for python in fitting_pythons(build, machine) if is_wished(python, wish)]
    python = here[0] if here else None
    return Choice(
        project=build.project,
        version=build.version,
        python=python.version if python else minor_of(build.python_tag),
        python_tag=build.python_tag,
        python_path=python.path if python else None,
        python_from="found" if python else "obtain",
        wheel=build.wheel,
        platform=build.family,
        glibc=glibc_floor(build),
        macos=macos_floor(build),
        accelerator="cuda" if build.project == GPU_PROJECT else "cpu",
        backend=wish.backend or "tensorflow",
    )


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
        and (python.arch is None or system.arch is None or python.arch == system.arch)
    )


def is_wished(python: Interpreter, wish: Wish) -> bool:
    """Tell whether an interpreter is the Python wished for: a minor, or an exact version."""
    return wish.python is None or f"{python.version}.".startswith(f"{wish.python}.")


@cache
def obtainable_pythons() -> frozenset[tuple[str, str]]:
    """Return the pairs of Python tag and family that uv can fetch."""
    return frozenset((row.python_tag, row.family) for row in tables.load("pythons.json", tables.PythonRow))


def obtainable(build: Build) -> bool:
    """Tell whether uv can fetch an interpreter for the wheel."""
    return (build.python_tag, build.family) in obtainable_pythons()


def notices(build: Build, machine: Machine, wish: Wish) -> tuple[Notice, ...]:
    """Return what the person should know about the build chosen."""
    found = (
        gpu_build_notice(build, machine),
        unused_gpu_notice(build, machine, wish),
        unknown_notice(build, machine),
    )
    return tuple(notice for notice in found if notice)


def gpu_build_notice(build: Build, machine: Machine) -> Notice | None:
    """A CUDA build on a machine without CUDA cannot be imported; its CPU twin can."""
    if build.project != GPU_PROJECT or machine.cuda:
        return None
    twin = f"tensorflow=={build.version}"
    return Notice(
        "gpu-build-without-cuda", f"This build needs CUDA, and none was found; the CPU twin is {twin}."
    )


def unused_gpu_notice(build: Build, machine: Machine, wish: Wish) -> Notice | None:
    """A GPU that is here and stays unused is said so."""
    if not machine.gpus or wish.gpu is False or build.project == GPU_PROJECT:
        return None
    names = ", ".join(gpu.name or gpu.vendor for gpu in machine.gpus)
    return Notice("gpu-unused", f"{names}: this version of tfup prepares the CPU only.")


def unknown_notice(build: Build, machine: Machine) -> Notice | None:
    """A fact that mattered and could not be read is named."""
    system = machine.system
    facts = {
        "the system": system.os,
        "the processor": system.arch,
        "the CPU's features": machine.cpu.features if build.cpu else "not needed",
        "the version of glibc": system.libc_version if build.glibc else "not needed",
        "the Pythons": machine.pythons,
    }
    unknown = [name for name, fact in facts.items() if fact is None]
    if not unknown:
        return None
    return Notice(
        "unknown-facts", f"Not known of this machine, so not held against the build: {', '.join(unknown)}."
    )


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
        if versions.contains(row.version) and SpecifierSet(row.requires_python or "").contains(f"{python}.99")
    ]


def pair_of(build: Build) -> str:
    """Return the requirement of the Keras that pairs with a build, as it can be typed."""
    rule = keras_rule(build.version)
    return f"'keras{rule.keras or rule.works}'"


# ---------------------------------------------------------------- tags


def platform_tags(system: System) -> frozenset[str] | None:
    """Return the platform tags that a system's installers accept; None when too little is known."""
    if system.os == "linux" and system.libc and system.libc_version and system.arch:
        return frozenset(linux_platforms(system.libc, system.libc_version, system.arch))
    if system.os == "macos" and system.version and system.arch:
        return frozenset(macos_platforms(system.version, system.arch))
    return frozenset({"win_amd64"}) if (system.os, system.arch) == ("windows", "x86_64") else None


def linux_platforms(libc: str, version: str, arch: str) -> Iterator[str]:
    """Yield the manylinux tags of a glibc (PEP 600); no wheel of the tables has musllinux."""
    minor = Version(version).release[1]
    for supported in range(minor, 4, -1) if libc == "glibc" else ():
        yield f"manylinux_2_{supported}_{arch}"
        if supported in LEGACY_MANYLINUX:
            yield f"{LEGACY_MANYLINUX[supported]}_{arch}"


def macos_platforms(version: str, arch: str) -> Iterable[str]:
    """Return the tags of a macOS, newest first."""
    major, minor = (*Version(version).release, 0)[:2]
    return mac_platforms((major, minor), "arm64" if arch == "aarch64" else arch)


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
    return f"{name}{version} {system.arch or 'unknown processor'}{libc}"


def platform_remedy(system: System) -> str | None:
    """Return what makes more wheels fit a system."""
    if system.os == "macos":
        return "update macOS"
    if system.libc == "musl":
        return "use a distribution or container with glibc, such as Debian or Ubuntu"
    return "use a newer release of the distribution, or a container of one"
