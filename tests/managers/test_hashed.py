"""Repairs and trainings install exact pins, each file checked against its hash, by the real uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import loopback_index
from tests.little_clone import Clone, cloned, sdist
from tests.loopback_index import TAG, WHEELS, sha256, strangers, wheel
from tests.patients import Era, make_case
from tfup.check import training
from tfup.errors import PinGone, WrongFile
from tfup.formats import read_hashes
from tfup.managers import hashed
from tfup.managers.uv import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running import Run

LIBRARIES = {"scikit_learn": "1.0", "matplotlib": "3.0"}
NO_HASH = "sha256:" + "0" * 64


def digest(file: str) -> str:
    """Return the hash of a wheel of the index, as a requirements file has it."""
    return f"sha256:{sha256(WHEELS[file])}"


# ---------------------------------------------------------------- doctor --fix


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone with an index that answers."""
    with cloned(tmp_path_factory.mktemp("clone")) as clone:
        yield clone


@pytest.fixture
def lost(clone: Clone, tmp_path: Path) -> Path:
    """Return a module that an environment has lost; the project is the folder of the test."""
    assert 0 == clone.run("install", "tensorflow==98.0.0", cwd=tmp_path).code
    (module,) = tmp_path.glob(".venv/lib/*/site-packages/heavy.py")
    module.unlink()
    return module


def fix(clone: Clone, folder: Path, manner: str) -> Run:
    """Let doctor repair an environment from an index that uv meets for the first time."""
    cold = str(folder / ".tfup" / f"cold-{manner}")
    return clone.run("doctor", "--fix", cwd=folder, manner=manner, UV_CACHE_DIR=cold)


@pytest.mark.parametrize("manner", ["stranger", "swapped"])
def test_a_repair_takes_no_other_file_than_the_pinned_one(
    clone: Clone, lost: Path, tmp_path: Path, manner: str
) -> None:
    """An index with another wheel of that name is refused, says so, and its code never arrives."""
    record = sorted(lost.parent.glob("heavy-1.0.dist-info/*"))

    run = fix(clone, tmp_path, manner)

    assert 1 == run.code, run.out + run.err
    assert "not repaired: The index sent another file for heavy==1.0 than the pinned one" in run.out
    assert (False, record) == (lost.exists(), sorted(lost.parent.glob("heavy-1.0.dist-info/*")))


