"""What is installed beside what: by the tables that `pin` uses, and by the METADATA of the packages.

A package is blamed once, by the first rule that it breaks; `data/doctor/pairs.json` names the known issue.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfup import tables
from tfup.doctor.catalogue import by_id, words_for
from tfup.doctor.finding import Own, Repair, package_trouble
from tfup.doctor.findings import packages
from tfup.doctor.inspected import installer_of
from tfup.match.keras import keras_rule
from tfup.pin.companions import companion_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Distribution, Patient

ABSENT = "none"


class PairRow(Struct, frozen=True, omit_defaults=True):
    """A package beside a range of TensorFlow releases, and the known issue that this is."""

    id: str
    package: str
    versions: str
    """Of the package; "none" where it is missing."""
    tensorflow: str
    python: str = ""
    rule: bool = False
    """Wrong by itself; the package is then to be removed."""


class Fault(NamedTuple):
    """A package that does not go with the others."""

    package: str
    found: str | None
    """Its version, None where it is missing."""
    needs: str
    """The requirement that it breaks; empty where it must not be there at all."""
    whose: str
    """Who asks for that, and where it is written."""
    id: str | None = None
    """The known issue, where the rule itself says it."""
    why: str = ""


def describe(patient: Patient) -> str:
    """Say what was compared."""
    count = sum(len(one.requires) for one in patient.packages.values())
    return f"{count} requirements of {len(patient.packages)} packages"


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield the packages that do not go together, each once."""
    if patient.inside is None:
        return
    blamed: set[str] = set()
    for fault in chain(forbidden(patient), keras_pair(patient), bounds(patient), requirements(patient)):
        if fault.package not in blamed:
            blamed.add(fault.package)
            yield tell(patient, fault)


# ---------------------------------------------------------------- the rules


def keras_pair(patient: Patient) -> Iterator[Fault]:
    """Yield the Keras that does not work with the TensorFlow; not where two of them share a folder."""
    tensorflow, keras = patient.tensorflow, patient.keras
    if not tensorflow or not keras or len(packages.owners_of(patient, "keras/__init__.py")) > 1:
        return
    rule = keras_rule(tensorflow.version)
    if not SpecifierSet(rule.works).contains(keras.version, prereleases=True):
        wanted = rule.keras or rule.works
        evidence = f"data/keras/keras.json for {tensorflow.name} {tensorflow.version}"
        yield Fault(keras.name, keras.version, f"keras{wanted}", evidence, why=rule.why)


def bounds(patient: Patient) -> Iterator[Fault]:
    """Yield the companions that are outside the bounds which pin would give them."""
    if patient.tensorflow is None or patient.inside is None:
        return
    tag = "cp" + "".join(patient.inside.minor.split("."))
    for rule in companion_rules(patient.tensorflow.version, tag):
        bound = Requirement(rule.bound)
        found = patient.packages.get(canonicalize_name(bound.name))
        if found and not bound.specifier.contains(found.version, prereleases=True):
            evidence = (
                f"data/builds/companions.json for {patient.tensorflow.name} {patient.tensorflow.version}"
            )
            yield Fault(found.name, found.version, rule.bound, evidence, rule.id, rule.why)


def forbidden(patient: Patient) -> Iterator[Fault]:
    """Yield the packages that must not be there at all."""
    for row in rows():
        found = patient.packages.get(row.package)
        if row.rule and found and applies(row, patient, found.version):
            yield Fault(found.name, found.version, "", "data/doctor/pairs.json", row.id)


def requirements(patient: Patient) -> Iterator[Fault]:
    """Yield what the METADATA of the packages asks for and does not get."""
    for one in patient.packages.values():
        for need in one.requires:
            fault = unmet(patient, one, need)
            if fault:
                yield fault


