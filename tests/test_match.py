"""Stage 2: the newest build with no obstacle, and the explanation of every other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace
from packaging.version import Version

from tfup.errors import UnknownVersion
from tfup.match import (
    FAMILIES,
    best_candidate,
    glibc_floor,
    keras_rule,
    match,
    obstacles,
    platform_tags,
    releases,
    why_not,
)
from tfup.model import Build, Cpu, Gpu, Interpreter, Machine, System, Wheel, Wish
from tfup.tables import BuildRow, load, projects
from tfup.wish import parse

if TYPE_CHECKING:
    import random

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


def chosen(machine: Machine, wanted: Wish) -> tuple[str, str, str]:
    """Return project, version and Python of the choice."""
    choice = match(machine, wanted).choice
    assert choice is not None
    return choice.project, choice.version, choice.python


def first_obstacle(machine: Machine, wanted: Wish) -> tuple[str, str, str | None]:
    """Return the obstacle of the nearest build."""
    nearest = match(machine, wanted).nearest
    assert nearest is not None
    return nearest.obstacles[0].name, nearest.obstacles[0].needs, nearest.obstacles[0].found


def test_newest_release_on_the_newest_python_that_is_here() -> None:
    """Several Pythons fit the newest release; the newest of them is taken, and it is not fetched."""
    found = match(linux("3.10.13", "3.13.0", "3.11.7"), Wish())

    assert found.choice is not None
    assert ("3.13.0", "found") == (found.choice.python, found.choice.python_from)
    assert () == found.passed_over


def test_release_wins_over_python_that_is_here() -> None:
    """A machine with Python 3.9 alone gets the newest release with a Python to be fetched."""
    choice = match(linux("3.9.18"), Wish()).choice

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
    found = match(linux("3.13.0"), wish("tensorflow==1.5.0"))

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
    choice = match(machine, Wish()).choice

    assert choice is not None
    assert "obtain" == choice.python_from


def test_release_candidate_of_python_is_not_taken() -> None:
    """A pre-release interpreter is no ground to stand on."""
    choice = match(linux("3.13.0rc2"), Wish()).choice

    assert choice is not None
    assert "obtain" == choice.python_from


def test_old_glibc_gets_the_newest_release_made_for_it() -> None:
    """Ubuntu 16.04 has glibc 2.23; the newest release for it is chosen and the newer one explained."""
    found = match(linux("3.12.1", glibc="2.23"), Wish())

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
    found = match(Machine(system=System(os="linux", arch="x86_64")), Wish())

    assert found.choice is not None
    assert ["unknown-facts"] == [notice.id for notice in found.warnings]
    assert "CPU's features" in found.warnings[0].text


def test_musl_is_told_where_wheels_run() -> None:
    """No release has a musllinux wheel."""
    alpine = Machine(system=System(os="linux", arch="x86_64", libc="musl", libc_version="1.2.4"))
    found = match(alpine, Wish())

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

    assert "carrier" in {
        o.name for o in match(windows, wish("tensorflow==2.13.1", python="3.8")).nearest.obstacles
    }  # type: ignore[union-attr]


def test_keras_of_2018_decides_the_release() -> None:
    """`keras==2.2.4` alone gets the newest TensorFlow it was seen to work on."""
    found = match(linux("3.7.16", "3.13.0"), wish("keras==2.2.4"))

    assert found.choice is not None
    assert "1.15.5" == found.choice.version
    assert "keras" == found.passed_over[0].obstacles[0].name


def test_contradicting_pair_is_refused_with_the_pair_that_works() -> None:
    """Keras 2.2.4 was never made for TensorFlow 2.21."""
    found = match(linux("3.13.0"), wish("keras==2.2.4", "tensorflow==2.21.0"))

    assert found.choice is None
    assert "ask for 'keras>=3.0'" == found.nearest.obstacles[0].remedy  # type: ignore[union-attr]


def test_gpu_build_without_cuda_names_its_twin() -> None:
    """`tensorflow-gpu==1.5.0` is what was asked for; the plan says what would run here."""
    found = match(linux("3.6.15"), wish("tensorflow-gpu==1.5.0"))

    assert found.choice is not None
    assert ("tensorflow-gpu", "1.5.0") == (found.choice.project, found.choice.version)
    assert "tensorflow==1.5.0" in found.warnings[0].text


def test_gpu_that_stays_unused_is_said() -> None:
    """Nobody gets a CPU install without a word."""
    machine = replace(linux("3.13.0"), gpus=(Gpu(vendor="nvidia", name="RTX 4090"),))

    assert ["gpu-unused"] == [notice.id for notice in match(machine, Wish()).warnings]
    assert () == match(machine, wish(gpu=False)).warnings


def test_demanded_gpu_is_never_silently_a_cpu() -> None:
    """--gpu is refused as long as no GPU build can be matched."""
    assert match(linux("3.13.0"), wish(gpu=True)).choice is None


def test_unknown_version_names_the_nearest() -> None:
    """2.10.7 never was; 2.10.1 is what was meant."""
    with pytest.raises(UnknownVersion) as caught:
        match(linux("3.10.13"), wish("tensorflow==2.10.7"))

    assert "2.10.1" in (caught.value.hint or "")


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
        for row in load("builds.json", BuildRow):
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


MACHINES = some.builds(
    lambda system, glibc, features, versions: Machine(
        system=System(
            os=system[0],
            arch=system[1],
            libc="glibc" if system[0] == "linux" else None,
            libc_version=glibc if system[0] == "linux" else None,
        ),
        cpu=Cpu(features=features),
        pythons=tuple(map(python, versions)),
    ),
    some.sampled_from(sorted(FAMILIES)),
    some.sampled_from(["2.12", "2.17", "2.23", "2.27", "2.31", "2.39"]),
    some.sampled_from([None, (), ("avx",), ("avx", "avx2", "fma")]),
    some.lists(
        some.sampled_from(["2.7.18", "3.5.9", "3.6.15", "3.7.16", "3.9.1", "3.12.1", "3.14.0"]), unique=True
    ),
)


@given(MACHINES, some.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_anything_does_not_matter(machine: Machine, shuffler: random.Random) -> None:
    """The same facts in another order give the same choice."""
    shuffled = list(machine.pythons or ())
    shuffler.shuffle(shuffled)

    assert match(machine, Wish()).choice == match(replace(machine, pythons=tuple(shuffled)), Wish()).choice


@given(MACHINES)
@settings(max_examples=60, deadline=None)
def test_choice_has_no_obstacle_and_everything_newer_has_one(machine: Machine) -> None:
    """What decides and what explains is the same code."""
    found = match(machine, Wish())

    assert all(over.obstacles for over in found.passed_over)
    if found.choice:
        release = next(releases(parse(f"tensorflow=={found.choice.version}"), machine))
        assert () == best_candidate(release, machine, Wish()).obstacles
        assert all(Version(over.version) > Version(found.choice.version) for over in found.passed_over)


@given(MACHINES)
@settings(max_examples=40, deadline=None)
def test_more_pythons_never_make_it_worse(machine: Machine) -> None:
    """Adding an interpreter never lowers the release."""
    richer = replace(machine, pythons=(*(machine.pythons or ()), python("3.6.9")))
    before, after = match(machine, Wish()).choice, match(richer, Wish()).choice

    assert before is None or (after is not None and Version(after.version) >= Version(before.version))


def test_obstacles_of_a_fitting_build_are_none() -> None:
    """The function that decides answers nothing for the build that was chosen."""
    machine = linux("3.13.0")

    assert () == obstacles(build_of("2.21.0", "cp313"), machine, Wish())
