"""The GPU half of the match: card, driver, CUDA and cuDNN beside what the wheels hold."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.as_of import as_of
from tfup import tables
from tfup.machine import read_machine
from tfup.machine.capability import by_name
from tfup.match.builds import releases
from tfup.match.gpu import kernels, pip_packages
from tfup.match.gpu.cards import without_part
from tfup.match.gpu.drivers import last_driver, needed_driver, parts_of
from tfup.match.gpu.judge import has_gpu
from tfup.match.gpu.libraries import knows, possible_sources, serves_cudnn, serves_toolkit
from tfup.match.gpu.obstacles import part_obstacle
from tfup.match.gpu.tables import CudaRow, DefectRow, cards, cuda_rows, defects, plugins, toolkits
from tfup.match.obstacles import obstacles
from tfup.match.search import match, why_not
from tfup.match.what_if import what_would_help
from tfup.model import (
    Choice,
    Cpu,
    Cudnn,
    Driver,
    FoundLibrary,
    Gpu,
    Interpreter,
    Machine,
    Match,
    Obstacle,
    System,
    Toolkit,
    Wish,
)
from tfup.pin.companions import companions_of
from tfup.pin.files import known_files
from tfup.requirements import parse
from tools import make_gpu_page

THEN = as_of("2.21.0", candidate="2.22.0rc0")
MACHINES = Path(__file__).parents[1] / "machines"
ABIS = {"3.6": "cp36m", "3.7": "cp37m"}
LINUX = System(os="linux", arch="x86_64", libc="glibc", libc_version="2.35")
WINDOWS = System(os="windows", arch="x86_64", version="10.0.19045")
APPLE = System(os="macos", arch="aarch64", version="14.5")


def python(minor: str) -> Interpreter:
    """Return an ordinary CPython."""
    abi = ABIS.get(minor, f"cp{minor.replace('.', '')}")
    return Interpreter(f"/usr/bin/python{minor}", f"{minor}.9", bits=64, arch="x86_64", abi=abi)


def machine(driver: str | None, *capabilities: str, system: System = LINUX, **facts: object) -> Machine:
    """Return a machine with these cards, every Python, and no CUDA unless it is said."""
    base = Machine(
        system=system,
        cpu=Cpu(features=("avx", "avx2")),
        pythons=tuple(map(python, ("3.6", "3.7", "3.8", "3.10", "3.12"))),
        gpus=tuple(Gpu("nvidia", f"card {one}", one, index=n) for n, one in enumerate(capabilities)),
        driver=Driver(driver) if driver else None,
        cuda=(),
        cudnn=(),
    )
    return replace(base, **facts)


def with_cuda(driver: str, capability: str, cuda: str, cudnn: str, **facts: object) -> Machine:
    """Return a machine with this CUDA and cuDNN installed."""
    own = Cudnn(cudnn, cuda=".".join(cuda.split(".")[:2]))
    return machine(driver, capability, cuda=(Toolkit(cuda),), cudnn=(own,), **facts)


def wish(*requirements: str, **parts: object) -> Wish:
    """Return a wish for these requirements."""
    return replace(Wish(requirements=requirements), **parts)


def matched(where: Machine, wanted: Wish) -> Match:
    """Return what is matched with the releases of the day on which these tests were written."""
    return match(where, wanted, THEN)


def chosen(where: Machine, wanted: Wish | None = None) -> Choice:
    """Return the choice on a machine."""
    choice = matched(where, wanted or Wish()).choice
    assert choice is not None
    return choice


def use(where: Machine, wanted: Wish | None = None) -> tuple[str, str, str | None, list[str]]:
    """Return the release, the accelerator, whose libraries, and the verdicts."""
    choice = chosen(where, wanted)
    return choice.version, choice.accelerator, choice.cuda_from, [card.verdict for card in choice.gpus]


def warned(found: Match) -> dict[str, str]:
    """Return the warnings by their ids."""
    return {notice.id: notice.text for notice in found.warnings}


def nearest(where: Machine, wanted: Wish) -> dict[str, Obstacle]:
    """Return the obstacles of the nearest build where none fits, by name."""
    found = matched(where, wanted)
    assert found.choice is None
    assert found.nearest is not None
    return {obstacle.name: obstacle for obstacle in found.nearest.obstacles}


# ---------------------------------------------------------------- the seven machines


@pytest.mark.parametrize(
    ("name", "version", "cuda", "verdict", "why"),
    [
        ("rtx5090-driver580", "2.21.0", "12.5", "jit", "no machine code for 12.0"),
        ("rtx4090-driver615", "2.21.0", "12.5", "native", "machine code for 8.9"),
        ("h100-driver570", "2.21.0", "12.5", "mixed", "machine code for 9.0 in 22 % of the kernels"),
        ("rtx3090-driver550", "2.21.0", "12.5", "native", "serves CUDA 12.5 by minor version compatibility"),
        ("gtx1080-driver535", "2.21.0", "12.5", "native", "machine code for 6.1"),
        ("k80-driver470", "2.14.1", "11.8", "native", "machine code for 3.7"),
        ("v100-driver460", "2.14.1", "11.8", "native", "460.32.03 serves CUDA 11.8 by minor version"),
    ],
)
def test_common_machine_gets_its_build(name: str, version: str, cuda: str, verdict: str, why: str) -> None:
    """Each of the machines for which others answer wrongly gets a build that runs on it, and the reason."""
    choice = chosen(read_machine(str(MACHINES / f"gpu-{name}.json")))

    assert (version, "cuda", cuda, "pip") == (
        choice.version,
        choice.accelerator,
        choice.cuda,
        choice.cuda_from,
    )
    assert {verdict} == {card.verdict for card in choice.gpus}
    assert why in choice.gpus[0].why


def test_blackwell_is_told_what_fails() -> None:
    """A card newer than the release gets no "GPU ok": what is compiled, may fail, fails, and remains."""
    texts = warned(matched(machine("580.95.05", "12.0"), Wish()))

    assert "30 minutes" in texts["gpu-jit"]
    assert "cuBLAS and cuDNN may fail" in texts["gpu-newer-than-cuda"]
    assert "jit_compile" in texts["gpu-xla-fails"]
    assert "--cpu" in texts["gpu-xla-fails"]


@pytest.mark.parametrize("version", ["2.16.2", "2.18.1", "2.20.0"])
def test_release_that_is_broken_on_blackwell_does_not_use_it(version: str) -> None:
    """Their PTX is for one older architecture only; asked for by number, they run on the processor."""
    found = matched(machine("580.95.05", "12.0"), wish(f"tensorflow=={version}"))

    assert found.choice is not None
    assert ("cpu", ["broken"]) == (found.choice.accelerator, [card.verdict for card in found.choice.gpus])
    assert "container" in warned(found)["gpu-unused"]


# ---------------------------------------------------------------- drivers


@pytest.mark.parametrize(
    ("driver", "capability", "version"),
    [
        ("525.60.13", "7.5", "2.21.0"),
        ("525.60.12", "7.5", "2.14.1"),
        ("450.80.02", "7.5", "2.14.1"),
        ("555.42.02", "9.0", "2.21.0"),
        ("555.42.01", "9.0", "2.18.1"),
        ("530.30.02", "9.0", "2.16.2"),
        ("520.61.05", "8.6", "2.14.1"),
        ("520.61.04", "8.6", "2.11.1"),
        ("460.27.02", "8.6", "2.7.4"),
    ],
)
def test_driver_decides_with_the_card(driver: str, capability: str, version: str) -> None:
    """Machine code runs by minor version compatibility; PTX needs the driver of the toolkit that made it."""
    assert (version, "cuda") == use(machine(driver, capability))[:2]


def test_driver_of_windows_counts_inside_wsl() -> None:
    """527.41 is below the 528.33 of Windows, and would do for Linux."""
    wsl = replace(LINUX, wsl=2)

    assert "2.21.0" == use(machine("528.33", "8.6", system=wsl))[0]
    assert "2.14.1" == use(machine("527.41", "7.5", system=wsl))[0]


def test_driver_of_which_only_the_cuda_is_known_counts() -> None:
    """A person may have set no more than that; and the cards are then not known either."""
    node = replace(machine(None), gpus=None, driver=Driver(cuda="11.2"))
    choice = chosen(node, wish(gpu=True))

    assert ("2.14.1", "cuda") == (choice.version, choice.accelerator)
    assert "the GPU" in warned(matched(node, wish(gpu=True)))["unknown-facts"]


def test_driver_that_is_not_there_is_what_lacks() -> None:
    """A card that nouveau runs is no obstacle; that there is no driver of NVIDIA's is."""
    bare = machine(None, "7.5")
    bare = replace(bare, gpus=(replace((bare.gpus or ())[0], visible=False),))

    assert "525.60.13 or newer" == nearest(bare, wish(gpu=True))["driver"].needs
    assert ("2.21.0", "cpu") == use(bare)[:2]


