"""A log as text: whatever encoding, line ends, colours and progress bars it came with.

All known messages are ASCII, and so is the part of every encoding here that carries them. A wrong
guess can garble the words around a message, but never hide it.
"""

from __future__ import annotations

import codecs
import re
import sys
from pathlib import Path

from tfup.errors import Need, UnreadableFile

INPUT = "-"
MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
SAMPLE = 4096
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][\w]|[=>78cDEHM])")
ONE_HIGH_BYTE = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?:[\x80-\xff]{2})*(?![\x80-\xff])")


def read_log(file: str) -> bytes:
    """Return a log as it stands, "-" is standard input; UnreadableFile where there is none."""
    try:
        return sys.stdin.buffer.read() if file == INPUT else Path(file).read_bytes()
    except (AttributeError, OSError, ValueError) as error:  # a program without a terminal may have no input
        need = Need("log", "a file that can be read", getattr(error, "strerror", None) or str(error))
        sentence = f"{file} cannot be read."
        raise UnreadableFile(sentence, (need,), "tfup explain FILE") from error


def decode(content: bytes) -> str:
    r"""Return the text of a log.

    >>> decode("MemoryError\r\n".encode("utf-16"))
    'MemoryError\r\n'
    >>> decode("ImportError: 找不到指定的模块。".encode("cp936"))
    'ImportError: 找不到指定的模块。'
    >>> decode("Accès refusé".encode("cp1252"))
    'Accès refusé'
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    if b"\0" in content[:SAMPLE]:
        return content.decode(guess_wide(content), "replace").replace("\0", " ")
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if broken <= len(content) - len(text):  # bytes that made whole characters: UTF-8, here and there cut
        return text
    return content.decode("cp1252" if ONE_HIGH_BYTE.search(content) else "gb18030", "replace")


def guess_wide(content: bytes) -> str:
    """Tell UTF-16 without its mark by where the zeros of ASCII letters stand."""
    sample = content[:SAMPLE]
    low, high = sample[1::2].count(0), sample[::2].count(0)
    return "utf-8" if max(low, high) < len(sample) // 8 else "utf-16-le" if low > high else "utf-16-be"


def clean(text: str) -> str:
    r"""Take out colours, and let lines end with \n alone.

    >>> clean("\x1b[31mERROR\x1b[0m: no\r\n")
    'ERROR: no\n'
    """
    text = text.removeprefix("\ufeff")
    if "\x1b" in text:
        text = ESCAPES.sub("", text)
    return text.replace("\r\n", "\n")


def split_bars(text: str) -> str:
    r"""Give each state of a progress bar a line of its own; every character keeps its place.

    >>> split_bars("10%\r20%\rdone")
    '10%\n20%\ndone'
    """
    return text.replace("\r", "\n")
