"""Faults as a person meets them: each is really made, and the whole program is run against it.

The clone has two tiny TensorFlows (see little_clone); everything else is what `./install.sh` runs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import running
from tests.little_clone import Clone, cloned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLD, NEW = ("install", "tensorflow==98.0.0"), ("install", "tensorflow==99.0.0")
PIPFILE = '[packages]\n# mine\nsunny = "*"\n'


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone with an index that answers."""
    with cloned(tmp_path_factory.mktemp("clone")) as clone:
        yield clone


def assert_told(run: running.Run, code: int, reference: str, *words: str) -> None:
    """Check the one form of a failure: exit code, reference, sentence, one hint, and words that tell why."""
    lines = run.err.splitlines()

    assert code == run.code, run.err
    assert f"error: {reference}" == lines[0]
    assert lines[1].endswith(".")
    assert 1 == sum(line.startswith("hint: ") for line in lines)
    assert [] == [word for word in words if word not in run.err], run.err


def version_of(folder: Path) -> str:
    """Return the version that the environment of a project imports."""
    command = [folder / ".venv" / "bin" / "python", "-c", "import tensorflow; print(tensorflow.__version__)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the person's files in a project, and none of ours."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# ---------------------------------------------------------------- the index


@pytest.mark.parametrize(
    ("manner", "code", "word"),
    [
        ("404", 5, "does not have what was pinned"),
        ("500", 5, "500 Internal Server Error"),
        ("html", 5, "does not have what was pinned"),
        ("cut", 5, "a connection that was cut"),
        ("half", 5, "a connection that was cut"),
        ("slow", 5, "no answer in time"),
        ("other", 4, "another file for"),
    ],
)
def test_a_bad_index_costs_nothing(clone: Clone, tmp_path: Path, manner: str, code: int, word: str) -> None:
    """Refused, cut off, kept waiting or deceived, an install says why, and what was there works on."""
    assert 0 == clone.run(*OLD, cwd=tmp_path).code
    before = contents(tmp_path)

    run = clone.run(*NEW, cwd=tmp_path, manner=manner, UV_CACHE_DIR=str(tmp_path / ".tfup" / "cold"))

    assert_told(run, code, "install-failed" if code == 4 else "index-unreachable", word)
    assert ("98.0.0", before) == (version_of(tmp_path), contents(tmp_path))


def test_a_slow_index_is_given_up(clone: Clone, tmp_path: Path) -> None:
    """Nobody waits for ever: the person's own limit for an answer ends a resolution, too."""
    start = time.monotonic()

    run = clone.run(
        "plan", "rainy", cwd=tmp_path, manner="slow", UV_HTTP_TIMEOUT="1", UV_CACHE_DIR=str(tmp_path)
    )

    assert_told(run, 5, "index-unreachable", "no answer in time")
    assert time.monotonic() - start < 15


def test_contradicting_versions_are_named_in_few_lines(clone: Clone, tmp_path: Path) -> None:
    """The error says which packages contradict each other, on one screen."""
    run = clone.run("plan", "rainy", "sunny==2.0", cwd=tmp_path)

    assert_told(run, 3, "unresolvable", "rainy depend on sunny==1.0", "you require sunny==2.0")
    assert len(run.err.splitlines()) < 10


def test_a_requirement_of_a_hundred_kilobytes_is_refused_at_once(clone: Clone, tmp_path: Path) -> None:
    """What uv says of it is read in no time."""
    start = time.monotonic()

    run = clone.run("plan", "a" * 100_000, cwd=tmp_path)

    assert (True, "") == (run.code in {3, 4, 5}, run.err[5000:])
    assert time.monotonic() - start < 20


def test_a_package_without_a_wheel_is_built_and_said_so(clone: Clone, tmp_path: Path) -> None:
    """What exists only as a source archive is allowed to be built, alone, and the plan warns of it."""
    run = clone.run("plan", "mossy", "--json", cwd=tmp_path)
    installed = clone.run("install", "mossy", "--json", cwd=tmp_path)

    assert (0, ["mossy"]) == (run.code, run.document["built"]), run.out
    assert any("mossy has no wheel that fits" in warning["text"] for warning in run.document["warnings"])
    assert 0 == installed.code, installed.out
    assert list(tmp_path.glob(".venv/lib/*/site-packages/mossy.py"))


# ---------------------------------------------------------------- disks and rights


def on_a_disk_of(size: str, folder: Path) -> list[str | Path]:
    """Return what runs a command with a small disk of its own in the place of a folder."""
    script = 'mount -t tmpfs -o size="$0" tmpfs "$1" && shift && exec "$@"'
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "--propagation", "private", "sh", "-c", script, size, folder]


