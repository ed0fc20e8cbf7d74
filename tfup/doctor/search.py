"""Known messages in a log of any size: fixed words first, regular expressions only around them.

Every pattern has a run of fixed characters. A log without it is done with in a microsecond, for the
words are looked up in the log's distinct lines; else the pattern is tried from the last place backwards,
inside a window, so that neither a long log nor a long line can make it slow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

REACH = 2000  # characters before and behind the fixed words; no pattern spans more
STEP = 700  # nearer places are inside the window that was searched
TRIES = 200
LONGEST = 300  # characters of an evidence line that are shown

TOKENS = re.compile(
    r"(?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<open>\((?:\?(?:<?[=!]|[aiLmsux-]*:|P<\w+>))?)"
    r"|(?P<close>\))"
    r"|(?P<repeat>[*+?]\??|\{[\d,]*\}\??)"
    r"|(?P<special>\\\w|[.^$|])"
    r"|(?P<fixed>[ A-Za-z_'`\",:=/<>-]+(?![*+?{])|\\?.)",
    re.DOTALL,
)


def fixed_words(pattern: str) -> str:
    r"""Return the longest run of characters that every match of a pattern contains, digits apart.

    >>> fixed_words(r"Descriptors cannot (?:not )?be created directly")
    'Descriptors cannot '
    >>> fixed_words(r"version `GLIBC_2\.\d+' not found")
    'version `GLIBC_'
    """
    runs, depth = [""], 0
    for token in TOKENS.finditer(pattern):
        fixed = token["fixed"]
        depth += bool(token["open"]) - bool(token["close"])
        if fixed and not depth and not fixed.isdigit():
            runs[-1] += fixed.removeprefix("\\")
            continue
        if token["repeat"] and runs[-1]:
            runs[-1] = runs[-1][:-1]
        runs.append("")
    return max(runs, key=len)


class Log(NamedTuple):
    """A text, made ready to be searched for many patterns."""

    text: str
    lines: bytes
    """Each line once; lines that differ in digits only are one."""
    absent: bytes
    """Bytes that no line has: they rule most patterns out without a search."""


def prepare(text: str) -> Log:
    r"""Return a log to search in.

    >>> prepare("step 1\nstep 2\nend").lines
    b'step \nend'
    """
    lines = text.encode("utf-8", "replace").translate(None, b"0123456789").split(b"\n")
    distinct = b"\n".join(dict.fromkeys(lines))
    return Log(text, distinct, bytes(range(256)).translate(None, distinct))


def find(pattern: str, log: Log) -> int | None:
    """Return where a pattern is found last, None where it is not."""
    words = fixed_words(pattern)
    sought = words.encode()
    if len(sought.translate(None, log.absent)) < len(sought) or sought not in log.lines:
        return None
    return find_around(pattern, words, log.text)


def find_around(pattern: str, words: str, text: str) -> int | None:
    """Try a pattern wherever its fixed words stand, the last place first."""
    compiled = re.compile(pattern, re.MULTILINE)
    for place in places(words, text):
        match = compiled.search(text, max(0, place - REACH), place + len(words) + REACH)
        if match:
            return place if match.start() <= place < match.end() else match.start()
    return None


def places(words: str, text: str) -> Iterator[int]:
    """Yield where the words stand, from the end, at least a step apart."""
    place = text.rfind(words)
    for _ in range(TRIES):
        if place < 0:
            return
        yield place
        place = text.rfind(words, 0, max(0, place - STEP))


def evidence(text: str, place: int) -> str:
    """Return the line of a place; of a line without end, what stands around."""
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    line = text[start : end if end >= 0 else len(text)]
    if len(line) > LONGEST:
        line = text[max(start, place - LONGEST // 3) : place + LONGEST]
    return line.strip()[:LONGEST]