def test_newer_driver_serves_every_older_build() -> None:
    """A driver of today runs the oldest CUDA build."""
    old = with_cuda("580.95", "6.1", "8.0.61", "6.0.21")

    assert ("1.4.1", "cuda", "system") == use(old, wish("tensorflow-gpu<1.5"))[:3]


# ---------------------------------------------------------------- CUDA and cuDNN


@pytest.mark.parametrize(
    ("cuda", "cudnn", "version"),
    [
        ("9.0.176", "7.0.5", "1.5.1"),
        ("9.0.176", "7.1.4", "1.5.1"),
        ("9.0.176", "7.4.2", "1.12.0"),
        ("8.0.61", "5.1.10", "1.2.1"),
        ("8.0.61", "6.0.21", "1.4.1"),
        ("10.0.130", "7.4.1", "2.0.4"),
        ("10.0.130", "7.3.1", None),
        ("10.1.243", "7.6.5", "2.3.4"),
        ("10.1.243", "8.0.5", None),
        ("9.1.85", "7.0.5", None),
        ("9.2.148", "7.6.5", None),
    ],
)
def test_cuda_before_11_must_be_the_very_minor(cuda: str, cudnn: str, version: str | None) -> None:
    """Its libraries carry the minor in their names; of cuDNN the major counts, and no older minor serves."""
    choice = chosen(with_cuda("440.33", "6.1", cuda, cudnn), wish("tensorflow-gpu<2.4"))

    assert version == (choice.version if choice.cuda_from else None)


