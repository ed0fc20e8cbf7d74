"""What one machine needs beside the lock: a C++ runtime, a plug-in; and what is said of its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tfup import tables
from tfup.formats.text import requirement
from tfup.machine import read_machine
from tfup.managers import runtime
from tfup.match.search import match
from tfup.model import (
    Cpu,
    Distribution,
    Folder,
    Gpu,
    Interpreter,
    Machine,
    Pin,
    Plan,
    Proof,
    System,
    Wish,
)
from tfup.pin.windows_runtime import complete, needs, runtimes

MACHINES = Path(__file__).parents[1] / "machines"
PYTHON = Interpreter(r"C:\Py\python.exe", "3.12.4", bits=64, arch="x86_64", abi="cp312")
NEW = {"vcruntime140": "14.44.35211.0", "vcruntime140_1": "14.44.35211.0"}
CURRENT = {
    "msvcp140": "14.44.35211.0",
    "msvcp140_1": "14.44.35211.0",
    "vcruntime140_threads": "14.44.35211.0",
}
WINDOWS = Machine(
    system=System("windows", "Windows", "10.0.22631", "x86_64"),
    cpu=Cpu(features=("avx", "avx2", "fma")),
    pythons=(replace(PYTHON, runtimes=NEW),),
    runtimes={**CURRENT, **NEW},
    long_paths=True,
    folder=Folder(r"C:\tf", guarded=False),
    wsl=(),
)
MAC = Machine(
    system=System("macos", "macOS", "14.5", "aarch64"),
    pythons=(Interpreter("/opt/homebrew/bin/python3.12", "3.12.3", bits=64, arch="aarch64", abi="cp312"),),
    gpus=(Gpu("apple", "Apple M2"),),
)


def plan(
    machine: Machine, *requirements: str, accelerator: str | None = None, manager: str = "pipenv"
) -> Plan:
    """Return the completed plan of a wish, with one pin instead of a lock."""
    wish = Wish(requirements, gpu=False, manager=manager)  # type: ignore[arg-type]
    choice = match(machine, wish).choice
    if choice and accelerator:
        choice = replace(choice, accelerator=accelerator)
    planned = Plan(
        wish, choice, manager=manager, pins=(Pin("zlib-of-nobody", "1.0", ("sha256:00",)),), download_bytes=5
    )
    return complete(planned, machine)


def runtime_of(planned: Plan) -> Pin | None:
    """Return the pin of the C++ runtime."""
    return next((pin for pin in planned.pins if pin.name == "msvc-runtime"), None)


def notices(planned: Plan) -> list[str]:
    """Return the names of what is said."""
    return [notice.id for notice in planned.warnings]


def text_of(planned: Plan, name: str) -> str:
    """Return what is said under a name."""
    return next(notice.text for notice in planned.warnings if notice.id == name)


# ---------------------------------------------------------------- the C++ runtime


def test_a_windows_with_the_runtime_gets_no_other() -> None:
    """What is there and new enough is used."""
    assert None is runtime_of(plan(WINDOWS, "tensorflow==2.21.0"))


@pytest.mark.parametrize(
    ("there", "why"),
    [
        ({**CURRENT, "vcruntime140_threads": None}, "loads vcruntime140_threads, not found here"),
        ({**CURRENT, "msvcp140": None}, "loads msvcp140, not found here"),
        (
            {**CURRENT, "msvcp140": "14.16.27033.0"},
            "was made with the C++ tools 14.40, and msvcp140 14.16.27033.0 is older",
        ),
        ({}, "loads msvcp140, msvcp140_1, vcruntime140_threads, not known to be here"),
    ],
)
def test_what_lacks_is_pinned_with_its_reason(there: dict[str, str | None], why: str) -> None:
    """Missing, too old or unknown: the wheel comes, with its hash, and for Windows only."""
    planned = plan(replace(WINDOWS, runtimes=there), "tensorflow==2.21.0")
    pin = runtime_of(planned)

    assert pin
    assert f"tensorflow 2.21.0 {why}" == pin.why
    assert ((f"sha256:{runtimes()['cp312'].sha256}",), "sys_platform == 'win32'") == (pin.hashes, pin.marker)
    assert ["windows-dll-load-msvc"] == [workaround.id for workaround in planned.workarounds]
    assert 5 + runtimes()["cp312"].bytes == planned.download_bytes
    assert sorted(planned.pins, key=lambda one: one.name) == list(planned.pins)


def test_a_file_without_a_version_is_enough() -> None:
    """What is known to be there is not held against Windows."""
    machine = replace(WINDOWS, runtimes={**CURRENT, "msvcp140": "present"})

    assert None is runtime_of(plan(machine, "tensorflow==2.21.0"))


def test_what_lies_beside_the_python_counts_first() -> None:
    """Windows looks there before System32: conda's Python brings all of it, an old one hides the new."""
    bare = replace(WINDOWS, runtimes=dict.fromkeys(CURRENT))
    conda = replace(bare, pythons=(replace(PYTHON, runtimes={**CURRENT, **NEW}),))
    old = replace(WINDOWS, pythons=(replace(PYTHON, runtimes={**NEW, "msvcp140": "14.0.23026.0"}),))

    assert None is runtime_of(plan(conda, "tensorflow==2.21.0"))
    assert "14.0.23026.0 is older" in (runtime_of(plan(old, "tensorflow==2.21.0")) or Pin("", "", ())).why


