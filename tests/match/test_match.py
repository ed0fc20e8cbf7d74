"""Stage 2: the newest build with no obstacle, and the explanation of every other."""

from __future__ import annotations

import random
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace
from packaging.version import Version

from tests.as_of import as_of
from tfup import tables
from tfup.errors import UnknownVersion
from tfup.match.builds import releases
from tfup.match.keras import keras_rule
from tfup.match.obstacles import obstacles
from tfup.match.platforms import FAMILIES, family_of, glibc_floor, macos_floor, platform_tags
from tfup.match.pythons import describe_pythons
from tfup.match.search import best_candidate, match, why_not
from tfup.match.what_if import what_would_help
from tfup.model import Build, Choice, Cpu, Gpu, Interpreter, Machine, Match, System, Wheel, Wish
from tfup.requirements import parse
from tfup.tables import BuildRow, CarrierRow, PythonRow, load, projects

if TYPE_CHECKING:
    from collections.abc import Iterator

THEN = as_of("2.21.0", candidate="2.22.0rc0")
ABIS = {"2.7": "cp27mu", "3.5": "cp35m", "3.6": "cp36m", "3.7": "cp37m"}


def python(version: str, **facts: object) -> Interpreter:
    """Return an ordinary 64-bit CPython."""
    minor = ".".join(version.split(".")[:2])
    abi = ABIS.get(minor, f"cp{minor.replace('.', '')}")
    return replace(Interpreter(f"/usr/bin/python{minor}", version, bits=64, arch="x86_64", abi=abi), **facts)


def linux(*versions: str, glibc: str = "2.36", features: tuple[str, ...] | None = ("avx", "avx2")) -> Machine:
    """Return a Linux machine with these Pythons."""
    return Machine(
        system=System(os="linux", arch="x86_64", libc="glibc", libc_version=glibc),
        cpu=Cpu(model="some CPU", features=features),
        pythons=tuple(map(python, versions)),
    )


def wish(*requirements: str, **parts: object) -> Wish:
    """Return a wish for these requirements."""
    return replace(Wish(requirements=requirements), **parts)


def build_of(version: str, python_tag: str) -> Build:
    """Return the Linux x86_64 build of a release."""
    release = next(releases(parse(f"tensorflow=={version}"), linux()))
    return next(one for one in release if (one.python_tag, one.family) == (python_tag, "linux_x86_64"))


def matched(machine: Machine, wanted: Wish) -> Match:
    """Return what is matched with the releases of the day on which these tests were written."""
    return match(machine, wanted, THEN)


def chosen(machine: Machine, wanted: Wish) -> tuple[str, str, str]:
    """Return project, version and Python of the choice."""
    choice = matched(machine, wanted).choice
    assert choice is not None
    return choice.project, choice.version, choice.python


def first_obstacle(machine: Machine, wanted: Wish) -> tuple[str, str, str | None]:
    """Return the obstacle of the nearest build."""
    nearest = matched(machine, wanted).nearest
    assert nearest is not None
    return nearest.obstacles[0].name, nearest.obstacles[0].needs, nearest.obstacles[0].found


def test_newest_release_on_the_newest_python_that_is_here() -> None:
    """Several Pythons fit the newest release; the newest of them is taken, and it is not fetched."""
    found = matched(linux("3.10.13", "3.13.0", "3.11.7"), Wish())

    assert found.choice is not None
    assert ("3.13.0", "found") == (found.choice.python, found.choice.python_from)
    assert () == found.passed_over


def test_release_wins_over_python_that_is_here() -> None:
    """A machine with Python 3.9 alone gets the newest release with a Python to be fetched."""
    choice = matched(linux("3.9.18"), Wish()).choice

    assert choice is not None
    assert ("obtain", None) == (choice.python_from, choice.python_path)


def test_old_release_takes_the_newest_patch_and_its_python() -> None:
    """`tensorflow==1.15.*` is the last patch release, on 3.7 rather than 3.6."""
    assert ("tensorflow", "1.15.5", "3.7.16") == chosen(linux("3.6.15", "3.7.16"), wish("tensorflow==1.15.*"))


def test_wished_python_is_obeyed() -> None:
    """--python decides where several would do."""
    assert "3.10.13" == chosen(linux("3.10.13", "3.13.0"), wish("tensorflow==2.21.0", python="3.10"))[2]


def test_python_nobody_can_fetch_is_an_obstacle_with_a_remedy() -> None:
    """No download serves CPython 3.6: it is named, with what is here and what to do."""
    found = matched(linux("3.13.0"), wish("tensorflow==1.5.0"))

    assert found.choice is None
    assert ("python", "CPython 3.6 with ABI cp36m, 64 bit", "3.13.0") == first_obstacle(
        linux("3.13.0"), wish("tensorflow==1.5.0")
    )
    assert "pyenv install 3.6" in (found.nearest.obstacles[0].remedy or "")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "odd",
    [{"bits": 32}, {"abi": "cp313t"}, {"free_threaded": True}, {"implementation": "pypy"}, {"arch": "i686"}],
)
def test_interpreter_that_cannot_load_the_wheel_is_not_taken(odd: dict[str, object]) -> None:
    """32-bit, free-threaded, PyPy and foreign processors are no hosts for the wheels."""
    machine = replace(linux(), pythons=(python("3.13.0", **odd),))
    choice = matched(machine, Wish()).choice

    assert choice is not None
    assert "obtain" == choice.python_from