def test_cuda_9_1_alone_is_the_obstacle() -> None:
    """It is named with what it would take, and not ignored."""
    alone = with_cuda("388.59", "6.1", "9.1.85", "7.0.5", system=WINDOWS)
    found = nearest(alone, wish("tensorflow-gpu==1.5.1", gpu=True))

    assert ("9.0", "9.1") == (found["cuda"].needs, found["cuda"].found)
    assert "install CUDA 9.0 beside it" in (found["cuda"].remedy or "")
    assert "CUDA 9.0 and cuDNN 7.0 installed gives tensorflow-gpu 1.5.1 on the GPU" == what_would_help(
        "tensorflow-gpu==1.5.1", alone, Wish()
    )


def test_gpu_build_without_its_cuda_is_planned_with_a_word() -> None:
    """What was asked for by its number is planned; the twin that would run is named."""
    found = matched(machine("580.95", "6.1"), wish("tensorflow-gpu==1.5.0"))

    assert found.choice is not None
    assert ("tensorflow-gpu", "1.5.0", None) == (
        found.choice.project,
        found.choice.version,
        found.choice.cuda_from,
    )
    assert "tensorflow==1.5.0" in warned(found)["gpu-build-without-cuda"]


@pytest.mark.parametrize(
    ("built", "toolkit", "serves"),
    [
        ("2.10.1", "11.2.152", True),
        ("2.10.1", "11.8.89", True),
        ("2.10.1", "11.1.105", False),
        ("2.10.1", "12.0", False),
        ("2.4.4", "11.0.221", True),
        ("2.4.4", "11.1.105", False),
        ("2.4.4", "11.2.152", False),
        ("2.21.0", "12.6.77", True),
        ("2.21.0", "12.4.131", False),
        ("2.21.0", "13.0", False),
        ("1.15.0", "10.1.243", False),
    ],
)
def test_toolkit_must_have_the_very_names(built: str, toolkit: str, *, serves: bool) -> None:
    """cuSOLVER changed its name within CUDA 11; and no older library serves."""
    assert serves == serves_toolkit(cuda_rows()[built, "linux_x86_64"], Toolkit(toolkit))


