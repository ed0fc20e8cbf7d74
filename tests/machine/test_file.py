"""Machine files of strangers: read if they can be, refused with place and reason if not."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from tfup.errors import Need, UnreadableFile
from tfup.machine import read_machine

if TYPE_CHECKING:
    from pathlib import Path


def refusal(path: Path, content: bytes) -> Need:
    """Return what is said of a machine file with this content."""
    path.write_bytes(content)
    with pytest.raises(UnreadableFile) as caught:
        read_machine(str(path))
    assert str(path) in caught.value.sentence or "…" in caught.value.sentence
    return caught.value.needs[0]


@pytest.mark.parametrize(
    ("content", "place", "found"),
    [
        (b'{"system": {"os": 3}}', "$.system.os", "int"),
        (b'{"pythons": [{"path": "/x"}]}', "$.pythons[0]", "Object missing required field `version`"),
        (b'{"pythons": {}}', "$.pythons", "object"),
        (b'{"memory_bytes": "16 GB"}', "$.memory_bytes", "str"),
        (b'{"schema": 2}', "$.schema", "2"),
        (b'{"schema": "1"}', "$.schema", "1"),
        (b"[]", "$", "array"),
        (b"null", "$", "null"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    content: bytes, place: str, found: str, tmp_path: Path
) -> None:
    """The place is written as in $.system.os, and what stands there is told."""
    need = refusal(tmp_path / "machine.json", content)

    assert (place, found) == (need.name, need.found)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "line 1, column 1"),
        (b'{"system":\n  oops}', "line 2, column 3"),
        (b'{"system": {}', "line 1, column 14"),
        ('{"ü": oops}'.encode(), "line 1, column 7"),
        (b'{"a":\n"\xff"}', "line 2, column 2"),
    ],
)
def test_a_broken_text_is_named_with_line_and_column(content: bytes, place: str, tmp_path: Path) -> None:
    """Columns count letters, as editors do."""
    assert place == refusal(tmp_path / "machine.json", content).name


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"pythons": [{"path": "/x", "version": "three"}]}', "$.pythons[0].version"),
        (b'{"system": {"libc_version": "\\u001b[2J"}}', "$.system.libc_version"),
        (b'{"driver": {"version": "new"}}', "$.driver.version"),
        (b'{"gpus": [{"vendor": "nvidia", "compute_capability": "high"}]}', "$.gpus[0].compute_capability"),
        (b'{"cudnn": [{"version": "; rm -rf"}]}', "$.cudnn[0].version"),
    ],
)
def test_a_version_that_cannot_be_compared_is_refused(content: bytes, place: str, tmp_path: Path) -> None:
    """It is found here, not by a crash of the match."""
    need = refusal(tmp_path / "machine.json", content)

    assert (place, "a version such as 12.2") == (need.name, need.needs)
    assert "\x1b" not in str(need.found)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """A machine file has some kilobytes; one of megabytes is something else."""
    assert Need("size", "at most 5 MB", "more") == refusal(tmp_path / "machine.json", b" " * 5_000_001)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"x": ' * 100_000, b'{"memory_bytes": 1e999}'])
def test_a_hostile_text_is_refused(content: bytes, tmp_path: Path) -> None:
    """Brackets without end and numbers without measure are refused like any fault."""
    assert refusal(tmp_path / "machine.json", content)


@pytest.mark.parametrize("name", ["missing.json", "", "nul\0", "x" * 300])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    """Missing files, folders and impossible names are told in the same form."""
    with pytest.raises(UnreadableFile) as caught:
        read_machine(f"{tmp_path}/{name}")

    assert "file" == caught.value.needs[0].name
    assert "tfup detect --json > machine.json" == caught.value.hint


def test_an_endless_file_is_not_read_to_the_end() -> None:
    """A device is refused like any file that is too large."""
    with pytest.raises(UnreadableFile) as caught:
        read_machine("/dev/zero")

    assert "size" == caught.value.needs[0].name


@pytest.mark.parametrize("content", [b"{}", b'{"future": [1]}', b'\xef\xbb\xbf{"schema": 1}'])
def test_less_and_more_than_we_know_is_read(content: bytes, tmp_path: Path) -> None:
    """Any key may be missing or unknown to us, and a byte-order mark may stand before it."""
    (tmp_path / "machine.json").write_bytes(content)

    assert 1 == read_machine(str(tmp_path / "machine.json")).schema


def test_a_machine_comes_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tfup detect --json | tfup plan --machine -` works."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"memory_bytes": 7}')))

    assert 7 == read_machine("-").memory_bytes


@pytest.mark.parametrize("content", [b'{"recording": 1, "ask": 3}', b'{"recording": 1, "run": {"x": 1}}'])
def test_a_broken_recording_is_refused_too(content: bytes, tmp_path: Path) -> None:
    """The place is told as for a machine file."""
    assert refusal(tmp_path / "machine.json", content).name.startswith("$.")
