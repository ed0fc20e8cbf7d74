"""Stage 3, second half: what this very machine needs beside the lock, and what its person should know of it.

A lock serves every machine of a system. Microsoft's C++ runtime is missing on some only: there it is pinned
beside the lock, with its hash and with the reason.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tfup import tables
from tfup.machine.windows import PRESENT
from tfup.match.pythons import foreign_word
from tfup.model import Notice, Pin, Proof, Workaround
from tfup.pin.proofs import unproved_notice
from tfup.tables import MsvcNeedRow, MsvcWheelRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.model import Choice, Interpreter, Machine, Plan

RUNTIME = "msvc-runtime"
RUNTIME_ISSUE = "windows-dll-load-msvc"
ON_WINDOWS = "sys_platform == 'win32'"
PATH_LIMIT = 259  # Windows' MAX_PATH is 260, with the zero at the end
PLACE = r"\.venv\Lib\site-packages" + "\\"
WITH_PYTHON = {"vcruntime140": PRESENT, "vcruntime140_1": PRESENT}
"""What every Python that tfup fetches brings."""
SHORT = r"`tfup install --project C:\tf`"


def complete(plan: Plan, machine: Machine) -> Plan:
    """Return the plan with what the machine needs beside the lock, and what is to be said of the machine."""
    choice = plan.choice
    if choice is None:
        return plan
    plan = replace(plan, warnings=plan.warnings + tuple(list_notices(choice, machine)))
    return add_runtime(plan, choice, machine) if needs_runtime(plan, choice) else plan


# ---------------------------------------------------------------- Microsoft's C++ runtime


def needs_runtime(plan: Plan, choice: Choice) -> bool:
    """Tell whether a plan may lack the C++ runtime: conda brings its own, and nobody needs it twice."""
    there = any(item.name == RUNTIME for item in plan.pins)
    return choice.platform.startswith("windows") and plan.manager != "conda" and not there


def add_runtime(plan: Plan, choice: Choice, machine: Machine) -> Plan:
    """Return the plan with Microsoft's C++ runtime, where Windows lacks a part of it or has one too old.

    What was proved of the lock was not proved with one package more.
    """
    lacking = "; ".join(list_lacking(choice, machine))
    row = runtimes().get(choice.python_tag)
    if not lacking or row is None:
        return plan
    why = f"{choice.project} {choice.version} {lacking}"
    item = Pin(RUNTIME, row.version, (f"sha256:{row.sha256}",), why=why, marker=ON_WINDOWS)
    proved, resolved = plan.proof.status == "proved", Proof("resolved")
    return replace(
        plan,
        pins=tuple(sorted((*plan.pins, item), key=lambda one: one.name)),
        download_bytes=plan.download_bytes and plan.download_bytes + row.bytes,
        workarounds=(*plan.workarounds, Workaround(RUNTIME_ISSUE, why, f"{RUNTIME}=={row.version}")),
        warnings=plan.warnings + (unproved_notice(resolved) if proved else ()),
        proof=resolved if proved else plan.proof,
    )


def list_lacking(choice: Choice, machine: Machine) -> Iterator[str]:
    """Yield what this Windows lacks of the runtime that a build loads, as parts of a sentence.

    Windows looks beside the interpreter first, and then in System32. Where nothing is known, all is lacking.
    """
    need = needs_of(choice.project, choice.version)
    there = {name: version for name, version in machine.runtimes.items() if version}
    there |= beside_python(choice, machine)
    missing = [name for name in need.parts if name not in there]
    # Python's own vcruntime140 is loaded before any other, whatever an environment brings.
    theirs = {name: there[name] for name in need.parts if name in there and name.startswith("msvcp")}
    old = [f"{name} {version}" for name, version in theirs.items() if is_older(version, need.toolset)]
    if missing:
        known = "not found here" if machine.runtimes else "not known to be here"
        yield f"loads {', '.join(missing)}, {known}"
    if old:
        yield f"was made with the C++ tools {need.toolset}, and {', '.join(old)} is older"


def is_older(version: str, toolset: str) -> bool:
    """Tell whether a part of the runtime is older than the tools that a build was made with.

    >>> is_older("14.16.27033.0", "14.29"), is_older("14.29.30133.0", "14.29"), is_older(PRESENT, "14.29")
    (True, False, False)
    """
    found, least = (re.findall(r"\d{1,9}", text)[:2] for text in (version, toolset))
    return re.match(r"\d+\.\d", version) is not None and list(map(int, found)) < list(map(int, least))


def needs_of(project: str, version: str) -> MsvcNeedRow:
    """Return what a release for Windows loads; where nobody measured it, what its row of builds.json says."""
    rows = (row for row in tables.releases(project) if row.version == version)
    of_builds = [name.removesuffix(".dll") for row in rows for name in row.vc_runtime]
    row = needs().get(version)
    parts = sorted({*of_builds, *(row.parts if row else ())})
    return MsvcNeedRow(version, row.toolset if row else "0", parts, row.longest if row else 0)


def beside_python(choice: Choice, machine: Machine) -> dict[str, str]:
    """Return the parts of the runtime that the chosen interpreter brings."""
    if choice.python_from == "obtain":
        return WITH_PYTHON
    found = chosen_python(choice, machine)
    return found.runtimes if found else {}


def chosen_python(choice: Choice, machine: Machine) -> Interpreter | None:
    """Return the interpreter of a choice."""
    return next((one for one in machine.pythons or () if one.path == choice.python_path), None)


@cache
def needs() -> dict[str, MsvcNeedRow]:
    """Return what each release's binaries for Windows need."""
    return {row.version: row for row in tables.load("builds/msvc_needs.json", MsvcNeedRow)}