def without_privileges() -> list[str]:
    """Return what takes from root the right to write everywhere."""
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def works(*command: str | Path) -> bool:
    """Tell whether a command succeeds here."""
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


mounts = pytest.mark.skipif(
    not works(*on_a_disk_of("64k", Path("/mnt")), "true"), reason="no disk of its own can be mounted here"
)
rights = pytest.mark.skipif(
    not works(*without_privileges(), "true"), reason="root cannot give up its rights here"
)


@mounts
@pytest.mark.parametrize("size", ["8k", "64k", "100k"])
def test_a_full_project_disk_is_named(clone: Clone, tmp_path: Path, size: str) -> None:
    """Whether the files, the environment or the packages no longer fit, it is the disk that is named."""
    run = clone.run(*NEW, "--project", tmp_path, cwd=clone.home, under=on_a_disk_of(size, tmp_path))

    assert run.code in {2, 4}
    assert_told(run, run.code, "install-failed" if run.code == 4 else "unusable-folder")
    assert "full" in run.err or "No space left" in run.err


@mounts
def test_a_report_that_finds_no_room_is_named(clone: Clone, tmp_path: Path) -> None:
    """The checks have run, and the page of 8 kB and more does not fit."""
    full, project = tmp_path / "full", tmp_path / "project"
    full.mkdir()
    project.mkdir()
    assert 0 == clone.run(*NEW, cwd=project).code

    words = ("check", "--report", full / "page.html")
    run = clone.run(*words, cwd=project, under=on_a_disk_of("4k", full))

    assert_told(run, 1, "output-lost", "No space left on device")


@mounts
def test_a_full_cache_disk_is_named(clone: Clone, tmp_path: Path) -> None:
    """The place that is full is said, and the former environment works on."""
    cold = tmp_path / "cold"
    cold.mkdir()
    project = tmp_path / "project"
    project.mkdir()
    assert 0 == clone.run(*OLD, cwd=project).code

    run = clone.run(*NEW, cwd=project, under=on_a_disk_of("64k", cold), UV_CACHE_DIR=str(cold))

    assert_told(run, 4, "install-failed", "The disk is full.", str(cold))
    assert "98.0.0" == version_of(project)


@mounts
@pytest.mark.parametrize("variable", ["TFUP_CACHE_DIR", "TMPDIR"])
def test_other_full_disks_stop_nothing(clone: Clone, tmp_path: Path, variable: str) -> None:
    """Our own cache is a convenience, and another temporary folder is found."""
    full, project = tmp_path / "full", tmp_path / "project"
    full.mkdir()
    project.mkdir()

    run = clone.run(*NEW, cwd=project, under=on_a_disk_of("4k", full), **{variable: str(full)})

    assert 0 == run.code, run.err


@rights
def test_a_project_that_may_not_be_written_can_still_be_checked(clone: Clone, tmp_path: Path) -> None:
    """A check needs no log."""
    assert 0 == clone.run(*NEW, cwd=tmp_path).code
    shutil.rmtree(tmp_path / ".tfup")
    tmp_path.chmod(0o555)
    try:
        checked = clone.run("check", cwd=tmp_path, under=without_privileges())
        installed = clone.run(*NEW, cwd=tmp_path, under=without_privileges())
    finally:
        tmp_path.chmod(0o755)

    assert (0, "") == (checked.code, checked.err)
    assert_told(installed, 2, "unusable-folder", "may not write")


