"""The machine around the environment: whether the installed build fits it, and whether there is room.

The obstacles are those of `match`, so that doctor and plan never differ; what is not known is held against
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from tfup import tables
from tfup.doctor.catalogue import issue
from tfup.doctor.finding import Own, remake, trouble
from tfup.match.obstacles import cpu_obstacle, libc_obstacle, macos_obstacle, platform_obstacle
from tfup.match.platforms import FAMILIES
from tfup.model import Wish
from tfup.pin.windows_runtime import WITH_PYTHON, needs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Patient
    from tfup.model import Build, Machine, Obstacle

LEAST_DISK = 1_500_000_000
LEAST_MEMORY = 1_500_000_000
"""Bytes: an unpacked TensorFlow takes 1.3 GB, its import and a small model about as much memory."""
LONGEST_PLACE = 110
"""Letters: the deepest file of TensorFlow lies some 150 below site-packages, and Windows stops at 260."""
ROOM = Own(
    "The disk is almost full", "An upgrade needs room for both environments, and Keras for what it saves."
)
CARDS = Own(
    "NVIDIA's driver is there, and no graphics card answers",
    "The card is hidden, the container was started without it, or the kernel's module is not loaded.",
)


def describe(patient: Patient) -> str:
    """Say what was compared."""
    system = patient.machine.system
    return " ".join(filter(None, (system.name, system.version, system.arch)))


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield what the machine lacks for this environment."""
    yield from (unfit(patient, build, found) for build, found in misfits(patient))
    yield from no_avx2(patient)
    yield from room(patient.machine)
    yield from windows(patient)
    yield from cards(patient)
    if patient.machine.system.rosetta:
        yield trouble("apple-silicon-rosetta-python", patient.environment.python)


# ---------------------------------------------------------------- the build


def misfits(patient: Patient) -> Iterator[tuple[Build, Obstacle]]:
    """Yield the first obstacle of the installed build that lies in the machine, not in its Python."""
    build = installed_build(patient)
    if build is not None:
        for test in (libc_obstacle, platform_obstacle, macos_obstacle, cpu_obstacle):
            obstacle = test(build, patient.machine, Wish())
            if obstacle:
                yield build, obstacle
                return


def installed_build(patient: Patient) -> Build | None:
    """Return the build that is installed, None where the tables do not know it."""
    found, inside, system = patient.tensorflow, patient.inside, patient.machine.system
    family = FAMILIES.get((system.os or "", system.arch or ""))
    if found is None or inside is None:
        return None
    tag = "cp" + "".join(inside.minor.split("."))
    builds = (build for row in tables.releases(found.name) for build in tables.builds(row))
    wanted = (found.version, family, tag)
    return next((one for one in builds if (one.version, one.family, one.python_tag) == wanted), None)


def unfit(patient: Patient, build: Build, obstacle: Obstacle) -> Trouble:
    """Return the trouble of a build that does not fit the machine."""
    evidence = f"{build.project} {build.version} needs {obstacle.needs}; found {obstacle.found}"
    return trouble(name_of(patient, build, obstacle), evidence, remake(patient))


def name_of(patient: Patient, build: Build, obstacle: Obstacle) -> str:
    """Return the known issue that an obstacle is."""
    system = patient.machine.system
    if obstacle.name == "cpu":
        return "cpu-no-avx"
    if system.os == "macos":
        return "macos-too-old-for-wheel"
    if system.libc == "musl":
        return "musl-alpine"
    return "glibc-2-27-for-2-21" if concerns("glibc-2-27-for-2-21", build.version) else "glibc-too-old"


def concerns(name: str, version: str) -> bool:
    """Tell whether a known issue is about a release of TensorFlow."""
    return SpecifierSet(issue(name).affected.tensorflow).contains(version, prereleases=True)