@pytest.mark.parametrize("words", [("doctor", "--fix"), ("install", "tensorflow==98.0.0")], ids=" ".join)
def test_the_right_index_repairs_what_another_could_not(
    clone: Clone, lost: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """What was refused left nothing behind that would be taken for the module."""
    fix(clone, tmp_path, "stranger")

    run = clone.run(*words, cwd=tmp_path)

    assert 0 == run.code, run.out + run.err
    assert "#" * 100_000 == lost.read_text(encoding="utf-8")


def test_the_log_has_what_a_repair_installed(clone: Clone, lost: Path, tmp_path: Path) -> None:
    """The pin stands there with the hash that the project has for it."""
    run = fix(clone, tmp_path, "good")

    assert "installed heavy==1.0 again" in run.out
    logs = "".join(log.read_text(encoding="utf-8") for log in tmp_path.glob(".tfup/logs/*"))
    assert f"heavy==1.0 \\\n    --hash={digest(f'heavy-1.0-{TAG}.whl')}\n" in logs


# ---------------------------------------------------------------- versions and hashes


@pytest.fixture
def address() -> Iterator[str]:
    """Yield the address of a running index."""
    WHEELS.update([*(wheel(*library) for library in LIBRARIES.items()), sdist()])
    with loopback_index.serving() as address:
        yield address


@pytest.fixture
def place(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> hashed.Destination:
    """Return an empty environment of a person with that index."""
    case = make_case(tmp_path, Era("3.13", ()))
    be_asked(monkeypatch, tmp_path, f"http://{address}/good/simple")
    return hashed.Destination(str(case.place.parents[2] / "bin" / "python"), Mode(log=tmp_path / "log"), {})


def be_asked(monkeypatch: pytest.MonkeyPatch, folder: Path, index: str) -> None:
    """Be a person with one index and a cache of our own."""
    loopback_index.be_a_person(monkeypatch, str(folder), index)
    monkeypatch.setenv("TFUP_CACHE_DIR", str(folder / "ours"))


def test_only_what_has_to_change_is_a_change(place: hashed.Destination) -> None:
    """What is there already and fits is left as it is."""
    hashed.install(place, hashed.with_hashes(place, ["sunny==1.0"]))

    assert ("rainy==1.0",) == hashed.changes(place, ["rainy", "sunny"])
    assert () == hashed.changes(place, ["sunny==1.0"])


def test_hashes_of_the_project_come_before_those_of_the_index(
    place: hashed.Destination, tmp_path: Path
) -> None:
    """They are found under any spelling of the pin; for others the index is asked."""
    place = place._replace(known={"Sunny==1": (NO_HASH,)})

    pins = hashed.with_hashes(place, ["sunny==1.0", "heavy==1.0"])

    assert {"sunny==1.0": (NO_HASH,), "heavy==1.0": (digest(f"heavy-1.0-{TAG}.whl"),)} == pins
    with pytest.raises(WrongFile):
        hashed.install(place, pins)
    assert [] == [*tmp_path.glob("project/**/heavy.py")]


def test_a_pin_that_no_index_has_is_named(place: hashed.Destination) -> None:
    """Neither a contradiction nor an unknown project: the index lacks it."""
    with pytest.raises(PinGone, match=r"does not have what was pinned: sunny==7\.0"):
        hashed.with_hashes(place, ["sunny==7.0"])


def test_a_source_is_checked_before_it_is_asked_what_it_needs(place: hashed.Destination) -> None:
    """Asking runs it. Where the project does not know it, the index is believed once."""
    assert ("mossy==1.0",) == hashed.changes(place, ["mossy"])

    with pytest.raises(WrongFile, match=r"another file for mossy==1\.0"):
        hashed.changes(place._replace(known={"mossy==1.0": (NO_HASH,)}), ["mossy"])


def test_the_files_of_a_project_say_which_hashes_it_has(tmp_path: Path) -> None:
    """Those of our requirements.txt; a pin without one is none, and no file is no pin."""
    assert {} == read_hashes(tmp_path)

    text = f"# Made by tfup\nsix==1.0 ; python_version < '4' \\\n    --hash={NO_HASH}\nnumpy==2.0\n"
    (tmp_path / "requirements.txt").write_text(text, encoding="utf-8")

    assert {"six==1.0": (NO_HASH,)} == read_hashes(tmp_path)


# ---------------------------------------------------------------- check --train


def test_what_is_borrowed_is_what_the_index_announced(place: hashed.Destination, tmp_path: Path) -> None:
    """The log keeps the pins with their hashes."""
    with training.borrowed(place.python, place.mode) as folder:
        assert {"scikit_learn.py", "matplotlib.py"} <= {path.name for path in (tmp_path / folder).iterdir()}

    log = (tmp_path / "log").read_text(encoding="utf-8")
    for name, version in LIBRARIES.items():
        file = f"{name}-{version}-{TAG}.whl"
        assert f"{name.replace('_', '-')}=={version} \\\n    --hash={digest(file)}\n" in log


def test_nothing_is_borrowed_from_an_index_that_sends_another_file(
    place: hashed.Destination, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, named, and not run."""
    be_asked(monkeypatch, tmp_path, f"http://{address}/swapped/simple")

    with (
        pytest.raises(WrongFile, match="The index sent another file for"),
        training.borrowed(place.python, place.mode),
    ):
        pass

    assert not [path for path in tmp_path.glob("ours/**/*.py") if "evil" in path.read_text(encoding="utf-8")]
    assert b"evil" in strangers("matplotlib-3.0")