@pytest.mark.parametrize(
    ("built", "cudnn", "of", "serves"),
    [
        ("2.21.0", "9.3.0", "12.5", True),
        ("2.21.0", "9.2.1", "12.5", False),
        ("2.21.0", "9.5.0", "11.8", False),
        ("2.21.0", "8.9.7", "12.2", False),
        ("1.4.1", "6.0.21", "8.0", True),
        ("1.2.1", "5.1.10", "8.0", True),
        ("1.2.1", "5.0.5", "8.0", False),
        ("1.15.0", "7.6.5", "10.0", True),
        ("1.15.0", "7.6.5", "10.1", False),
        ("1.15.0", "7.6.5", None, True),
    ],
)
def test_cudnn_must_be_of_the_make(built: str, cudnn: str, of: str | None, *, serves: bool) -> None:
    """The same major, made for the same CUDA, and not older; before 7 the very minor."""
    assert serves == serves_cudnn(cuda_rows()[built, "linux_x86_64"], Cudnn(cudnn, cuda=of))


def test_new_cudnn_serves_no_old_card() -> None:
    """cuDNN 9.11 dropped what is before 7.5: a V100 then takes NVIDIA's packages in the pinned version."""
    assert ("system", "pip") == (
        use(with_cuda("580.95", "7.5", "12.5.82", "9.27.0"))[2],
        use(with_cuda("580.95", "7.0", "12.5.82", "9.27.0"))[2],
    )
    assert knows("9.10.2", "7.0")
    assert not knows("9.12.0", "7.0")


def test_what_pip_or_conda_brought_serves_nobody_else() -> None:
    """A toolkit inside another environment is none of the system's."""
    own = machine(
        "418.67", "7.0", cuda=(Toolkit("10.1", owner="conda"),), cudnn=(Cudnn("7.6.5", owner="pip"),)
    )

    assert "cpu" == use(own)[1]


def test_runtime_without_its_other_libraries_does_not_serve() -> None:
    """Where the names were looked for, each must be there, and its path is told."""
    row = cuda_rows()["2.3.4", "linux_x86_64"]
    found = tuple(FoundLibrary(name, f"/usr/lib/{name}", "system") for name in row.sonames)
    whole = replace(with_cuda("418.67", "7.0", "10.1.243", "7.6.5"), libraries=found)
    part = replace(whole, libraries=tuple(one for one in found if "cusparse" not in one.soname))

    assert set(row.sonames) == {one.soname for one in chosen(whole).libraries}
    assert all(one.path == f"/usr/lib/{one.soname}" for one in chosen(whole).libraries)
    assert "cpu" == use(part)[1]
    assert "libcusparse.so.10" in (nearest(part, wish("tensorflow==2.3.4", gpu=True))["cuda"].found or "")


def test_libraries_come_from_where_they_can_be_had() -> None:
    """The system's if they are the right ones, else pip's, and conda's where it was asked for."""
    build = next(releases(parse("tensorflow==2.10.1"), machine("580.95", "8.0")))[0]
    old = next(releases(parse("tensorflow==2.3.4"), machine("580.95", "8.0")))[0]

    assert ("pip",) == possible_sources(build, machine("580.95", "8.0"), Wish())
    assert ("system", "pip") == possible_sources(build, with_cuda("580.95", "8.0", "11.2", "8.1.1"), Wish())
    assert () == possible_sources(old, machine("580.95", "7.0"), Wish())
    assert ("conda",) == possible_sources(old, machine("580.95", "7.0"), wish(manager="conda"))


# ---------------------------------------------------------------- cards


def test_one_usable_card_is_enough() -> None:
    """Each gets its verdict."""
    assert ("2.21.0", "cuda", "pip", ["none", "native"]) == use(machine("580.95", "3.7", "8.6"))


def test_card_that_cuda_may_not_see_is_not_used() -> None:
    """Hidden by a variable, or in a container without its device."""
    seen = machine("580.95", "8.6")
    hidden = replace(seen, gpus=(replace((seen.gpus or ())[0], visible=False),))

    assert "cpu" == use(hidden)[1]
    assert "gpu" in nearest(hidden, wish(gpu=True))