def no_avx2(patient: Patient) -> Iterator[Trouble]:
    """Yield the one release that was built with AVX2, on a processor that has AVX alone."""
    features, found = patient.machine.cpu.features or (), patient.tensorflow
    old = "avx" in features and "avx2" not in features
    if found and old and concerns("cpu-no-avx2-tf-2-4-0", found.version):
        evidence = f"{found.name} {found.version} on {patient.machine.cpu.model or 'this processor'}"
        yield trouble("cpu-no-avx2-tf-2-4-0", evidence)


# ---------------------------------------------------------------- room, Windows, cards


def room(machine: Machine) -> Iterator[Trouble]:
    """Yield that disk or memory is short."""
    disk, memory = machine.disk_free_bytes, machine.memory_bytes
    if disk is not None and disk < LEAST_DISK:
        evidence = f"{disk / 1e9:.1f} GB are free"
        yield trouble("disk-full", evidence, "tfup clean", own=ROOM, state="warning")
    if memory is not None and memory < LEAST_MEMORY:
        evidence = f"{memory / 1e9:.1f} GB of memory"
        yield trouble("low-memory", evidence, "tfup install --slim", state="warning")


def windows(patient: Patient) -> Iterator[Trouble]:
    """Yield missing C++ runtimes and paths that are too long: on Windows."""
    machine = patient.machine
    if machine.system.os != "windows":
        return
    yield from runtimes(patient)
    cards = [gpu.name or gpu.vendor for gpu in machine.gpus or () if gpu.vendor == "nvidia"]
    if cards and patient.tensorflow and concerns("windows-native-gpu-ended", patient.tensorflow.version):
        yield trouble("windows-native-gpu-ended", f"{cards[0]} stays unused", state="warning")
    strange = next((path for path in (patient.root, patient.home) if not str(path).isascii()), None)
    if strange and patient.tensorflow:
        evidence = f"{strange} has letters beyond plain ASCII"
        yield trouble("non-ascii-path-windows", evidence, r"tfup install --project C:\tf", state="warning")
    deep = next((place for place in patient.places if len(str(place)) > LONGEST_PLACE), None)
    if deep and machine.long_paths is False:
        evidence = f"{deep} has {len(str(deep))} letters, and LongPathsEnabled is 0"
        yield trouble("windows-long-paths", evidence, r"tfup install --project C:\tf", state="warning")


def runtimes(patient: Patient) -> Iterator[Trouble]:
    """Yield the C++ runtimes that the build loads and Windows lacks; wheels may bring them beside Python."""
    found = patient.tensorflow
    if found is None or "msvc-runtime" in patient.packages or not patient.machine.runtimes:
        return
    needed = [name for name in needs_of(found.name, found.version).parts if name not in WITH_PYTHON]
    missing = [name for name in needed if patient.machine.runtimes.get(name) is None]
    if missing:
        evidence = f"{found.name} {found.version} loads {', '.join(missing)}, not in System32"
        yield trouble("windows-dll-load-msvc", evidence)


def cards(patient: Patient) -> Iterator[Trouble]:
    """Yield a driver without a card, and cards that a variable hides."""
    machine = patient.machine
    hidden = patient.variables.get("CUDA_VISIBLE_DEVICES")
    nvidia = [gpu for gpu in machine.gpus or () if gpu.vendor == "nvidia"]
    if machine.driver and not nvidia and hidden is None:
        evidence = f"driver {machine.driver.version}, and no card"
        yield trouble("nvidia-no-device", evidence, "nvidia-smi", own=CARDS, state="warning")
    if machine.driver and nvidia and hidden in {"", "-1"}:
        yield trouble(
            "nvidia-no-device",
            f"CUDA_VISIBLE_DEVICES='{hidden}'",
            "unset CUDA_VISIBLE_DEVICES",
            state="warning",
        )
    if machine.system.wsl == 1:
        yield trouble(
            "wsl2-libcuda-missing", "this is WSL 1", "wsl --set-version DISTRIBUTION 2", state="warning"
        )