def unmet(patient: Patient, one: Distribution, need: Requirement) -> Fault | None:
    """Return what is wrong with one requirement of one package.

    Where a companion refuses this TensorFlow, the companion is to blame. What conda leaves out, it has, and
    who asks for tensorflow is served by tensorflow-cpu.
    """
    if need.marker and not (patient.inside and need.marker.evaluate(patient.inside.markers)):
        return None
    name = canonicalize_name(need.name)
    found = patient.packages.get(name) or patient.twin(name)
    whose = f"{one.record / 'METADATA'}"
    if found is None:
        return None if installer_of(one) == "conda" else Fault(name, None, plain(need), whose)
    if need.url or need.specifier.contains(found.version, prereleases=True):
        return None
    if found in patient.tensorflows:
        return Fault(one.name, one.version, one.name, f"{whose} asks for {plain(need)}")
    return Fault(name, found.version, plain(need), whose)


def plain(need: Requirement) -> str:
    """Return a requirement without its marker.

    >>> plain(Requirement("numpy<2,>=1.23; python_version > '3'"))
    'numpy<2,>=1.23'
    """
    return f"{need.name}{need.specifier}"


# ---------------------------------------------------------------- what is said of it


def tell(patient: Patient, fault: Fault) -> Trouble:
    """Return the trouble of a fault, in the words of the known issue that it is."""
    evidence = f"{fault.package} {fault.found or 'is not there'}; {fault.whose}"
    if fault.needs and fault.found and fault.needs != fault.package:
        evidence = f"{fault.package} {fault.found}; {fault.whose} asks for {fault.needs}"
    repair = repair_of(patient, fault)
    name = fault.id if fault.id in by_id() else name_of(patient, fault)
    if name:
        return package_trouble(patient, name, evidence, repair)
    if fault.found is None:
        return package_trouble(patient, "requirement-missing", evidence, repair)
    unmet = words_for()["requirement-unmet"]
    own = Own(unmet.title, fault.why or unmet.cause)
    return package_trouble(patient, "requirement-unmet", evidence, repair, own=own)


def name_of(patient: Patient, fault: Fault) -> str | None:
    """Return the known issue that a fault is."""
    version = fault.found or ABSENT
    fits = (row.id for row in rows() if row.package == fault.package and applies(row, patient, version))
    return next(fits, None)


def applies(row: PairRow, patient: Patient, version: str) -> bool:
    """Tell whether a row is about this version of its package, this TensorFlow and this Python."""
    if (row.versions == ABSENT) != (version == ABSENT):
        return False
    tensorflow = patient.tensorflow.version if patient.tensorflow else None
    checked = (
        (row.versions, version if row.versions != ABSENT else None),
        (row.tensorflow, tensorflow),
        (row.python, patient.inside.minor if patient.inside else None),
    )
    return all(
        not wanted or wanted == ABSENT or (found and SpecifierSet(wanted).contains(found, prereleases=True))
        for wanted, found in checked
    )


def rows() -> list[PairRow]:
    """Return the table."""
    return tables.load("doctor/pairs.json", PairRow)


def repair_of(patient: Patient, fault: Fault) -> Repair:
    """Return the repair: the pin of the plan, else what meets the rule, else removing the package."""
    if not fault.needs:
        return Repair(safe=False, uninstall=(fault.package,))
    pinned = planned(patient).get(fault.package)
    beside = (f"{patient.tensorflow.name}=={patient.tensorflow.version}",) if patient.tensorflow else ()
    wanted = f"{fault.package}=={pinned}" if pinned else fault.needs
    if (
        fault.needs == fault.package and not pinned
    ):  # it refuses this TensorFlow: another release of it may not
        wanted = f"{fault.package}!={fault.found}"
    return Repair(safe=fault.found is None or bool(pinned), install=(wanted, *beside))


def planned(patient: Patient) -> dict[str, str]:
    """Return the pins of the project's plan, where they are for the TensorFlow that is there."""
    from tfup.formats import read_plan

    plan = read_plan(patient.folder) if patient.is_ours else None
    pins = {pin.name: pin.version for pin in plan.pins} if plan else {}
    same = patient.tensorflow and pins.get(patient.tensorflow.name) == patient.tensorflow.version
    return pins if same else {}