def test_release_candidate_of_python_is_not_taken() -> None:
    """A pre-release interpreter is no ground to stand on."""
    choice = matched(linux("3.13.0rc2"), Wish()).choice

    assert choice is not None
    assert "obtain" == choice.python_from


def test_old_glibc_gets_the_newest_release_made_for_it() -> None:
    """Ubuntu 16.04 has glibc 2.23; the newest release for it is chosen and the newer one explained."""
    found = matched(linux("3.12.1", glibc="2.23"), Wish())

    assert found.choice is not None
    assert "2.20.0" == found.choice.version
    assert ["2.21.0"] == [over.version for over in found.passed_over]
    assert "platform" == found.passed_over[0].obstacles[0].name


def test_tag_that_understates_glibc_is_not_believed() -> None:
    """manylinux1 promises glibc 2.5; the binaries of 1.5.1 ask for 2.17."""
    assert ("libc", "glibc 2.17 or newer", "glibc 2.12") == first_obstacle(
        linux("3.6.15", glibc="2.12"), wish("tensorflow==1.5.1")
    )


def test_processor_without_avx_gets_the_last_release_without_it() -> None:
    """On such a CPU the import would die without a word; 1.5.0 is the last Linux build that runs."""
    old = linux("3.6.15", features=("sse4_2",))

    assert ("tensorflow", "1.5.0", "3.6.15") == chosen(old, wish("tensorflow<2"))
    assert ("cpu", "a processor with AVX", "some CPU") == first_obstacle(old, wish("tensorflow==2.21.0"))


def test_unknown_facts_are_not_held_against_a_build() -> None:
    """A machine file that knows only the system still gets an answer, which names what was not known."""
    found = matched(Machine(system=System(os="linux", arch="x86_64")), Wish())

    assert found.choice is not None
    assert ["unknown-facts"] == [notice.id for notice in found.warnings]
    assert "CPU's features" in found.warnings[0].text


def test_musl_is_told_where_wheels_run() -> None:
    """No release has a musllinux wheel."""
    alpine = Machine(system=System(os="linux", arch="x86_64", libc="musl", libc_version="1.2.4"))
    found = matched(alpine, Wish())

    assert found.choice is None
    assert "glibc" in (found.nearest.obstacles[0].remedy or "")  # type: ignore[union-attr]


def test_thirty_two_bit_windows_has_no_build() -> None:
    """The nearest build named is one for the same system."""
    windows = Machine(system=System(os="windows", arch="i686"))

    assert ("system", "Windows amd64", "Windows i686") == first_obstacle(windows, Wish())


@pytest.mark.parametrize(
    ("system", "version"),
    [
        (System(os="macos", arch="x86_64", version="14.0"), "2.16.2"),
        (System(os="macos", arch="aarch64", version="14.0"), "2.21.0"),
        (System(os="windows", arch="x86_64", version="10"), "2.21.0"),
        (System(os="linux", arch="aarch64", libc="glibc", libc_version="2.31"), "2.21.0"),
    ],
)
def test_other_systems_are_matched_too(system: System, version: str) -> None:
    """Intel Macs ended with 2.16; the others go on."""
    assert version == chosen(Machine(system=system), Wish())[1]


def test_apple_silicon_release_of_2022_is_met_by_its_carrier() -> None:
    """`tensorflow==2.9.2` had no wheel for Apple silicon; tensorflow-macos carried it."""
    mac = Machine(system=System(os="macos", arch="aarch64", version="13.0"))

    assert ("tensorflow-macos", "2.9.2") == chosen(mac, wish("tensorflow==2.9.2"))[:2]


def test_empty_wheel_whose_carrier_lacks_this_python_is_an_obstacle() -> None:
    """tensorflow 2.13.1 for Windows on Python 3.8 pulls a tensorflow-intel that does not exist."""
    windows = Machine(system=System(os="windows", arch="x86_64"), pythons=(python("3.8.10"),))

    assert "carrier" == first_obstacle(windows, wish("tensorflow==2.13.1", python="3.8"))[0]


def test_keras_of_2018_decides_the_release() -> None:
    """`keras==2.2.4` alone gets the newest TensorFlow it was seen to work on."""
    found = matched(linux("3.7.16", "3.13.0"), wish("keras==2.2.4"))

    assert found.choice is not None
    assert "1.15.5" == found.choice.version
    assert "keras" == found.passed_over[0].obstacles[0].name


