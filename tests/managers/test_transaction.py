"""Nothing is lost: an install changes a project completely or not at all, whatever comes."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import loopback_index
from tfup.errors import FolderBusy, InstallFailed, NothingToUndo, UnusableFolder
from tfup.files import write_whole
from tfup.managers.transaction import set_aside, transaction, undo

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[1]
UNPRIVILEGED = 65534


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder with a Pipfile and an environment that a person had; wait for deletions at the end."""
    folder = tmp_path / "my project"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / "name").write_text("old", encoding="utf-8")
    (folder / "Pipfile").write_text("old", encoding="utf-8")
    (folder / "requirements-dev.txt").write_text("theirs", encoding="utf-8")
    yield folder
    for thread in threading.enumerate():
        if thread.name == "trash":
            thread.join()


def change(folder: Path, name: str) -> None:
    """Do what an install does, in a transaction that is open."""
    (folder / "Pipfile").write_text(name, encoding="utf-8")
    (folder / "requirements.txt").write_text(name, encoding="utf-8")
    set_aside(folder)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "name").write_text(name, encoding="utf-8")


def install(folder: Path, *names: str, raising: BaseException | None = None) -> None:
    """Install a generation, in one or more tries, and perhaps fail at the end."""
    with transaction(folder):
        for name in names:
            change(folder, name)
        if raising:
            raise raising


def state(folder: Path) -> dict[str, str]:
    """Return the files of a project and what its environment says."""
    names = ("Pipfile", "requirements.txt", ".venv/name", "requirements-dev.txt")
    return {name: (folder / name).read_text(encoding="utf-8") for name in names if (folder / name).exists()}


# ---------------------------------------------------------------- all or nothing


def test_a_good_install_stays(project: Path) -> None:
    """What the block made is there afterwards, and files that are not ours are as they were."""
    install(project, "new")

    new = {"Pipfile": "new", "requirements.txt": "new", ".venv/name": "new", "requirements-dev.txt": "theirs"}
    assert new == state(project)


@pytest.mark.parametrize(
    "raised", [ValueError(), KeyboardInterrupt(), SystemExit(), InstallFailed("It failed.")]
)
def test_anything_raised_puts_all_back(project: Path, raised: BaseException) -> None:
    """Whatever ends the block early, files and environment are as they were, and new files are gone."""
    before = state(project)

    with pytest.raises(BaseException, match=r".*") as caught:
        install(project, "new", raising=raised)

    assert (before, raised) == (state(project), caught.value)


def test_a_disk_that_fails_is_explained(project: Path) -> None:
    """An error of the disk in the block becomes a sentence, and all is put back."""
    before = state(project)

    with pytest.raises(InstallFailed) as caught:
        install(project, "new", raising=OSError(errno.ENOSPC, "No space left on device", "a/file"))

    assert (before, "a disk that is full: a/file") == (state(project), caught.value.needs[0].found)


def test_a_first_install_that_fails_leaves_no_environment(tmp_path: Path) -> None:
    """Where nothing was, nothing of ours but the corner with the logs is left."""
    folder = tmp_path / "deep" / "new"

    with pytest.raises(KeyboardInterrupt):
        install(folder, "new", raising=KeyboardInterrupt())

    assert [".tfup"] == [path.name for path in folder.iterdir()]


def test_an_environment_may_be_set_aside_twice(project: Path) -> None:
    """A second try within one transaction throws the first away, not the person's environment."""
    with pytest.raises(KeyboardInterrupt):
        install(project, "first", "second", raising=KeyboardInterrupt())

    assert "old" == state(project)[".venv/name"]


@pytest.mark.parametrize("kind", ["link", "file", "stranger", "dangling"])
def test_what_is_called_venv_is_moved_as_it_is(project: Path, tmp_path: Path, kind: str) -> None:
    """A link, a file or someone's folder in the place of the environment comes back untouched."""
    place, elsewhere = project / ".venv", tmp_path / "elsewhere"
    place.rename(elsewhere)
    make = {
        "link": lambda: place.symlink_to(elsewhere),
        "file": lambda: place.write_text("a file", encoding="utf-8"),
        "stranger": lambda: (place / "photos").mkdir(parents=True),
        "dangling": lambda: place.symlink_to(tmp_path / "nowhere"),
    }
    make[kind]()
    before = (place.is_symlink(), place.is_file(), sorted(place.glob("*")))

    install(project, "new")
    assert {"name"} == {path.name for path in place.iterdir()}
    undo(project)

    assert before == (place.is_symlink(), place.is_file(), sorted(place.glob("*")))
    assert "old" == (elsewhere / "name").read_text(encoding="utf-8")


