"""Cards and driver: what NVIDIA's libraries, the kernel, nvidia-smi and the system say, or do not say."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.nvidia_stand_in import A100, GTX, T4, build, environment
from tfup.machine import Recorder, Recording, detect, read_machine
from tfup.machine.capability import by_name, find_capability
from tfup.machine.capability import rows as capabilities
from tfup.machine.gpu import read_gpus
from tfup.machine.live import Live
from tfup.machine.probe import Answers
from tfup.report.console import machine_facts, telling
from tfup.tables import load

if TYPE_CHECKING:
    from pathlib import Path

    from tfup.machine.fact import Facts
    from tfup.model import Gpu, Machine

HANG_SECONDS = 1.5


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the stand-in for today's driver."""
    return build(tmp_path_factory.mktemp("nvidia"))


@pytest.fixture(scope="session")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the stand-in for a driver before 396."""
    return build(tmp_path_factory.mktemp("old-nvidia"), old=True)


def read(folder: Path, *cards: str, **settings: str) -> Facts:
    """Read the cards of the stand-in; those that this machine may have itself are left out."""
    return read_gpus(Bare(environment(folder, *cards, **settings)))


class Bare(Live):
    """The machine at hand, without its bus and its own driver."""

    def glob(self, pattern: str) -> list[str]:
        """Find nothing of the system's own."""
        return [] if pattern.startswith(("/sys/", "/dev/", "/proc/")) else super().glob(pattern)

    def read(self, path: str) -> str | None:
        """Read nothing of the kernel's."""
        return None if path.startswith(("/sys/", "/proc/")) else super().read(path)


def cards_of(facts: Facts) -> list[Gpu]:
    """Return the cards."""
    value: Any = facts["gpus"].value
    return list(value)


def recorded(**answers: Any) -> Facts:  # noqa: ANN401 (whatever a recording holds)
    """Read a Linux that answers so, and else nothing."""
    answers["ask"] = {"platform": "linux", **answers.get("ask", {})}
    return read_gpus(Recording(msgspec.convert(answers, Answers)))


# ---------------------------------------------------------------- NVML and libcuda


def test_every_card_is_described_by_nvml(library: Path) -> None:
    """Name, capability, memory, address and MIG of each, and the driver with its CUDA."""
    facts = read(library, T4, A100)
    first, second = cards_of(facts)

    assert ("535.104.05", "NVML") == facts["driver.version"]
    assert ("12.2", "NVML") == facts["driver.cuda"]
    assert ("Tesla T4", "7.5", 15843721216, 0, "0000:3b:00.0") == (
        first.name,
        first.compute_capability,
        first.memory_bytes,
        first.index,
        first.pci_id,
    )
    assert (None, "NVML: Not Supported") == facts["gpus[0].mig"]
    assert (True, 2, True) == (second.mig, second.mig_devices, second.visible)


def test_an_old_driver_is_read_by_its_old_questions(old_library: Path) -> None:
    """Drivers before 396 tell neither capability nor CUDA; the table knows the card by its name."""
    facts = read(old_library, GTX, STAND_IN_DRIVER="384.111")
    (card,) = cards_of(facts)

    assert ("384.111", "NVML") == facts["driver.version"]
    assert None is facts["driver.cuda"].value
    assert ("0000:01:00.0", 8513978368) == (card.pci_id, card.memory_bytes)
    assert ("6.1", "NVIDIA's table, by the card's name") == facts["gpus[0].compute_capability"]


def test_sixty_cards_are_sixty_cards(library: Path) -> None:
    """There is no limit that a machine could meet."""
    assert 60 == len(cards_of(read(library, *[T4] * 60)))


def test_a_lost_card_does_not_hide_the_others(library: Path) -> None:
    """A card that fell off the bus cannot be used, and is told with the reason."""
    facts = read(library, T4, A100, STAND_IN_FAULTS="nvmlDeviceGetHandleByIndex#0=15;")
    lost, good = cards_of(facts)

    assert (None, "NVML: GPU is lost") == facts["gpus[0].name"]
    assert (False, "NVML: GPU is lost") == (lost.visible, facts["gpus[0].visible"].note)
    assert ("8.0", True) == (good.compute_capability, good.visible)