def test_a_version_that_is_none_is_enough() -> None:
    """A machine file may say anything; Python's own vcruntime140 is not to be changed by a wheel."""
    odd = {**CURRENT, "msvcp140": r"C:\Windows\System32\msvcp140.dll", "vcruntime140": "14.0.23026.0"}

    assert None is runtime_of(plan(replace(WINDOWS, runtimes=odd), "tensorflow==2.21.0"))


def test_an_old_release_asks_for_less() -> None:
    """2.10 was made before vcruntime140_threads was, by tools that a runtime of 2021 serves."""
    then = {"msvcp140": "14.29.30133.0", "msvcp140_1": "14.29.30133.0"}
    python = replace(PYTHON, version="3.10.11", abi="cp310", runtimes=NEW)
    machine = replace(WINDOWS, runtimes=then, pythons=(python,))

    assert None is runtime_of(plan(machine, "tensorflow==2.10.1"))


def test_a_python_to_be_fetched_brings_the_runtime_of_c_alone() -> None:
    """That of C++ is Windows' own affair."""
    machine = replace(WINDOWS, pythons=(), runtimes=CURRENT)
    bare = replace(machine, runtimes=dict.fromkeys(CURRENT))

    assert None is runtime_of(plan(machine, "tensorflow==2.21.0"))
    assert (
        "tensorflow 2.21.0 loads msvcp140, msvcp140_1, vcruntime140_threads, not found here"
        == (runtime_of(plan(bare, "tensorflow==2.21.0")) or Pin("", "", ())).why
    )


def test_conda_and_other_systems_need_no_wheel() -> None:
    """conda has packages of its own for it, and only Windows has such a runtime at all."""
    bare = replace(WINDOWS, runtimes=dict.fromkeys(CURRENT))

    assert None is runtime_of(plan(bare, "tensorflow==2.21.0", manager="conda"))
    assert None is runtime_of(plan(MAC, "tensorflow==2.18.0"))


def test_a_proof_of_the_lock_is_none_with_more_packages() -> None:
    """The plan says `resolved` then, and says so."""
    bare = replace(WINDOWS, runtimes={})
    choice = match(bare, Wish()).choice
    proved = Plan(Wish(), choice, proof=Proof("proved", "2026-11-20", ("cpu",)))

    assert ("resolved", None) == ((done := complete(proved, bare)).proof.status, done.proof.on)
    assert "not-proved-before" in notices(done)
    assert "proved" == complete(proved, WINDOWS).proof.status


def test_a_runtime_that_was_resolved_is_not_pinned_twice() -> None:
    """Whoever asks for it gets it once."""
    bare = replace(WINDOWS, runtimes={})
    own = Pin("msvc-runtime", "14.42.34433", ("sha256:00",))

    assert (own,) == complete(Plan(Wish(), match(bare, Wish()).choice, pins=(own,)), bare).pins


def test_a_plan_without_a_build_stays_as_it_is() -> None:
    """Nothing is pinned where nothing fits."""
    empty = Plan(Wish(), None)

    assert empty is complete(empty, WINDOWS)


def test_each_python_of_the_builds_for_windows_has_a_runtime() -> None:
    """A wheel for every tag, with every part that releases for that Python load."""
    rows = [
        row for row in tables.load("builds/builds.json", tables.BuildRow) if row.family == "windows_amd64"
    ]
    lacking = {
        (row.version, tag)
        for row in rows
        for tag in (wheel[0] for wheel in row.wheels)
        if row.version in needs() and set(needs()[row.version].parts) - set(runtimes()[tag].parts)
    }

    assert set() == lacking
    assert {row.version for row in rows if not row.carried_by} <= set(needs())


def test_the_pin_is_written_for_windows_alone() -> None:
    """With its hash and marker, as pip and uv read it."""
    planned = plan(replace(WINDOWS, runtimes={}), "tensorflow==2.21.0")
    pin = runtime_of(planned) or Pin("", "", ())

    assert f"msvc-runtime=={runtimes()['cp312'].version} ; sys_platform == 'win32'" == requirement(pin)


