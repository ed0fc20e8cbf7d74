"""Commands as a person pastes them: a name in them stays a name, whoever chose it."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = re.compile(r"[\w.:=+/\\~-]+", re.ASCII)
"""Words that neither cmd nor PowerShell reads as anything else."""
BEYOND_QUOTES = re.compile("[\x00-\x1f`\u201c-\u201e]")
"""What ends or bends a quoted word of PowerShell, curly quotation marks too, and what ends a line."""
OUTSIDE = {"%": "^%", "$": "$"}


def typed(*words: str | Path) -> str:
    """Return words as they are typed in the shell of this system."""
    quote = quote_for_windows if os.name == "nt" else shlex.quote
    return " ".join(quote(str(word)) for word in words)


def quote_for_windows(word: str) -> str:
    r"""Return a word that cmd passes on whole at its prompt, and of which PowerShell runs nothing.

    Double quotes hold `&`, `^`, `|` and blanks in both. cmd looks for variables between quotes too, and
    PowerShell for commands: so `%` and `$` stand outside, where PowerShell makes two words of one. Nothing
    holds a backquote in both; a `?`, which no file has in its name, stands for it, so that the command fails.

    >>> quote_for_windows(r"C:\tf"), quote_for_windows(r"C:\R&D here")
    ('C:\\tf', '"C:\\R&D here"')
    >>> print(quote_for_windows(r"C:\it's $(calc)"), quote_for_windows(r"C:\%TEMP%\a b"))
    "C:\it's "$"(calc)" "C:\\"^%"TEMP"^%"\a b"
    """
    if PLAIN.fullmatch(word):
        return word
    held = BEYOND_QUOTES.sub("?", word.replace('"', "'"))  # the two are one in a requirement
    parts = filter(None, re.split("([%$])", held))
    return "".join(OUTSIDE.get(part) or in_quotes(part) for part in parts) or '""'


def in_quotes(part: str) -> str:
    r"""Return a part in double quotes; a backslash before the last one would take it for its own."""
    return '"{}"'.format(re.sub(r"(\\+)$", r"\1\1", part))