@pytest.mark.parametrize("question", ["Name", "MemoryInfo", "UUID", "PciInfo", "CudaComputeCapability"])
def test_an_error_that_nobody_knows_costs_one_fact(library: Path, question: str) -> None:
    """Codes of drivers to come are reasons like all others."""
    facts = read(library, T4, STAND_IN_FAULTS=f"nvmlDeviceGet{question}=4711;")
    fields = {"Name": "name", "MemoryInfo": "memory_bytes", "PciInfo": "pci_id"}

    assert 1 == len(cards_of(facts))
    if question in fields:
        assert None is facts[f"gpus[0].{fields[question]}"].value
        assert "a code that nobody knows" in facts[f"gpus[0].{fields[question]}"].note
    assert "7.5" == cards_of(facts)[0].compute_capability or question == "Name"


@pytest.mark.parametrize("fault", ["nvmlInit=hang;", "nvmlDeviceGetCount=hang;"])
def test_libcuda_tells_when_nvml_hangs(library: Path, fault: str) -> None:
    """The cards are known all the same, and it costs no more than a second and a half."""
    tries = (timed(library, fault) for _ in range(5))  # on a machine that is busy, the first may be late
    facts = next(facts for seconds, facts in tries if seconds < HANG_SECONDS and cards_of(facts))

    assert "libcuda" == facts["gpus[0].name"].note
    assert ("Tesla T4", "7.5") == (cards_of(facts)[0].name, cards_of(facts)[0].compute_capability)


def timed(library: Path, fault: str) -> tuple[float, Facts]:
    """Read a card under a fault, and take the time."""
    start = monotonic()
    facts = read(library, T4, STAND_IN_FAULTS=fault)
    return monotonic() - start, facts


def test_a_card_that_hangs_leaves_those_before_it(library: Path) -> None:
    """What NVML said until then counts."""
    facts = read(library, T4, A100, STAND_IN_FAULTS="nvmlDeviceGetName#1=hang;")

    assert "535.104.05" == facts["driver.version"].value
    assert "Tesla T4" == cards_of(facts)[0].name


@pytest.mark.parametrize(
    "fault", ["nvmlInit=hang;cuInit=hang;", "nvmlInit=hang;cuInit=999;", "nvmlInit=crash;"]
)
def test_when_all_fails_the_reason_is_told(library: Path, fault: str) -> None:
    """No card and no driver, within the time, and nothing raises."""
    start = monotonic()
    facts = read(library, T4, STAND_IN_FAULTS=fault)

    assert monotonic() - start < 2 * HANG_SECONDS
    assert None is facts["driver"].value
    assert "NVML (" in facts["driver"].note
    assert "answer" in facts["driver"].note


def test_silence_about_a_device_is_not_its_absence() -> None:
    """In WSL the card is on no bus: where NVML hangs there may be one, and nobody says that there is none."""
    late = {"nvml": "no answer within its time"}
    facts = recorded(
        glob={"/dev/dxg": ["/dev/dxg"], f"{BUS}/*": [f"{BUS}/0000:00:00.0"]}, ask={"nvml": {"errors": late}}
    )

    assert (None, "NVML: no answer within its time") == facts["gpus"]


def test_noise_of_a_library_is_not_its_answer(library: Path) -> None:
    """Some drivers print warnings where the answer is expected."""
    facts = read(library, T4, STAND_IN_FAULTS="nvmlInit=print;nvmlDeviceGetName=print;")

    assert "Tesla T4" == cards_of(facts)[0].name


def test_a_broken_library_is_an_absent_one(tmp_path: Path) -> None:
    """A file of that name which is no library costs nothing but itself."""
    for name in ("libnvidia-ml.so.1", "libcuda.so.1"):
        (tmp_path / name).write_text("not a library")
    facts = read(tmp_path)

    assert None is facts["driver"].value
    assert "libnvidia-ml.so.1 is there, but neither NVML" in facts["driver"].note


