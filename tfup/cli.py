"""The story of tfup: five stages, one value handed on.

Each command is one function that reads like its help text; what they share is below them.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tfup import arguments as words
from tfup.errors import Bug, Interrupted, Need, NoBuildFits, PinGone, TfupError
from tfup.managers.signals import ignore_all, listen
from tfup.report.console import Report, describe_machine, waiting_text
from tfup.report.streams import open_streams
from tfup.shell import typed

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from tfup.model import Environment, Machine, Plan, Project, Wish


CHECK_SECONDS = 900.0  # a cold disk and a slow machine take minutes for the first import; nobody waits longer


def install(arguments: Namespace, report: Report) -> int:
    """Detect, match, pin, write, install, check, report."""
    from tfup import formats, managers
    from tfup.check import selection
    from tfup.managers.transaction import commit, recover, transaction
    from tfup.report import documents

    folder = project_folder(arguments)
    machine = look(arguments, report)
    telling = partial(report.line, "working", "project")
    if not arguments.dry_run:
        recover(folder, say=telling)
    plan = make_plan(arguments, machine, folder, report)
    report.plan(plan)
    refuse_without_choice(plan)
    if arguments.dry_run:
        return tell(report, arguments, plan)
    log = managers.new_log(folder)
    with transaction(folder, say=telling) as generation:
        with report.stage("files") as facts:
            project = formats.write(plan, folder, *managers.indexes(os.environ))
            facts.append(", ".join(Path(file).name for file in files_of(project)))
        report.line("working", "environment", waiting_text(plan))
        with report.stage("environment") as facts:
            environment = make_environment(project, plan, arguments, log, report)
            facts.append(environment.folder)
        commit(generation)  # and go on under its lock: another run would replace what is checked
        outcomes = selection.try_out(
            plan, environment, timeout=CHECK_SECONDS, log=log, on_outcome=report.outcome
        )
    proved = all(outcome.status in {"proved", "skipped"} for outcome in outcomes)
    next_steps = managers.next_steps(project)
    report.verdict(outcomes, str(folder), next_steps, str(log), selection.subject(plan))
    if report.json:
        report.document(
            documents.InstallDocument(
                machine, plan, project, environment, outcomes, next_steps, str(log), proved
            )
        )
    return 0 if proved else 1


def detect(arguments: Namespace, report: Report) -> int:
    """Show the machine; with --record, write what a bug report needs."""
    from tfup import machine
    from tfup.machine.live import Live
    from tfup.machine.probe import Recorder

    recorder = Recorder(Live())
    found = machine.detect(recorder, project_folder(arguments), deep=True)
    if arguments.record:
        arguments.record.write_text(recorder.text(), encoding="utf-8")
    report.document(found) if report.json else report.machine(found)
    return 0


def plan(arguments: Namespace, report: Report) -> int:
    """Say what would be installed; with --why-not, what keeps a build from the machine."""
    if arguments.why_not:
        return explain_refusal(arguments, report)
    planned = make_plan(arguments, look(arguments, report), project_folder(arguments), report)
    if planned.choice is None and not report.json:
        refuse_without_choice(planned)
    return tell(report, arguments, planned)


def pin(arguments: Namespace, report: Report) -> int:
    """Write the files of the project, and install nothing."""
    from tfup import formats, managers
    from tfup.managers.transaction import transaction
    from tfup.report import documents

    folder = recovered_folder(arguments, report)
    planned = make_plan(arguments, look(arguments, report), folder, report)
    report.plan(planned)
    refuse_without_choice(planned)
    with transaction(folder, say=partial(report.line, "working", "project")):
        project = formats.write(planned, folder, *managers.indexes(os.environ))
    if report.json:
        report.document(documents.PinDocument(planned, project))
    else:
        report.say(f"written: {', '.join(files_of(project))}")
    return 0


def check(arguments: Namespace, report: Report) -> int:
    """Run the checks in an environment; with --train, train in it; with --report, write it all down."""
    from tfup import formats, managers
    from tfup.check import runner as checks
    from tfup.check import selection, training
    from tfup.report import documents, html

    folder = recovered_folder(arguments, report)
    names = checks.known(arguments.only) if arguments.only else None
    environment, plan = managers.find(folder), formats.read_plan(folder)
    refuse_stranger(environment, folder, arguments, report)
    settings = training.asked(arguments, folder)
    if arguments.report:
        html.make_sure(arguments.report)
    log = managers.new_log(folder)
    outcomes = selection.try_out(
        plan, environment, names, timeout=CHECK_SECONDS, log=log, on_outcome=report.outcome
    )
    if settings:
        hears = training.Hearers(partial(report.line, "working"), report.outcome)
        outcomes += training.train(environment, settings, folder, log, hears)
    written = None
    if arguments.report:
        facts = (look(arguments, report), plan, environment, outcomes)
        written = html.write(arguments.report, html.Story(folder, *facts))
        report.line("proved", "report", written)
    if report.json:
        report.document(documents.CheckDocument(outcomes, written))
    else:
        report.verdict(outcomes, str(folder), (), str(log), selection.subject(plan))
    return 0 if all(outcome.status in {"proved", "skipped"} for outcome in outcomes) else 1


def explain(arguments: Namespace, report: Report) -> int:
    """Say what an error means, and what repairs it; what is not known is said to be so."""
    from tfup.doctor.explain import explain as explain_log
    from tfup.doctor.facts import Facts, facts_of_environment
    from tfup.doctor.log_text import read_log
    from tfup.doctor.remedies import words_of

    if arguments.file == "-" and sys.stdin and sys.stdin.isatty():
        report.line("working", "explain", "paste the error, then press Ctrl-D (on Windows Ctrl-Z and Enter)")
    folder = project_folder(arguments)
    words = words_of(folder, sys.platform, os.environ)
    read_here = Facts if arguments.machine else partial(facts_of_environment, folder, os.environ)
    ask = partial(look, arguments, Report(quiet=True))
    answer = explain_log(read_log(arguments.file), ask, words, read_here)
    report.document(answer) if report.json else report.explanation(answer)
    return 0


def doctor(arguments: Namespace, report: Report) -> int:
    """Say what is not well in an environment and around it; with --fix, repair what can be repaired."""
    from tfup.doctor import doctor
    from tfup.doctor.inspected import choose_environment
    from tfup.report import documents

    folder = recovered_folder(arguments, report)
    refuse_stranger(choose_environment(folder, os.environ), folder, arguments, report)
    patient = doctor.admit(folder, look(arguments, report), os.environ)
    log = log_of_doctor(folder)
    first = last = doctor.diagnose(patient)
    done: tuple[str, ...] = ()
    if arguments.fix:
        say = partial(report.line, "working", "repairing")
        last, done = doctor.mend(
            patient, first, doctor.Hands(agreement(arguments, report), log, arguments.offline, say)
        )
    for text in done:
        report.line("proved", "repaired", text)
    for examined in last.examined:
        report.examined(examined)
    outcomes, last = doctor.try_out(patient, last, log, report.outcome)
    findings = doctor.mark_fixed(first, last)
    well = all(finding.fixed for finding in findings)
    if report.json:
        report.document(
            documents.DoctorDocument(
                str(folder), patient.environment, well, findings, last.examined, last.backend, outcomes, done
            )
        )
    else:
        where = ("--project", arguments.project) if arguments.project else ()
        report.findings(findings, typed("tfup", "doctor", "--fix", *where))
    return 0 if well else 1


def log_of_doctor(folder: Path) -> Path:
    """Return the file for what its programs say: the project's, else one in our cache, else nowhere."""
    from tfup import managers
    from tfup.folders import optional_cache

    if (folder / ".tfup").is_dir():
        return managers.new_log(folder)
    cache = optional_cache(os.environ)
    return cache / "doctor.txt" if cache else Path(os.devnull)