def test_contradicting_pair_is_refused_with_the_pair_that_works() -> None:
    """Keras 2.2.4 was never made for TensorFlow 2.21."""
    found = matched(linux("3.13.0"), wish("keras==2.2.4", "tensorflow==2.21.0"))

    assert found.choice is None
    assert "ask for 'keras>=3.0'" == found.nearest.obstacles[0].remedy  # type: ignore[union-attr]


def test_gpu_build_without_cuda_names_its_twin() -> None:
    """`tensorflow-gpu==1.5.0` is what was asked for; the plan says what would run here."""
    found = matched(linux("3.6.15"), wish("tensorflow-gpu==1.5.0"))

    assert found.choice is not None
    assert ("tensorflow-gpu", "1.5.0") == (found.choice.project, found.choice.version)
    assert "tensorflow==1.5.0" in found.warnings[0].text


@pytest.mark.parametrize(
    ("build", "python_", "without"),
    [
        ("tensorflow-gpu==1.5.0", "3.6.15", "this build cannot be imported"),
        ("tensorflow-gpu==2.3.1", "3.8.18", "this build uses no GPU"),
    ],
)
def test_gpu_build_without_a_gpu_tells_what_it_can_do(build: str, python_: str, without: str) -> None:
    """Only the older ones are linked to CUDA; without a card, no cuDNN is proposed."""
    here = replace(linux(python_), gpus=(), driver=None, cuda=(), cudnn=())
    told = {notice.id: notice.text for notice in matched(here, wish(build)).warnings}

    assert without in told["gpu-build-without-cuda"]
    assert f"No GPU was found, and {build.replace('==', ' ')} is made for one." == told["gpu-unused"]


def test_gpu_that_stays_unused_is_said() -> None:
    """Nobody gets a CPU install without a word."""
    machine = replace(linux("3.13.0"), gpus=(Gpu(vendor="amd", name="Radeon RX 7900 XTX"),))

    assert ["gpu-unused"] == [notice.id for notice in matched(machine, Wish()).warnings]
    assert () == matched(machine, wish(gpu=False)).warnings


def test_demanded_gpu_is_never_silently_a_cpu() -> None:
    """--gpu is refused where there is none."""
    assert matched(replace(linux("3.13.0"), gpus=()), wish(gpu=True)).choice is None


def test_unknown_version_names_the_nearest() -> None:
    """2.10.7 never was; 2.10.1 is what was meant."""
    with pytest.raises(UnknownVersion) as caught:
        matched(linux("3.10.13"), wish("tensorflow==2.10.7"))

    assert "2.10.1" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("asked", "hint"), [("==2.99", "tensorflow==2.21.0"), ("==2.22.0rc7", "tensorflow==2.22.0rc0")]
)
def test_candidate_is_no_advice_unasked(asked: str, hint: str) -> None:
    """Who asks for a release that never was gets a final one named, unless a candidate was meant."""
    with pytest.raises(UnknownVersion) as caught:
        matched(linux("3.13.0"), wish(f"tensorflow{asked}"))

    assert f"tfup versions, or tfup plan {hint}" == caught.value.hint


def test_withdrawn_release_is_chosen_only_by_its_exact_number() -> None:
    """A yanked build has an obstacle in a range, and none when it is named."""
    build = replace(build_of("2.21.0", "cp313"), yanked=True)

    assert ["yanked"] == [
        obstacle.name for obstacle in obstacles(build, linux("3.13.0"), wish("tensorflow<3"))
    ]
    assert () == obstacles(build, linux("3.13.0"), wish("tensorflow==2.21.0"))


def test_why_not_names_what_to_change() -> None:
    """The release that fits has no obstacle; the other has its first one."""
    assert why_not("tensorflow==2.21.0", linux("3.13.0"), Wish()) is None
    over = why_not("tensorflow==2.21.0", linux("3.13.0", glibc="2.17"), Wish())

    assert over is not None
    assert "use a newer release of the distribution, or a container of one" == over.obstacles[0].remedy


def test_every_release_has_one_keras_rule() -> None:
    """The ranges of keras.json cover every release once."""
    for project in projects():
        for row in load("builds/builds.json", BuildRow):
            if row.project == project:
                assert keras_rule(row.version).works


def test_glibc_floor_is_the_stricter_of_tag_and_binaries() -> None:
    """A tag with several names counts with its oldest; nothing below 2.17 is promised."""
    build = Build(
        "tensorflow",
        "1",
        "cp39",
        "cp39",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "linux_x86_64",
        Wheel("", ""),
    )

    assert "2.17" == glibc_floor(build)
    assert "2.27" == glibc_floor(replace(build, glibc="2.27"))
    assert glibc_floor(replace(build, platform="win_amd64")) is None


