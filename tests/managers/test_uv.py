"""The engine: what uv does for us, and what we make of its failures; each failure is really made."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import loopback_index
from tests.loopback_index import pin
from tests.pythons import interpreters
from tfup.errors import (
    IndexUnreachable,
    InstallFailed,
    PinGone,
    TfupError,
    UnknownProject,
    Unresolvable,
    WrongFile,
)
from tfup.managers import terminal, transaction, uv
from tfup.managers.failures import explain
from tfup.managers.uv import Mode, Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = Target("3.11", "linux_x86_64", "2.31")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of a running index."""
    with loopback_index.serving() as address:
        yield address


@pytest.fixture(scope="module")
def pythons() -> dict[str, Path]:
    """Return the real interpreters by their minor, looked up before a test changes HOME."""
    return {version.rpartition(".")[0]: path for version, path in interpreters().items()}


@pytest.fixture
def person(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Be a person with an empty home and that index."""
    loopback_index.be_a_person(monkeypatch, str(tmp_path), f"http://{address}/good/simple")
    return monkeypatch


def sync(folder: Path, pins: str, mode: Mode = uv.PLAIN) -> str:
    """Install pins into a new environment, and return its interpreter."""
    requirements = folder / "requirements.txt"
    requirements.write_text(pins, encoding="utf-8")
    python = uv.make_venv(sys.executable, folder / ".venv", mode)
    uv.sync(python, requirements, mode)
    return python


def answer(python: str, code: str) -> str:
    """Return what an interpreter prints."""
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def failure(folder: Path, pins: str, mode: Mode = uv.PLAIN) -> TfupError:
    """Return the error that an install ends with."""
    with pytest.raises(TfupError) as caught:
        sync(folder, pins, mode)
    return caught.value


# ---------------------------------------------------------------- what works


def test_pins_are_installed(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment holds exactly what the requirements pin."""
    python = sync(tmp_path, pin("sunny", "1.0"))

    assert "1.0" == answer(python, "import sunny; print(sunny.version)")


def test_a_further_index_with_another_file_does_not_stop_an_install(
    person: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A repackaged wheel of the same name is passed by; the pinned one is taken from the main index."""
    further = tmp_path / "wheels"
    further.mkdir()
    name, content = loopback_index.wheel("sunny", "1.0", content="version = 'repackaged'\n")
    (further / name).write_bytes(content)
    person.setenv("PIP_FIND_LINKS", str(further))

    python = sync(tmp_path, pin("sunny", "1.0"))

    assert "1.0" == answer(python, "import sunny; print(sunny.version)")


@pytest.mark.parametrize("minor", ["3.6", "3.7", "3.8", "3.13"])
def test_old_pythons_get_environments(
    pythons: dict[str, Path], person: pytest.MonkeyPatch, tmp_path: Path, minor: str
) -> None:
    """uv makes and fills environments of Pythons that are long out of support."""
    (tmp_path / "requirements.txt").write_text(pin("sunny", "1.0"), encoding="utf-8")
    python = uv.make_venv(str(pythons[minor]), tmp_path / ".venv")
    uv.sync(python, tmp_path / "requirements.txt", wheels=["sunny"])

    code = "import sunny, sys; print(sunny.version, '%d.%d' % sys.version_info[:2])"
    assert f"1.0 {minor}" == answer(python, code)


def test_a_password_reaches_the_index_and_nothing_else(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    """The index gets the credentials; neither the log nor any file of the project holds them."""
    person.setenv("UV_DEFAULT_INDEX", f"http://joe:s3cret@{address}/good/simple")
    loopback_index.Handler.asked.clear()
    project = tmp_path / "project"
    project.mkdir()
    mode, requirements = Mode(log=project / "log.txt"), project / "requirements.txt"
    requirements.write_text(pin("sunny", "1.0"), encoding="utf-8")

    sync(project, pin("sunny", "1.0"), mode)
    uv.write_pylock(sys.executable, requirements, project / "pylock.toml", mode)
    error = failure_of_a_bad_index(person, address, mode)

    assert (project / "pylock.toml").exists()
    assert any(asked.startswith("Basic") for asked in loopback_index.Handler.asked)
    held = [path for path in project.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert ([], False) == (held, "s3cret" in repr(error))


def failure_of_a_bad_index(person: pytest.MonkeyPatch, address: str, mode: Mode) -> TfupError:
    """Return the error for an index with a password that answers 500."""
    person.setenv("UV_DEFAULT_INDEX", f"http://joe:s3cret@{address}/500/simple")
    with pytest.raises(TfupError) as caught:
        uv.resolve(["snowy"], HERE, mode)
    return caught.value


def test_a_resolution_names_versions_and_files(person: pytest.MonkeyPatch) -> None:
    """Constraints hold, and each file has its name and hash, not its address."""
    found = uv.resolve(["rainy"], HERE, constraints=["sunny<2"])

    assert [("rainy", "1.0"), ("sunny", "1.0")] == [(package.name, package.version) for package in found]
    name = f"sunny-1.0-{loopback_index.TAG}.whl"
    assert (name, loopback_index.sha256(loopback_index.WHEELS[name])) == (
        found[1].files[0].file,
        found[1].files[0].sha256,
    )


def test_an_override_beats_what_a_package_asks_for(person: pytest.MonkeyPatch) -> None:
    """Overrides replace the requirement of a package."""
    found = uv.resolve(["rainy"], HERE, overrides=["sunny==2.0"])

    assert {"rainy": "1.0", "sunny": "2.0"} == {package.name: package.version for package in found}


def test_dependencies_can_be_left_out(person: pytest.MonkeyPatch) -> None:
    """Without dependencies only what was named is resolved."""
    assert ["rainy"] == [package.name for package in uv.resolve(["rainy"], HERE, no_deps=True)]


def test_packages_that_may_be_built_still_come_with_their_wheels(person: pytest.MonkeyPatch) -> None:
    """To be allowed to build a package does not hide the wheels that it has."""
    with pytest.raises(Unresolvable):  # nothing but a wheel is on this index, and uv passes it over
        uv.resolve(["sunny"], HERE, sdists=["sunny"])
    found = uv.with_wheels([uv.Resolved("sunny", "1.0", ())], ["sunny"], HERE, uv.PLAIN)

    assert [f"sunny-1.0-{loopback_index.TAG}.whl"] == [file.file for file in found[0].files]


def test_every_python_of_the_tables_can_be_resolved_for(person: pytest.MonkeyPatch) -> None:
    """Platforms and Pythons that are not here are resolved for all the same."""
    platforms = ("linux_x86_64", "linux_aarch64", "macos_x86_64", "macos_arm64", "windows_amd64")
    targets = [Target(python, platform) for python in ("3.6", "3.13") for platform in platforms]

    assert [1] * 10 == [len(uv.resolve(["sunny"], target)) for target in targets]


@pytest.mark.parametrize(
    ("glibc", "manylinux"),
    [("2.5", "2_17"), ("2.23", "2_28"), ("2.28", "2_28"), ("2.36", "2_36"), ("2.99", "2_40")],
)
def test_linux_is_resolved_by_its_glibc(glibc: str, manylinux: str) -> None:
    """The first manylinux from the glibc on that uv knows, else the last."""
    assert f"aarch64-manylinux_{manylinux}" == uv.triple("linux_aarch64", glibc)


def test_pylock_is_ours_and_valid(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pylock.toml says that tfup made it, and uv installs from it."""
    pylock = tmp_path / "pylock.toml"
    python = sync(tmp_path, pin("sunny", "1.0"))
    uv.write_pylock(sys.executable, tmp_path / "requirements.txt", pylock)
    (tmp_path / "requirements.txt").write_text("", encoding="utf-8")
    uv.run("pip", "uninstall", "--python", python, "sunny")
    uv.run("pip", "sync", "--python", python, pylock)

    assert "Made by tfup" in pylock.read_text(encoding="utf-8").splitlines()[0]
    assert "1.0" == answer(python, "import sunny; print(sunny.version)")


def test_what_the_cache_has_is_installed_without_asking(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    """Pins that were installed once ask no index again."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    sync(tmp_path / "one", pin("sunny", "1.0"))
    loopback_index.Handler.asked.clear()

    sync(tmp_path / "two", pin("sunny", "1.0"))

    assert [] == loopback_index.Handler.asked


def test_bars_pass_to_the_terminal_and_words_are_kept(
    person: pytest.MonkeyPatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Live, uv believes to be on a terminal: colours are shown, and the log holds the bare words."""
    log = tmp_path / "log.txt"

    sync(tmp_path, pin("heavy", "1.0"), Mode(live=True, log=log))

    assert b"\x1b[" in capfdbinary.readouterr().err
    text = log.read_text(encoding="utf-8")
    assert (True, False) == ("+ heavy==1.0" in text, "\x1b" in text)


def test_a_failure_shown_live_is_explained_all_the_same(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    """What went to the terminal is still read to name the cause."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/502/simple")

    error = failure(tmp_path, pin("sunny", "1.0"), Mode(live=True))

    assert "502 Bad Gateway" in str(error.needs[0].found)


@pytest.mark.parametrize(
    "name", ["plain", "two words", 'it\'s "quoted"', "目录", "🐍", "semi;$(touch owned)`", "new\nline"]
)
def test_any_folder_name_will_do(person: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """A project path may hold whatever the disk allows, and nothing in it is run."""
    folder = tmp_path / name
    folder.mkdir()

    python = sync(folder, pin("sunny", "1.0"))

    assert ("1.0", []) == (
        answer(python, "import sunny; print(sunny.version)"),
        list(tmp_path.rglob("owned")),
    )


def test_uv_holds_the_lock_of_the_project(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What is started inherits the lock, with bars or without, so that it is waited for if tfup is killed."""
    command = ["ls", "-l", "/proc/self/fd"]

    with transaction(tmp_path):
        quiet = uv.execute(command, "", None, dict(os.environ))[1]
        live = terminal.execute(command, dict(os.environ), None)[2]

    lock = str(tmp_path / ".tfup" / "lock")
    assert (True, True) == (lock in quiet, lock in live)


# ---------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    ("manner", "found"),
    [
        ("401", "401 Unauthorized"),
        ("403", "403 Forbidden"),
        ("500", "500 Internal Server Error"),
        ("cut", "a connection that was cut"),
        ("half", "a connection that was cut"),
        ("slow", "no answer in time"),
    ],
)
def test_a_bad_answer_is_named(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str, manner: str, found: str
) -> None:
    """An index that refuses, breaks off or keeps silent is an index that gave no usable answer, and why."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/{manner}/simple")

    error = failure(tmp_path, pin("heavy", "1.0"), Mode(log=tmp_path / "log.txt"))

    assert (IndexUnreachable, str(tmp_path / "log.txt")) == (type(error), error.log)
    assert found in str(error.needs[0].found)


@pytest.mark.parametrize("manner", ["404", "html"])
def test_an_index_without_the_pins_is_named(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str, manner: str
) -> None:
    """404, or some page of a hotel, means that the index does not have what was pinned."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/{manner}/simple")

    error = failure(tmp_path, pin("sunny", "1.0"))

    assert (PinGone, ("sunny==1.0",)) == (type(error), error.pins)
    assert "The package index does not have what was pinned: sunny==1.0." == error.sentence


def test_a_file_that_is_listed_and_gone_is_named(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    """A mirror may have the page of a project and not its files."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/gone/simple")

    error = failure(tmp_path, pin("sunny", "2.0") + pin("heavy", "1.0"))

    assert PinGone is type(error)
    assert set(error.pins) & {"sunny==2.0", "heavy==1.0"}


def test_a_long_wait_is_announced(person: pytest.MonkeyPatch, tmp_path: Path, address: str) -> None:
    """Where no bars tell it, a line now and then says that uv is still at work."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/slow/simple")
    words: list[str] = []

    failure(tmp_path, pin("sunny", "1.0"), Mode(say=words.append, patience=0.5))

    assert (True, True) == (1 <= len(words) <= 10, "still at work after" in words[0])


def test_a_refused_connection_is_named(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody listens on port 9."""
    person.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")

    error = failure(tmp_path, pin("sunny", "1.0"))

    assert (IndexUnreachable, True) == (type(error), "a refused connection" in str(error.needs[0].found))


def test_a_host_that_does_not_exist_is_named(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name under .invalid never resolves."""
    person.setenv("UV_DEFAULT_INDEX", "http://index.invalid/simple")

    error = failure(tmp_path, pin("sunny", "1.0"))

    assert (IndexUnreachable, True) == (type(error), "a host name" in str(error.needs[0].found))


def test_another_file_than_the_pinned_one_is_refused(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    """A file with another hash is named with both hashes, and nothing of it is installed."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/other/simple")

    error = failure(tmp_path, pin("sunny", "1.0"))

    needs, found = error.needs[0].needs, str(error.needs[0].found)
    assert (WrongFile, "sunny==1.0") == (type(error), error.needs[0].name)
    assert (71, 71, True) == (len(needs), len(found), needs != found)
    assert [] == list(tmp_path.glob(".venv/lib/*/site-packages/sunny*"))


def test_offline_without_the_files_says_so(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """--offline with an empty cache names itself as the cause."""
    error = failure(tmp_path, pin("sunny", "1.0"), Mode(offline=True))

    assert (IndexUnreachable, True) == (
        type(error),
        "offline" in str(error.needs[0].found) or "offline" in error.sentence,
    )


def test_offline_installs_what_the_cache_has(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was installed once is installed again without a network."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    sync(tmp_path / "one", pin("sunny", "1.0"))

    python = sync(tmp_path / "two", pin("sunny", "1.0"), Mode(offline=True))

    assert "1.0" == answer(python, "import sunny; print(sunny.version)")


def test_contradicting_requirements_are_explained(person: pytest.MonkeyPatch) -> None:
    """The explanation names the packages that contradict each other."""
    with pytest.raises(Unresolvable) as caught:
        uv.resolve(["rainy", "sunny==2.0"], HERE)

    assert "rainy" in str(caught.value.needs[0].found)


def test_an_unknown_package_is_named(person: pytest.MonkeyPatch) -> None:
    """A name that the index does not know is the sentence of the error, with the nearest that we know."""
    with pytest.raises(UnknownProject) as caught:
        uv.resolve(["kerass"], HERE)

    assert "The package index knows no project named kerass; did you mean keras?" == caught.value.sentence
    assert "tfup plan keras" == caught.value.hint


def test_a_requirement_that_is_none_is_explained(person: pytest.MonkeyPatch) -> None:
    """uv's reason is kept for a requirement that cannot be read."""
    with pytest.raises(Unresolvable) as caught:
        uv.resolve(["sunny ="], HERE)

    assert "comparison operator" in str(caught.value.needs[0].found)


def test_a_cache_that_is_a_file_is_named(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache folder that cannot be made is named, with the variable that names another one."""
    (tmp_path / "cache").touch()
    person.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))

    error = failure(tmp_path, pin("sunny", "1.0"))

    assert (InstallFailed, True) == (type(error), str(tmp_path / "cache") in error.sentence), error
    assert "UV_CACHE_DIR=" in str(error.hint)


def test_an_interpreter_that_is_too_old_is_refused(
    pythons: dict[str, Path], person: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Python 2.7 is refused with a sentence, not with uv's words about -I."""
    with pytest.raises(InstallFailed) as caught:
        uv.make_venv(str(pythons["2.7"]), tmp_path / ".venv")

    assert "Python 2.7" in caught.value.sentence


def test_a_python_that_nobody_has_is_named(person: pytest.MonkeyPatch) -> None:
    """Offline, a Python that was never fetched cannot be."""
    with pytest.raises((InstallFailed, IndexUnreachable)) as caught:
        uv.obtain("3.12", Mode(offline=True))

    assert "Python 3.12 could not be fetched." == caught.value.sentence


@pytest.mark.parametrize(
    ("text", "kind", "word"),
    [
        (
            "error: Failed to install: a.whl\n  cause: No space left on device (os error 28)",
            InstallFailed,
            "full",
        ),
        ("error: failed to open file `/a/b`: Permission denied (os error 13)", InstallFailed, "/a/b"),
        (
            "error: failed to create directory `/a`\n  cause: Read-only file system (os error 30)",
            InstallFailed,
            "Read-only",
        ),
        ("error: x\n  cause: invalid peer certificate: UnknownIssuer", IndexUnreachable, "UnknownIssuer"),
        ("error: x\n  cause: invalid peer certificate: NotValidYet", IndexUnreachable, "hint='date'"),
        (
            'error: x\n  cause: Permission denied (os error 13) at path "/cache/.tmp1"',
            InstallFailed,
            "/cache/.tmp1",
        ),
        (
            "error: x\n  cause: There is not enough space on the disk. (os error 112)",
            InstallFailed,
            "full",
        ),
        (
            r"error: failed to copy file to `C:\p\a.pyd`: The process cannot access the file (os error 32)",
            InstallFailed,
            r"C:\\p\\a.pyd",
        ),
        ("error: failed to open file `C:/a/b`: Access is denied. (os error 5)", InstallFailed, "C:/a/b"),
        ("error: something new", InstallFailed, "something new"),
        ("", InstallFailed, "uv could not"),
    ],
)
def test_what_uv_says_becomes_an_error(text: str, kind: type[TfupError], word: str) -> None:
    """Texts of failures that a test cannot make everywhere."""
    error = explain(text)

    assert kind is type(error)
    assert word in repr(error)