def test_the_environment_says_where_its_runtime_is(tmp_path: Path) -> None:
    """Python obeys the line at its start; without a runtime in the environment none is written."""
    site = tmp_path / "Lib" / "site-packages"
    site.mkdir(parents=True)
    runtime.write(tmp_path, site)
    before = list(site.iterdir())
    (tmp_path / "msvcp140.dll").touch()
    runtime.write(tmp_path, site)
    said = run_line(
        (site / "tfup_runtime.pth").read_text(), "sys.prefix in os.environ['PATH'].split(os.pathsep)"
    )
    new = run_line(
        "import os; os.add_dll_directory = lambda path: os.environ.update(SEEN=path)\n" + runtime.LINE,
        "os.environ['SEEN'] == sys.prefix",
    )

    assert ([], "True", "True") == (before, said, new)


def run_line(line: str, claim: str) -> str:
    """Return whether something is true after a line of a .pth."""
    script = f"{line}\nimport os, sys; print({claim})"
    return subprocess.run(
        [sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True, env=dict(os.environ)
    ).stdout.strip()


# ---------------------------------------------------------------- what is said


def test_a_path_that_windows_does_not_allow_is_told_before() -> None:
    """By the longest path in the wheel, as Windows is set; an unknown setting is held against nobody."""
    deep = Folder("C:\\" + "x" * 90)
    short = replace(WINDOWS, long_paths=False)

    assert "long-path" not in notices(plan(short))
    assert "long-path" not in notices(plan(replace(short, folder=deep, long_paths=None)))
    said = text_of(plan(replace(short, folder=deep), "tensorflow==2.21.0"), "long-path")
    letters = len(deep.path) + len(r"\.venv\Lib\site-packages" + "\\") + needs()["2.21.0"].longest
    assert f"paths of {letters} letters" in said
    assert r"--project C:\tf" in said


def test_a_watched_folder_is_told() -> None:
    """OneDrive and a guard make installs fail in ways that nobody understands later."""
    folder = Folder(r"C:\Users\user\OneDrive\Desktop\tf", "OneDrive", guarded=True)

    assert {"folder-is-synced", "folder-is-guarded"} <= set(notices(plan(replace(WINDOWS, folder=folder))))
    assert [] == [name for name in notices(plan(WINDOWS)) if name.startswith("folder")]


def test_wsl_is_offered_with_the_command_that_does_it() -> None:
    """Only to an NVIDIA card that stays unused; WSL 1 has no GPU, and becomes 2."""
    card = (Gpu("nvidia", "GeForce RTX 3060"),)
    two = replace(WINDOWS, gpus=card, wsl=(Distribution("Old", 1), Distribution("Ubuntu", 2)))
    one = replace(two, wsl=(Distribution("Old", 1),))

    assert "wsl -d Ubuntu -- sh -c './install.sh --gpu'" in text_of(plan(two), "gpu-in-wsl")
    assert text_of(plan(one), "gpu-in-wsl").endswith("wsl --set-version Old 2")
    assert "gpu-in-wsl" not in notices(plan(replace(two, gpus=())))
    assert "gpu-in-wsl" not in notices(plan(replace(two, wsl=None)))


@pytest.mark.parametrize(
    ("machine", "python", "word"),
    [
        (WINDOWS, Interpreter(r"C:\Py37-32\python.exe", "3.7.9", bits=32, arch="i686"), "32 bit"),
        (
            MAC,
            Interpreter("/usr/local/bin/python3", "3.11.9", bits=64, arch="x86_64"),
            "made for x86_64; under Rosetta",
        ),
    ],
)
def test_a_python_for_another_processor_is_named(machine: Machine, python: Interpreter, word: str) -> None:
    """Why it was not taken, although it is there."""
    said = text_of(plan(replace(machine, pythons=(python,))), "python-passed-over")

    assert f"{python.version} in {python.path} ({word}" in said
    assert "python-passed-over" not in notices(plan(machine))


@pytest.mark.parametrize(
    ("name", "said", "gets_runtime"),
    [
        ("windows-11-onedrive-desktop-python3.12", {"folder-is-synced", "long-path"}, True),
        ("windows-11-wsl2-ubuntu-rtx3060-laptop", {"gpu-in-wsl"}, True),
        ("windows-11-store-python3.11-only", set(), False),
        ("windows-10-python3.7-32bit-only", {"python-passed-over"}, True),
        ("macos-13-m1-icloud-miniconda-for-intel", {"folder-is-synced", "python-passed-over"}, False),
        ("macos-14-m1-rosetta-python", {"python-passed-over"}, False),
        ("macos-12-intel-macports-python3.10", set(), False),
    ],
)
def test_recorded_machines_are_told_what_concerns_them(name: str, said: set[str], gets_runtime: bool) -> None:  # noqa: FBT001 -- a table
    """And nothing else."""
    machine = read_machine(str(MACHINES / f"{name}.json"))
    planned = complete(Plan(Wish(), match(machine, Wish()).choice), machine)

    assert (said, gets_runtime) == (set(notices(planned)), runtime_of(planned) is not None)
