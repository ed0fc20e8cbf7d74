"""A folder that came from somebody else makes tfup touch nothing outside it."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests import running
from tests.little_clone import Clone, cloned
from tfup.errors import UnusableFolder
from tfup.folders import make_cache, temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTALL = ("install", "tensorflow==99.0.0")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone with an index that answers."""
    with cloned(tmp_path_factory.mktemp("clone")) as clone:
        yield clone


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Make a folder with files of the person's, some with names of ours."""
    folder = tmp_path / "victim"
    folder.mkdir()
    for name in ("thesis", "1.txt", "2.txt", "3.txt", "4.txt", "5.txt", "6.txt"):
        (folder / name).write_text("mine", encoding="utf-8")
    return folder


@pytest.mark.parametrize("place", ["trash", "logs", "previous", "previous.new", "journal.json", "lock"])
@pytest.mark.parametrize(
    "words", [INSTALL, ("pin",), ("undo",), ("check",), ("doctor",), ("clean",)], ids=" ".join
)
def test_a_link_in_our_corner_is_never_followed(
    clone: Clone, tmp_path: Path, victim: Path, place: str, words: tuple[str, ...]
) -> None:
    """Git carries links: one in the place of the trash had its target emptied."""
    project = tmp_path / "project"
    (project / ".tfup").mkdir(parents=True)
    (project / ".tfup" / place).symlink_to("../../victim" if "." not in place else "../../victim/thesis")
    before = {path.name: path.read_text(encoding="utf-8") for path in victim.iterdir()}

    run = clone.run(*words, cwd=project)

    assert before == {path.name: path.read_text(encoding="utf-8") for path in victim.iterdir()}
    assert "error: bug" not in run.err


@pytest.mark.parametrize("draft", [".pylock.toml.draft", ".tfup/journal.draft", ".Pipfile.1.part"])
def test_a_link_in_the_place_of_a_draft_is_never_followed(
    clone: Clone, tmp_path: Path, victim: Path, draft: str
) -> None:
    """Drafts have names that nobody foresees, and are made where nothing is."""
    project = tmp_path / "project"
    (project / ".tfup").mkdir(parents=True)
    (project / draft).symlink_to(victim / "thesis")

    clone.run(*INSTALL, cwd=project)

    assert "mine" == (victim / "thesis").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["Pipfile", "Pipfile.lock", "requirements.txt", "environment.yml"])
def test_a_link_to_a_start_up_file_is_never_written_through(
    clone: Clone, tmp_path: Path, victim: Path, name: str
) -> None:
    """A shared Pipfile is called Pipfile, too; what is called otherwise is something else."""
    project = tmp_path / "project"
    project.mkdir()
    (project / name).symlink_to(victim / "rc")

    clone.run(*INSTALL, cwd=project)

    assert not (victim / "rc").exists()


def test_a_link_in_our_corner_is_told_with_what_to_type(clone: Clone, tmp_path: Path, victim: Path) -> None:
    """The corner is put aside by the command of the hint, and then the install works."""
    project = tmp_path / "project"
    (project / ".tfup").mkdir(parents=True)
    (project / ".tfup" / "trash").symlink_to("../../victim")

    run = clone.run(*INSTALL, cwd=project)
    (project / ".tfup").rename(project / ".tfup.not-ours")

    assert (2, "error: unusable-folder") == (run.code, run.err.splitlines()[0])
    assert f"hint: mv {project}/.tfup {project}/.tfup.not-ours" in run.err
    assert 0 == clone.run(*INSTALL, cwd=project).code


@pytest.mark.parametrize("words", [INSTALL, ("pin",), ("undo",), ("check",)], ids=" ".join)
def test_a_journal_of_anothers_making_is_set_apart(
    clone: Clone, tmp_path: Path, victim: Path, words: tuple[str, ...]
) -> None:
    """A draft that came with the folder is never put back through a link, and is not lost."""
    project = tmp_path / "project"
    draft = project / ".tfup" / "previous.new"
    draft.mkdir(parents=True)
    (project / "Pipfile").symlink_to("../victim/thesis")
    (project / ".tfup" / "journal.json").write_text('{"schema": 1, "phase": "open"}', encoding="utf-8")
    manifest = {"files": ["Pipfile"], "environment": False}
    (draft / "generation.json").write_text(json.dumps(manifest), encoding="utf-8")
    (draft / "Pipfile").write_text("touch owned", encoding="utf-8")

    run = clone.run(*words, cwd=project)

    assert ("mine", "touch owned") == (
        (victim / "thesis").read_text(encoding="utf-8"),
        next(project.glob(".tfup/not-made-here-*/previous.new/Pipfile")).read_text(encoding="utf-8"),
    )
    assert "it was set apart in" in run.out, run.err
    assert "error: bug" not in run.err


def test_a_generation_of_anothers_making_is_never_brought_back(
    clone: Clone, tmp_path: Path, victim: Path
) -> None:
    """Undo would have deleted what a link leads to; an install keeps the stranger's generation beside."""
    project = tmp_path / "project"
    (project / ".tfup" / "previous").mkdir(parents=True)
    (project / "requirements.txt").symlink_to(victim / "thesis")
    (project / ".tfup" / "previous" / "generation.json").write_text('{"files": []}', encoding="utf-8")

    run = clone.run("undo", cwd=project)
    installed = clone.run(*INSTALL, cwd=project)

    assert (1, "error: nothing-to-undo") == (run.code, run.err.splitlines()[0])
    assert "one of another's making" in run.err
    assert (0, "mine") == (installed.code, (victim / "thesis").read_text(encoding="utf-8")), installed.err
    assert 1 == len([*project.glob(".tfup/not-made-here-*/previous/generation.json")])