def test_a_file_in_the_place_of_the_logs_stops_nothing(clone: Clone, tmp_path: Path) -> None:
    """Logs are a service."""
    (tmp_path / ".tfup").mkdir()
    (tmp_path / ".tfup" / "logs").touch()

    assert 0 == clone.run(*NEW, cwd=tmp_path).code


@rights
def test_a_cache_that_may_not_be_written_is_named(clone: Clone, tmp_path: Path) -> None:
    """A cache that the person chose is theirs to mend; the error has its path."""
    cache, project = tmp_path / "cache", tmp_path / "project"
    cache.mkdir(mode=0o555)
    project.mkdir()

    run = clone.run(*NEW, cwd=project, under=without_privileges(), UV_CACHE_DIR=str(cache))

    assert_told(run, 4, "install-failed", str(cache))


@rights
@pytest.mark.parametrize("home", ["read-only", "nowhere", "unset", "empty"])
def test_a_person_without_a_home_gets_an_environment(clone: Clone, tmp_path: Path, home: str) -> None:
    """A service, or a container that runs as any user: its caches go to a temporary folder of its own."""
    project, locked, temporary = (tmp_path / name for name in ("project", "locked", "temporary"))
    for folder in (project, locked, temporary):
        folder.mkdir()
    locked.chmod(0o555)
    variables = clone.environment() | {"TMPDIR": str(temporary)}
    del variables["UV_CACHE_DIR"]
    variables["HOME"] = {"read-only": str(locked), "nowhere": str(locked / "nowhere")}.get(home, "")
    if home == "unset":
        del variables["HOME"]

    run = running.run([*without_privileges(), *clone.command(*NEW)], project, variables)

    assert (0, "") == (run.code, run.err)
    assert [] == list(locked.iterdir())


# ---------------------------------------------------------------- streams, terminals, languages


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize("words", [("plan", "--json"), NEW], ids=" ".join)
def test_closed_streams_stop_no_work(
    clone: Clone, tmp_path: Path, words: tuple[str, ...], closed: str
) -> None:
    """Without standard input, output or error the work is done, and nothing is complained about."""
    run = clone.run(*words, cwd=tmp_path, under=["sh", "-c", f'exec "$@" {closed}', "sh"])

    assert (0, "") == (run.code, run.err)


@pytest.mark.parametrize(
    "words", [("plan",), ("plan", "--json"), ("versions",), ("--help",), NEW], ids=" ".join
)
def test_an_answer_that_cannot_be_written_is_an_error(
    clone: Clone, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """`> /dev/full`: exit code 1 and a sentence, after the work was done."""
    run = clone.run(*words, cwd=tmp_path, under=["sh", "-c", 'exec "$@" >/dev/full', "sh"])

    assert_told(run, 1, "output-lost", "No space left")
    assert (words == NEW) == (tmp_path / ".venv").is_dir()


def test_a_reader_that_goes_away_stops_no_install(clone: Clone, tmp_path: Path) -> None:
    """`tfup install | head -1` ends with an environment."""
    done = clone.run(*NEW, cwd=tmp_path, under=["bash", "-c", 'set -o pipefail; "$@" | head -1', "bash"])

    assert (0, "", "99.0.0") == (done.code, done.err, version_of(tmp_path))


@pytest.mark.parametrize(
    "variables",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"TERM": "dumb"},
        {"NO_COLOR": "1"},
        {"CI": "true"},
    ],
    ids=str,
)
def test_no_language_and_no_terminal_matters(clone: Clone, tmp_path: Path, variables: dict[str, str]) -> None:
    """In any locale, a project whose path is beyond it is installed, and shown as far as that goes."""
    folder = tmp_path / "项目é"
    command = [sys.executable, "-m", "tfup", *NEW, "--project", folder]
    environment = clone.environment() | {"PYTHONPATH": str(clone.folder)} | variables
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment["PATH"]))
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)

    assert (0, b"", "99.0.0") == (done.returncode, done.stderr, version_of(folder))
    assert b"\x1b" not in done.stdout