def undo(arguments: Namespace, report: Report) -> int:
    """Bring back the generation before the last install."""
    from tfup import formats
    from tfup.managers.transaction import undo
    from tfup.report import documents

    folder = project_folder(arguments)
    undo(folder, say=partial(report.line, "working", "project"))
    back = formats.read_plan(folder)
    choice = back.choice if back else None
    document = documents.UndoDocument(
        str(folder), choice.project if choice else None, choice.version if choice else None
    )
    if report.json:
        report.document(document)
    else:
        report.say(
            f"{folder} is as it was: {f'{choice.project} {choice.version}' if choice else 'no tfup project'}"
        )
    return 0


def versions(arguments: Namespace, report: Report) -> int:
    """List the releases that fit this machine."""
    from tfup.match.fitting import fitting_versions
    from tfup.report import documents

    rows, not_fitting = fitting_versions(look(arguments, report))
    if report.json:
        report.document(documents.VersionsDocument(rows, not_fitting))
    else:
        report.versions(rows, not_fitting)
    return 0


def clean(arguments: Namespace, report: Report) -> int:
    """Remove our cache and the kept generation; the environment too of a project that is named."""
    from tfup.folders import cache_folder
    from tfup.managers import cleaning
    from tfup.report import documents

    folder = project_folder(arguments)
    kinds = cleaning.KINDS if arguments.project else cleaning.KINDS[:2]
    things = cleaning.removable(folder, cache_folder(os.environ), kinds)
    freed = sum(thing.bytes for thing in things)
    if arguments.project and cleaning.leaves(folder, things):
        report.line("warning", "environment", f"{folder / '.venv'} was not made by tfup, and stays")

    def tell() -> None:
        if report.json:
            report.document(documents.CleanDocument(things, freed, arguments.dry_run))
        else:
            report.removed(things, freed, dry_run=arguments.dry_run)

    if arguments.dry_run:
        tell()
    else:
        cleaning.clean(things, folder, partial(report.line, "working", "project"), tell)
    return 0