def test_platform_tags_know_the_legacy_names() -> None:
    """glibc 2.17 is manylinux2014, 2010 and 1 as well; no newer."""
    tags = platform_tags(System(os="linux", arch="x86_64", libc="glibc", libc_version="2.17"))

    assert tags is not None
    assert {"manylinux1_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64"} <= tags
    assert "manylinux_2_18_x86_64" not in tags


# ---------------------------------------------------------------- empty wheels and other names

WINDOWS = System(os="windows", arch="x86_64", version="10.0.19045")
APPLE = System(os="macos", arch="aarch64", version="14.5")
INTEL_MAC = System(os="macos", arch="x86_64", version="13.6")
ARM = System(os="linux", arch="aarch64", libc="glibc", libc_version="2.31")
STUBS = [row for row in load("builds/builds.json", BuildRow) if row.carried_by]


@pytest.mark.parametrize("stub", STUBS, ids=lambda row: f"{row.project}-{row.version}-{row.family}")
def test_empty_wheel_needs_what_its_carrier_needs(stub: BuildRow) -> None:
    """What pulls in another project needs the processor, libc and Pythons of that project's wheel."""
    project, version = (stub.carried_by or "").split("==")
    carrier = next(r for r in tables.releases(project) if (r.version, r.family) == (version, stub.family))
    theirs = {wheel[0] for wheel in carrier.wheels}

    assert (carrier.cpu, carrier.glibc, carrier.macos) == (stub.cpu, stub.glibc, stub.macos)
    assert {wheel[0] for wheel in stub.wheels} - theirs <= set(stub.carrier_lacks)


def test_empty_wheel_for_windows_needs_avx_by_its_carrier() -> None:
    """tensorflow 2.15 for Windows holds nothing; tensorflow-intel 2.15, which it pulls in, needs AVX."""
    old = Machine(system=WINDOWS, cpu=Cpu(model="Celeron", features=("sse4_2",)))

    assert ("cpu", "a processor with AVX", "Celeron") == first_obstacle(old, wish("tensorflow==2.15.1"))
    assert "2.14.1" == chosen(old, wish("tensorflow<2.15"))[1]


def test_empty_wheel_that_names_itself_is_never_chosen() -> None:
    """tensorflow-macos 2.15.1 pulls in tensorflow-macos 2.15.1, and nothing more."""
    assert "carrier" == first_obstacle(Machine(system=APPLE), wish("tensorflow-macos==2.15.1"))[0]


def test_gpu_name_is_met_by_the_same_build_and_said_so() -> None:
    """tensorflow-gpu ended with 2.11; from 2.1 on tensorflow is the same build."""
    found = matched(linux("3.13.0"), wish("tensorflow-gpu"))

    assert found.choice is not None
    assert ("tensorflow", "2.21.0") == (found.choice.project, found.choice.version)
    assert "the same build" in next(one.text for one in found.warnings if one.id == "met-by-another-project")


def test_gpu_name_is_taken_to_the_letter_where_it_has_a_wheel() -> None:
    """Of one release, the project that was named wins."""
    assert "tensorflow-gpu" == chosen(linux("3.10.13"), wish("tensorflow-gpu==2.10.1"))[0]


@pytest.mark.parametrize("system", [WINDOWS, ARM, APPLE])
def test_gpu_name_is_not_met_by_a_build_without_gpu(system: System) -> None:
    """Windows from 2.11 on, ARM and macOS have a tensorflow for the CPU only: another build."""
    assert "system" == first_obstacle(Machine(system=system), wish("tensorflow-gpu==2.12.0"))[0]


@pytest.mark.parametrize(
    ("system", "project"),
    [(WINDOWS, "tensorflow-cpu"), (INTEL_MAC, "tensorflow-cpu"), (APPLE, "tensorflow"), (ARM, "tensorflow")],
)
def test_slim_is_the_build_without_gpu(system: System, project: str) -> None:
    """On ARM and Apple silicon that is tensorflow itself."""
    assert project == chosen(Machine(system=system), wish(slim=True))[0]


def test_carriers_are_projects_of_the_table() -> None:
    """Each row names wheels that are there, and a reason with its source."""
    for row in load("builds/carriers.json", CarrierRow):
        assert {row.project, row.carrier} <= projects()
        assert any(build.family == row.family for build in tables.releases(row.carrier))
        assert row.why
        assert row.source


# ---------------------------------------------------------------- releases nobody should get unasked


def made_up(version: str, **facts: object) -> list[BuildRow]:
    """Return the rows of tensorflow of that day, and one more."""
    wheel = ("cp313", "cp313", "manylinux_2_17_x86_64", "0" * 64, 1)
    row = BuildRow("tensorflow", version, "linux_x86_64", [wheel])
    return [replace(row, **facts), *THEN("tensorflow")]


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("tensorflow", "2.21.0"),
        ("tensorflow<3", "2.21.0"),
        ("tensorflow>=2.20", "2.21.0"),
        ("tensorflow==2.22.0rc1", "2.22.0rc1"),
        ("tensorflow>=2.22.0rc0", "2.22.0rc1"),
    ],
)
def test_release_candidate_is_chosen_only_when_asked_for(wanted: str, version: str) -> None:
    """A range that names no pre-release means final releases."""
    found = match(linux("3.13.0"), wish(wanted), lambda name: made_up("2.22.0rc1") * (name == "tensorflow"))

    assert found.choice is not None
    assert version == found.choice.version