def test_divided_card_without_slices_is_not_used() -> None:
    """MIG leaves nothing of the whole card."""
    seen = machine("580.95", "8.0")
    cut = replace((seen.gpus or ())[0], mig=True, mig_devices=0)

    assert "cpu" == use(replace(seen, gpus=(cut,)))[1]
    assert "cuda" == use(replace(seen, gpus=(replace(cut, mig_devices=2),)))[1]


def test_capability_follows_from_the_name_where_the_driver_does_not_tell_it() -> None:
    """Drivers of 2017 do not; what is in no table is named as unknown, and not held against a build."""
    named = machine("580.95", gpus=(Gpu("nvidia", "Tesla K80"),))
    unknown = machine("580.95", gpus=(Gpu("nvidia", "Something New"),))

    assert "2.14.1" == use(named)[0]
    assert "2.21.0" == use(unknown)[0]
    assert "the compute capability of Something New" in warned(matched(unknown, Wish()))["unknown-facts"]


def test_every_name_in_the_table_is_found() -> None:
    """With and without the maker's name before it."""
    for row in cards():
        for name in row.names:
            assert row.capability == by_name(name)
            assert row.capability == by_name(f"NVIDIA {name.removeprefix('NVIDIA ')}")


@pytest.mark.parametrize("capability", ["5.3", "7.2", "8.7", "10.7", "11.0", "12.1", "13.0"])
def test_card_that_no_list_names_is_judged_by_the_rules(capability: str) -> None:
    """What runs on a card follows from the code in the wheel, not from a list of cards."""
    row = cuda_rows()["2.21.0", "linux_x86_64"]
    verdict = kernels.judge(row, kernels.number_of(capability)).verdict

    assert ("jit" if float(capability) > 9 else "native" if float(capability) > 6 else "none") == verdict


def test_patch_release_without_machine_code_gives_way_to_the_one_with_it() -> None:
    """1.12.2 and 1.12.3 were built for a K80 alone; whoever asks for them by number gets them."""
    here = with_cuda("440.33", "6.1", "9.0.176", "7.6.5")

    assert ("1.12.0", "native") == (
        use(here, wish("tensorflow-gpu<1.13"))[0],
        chosen(here, wish("tensorflow-gpu<1.13")).gpus[0].verdict,
    )
    assert ("1.12.3", "jit") == (
        use(here, wish("tensorflow-gpu==1.12.3"))[0],
        chosen(here, wish("tensorflow-gpu==1.12.3")).gpus[0].verdict,
    )
    assert "1.12.3" == use(with_cuda("440.33", "3.7", "9.0.176", "7.6.5"), wish("tensorflow-gpu<1.13"))[0]


@pytest.mark.parametrize(
    ("vendor", "route"), [("amd", "tensorflow-rocm"), ("intel", "Intel's own extension")]
)
def test_other_makes_are_named_with_what_there_is_for_them(vendor: str, route: str) -> None:
    """ROCm and Intel's extension are not ours to install, and are said."""
    other = machine(None, gpus=(Gpu(vendor, "some card"),))

    assert "cpu" == use(other)[1]
    assert route in warned(matched(other, Wish()))["gpu-unused"]


# ---------------------------------------------------------------- the wish


def test_wish_goes_before_the_gpu() -> None:
    """A release asked for by number is that release, with a word about the card."""
    found = matched(machine("470.256", "3.7"), wish("tensorflow==2.21.0"))

    assert found.choice is not None
    assert ("2.21.0", "cpu") == (found.choice.version, found.choice.accelerator)
    assert "card 3.7 stays unused" in warned(found)["gpu-unused"]


def test_cpu_leaves_the_gpu_alone() -> None:
    """--cpu gets the newest release, and no word about the card."""
    found = matched(machine("470.256", "3.7"), wish(gpu=False))

    assert found.choice is not None
    assert ("2.21.0", "cpu", {}) == (found.choice.version, found.choice.accelerator, warned(found))


