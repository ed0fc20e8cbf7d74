"""A synthetic matrix of machines: what must hold for each of them, and between neighbours.

A machine is an era (system, C library, Pythons, CUDA and cuDNN of its time), a driver and a card. Whoever
gets something more must not be worse off: `rank` puts a release that uses the GPU before any that does not,
and of two alike the newer one.
"""

from __future__ import annotations

import random
import time
from functools import cache
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace
from packaging.version import Version

from tfup import tables
from tfup.match.gpu.tables import CudaRow, ToolkitRow
from tfup.match.search import match
from tfup.model import Choice, Cpu, Cudnn, Driver, Gpu, Interpreter, Machine, Match, System, Toolkit, Wish

if TYPE_CHECKING:
    from collections.abc import Iterator

ABIS = {"2.7": "cp27mu", "3.5": "cp35m", "3.6": "cp36m", "3.7": "cp37m"}


class Era(NamedTuple):
    """The software of a time: the Pythons by minor, and the CUDA and cuDNN that came with it."""

    system: System
    pythons: tuple[str, ...]
    cuda: str
    cudnn: str


def linux(glibc: str, wsl: int = 0) -> System:
    """Return a Linux with this glibc."""
    return System(os="linux", arch="x86_64", libc="glibc", libc_version=glibc, wsl=wsl)


WINDOWS = System(os="windows", arch="x86_64", version="10.0.19045")
ERAS = {
    "2017": Era(linux("2.23"), ("2.7", "3.5", "3.6"), "8.0.61", "6.0.21"),
    "2018": Era(linux("2.23"), ("3.5", "3.6"), "9.0.176", "7.0.5"),
    "2019": Era(linux("2.27"), ("3.6", "3.7"), "10.0.130", "7.6.5"),
    "2020": Era(linux("2.31"), ("3.8",), "10.1.243", "7.6.5"),
    "2021": Era(linux("2.17"), ("3.6", "3.9"), "11.2.152", "8.1.1"),
    "2023": Era(linux("2.35"), ("3.10",), "11.8.89", "8.9.7"),
    "2026": Era(linux("2.39"), ("3.12", "3.14"), "12.5.82", "9.27.0"),
    "wsl": Era(linux("2.35", wsl=2), ("3.10",), "12.6.77", "9.5.0"),
    "windows": Era(WINDOWS, ("3.6", "3.7"), "9.0.176", "7.0.5"),
    "windows-2022": Era(WINDOWS, ("3.10",), "11.2.152", "8.1.1"),
}
DRIVERS = {
    "linux": "375.26 384.111 410.48 418.67 450.51.05 460.32.03 470.256.02 525.60.13 535.161.07 550.144.03"
    " 570.124.06 615.71",
    "windows": "376.51 388.59 411.31 418.96 451.48 460.82 472.12 528.33 551.61 580.97",
}
CARDS = "3.5 3.7 5.0 6.1 7.0 7.5 8.6 9.0 12.0".split()  # noqa: SIM905 (read as a row)
SECONDS = 60


def driver_system(system: System) -> str:
    """Return whose driver counts."""
    return "windows" if system.wsl or system.os == "windows" else "linux"


@cache
def machine(era: str, driver: str, card: str, *, equipped: bool) -> Machine:
    """Return one machine of the matrix; only an equipped one has CUDA and cuDNN."""
    of_time = ERAS[era]
    return Machine(
        system=of_time.system,
        cpu=Cpu(features=("avx", "avx2")),
        pythons=tuple(python(minor) for minor in of_time.pythons),
        gpus=(Gpu("nvidia", name=f"card {card}", compute_capability=card, index=0, visible=True),),
        driver=Driver(driver),
        cuda=(Toolkit(of_time.cuda),) if equipped else (),
        cudnn=(Cudnn(of_time.cudnn, cuda=".".join(of_time.cuda.split(".")[:2])),) if equipped else (),
    )


def python(minor: str) -> Interpreter:
    """Return an ordinary CPython."""
    abi = ABIS.get(minor, f"cp{minor.replace('.', '')}")
    return Interpreter(f"/usr/bin/python{minor}", f"{minor}.9", bits=64, arch="x86_64", abi=abi)


