"""Stage 4 as a whole: the files of a project become an environment."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests import loopback_index
from tests.loopback_index import pin
from tfup import managers
from tfup.errors import IndexUnreachable, InstallFailed, UnreadableFile
from tfup.folders import TAG, make_cache
from tfup.formats import locate
from tfup.managers import cleaning, transaction, uv, venv
from tfup.model import Choice, Environment, Plan, Project, Wheel, Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PYTHON = ".".join(map(str, sys.version_info[:3]))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of a running index."""
    with loopback_index.serving() as address:
        yield address


@pytest.fixture
def person(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Be a person with an empty home and that index."""
    loopback_index.be_a_person(monkeypatch, str(tmp_path), f"http://{address}/good/simple")
    yield monkeypatch
    for thread in threading.enumerate():
        if thread.name == "trash":
            thread.join()


def plan(manager: str = "venv", python: str = PYTHON) -> Plan:
    """Return a plan for the interpreter of this test."""
    choice = Choice(
        project="tensorflow",
        version="1.0",
        python=python,
        python_tag="cp3",
        python_path=sys.executable,
        python_from="found",
        wheel=Wheel("sunny-1.0-py3-none-any.whl", "0"),
        platform="linux_x86_64",
    )
    return Plan(Wish(), choice, manager=manager)


def write(folder: Path, pins: str, manager: str = "venv", python: str = PYTHON) -> Project:
    """Write the two files that stage 4 reads, as tfup.formats does."""
    project = locate(folder)
    Path(project.plan).write_bytes(msgspec.json.encode(plan(manager, python)))
    Path(project.requirements).write_text(f"# Made by tfup\n{pins}", encoding="utf-8")
    return project


def install(
    folder: Path, pins: str, *, manager: str = "venv", say: Callable[[str], None] = print, live: bool = False
) -> Environment:
    """Install pins in a transaction."""
    with transaction(folder):
        project = write(folder, pins, manager)
        return managers.install(project, log=folder / ".tfup" / "logs" / "install.log", live=live, say=say)


def imported(environment: Environment) -> str:
    """Return the version that an environment's Python imports."""
    command = [environment.python, "-c", "import sunny; print(sunny.version)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_files_become_an_environment(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pins in requirements.txt are imported from DIR/.venv, and pylock.toml and a log are there."""
    folder = tmp_path / "project"

    made = install(folder, pin("sunny", "1.0"))

    assert ("1.0", True, str(folder / ".venv")) == (imported(made), made.made, made.folder)
    assert "sunny-1.0" in (folder / "pylock.toml").read_text(encoding="utf-8")
    assert "pip sync" in (folder / ".tfup" / "logs" / "install.log").read_text(encoding="utf-8")


def test_the_same_files_again_make_nothing(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that is what the files ask for is kept, without asking the index."""
    install(tmp_path / "project", pin("sunny", "1.0"))
    person.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")

    again = install(tmp_path / "project", pin("sunny", "1.0"))

    assert ("1.0", False) == (imported(again), again.made)


def test_pins_that_were_yanked_are_installed_and_named(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    """A release that its index has withdrawn is installed as pinned, also from the cache, and named."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/yanked/simple")
    for folder in (tmp_path / "first", tmp_path / "from the cache"):
        made = install(folder, pin("sunny", "1.0"))

        assert ("1.0", ("sunny==1.0",)) == (imported(made), made.yanked)


def test_other_pins_make_a_new_environment(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other files give another environment, and undo the former one with its files."""
    folder = tmp_path / "project"
    made = install(folder, pin("sunny", "1.0"))
    install(folder, pin("sunny", "2.0"))
    assert "2.0" == imported(made)

    managers.undo(folder)

    assert "1.0" == imported(made)
    assert "sunny==1.0" in (folder / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "damage", ["package added", "package removed", "file removed", "interpreter gone", "stamp broken"]
)
def test_a_damaged_environment_is_made_anew(person: pytest.MonkeyPatch, tmp_path: Path, damage: str) -> None:
    """An environment that no longer is what was made is not taken for it."""
    folder = tmp_path / "project"
    environment = install(folder, pin("sunny", "1.0"))
    site = next((folder / ".venv").glob("lib/python*/site-packages"))
    harm: dict[str, Callable[[], object]] = {
        "package added": (site / "odd-1.0.dist-info").mkdir,
        "package removed": lambda: (site / "sunny-1.0.dist-info").rename(tmp_path / "gone"),
        "file removed": (site / "sunny.py").unlink,
        "interpreter gone": Path(environment.python).unlink,
        "stamp broken": lambda: (folder / ".venv" / "tfup.json").write_text("{", encoding="utf-8"),
    }
    harm[damage]()

    again = install(folder, pin("sunny", "1.0"))

    assert ("1.0", True) == (imported(again), again.made)


def test_a_failed_install_leaves_the_former_environment(
    person: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    """When the index fails, files and environment are those of before, and the error names the log."""
    folder = tmp_path / "project"
    made = install(folder, pin("sunny", "1.0"))
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/500/simple")

    with pytest.raises(IndexUnreachable) as caught:
        install(folder, pin("heavy", "1.0"))

    assert "1.0" == imported(made)
    assert "sunny" in (folder / "requirements.txt").read_text(encoding="utf-8")
    assert "500 Internal Server Error" in Path(str(caught.value.log)).read_text(encoding="utf-8")


def test_pylock_is_left_out_with_a_word(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the addresses are not known, an old pylock.toml goes and a line says why."""
    (tmp_path / ".tfup").mkdir()
    project, words = write(tmp_path, pin("sunny", "1.0")), list[str]()
    Path(project.pylock).write_text("# Made by tfup", encoding="utf-8")

    venv.renew_pylock(sys.executable, project, plan(), uv.PLAIN, words.append)

    assert (False, True) == (Path(project.pylock).exists(), "pylock.toml was left out" in words[0])


@pytest.mark.parametrize("manager", ["venv", "conda"])
def test_pylock_of_an_old_python_is_left_out_for_the_true_reason(tmp_path: Path, manager: str) -> None:
    """uv is not asked about a Python that it does not know, whoever made the environment."""
    (tmp_path / ".tfup").mkdir()
    project, words = write(tmp_path, pin("sunny", "1.0")), list[str]()
    Path(project.pylock).write_text("# Made by tfup", encoding="utf-8")

    venv.renew_pylock("/no/python", project, plan(manager, "2.7.18"), uv.PLAIN, words.append)

    assert not Path(project.pylock).exists()
    assert ["pylock.toml was left out: uv, which writes it, knows no Python that old."] == words


def test_pins_without_hashes_are_refused(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What has no hash is not installed."""
    with pytest.raises(InstallFailed):
        install(tmp_path / "project", "sunny==1.0\n")

    assert not (tmp_path / "project" / ".venv").exists()


def test_an_environment_notes_what_it_was_made_from(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """.venv/tfup.json tells of the requirements, the interpreter, tfup's version and the packages."""
    install(tmp_path / "project", pin("sunny", "1.0"))

    noted = json.loads((tmp_path / "project" / ".venv" / "tfup.json").read_bytes())

    assert {"requirements", "python", "python_path", "tfup", "packages"} == noted.keys()
    assert ["sunny-1.0.dist-info"] == noted["packages"]


def test_a_broken_plan_is_named(tmp_path: Path) -> None:
    """A plan.json that is no plan is an unreadable file."""
    (tmp_path / ".tfup").mkdir()
    (tmp_path / ".tfup" / "plan.json").write_text("{", encoding="utf-8")

    with pytest.raises(UnreadableFile, match=r"plan\.json cannot be read"):
        managers.next_steps(locate(tmp_path))


def test_todays_pipenv_is_run_where_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a Python that the current Pipenv drives, Pipenv runs it; without a Pipenv, activation."""
    (tmp_path / ".tfup").mkdir()
    project = write(tmp_path, "", "pipenv", "3.12.1")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "python" == managers.next_steps(project)[-1]
    (tmp_path / "pipenv").touch(mode=0o755)
    assert "pipenv run python" == managers.next_steps(project)[-1]


@pytest.mark.parametrize("python", ["3.6.15", "3.7.16", "3.9.18"])
def test_an_older_pipenv_is_named_where_todays_cannot(tmp_path: Path, python: str) -> None:
    """For older Pythons: activation first, then the Pipenv that can, pinned, with the Python it runs on."""
    (tmp_path / ".tfup").mkdir()

    steps = managers.next_steps(write(tmp_path, "", "pipenv", python))

    assert steps[0].startswith(". ")
    assert any("-m pip install pipenv==" in step for step in steps)


def test_activation_is_quoted(tmp_path: Path) -> None:
    """What is typed next works for any folder name."""
    folder = tmp_path / "it's mine"
    (folder / ".tfup").mkdir(parents=True)

    first, _ = managers.next_steps(write(folder, ""))

    shown = subprocess.run(
        ["sh", "-c", f"set -- {first}; echo $2"], check=True, capture_output=True, text=True
    )
    assert f"{folder}/.venv/bin/activate\n" == shown.stdout


def test_cleaning_removes_what_it_says(person: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What can be removed is listed with the bytes that nothing else holds, and is gone afterwards."""
    folder, cache = tmp_path / "project", tmp_path / "tfup"
    cache.mkdir()
    (cache / "wheels").write_bytes(b"12345")
    install(folder, pin("sunny", "1.0"))
    install(folder, pin("sunny", "2.0"))

    things = cleaning.removable(folder, cache)
    cleaning.clean(things, folder)

    assert [("cache", 5), ("previous", things[1].bytes)] == [(thing.what, thing.bytes) for thing in things]
    assert things[1].bytes > 0
    assert ["environment"] == [thing.what for thing in cleaning.removable(folder, cache, cleaning.KINDS)]


def test_cleaning_leaves_what_others_put_into_the_folder(tmp_path: Path) -> None:
    """A cache folder that the person had before keeps their files, and what only might be ours."""
    cache = tmp_path / "scratch"
    names = (
        "environment-1",
        "wheels",
        "thesis",
        "environment-setup",
        "training-data",
        "uv-notes",
        "workshop-2026",
    )
    for name in names:
        (cache / name).mkdir(parents=True)
        (cache / name / "file").touch()

    cleaning.clean(cleaning.removable(tmp_path, cache), tmp_path)

    assert sorted(names[1:]) == sorted(path.name for path in cache.iterdir())


def test_a_cache_that_was_made_for_us_goes_as_one(tmp_path: Path) -> None:
    """The tag in it says so, whatever it is called; beside files of others it stays with them."""
    for name in ("wheels", "scratch"):
        environ = {"TFUP_CACHE_DIR": str(tmp_path / name)}
        (make_cache(environ) / "interpreters").mkdir()
    (tmp_path / "scratch" / "thesis").touch()

    for name in ("wheels", "scratch"):
        cleaning.clean(cleaning.removable(tmp_path, tmp_path / name), tmp_path)

    assert ["scratch"] == [path.name for path in tmp_path.iterdir()]
    assert [TAG, "thesis"] == sorted(path.name for path in (tmp_path / "scratch").iterdir())


def test_a_folder_of_others_gets_no_tag(tmp_path: Path) -> None:
    """A program for backups would leave out what the person has in there."""
    (tmp_path / "thesis").touch()

    assert not (make_cache({"TFUP_CACHE_DIR": str(tmp_path)}) / TAG).exists()


@pytest.mark.parametrize(
    "text", [b"", b"Signature: 8a477f597d28d172789f06886806bc55\n# of another program\n"]
)
def test_a_tag_of_others_is_not_ours(tmp_path: Path, text: bytes) -> None:
    """Each program marks its cache with the same first line."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / TAG).write_bytes(text)

    assert () == cleaning.removable(tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["wheels", "logs", "uv"])
def test_a_folder_with_nothing_that_is_surely_ours_is_left(tmp_path: Path, name: str) -> None:
    """A person has such folders, too; only one that is called tfup needs no other sign."""
    for folder in (tmp_path / "scratch", tmp_path / "tfup"):
        (folder / name).mkdir(parents=True)

        cleaning.clean(cleaning.removable(tmp_path, folder), tmp_path)

    assert ((tmp_path / "scratch" / name).is_dir(), name == "logs") == (True, (tmp_path / "tfup").exists())


def test_an_environment_goes_only_by_name(tmp_path: Path) -> None:
    """The environment is removed when it is named, and a link in its place is not followed."""
    folder, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / ".venv").symlink_to(elsewhere)

    assert () == cleaning.removable(folder, tmp_path / "cache")
    cleaning.clean(cleaning.removable(folder, tmp_path / "cache", ["environment"]), folder)

    assert (False, True) == ((folder / ".venv").is_symlink(), elsewhere.exists())


def test_cleaning_an_empty_folder_does_nothing(tmp_path: Path) -> None:
    """Where nothing is there is nothing to free, and no corner of ours is made."""
    cleaning.clean(cleaning.removable(tmp_path, tmp_path / "cache"), tmp_path)

    assert [] == list(tmp_path.iterdir())
