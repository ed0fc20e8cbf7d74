"""The Python of the environment: whether it starts, and is one that TensorFlow is made for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag

from tfup import tables
from tfup.doctor.finding import Repair, package_trouble, remake, trouble
from tfup.doctor.findings.pairs import PairRow
from tfup.match.platforms import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.tags import Tag

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Distribution, Inside, Patient
    from tfup.tables import BuildRow

WIDE = 64


def describe(patient: Patient) -> str:
    """Say which Python it is."""
    version = patient.inside.version if patient.inside else "no answer"
    return f"{version} in {patient.environment.folder}"


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield what is wrong with the interpreter, and with packages that another one was meant to load."""
    inside = patient.inside
    if inside is None:
        yield gone(patient)
        return
    if inside.bits < WIDE:
        yield trouble(
            "python-32bit", f"{inside.executable} is a program of {inside.bits} bits", remake(patient)
        )
    if inside.implementation != "cpython" or inside.free_threaded:
        kind = "free-threaded" if inside.free_threaded else inside.implementation
        evidence = f"{inside.executable} is {kind} {inside.version}"
        yield trouble("python-not-cpython-abi", evidence, remake(patient))
    if "WindowsApps" in inside.executable or "PythonSoftwareFoundation" in inside.prefix:
        yield trouble("windows-store-python", inside.executable, state="warning")
    yield from foreign_packages(patient, inside)


def gone(patient: Patient) -> Trouble:
    """Return the trouble of an interpreter that gives no answer."""
    python = Path(patient.environment.python)
    target = f", which leads to {python.readlink()}" if python.is_symlink() else ""
    why = "does not start" if python.exists() else "is not there"
    return trouble("python-gone", f"{python}{target} {why}", remake(patient))


# ---------------------------------------------------------------- packages for another Python


def foreign_packages(patient: Patient, inside: Inside) -> Iterator[Trouble]:
    """Yield packages that this interpreter cannot load; one trouble for all, and one for TensorFlow."""
    foreign = [found for found in patient.packages.values() if is_foreign(found, inside)]
    unfit = unfit_release(patient, inside)
    if unfit:
        yield unfit
        foreign = [found for found in foreign if found not in patient.tensorflows]
    if foreign:
        evidence = "; ".join(f"{one.record} is tagged {one.tags[0]}" for one in foreign)
        pins = tuple(f"{one.name}=={one.version}" for one in foreign)
        evidence = f"Python {inside.version} on {inside.machine}, but {evidence}"
        yield package_trouble(patient, "made-for-another-python", evidence, Repair(reinstall=pins))


def is_foreign(found: Distribution, inside: Inside) -> bool:
    """Tell whether every tag of a package's wheel is for another Python or another processor."""
    tags = [tag for text in found.tags for tag in parse_tag(text)]
    return bool(tags) and not any(is_loadable(tag, inside) for tag in tags)


def is_loadable(tag: Tag, inside: Inside) -> bool:
    """Tell whether a Python loads what has this tag; which system it is for is left to the installer."""
    own = "cp" + "".join(inside.minor.split("."))
    major = inside.minor.split(".", maxsplit=1)[0]
    generic = tag.interpreter.startswith(f"py{major}") or (
        tag.abi == "abi3" and tag.interpreter.startswith("cp")
    )
    foreign_processor = any(
        tag.platform.endswith(name) and inside.machine.lower() in others
        for name, others in (
            ("_x86_64", {"aarch64", "arm64"}),
            ("_aarch64", {"x86_64"}),
            ("_i686", {"x86_64"}),
        )
    )
    wide_on_narrow = tag.platform.endswith(("_x86_64", "win_amd64")) and inside.bits < WIDE
    fits = tag.interpreter == own or generic or inside.implementation != "cpython"
    return fits and not wide_on_narrow and (not foreign_processor or "universal" in tag.platform)


def unfit_release(patient: Patient, inside: Inside) -> Trouble | None:
    """Return the trouble of a TensorFlow release that has no wheel for this Python, whatever its tag says."""
    found = patient.tensorflow
    if found is None or inside.implementation != "cpython":
        return None
    pythons = pythons_of(patient, found)
    if not pythons or inside.minor in pythons:
        return None
    evidence = f"{found.record}: made for Python {', '.join(pythons)}; this is {inside.version}"
    remedy = remake(patient, f"{found.name}=={found.version}")
    return trouble(name_unfit(found.version, inside.minor), evidence, remedy)


def pythons_of(patient: Patient, found: Distribution) -> tuple[str, ...]:
    """Return the Pythons that a release has wheels for on this system; none where the tables do not know."""
    system = patient.machine.system
    family = FAMILIES.get((system.os or "", system.arch or ""))
    rows: list[BuildRow] = [
        row for row in tables.releases(found.name) if (row.version, row.family) == (found.version, family)
    ]
    tags = {tag for row in rows for tag, *_ in row.wheels}
    return tuple(
        f"{tag[2]}.{tag[3:]}" for tag in sorted(tags, key=lambda tag: int(tag[3:])) if tag.startswith("cp")
    )


def name_unfit(version: str, python: str) -> str:
    """Return the known issue that a release on a later Python is, by its symptoms."""
    rows = (row for row in tables.load("doctor/pairs.json", PairRow) if row.package == "python")
    fits = (
        row.id
        for row in rows
        if SpecifierSet(row.tensorflow).contains(version, prereleases=True)
        and python in SpecifierSet(row.python)
    )
    return next(fits, "tf-version-not-for-this-python")
