"""JSON as people write it: what an editor or a hurried hand did to it is read, and named with its place.

Strict JSON is left to the standard library, which is what Keras itself uses; this reader comes after it has
refused a text, to keep the values that can be understood.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import NamedTuple

DOUBLE = '"\u201c\u201d\u201e\u201f\u00bb\u00ab\u2033'
SINGLE = "'\u2018\u2019\u201a\u201b\u2032`"
WORDS = {"True": True, "False": False, "None": None, "yes": True, "no": False}
DEEPEST = 20
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "a byte-order mark (UTF-8 with BOM)"),
    (codecs.BOM_UTF32_LE, "utf-32", "the encoding UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "the encoding UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "the encoding UTF-16"),
)
NOTE = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*.*?\*/)+", re.DOTALL)
WORD = re.compile(r"[^\s,:=\[\]{}]+")


class Flaw(NamedTuple):
    """What is wrong at a place; lines and columns count from 1, columns in letters."""

    line: int
    column: int
    what: str

    def __str__(self) -> str:
        """Return it as editors write places."""
        return f"line {self.line}, column {self.column}: {self.what}"


def read(raw: bytes) -> tuple[object, list[Flaw]]:
    """Return the value of a text and its flaws; the value of what cannot be understood at all is None.

    >>> read(b'{"backend": "theano",}')
    ({'backend': 'theano'}, [Flaw(line=1, column=21, what='a comma before }')])
    """
    text, flaws = decode(raw)
    if not text.strip():
        return None, [*flaws, Flaw(1, 1, "the file is empty")]
    try:
        return json.loads(text), flaws
    except (ValueError, RecursionError):
        reader = Reader(text)
        value = reader.whole()
    return value, [*flaws, *reader.flaws]


def decode(raw: bytes) -> tuple[str, list[Flaw]]:
    """Return the text of bytes, with a flaw where they are not plain UTF-8."""
    for mark, encoding, what in MARKS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace"), [Flaw(1, 1, what)]
    if b"\0" in raw[:4]:
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
        return raw.decode(encoding, "replace"), [Flaw(1, 1, "the encoding UTF-16")]
    try:
        return raw.decode("utf-8"), []
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        flaw = flaw_at(before, len(before), f"byte {raw[error.start]:#x} is not UTF-8; read as Windows-1252")
        return raw.decode("cp1252", "replace"), [flaw]


def flaw_at(text: str, place: int, what: str) -> Flaw:
    """Return a flaw at a place of a text."""
    line = text.count("\n", 0, place)
    return Flaw(line + 1, place - (text.rfind("\n", 0, place) + 1) + 1, what)


class Reader:
    """A text that is read once, from left to right."""

    def __init__(self, text: str) -> None:
        """Begin at the first letter."""
        self.text = text
        self.place = 0
        self.depth = 0
        self.flaws: list[Flaw] = []

    def whole(self) -> object:
        """Return the value of the whole text."""
        value = self.value()
        self.skip()
        if self.place < len(self.text):
            self.flaw("text after the end")
        return value

    def flaw(self, what: str, place: int | None = None) -> None:
        """Note a flaw, here or at another place."""
        self.flaws.append(flaw_at(self.text, self.place if place is None else place, what))

    def skip(self) -> None:
        """Go on to the next sign, over spaces and over comments, which JSON does not have."""
        found = NOTE.match(self.text, self.place)
        if found:
            if found[0].strip():
                self.flaw("a comment", self.place + len(found[0]) - len(found[0].lstrip()))
            self.place = found.end()

    def peek(self) -> str:
        """Return the next sign; nothing at the end."""
        self.skip()
        return self.text[self.place : self.place + 1]

    def value(self) -> object:
        """Return the value that comes next."""
        sign = self.peek()
        if sign in ("{", "["):
            return self.nested(sign)
        if sign and sign in DOUBLE + SINGLE:
            return self.string()
        return self.word()

    def nested(self, sign: str) -> object:
        """Return an object or a list, which may not be nested without end."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.flaw("nested too deeply")
            self.place = len(self.text)
            return None
        value = self.members() if sign == "{" else self.items()
        self.depth -= 1
        return value

    def members(self) -> dict[str, object]:
        """Return an object."""
        found: dict[str, object] = {}
        self.place += 1
        while self.goes_on("}"):
            key = str(self.value())
            if self.peek() in (":", "="):
                if self.peek() == "=":
                    self.flaw("an equals sign in place of a colon")
                self.place += 1
            else:
                self.flaw("a colon is missing")
            found[key] = self.value()
            self.comma("}")
        return found

    def items(self) -> list[object]:
        """Return a list."""
        found: list[object] = []
        self.place += 1
        while self.goes_on("]"):
            found.append(self.value())
            self.comma("]")
        return found

    def goes_on(self, end: str) -> bool:
        """Tell whether another member comes; take the end where it is there."""
        sign = self.peek()
        if sign == end:
            self.place += 1
        elif not sign:
            self.flaw(f"the file ends before {end}")
        return bool(sign) and sign != end

    def comma(self, end: str) -> None:
        """Take the comma after a member; one before the end is too many."""
        sign = self.peek()
        comma = self.place
        if sign == ",":
            self.place += 1
            if self.peek() == end:
                self.flaw(f"a comma before {end}", comma)
        elif sign and sign != end:
            self.flaw("a comma is missing")
            if sign in "]}:=":
                self.place += 1

    def string(self) -> str:
        """Return a text in quotes, whatever quotes they are; the last line without a closing one ends it."""
        start = self.place
        kind = DOUBLE if self.text[start] in DOUBLE else SINGLE
        end = next((at for at in range(start + 1, len(self.text)) if self.closes(at, kind)), None)
        if end is None or "\n" in self.text[start:end]:
            self.flaw("a quote is not closed")
            end = (self.text + "\n").index("\n", start)
            self.place = end
            return self.text[start + 1 : end].rstrip(" \t\r,}")
        if self.text[start] != '"' or self.text[end] != '"':
            self.flaw(f"{self.text[start]} in place of a straight double quote")
        self.place = end + 1
        return unescape(self.text[start + 1 : end])

    def closes(self, place: int, kind: str) -> bool:
        """Tell whether a quote closes a text: one of its kind that is not escaped."""
        return self.text[place] in kind and self.text[place - 1] != "\\"

    def word(self) -> object:
        """Return a number or a word without quotes."""
        found = WORD.match(self.text, self.place)
        if found is None:
            self.flaw("a value is missing")
            self.place += self.text[self.place : self.place + 1] in (":", "=")
            return None
        start, self.place = self.place, found.end()
        try:
            return json.loads(found[0])
        except ValueError:
            self.flaw(f"{found[0]} without quotes", start)
            return WORDS.get(found[0], found[0].strip(DOUBLE + SINGLE))


def unescape(text: str) -> str:
    r"""Return a text with its escapes resolved, as far as JSON knows them.

    >>> unescape(r"a\nb"), unescape(r"C:\keras")
    ('a\nb', 'C:\\keras')
    """
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