def test_a_machine_without_nvidia_starts_nobody(library: Path) -> None:
    """Without any sign of the driver, no process is started to look for it."""

    class Strict(Bare):
        def ask(self, name: str, *arguments: str) -> Any:  # noqa: ANN401
            assert "nvml" != name
            return super().ask(name, *arguments)

    facts = read_gpus(Strict({"PATH": ""}))

    assert library
    assert "no sign of NVIDIA's driver (no device, no library)" == facts["driver"].note


def test_a_machine_that_is_recorded_is_the_same_elsewhere(library: Path) -> None:
    """`detect --record` keeps what the libraries said, so that a report with it can be replayed."""
    recorder = Recorder(Bare(environment(library, T4, A100, CUDA_VISIBLE_DEVICES="1")))
    facts = read_gpus(recorder)
    replayed = read_gpus(Recording(msgspec.json.decode(recorder.text(), type=Answers)))

    assert [False, True] == [card.visible for card in cards_of(replayed)]
    assert facts == replayed


def test_a_driver_that_knows_a_card_no_more_is_told() -> None:
    """NVML answers and lists nothing, as a driver after 470 does with a K80; the bus shows the card."""
    facts = recorded(glob={**SIGNS, f"{BUS}/*": [CARD]}, read=ON_BUS, ask={"nvml": {"driver": "535.161.08"}})

    assert [False] == [card.visible for card in cards_of(facts)]
    assert "this driver does not have it" in facts["gpus[0].visible"].note