# ---------------------------------------------------------------- names

NAMES = [
    *(
        "x" * 200,
        "new\nline",
        "-dash",
        "--json",
        "dot.",
        " space\t",
        "~",
        "colour\x1b[31m",
        "turned\u202eback",
    ),
    'semi;colon $(touch owned) `touch owned` %PATH% it\'s "so" a:b * # \\',
]


@pytest.mark.parametrize("name", NAMES)
def test_a_project_may_have_any_name(clone: Clone, tmp_path: Path, name: str) -> None:
    """What a disk takes as a name will do; nothing in it is run, and nothing in it commands the terminal."""
    folder = tmp_path / name
    folder.mkdir()

    installed, checked = clone.run(*NEW, cwd=folder), clone.run("check", cwd=folder)

    assert (0, 0, "") == (installed.code, checked.code, installed.err + checked.err)
    assert [] == list(tmp_path.rglob("owned"))
    assert not {"\x1b", "\u202e"} & {*installed.out, *checked.out}


def test_a_name_that_is_no_text_is_refused(clone: Clone, tmp_path: Path) -> None:
    """Bytes that are no UTF-8 go into no Pipfile; the folder is refused before anything is written."""
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff")

    run = clone.run(*NEW, "--project", folder, cwd=tmp_path)

    assert_told(run, 2, "unusable-folder", "a name that is no UTF-8")
    assert [] == list(tmp_path.iterdir())


EVIL = "evil\x1b[2J\x1b]0;owned\x07\x9b31m"
MACHINE = {
    "schema": 1,
    "system": {"os": "linux", "arch": "x86_64", "libc": "glibc", "libc_version": "2.35"},
    "pythons": [{"path": f"/{EVIL}", "version": "3.11.1", "bits": 64, "arch": "x86_64", "abi": "cp311"}],
    "gpus": [{"vendor": "nvidia", "name": EVIL}],
    "unknown": {EVIL: EVIL},
}


@pytest.mark.parametrize("words", [(), ("--json",), ("--why-not", "tensorflow==98.0.0")], ids=" ".join)
@pytest.mark.parametrize("system", ["linux", EVIL])
def test_names_in_a_machine_file_command_no_terminal(
    clone: Clone, tmp_path: Path, words: tuple[str, ...], system: str
) -> None:
    """A stranger's machine file moves no cursor and sets no title."""
    machine = MACHINE | {"system": {"os": system, "name": EVIL, "arch": "x86_64"}}
    (tmp_path / "machine.json").write_text(json.dumps(machine), encoding="utf-8")

    run = clone.run("plan", *words, "--machine", "machine.json", cwd=tmp_path)

    assert run.code in {0, 3}
    assert not {"\x1b", "\x07", "\x9b"} & {*run.out, *run.err}
    assert "evil" in run.out + run.err or words


@pytest.mark.parametrize(
    "part",
    [
        {"pythons": [{"path": "", "version": ""}]},
        {"pythons": [{"path": "/x", "version": "3"}]},
        {"system": {"os": "linux", "arch": "x86_64", "libc": "glibc", "libc_version": "9" * 4000}},
        {"system": {"os": "linux", "arch": "x86_64", "libc": "glibc", "libc_version": "2"}},
        {"gpus": [{"vendor": "nvidia", "compute_capability": "1e999"}]},
        {"memory_bytes": -1, "disk_free_bytes": 10**400},
        {"cpu": {"features": ["avx"] * 100_000}},
        {"schema": True},
    ],
    ids=lambda part: str(part)[-30:],
)
def test_odd_facts_in_a_machine_file_are_no_bug(
    clone: Clone, tmp_path: Path, part: dict[str, object]
) -> None:
    """They are a plan, a refusal, or a fault of the file; never a fault of ours."""
    (tmp_path / "machine.json").write_text(json.dumps(MACHINE | part), encoding="utf-8")

    run = clone.run("plan", "--machine", "machine.json", cwd=tmp_path)

    assert run.code in {0, 2, 3}, run.err