def test_gpu_that_is_demanded_and_unusable_is_refused() -> None:
    """With the nearest release, and what keeps it away."""
    assert "gpu" in nearest(machine("470.256", "2.1"), wish(gpu=True))
    assert {"driver"} == set(nearest(machine("418.67", "7.5"), wish(gpu=True)))
    assert {"gpu"} == set(nearest(machine(None), wish(gpu=True)))


def test_slim_gives_way_to_the_gpu() -> None:
    """The half without GPU is taken where none is used."""
    assert ("tensorflow", "cuda") == (
        chosen(machine("580.95", "8.6"), wish(slim=True)).project,
        use(machine("580.95", "8.6"))[1],
    )
    assert "tensorflow-cpu" == chosen(machine("418.67", "2.1"), wish(slim=True)).project


def test_what_is_unknown_is_not_held_against_a_gpu_build() -> None:
    """A file that says no more than that there is a card gets a CUDA plan that names what mattered."""
    bare = Machine(system=LINUX, gpus=(Gpu("nvidia"),))

    assert ("2.21.0", "cuda") == use(bare)[:2]
    assert "the NVIDIA driver" in warned(matched(bare, Wish()))["unknown-facts"]


def test_first_tensorflow_with_a_gpu_part_is_known() -> None:
    """1.15.0 is a GPU build under the name tensorflow; the patch releases after it are not."""
    here = with_cuda("440.33", "7.5", "10.0.130", "7.6.5")

    assert ("1.15.0", "cuda") == use(here, wish("tensorflow==1.15.*"))[:2]
    assert ("1.15.5", "cpu") == use(here, wish("tensorflow==1.15.5"))[:2]
    assert ("1.15.5", "cuda") == use(here, wish("tensorflow-gpu==1.15.*"))[:2]


def test_older_name_is_offered_where_it_would_use_the_gpu() -> None:
    """Under its name of today no release uses this card; nobody is given 2018 unasked."""
    here = with_cuda("384.111", "6.1", "9.0.176", "7.0.5")

    assert "tensorflow-gpu==1.5.1 would use it" in warned(matched(here, Wish()))["gpu-unused"]
    assert "2.21.0" == use(here)[0]
    assert ("1.5.1", "cuda") == use(here, wish(gpu=True))[:2]


def test_release_that_nobody_has_opened_is_not_called_a_cpu_build() -> None:
    """Of a release that no row tells of nothing is known: it is said so, and nothing is promised."""
    build = replace(tables.builds(tables.releases("tensorflow")[0])[0], version="2.99.0")

    assert "of whose GPU part nothing is known" in part_obstacle(build).found
    assert "its GPU part is not known" == without_part("2.99.0", machine("580.95", "8.9"))[0].why


def test_candidate_uses_the_gpu_and_says_what_was_derived() -> None:
    """Its wheel was read, and says nowhere which CUDA it was built with."""
    found = matched(machine("580.95", "8.9"), wish("tensorflow==2.22.0rc0"))

    assert found.choice is not None
    assert ("cuda", "pip") == (found.choice.accelerator, found.choice.cuda_from)
    assert "its CUDA follows from" in warned(found)["gpu-table-derived"]


# ---------------------------------------------------------------- systems


def test_windows_after_2_10_is_told_its_routes() -> None:
    """WSL2, an older release, or DirectML where it pairs; the choice runs on the processor and says so."""
    found = matched(machine("560.94", "8.9", system=WINDOWS), Wish())

    assert found.choice is not None
    assert ("2.21.0", "cpu") == (found.choice.version, found.choice.accelerator)
    text = warned(found)["gpu-unused"]
    assert all(word in text for word in ("WSL2", "tensorflow==2.10.1", "tensorflow-directml-plugin"))


def test_windows_uses_the_gpu_up_to_2_10() -> None:
    """With CUDA 11.2 and cuDNN 8.1 installed the last release for Windows that has a GPU part is taken."""
    here = with_cuda("461.33", "7.5", "11.2.2", "8.1.1", system=WINDOWS)

    assert ("2.10.1", "cuda", "system") == use(here)[:3]
    assert "cudart64_110.dll" in [one.soname for one in chosen(here).libraries]


