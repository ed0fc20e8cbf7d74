"""An error text in, its causes out: known messages, weighed by what the text and the machine say."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tfup.doctor import facts as facts_about
from tfup.doctor.catalogue import KnownIssue, anchor, issues
from tfup.doctor.facts import Facts
from tfup.doctor.log_text import clean, decode, split_bars
from tfup.doctor.remedies import Words, fill
from tfup.doctor.search import Log, evidence, find, prepare
from tfup.report.documents import ExplainDocument, ExplainedIssue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tfup.doctor.catalogue import Confidence
    from tfup.model import Machine

LEVELS = ("cause", "consequence", "noise")
SURE: tuple[Confidence, ...] = ("high", "medium", "low")
MOST = 5  # causes that are named
AROUND = 50_000  # characters about the messages in which systems and versions are looked for
WORK_DONE = re.compile(
    r"Successfully installed|Installed \d+ package|Hello, TensorFlow|Epoch \d+/\d+"
    r"|\b(?:loss|accuracy|acc)[:=] ?\d"
)


class Found(NamedTuple):
    """An issue in a text."""

    issue: KnownIssue
    place: int
    """Where its message stands last."""
    needs_gpu: bool = False
    """Only messages were found that are harmless without an NVIDIA GPU."""


class Origin(NamedTuple):
    """Where a log comes from: what it tells itself, and with what is installed here."""

    told: Facts
    with_here: Facts


class Weighed(NamedTuple):
    """An issue with what speaks for it; these sort by what is named first."""

    level: int
    doubt: int
    disagreement: int
    before_end: int
    """The last message wins where all else is equal."""
    found: Found


def explain(
    content: bytes, look: Callable[[], Machine], words: Words, read_here: Callable[[], Facts] = Facts
) -> ExplainDocument:
    """Return what is known about a log, the most likely cause first.

    `look` finds out about the machine, and is asked only where an issue depends on it; `read_here` about
    what is installed, which decides where the text does not, and fills the blanks of the remedies.
    """
    original = clean(decode(content))
    text = split_bars(original)
    found = list(search(text))
    machine = look() if any(map(depends_on_machine, found)) else None
    facts = where_from(text, found, machine)
    here = facts_about.facts_from_here(facts, read_here() if found else Facts(), words.os)
    weighed = sorted(weigh(found, text, Origin(facts, here), machine), key=lambda one: one[:-1])
    faults = worth_naming([one for one in weighed if LEVELS[one.level] != "noise"])
    noise = [one for one in weighed if LEVELS[one.level] == "noise"]
    tell = partial(describe, original=original, text=text, facts=here, words=words)
    return ExplainDocument(tuple(map(tell, faults)), tuple(map(tell, noise)))


# ---------------------------------------------------------------- what is in the text


def search(text: str) -> Iterator[Found]:
    """Yield the issues whose messages are in a text."""
    log = prepare(text)
    for issue in issues():
        place = last_place(issue.patterns, log)
        if place is not None:
            yield Found(issue, place)
            continue
        place = last_place(issue.gpu_patterns, log)
        if place is not None:
            yield Found(issue, place, needs_gpu=True)


def last_place(patterns: Iterable[str], log: Log) -> int | None:
    """Return where one of the patterns is found last."""
    places = [place for pattern in patterns if (place := find(pattern, log)) is not None]
    return max(places, default=None)


def where_from(text: str, found: list[Found], machine: Machine | None) -> Facts:
    """Return what the text about the messages tells of its origin, and this machine where it is that."""
    places = [one.place for one in found] or [0]
    told = facts_about.facts_of_text(text[max(0, min(places) - AROUND) : max(places) + AROUND])
    return facts_about.facts_of_machine(told, machine) if machine else told


# ---------------------------------------------------------------- what it is worth


def depends_on_machine(found: Found) -> bool:
    """Tell whether the text alone cannot decide."""
    return found.needs_gpu or found.issue.soft or not found.issue.text_alone_decides


def weigh(found: list[Found], text: str, origin: Origin, machine: Machine | None) -> Iterator[Weighed]:
    """Yield what is worth naming, with what speaks for and against it."""
    facts = origin.told
    here = machine if machine and facts_about.seen_on(facts, machine) else None
    for one in found:
        known = facts if one.issue.text_alone_decides else origin.with_here
        agreement = facts_about.weigh(one.issue, known, here)
        if not harmless(one, agreement, text) and not belongs_elsewhere(one.issue, facts):
            level, doubt = LEVELS.index(one.issue.level), doubts(one.issue, agreement)
            yield Weighed(level, doubt, -agreement, -one.place, one)


def doubts(issue: KnownIssue, agreement: int) -> int:
    """Return the place in SURE of what can be said of an issue."""
    unconfirmed = not issue.text_alone_decides and agreement <= 0
    return min(SURE.index(issue.confidence) + (agreement < 0) + unconfirmed, len(SURE) - 1)


def harmless(found: Found, agreement: int, text: str) -> bool:
    """Tell whether a message did no harm: work was done afterwards, or it is about a GPU that is missing."""
    if agreement > 0 and found.issue.id in facts_about.MACHINE_SAYS:
        return False
    return found.needs_gpu or (found.issue.soft and bool(WORK_DONE.search(text, found.place)))


def belongs_elsewhere(issue: KnownIssue, facts: Facts) -> bool:
    """Tell whether a message that has several causes has another one on this system."""
    return not issue.text_alone_decides and facts_about.elsewhere(issue.affected, facts)


def worth_naming(faults: list[Weighed]) -> list[Weighed]:
    """Return the first few: unlikely ones only where nothing is likelier, none that another one covers."""
    best = min((one.doubt for one in faults), default=0)
    likely = [one for one in faults if one.doubt <= max(best, 1)]
    covered = {name for one in likely for name in one.found.issue.instead_of}
    return [one for one in likely if one.found.issue.id not in covered][:MOST]


def describe(one: Weighed, *, original: str, text: str, facts: Facts, words: Words) -> ExplainedIssue:
    """Return an issue in the words of the document."""
    issue, place = one.found.issue, one.found.place
    return ExplainedIssue(
        id=issue.id,
        title=issue.title,
        cause=issue.cause,
        remedy=fill(issue.remedy, facts, words),
        confidence=SURE[one.doubt],
        evidence=evidence(text, place),
        line=original.count("\n", 0, place) + 1,
        docs=anchor(issue.id),
    )