def test_range_of_candidates_only_is_unknown() -> None:
    """`tensorflow==2.22.*` has no final release."""
    with pytest.raises(UnknownVersion):
        match(linux("3.13.0"), wish("tensorflow==2.22.*"), lambda _: made_up("2.22.0rc1"))


def test_withdrawn_release_is_passed_over() -> None:
    """The newest that was not withdrawn is chosen, and the other explained."""
    rows = made_up("2.22.0", yanked=True)
    found = match(linux("3.13.0"), wish(), lambda name: rows * (name == "tensorflow"))

    assert found.choice is not None
    assert "2.21.0" == found.choice.version
    assert ["yanked"] == [obstacle.name for obstacle in found.passed_over[0].obstacles]


# ---------------------------------------------------------------- systems


def test_musl_without_a_version_is_musl() -> None:
    """That no wheel is for musl does not depend on which musl it is."""
    alpine = Machine(system=System(os="linux", arch="x86_64", libc="musl"))

    assert "platform" == first_obstacle(alpine, Wish())[0]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_rosetta_gets_no_intel_wheel(arch: str) -> None:
    """An Apple processor is one, whatever a translated Python says; that Python cannot load its wheels."""
    system = System(os="macos", arch=arch, version="14.5", rosetta=True)
    choice = matched(Machine(system=system, pythons=(python("3.13.0"),)), Wish()).choice

    assert choice is not None
    assert ("macos_arm64", "obtain") == (choice.platform, choice.python_from)


@pytest.mark.parametrize("arch", ["i686", "armv7l", "armv6l"])
def test_thirty_two_bit_linux_is_told_what_would_do(arch: str) -> None:
    """No release has a wheel for 32 bits."""
    found = matched(Machine(system=System(os="linux", arch=arch, libc="glibc", libc_version="2.36")), Wish())

    assert found.nearest is not None
    assert ["use a 64-bit system on x86_64 or ARM"] == [one.remedy for one in found.nearest.obstacles]


def test_build_for_another_system_says_that_alone() -> None:
    """That a Mac has no manylinux and no such Python is no news."""
    found = matched(Machine(system=INTEL_MAC), wish("tensorflow==2.21.0"))

    assert found.nearest is not None
    assert ["system"] == [obstacle.name for obstacle in found.nearest.obstacles]


@pytest.mark.parametrize("version", ["2", "2.999999999999", "99999999.1", "2.17.99999999999"])
def test_any_version_of_glibc_is_borne(version: str) -> None:
    """A machine file may say anything; it must neither crash nor take long."""
    assert matched(linux("3.13.0", glibc=version), Wish())
    assert matched(Machine(system=replace(APPLE, version=version)), Wish())


def test_what_mattered_and_is_unknown_is_named() -> None:
    """The version of a Mac decides, so a file without it says so."""
    found = matched(Machine(system=replace(APPLE, version=None), pythons=()), Wish())

    assert ["unknown-facts"] == [notice.id for notice in found.warnings]
    assert "the version of macOS" in found.warnings[0].text


def test_interpreter_of_unknown_make_is_taken_and_named() -> None:
    """A file that does not say for what a Python was built is believed, with a word."""
    bare = replace(linux(), pythons=(Interpreter("/opt/python", "3.13.0"),))
    found = matched(bare, Wish())

    assert found.choice is not None
    assert "/opt/python" == found.choice.python_path
    assert "what /opt/python was built for" in found.warnings[0].text


def test_processor_without_avx_is_told_how_we_know() -> None:
    """That a build runs there follows from samples of its code."""
    old = linux("3.6.15", features=("sse4_2",))

    assert ["cpu-level-sampled"] == [notice.id for notice in matched(old, Wish()).warnings]


# ---------------------------------------------------------------- the very Python


def test_wished_patch_release_that_is_here_is_taken() -> None:
    """3.10.13 is 3.10.13, and not the newer 3.10.14 beside it."""
    assert "3.10.13" == chosen(linux("3.10.14", "3.10.13"), wish(python="3.10.13"))[2]


def test_wished_patch_release_that_is_not_here_is_fetched() -> None:
    """With 3.10.4 alone, 3.10.13 is to be obtained, as 3.10.13."""
    choice = matched(linux("3.10.4"), wish(python="3.10.13")).choice

    assert choice is not None
    assert ("3.10.13", "obtain", None) == (choice.python, choice.python_from, choice.python_path)


