"""Look at an environment, say what is not well and why, and repair what can be repaired.

First without importing what is installed, then, where TensorFlow is there, by the checks. An examination
that crashes is a finding of its own; the others go on.
"""

from __future__ import annotations

import os
import shutil
import time
import traceback
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tfup.check.runner import check
from tfup.doctor.catalogue import words_for
from tfup.doctor.facts import Facts
from tfup.doctor.finding import trouble
from tfup.doctor.findings import SUBJECTS
from tfup.doctor.findings.keras_json import active_backend
from tfup.doctor.inspected import Patient, ask, choose_environment
from tfup.doctor.remedies import Words, fill
from tfup.errors import TfupError
from tfup.managers.activation import with_backend
from tfup.report.documents import ActiveBackend, Examined, Finding
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tfup.doctor.finding import Repair, State, Trouble
    from tfup.doctor.findings import Subject
    from tfup.managers.corner import Store
    from tfup.managers.hashed import Destination
    from tfup.model import Machine, Outcome

CHECKS = ("import_tensorflow", "hello_session", "keras_backend")
SECONDS = 600.0
ROUNDS = 4
"""A repair may bring a fault to light that another one hid."""
BADNESS: tuple[State, ...] = ("warning", "wrong", "crashed")
NEED_PYTHON = {"packages", "pairs", "system"}
"""Subjects of which little can be said where the Python of the environment gives no answer."""


class Diagnosis(NamedTuple):
    """What was found in one look."""

    examined: tuple[Examined, ...]
    troubles: tuple[Trouble, ...]
    backend: ActiveBackend | None
    seconds: float = 0.0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, without their repairs."""
        return tuple(one.finding for one in self.troubles)


def admit(folder: Path, machine: Machine, variables: Mapping[str, str]) -> Patient:
    """Return the environment of a folder as the patient; asks its Python where it looks for modules."""
    environment = choose_environment(folder, variables)
    inside = ask(environment.python, variables)
    if inside and environment.manager == "system":  # found by a link or a shim, which may be anywhere
        environment = replace(environment, folder=inside.prefix)
    own = with_backend(Path(environment.folder), variables)
    return Patient(folder, environment, machine, own, inside)


def readmit(patient: Patient) -> Patient:
    """Return the same environment, to be looked at anew."""
    return admit(patient.folder, patient.machine, patient.variables)


def diagnose(patient: Patient, subjects: tuple[Subject, ...] = SUBJECTS) -> Diagnosis:
    """Look at every subject without importing anything that is installed."""
    started = time.monotonic()
    examined: list[Examined] = []
    troubles: list[Trouble] = []
    for subject in subjects:
        found = examine(subject, patient)
        troubles += found
        examined.append(summary(subject, patient, found))
    try:
        backend = active_backend(patient)
    except Exception:  # noqa: BLE001 - the examination of keras.json has told it
        backend = None
    return Diagnosis(tuple(examined), tuple(troubles), backend, time.monotonic() - started)


def examine(subject: Subject, patient: Patient) -> list[Trouble]:
    """Return what one examination finds; its crash is a trouble after those that it had found."""
    found: list[Trouble] = []
    try:
        found.extend(map(partial(spell_out, patient), subject.examine(patient)))
    except Exception as error:  # noqa: BLE001 - whatever a strange environment makes of an examination is told
        where = traceback.extract_tb(error.__traceback__)[-1]
        evidence = (
            f"{subject.name}: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        )
        remedy = "tfup detect --record machine.json"
        found.append(trouble("examination-crashed", evidence, remedy, state="crashed"))
    return found


def spell_out(patient: Patient, one: Trouble) -> Trouble:
    """Return a trouble with the blanks of its remedy filled for this environment.

    Only the catalogue's words have blanks: the name of a file may look like one.
    """
    if one.finding.remedy not in words_for()[one.finding.id].remedy:
        return one
    remedy = fill((one.finding.remedy,), facts_of(patient), words_of(patient))
    return one._replace(finding=replace(one.finding, remedy=remedy))


def facts_of(patient: Patient) -> Facts:
    """Return what the catalogue's remedies may depend on."""
    system, inside = patient.machine.system, patient.inside
    return Facts(
        os=system.os,
        arch=system.arch,
        python=inside.minor if inside else None,
        tensorflow=patient.tensorflow.version if patient.tensorflow else None,
        keras=patient.keras.version if patient.keras else None,
    )