def test_apple_gets_the_release_that_the_plugin_pairs_with() -> None:
    """The plug-in has its own Pythons and its own macOS; --cpu gives the newest release."""
    mac = Machine(system=APPLE, gpus=(Gpu("apple", "Apple M2"),), pythons=(python("3.13"),))

    assert ("2.18.1", "metal", None, ["native"]) == use(mac)
    assert "cp312" == chosen(mac).python_tag
    assert "metal-pair-doubted" in warned(matched(mac, Wish()))
    assert ("2.21.0", "cpu") == use(mac, wish(gpu=False))[:2]
    assert ("2.17.1", "metal", {}) == (
        *use(mac, wish("tensorflow<2.18"))[:2],
        warned(matched(mac, wish("tensorflow<2.18"))),
    )


def test_old_macos_runs_no_plugin() -> None:
    """It wants macOS 12; the processor does without."""
    old = Machine(system=replace(APPLE, version="11.6"), gpus=(Gpu("apple", "Apple M1"),))

    assert "cpu" == use(old)[1]
    assert "macOS 12.1 or newer" in warned(matched(old, Wish()))["gpu-unused"]


def test_plugin_is_pinned_with_its_hash() -> None:
    """The pin is that of the pair, and its file the one for the Python."""
    choice = chosen(Machine(system=APPLE, gpus=(Gpu("apple", "Apple M2"),), pythons=()))
    companions = companions_of(choice)
    (pin,), (plugin,) = companions.gpu_pins, companions.gpu

    assert "tensorflow-metal==1.2.0" == pin
    assert any("cp312-cp312-macosx_12_0_arm64" in file.file for file in known_files(companions, pin))
    assert all(len(file.sha256) == 64 for file in plugin.files)


def test_arm_linux_has_no_gpu_part() -> None:
    """The wheels for 64-bit ARM are for the processor alone, whatever card is there."""
    arm = machine("580.95", "12.1", system=replace(LINUX, arch="aarch64"))

    assert "cpu" == use(arm)[1]
    assert "processor alone" in warned(matched(arm, Wish()))["gpu-unused"]


@pytest.mark.parametrize("system", [LINUX, WINDOWS, APPLE])
def test_machine_without_a_gpu_is_planned_as_ever(system: System) -> None:
    """No word about CUDA, and nothing of it in the choice."""
    found = matched(Machine(system=system, gpus=(), pythons=()), Wish())

    assert found.choice is not None
    assert ("2.21.0", "cpu", None, ()) == (
        found.choice.version,
        found.choice.accelerator,
        found.choice.cuda_from,
        found.choice.gpus,
    )
    assert not [name for name in warned(found) if name.startswith("gpu")]
    assert not has_gpu(Machine(system=system))


# ---------------------------------------------------------------- what would help


@pytest.mark.parametrize(
    ("where", "requirement", "answer"),
    [
        (
            machine("470.256", "7.5"),
            "tensorflow",
            "driver 470.256 -> 525.60.13 gives tensorflow 2.21.0 on the GPU",
        ),
        (
            machine("535.161", "9.0"),
            "tensorflow",
            "driver 535.161 -> 555.42.02 gives tensorflow 2.21.0 on the GPU",
        ),
        (
            machine("470.256", "3.7"),
            "tensorflow==2.21.0",
            (
                "card 3.7 -> one of compute capability 6.0 gives tensorflow 2.21.0 on the processor alone; "
                "what keeps tensorflow==2.21.0 away then: driver"
            ),
        ),
        (
            machine("580.95", "8.9", system=WINDOWS),
            "tensorflow==2.10.1",
            "CUDA 11.2 and cuDNN 8.1 installed gives tensorflow 2.10.1 on the GPU",
        ),
        (
            with_cuda("440.33", "6.1", "9.0.176", "7.0.5"),
            "tensorflow-gpu==1.12.0",
            "cuDNN 7.2 for CUDA 9.0 installed gives tensorflow-gpu 1.12.0 on the GPU",
        ),
        (machine("580.95", "8.9"), "tensorflow", None),
    ],
)
def test_smallest_change_is_made_and_matched_again(
    where: Machine, requirement: str, answer: str | None
) -> None:
    """What --why-not says is what the match gives when it is so."""
    assert answer == what_would_help(requirement, where, Wish(), THEN)
    assert (answer is None) == (why_not(requirement, where, Wish(), THEN) is None)