def test_wished_patch_release_that_nobody_has_is_an_obstacle() -> None:
    """3.10.1 is not to be fetched; what is here is told, and what would do."""
    machine = linux("3.10.4")
    found = matched(machine, wish("tensorflow==2.21.0", python="3.10.1"))

    assert found.choice is None
    assert found.nearest is not None
    assert ("python", "CPython 3.10.1 with ABI cp310, 64 bit", "3.10.4") == first_obstacle(
        machine, wish("tensorflow==2.21.0", python="3.10.1")
    )
    assert "ask for --python 3.10" == found.nearest.obstacles[0].remedy


@pytest.mark.parametrize(
    ("system", "remedy"),
    [
        (System(os="linux", arch="x86_64", libc="glibc", libc_version="2.12"), "a Linux with glibc 2.17"),
        (System(os="macos", arch="x86_64", version="10.14.6"), "macOS 10.15"),
        (System(os="windows", arch="x86_64", version="6.1.7601"), "Windows 10"),
    ],
)
def test_old_system_cannot_be_given_a_python(system: System, remedy: str) -> None:
    """What uv fetches does not start there, so it is not promised."""
    found = matched(Machine(system=system, pythons=()), wish(python="3.8"))

    assert found.choice is None
    assert found.nearest is not None
    assert f"use {remedy} or newer" in (found.nearest.obstacles[-1].remedy or "")


def test_pythons_to_fetch_are_of_known_systems() -> None:
    """Each row says on what it starts and which patch releases there are."""
    for row in load("builds/pythons.json", PythonRow):
        assert row.family in FAMILIES.values()
        assert Version(row.oldest)
        assert row.patches == sorted(set(row.patches))


# ---------------------------------------------------------------- what a change would give

OLD_MAC = Machine(system=replace(INTEL_MAC, version="10.14.6"), pythons=(python("3.7.9"),))
ALPINE = Machine(system=System(os="linux", arch="x86_64", libc="musl", libc_version="1.2.4"))
ATOM = linux("3.6.15", features=("sse4_2",))


@pytest.mark.parametrize(
    ("requirement", "machine", "wanted", "answer"),
    [
        ("tensorflow==2.21.0", linux(glibc="2.23"), Wish(), "glibc 2.23 -> 2.27 gives tensorflow 2.21.0"),
        ("tensorflow==2.21.0", ALPINE, Wish(), "musl 1.2.4 -> glibc 2.27 gives tensorflow 2.21.0"),
        ("tensorflow==2.16.2", OLD_MAC, Wish(), "macOS 10.14.6 -> 10.15 gives tensorflow 2.16.2"),
        ("tensorflow==2.21.0", ATOM, Wish(), "some CPU -> one with AVX gives tensorflow 2.21.0"),
        ("tensorflow==1.5.0", linux(), Wish(), "CPython 3.6 installed gives tensorflow 1.5.0"),
        (
            "tensorflow==2.8.4",
            linux(glibc="2.12"),
            Wish(),
            "glibc 2.12 -> 2.17 gives tensorflow 2.8.4",
        ),
        (
            "tensorflow",
            Machine(system=replace(WINDOWS, version="6.1.7601")),
            Wish(),
            "Windows 6.1.7601 -> 10 gives tensorflow 2.21.0",
        ),
        ("tensorflow==2.21.0", linux(), wish(python="3.9"), "no --python 3.9 gives tensorflow 2.21.0"),
        ("tensorflow==2.21.0", linux(), wish("keras==2.2.4"), "keras>=3.0 gives tensorflow 2.21.0"),
        (
            "tensorflow==2.21.0",
            replace(ATOM, system=replace(ATOM.system, libc_version="2.23")),
            Wish(),
            "glibc 2.23 -> 2.27 gives tensorflow 1.5.0; what keeps tensorflow==2.21.0 away then: cpu",
        ),
        (
            "tensorflow==2.21.0",
            Machine(system=INTEL_MAC),
            Wish(),
            "macOS 13.6 x86_64 -> macOS arm64 gives tensorflow 2.21.0",
        ),
        ("tensorflow==2.21.0", linux(), Wish(), None),
        ("tensorflow==2.11.1", Machine(system=ARM), Wish(), None),
    ],
)
def test_first_change_is_made_and_matched_again(
    requirement: str, machine: Machine, wanted: Wish, answer: str | None
) -> None:
    """The change is told with what it gives; None where the build fits, or nothing would help."""
    assert answer == what_would_help(requirement, machine, wanted, THEN)


# ---------------------------------------------------------------- properties