def test_a_file_behind_a_link_comes_back_behind_the_link(project: Path, tmp_path: Path) -> None:
    """A Pipfile that is a link is written through the link, and restored through it."""
    shared = tmp_path / "shared-Pipfile"
    (project / "Pipfile").rename(shared)
    (project / "Pipfile").symlink_to(shared)

    install(project, "new")
    undo(project)

    assert (True, "old") == ((project / "Pipfile").is_symlink(), shared.read_text(encoding="utf-8"))


# ---------------------------------------------------------------- undo


def test_undo_brings_back_what_was(project: Path) -> None:
    """After undo, files and environment are those before the last install."""
    before = state(project)
    install(project, "new")

    undo(project)

    assert before == state(project)


def test_undo_twice_is_redo(project: Path) -> None:
    """The generation that was undone is kept, and comes back by undoing again."""
    install(project, "new")
    after = state(project)

    undo(project)
    undo(project)

    assert after == state(project)


def test_a_first_install_can_be_undone(tmp_path: Path) -> None:
    """Undo of the first install leaves neither files nor environment, and redo brings them back."""
    install(tmp_path, "new")

    undo(tmp_path)
    assert {} == state(tmp_path)
    undo(tmp_path)
    assert "new" == state(tmp_path)[".venv/name"]


def test_one_generation_is_kept(project: Path) -> None:
    """Two installs later the first generation is gone; undo brings the second."""
    install(project, "newer")
    install(project, "newest")

    undo(project)

    assert "newer" == state(project)["Pipfile"]


def test_an_install_that_changes_nothing_keeps_the_kept_generation(project: Path) -> None:
    """The same install again is no new generation: undo still takes back the change before it."""
    install(project, "new")
    with transaction(project):
        (project / ".tfup" / "plan.json").write_text("{}", encoding="utf-8")

    undo(project)

    assert "old" == state(project)["Pipfile"]


def test_files_that_change_without_the_environment_are_undone_without_it(project: Path) -> None:
    """Where the environment already was right it stays, in the install, its undo and its redo."""
    with transaction(project):
        (project / "Pipfile").write_text("commented", encoding="utf-8")

    undo(project)
    assert {"Pipfile": "old", ".venv/name": "old", "requirements-dev.txt": "theirs"} == state(project)
    undo(project)
    assert {"Pipfile": "commented", ".venv/name": "old", "requirements-dev.txt": "theirs"} == state(project)


@pytest.mark.parametrize("name", ["", "never/made"])
def test_nothing_to_undo_is_said(tmp_path: Path, name: str) -> None:
    """A folder without an earlier generation is left alone, and one that is not there is not made."""
    with pytest.raises(NothingToUndo):
        undo(tmp_path / name)

    assert [] == list(tmp_path.iterdir())


