"""Only what carries this person's seal is believed."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tfup.folders import state_folder
from tfup.managers import seals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be a person with an empty home folder, who has no key yet; yield the place of the key."""
    monkeypatch.setattr("tfup.folders.home_by_number", lambda: str(tmp_path / "home"))
    monkeypatch.setenv("TFUP_CACHE_DIR", str(tmp_path / "cache"))
    seals.key.cache_clear()
    yield tmp_path / "home" / ".local" / "state" / "tfup" / "key"
    seals.key.cache_clear()


def test_a_document_is_believed_as_it_was_written(home: Path, tmp_path: Path) -> None:
    """Another word in it, no seal, another's seal: each makes it nothing."""
    file = tmp_path / "note.json"
    seals.write_sealed(file, {"phase": "open", "schema": 1})
    assert {"phase": "open", "schema": 1} == seals.read_sealed(file)

    written = json.loads(file.read_bytes())
    for content in ({**written, "phase": "undo"}, {"phase": "open"}, {**written, "seal": 7}, [], "{"):
        file.write_text(json.dumps(content), encoding="utf-8")
        assert {} == seals.read_sealed(file)


def test_a_sealed_file_counts_at_its_place_alone(home: Path, tmp_path: Path) -> None:
    """A copy elsewhere, such as in a clone, is not what was vouched for."""
    (tmp_path / "one").mkdir()
    file = tmp_path / "one" / "tfup.json"
    file.write_text("{}", encoding="utf-8")
    seals.put_seal(file)
    shutil.copytree(tmp_path / "one", tmp_path / "two")

    assert (True, False) == (seals.is_sealed(file), seals.is_sealed(tmp_path / "two" / "tfup.json"))
    file.write_text("{ }", encoding="utf-8")
    assert not seals.is_sealed(file)


def test_the_key_is_the_persons_alone_and_stays(home: Path) -> None:
    """It is made once, closed to others, and with a new one nothing of before is believed."""
    first = seals.seal(b"content")
    assert 0o600 == home.stat().st_mode & 0o777
    seals.key.cache_clear()
    assert first == seals.seal(b"content")

    home.unlink()
    seals.key.cache_clear()
    assert first != seals.seal(b"content")


@pytest.mark.parametrize("way", ["open", "link", "short", "pipe"])
def test_a_key_that_others_may_know_is_not_used(home: Path, tmp_path: Path, way: str) -> None:
    """Then the one in the cache serves, and where that cannot be kept, one for this run."""
    home.parent.mkdir(parents=True)
    known = tmp_path / "known"
    known.write_bytes(bytes(seals.KEY_BYTES))
    known.chmod(0o600)
    make = {
        "open": lambda: (shutil.copy(known, home), home.chmod(0o644)),
        "link": lambda: home.symlink_to(known),
        "short": lambda: home.write_bytes(b"short"),
        "pipe": lambda: os.mkfifo(home, 0o600),
    }
    make[way]()

    assert seals.key() not in {bytes(seals.KEY_BYTES), b"short"}
    assert seals.key() == (tmp_path / "cache" / "key").read_bytes()


def test_runs_that_make_the_key_at_once_agree(home: Path) -> None:
    """The first one wins, and the others read it."""
    with ThreadPoolExecutor(8) as pool:
        keys = {*pool.map(lambda _: seals.read_or_make(home), range(32))}

    assert 1 == len(keys)


def test_there_is_a_place_without_a_list_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container a user may be in no list; then the variable says where home is, or nothing does."""
    monkeypatch.setattr("tfup.folders.home_by_number", lambda: None)

    assert "/somewhere/.local/state/tfup" == str(state_folder({"HOME": "/somewhere"}))
    with pytest.raises(RuntimeError):
        state_folder({})