@cache
def runtimes() -> dict[str, MsvcWheelRow]:
    """Return the wheel of the runtime for each Python."""
    return {row.python_tag: row for row in tables.load("builds/msvc_runtimes.json", MsvcWheelRow)}


# ---------------------------------------------------------------- what is to be said of the machine


def list_notices(choice: Choice, machine: Machine) -> Iterator[Notice]:
    """Yield what may surprise in the folder and on the machine."""
    if choice.platform.startswith("windows"):
        yield from long_path(choice, machine)
        yield from linux_inside(choice, machine)
    yield from watched(machine)
    yield from unfit_pythons(machine)


def long_path(choice: Choice, machine: Machine) -> Iterator[Notice]:
    """The longest path of the build would not fit into what Windows allows."""
    longest = needs_of(choice.project, choice.version).longest
    if machine.folder is None or machine.long_paths is not False or not longest:
        return
    letters = len(machine.folder.path.rstrip("\\")) + len(PLACE) + longest
    if letters > PATH_LIMIT:
        text = f"{choice.project} would have paths of {letters} letters in {machine.folder.path}, and Windows"
        limit = f"allows {PATH_LIMIT} as it is set (LongPathsEnabled is 0)"
        yield Notice("long-path", f"{text} {limit}: take a shorter folder, such as {SHORT}.")


def watched(machine: Machine) -> Iterator[Notice]:
    """A cloud copies the folder, or a guard keeps programs out of it."""
    folder = machine.folder
    if folder and folder.synced_by:
        text = f"{folder.path} is copied to {folder.synced_by}, which locks files while they are installed"
        yield Notice(
            "folder-is-synced", f"{text} and copies them all; better take another folder (--project)."
        )
    if folder and folder.guarded:
        text = f"Windows keeps unknown programs from writing into {folder.path} (controlled folder access)"
        yield Notice("folder-is-guarded", f"{text}: take another folder, such as {SHORT}.")


def linux_inside(choice: Choice, machine: Machine) -> Iterator[Notice]:
    """A Linux in Windows could use the card that this build leaves unused."""
    unused = choice.accelerator == "cpu" and any(gpu.vendor == "nvidia" for gpu in machine.gpus or ())
    found = next((one for one in machine.wsl or () if one.version != 1), None)
    old = next(iter(machine.wsl or ()), None)
    if unused and found:
        text = f"The Linux {found.name} in WSL 2 can use the GPU; there it is done, from tfup's folder, by"
        yield Notice("gpu-in-wsl", f"{text}: wsl -d {found.name} -- sh -c './install.sh --gpu'")
    elif unused and old:
        text = f"The Linux {old.name} is in WSL 1, which has no GPU; WSL 2 has"
        yield Notice("gpu-in-wsl", f"{text}: wsl --set-version {old.name} 2")


def unfit_pythons(machine: Machine) -> Iterator[Notice]:
    """Interpreters that look right and can load no build: of 32 bits, or for another processor."""
    words = [(python, foreign_word(python, machine)) for python in machine.pythons or ()]
    listed = ", ".join(f"{python.version} in {python.path} ({word})" for python, word in words if word)
    if listed:
        yield Notice("python-passed-over", f"Not used: Python {listed}.")