COMMANDS: dict[str, Callable[[Namespace, Report], int]] = {
    "install": install,
    "detect": detect,
    "plan": plan,
    "pin": pin,
    "check": check,
    "doctor": doctor,
    "explain": explain,
    "undo": undo,
    "versions": versions,
    "clean": clean,
}


# ---------------------------------------------------------------- what the commands share


def look(arguments: Namespace, report: Report) -> Machine:
    """Stage 1: the machine here, or the one of a file."""
    from tfup.machine import detect
    from tfup.machine.file import read_machine
    from tfup.machine.live import Live

    if getattr(arguments, "machine", None):
        return read_machine(arguments.machine)
    with report.stage("machine") as facts:
        machine = detect(Live(), project_folder(arguments), deep=False)
        facts.append(describe_machine(machine))
    return machine


def make_plan(arguments: Namespace, machine: Machine, folder: Path, report: Report) -> Plan:
    """Stages 2 and 3: the build, and every package exactly."""
    from tfup import managers
    from tfup.check import runner
    from tfup.machine.live import Live
    from tfup.pin import planning
    from tfup.wish import from_arguments, remember

    typed, here = from_arguments(arguments), not getattr(arguments, "machine", None)
    wish = remember(typed, *remembered(folder)) if here else typed
    waiting = partial(report.line, "working", "waiting")
    resolve = partial(managers.resolve, offline=arguments.offline, say=waiting, here=here)
    return planning.make(machine, wish, resolve, runner.checks_digest, Live() if here else None)


def make_environment(
    project: Project, plan: Plan, arguments: Namespace, log: Path, report: Report
) -> Environment:
    """Stage 4; where the index lacks a pin, the nearest proved build that does without it is named."""
    from tfup import managers
    from tfup.pin.nearest_proof import advised, told_of_yanked

    say = partial(report.line, "warning", "note")
    try:
        environment = managers.install(project, offline=arguments.offline, log=log, live=report.live, say=say)
    except PinGone as error:
        raise advised(error, plan.choice) from error
    if environment.yanked and plan.choice:
        say(told_of_yanked(environment.yanked, plan.choice))
    return environment


def remembered(folder: Path) -> tuple[Wish | None, tuple[str, ...]]:
    """Return the wish of the project's last plan, and what its Pipfile asks for beside the build."""
    if not (folder / "Pipfile").exists() and not (folder / ".tfup").exists():
        return None, ()  # a new folder, and nothing to be imported for it
    from tfup import formats

    last = formats.read_plan(folder)
    return last.wish if last else None, formats.read_pipfile(folder).packages


def explain_refusal(arguments: Namespace, report: Report) -> int:
    """Answer plan --why-not."""
    from tfup.match.search import why_not
    from tfup.match.what_if import what_would_help
    from tfup.report.documents import WhyNotDocument
    from tfup.wish import from_arguments

    machine, wish = look(arguments, report), from_arguments(arguments)
    over = why_not(arguments.why_not, machine, wish)
    remedies = [obstacle.remedy for obstacle in over.obstacles if obstacle.remedy] if over else []
    gives = what_would_help(arguments.why_not, machine, wish)
    answer = WhyNotDocument(arguments.why_not, over is None, over, remedies[0] if remedies else None, gives)
    report.document(answer) if report.json else report.why_not(answer)
    return 0


def agreement(arguments: Namespace, report: Report) -> Callable[[str], bool]:
    """Return how to ask before a step that is not safe: --yes answers, and so does no terminal: no."""
    if arguments.yes:
        return lambda _question: True
    if report.json or not sys.stdin.isatty():
        return lambda _question: False
    return report.ask