def test_an_environment_of_anothers_making_is_made_anew(clone: Clone, tmp_path: Path) -> None:
    """One that says that it is as asked is not run before it is replaced, and undo brings it back."""
    first, project = tmp_path / "first", tmp_path / "project"
    first.mkdir()
    assert 0 == clone.run(*INSTALL, cwd=first).code
    shutil.copytree(first, project, symlinks=True)
    site = next(project.glob(".venv/lib/python*/site-packages"))
    (site / "sitecustomize.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')", encoding="utf-8")

    run = clone.run(*INSTALL, "--json", cwd=project)

    assert (0, True) == (run.code, run.document["environment"]["made"]), run.err
    assert not (tmp_path / "owned").exists()
    assert not clone.run(*INSTALL, "--json", cwd=project).document["environment"]["made"]
    assert 0 == clone.run("undo", cwd=project).code
    assert (site / "sitecustomize.py").exists()


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_a_python_that_lies_in_the_folder_is_run_only_when_asked(
    clone: Clone, tmp_path: Path, command: str
) -> None:
    """Environments that are made here link to a Python outside; a cloned program says what it likes."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/owned\n", encoding="utf-8")
    python.chmod(0o755)

    run = clone.run(command, cwd=tmp_path)

    assert (2, "error: strange-environment") == (run.code, run.err.splitlines()[0])
    assert f"hint: tfup {command} --yes" in run.err
    assert not (tmp_path / "owned").exists()
    assert "error: bug" not in clone.run(command, "--yes", cwd=tmp_path).err
    assert (tmp_path / "owned").exists()


def test_only_an_environment_of_ours_is_cleaned_away(clone: Clone, tmp_path: Path) -> None:
    """What pip or Pipenv made there is the person's to remove."""
    (tmp_path / ".venv" / "photos").mkdir(parents=True)

    run = clone.run("clean", "--project", str(tmp_path), cwd=tmp_path)

    assert (0, True) == (run.code, (tmp_path / ".venv" / "photos").exists()), run.err
    assert "was not made by tfup, and stays" in run.out


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder that belongs to someone else")
@pytest.mark.parametrize("words", [INSTALL, ("pin",), ("undo",), ("check",), ("clean",)], ids=" ".join)
def test_a_corner_of_somebody_else_is_refused(clone: Clone, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Its owner may put a link there at any moment."""
    (tmp_path / ".tfup" / "previous").mkdir(parents=True)
    os.chown(tmp_path / ".tfup", 4711, 4711)

    run = clone.run(*words, cwd=tmp_path)

    assert (2, "error: unusable-folder") == (run.code, run.err.splitlines()[0])
    assert "the user with the number 4711" in run.err


def test_cleaning_a_folder_that_the_person_had_leaves_their_files(
    clone: Clone, tmp_path: Path, victim: Path
) -> None:
    """TFUP_CACHE_DIR may name any folder."""
    run = clone.run("clean", cwd=tmp_path, TFUP_CACHE_DIR=str(victim))

    assert 0 == run.code, run.err
    assert (victim / "thesis").exists()


def test_a_python_that_a_machine_file_names_is_never_run(clone: Clone, tmp_path: Path) -> None:
    """Packages beside a release for 2.7 are resolved by that very Python: not for another machine."""
    python = tmp_path / "python2.7"
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/owned\n", encoding="utf-8")
    python.chmod(0o755)
    facts = {
        "path": str(python),
        "version": "2.7.18",
        "implementation": "cpython",
        "bits": 64,
        "abi": "cp27mu",
    }
    system = {"os": "linux", "arch": "x86_64", "libc": "glibc", "libc_version": "2.35"}
    machine = {
        "schema": 1,
        "system": system,
        "pythons": [facts | {"arch": "x86_64"}],
    }
    (tmp_path / "machine.json").write_text(json.dumps(machine), encoding="utf-8")

    run = running.tfup("plan", "tensorflow==1.4.1", "six==1.10", "--machine", "machine.json", cwd=tmp_path)

    assert (3, "error: unresolvable") == (run.code, run.err.splitlines()[0])
    assert not (tmp_path / "owned").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder that belongs to someone else")
@pytest.mark.parametrize("way", ["another owner", "open to all", "a link"])
def test_a_temporary_cache_of_someone_else_is_never_used(
    tmp_path: Path, victim: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no home, another user may have made that folder first, with a program of ours in it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = temporary_folder()
    folder.symlink_to(victim) if way == "a link" else folder.mkdir(mode=0o700)
    if way == "another owner":
        os.chown(folder, 4711, 4711)
    if way == "open to all":
        folder.chmod(0o777)

    with pytest.raises(UnusableFolder, match="cannot be used"):
        make_cache({})


@pytest.mark.parametrize("words", [("detect",), ("doctor",), INSTALL, ("check",)], ids=" ".join)
def test_no_command_touches_a_temporary_cache_that_others_may_write(
    clone: Clone, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """What tfup remembers and logs does not go there, and the command does without."""
    planted = tmp_path / f"tfup-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    bare = ("env", "-u", "HOME")

    run = clone.run(*words, cwd=tmp_path, under=bare, TMPDIR=str(tmp_path))

    assert "error: bug" not in run.err
    assert [] == [*planted.iterdir()]


def test_a_temporary_cache_of_our_own_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made closed to others, and found again."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert make_cache({}) == make_cache({}) == temporary_folder()
    assert 0o700 == temporary_folder().stat().st_mode & 0o777