ODD = some.sampled_from(
    [
        {},
        {"bits": 32},
        {"free_threaded": True, "abi": "cp313t"},
        {"implementation": "pypy"},
        {"arch": "aarch64"},
    ]
)
VERSIONS = some.sampled_from(
    ["2.7.18", "3.5.9", "3.6.15", "3.7.16", "3.8.10", "3.9.1", "3.10.13", "3.12.1", "3.13.0rc1", "3.14.0"]
)
PYTHONS = some.lists(some.builds(lambda version, odd: python(version, **odd), VERSIONS, ODD), max_size=4)
GLIBCS = ["2.5", "2.12", "2.17", "2.23", "2.27", "2.31", "2.39"]
MACOS = ["10.11", "10.13.6", "10.14.6", "10.15", "11.3", "12.0", "14.5", "26.0"]
SYSTEMS = some.one_of(
    some.builds(
        lambda arch, libc, version: System(os="linux", arch=arch, libc=libc, libc_version=version),
        some.sampled_from(["x86_64", "aarch64", "i686", None]),
        some.sampled_from(["glibc", "glibc", "musl", None]),
        some.sampled_from([*GLIBCS, None]),
    ),
    some.builds(
        lambda arch, version, rosetta: System(os="macos", arch=arch, version=version, rosetta=rosetta),
        some.sampled_from(["x86_64", "aarch64"]),
        some.sampled_from([*MACOS, None]),
        some.sampled_from([False, None]),
    ),
    some.builds(
        lambda version: System(os="windows", arch="x86_64", version=version),
        some.sampled_from(["6.1.7601", "10.0.19045", None]),
    ),
    some.just(System()),
)
MACHINES = some.builds(
    lambda system, features, pythons: Machine(system=system, cpu=Cpu(features=features), pythons=pythons),
    SYSTEMS,
    some.sampled_from([None, (), ("sse4_2",), ("avx",), ("avx", "avx2", "fma")]),
    some.one_of(some.none(), PYTHONS.map(tuple)),
)
WISHES = some.builds(
    lambda build, version, slim: Wish(requirements=build, python=version, slim=slim),
    some.sampled_from(
        [(), (), ("tensorflow<2",), ("tensorflow-gpu",), ("tensorflow==2.15.*",), ("keras==2.2.4",)]
    ),
    some.sampled_from([None, None, "3.6", "3.9", "3.10.13"]),
    some.booleans(),
)


def rank(machine: Machine, wanted: Wish) -> Version:
    """Return the release that is chosen, the lowest for none."""
    choice = match(machine, wanted).choice
    return Version(choice.version if choice else "0")


@given(MACHINES, WISHES, some.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_order_of_anything_does_not_matter(machine: Machine, wanted: Wish, seed: int) -> None:
    """The same Pythons and the same rows in another order give the same answer."""
    shuffler = random.Random(seed)  # noqa: S311 (an order, no secret)

    def mixed(project: str) -> list[BuildRow]:
        return shuffler.sample(tables.releases(project), len(tables.releases(project)))

    pythons = machine.pythons and tuple(shuffler.sample(machine.pythons, len(machine.pythons)))

    assert match(machine, wanted) == match(replace(machine, pythons=pythons), wanted, mixed)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("3.8", [("wish", "leave out --python")]),
        ("3.7.2", [("python", "ask for --python 3.7")]),
        ("3.7.16", []),
    ],
)
def test_python_that_is_here_is_not_to_be_installed(asked: str, told: list[tuple[str, str]]) -> None:
    """1.15 on a machine with 3.7.16: who typed another Python is told that, and nothing else."""
    build = build_of("1.15.5", "cp37")

    found = obstacles(build, linux("3.7.16", "3.8.18"), wish("tensorflow==1.15.5", python=asked))

    assert told == [(one.name, one.remedy) for one in found]


def test_unfit_pythons_are_described_in_one_order() -> None:
    """Also those of one version, each with another fault: the newest first, the fit before the unfit."""
    here = (
        python("2.7.18", bits=32),
        python("2.7.18", arch="aarch64"),
        python("2.7.18"),
        python("3.6.15"),
    )
    mac = System(os="macos", arch="x86_64", version="10.11")

    told = {tuple(describe_pythons(Machine(system=mac, pythons=order))) for order in permutations(here)}

    wrong = "made for aarch64; under Rosetta TensorFlow dies at its first AVX instruction"
    assert told == {("3.6.15", "2.7.18", f"2.7.18 ({wrong})", "2.7.18 (32 bit)")}


@given(MACHINES, WISHES)
@settings(max_examples=60, deadline=None)
def test_choice_has_no_obstacle_and_everything_newer_has_one(machine: Machine, wanted: Wish) -> None:
    """What decides and what explains is the same code."""
    found = match(machine, wanted)

    assert all(over.obstacles for over in found.passed_over)
    if found.choice:
        exact = parse(f"{found.choice.project}=={found.choice.version}")
        assert () == best_candidate(next(releases(exact, machine)), machine, wanted).obstacles
        assert all(Version(over.version) > Version(found.choice.version) for over in found.passed_over)