@given(
    some.recursive(
        some.none() | some.booleans() | some.integers() | some.text(max_size=20),
        lambda inner: (
            some.lists(inner, max_size=3)
            | some.dictionaries(
                some.sampled_from(
                    ["driver", "cuda", "cards", "devices", "errors", "nvml", "index", "uuid", "bus", "mig"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_a_senseless_answer_never_raises(answer: object) -> None:
    """Whatever comes out of that process, there are facts."""
    facts = recorded(ask={"nvml": answer}, glob={"/dev/nvidia*": ["/dev/nvidia0"]})

    assert {"gpus", "rocm"} <= set(facts)


# ---------------------------------------------------------------- which cards a program sees


@pytest.mark.parametrize(
    ("chosen", "order", "expected"),
    [
        ("", "", [False, False]),
        ("-1", "", [False, False]),
        ("0", "0,1", [True, False]),
        ("0", "1,0", [False, True]),
        (" 1 , 0", "0,1", [True, True]),
        ("1,-1,0", "0,1", [False, True]),
        ("0,9,1", "0,1", [True, False]),
        ("GPU-00000002", "0,1", [False, True]),
        ("GPU-0000000", "0,1", [False, False]),
        ("MIG-1-1", "0,1", [False, True]),
        ("MIG-GPU-00000002-aaaa-bbbb-cccc-ddddeeeeffff/1/0", "0,1", [False, True]),
        ("NoDevFiles", "0,1", [False, False]),
    ],
)
def test_hidden_cards_are_told(library: Path, chosen: str, order: str, expected: list[bool]) -> None:
    """CUDA_VISIBLE_DEVICES counts as CUDA does, ends at the first wrong name, and takes beginnings."""
    facts = read(library, T4, A100, CUDA_VISIBLE_DEVICES=chosen, STAND_IN_ORDER=order)

    assert expected == [card.visible for card in cards_of(facts)]
    assert f'CUDA_VISIBLE_DEVICES is "{chosen}"' == facts["gpus[0].visible"].note


@pytest.mark.parametrize(("wished", "expected"), [("PCI_BUS_ID", [True, False]), (None, [None, None])])
def test_numbers_mean_nothing_without_cudas_order(
    library: Path, wished: str | None, expected: list[bool | None]
) -> None:
    """Where libcuda does not tell, cards of two kinds are numbered by the bus only on request."""
    named = {} if wished is None else {"CUDA_DEVICE_ORDER": wished}
    facts = read(library, T4, A100, CUDA_VISIBLE_DEVICES="0", STAND_IN_FAULTS="cuInit=100;", **named)

    assert expected == [card.visible for card in cards_of(facts)]


def test_a_divided_card_without_slices_serves_nobody(library: Path) -> None:
    """With MIG switched on and no instance made, CUDA finds no device there."""
    facts = read(library, A100.removesuffix("2") + "0")

    assert (False, 0) == (cards_of(facts)[0].visible, cards_of(facts)[0].mig_devices)
    assert "MIG" in facts["gpus[0].visible"].note


# ---------------------------------------------------------------- the kernel's files


SIGNS = {"/dev/nvidia*": ["/dev/nvidia0"]}
MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Thu Nov 16 2023\nGCC version: 12\n"
PROC, SYS = "/proc/driver/nvidia/version", "/sys/module/nvidia/version"
LIBCUDA = "/usr/lib/x86_64-linux-gnu/libcuda.so.1"


def test_the_module_tells_where_nvml_is_silent() -> None:
    """Either file of the kernel's is enough."""
    assert ("470.57.02", PROC) == recorded(glob=SIGNS, read={PROC: MODULE.format("470.57.02")})[
        "driver.version"
    ]
    assert ("470.57.02", SYS) == recorded(glob=SIGNS, read={SYS: "470.57.02\n"})["driver.version"]


@pytest.mark.parametrize(
    ("module", "library"), [("460.91.03", "470.57.02"), ("352.63", "361.93.02"), ("550.144.03", "550.144")]
)
def test_files_that_disagree_tell_no_version(module: str, library: str) -> None:
    """Kernel and libraries of two drivers: none works before a restart, whatever each says."""
    facts = recorded(
        glob=SIGNS | {"/usr/lib/*/libcuda.so.1": [LIBCUDA]},
        read={PROC: MODULE.format(module)},
        ask={f"real_path {LIBCUDA}": f"{LIBCUDA.removesuffix('1')}{library}"},
    )

    assert None is facts["driver"].value
    assert f"{PROC} says {module}, {LIBCUDA} says {library}" in facts["driver"].note
    assert "restart" in facts["driver"].note


def test_versions_that_are_written_in_two_ways_agree() -> None:
    """The kernel leaves out zeros that the libraries write."""
    facts = recorded(glob=SIGNS, read={PROC: MODULE.format("361.93.2"), SYS: "361.93.02\n"})

    assert "361.93.2" == facts["driver.version"].value


def test_a_running_nvml_outweighs_old_files() -> None:
    """WSL with a Linux driver inside: what works is the driver of Windows."""
    facts = recorded(
        glob=SIGNS | {"/usr/lib/*/libcuda.so.1": [LIBCUDA]},
        ask={"nvml": {"driver": "551.86"}, f"real_path {LIBCUDA}": "/x/libcuda.so.470.57.02"},
    )

    assert ("551.86", "NVML") == facts["driver.version"]


@pytest.mark.parametrize("text", ["", "\0\0", "NVRM version: unknown", "Treiber 470", "9" * 400])
def test_an_unreadable_version_is_a_reason(text: str) -> None:
    """The file is named that should tell it."""
    facts = recorded(glob=SIGNS, read={PROC: text, SYS: text})

    assert None is facts["driver"].value
    assert f"{PROC}: no version in it" in facts["driver"].note


# ---------------------------------------------------------------- nvidia-smi

PAGE = """\
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 570.194                Driver Version: 573.76         CUDA Version: {cuda}     |
|-----------------------------------------+------------------------+----------------------+
|   0  NVIDIA GeForce RTX 3060 ...    On  |   00000000:01:00.0  On |                  N/A |
| N/A   41C    P4              9W /   59W |    2596MiB /   8151MiB |      0%      Default |
"""
LIST = "0, NVIDIA GeForce RTX 3060, GPU-1f, 00000000:01:00.0, 8151, 573.76\n"


def program(folder: Path, text: str) -> dict[str, str]:
    """Put a program named nvidia-smi on the PATH, and a sign of the driver beside it."""
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    (folder / "libcuda.so.1").touch()
    return {"PATH": f"{folder}:/usr/bin:/bin", "LD_LIBRARY_PATH": str(folder)}


def test_the_page_tells_driver_and_cards(tmp_path: Path) -> None:
    """Where nobody else does; the CUDA on it is the driver's, and no toolkit."""
    (tmp_path / "page").write_text(PAGE.format(cuda="12.8"))
    facts = read_gpus(Bare(program(tmp_path, f"cat {tmp_path}/page")))
    (card,) = cards_of(facts)

    assert ("573.76", "nvidia-smi") == facts["driver.version"]
    assert ("12.8", "nvidia-smi") == facts["driver.cuda"]
    assert ("8.6", 8151 * 2**20, "0000:01:00.0") == (card.compute_capability, card.memory_bytes, card.pci_id)


def test_a_page_without_cuda_tells_none(tmp_path: Path) -> None:
    """It says ERR! where the driver's own library is missing."""
    (tmp_path / "page").write_text(PAGE.format(cuda="ERR!"))
    facts = read_gpus(Bare(program(tmp_path, f"cat {tmp_path}/page")))

    assert ("573.76", None) == (facts["driver.version"].value, facts["driver.cuda"].value)


def test_a_page_in_another_language_is_asked_for_a_list(tmp_path: Path) -> None:
    """A list of values needs no words."""
    (tmp_path / "list").write_text(LIST)
    script = f'case "$*" in *query*) cat {tmp_path}/list;; *) echo "Treiberversion: 573.76";; esac'
    facts = read_gpus(Bare(program(tmp_path, script)))

    assert "573.76" == facts["driver.version"].value
    assert "NVIDIA GeForce RTX 3060" == cards_of(facts)[0].name


@pytest.mark.parametrize(
    "script",
    [
        'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9',
        "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
        "echo 'NVIDIA-SMI has failed'",
        "sleep 60",
        "cat /dev/zero",
        "exit 1",
    ],
)
def test_a_page_that_is_none_is_a_reason(tmp_path: Path, script: str) -> None:
    """An error, a hang, a flood or nothing at all: the driver is unknown, and nvidia-smi is named."""
    start = monotonic()
    facts = read_gpus(Bare(program(tmp_path, script)))

    assert monotonic() - start < 2 * HANG_SECONDS
    assert None is facts["driver"].value
    assert "nvidia-smi" in facts["driver"].note


@pytest.mark.parametrize(
    "place",
    [
        "/usr/lib/wsl/lib/nvidia-smi",
        r"C:\Program Files\NVIDIA Corporation\NVSMI\nvidia-smi.exe",
        r"C:\Windows\System32\DriverStore\FileRepository\nv_dispi.inf_amd64_0a1b\nvidia-smi.exe",
    ],
)
def test_it_is_found_off_the_path(place: str) -> None:
    """WSL and Windows keep it in folders of their own."""
    pattern = place.replace("nv_dispi.inf_amd64_0a1b", "nv*")
    facts = recorded(glob={pattern: [place]}, run={place: PAGE.format(cuda="12.8")})

    assert "573.76" == facts["driver.version"].value


def test_the_newest_page_is_read() -> None:
    """It tells kernel and libraries apart: KMD and UMD."""
    page = "| NVIDIA-SMI 615.71    KMD Version: 615.71      CUDA UMD Version: 13.4  |"
    facts = recorded(glob=SIGNS, run={"nvidia-smi": page})

    assert ("615.71", "13.4") == (facts["driver.version"].value, facts["driver.cuda"].value)


# ---------------------------------------------------------------- cards that cannot be used

BUS = "/sys/bus/pci/devices"
CARD = f"{BUS}/0000:01:00.0"
ON_BUS = {f"{CARD}/class": "0x030000\n", f"{CARD}/vendor": "0x10de\n", f"{CARD}/device": "0x1b80\n"}
LSPCI = "01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GP104 [GeForce GTX 1080] [10de:1b80]\n"


def test_a_card_without_driver_is_named() -> None:
    """Name, capability and who runs it are known from the bus."""
    facts = recorded(
        glob={f"{BUS}/*": [CARD]},
        read=ON_BUS,
        run={"lspci -nn": LSPCI},
        ask={f"real_path {CARD}/driver": "/sys/bus/pci/drivers/nouveau"},
    )
    (card,) = cards_of(facts)

    assert ("GeForce GTX 1080", "6.1", False) == (card.name, card.compute_capability, card.visible)
    assert "nouveau runs it" in facts["driver"].note
    assert "nouveau runs it" in facts["gpus[0].visible"].note


def test_lspci_is_enough() -> None:
    """Where the kernel's own list of the bus is not there, its program may be."""
    (card,) = cards_of(facts := recorded(run={"lspci -nn": LSPCI}))

    assert ("GeForce GTX 1080", "6.1", "0000:01:00.0") == (card.name, card.compute_capability, card.pci_id)
    assert "lspci" == facts["gpus[0].name"].note


@pytest.mark.parametrize(
    ("files", "word"), [({"/.dockerenv": ["/.dockerenv"]}, "docker"), ({}, "nvidia-modprobe")]
)
def test_a_driver_without_devices_is_recognised(files: dict[str, list[str]], word: str) -> None:
    """A container sees the host's module and no card; on a host, the devices were not made."""
    facts = recorded(
        glob={f"{BUS}/*": [CARD], "/proc/driver/nvidia": ["/proc/driver/nvidia"], **files},
        read={**ON_BUS, PROC: MODULE.format("535.161.08")},
        ask={"nvml": {"errors": {"nvml": "NVML Shared Library Not Found"}}},
    )

    assert "535.161.08" == facts["driver.version"].value
    assert False is cards_of(facts)[0].visible
    assert word in facts["gpus[0].visible"].note


def test_a_card_that_is_somebody_elses_is_told() -> None:
    """A container was given one of two cards; the bus shows both."""
    other = f"{BUS}/0000:02:00.0"
    facts = recorded(
        glob={**SIGNS, f"{BUS}/*": [CARD, other]},
        read={**ON_BUS, **{path.replace("01:00", "02:00"): text for path, text in ON_BUS.items()}},
        ask={
            "nvml": {"driver": "535.161.08", "cards": [{"index": 0, "bus": "00000000:01:00.0", "name": "x"}]}
        },
    )

    assert [True, False] == [card.visible for card in cards_of(facts)]
    assert "NVML does not list it" in facts["gpus[1].visible"].note


# ---------------------------------------------------------------- what the person set


def test_the_cuda_that_is_set_counts() -> None:
    """A login node plans for the nodes behind it: CUDA is what the variable says, the card unknown."""
    facts = recorded(variable={"CONDA_OVERRIDE_CUDA": "12.4"})

    assert ("12.4", "CONDA_OVERRIDE_CUDA") == facts["driver.cuda"]
    assert None is facts["driver.version"].value
    assert ["nvidia"] == [card.vendor for card in cards_of(facts)]
    assert "CONDA_OVERRIDE_CUDA" == facts["gpus[0].vendor"].note


def test_it_takes_the_place_of_the_driver_that_is_here(library: Path) -> None:
    """The version that was found is told as the reason why it does not count."""
    facts = read(library, T4, CONDA_OVERRIDE_CUDA="11.2")

    assert ("11.2", "CONDA_OVERRIDE_CUDA") == facts["driver.cuda"]
    assert "found: 535.104.05 (NVML)" in facts["driver.version"].note
    assert ["Tesla T4"] == [card.name for card in cards_of(facts)]


def test_an_empty_one_means_no_cuda(library: Path) -> None:
    """As conda reads it."""
    facts = read(library, T4, CONDA_OVERRIDE_CUDA="")

    assert (None, "CONDA_OVERRIDE_CUDA is empty: CUDA shall not be used") == facts["driver"]


def test_a_senseless_one_is_left_aside(library: Path) -> None:
    """What is no version decides nothing."""
    assert "12.2" == read(library, T4, CONDA_OVERRIDE_CUDA="yes")["driver.cuda"].value


def test_the_driver_that_is_set_for_uv_counts() -> None:
    """uv reads it for the same purpose."""
    facts = recorded(glob=SIGNS, read={SYS: "470.57.02"}, variable={"UV_CUDA_DRIVER_VERSION": "550.54.15"})

    assert ("550.54.15", "UV_CUDA_DRIVER_VERSION") == facts["driver.version"]


# ---------------------------------------------------------------- other makers and systems


def test_amd_and_intel_are_named_with_rocm() -> None:
    """Their cards are not judged, but shown; ROCm's version is read."""
    facts = recorded(
        glob={f"{BUS}/*": [f"{BUS}/0000:03:00.0", f"{BUS}/0000:00:02.0", f"{BUS}/0000:83:00.0"]},
        read={
            f"{BUS}/0000:03:00.0/class": "0x030000", f"{BUS}/0000:03:00.0/vendor": "0x1002",
            f"{BUS}/0000:00:02.0/class": "0x038000", f"{BUS}/0000:00:02.0/vendor": "0x8086",
            f"{BUS}/0000:83:00.0/class": "0x120000", f"{BUS}/0000:83:00.0/vendor": "0x1002",
            "/opt/rocm/.info/version": "6.1.0-82\n",
        },
        run={"lspci -nn": "03:00.0 VGA controller [0300]: Advanced Micro Devices, Inc. [AMD/ATI] "
             "Navi 31 [Radeon RX 7900 XTX] [1002:744c] (rev c8)\n"},
    )  # fmt: skip

    assert [("amd", "Radeon RX 7900 XTX"), ("intel", None), ("amd", None)] == [
        (card.vendor, card.name) for card in cards_of(facts)
    ]
    assert ("6.1.0", "/opt/rocm/.info/version") == facts["rocm"]


def test_windows_knows_its_adapters() -> None:
    """Its registry tells name and driver, where NVML is not there; remote desktops are no cards."""
    key = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
    facts = recorded(
        ask={
            "platform": "win32",
            f"registry_keys {key}": ["0000", "0001", "Configuration"],
            rf"registry {key}\0000 MatchingDeviceId": r"PCI\VEN_10DE&DEV_2684&SUBSYS_1",
            rf"registry {key}\0000 DriverDesc": "NVIDIA GeForce RTX 4090",
            rf"registry {key}\0000 DriverVersion": "32.0.15.6117",
            rf"registry {key}\0001 MatchingDeviceId": r"terminput_bus",
        }
    )

    assert ("561.17", "Windows' registry") == facts["driver.version"]
    assert [("NVIDIA GeForce RTX 4090", "8.9")] == [
        (one.name, one.compute_capability) for one in cards_of(facts)
    ]


def test_an_older_mac_names_its_cards() -> None:
    """Macs before Apple's own processors have cards of AMD, Intel or NVIDIA."""
    names = ("Intel UHD Graphics 630", "AMD Radeon Pro 5500M")
    page = "Graphics:\n" + "".join(f"  Card:\n      Chipset Model: {name}\n" for name in names)
    facts = recorded(
        ask={"platform": "darwin", "machine_type": "x86_64", "model": "Intel(R) Core(TM) i9"},
        run={"system_profiler SPDisplaysDataType": page},
    )

    assert [("intel", "Intel UHD Graphics 630"), ("amd", "AMD Radeon Pro 5500M")] == [
        (card.vendor, card.name) for card in cards_of(facts)
    ]


def test_a_driver_without_a_version_serves_its_cuda() -> None:
    """Where libcuda alone answers, as on a Jetson, that is enough to plan with."""
    devices = [{"name": "Orin", "capability": [8, 7]}]
    facts = recorded(
        glob={"/dev/nvhost-gpu": ["/dev/nvhost-gpu"]},
        ask={"nvml": {"cuda_version": 11040, "devices": devices}},
    )

    assert (None, ("11.4", "libcuda")) == (facts["driver.version"].value, facts["driver.cuda"])
    assert ["8.7"] == [card.compute_capability for card in cards_of(facts)]


def test_a_jetson_is_a_card() -> None:
    """It is on no bus; the board's name tells."""
    facts = recorded(
        glob={"/dev/nvhost-gpu": ["/dev/nvhost-gpu"]},
        read={"/proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0"},
    )

    assert [("NVIDIA Jetson AGX Orin Developer Kit", "8.7")] == [
        (card.name, card.compute_capability) for card in cards_of(facts)
    ]


# ---------------------------------------------------------------- the table of capabilities

NAMES = {
    "NVIDIA A100-SXM4-80GB": "8.0", "NVIDIA A10G": "8.6", "Tesla P100-PCIE-16GB": "6.0", "Tesla K20Xm": "3.5",
    "GeForce GTX 1660 SUPER": "7.5", "NVIDIA RTX A5000 Laptop GPU": "8.6", "NVIDIA H100 NVL": "9.0",
    "NVIDIA RTX 4000 SFF Ada Generation": "8.9", "Quadro RTX 4000 with Max-Q Design": "7.5",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "12.0", "GeForce 940MX": "5.0",
    "GeForce GTX TITAN X": "5.2",
    "NVIDIA TITAN X (Pascal)": "6.1", "NVIDIA T1200 Laptop GPU": "7.5", "GRID V100D-32Q": "7.0",
    "Tesla M60": "5.2",
    "NVIDIA GeForce RTX 5090 Laptop GPU": "12.0", "NVIDIA GB200": "10.0", "NVIDIA B300 SXM6 AC": "10.3",
    "Quadro M2000M": "5.0", "Quadro M2000": "5.2", "GeForce GTX 650 Ti BOOST": "3.0", "NVIDIA L40S": "8.9",
}  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_names_as_drivers_write_them_are_in_the_table(name: str, expected: str) -> None:
    """Forms, sizes and editions of a card are that card."""
    assert expected == by_name(name)


def test_both_tables_of_cards_agree() -> None:
    """Each card that the match names as an example has one capability, and the same one here."""

    class CardRow(msgspec.Struct):
        capability: str
        names: list[str]

    rows = load("gpu/cards.json", CardRow)

    assert len(capabilities()) == len({row.capability for row in capabilities()})
    assert [] == [name for row in rows for name in row.names if by_name(name) != row.capability]


def test_what_nobody_knows_is_not_guessed() -> None:
    """A card of years to come has no capability, and names of two generations have none either."""
    assert None is find_capability("NVIDIA GeForce RTX 9090", "ffff")[0]
    assert None is by_name("GeForce GT 730")


# ---------------------------------------------------------------- what is shown


def test_the_report_tells_hidden_cards_and_what_was_set() -> None:
    """People see why a card is out of reach and whose CUDA counts, and no line on what few cards have."""
    hidden = detect(Recording(Answers(glob={f"{BUS}/*": [CARD]}, read=ON_BUS)))  # type: ignore[arg-type]
    wished = detect(Recording(Answers(variable={"CONDA_OVERRIDE_CUDA": "11.2"})))

    assert (
        "gpu",
        "nvidia: hidden from CUDA programs",
        "NVIDIA's driver is not there: nothing runs it",
    ) in list(machine_facts(hidden))
    assert ("driver", "of any version (CUDA 11.2)", "CONDA_OVERRIDE_CUDA") in list(machine_facts(wished))
    assert [] == [name for name in telling(hidden.unknown) if "mig" in name or name == "rocm"]


# ---------------------------------------------------------------- the recordings


def gpu_machines(folder: Path) -> dict[str, Machine]:
    """Return the recorded machines with a card that computes."""
    machines = {path.stem: read_machine(str(path)) for path in folder.glob("gpu-*.json")}
    return {name: machine for name, machine in machines.items() if machine.gpus}


def test_forty_machines_with_cards_are_recorded(request: pytest.FixtureRequest) -> None:
    """They are of ten years and say where their figures are from; cards, drivers and mixes are many."""
    folder = request.path.parents[1] / "machines"
    machines = gpu_machines(folder)
    about = {path.stem: msgspec.json.decode(path.read_bytes())["about"] for path in folder.glob("gpu-*.json")}
    drivers = {machine.driver.version for machine in machines.values() if machine.driver}
    known = [gpu.compute_capability for machine in machines.values() for gpu in machine.gpus or ()]

    assert len(machines) >= 40
    assert all(len(text) > 30 for text in about.values())
    assert len(drivers) >= 30
    assert {"3.7", "5.2", "6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0", "12.1"} <= set(
        known
    )