Cell = tuple[str, str, str, bool]


def cells() -> Iterator[Cell]:
    """Yield the whole matrix."""
    for era, card, equipped in product(ERAS, CARDS, (False, True)):
        for driver in DRIVERS[driver_system(ERAS[era].system)].split():
            yield era, driver, card, equipped


@cache
def answer(cell: Cell) -> Match:
    """Return what is matched on a machine of the matrix."""
    era, driver, card, equipped = cell
    return match(machine(era, driver, card, equipped=equipped), Wish())


def rank(found: Match) -> tuple[bool, Version]:
    """Return how good an answer is."""
    choice = found.choice
    return bool(choice and choice.cuda_from), Version(choice.version if choice else "0")


@pytest.fixture(scope="module")
def answers() -> dict[Cell, Match]:
    """Match the whole matrix once; the time is that of the processor, whatever else it has to do."""
    started = time.process_time()
    found = {cell: answer(cell) for cell in cells()}
    assert time.process_time() - started < SECONDS
    return found


def test_matrix_is_large(answers: dict[Cell, Match]) -> None:
    """There are at least two thousand machines, and the GPU is used on many, but not on all."""
    used = sum(rank(found)[0] for found in answers.values())

    assert len(answers) >= 2000
    assert len(answers) // 4 < used < len(answers)


def test_newer_driver_never_makes_it_worse(answers: dict[Cell, Match]) -> None:
    """Along the drivers the answer only gets better."""
    for era, card, equipped in product(ERAS, CARDS, (False, True)):
        drivers = DRIVERS[driver_system(ERAS[era].system)].split()
        for older, newer in pairwise(drivers):
            before, after = answers[era, older, card, equipped], answers[era, newer, card, equipped]
            assert rank(before) <= rank(after), (era, card, equipped, older, newer)


def test_toolkit_more_never_makes_it_worse(answers: dict[Cell, Match]) -> None:
    """Neither does an installed CUDA."""
    for era, driver, card, equipped in answers:
        if not equipped:
            better = answers[era, driver, card, True]
            assert rank(answers[era, driver, card, False]) <= rank(better), (era, driver, card)


def test_choice_violates_no_row(answers: dict[Cell, Match]) -> None:
    """What the choice needs is read from the tables again, and is there."""
    for (era, driver, card, equipped), found in answers.items():
        if found.choice and found.choice.cuda_from:
            here = machine(era, driver, card, equipped=equipped)
            assert [] == list(violations(found.choice, here, card, driver)), (era, driver, card, equipped)


def test_gpu_that_is_not_used_is_explained(answers: dict[Cell, Match]) -> None:
    """Nobody gets a CPU install without a word about the card."""
    for cell, found in answers.items():
        if found.choice and not found.choice.cuda_from:
            assert "gpu-unused" in [notice.id for notice in found.warnings], cell


SAMPLE = random.Random(5).sample(list(cells()), 120)  # noqa: S311 (a sample, no secret)


@pytest.mark.parametrize("card", ["7.5", "8.6"])
def test_another_good_card_never_makes_it_worse(card: str) -> None:
    """Several cards: usable if one is."""
    for cell in SAMPLE[:60]:
        era, driver, first, equipped = cell
        one = machine(era, driver, first, equipped=equipped)
        both = replace(one, gpus=(*(one.gpus or ()), Gpu("nvidia", compute_capability=card, index=1)))
        assert rank(answer(cell)) <= rank(match(both, Wish())), cell


def test_another_python_never_makes_it_worse() -> None:
    """An interpreter more is a choice more."""
    for cell in SAMPLE[:60]:
        era, driver, card, equipped = cell
        one = machine(era, driver, card, equipped=equipped)
        more = replace(one, pythons=(*(one.pythons or ()), python("3.11")))
        assert rank(answer(cell)) <= rank(match(more, Wish())), cell