def words_of(patient: Patient) -> Words:
    """Return how Python and pip of the environment are called."""
    python = typed(patient.environment.python)
    pip = f"{python} -m pip" if "pip" in patient.packages else "uv pip"
    return Words(patient.machine.system.os, python, pip)


def summary(subject: Subject, patient: Patient, found: list[Trouble]) -> Examined:
    """Return the line of one subject: its worst state, and what it is about."""
    if not found:
        if patient.inside is None and subject.name in NEED_PYTHON:
            return Examined(subject.name, "skipped", "the Python of the environment gives no answer")
        return Examined(subject.name, "well", describe(subject, patient))
    worst = max((one.finding.state for one in found), key=BADNESS.index)
    return Examined(subject.name, worst, "; ".join(one.finding.title for one in found))


def describe(subject: Subject, patient: Patient) -> str:
    """Return what is said of a subject that is well."""
    try:
        return subject.describe(patient)
    except Exception as error:  # noqa: BLE001 - as above; a description is not worth an end
        return f"{type(error).__name__}: {error}"


# ---------------------------------------------------------------- with TensorFlow


def try_out(
    patient: Patient, diagnosis: Diagnosis, log: Path, tell: Callable[[Outcome], None]
) -> tuple[tuple[Outcome, ...], Diagnosis]:
    """Run the checks that a TensorFlow must pass, and add what they show to the diagnosis."""
    if patient.inside is None or not patient.tensorflows:
        return (), diagnosis
    before = log.stat().st_size if log.exists() else 0
    outcomes = check(patient.environment, CHECKS, timeout=SECONDS, log=log, on_outcome=tell)
    said = log.read_bytes()[before:].decode("utf-8", "replace")
    more = explain_outcomes(outcomes, diagnosis, said, patient)
    return outcomes, diagnosis._replace(troubles=diagnosis.troubles + more)


def explain_outcomes(
    outcomes: tuple[Outcome, ...], diagnosis: Diagnosis, said: str, patient: Patient
) -> tuple[Trouble, ...]:
    """Return the troubles of checks that failed, where nothing was found that explains it already.

    `said` is what the processes of the checks wrote, for the catalogue to recognise.
    """
    bad = [outcome for outcome in outcomes if outcome.status in {"failed", "crashed"}]
    if not bad or any(one.finding.state == "wrong" for one in diagnosis.troubles):
        return ()
    first = bad[0]
    text = f"{first.name}: {first.detail}"
    return (spell_out(patient, recognise(f"{text}\n{said}", text, patient)),)


def recognise(text: str, evidence: str, patient: Patient) -> Trouble:
    """Return the trouble that the words of a failure tell of; what nobody knows is told as it is."""
    from tfup.doctor.explain import explain

    matches = explain(text.encode(), lambda: patient.machine, words_of(patient)).matches
    if matches:
        return trouble(matches[0].id, evidence, matches[0].remedy)
    return trouble("tensorflow-fails", evidence, "tfup check")


# ---------------------------------------------------------------- the repair


class Hands(NamedTuple):
    """What a repair works with: whom to ask, and where uv's words go."""

    ask: Callable[[str], bool]
    log: Path
    offline: bool = False
    say: Callable[[str], None] | None = None


def mend(patient: Patient, first: Diagnosis, hands: Hands) -> tuple[Diagnosis, tuple[str, ...]]:
    """Repair what may be repaired, and return what is left with what was done.

    All changes of an environment are one transaction: undo brings back what was there before the first.
    """
    done: list[str] = []
    tried: set[tuple[str, str]] = set()
    diagnosis = first
    with ExitStack() as stack:
        kept: Store | None = None
        changed = False
        for _ in range(ROUNDS):
            todo = [*agreed(diagnosis, tried, hands)]
            if not todo:
                break
            if kept is None and any(repair.changes_environment for _, repair in todo):
                kept = keep(patient, stack, hands)
            for finding, repair in todo:
                told, succeeded = carry_out(patient, finding, repair, hands)
                done += told
                changed = changed or (succeeded and repair.changes_environment)
            diagnosis = diagnose(readmit(patient))
        if kept and not changed:
            from tfup.managers.corner import remove

            remove(
                kept.draft / ".venv"
            )  # so that undo still brings back what was there before the last change
    return diagnosis, tuple(done)