@given(MACHINES, WISHES, some.builds(lambda version, odd: python(version, **odd), VERSIONS, ODD))
@settings(max_examples=60, deadline=None)
def test_more_pythons_never_make_it_worse(machine: Machine, wanted: Wish, more: Interpreter) -> None:
    """Adding an interpreter, however odd, never lowers the release."""
    assert rank(replace(machine, pythons=(*(machine.pythons or ()), more)), wanted) >= rank(machine, wanted)


@given(MACHINES, WISHES, some.sampled_from(["avx", "avx2", "avx512f"]))
@settings(max_examples=60, deadline=None)
def test_more_features_never_make_it_worse(machine: Machine, wanted: Wish, feature: str) -> None:
    """A better processor never lowers the release; an unknown one is taken for the best."""
    if machine.cpu.features is not None:
        better = replace(machine, cpu=Cpu(features=(*machine.cpu.features, feature)))
        assert rank(better, wanted) >= rank(machine, wanted)


@given(MACHINES, WISHES, some.data())
@settings(max_examples=60, deadline=None)
def test_newer_system_never_makes_it_worse(machine: Machine, wanted: Wish, data: some.DataObject) -> None:
    """Neither does a newer glibc nor a newer macOS."""
    system = machine.system
    if system.libc == "glibc" and system.libc_version:
        newer = [one for one in GLIBCS if Version(one) > Version(system.libc_version)]
        changed = replace(system, libc_version=data.draw(some.sampled_from([*newer, system.libc_version])))
    elif system.os == "macos" and system.version:
        newer = [one for one in MACOS if Version(one) > Version(system.version)]
        changed = replace(system, version=data.draw(some.sampled_from([*newer, system.version])))
    else:
        return
    assert rank(replace(machine, system=changed), wanted) >= rank(machine, wanted)


@given(MACHINES, WISHES)
@settings(max_examples=150, deadline=None)
def test_choice_violates_no_row_of_the_tables(machine: Machine, wanted: Wish) -> None:
    """Each need of the wheel chosen is read from its row again, and met by what is known of the machine."""
    choice = match(machine, wanted).choice
    if choice:
        assert [] == list(violations(choice, machine, wanted))


@given(
    MACHINES,
    WISHES,
    some.sampled_from(["tensorflow", "tensorflow==2.13.1", "tensorflow-gpu<2", "tensorflow<1"]),
)
@settings(max_examples=60, deadline=None)
def test_help_is_for_what_does_not_fit(machine: Machine, wanted: Wish, requirement: str) -> None:
    """On no machine does asking for a change fail, and a build that fits needs none."""
    answer = what_would_help(requirement, machine, wanted)

    assert answer is None or why_not(requirement, machine, wanted) is not None
    assert answer is None or " gives " in answer


def violations(choice: Choice, machine: Machine, wanted: Wish) -> Iterator[str]:
    """Yield what the choice would need and the machine is known not to have; written apart from the match."""
    row = next(
        row
        for row in tables.releases(choice.project)
        if (row.version, row.family) == (choice.version, choice.platform)
    )
    build = next(build for build in tables.builds(row) if build.wheel == choice.wheel)
    system, features = machine.system, machine.cpu.features
    if family_of(system) not in {None, row.family}:
        yield "system"
    if features is not None and not set(row.cpu) <= set(features):
        yield "cpu"
    if row.family.startswith("linux") and system.libc == "musl":
        yield "musl"
    if older(system.libc_version if system.libc == "glibc" else None, row.glibc):
        yield "glibc"
    if system.os == "macos" and (
        older(system.version, row.macos) or older(system.version, macos_floor(build))
    ):
        yield "macos"
    if build.python_tag in row.carrier_lacks or Version(choice.version).is_prerelease or row.yanked:
        yield "release"
    if wanted.python and not f"{choice.python}.".startswith(f"{wanted.python}."):
        yield "wish"
    yield from violations_of_python(choice, build, machine)


def violations_of_python(choice: Choice, build: Build, machine: Machine) -> Iterator[str]:
    """Yield what is wrong with the interpreter: it is here and of the wheel's ABI, or it can be fetched."""
    tag = f"cp{''.join(choice.python.split('.')[:2])}"
    here = [one for one in machine.pythons or () if one.path == choice.python_path and one.abi == build.abi]
    if tag != build.python_tag:
        yield "tag"
    if choice.python_from == "found" and not any(
        one.version == choice.python and one.bits == 64 and one.implementation == "cpython" for one in here
    ):
        yield "interpreter"
    if choice.python_from == "obtain" and not any(
        (row.python_tag, row.family) == (tag, build.family) for row in load("builds/pythons.json", PythonRow)
    ):
        yield "download"


def older(known: str | None, needed: str | None) -> bool:
    """Tell whether what is known is older than what is needed."""
    return known is not None and needed is not None and Version(known) < Version(needed)


def test_obstacles_of_a_fitting_build_are_none() -> None:
    """The function that decides answers nothing for the build that was chosen."""
    machine = linux("3.13.0")

    assert () == obstacles(build_of("2.21.0", "cp313"), machine, Wish())