# ---------------------------------------------------------------- folders that will not do


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A project cannot be a file, nor lie under one; the error says so."""
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(UnusableFolder, match="cannot hold a project"), transaction(tmp_path / place):
            pass


@pytest.mark.parametrize("name", ["x" * 300, "nul\0byte"])
def test_impossible_names_are_explained(tmp_path: Path, name: str) -> None:
    """A name that no disk takes is an unusable folder, not a traceback."""
    with pytest.raises(UnusableFolder), transaction(tmp_path / name):
        pass


def test_a_read_only_folder_is_explained(project: Path) -> None:
    """A folder that may not be written is refused before anything is touched; root is made someone else."""
    project.chmod(0o555)
    project.parent.chmod(0o755)
    code = (
        "import os, sys; from pathlib import Path; from tfup.errors import UnusableFolder\n"
        "from tfup.managers.transaction import transaction\n"
        f"if os.getuid() == 0: os.setgid({UNPRIVILEGED}); os.setuid({UNPRIVILEGED})\n"
        "try:\n    with transaction(Path(sys.argv[1])): pass\n"
        "except UnusableFolder as error: print(error.needs[0].found)"
    )
    for parent in (project.parent.parent, project.parent.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o055)

    done = child("-c", code, str(project))

    assert "a folder that you may not write\n" == done.communicate(timeout=30)[0]


# ---------------------------------------------------------------- several at once


def child(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start a Python of its own that finds tfup and the tests."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env=environment)


def test_the_second_run_waits_and_says_so(project: Path) -> None:
    """A run that finds another at work says that it waits, and goes on when that has ended."""
    words: list[str] = []
    entered = threading.Event()

    def second() -> None:
        with transaction(project, say=words.append):
            entered.set()

    with transaction(project):
        thread = threading.Thread(target=second)
        thread.start()
        waited = not entered.wait(0.3)
    thread.join()

    assert (True, True, 1) == (waited, entered.is_set(), len(words))


def test_patience_ends(project: Path) -> None:
    """A run that never gets its turn ends with an error that names the cause."""
    with (
        transaction(project),
        pytest.raises(FolderBusy, match="still at work"),
        transaction(project, patience=0.1),
    ):
        pass


@pytest.mark.parametrize("runs", [2, 10])
def test_runs_at_once_come_one_after_the_other(project: Path, runs: int) -> None:
    """However many start together, each has the project for itself, and all end well."""
    code = (
        "import sys, time; from pathlib import Path; from tests.killed_at_each_step import install\n"
        "from tfup.managers.transaction import transaction\n"
        "folder = Path(sys.argv[1]); log = folder.with_name('log')\n"
        "with transaction(folder):\n"
        "    for word in ('in', 'out'):\n"
        "        time.sleep(0.02); stream = log.open('a'); stream.write(word + ' '); stream.close()\n"
        "install(folder, sys.argv[2])"
    )
    children = [child("-c", code, str(project), str(number)) for number in range(runs)]

    for process in children:
        process.communicate(timeout=60)

    assert [0] * runs == [process.returncode for process in children]
    assert "in out " * runs == project.with_name("log").read_text(encoding="utf-8")
    assert state(project)["Pipfile"] == state(project)[".venv/name"]


# ---------------------------------------------------------------- kills


@pytest.mark.parametrize("depth", ["once", pytest.param("twice", marks=pytest.mark.slow)])
def test_a_kill_at_any_step_is_survived(tmp_path: Path, depth: str) -> None:
    """Killed before any of its steps, and the repair likewise, a project is one whole generation again."""
    done = child(str(TESTS / "killed_at_each_step.py"), str(tmp_path), depth)

    said = done.communicate(timeout=300)[0].split()

    assert 0 == done.returncode
    assert min(map(int, said)) > 15


def test_a_copy_that_a_power_cut_emptied_is_not_put_back(project: Path) -> None:
    """The next run leaves the file that is there; half a file in its place would be a loss."""
    code = (
        "import os, sys; from pathlib import Path; from tests.managers.test_transaction import change\n"
        "from tfup.managers.transaction import transaction\n"
        "with transaction(Path(sys.argv[1])):\n"
        "    change(Path(sys.argv[1]), 'new'); os._exit(9)"
    )
    child("-c", code, str(project)).communicate(timeout=30)
    (project / ".tfup" / "previous.new" / "Pipfile").write_text("", encoding="utf-8")

    with transaction(project):
        pass

    assert ("new", "old") == (state(project)["Pipfile"], state(project)[".venv/name"])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_mode_and_owner_of_a_file_survive_its_change_and_undo(project: Path) -> None:
    """A Pipfile with a password in it stays closed to others."""
    pipfile = project / "Pipfile"
    pipfile.chmod(0o600)
    os.chown(pipfile, 4711, 4711)

    with transaction(project):
        write_whole(pipfile, b"new")
        written = pipfile.stat()
    undo(project)

    for state_then in (written, pipfile.stat()):
        assert (0o600, 4711) == (state_then.st_mode & 0o777, state_then.st_uid)


def test_the_next_run_waits_for_what_a_killed_one_left_running(project: Path) -> None:
    """A uv that outlives its tfup holds the lock, so it cannot write into what the next run puts back."""
    code = (
        "import os, signal, subprocess, sys; from pathlib import Path\n"
        "from tfup.managers.transaction import set_aside, transaction\n"
        "folder = Path(sys.argv[1])\n"
        "with transaction(folder):\n"
        "    set_aside(folder)\n"
        "    late = 'sleep 0.7; mkdir .venv; echo late >.venv/name'\n"
        "    subprocess.Popen(['sh', '-c', late], cwd=folder, close_fds=False)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    before = state(project)
    killed = child("-c", code, str(project))
    killed.wait(timeout=30)
    assert (-signal.SIGKILL, False) == (killed.returncode, (project / ".venv").exists())

    with transaction(project):
        pass
    killed.communicate()  # ends when nobody holds its output any more

    assert before == state(project)


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_real_installs_survive_being_killed(tmp_path: Path, kills: int) -> None:
    """After a kill at any random moment of real installs, the next run finds one whole generation."""
    moments = random.Random(20261120)  # noqa: S311 - moments, not secrets
    project = tmp_path / "project"
    interrupted = 0
    with loopback_index.serving() as address:
        variables = loopback_index.bare_environment(str(tmp_path), f"http://{address}/good/simple")
        for _ in range(kills):
            process = child(str(TESTS / "installing_for_ever.py"), str(project), **variables)
            assert process.stdout is not None
            assert "installed\n" == process.stdout.readline()
            time.sleep(moments.uniform(0, 0.4))
            process.kill()
            process.communicate()
            interrupted += (project / ".tfup" / "journal.json").exists()
            with transaction(project):
                pass
            assert pinned(project) == imported(project)

    assert interrupted > kills / 3


def pinned(project: Path) -> str:
    """Return the version that the file pins."""
    return (project / "requirements.txt").read_text(encoding="utf-8").split()[0].partition("==")[2]


def imported(project: Path) -> str:
    """Return the version that the environment imports."""
    command = [project / ".venv" / "bin" / "python", "-c", "import sunny; print(sunny.version)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