def test_a_machine_file_of_a_hundred_megabytes_is_refused_at_once(clone: Clone, tmp_path: Path) -> None:
    """No more than a machine file can hold is read."""
    with (tmp_path / "machine.json").open("wb") as file:
        file.truncate(100_000_000)

    assert_told(
        clone.run("plan", "--machine", "machine.json", cwd=tmp_path), 2, "unreadable-file", "at most 5 MB"
    )


# ---------------------------------------------------------------- files of the person's own


def test_files_of_the_persons_own_are_kept(clone: Clone, tmp_path: Path) -> None:
    """Ours go beside them, and undo leaves what was there."""
    names = ("requirements.txt", "environment.yml", "pylock.toml")
    for name in names:
        (tmp_path / name).write_text("# theirs\n", encoding="utf-8")
    before = contents(tmp_path)

    assert 0 == clone.run(*NEW, cwd=tmp_path).code
    assert [b"# theirs\n"] * 3 == [contents(tmp_path)[name] for name in names]
    assert {"requirements.tfup.txt", "environment.tfup.yml", "pylock.tfup.toml"} <= contents(tmp_path).keys()
    assert 0 == clone.run("undo", cwd=tmp_path).code

    assert before == contents(tmp_path)


@pytest.mark.parametrize(
    "text",
    [PIPFILE, PIPFILE.replace("\n", "\r\n"), "\ufeff" + PIPFILE],
    ids=["plain", "as Windows writes lines", "with a byte-order mark"],
)
@pytest.mark.parametrize("kind", ["file", "read-only", "link"])
def test_a_pipfile_is_merged_as_it_is_and_comes_back(
    clone: Clone, tmp_path: Path, text: str, kind: str
) -> None:
    """Comments, line ends and links stay, and undo brings every byte back."""
    pipfile, shared = tmp_path / "Pipfile", tmp_path / "shared"
    (shared if kind == "link" else pipfile).write_bytes(text.encode())
    if kind == "link":
        pipfile.symlink_to(shared)
    if kind == "read-only":
        pipfile.chmod(0o444)

    run = clone.run(*NEW, cwd=tmp_path)
    merged = pipfile.read_bytes()
    undone = clone.run("undo", cwd=tmp_path)

    assert (0, 0) == (run.code, undone.code), run.err
    assert (True, "\r\n" in text) == (b"# mine" in merged, b"\r\n" in merged)
    assert (text.encode(), kind == "link") == (pipfile.read_bytes(), pipfile.is_symlink())


def make_loop(pipfile: Path) -> None:
    """Make a link to itself."""
    pipfile.symlink_to(pipfile.name)


ODD_PIPFILES: dict[str, Callable[[Path], object]] = {
    "latin-1": lambda pipfile: pipfile.write_bytes("[packages]\n# é\n".encode("latin-1")),
    "a folder": lambda pipfile: pipfile.mkdir(),
    "a circle": make_loop,
    "20 MB": lambda pipfile: pipfile.write_bytes(b"# x\n" * 5_000_000),
    "colours": lambda pipfile: pipfile.write_text('[packages]\n"\\u001b[31mred" = "*"\n', encoding="utf-8"),
}


@pytest.mark.parametrize("kind", ODD_PIPFILES)
def test_a_pipfile_that_is_none_is_named_and_left(clone: Clone, tmp_path: Path, kind: str) -> None:
    """It is refused in seconds, and nothing is written beside it but our own corner."""
    ODD_PIPFILES[kind](tmp_path / "Pipfile")
    before = (tmp_path / "Pipfile").lstat()[:7]  # all but the times

    run = clone.run(*NEW, cwd=tmp_path)

    assert_told(run, 2, "unusable-folder" if kind == "a circle" else "unreadable-file", "Pipfile")
    assert before == (tmp_path / "Pipfile").lstat()[:7]
    assert {"Pipfile"} == {path.name for path in tmp_path.iterdir()} - {".tfup"}
    assert "\x1b" not in run.err


