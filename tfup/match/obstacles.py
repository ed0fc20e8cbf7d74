"""What keeps a build from a machine, or from what was wished for; a build without obstacles fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace
from packaging.version import Version

from tfup.match import keras_backends
from tfup.match.builds import names_exactly, wished_build
from tfup.match.gpu.obstacles import gpu_obstacles
from tfup.match.keras import fitting_keras, keras_rule, pair_of, wished_keras
from tfup.match.platforms import (
    WIDER,
    describe_family,
    describe_system,
    family_of,
    minor_of,
    platform_remedy,
    platform_tags,
)
from tfup.match.pythons import describe_pythons, obtainable, python_remedy, usable_pythons, wished_version
from tfup.model import Build, Machine, Obstacle, Wish
from tfup.requirements import KERAS


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
    """No interpreter for this wheel is here, and none can be obtained.

    Where another minor was wished for, that is the obstacle, and not that its interpreters do not serve.
    """
    if is_other_minor(build, wish):
        wish = replace(wish, python=None)
    if usable_pythons(build, machine, wish) or obtainable(build, machine.system, wish):
        return None
    version = wished_version(build, wish)
    if wish.manager == "conda":
        return Obstacle("python", f"CPython {version} from conda", None, "choose another manager or Python")
    here = ", ".join(describe_pythons(machine))
    remedy = python_remedy(build, machine, version)
    return Obstacle("python", f"CPython {version} with ABI {build.abi}, 64 bit", here or None, remedy)


def wished_python_obstacle(build: Build, _machine: Machine, wish: Wish) -> Obstacle | None:
    """The person asked for another Python than this wheel's."""
    if not is_other_minor(build, wish):
        return None
    return Obstacle(
        "wish", f"Python {minor_of(build.python_tag)}", f"--python {wish.python}", "leave out --python"
    )


def is_other_minor(build: Build, wish: Wish) -> bool:
    """Tell whether another minor of Python was wished for than a wheel's."""
    return wish.python is not None and minor_of(build.python_tag) != ".".join(wish.python.split(".")[:2])


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
    if not wanted or build.project == KERAS or fitting_keras(build, wanted):
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
    keras_backends.mpi_obstacle,
)
"""What a build needs of the machine."""
WISH_TESTS: Sequence[Test] = (
    yanked_obstacle,
    carrier_obstacle,
    wished_python_obstacle,
    keras_obstacle,
    keras_backends.backend_obstacle,
    keras_backends.release_obstacle,
)
"""What keeps a build from being what was asked for."""