def refuse_without_choice(planned: Plan) -> None:
    """Raise NoBuildFits with the nearest build, its obstacles and what would remove the first of them."""
    if planned.choice is not None:
        return
    near = planned.nearest
    sentence = "No TensorFlow build fits this wish on this machine."
    if near and near.project == "keras":
        sentence = "No Keras with that back end fits this wish on this machine."
    if near is None:
        raise NoBuildFits(sentence, hint="tfup versions")
    remedy = f": {planned.remedies[0]}" if planned.remedies else ""
    closest = f"{sentence[:-1]}; the closest is {near.project} {near.version}{remedy}."
    on = f" --backend {planned.wish.backend}" if near.project == "keras" else ""
    raise NoBuildFits(
        closest,
        tuple(Need(obstacle.name, obstacle.needs, obstacle.found) for obstacle in planned.obstacles),
        f"tfup plan --why-not {near.project}=={near.version}{on}",
    )


def project_folder(arguments: Namespace) -> Path:
    """Return the project folder: the one named, ~/tensorflow inside a checkout of tfup, else this folder."""
    if arguments.project:
        return Path(arguments.project).expanduser().absolute()
    here = Path.cwd()
    checkout = Path(__file__).parents[1]
    inside = (checkout / "pyproject.toml").is_file() and here.is_relative_to(checkout)
    return home() / "tensorflow" if inside else here


def recovered_folder(arguments: Namespace, report: Report) -> Path:
    """Return the project folder after what a killed run left in it was put in order."""
    from tfup.managers.transaction import recover

    folder = project_folder(arguments)
    recover(folder, say=partial(report.line, "working", "project"))
    return folder


def refuse_stranger(environment: Environment, folder: Path, arguments: Namespace, report: Report) -> None:
    """Raise StrangeEnvironment where nobody asked to run a stranger's Python; say it where it is run."""
    from tfup.managers import strangers

    named = bool(arguments.project) and Path(environment.folder) == folder
    if not strangers.is_known(environment, os.environ):
        if not (named or arguments.yes):
            strangers.refuse(environment, arguments.command)
        report.line("working", "environment", f"{environment.folder} is not of tfup's making here; it is run")


def home() -> Path:
    """Return the person's home folder; without one, the current folder."""
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()


def files_of(project: Project) -> list[str]:
    """Return the files of a project that are there."""
    named = (
        project.pipfile,
        project.pipfile_lock,
        project.requirements,
        project.environment_yml,
        project.pylock,
    )
    return [file for file in named if Path(file).is_file()]


def tell(report: Report, arguments: Namespace, planned: Plan) -> int:
    """Give a plan as the answer of the command; exit 3 where nothing fits."""
    if report.json:
        report.document(planned)
    elif arguments.command == "plan":
        report.plan(planned)
    else:
        report.say("nothing was written: --dry-run")
    return 0 if planned.choice else NoBuildFits.exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every failure has one form."""
    open_streams()
    listen()
    given = list(sys.argv[1:] if argv is None else argv)
    report = Report(json="--json" in given)
    try:
        arguments = words.read_arguments(given)
        report = Report(json=arguments.json, quiet=arguments.quiet)
        code = COMMANDS[arguments.command](arguments, report)
    except SystemExit:  # of --help and --version
        code = 0
    except TfupError as error:
        code = report.error(error)
    except KeyboardInterrupt:
        ignore_all()
        code = report.error(
            Interrupted("Stopped; nothing is left half done.", hint="tfup (the same command) goes on")
        )
    except Exception as error:  # noqa: BLE001 -- the last door: what nobody foresaw gets our form too
        code = report.error(bug(error, given))
    return report.end(code)


def bug(error: Exception, given: Sequence[str]) -> Bug:
    """Return an unforeseen failure in our form, its traceback kept in a log."""
    import traceback

    from tfup.privacy import hide_credentials

    text = hide_credentials(f"tfup {' '.join(given)}\n{traceback.format_exc()}")
    log = keep_bug(text)
    if log is None:
        sys.stderr.write(text)
    sentence = hide_credentials(f"tfup met something it does not know: {error!r}.")
    return Bug(sentence, hint="tfup detect --record machine.json", log=str(log) if log else None)


def keep_bug(text: str) -> Path | None:
    """Write what is known of a bug into our cache, for the person alone to read; None where that fails."""
    from tfup.files import write_whole
    from tfup.folders import make_cache

    try:
        log = make_cache(os.environ) / "bug.log"
        log.unlink(missing_ok=True)  # its mode would stay
        write_whole(log, text.encode("utf-8", "backslashreplace"), mode=0o600)
    except (OSError, TfupError):
        return None
    return log
