"""What a log tells about the machine it comes from, and whether an issue can occur there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tfup.doctor.catalogue import Affected, KnownIssue
    from tfup.model import Machine

OS = {  # the first that is found counts: logs of Windows and macOS may speak of Linux, hardly the reverse
    "windows": r"\b[A-Za-z]:\\\w|\[WinError|\bwin_amd64\b|\bwin32\b|\bDLL load failed|\w\.dll\b",
    "macos": r"(?<![\w.])/Users/\w|\bmacosx_\d|\bzsh: (?![^\n]*core dumped)|\bDarwin\b|\.dylib\b"
    r"|/opt/homebrew/|\bmacOS \(",
    "linux": r"(?<![\w.])/(?:home|usr/lib|usr/local/lib|opt)/\w|\w\.so\.\d|manylinux|linux-gnu|\bUbuntu\b",
}
ARCH = {
    "aarch64": r"\b(?:aarch64|arm64)\b|_arm64\b|linux_aarch64",
    "x86_64": r"\bx86_64\b|_x86_64\b|\bwin_amd64\b|\bAMD64\b|\bsse|\bAVX",
}
PYTHON = re.compile(
    r"\b[Pp]ython[ /=:]{0,2}(?P<spoken>[23]\.\d+)|\bcp(?P<tag>[23]\d+)[-_`m]"
    r"|\bpython(?P<unix>[23]\.\d+)[/\\]|[\\/]Python(?P<windows>3\d+)(?:-32)?[\\/]"
)
TENSORFLOW = re.compile(
    r"\btensorflow(?:[-_](?:gpu|cpu|intel|macos))?(?:\[[\w-]+\])?(?:==|[- ]v?|\s+)"
    r"(?P<release>[0-2]\.\d+(?:\.\d+)*)",
    re.IGNORECASE,
)
PLACES = ("lib/python*/site-packages", "Lib/site-packages")
RECORD = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>\d[^-]*)(?:-py\d.*)?\.(?:dist|egg)-info$")
TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-intel", "tensorflow-macos")
KERAS = re.compile(r"(?<![\w-])keras(?:==|[- ]v?|\s+)(?P<release>[0-3]\.\d+(?:\.\d+)*)", re.IGNORECASE)


class Facts(Struct, frozen=True):
    """Where a log comes from, as far as is known; versions as far as they are told."""

    os: str | None = None
    arch: str | None = None
    python: str | None = None
    tensorflow: str | None = None
    keras: str | None = None


def facts_of_text(text: str) -> Facts:
    r"""Read what a log tells in passing.

    >>> facts_of_text("C:\\tf\\lib\\site-packages>pip install tensorflow==2.10.1  # on Python 3.10.4")
    Facts(os='windows', arch=None, python='3.10', tensorflow='2.10.1', keras=None)
    """
    return Facts(
        os=first_of(OS, text),
        arch=first_of(ARCH, text),
        python=last_python(text),
        tensorflow=last_release(TENSORFLOW, text),
        keras=last_release(KERAS, text),
    )


def first_of(marks: dict[str, str], text: str) -> str | None:
    """Return the first name whose marks are in the text."""
    return next((name for name, pattern in marks.items() if re.search(pattern, text)), None)


def last_python(text: str) -> str | None:
    """Return the minor release of Python that was spoken of last."""
    found = list(PYTHON.finditer(text))
    if not found:
        return None
    last = found[-1]
    digits = last["tag"] or last["windows"]
    return f"{digits[0]}.{digits[1:]}" if digits else last["spoken"] or last["unix"]


def last_release(pattern: re.Pattern[str], text: str) -> str | None:
    """Return the release that was spoken of last."""
    found = pattern.findall(text)
    return found[-1] if found else None


def facts_of_machine(facts: Facts, machine: Machine) -> Facts:
    """Add what the machine tells, where the log comes from no other system."""
    if not seen_on(facts, machine):
        return facts
    return replace(facts, os=facts.os or machine.system.os, arch=facts.arch or machine.system.arch)


def facts_of_environment(folder: Path, environ: Mapping[str, str]) -> Facts:
    """Read what is installed in the project's environment, else in the active one, from names alone."""
    named = (environ.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX"))
    roots = [folder / ".venv", *(Path(name) for name in named if name)]
    places = (place for root in roots for pattern in PLACES for place in sorted(root.glob(pattern)))
    place = next(places, None)
    if place is None:
        return Facts()
    found = [record for path in place.iterdir() if (record := RECORD.match(path.name))]
    versions = {record["name"].lower().replace("_", "-"): record["version"] for record in found}
    python = re.fullmatch(r"python(\d+\.\d+)t?", place.parent.name)
    return Facts(
        python=python[1] if python else None,
        tensorflow=next((versions[name] for name in TENSORFLOWS if name in versions), None),
        keras=versions.get("keras"),
    )


def facts_from_here(told: Facts, here: Facts, os: str | None) -> Facts:
    """Add what is installed here, unless the log speaks of another system, Python or release."""
    pairs = (
        (told.os, os or told.os),
        (told.python, here.python),
        (told.tensorflow, here.tensorflow),
        (told.keras, here.keras),
    )
    if any(said and there and not f"{there}.".startswith(f"{said}.") for said, there in pairs):
        return told
    return replace(
        told,
        python=told.python or here.python,
        tensorflow=here.tensorflow or told.tensorflow,
        keras=here.keras or told.keras,
    )


def seen_on(facts: Facts, machine: Machine) -> bool:
    """Tell whether the log can come from this machine."""
    return facts.os in {None, machine.system.os}


def verdict(affected: Affected, facts: Facts) -> int:
    """Return 1 where what is known agrees with an issue, -1 where something contradicts it, else 0."""
    known = {name: value for name, value in asdict(facts).items() if value and getattr(affected, name)}
    agreeing = [agrees(getattr(affected, name), value) for name, value in known.items()]
    return 0 if not agreeing else 1 if all(agreeing) else -1


def elsewhere(affected: Affected, facts: Facts) -> bool:
    """Tell whether a log comes from a system that an issue does not know."""
    return bool(facts.os and affected.os and facts.os not in affected.os)


def agrees(range_: str | tuple[str, ...], value: str) -> bool:
    """Tell whether a value is inside a range: a set of names, or of releases."""
    if isinstance(range_, tuple):
        return value in range_
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(range_).contains(value, prereleases=True)


def has_nvidia(machine: Machine) -> bool | None:
    """Tell whether there is an NVIDIA GPU; None where it could not be read."""
    return None if machine.gpus is None else any(gpu.vendor == "nvidia" for gpu in machine.gpus)


def lacks(feature: str) -> Callable[[Machine], bool | None]:
    """Return a question to a machine: whether its processor lacks a feature."""
    return lambda machine: None if machine.cpu.features is None else feature not in machine.cpu.features


MACHINE_SAYS: dict[str, Callable[[Machine], bool | None]] = {
    "cpu-no-avx": lacks("avx"),
    "cpu-no-avx2-tf-2-4-0": lacks("avx2"),
    "apple-silicon-rosetta-python": lambda machine: machine.system.rosetta,
    "cuda-soft-dlopen": has_nvidia,
    "nvidia-no-device": has_nvidia,
    "keras-backend-env-overrides": lambda machine: bool(machine.environment.get("KERAS_BACKEND")) or None,
}
"""What only the machine can say about an issue, by its id."""


def weigh(issue: KnownIssue, facts: Facts, machine: Machine | None) -> int:
    """Return 1 where text and machine confirm an issue, -1 where they contradict it, else 0."""
    said = MACHINE_SAYS[issue.id](machine) if machine and issue.id in MACHINE_SAYS else None
    if said is not None:
        return 1 if said else -1
    return verdict(issue.affected, facts)
