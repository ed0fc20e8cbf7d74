"""The only module that prints: lines for people, or one JSON document for machines.

A line is a mark, a subject, a fact and the seconds it took, as in flutter's doctor; details come
only where something is wrong. Everything passes through `hide_credentials`, so that no password is shown,
and through `visible`, so that no stranger's name moves the cursor. A stream that fails stops no work.
"""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

import msgspec

from tfup.errors import Need, OutputLost
from tfup.privacy import hide_credentials
from tfup.report.streams import Voice, visible, visible_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from msgspec import Struct
    from rich.console import Console

    from tfup.errors import TfupError
    from tfup.model import Choice, Machine, Obstacle, Outcome, PassedOver, Plan, System, Training
    from tfup.report.documents import (
        Examined,
        ExplainDocument,
        ExplainedIssue,
        Finding,
        Removed,
        VersionRow,
        WhyNotDocument,
    )

MARKS = {
    "proved": ("[✓]", "[v]", "green"),
    "skipped": ("[-]", "[-]", "yellow"),
    "failed": ("[✗]", "[x]", "red"),
    "crashed": ("[☠]", "[X]", "red"),
    "warning": ("[!]", "[!]", "yellow"),
    "working": ("[…]", "[.]", "cyan"),
}
STATES = {
    "well": "proved",
    "warning": "warning",
    "wrong": "failed",
    "skipped": "skipped",
    "crashed": "crashed",
}
"""The marks of what doctor finds."""
SUBJECT_WIDTH = 18
MEGABYTE = 1_000_000
SHORTEST = 0.05  # seconds that are worth a word
SHOWN_OVER = 5  # releases passed over that are listed; the rest is counted


