"""A password in the address of the person's index is for that index alone, through the whole of tfup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.little_clone import Clone, cloned
from tests.loopback_index import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running import Run

SECRET = CREDENTIALS.partition(":")[2]
NEW = "tensorflow==99.0.0"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone with an index."""
    with cloned(tmp_path_factory.mktemp("clone")) as clone:
        yield clone


def as_joe(
    clone: Clone, folder: Path, *words: str, manner: str = "locked", setting: str = "index-url"
) -> Run:
    """Run a command as a person whose pip.conf has the address of the index with name and password."""
    settings = clone.home / "pip.conf"
    address = f"http://{CREDENTIALS}@{clone.address}/{manner}/simple"
    settings.write_text(f"[global]\n{setting} = {address}\n", encoding="utf-8")
    main = "" if setting == "index-url" else f"http://{clone.address}/404/simple"
    run = clone.run(*words, cwd=folder, PIP_CONFIG_FILE=str(settings), UV_DEFAULT_INDEX=main)
    settings.unlink()  # all that is left was written by tfup and uv
    return run


def holders(clone: Clone, *folders: Path) -> list[Path]:
    """Return the files of the project, and of the caches in the home, that have the password in them."""
    files = (path for folder in (clone.home, *folders) for path in folder.rglob("*") if path.is_file())
    return [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("setting", ["index-url", "extra-index-url"])
def test_an_install_uses_the_password_and_keeps_it_nowhere(
    clone: Clone, tmp_path: Path, setting: str
) -> None:
    """Each command that meets the index succeeds with its password; no output and no file repeats it."""
    commands = (
        ("plan", NEW, "rainy"),
        ("plan", NEW, "rainy", "--json"),
        ("pin", NEW, "rainy"),
        ("install", NEW, "rainy", "--json"),
        ("detect", "--json"),
        ("detect", "--record", "machine.json"),
        ("plan", NEW, "rainy", "--machine", "machine.json"),
        ("doctor", "--json"),
    )
    runs = [as_joe(clone, tmp_path, *words, setting=setting) for words in commands]

    assert [0, 0, 0, 0, 0, 0] == [run.code for run in runs[:6]], runs[3].out + runs[3].err
    assert [] == [run for run in runs if SECRET in run.out + run.err]
    assert [] == holders(clone, tmp_path)
    assert (tmp_path / ".tfup/plan.json").is_file()
    assert "rainy" in (tmp_path / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("manner", ["404", "500", "html", "half", "other"])
def test_a_failure_does_not_repeat_the_password(clone: Clone, tmp_path: Path, manner: str) -> None:
    """Whatever an index does, neither the error nor the log that it names has the password."""
    for words in (("install", NEW), ("install", NEW, "rainy", "--json")):
        run = as_joe(clone, tmp_path, *words, manner=manner)

        assert SECRET not in run.out + run.err
    assert [] == holders(clone, tmp_path)
