"""Read a machine file: another machine's facts, to plan for it from here."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from msgspec import DecodeError, Struct, ValidationError, json
from packaging.version import Version

from tfup.errors import Need, UnreadableFile
from tfup.machine.detection import detect
from tfup.machine.probe import Answers, Recording
from tfup.model import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_LIMIT = 5_000_000
SHOWN_LIMIT = 80


class Kind(Struct):
    """The two numbers that tell a machine file from a recording."""

    schema: int = 1
    recording: int | None = None


def read_machine(path: str) -> Machine:
    """Return the machine that a file describes; "-" is the standard input, and a recording is replayed.

    Raises UnreadableFile, which names the file, the place in it and what is wrong there.
    """
    data = check_text(path, read_bytes(path))
    try:
        kind = json.decode(data, type=Kind)
        machine = replay(data) if kind.recording is not None else json.decode(data, type=Machine)
    except ValidationError as error:
        refuse_value(path, error, data)
    except DecodeError as error:
        refuse_json(path, error, data)
    except RecursionError:
        refuse(path, Need("depth", "an object of plain facts", "thousands of brackets"))
    for place, version in list_versions(machine):
        check_version(path, place, version)
    return machine


def replay(data: bytes) -> Machine:
    """Read the machine that somebody recorded, for the folder that it was recorded for."""
    answers = json.decode(data, type=Answers)
    folders = (question.partition(" ")[2] for question in answers.ask if question.startswith("disk_free "))
    return detect(Recording(answers), Path(next(folders, ".")), deep=True)


# ---------------------------------------------------------------- from file to text


def read_bytes(path: str) -> bytes:
    """Read the file, but not more than a machine file may have: `/dev/zero` has no end."""
    try:
        with sys.stdin.buffer if path == "-" else Path(path).open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        refuse(path, Need("file", "a file that can be read", reason))
    if len(data) > SIZE_LIMIT:
        refuse(path, Need("size", f"at most {SIZE_LIMIT // 10**6} MB", "more"))
    return data


def check_text(path: str, data: bytes) -> bytes:
    """Return the text without the byte-order mark that Windows' editors write."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        refuse(path, Need(locate(data, error.start), "UTF-8", f"byte {data[error.start]:#04x}"))
    return data


def locate(data: bytes, offset: int) -> str:
    r"""Name a place in a text as editors do.

    >>> locate(b'{"a":\n  oops}', 8)
    'line 2, column 3'
    """
    before = data[:offset].decode("utf-8", "replace")
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


# ---------------------------------------------------------------- from text to facts


def list_versions(machine: Machine) -> Iterator[tuple[str, str | None]]:
    """Yield each version that decisions compare, with its place."""
    yield "$.system.libc_version", machine.system.libc_version
    if machine.system.os == "macos":
        yield "$.system.version", machine.system.version
    if machine.driver:
        yield "$.driver.version", machine.driver.version
        yield "$.driver.cuda", machine.driver.cuda
    for name in ("pythons", "cuda", "cudnn"):
        items = getattr(machine, name) or ()
        yield from ((f"$.{name}[{number}].version", item.version) for number, item in enumerate(items))
    for number, gpu in enumerate(machine.gpus or ()):
        yield f"$.gpus[{number}].compute_capability", gpu.compute_capability


def check_version(path: str, place: str, version: str | None) -> None:
    """Refuse a version that cannot be compared."""
    if version is None:
        return
    try:
        Version(version)
    except ValueError:  # InvalidVersion is one, and so is a number of more digits than Python reads
        refuse(path, Need(place, "a version such as 12.2", shorten(version) or "nothing"))


# ---------------------------------------------------------------- what is said when it cannot be


def refuse(path: str, *needs: Need) -> NoReturn:
    """Raise the error of this module."""
    name = "The machine file on the standard input" if path == "-" else f"The machine file {shorten(path)}"
    sentence = f"{name} cannot be used."
    raise UnreadableFile(sentence, needs, "tfup detect --json > machine.json") from None


def refuse_value(path: str, error: ValidationError, data: bytes) -> NoReturn:
    """Say which value has the wrong type, by msgspec's words for it.

    They are: Expected `str | null`, got `int` - at `$.system.os`.
    """
    message, _, place = str(error).partition(" - at ")
    expected = re.match(r"Expected `(.+?)`, got `(.+?)`", message)
    place = place.strip("`") or "$"
    if place == "$.schema":
        refuse(path, Need(place, "1, the schema that this tfup knows", find_schema(data)))
    refuse(path, Need(place, *(expected.groups() if expected else ("another value", message))))


def find_schema(data: bytes) -> str:
    """Return the schema as it is written in the file."""
    found = json.decode(data, type=dict[str, object])
    return shorten(str(found.get("schema")))


def refuse_json(path: str, error: DecodeError, data: bytes) -> NoReturn:
    """Say where the text stops being JSON, by msgspec's words for it: … (byte 12)."""
    offset = re.search(r" \(byte (\d+)\)$", str(error))
    place = locate(data, int(offset[1]) if offset else len(data))
    refuse(path, Need(place, "JSON", re.sub(r"^JSON is malformed: | \(byte \d+\)$", "", str(error))))


def shorten(text: str) -> str:
    """Return a stranger's text so that it fits a line and moves no cursor."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= SHOWN_LIMIT else f"{shown[: SHOWN_LIMIT - 1]}…"