class Report:
    """What the person sees of one command."""

    def __init__(self, *, json: bool = False, quiet: bool = False) -> None:
        """Say how much is wanted: with json only the document, with quiet only the last line and trouble."""
        self.json = json
        self.quiet = quiet
        self.silent = json or quiet
        self.voices = {False: Voice(sys.stdout), True: Voice(sys.stderr)}
        self._consoles: dict[bool, Console] = {}

    # ------------------------------------------------------------ the ways out

    def console(self, *, error: bool = False) -> Console:
        """Return rich's console for standard output or standard error, made when first needed."""
        if error not in self._consoles:
            from rich.console import Console

            colour = False if os.environ.get("NO_COLOR") or os.environ.get("CI") else None
            self._consoles[error] = Console(
                file=cast("IO[str]", self.voices[error]),
                stderr=error,
                soft_wrap=True,
                highlight=False,
                markup=False,
                no_color=colour is False or None,
            )
        return self._consoles[error]

    def say(self, text: str = "", style: str | None = None, *, error: bool = False) -> None:
        """Print one line for people."""
        self.console(error=error).print(visible(hide_credentials(text)), style=style)

    @property
    def live(self) -> bool:
        """Tell whether progress bars of other programs may be shown."""
        return not self.silent and self.console(error=True).is_terminal

    def line(self, mark: str, subject: str, fact: str, seconds: float | None = None) -> None:
        """Print one marked line; the seconds only where they are worth a word."""
        if self.silent:
            return
        took = f"  ({seconds:.1f} s)" if seconds is not None and seconds >= SHORTEST else ""
        self.say(f"{self.mark(mark)} {subject:<{SUBJECT_WIDTH}} {fact}{took}", MARKS[mark][2])

    def mark(self, name: str) -> str:
        """Return a mark, in ASCII where the terminal knows nothing else."""
        fancy, plain, _ = MARKS[name]
        return fancy if has_glyphs(self.console().encoding or "", sys.platform, os.environ) else plain

    def document(self, value: Struct) -> None:
        """Print one JSON document on standard output; nothing else goes there under --json."""
        text = hide_credentials(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
        self.voices[False].write(visible_json(text) + "\n")
        self.voices[False].flush()

    @contextmanager
    def stage(self, subject: str) -> Iterator[list[str]]:
        """Time a stage; what it appends to the list yielded becomes its line."""
        facts: list[str] = []
        started = time.monotonic()
        yield facts
        self.line("proved", subject, " ".join(facts), time.monotonic() - started)

    # ------------------------------------------------------------ the lines of the story

    def plan(self, plan: Plan) -> None:
        """Say what was chosen, why, and what it costs."""
        if plan.choice is None:
            self.refusal(plan)
            return
        if self.quiet and not self.json:
            self.say(describe_choice(plan.choice))
        self.line("proved", "build", describe_choice(plan.choice))
        for text, used in describe_gpus(plan.choice):
            self.line("proved" if used else "skipped", "gpu", text)
        self.line(
            "proved", "keras", f"keras {plan.keras.version}" if plan.keras else "built into this TensorFlow"
        )
        if plan.wish.backend:
            self.line("proved", "back end", describe_backend(plan))
        for package in plan.system_packages:
            self.line("proved", "of the system", f"{package.name}  [{package.path}]")
        self.line("proved", "packages", describe_pins(plan))
        for text in describe_reasons(plan):
            self.line("proved", "", text)
        self.passed_over(passed_as_such(plan))
        for warning in plan.warnings:
            self.line("warning", "note", warning.text)

    def passed_over(self, passed: Iterable[PassedOver]) -> None:
        """List the newest releases that do not fit, each with its first obstacle."""
        over = list(passed)
        for release in over[:SHOWN_OVER]:
            self.line(
                "skipped",
                "passed over",
                f"{release.project} {release.version}: {obstacle_text(release.obstacles[0])}",
            )
        if len(over) > SHOWN_OVER:
            self.line("skipped", "", f"and {len(over) - SHOWN_OVER} more; --json lists them")

    def refusal(self, plan: Plan) -> None:
        """Say why nothing fits."""
        for obstacle in plan.obstacles:
            self.line("failed", obstacle.name, obstacle_text(obstacle))

    def why_not(self, answer: WhyNotDocument) -> None:
        """Say what keeps a build from this machine, and the first thing to change."""
        if answer.passed_over is None:
            self.say(f"{answer.build} fits this machine.")
            return
        for obstacle in answer.passed_over.obstacles:
            self.line("failed", obstacle.name, obstacle_text(obstacle))
        self.say(f"first change: {answer.change or 'nothing that can be changed on this machine'}")
        if answer.gives:
            self.say(answer.gives)

    def outcome(self, outcome: Outcome) -> None:
        """Print what one check found, at once."""
        self.line(outcome.status, outcome.name, outcome.detail.split("\n", 1)[0], outcome.seconds)
        if outcome.status in {"failed", "crashed"} and not self.silent:
            for text in outcome.detail.split("\n")[1:]:
                self.say(f"    {text}")
            if outcome.hint:
                self.say(f"    hint: {outcome.hint}")
        if outcome.training and not self.silent:
            self.training(outcome.training)

    def training(self, training: Training) -> None:
        """Show scikit-learn's report on each network, and where the plot is."""
        for network in training.networks:
            self.say(f"    {network.name}")
            for text in filter(str.strip, network.report.splitlines()):
                self.say(f"    {text}")
        if training.plot:
            self.line("proved", "plot", training.plot)

    def examined(self, examined: Examined) -> None:
        """Print what doctor found of one subject."""
        self.line(STATES[examined.state], examined.subject, examined.detail)

    def findings(self, findings: Iterable[Finding], repair: str) -> None:
        """Explain what is not well, and end with one sentence, and with the command that repairs it."""
        left = [finding for finding in findings if not finding.fixed]
        for finding in left:
            self.finding(finding)
        if not self.quiet:
            self.say()
        self.say(f"{counted(left)} not well" if left else "All is well.", "red" if left else "green")
        if any(finding.fixable for finding in left):
            self.say(f"next: {repair}   (repairs what is safe, and asks before the rest)")

    def finding(self, finding: Finding) -> None:
        """Explain one finding: what, why, where it was seen, and what to type."""
        mark = STATES[finding.state]
        self.say()
        self.say(f"{self.mark(mark)} {finding.title}  [{finding.id}]", MARKS[mark][2])
        for name, text in (("cause", finding.cause), ("seen", finding.evidence), ("remedy", finding.remedy)):
            for number, part in enumerate(text.split("\n") if text else ()):
                self.say(f"    {name if number == 0 else '':<7} {part}")
        if finding.docs:
            self.say(f"    more    {finding.docs}")

    def ask(self, question: str) -> bool:
        """Ask the person, and take nothing but yes for a yes."""
        self.say(question)
        self.voices[False].flush()
        try:
            return input("[y/N] ").strip().lower() in {"y", "yes"}
        except EOFError:
            return False

    def machine(self, machine: Machine) -> None:
        """Show the machine, each fact with where it was read."""
        for subject, fact, source in machine_facts(machine):
            self.line("proved", subject, f"{fact}{f'  [{source}]' if source else ''}")
        for subject, reason in telling(machine.unknown).items():
            self.line("skipped", subject, f"unknown: {reason}")

    def explanation(self, answer: ExplainDocument) -> None:
        """Say what caused an error, the likeliest first, and what to type."""
        for match in answer.matches:
            self.say(f"{self.mark('failed')} {match.title}", "red")
            for subject, text in explained(match):
                self.say(f"    {subject:<9} {text}")
        for match in answer.harmless:
            self.say(f"{self.mark('skipped')} harmless: line {match.line}: {match.evidence}", "yellow")
        if not answer.matches:
            self.say("tfup knows no fault that this text shows.")
            self.say("It is best read from the beginning: pass the whole log, not its last lines.")

    def versions(self, rows: Iterable[VersionRow], not_fitting: int) -> None:
        """Show the table of releases that fit."""
        from rich.table import Table

        columns = ("project", "version", "Python", "Keras", "runs on", "status")
        table = Table(*columns, box=None, pad_edge=False)
        for row in rows:
            python = row.python if row.python_from == "found" else f"{row.python} (to be fetched)"
            status = f"{row.proof} {row.on or ''}".strip()
            table.add_row(row.project, row.version, python, row.keras or "-", row.accelerator, status)
        self.console().print(table)
        self.say(f"{not_fitting} releases do not fit; tfup plan --why-not 'tensorflow==VERSION' says why")

    def removed(self, things: Iterable[Removed], freed: int, *, dry_run: bool) -> None:
        """List what was removed."""
        for thing in things:
            self.line("proved", thing.what, f"{thing.path}  {in_megabytes(thing.bytes)}")
        self.say(f"{in_megabytes(freed)} {'would be' if dry_run else 'are'} freed")

    # ------------------------------------------------------------ the last words

    def verdict(
        self,
        outcomes: Iterable[Outcome],
        folder: str,
        next_steps: Iterable[str],
        log: str | None,
        works: str = "TensorFlow and Keras work",
    ) -> None:
        """Say in one sentence how it ended, and what to type next."""
        if self.json:
            return
        bad = [outcome.name for outcome in outcomes if outcome.status in {"failed", "crashed"}]
        if not self.quiet:
            self.say()
        if bad:
            self.say(f"{len(bad)} of the checks did not pass: {', '.join(bad)}", "red")
            self.say(f"log: {log}")
            self.say("next: tfup undo   (brings the former state back)")
            return
        self.say(f"{works} in {folder}", "green")
        for step in () if self.quiet else next_steps:
            self.say(f"  {step}")

    def end(self, code: int) -> int:
        """Return the exit code of a command that ended with this one: not 0 where its answer was lost.

        A reader that goes away, as in `tfup versions | head`, has what it wanted.
        """
        for voice in self.voices.values():
            voice.flush()
        lost = self.voices[False].lost
        if code or lost is None or isinstance(lost, BrokenPipeError):
            return code
        self.json = False
        need = Need("output", "room for the answer", lost.strerror)
        return self.error(OutputLost("The answer could not be written.", (need,), "df -h"))

    def error(self, error: TfupError) -> int:
        """Print a failure in its one form, or as a document; return its exit code."""
        if self.json:
            from tfup.report.documents import error_document

            self.document(error_document(error))
            return error.exit_code
        for text in error_lines(error):
            self.say(text, "red" if text.startswith("error:") else None, error=True)
        return error.exit_code


def has_glyphs(encoding: str, platform: str, environ: Mapping[str, str]) -> bool:
    """Tell whether check marks show: the fonts of Windows' old console lack them, whatever its encoding.

    >>> has_glyphs("UTF-8", "linux", {}), has_glyphs("utf-8", "win32", {}), has_glyphs("cp936", "linux", {})
    (True, False, False)
    >>> has_glyphs("utf-8", "win32", {"WT_SESSION": "of Windows Terminal"})
    True
    """
    new = platform != "win32" or not {"WT_SESSION", "TERM_PROGRAM"}.isdisjoint(environ)
    return new and encoding.lower().replace("-", "") == "utf8"


def spell_for(hint: str, *, windows: bool) -> str:
    """Return a hint as it is typed on this system: cmd sets a variable by a command of its own.

    >>> spell_for("UV_CACHE_DIR=~/uv-cache tfup install", windows=True)
    'set "UV_CACHE_DIR=~/uv-cache" & tfup install'
    >>> spell_for("tfup plan tensorflow==2.21.0", windows=True)
    'tfup plan tensorflow==2.21.0'
    """
    return re.sub(r"^([A-Z_]+)=(\S+) ", r'set "\1=\2" & ', hint) if windows else hint


def explained(match: ExplainedIssue) -> Iterator[tuple[str, str]]:
    """Yield what is said about one cause, as subject and text."""
    sure = "" if match.confidence == "high" else f"  ({match.confidence} confidence)"
    yield f"line {match.line}", match.evidence
    yield "cause", match.cause + sure
    first, *others = match.remedy.split("\n")
    yield "remedy", first
    yield from (("", other) for other in others)
    yield "more", match.docs


def error_lines(error: TfupError) -> Iterator[str]:
    """Yield the lines of a failure: reference, sentence, needs and found, log, one hint."""
    yield f"error: {error.reference}"
    yield error.sentence
    for need in error.needs:
        yield f"  {need.name:<10} needs {need.needs}      found {need.found or 'none'}"
    if error.log:
        yield f"log: {error.log}"
    if error.hint:
        yield f"hint: {spell_for(error.hint, windows=os.name == 'nt')}"


def describe_backend(plan: Plan) -> str:
    """Return the back end that was asked for with its version, and how this environment is told."""
    from tfup.match.keras_backends import describe

    pins = ((pin.name, pin.version) for pin in plan.pins)
    name = describe(plan.choice, pins) if plan.choice else ""
    return f"{name}, by KERAS_BACKEND={plan.wish.backend} in this environment"


def describe_machine(machine: Machine) -> str:
    """Return the machine as half a sentence."""
    parts = [
        describe_system(machine.system),
        f"{machine.cpu.cores} cores" if machine.cpu.cores else "",
        f"{in_gigabytes(machine.memory_bytes)} memory" if machine.memory_bytes else "",
        ", ".join(gpu.name or gpu.vendor for gpu in machine.gpus or ()) or "no GPU found",
    ]
    return ", ".join(filter(None, parts))


def describe_system(system: System) -> str:
    """Return name, version, processor and libc, as far as they are known."""
    name = " ".join(filter(None, (system.name or system.os or "unknown system", system.version)))
    platform = " ".join(filter(None, (system.arch, system.libc, system.libc_version)))
    return ", ".join(filter(None, (name, platform)))


def waiting_text(plan: Plan) -> str:
    """Say what the install is about to do, and how much it has to fetch."""
    size = f", {in_megabytes(plan.download_bytes)} unless they are cached" if plan.download_bytes else ""
    fetch = (
        f"fetching Python {plan.choice.python}; "
        if plan.choice and plan.choice.python_from == "obtain"
        else ""
    )
    return f"{fetch}{len(plan.pins)} packages{size}"


def passed_as_such(plan: Plan) -> list[PassedOver]:
    """Return what was passed over for what the choice is; where a GPU stays unused, one warning says why."""
    used = plan.choice is not None and uses_gpu(plan.choice)
    return [one for one in plan.passed_over if one.gpu == used]


def uses_gpu(choice: Choice) -> bool:
    """Tell whether a choice uses a GPU: a CUDA build does where its libraries can be had."""
    return choice.cuda_from is not None or choice.accelerator == "metal"


def describe_gpus(choice: Choice) -> Iterator[tuple[str, bool]]:
    """Yield each kind of card with its verdict, and whether it is used; then whose CUDA serves."""
    for card in dict.fromkeys((gpu.name, gpu.verdict, gpu.why) for gpu in choice.gpus):
        count = sum((gpu.name, gpu.verdict, gpu.why) == card for gpu in choice.gpus)
        name, verdict, why = card
        times = f"{count} x " if count > 1 else ""
        used = uses_gpu(choice) and verdict in {"native", "mixed", "jit"}
        yield f"{times}{name or 'a card'}: {verdict if used else 'unused'}, {why}", used
    if choice.cuda_from:
        yield f"made for CUDA {choice.cuda} and cuDNN {choice.cudnn}, from {choice.cuda_from}", True


def obstacle_text(obstacle: Obstacle) -> str:
    """Return an obstacle as half a sentence."""
    from tfup.match.gpu.warnings import NOUNS

    remedy = f"; {obstacle.remedy}" if obstacle.remedy else ""
    noun = f"{NOUNS[obstacle.name]} " if obstacle.name in NOUNS else ""
    return f"needs {noun}{obstacle.needs}, found {obstacle.found or 'none'}{remedy}"


def describe_choice(choice: Choice) -> str:
    """Return the choice as half a sentence."""
    python = with_tilde(choice.python_path) if choice.python_path else "to be fetched"
    return f"{choice.project} {choice.version} ({choice.accelerator}) on Python {choice.python} [{python}]"


def with_tilde(path: str) -> str:
    """Return a path as people write it, with ~ for their home."""
    home = os.environ.get("HOME", "").rstrip("/")
    return f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path


def describe_pins(plan: Plan) -> str:
    """Return the number of packages, their size, and what was proved of them."""
    size = f", {in_megabytes(plan.download_bytes)} to download" if plan.download_bytes else ""
    status = f"proved on {plan.proof.on}" if plan.proof.status == "proved" else plan.proof.status
    return f"{len(plan.pins)} pinned with hashes{size}; {status}"


def counted(findings: Collection[Finding]) -> str:
    """Return how many findings there are.

    >>> counted([]), counted(range(2))
    ('0 things are', '2 things are')
    """
    return "1 thing is" if len(findings) == 1 else f"{len(findings)} things are"


def describe_reasons(plan: Plan) -> list[str]:
    """Return why packages are pinned at their versions, those that have one reason together."""
    together: dict[str, list[str]] = {}
    for pin in plan.pins:
        together.setdefault(pin.why, []).append(f"{pin.name} {pin.version}")
    return [f"{', '.join(names)}: {why}" for why, names in together.items() if why]


def in_gigabytes(size: int) -> str:
    """Return bytes as people read them.

    >>> in_gigabytes(25_190_000_000)
    '25 GB'
    """
    return f"{size / 1e9:.0f} GB"


def in_megabytes(size: int) -> str:
    """Return bytes as people read them.

    >>> in_megabytes(599_000_000)
    '599 MB'
    """
    return f"{size / MEGABYTE:.0f} MB" if size >= MEGABYTE else f"{size / 1000:.0f} kB"


def machine_facts(machine: Machine) -> Iterator[tuple[str, str, str | None]]:
    """Yield subject, fact and source for everything that was found."""
    source = machine.sources.get
    yield "system", describe_system(machine.system), source("system.name")
    yield "cpu", f"{machine.cpu.model or 'unknown'}, {machine.cpu.cores or '?'} cores", source("cpu.model")
    for subject, size in (("memory", machine.memory_bytes), ("disk free", machine.disk_free_bytes)):
        if size:
            yield subject, in_gigabytes(size), None
    for python in machine.pythons or ():
        yield "python", f"{python.version} {python.abi or ''} {python.path}", python.managed_by
    yield from gpu_facts(machine)
    for toolkit in machine.cuda or ():
        yield "cuda", f"{toolkit.version} {toolkit.path}", toolkit.source
    for number, library in enumerate(machine.cudnn or ()):
        yield "cudnn", f"{library.version} {library.path}", source(f"cudnn[{number}].version")
    for name, version in machine.tools.items():
        if version:
            yield name, version, source(f"tools.{name}")


def gpu_facts(machine: Machine) -> Iterator[tuple[str, str, str | None]]:
    """Yield subject, fact and source for the cards and for what drives them."""
    source = machine.sources.get
    for number, gpu in enumerate(machine.gpus or ()):
        name, place = gpu.name or gpu.vendor, f"gpus[{number}]"
        yield "gpu", f"{name} {gpu.compute_capability or ''}", source(f"{place}.name")
        if gpu.visible is False:
            yield "gpu", f"{name}: hidden from CUDA programs", source(f"{place}.visible")
    if machine.driver:
        version, cuda = machine.driver.version, machine.driver.cuda
        place = "driver.version" if version else "driver.cuda"
        yield "driver", f"{version or 'of any version'} (CUDA {cuda or 'unknown'})", source(place)
    if machine.rocm:
        yield "rocm", machine.rocm, source("rocm")


def telling(unknown: dict[str, str]) -> dict[str, str]:
    """Return what is unknown and worth a line: no tools that are not there, nothing of other systems."""
    return {subject: reason for subject, reason in unknown.items() if not is_dull(subject, reason)}


def is_dull(subject: str, reason: str) -> bool:
    """Tell whether nobody misses a fact: most cards have no MIG, and AMD's know no CUDA."""
    of_cards = subject.startswith("gpus[") and (".mig" in subject or reason.endswith(": does not say"))
    return of_cards or reason.startswith(("not on the PATH", "only Windows asks", "no /opt/rocm"))