def agreed(
    diagnosis: Diagnosis, tried: set[tuple[str, str]], hands: Hands
) -> Iterator[tuple[Finding, Repair]]:
    """Yield the repairs that are safe or agreed to, each once; a repair for several findings is one."""
    seen: set[int] = set()
    for finding, repair in diagnosis.troubles:
        key = (finding.id, finding.evidence)
        if repair is None or key in tried:
            continue
        tried.add(key)
        if id(repair) not in seen and (repair.safe or hands.ask(question(finding))):
            seen.add(id(repair))
            yield finding, repair


def question(finding: Finding) -> str:
    """Return what is asked before a repair that is not safe."""
    return f"{finding.title}: {finding.evidence}\n  {finding.remedy}\nDo it?"


def carry_out(patient: Patient, finding: Finding, repair: Repair, hands: Hands) -> tuple[list[str], bool]:
    """Do one repair and return what was done, and whether all was; a failure is said, and the others go on.

    Half a change of the environment is worse than none: then the transaction takes everything back.
    """
    done: list[str] = []
    if hands.say:
        hands.say(finding.title)
    try:
        done.extend(steps(patient, repair, hands))
    except (OSError, TfupError) as error:
        if done and repair.changes_environment:
            raise
        return [f"{finding.title}: not repaired: {error}"], False
    return done, True


def steps(patient: Patient, repair: Repair, hands: Hands) -> Iterator[str]:
    """Do the parts of a repair, and yield what each did."""
    if repair.act:
        yield repair.act()
    if repair.uninstall or repair.reinstall or repair.install:
        yield from change_packages(destination(patient, hands), repair)


def change_packages(place: Destination, repair: Repair) -> Iterator[str]:
    """Do what a repair does with packages, and yield what was done."""
    from tfup.managers import hashed, uv

    again = hashed.with_hashes(place, repair.reinstall)
    if repair.uninstall:
        if again:  # nothing goes before what comes in its place is there
            hashed.rehearse(place, again)
        uv.run("pip", "uninstall", "--python", place.python, *repair.uninstall, mode=place.mode)
        yield f"removed {', '.join(repair.uninstall)}"
    if again:
        hashed.install(place, again)
        yield f"installed {', '.join(repair.reinstall)} again"
    if repair.install:
        if pins := hashed.changes(place, repair.install):
            hashed.install(place, hashed.with_hashes(place, pins))
        yield f"installed {repair.install[0]}"


def destination(patient: Patient, hands: Hands) -> Destination:
    """Return where a repair puts packages, with the hashes that the project knows."""
    from tfup.formats import read_hashes
    from tfup.managers import python27, uv
    from tfup.managers.hashed import Destination

    known = read_hashes(patient.folder) if patient.is_ours else {}
    old = patient.inside is not None and python27.is_legacy(patient.inside.version)
    return Destination(patient.environment.python, uv.Mode(hands.offline, hands.log), known, old=old)


def keep(patient: Patient, stack: ExitStack, hands: Hands) -> Store:
    """Begin a transaction, and keep the environment as it is for undo.

    The kept one is made of links to the same files: what is installed anew is a new file under the old name.
    It only ever goes back to the place that it was made for, and only once it is whole.
    """
    from tfup.managers.transaction import transaction

    store = stack.enter_context(transaction(patient.folder, say=hands.say))
    part = store.draft / "environment.part"
    shutil.copytree(store.environment, part, symlinks=True, copy_function=link)
    part.rename(store.draft / ".venv")
    return store


def link(source: str, target: str) -> str:
    """Link a file, or copy it where the disk knows no links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def mark_fixed(first: Diagnosis, last: Diagnosis) -> tuple[Finding, ...]:
    """Return the findings that are left, and those of the first look that are gone, as fixed."""
    left = {(finding.id, finding.evidence) for finding in last.findings}
    gone = (one for one in first.findings if (one.id, one.evidence) not in left)
    return (*last.findings, *(replace(finding, fixed=True) for finding in gone))
