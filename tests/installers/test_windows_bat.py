"""Install TensorFlow.bat, double-clicked on Wine's Windows: from a clone to a proved, if tiny, TensorFlow."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests import windows_lab
from tfup.folders import TAG

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.windows_lab import Lab

pytestmark = [pytest.mark.wine, pytest.mark.network]


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give one machine to all tests of this file; the first makes tfup's environment on it."""
    kept = request.config.cache.mkdir("wine")
    with windows_lab.lab(kept, tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def first(lab: Lab) -> str:
    """Give what the first double click says."""
    done = lab.double_click()
    assert 0 == done.code, done.out + done.err
    return done.out


def test_a_double_click_ends_at_hello(lab: Lab, first: str) -> None:
    """uv.exe comes from the index, the Python from the registry; the checks run in the new environment."""
    assert "fetching uv" in first
    assert "Hello, TensorFlow!" in first
    assert (lab.project / ".venv" / "Scripts" / "python.exe").exists()


def test_the_report_stays_and_its_log_is_named(lab: Lab, first: str) -> None:
    """The window waits for a key, and what it says is in a file, for those who pressed it too soon."""
    assert r"C:\users\root\.cache\tfup\start.log" in first
    assert r"C:\users\root\tensorflow\.tfup\logs" in first
    assert "Press any key" in first
    assert "Hello, TensorFlow!" in (lab.cache / "start.log").read_text(encoding="utf-8")


def test_arguments_are_those_of_tfup(lab: Lab, first: str) -> None:
    """With words nobody double-clicked: nothing but the answer is printed, and nothing waits."""
    done = lab.start("plan", "tensorflow==98.*", "--json")

    assert ("98.0.0", 0) == (done.document["choice"]["version"], done.code)


def test_the_exit_code_is_that_of_tfup(lab: Lab, first: str) -> None:
    """A release that is none is a fault of usage, 2, whatever runs tfup."""
    assert 2 == lab.start("plan", "tensorflow==97.*").code


def test_what_an_antivirus_took_is_brought_back(lab: Lab, first: str) -> None:
    """tfup's own environment and the project's are made anew where a file is missing."""
    own = next(lab.cache.glob("environment-*/Lib/site-packages/msgspec/_core*.pyd"))
    theirs = lab.project / ".venv/Lib/site-packages/sunny.py"
    own.unlink()
    theirs.unlink()

    done = lab.double_click()

    assert 0 == done.code, done.out + done.err
    assert own.exists()
    assert theirs.exists()
    assert [] == list((lab.project / ".tfup" / "trash").iterdir())


def test_a_program_that_runs_in_the_environment_is_named_and_waited_for(lab: Lab, first: str) -> None:
    """Windows would not move its files; once it ends, the install goes on."""
    python = r"C:\users\root\tensorflow\.venv\Scripts\python.exe"
    (lab.project / ".venv" / "tfup.json").unlink()  # so that the environment has to be made anew
    with (
        lab.windows.start(python, "-c", "import time; time.sleep(600)") as running,
        lab.windows.start(lab.bat, "install", cwd=windows_lab.CLONE, **lab.settings()) as install,
    ):
        said = read_until("runs from", install)
        number = re.search(r"process (\d+)", said)
        assert number, said + str(running.poll())
        lab.windows.run("taskkill", "/f", "/pid", number[1])
        rest = install.communicate(timeout=300)[0].decode("utf-8", "replace")

    assert "python.exe (process " in said
    assert 0 == install.returncode, said + rest


def test_a_kill_in_the_middle_is_repaired_by_the_next_double_click(lab: Lab, first: str) -> None:
    """The half-made environment is in no use: the one before is put back, then a new one is made."""
    (lab.project / ".venv" / "tfup.json").unlink()
    with lab.windows.start(lab.bat, "install", cwd=windows_lab.CLONE, **lab.settings()) as install:
        read_until("environment", install)
        lab.windows.end_programs()
        install.wait(60)
    assert (lab.project / ".tfup" / "journal.json").exists()

    done = lab.double_click()

    assert 0 == done.code, done.out + done.err
    assert not (lab.project / ".tfup" / "journal.json").exists()


def read_until(word: str, process: subprocess.Popen[bytes]) -> str:
    """Return what a process says up to a line with this word."""
    said = ""
    assert process.stdout is not None
    while word not in said and (line := process.stdout.readline()):
        said += line.decode("utf-8", "replace")
    return said


# ---------------------------------------------------------------- bad days of the start itself


BAD = {"404": "No answer came", "other": "wrong hash", "html": "The index has no uv"}
"""What an index does, and what is said of it."""


@pytest.mark.parametrize("manner", BAD)
def test_without_a_right_uv_nothing_is_begun(lab: Lab, manner: str) -> None:
    """The cause is a sentence, the log is named, and nothing half done is left."""
    done = lab.start("plan", "--json", manner=manner, **elsewhere(manner))

    error = done.document["error"]
    assert (5, "no-uv") == (done.code, error["reference"])
    assert BAD[manner] in error["sentence"]
    assert rf"C:\users\root\{manner}\start.log" == error["log"]
    assert [TAG, "start.log"] == sorted(path.name for path in (lab.windows.home / manner).iterdir())


def elsewhere(name: str) -> dict[str, str]:
    """Return variables for a person who starts for the first time, and has no way to uv's release page."""
    return {"TFUP_CACHE_DIR": rf"C:\users\root\{name}", "TFUP_UV_RELEASES": "http://127.0.0.1:9"}


def test_without_a_network_the_exit_code_is_5(lab: Lab) -> None:
    """What is said tells of the network, and of the variable for an index of one's own."""
    done = lab.start("--version", TFUP_INDEX_URL="http://127.0.0.1:9/simple", **elsewhere("alone"))

    assert (5, True) == (done.code, "No answer came from the network" in done.out), done.out
    assert "TFUP_INDEX_URL" in done.out


def test_a_hash_that_nobody_computed_is_a_wrong_one(lab: Lab) -> None:
    """Wine's own certutil says nothing and succeeds; that lets no program in."""
    (lab.windows.c / "stand-ins" / "certutil.exe").rename(lab.windows.c / "certutil.exe")

    done = lab.start("--version", **elsewhere("unhashed"))

    (lab.windows.c / "certutil.exe").rename(lab.windows.c / "stand-ins" / "certutil.exe")
    assert (5, True) == (done.code, "wrong hash" in done.out), done.out


def test_a_folder_that_takes_no_files_is_named(lab: Lab) -> None:
    """Where a file is in the place of tfup's folder, that is said, with the variable that names another."""
    (lab.windows.home / "file").touch()

    done = lab.start("plan", "--json", **elsewhere("file"))

    assert ("unusable-cache", 4) == (done.document["error"]["reference"], done.code)


def test_a_script_alone_says_that_the_zip_is_to_be_unpacked(lab: Lab) -> None:
    """Whoever double-clicks inside a zip starts this one file out of a temporary folder."""
    alone = lab.windows.c / "alone.bat"
    alone.write_bytes((lab.windows.c / windows_lab.CLONE / "Install TensorFlow.bat").read_bytes())

    done = lab.windows.run(r"C:\alone.bat")

    assert (4, True) == (done.code, "Extract All" in done.out)


def test_a_clone_on_another_computer_does_as_well(lab: Lab, first: str) -> None:
    """From there the work goes into the person's own folder, not into that of Windows."""
    share = lab.windows.root / "prefix" / "dosdevices" / "unc" / "server"
    share.mkdir(parents=True)
    (share / "share").symlink_to("/prefix/drive_c/users/root/Don't panic (50 & 中文)")

    done = lab.windows.run(r"\\server\share\tf up\Install TensorFlow.bat", "--version", **lab.settings())

    assert (0, "tfup ") == (done.code, done.out[:5]), done.out + done.err


def test_a_full_disk_is_said_to_be_full(lab: Lab, first: str) -> None:
    """The project's disk has a megabyte: what was there stays, and the cause is named."""
    small = lab.windows.c / "small"
    small.mkdir()
    lab.windows.mount("tmpfs", small, "size=200k")

    done = lab.start("install", "--project", r"C:\small\project", "--json")

    assert (4, True) == (done.code, "full" in json.dumps(done.document)), done.out + done.err
    assert not (small / "project" / ".venv").exists()


def test_a_disk_that_is_read_only_is_said_to_be_so(lab: Lab, first: str) -> None:
    """Nothing is begun there."""
    locked = lab.windows.c / "locked"
    locked.mkdir()
    lab.windows.mount("tmpfs", locked, "ro")

    done = lab.start("install", "--project", r"C:\locked\project", "--json")

    assert (2, "unusable-folder") == (done.code, done.document["error"]["reference"]), done.out + done.err