def test_driver_that_a_card_cannot_have_is_not_proposed() -> None:
    """Kepler ends with the branch 470."""
    assert "470" == last_driver("3.7", "linux")
    assert last_driver("8.6", "linux") is None


# ---------------------------------------------------------------- the tables


def test_every_row_can_be_judged() -> None:
    """Each build has its toolkit, a driver for each system, and a verdict for each card."""
    for row in cuda_rows().values():
        assert row.cuda in toolkits()
        assert row.source
        for system in ("linux", "windows"):
            assert needed_driver(row, "native", system)
            assert needed_driver(row, "jit", system)
        for card in cards():
            assert kernels.judge(row, kernels.number_of(card.capability))


def test_builds_with_packages_on_the_index_are_those_of_both_tables() -> None:
    """What is said to come from pip can be pinned."""
    for row in cuda_rows().values():
        if row.family == pip_packages.FAMILY:
            assert bool(row.pip) == bool(pip_packages.packages_for(row.version)), row.version


def test_gpu_parts_are_of_builds_that_there_are() -> None:
    """A row names projects that have the release for that system."""
    for (version, family), row in cuda_rows().items():
        for project in row.projects:
            found = next(releases(parse(f"{project}=={version}"), Machine()), ())
            assert family in {build.family for build in found}, (project, version)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "sometimes"},
        {"tensorflow": "2.16 or so"},
        {"families": ["beos"]},
        {"capabilities": "Blackwell"},
        {"remark": "x"},
    ],
)
def test_fault_in_prose_is_refused(change: dict[str, object]) -> None:
    """A known fault has a kind, ranges and systems; anything else does not pass."""
    good = msgspec.to_builtins(defects()[0])

    assert msgspec.convert(good, DefectRow)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**good, **change}, DefectRow)


@pytest.mark.parametrize("change", [{"cuda": "12"}, {"sass": {"sm_90": 1}}, {"cudnn": "9.x"}, {"more": 1}])
def test_row_that_is_no_row_is_refused(change: dict[str, object]) -> None:
    """Versions and capabilities have their form."""
    good = msgspec.to_builtins(cuda_rows()["2.21.0", "linux_x86_64"])

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**good, **change}, CudaRow)


def test_faults_are_routed_around() -> None:
    """Each names what tfup does about it, and those that a card meets are seen in its verdict."""
    assert all(defect.route for defect in defects())
    for defect in defects():
        if defect.kind == "kernels-broken":
            row = cuda_rows()["2.20.0", "linux_x86_64"]
            assert "broken" == kernels.judge(row, (12, 0)).verdict
        if defect.id == "no-code-for-first-maxwell":
            assert "none" == kernels.judge(cuda_rows()["2.3.4", "linux_x86_64"], (5, 0)).verdict


def test_plugins_pair_with_one_release_each() -> None:
    """And have a wheel with its hash for each Python."""
    pairs = [row.tensorflow for row in plugins() if row.accelerator == "metal"]

    assert len(set(pairs)) == len(pairs)
    assert all(row.wheels for row in plugins() if row.accelerator == "metal")


def test_page_is_that_of_the_tables() -> None:
    """docs/gpu.md is what the tool makes of them."""
    assert make_gpu_page.page() == make_gpu_page.FILE.read_text(encoding="utf-8")


def test_versions_of_drivers_compare_as_numbers() -> None:
    """Whatever a machine file says is borne."""
    assert parts_of("99999999999999999999.1") > parts_of("580")
    assert () == parts_of("unknown")
    for text in ("580", "1.2.3.4.5", "99999999999999999999"):
        assert match(machine(text, "8.6"), Wish()).choice


def test_obstacles_of_a_gpu_build_are_those_of_the_wish() -> None:
    """The same function decides and explains: without --gpu a card is no matter of a build."""
    here = machine("375.74", "6.1")
    build = next(releases(parse("tensorflow==2.16.1"), here))[0]
    asked = {one.name: one.needs for one in obstacles(build, here, wish(gpu=True))}

    assert "driver" not in {one.name for one in obstacles(build, here, Wish())}
    assert "525.60.13 or newer" == asked["driver"]