def test_order_of_what_is_there_does_not_matter() -> None:
    """The same cards, Pythons and toolkits in another order give the same answer."""
    shuffler = random.Random(7)  # noqa: S311 (an order, no secret)
    for era, driver, card, equipped in SAMPLE:
        one = machine(era, driver, card, equipped=equipped)
        gpus = [*(one.gpus or ()), Gpu("nvidia", "other", "7.5", index=1), Gpu("amd", "third", index=2)]
        pythons = [*(one.pythons or ()), python("3.9"), python("3.11")]
        cuda, cudnn = [*(one.cuda or ()), Toolkit("11.8.89")], [*(one.cudnn or ()), Cudnn("8.9.7")]
        before = replace(one, gpus=tuple(gpus), pythons=tuple(pythons), cuda=tuple(cuda), cudnn=tuple(cudnn))
        for things in (gpus, pythons, cuda, cudnn):
            shuffler.shuffle(things)
        after = replace(one, gpus=tuple(gpus), pythons=tuple(pythons), cuda=tuple(cuda), cudnn=tuple(cudnn))
        assert told(match(before, Wish())) == told(match(after, Wish())), (era, driver, card, equipped)


def told(found: Match) -> tuple[object, ...]:
    """Return an answer without the order of the cards in it."""
    verdicts = {(card.index, card.verdict, card.why) for card in found.choice.gpus} if found.choice else set()
    passed = [
        (over.project, over.version, [one.name for one in over.obstacles]) for over in found.passed_over
    ]
    choice = found.choice and replace(found.choice, gpus=())
    return choice, verdicts, passed, {notice.id for notice in found.warnings}


# ---------------------------------------------------------------- the tables, read apart from the match


def violations(choice: Choice, here: Machine, card: str, driver: str) -> Iterator[str]:
    """Yield what the choice needs and the machine lacks."""
    row = next(
        row
        for row in tables.load("gpu/gpu_builds.json", CudaRow)
        if (row.version, row.family) == (choice.version, choice.platform)
    )
    if choice.project not in row.projects or (choice.cuda, choice.cudnn) != (row.cuda, row.cudnn):
        yield "row"
    if choice.gpus[0].verdict not in {"native", "mixed", "jit"} or not has_code(row, card):
        yield "capability"
    if choice.gpus[0].verdict == "native" and not has_machine_code(row, card):
        yield "machine code"
    if Version(driver) < Version(least_driver(row, choice.gpus[0].verdict, driver_system(here.system))):
        yield "driver"
    if choice.cuda_from == "pip" and (
        choice.platform != "linux_x86_64" or Version(row.cuda) < Version("11.2")
    ):
        yield "pip"
    if choice.cuda_from == "system":
        yield from violations_of_system(row, here, card)


def has_machine_code(row: CudaRow, card: str) -> bool:
    """Tell whether there is machine code of the card's major, not above its minor."""
    major, minor = card.split(".")
    return any(one.split(".")[0] == major and one.split(".")[1] <= minor for one in row.sass)


def has_code(row: CudaRow, card: str) -> bool:
    """Tell whether there is machine code, or PTX that this card accepts."""
    older = [one for one in row.ptx if Version(one) <= Version(card)]
    exact = [one for one in row.ptx_exact if Version(one) < Version(card)]
    return has_machine_code(row, card) or (bool(older) and not exact)


def least_driver(row: CudaRow, verdict: str, system: str) -> str:
    """Return the oldest driver that the toolkits' table allows."""
    toolkits = {one.cuda: one for one in tables.load("gpu/toolkits.json", ToolkitRow)}
    if verdict != "native":
        return toolkits[row.ptx_cuda or row.cuda].exact[system]  # type: ignore[index]
    own = toolkits[row.cuda]
    return min(own.exact[system], own.compatible.get(system, "999"), key=Version)  # type: ignore[index, call-overload]


def violations_of_system(row: CudaRow, here: Machine, card: str) -> Iterator[str]:
    """Yield what is wrong with the libraries of the system."""
    (toolkit,), (cudnn,) = here.cuda or (), here.cudnn or ()
    built, found = Version(row.cuda).release, Version(toolkit.version).release[:2]
    if found != built and (built[0] < 11 or found[0] != built[0] or found < built):
        yield "cuda"
    built, found = Version(row.cudnn).release, Version(cudnn.version).release[:2]
    if found[0] != built[0] or found < built or (built[0] < 7 and found != built):
        yield "cudnn"
    if found >= (9, 11) and Version(card) < Version("7.5"):
        yield "cudnn's cards"