@rights
def test_an_environment_of_someone_elses_is_left(clone: Clone, tmp_path: Path) -> None:
    """What may not be moved stays, and the hint shows whose it is."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "theirs").touch()
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to someone else")
    os.chown(tmp_path / ".venv", 12345, 12345)
    os.chown(tmp_path, 12345, 12345)
    tmp_path.chmod(0o1777)

    run = clone.run(*NEW, cwd=tmp_path, under=without_privileges())

    assert_told(run, 4, "install-failed", "may not write", "hint: ls -la")
    assert ["theirs"] == [path.name for path in (tmp_path / ".venv").iterdir()]


@pytest.mark.parametrize("kind", ["link", "file", "stranger"])
def test_whatever_is_called_venv_comes_back(clone: Clone, tmp_path: Path, kind: str) -> None:
    """A link, a file or a folder of photos in the place of the environment is kept for undo."""
    place, elsewhere = tmp_path / ".venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "photo").touch()
    {
        "link": lambda: place.symlink_to(elsewhere),
        "file": place.touch,
        "stranger": lambda: elsewhere.rename(place),
    }[kind]()
    before = (place.is_symlink(), place.is_file(), sorted(place.glob("*")))

    assert 0 == clone.run(*NEW, cwd=tmp_path).code
    assert "99.0.0" == version_of(tmp_path)
    assert 0 == clone.run("undo", cwd=tmp_path).code

    assert before == (place.is_symlink(), place.is_file(), sorted(place.glob("*")))


def test_a_damaged_corner_of_ours_stops_nothing(clone: Clone, tmp_path: Path) -> None:
    """Whatever became of plan and journal, the next install repairs."""
    assert 0 == clone.run(*OLD, cwd=tmp_path).code
    for name in ("plan.json", "journal.json"):
        (tmp_path / ".tfup" / name).write_text("{", encoding="utf-8")

    assert 0 == clone.run(*NEW, cwd=tmp_path).code
    assert "99.0.0" == version_of(tmp_path)


# ---------------------------------------------------------------- clocks


def test_files_of_the_future_change_nothing(clone: Clone, tmp_path: Path) -> None:
    """After a clock was wrong, an environment is known again, replaced, and undone."""
    assert 0 == clone.run(*OLD, cwd=tmp_path).code
    for path in tmp_path.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (4e9, 4e9))

    again = clone.run(*OLD, "--json", cwd=tmp_path)

    assert not again.document["environment"]["made"]
    assert [0, 0] == [clone.run(*words, cwd=tmp_path).code for words in (NEW, ("undo",))]
    assert "98.0.0" == version_of(tmp_path)


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not here")
@pytest.mark.parametrize("day", ["@1970-01-02 00:00:00", "@2099-01-01 00:00:00"])
def test_a_wrong_clock_stops_no_install(clone: Clone, tmp_path: Path, day: str) -> None:
    """Neither the first day of all clocks nor a day far off matters."""
    run = clone.run(*NEW, cwd=tmp_path, under=["faketime", "-f", day])

    assert (0, "99.0.0") == (run.code, version_of(tmp_path)), run.err


# ---------------------------------------------------------------- several at once, and kills


def test_halves_of_files_that_a_kill_left_are_removed(clone: Clone, tmp_path: Path) -> None:
    """The next run removes what a killed one was writing, and nothing that only looks like it."""
    assert 0 == clone.run("pin", cwd=tmp_path).code
    halves = [
        ".Pipfile.123.part",
        ".requirements.txt.9.part",
        ".pylock.toml.draft",
        ".tfup/.plan.json.7.part",
    ]
    for name in (*halves, "Pipfile.part", ".tfup/journal.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")

    assert 0 == clone.run("pin", cwd=tmp_path).code

    assert [False] * 4 == [(tmp_path / name).exists() for name in halves]
    assert (tmp_path / "Pipfile.part").exists()


@pytest.mark.parametrize("runs", [2, 10])
def test_runs_at_once_all_end_well(clone: Clone, tmp_path: Path, runs: int) -> None:
    """Installs and pins that start together on one folder take turns, and leave one whole generation."""
    words = [OLD, NEW, ("pin", "tensorflow==98.0.0")]
    started = [clone.start(*words[number % 3], cwd=tmp_path) for number in range(runs)]
    ended = [process.communicate(timeout=120)[1] for process in started]

    assert [""] * runs == ended
    assert [0] * runs == [process.returncode for process in started]
    corner = {path.name for path in (tmp_path / ".tfup").iterdir()}
    assert {".gitignore", "lock", "logs", "plan.json", "previous", "trash"} >= corner
    assert 0 == clone.run("check", cwd=tmp_path).code


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_an_install_killed_at_any_moment_is_survived(clone: Clone, tmp_path: Path, kills: int) -> None:
    """What the files describe can be imported, be it the old or the new, and nothing is left half."""
    moments = random.Random(20261120)  # noqa: S311 - moments, not secrets
    assert 0 == clone.run(*OLD, cwd=tmp_path).code
    interrupted = 0
    for number in range(kills):
        process = clone.start(*(NEW, OLD)[number % 2], cwd=tmp_path)
        assert process.stdout is not None
        while "packages" not in process.stdout.readline():
            pass
        time.sleep(moments.uniform(0, 0.25))
        process.kill()
        process.communicate()
        interrupted += (tmp_path / ".tfup" / "journal.json").exists()
        assert 0 == clone.run("pin", cwd=tmp_path).code  # repairs, and makes no environment
        assert pinned(tmp_path) == version_of(tmp_path)
        assert [] == [*tmp_path.glob(".*.part"), *tmp_path.glob(".tfup/.*.part"), *tmp_path.glob(".*.draft")]

    assert interrupted > kills / 10 or kills < SURE  # a handful may all come too early or too late
    assert 0 == clone.run(*NEW, cwd=tmp_path).code


SURE = 30


def pinned(folder: Path) -> str:
    """Return the version of TensorFlow that the requirements pin."""
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("tensorflow==")).split("==")[1].split()[0]


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("times", [1, 20])
def test_signals_in_an_upgrade_leave_all_as_it_was(
    clone: Clone, tmp_path: Path, name: str, times: int
) -> None:
    """A key that is held down does not break the roll-back, and what is said at the end is true."""
    assert 0 == clone.run(*OLD, cwd=tmp_path).code
    process = clone.start(*NEW, cwd=tmp_path)
    wait_for(tmp_path / ".tfup" / "previous.new" / ".venv")
    for _ in range(times):
        process.send_signal(getattr(signal, name))
        time.sleep(0.01)
    said = process.communicate(timeout=60)[1]

    assert (6, True) == (process.returncode, "Stopped; nothing is left half done." in said), said
    assert not (tmp_path / ".tfup" / "journal.json").exists()
    assert "98.0.0" == pinned(tmp_path) == version_of(tmp_path)


@pytest.mark.parametrize("kills", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_an_undo_that_is_stopped_and_run_again_ends_where_it_was_going(
    clone: Clone, tmp_path: Path, kills: int
) -> None:
    """Ctrl-C at any moment: a stopped undo says so, and the same command goes on."""
    moments = random.Random(20261201)  # noqa: S311 - moments, not secrets
    for words in (OLD, NEW):
        assert 0 == clone.run(*words, cwd=tmp_path).code
    there = "99.0.0"
    for _ in range(kills):
        process = clone.start("undo", "--json", cwd=tmp_path)
        time.sleep(moments.uniform(0.05, 0.25))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0]
        if '"version"' not in said:
            assert 0 == clone.run("undo", cwd=tmp_path).code
        there = {"99.0.0": "98.0.0", "98.0.0": "99.0.0"}[there]
        assert there == pinned(tmp_path) == version_of(tmp_path)


def wait_for(path: Path) -> None:
    """Return once a path is there."""
    end = time.monotonic() + 60
    while not os.path.lexists(path):
        assert time.monotonic() < end
        time.sleep(0.002)
