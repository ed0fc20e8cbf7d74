"""The whole program from outside: documents, exit codes, and one form for everything that goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.bare_machine import heed_interrupts
from tests.running import LAUNCHER, Run, environment, tfup
from tfup.tables import DATA

MACHINE = {
    "schema": 1,
    "system": {
        "os": "linux",
        "name": "Ubuntu",
        "version": "22.04",
        "arch": "x86_64",
        "libc": "glibc",
        "libc_version": "2.35",
    },
    "cpu": {"model": "a CPU", "features": ["avx", "avx2"], "cores": 4},
    "pythons": [
        {"path": "/usr/bin/python3.10", "version": "3.10.12", "bits": 64, "arch": "x86_64", "abi": "cp310"}
    ],
}


def machine_file(folder: Path, content: object) -> Path:
    """Write a machine file, or anything else, and return its path."""
    path = folder / "machine.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def assert_valid(document: dict[str, object], name: str) -> None:
    """Compare a document with its published schema."""
    schema = json.loads((DATA / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)


def assert_error(run: Run, code: int, reference: str) -> None:
    """Check the one form: exit code, reference, a sentence, one hint that can be typed."""
    lines = run.err.splitlines()

    assert code == run.code, run.err
    assert f"error: {reference}" == lines[0]
    assert lines[1].endswith(".")
    assert 1 == sum(line.startswith("hint: ") for line in lines)
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["plan"], "plan"),
        (["plan", "tensorflow==2.10.1"], "plan"),
        (["plan", "--why-not", "tensorflow==2.21.0"], "why_not"),
        (["plan", "--why-not", "tensorflow==1.0.0"], "why_not"),
        (["detect"], "machine"),
        (["versions"], "versions"),
        (["clean", "--dry-run"], "clean"),
        (["install", "--dry-run"], "plan"),
    ],
)
def test_every_document_has_its_schema(words: list[str], name: str, tmp_path: Path) -> None:
    """--json prints one document and nothing else, valid by the published schema."""
    run = tfup(*words, "--json", cwd=tmp_path)

    assert "" == run.err
    assert_valid(run.document, name)


def test_plan_for_another_machine_comes_from_its_file(tmp_path: Path) -> None:
    """The Python of the file is planned for, not one of this machine."""
    run = tfup("plan", "--machine", machine_file(tmp_path, MACHINE), "--json", cwd=tmp_path)

    assert ("3.10.12", "/usr/bin/python3.10") == (
        run.document["choice"]["python"],
        run.document["choice"]["python_path"],
    )


def test_versions_for_another_machine_come_from_its_file(tmp_path: Path) -> None:
    """Whoever looks after thirty machines asks from one of them."""
    run = tfup("versions", "--machine", machine_file(tmp_path, MACHINE), "--json", cwd=tmp_path)

    assert 0 == run.code
    assert {"3.10.12"} == {row["python"] for row in run.document["versions"] if row["python_from"] == "found"}


def test_machine_file_is_what_detect_prints(tmp_path: Path) -> None:
    """What one machine prints, another reads."""
    printed = tfup("detect", "--json", cwd=tmp_path).out
    here = tfup("plan", "--json", cwd=tmp_path).document
    there = tfup("plan", "--machine", machine_file(tmp_path, printed), "--json", cwd=tmp_path).document

    assert here["choice"] == there["choice"]


def test_plan_writes_nothing(tmp_path: Path) -> None:
    """plan and detect leave the project folder as it is."""
    project = tmp_path / "project"
    project.mkdir()
    tfup("plan", cwd=project, home=tmp_path)
    tfup("detect", cwd=project, home=tmp_path)

    assert [] == list(project.iterdir())


def test_pins_say_why(tmp_path: Path) -> None:
    """An old release is bounded, and each bound has its reason and its known issue."""
    document = tfup("plan", "tensorflow==1.15.*", "--json", cwd=tmp_path).document
    protobuf = next(pin for pin in document["pins"] if pin["name"] == "protobuf")

    assert "protobuf-descriptors-4plus" in [one["id"] for one in document["workarounds"]]
    assert protobuf["why"]
    assert protobuf["hashes"]
    assert "tensorflow" == protobuf["for"]


@pytest.mark.parametrize(
    ("words", "code", "reference"),
    [
        (["plan", "tensorflow==2.10.7"], 2, "unknown-version"),
        (["plan", "tensorflow=1.15"], 2, "usage"),
        (["plan", "--python", "three"], 2, "usage"),
        (["plan", "--nonsense"], 2, "usage"),
        (["doctor", "one", "two"], 2, "usage"),
        (["plan", "--machine", "nowhere.json"], 2, "unreadable-file"),
        (["plan", "--gpu", "--cpu"], 2, "usage"),
        (["plan", "keras==2.2.4", "tensorflow==2.21.0"], 3, "no-build-fits"),
        (["install", "tensorflow==1.0.0", "--python", "3.13"], 3, "no-build-fits"),
        (["undo"], 1, "nothing-to-undo"),
        (["check"], 1, "no-environment"),
        (["check", "--only", "nonsense"], 2, "usage"),
    ],
)
def test_what_goes_wrong_has_one_form(words: list[str], code: int, reference: str, tmp_path: Path) -> None:
    """Reference, sentence, needs and found, hint; and the same as a document under --json."""
    assert_error(tfup(*words, cwd=tmp_path), code, reference)
    run = tfup(*words, "--json", cwd=tmp_path)
    document = run.document
    if "error" in document:
        assert_valid(document, "error")
        assert (reference, code) == (document["error"]["reference"], document["error"]["exit_code"])
    else:  # plan answers even where nothing fits
        assert document["choice"] is None
    assert code == run.code


@pytest.mark.parametrize(
    "content",
    [
        '{"schema": 1,',
        "[]",
        '{"schema": 2}',
        '{"schema": 1, "system": {"os": 3}}',
        "\x00\x01",
        '{"pythons": "3.6"}',
    ],
)
def test_broken_machine_file_is_named(content: str, tmp_path: Path) -> None:
    """Broken JSON, wrong types and another schema are faults of the file, said so."""
    run = tfup("plan", "--machine", machine_file(tmp_path, content), cwd=tmp_path)

    assert_error(run, 2, "unreadable-file")
    assert "machine.json" in run.err


def test_broken_pipfile_is_left_alone(tmp_path: Path) -> None:
    """A Pipfile that cannot be read is named, and stays as it is."""
    pipfile = tmp_path / "Pipfile"
    pipfile.write_text("[packages\n", encoding="utf-8")

    assert_error(tfup("pin", cwd=tmp_path), 2, "unreadable-file")
    assert "[packages\n" == pipfile.read_text(encoding="utf-8")


def test_project_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A file cannot hold a project."""
    (tmp_path / "taken").write_text("", encoding="utf-8")

    assert_error(tfup("pin", "--project", tmp_path / "taken", cwd=tmp_path), 2, "unusable-folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_refused(tmp_path: Path) -> None:
    """A folder that may not be written is named before anything is fetched."""
    tmp_path.chmod(0o500)
    try:
        assert_error(tfup("pin", cwd=tmp_path, home=tmp_path), 2, "unusable-folder")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["with space", 'it\'s "quoted"', "项目", "🚀", "semi;colon$(id)"])
def test_odd_names_of_folders_do_not_matter(name: str, tmp_path: Path) -> None:
    """Spaces, quotes, CJK and emoji are part of people's paths."""
    folder = tmp_path / name
    run = tfup("pin", "--project", folder, "--json", cwd=tmp_path)

    assert 0 == run.code, run.out
    assert_valid(run.document, "pin")
    assert (folder / "Pipfile.lock").is_file()


def test_pin_writes_files_that_undo_takes_back(tmp_path: Path) -> None:
    """A Pipfile of the person's is merged, and back as it was after undo."""
    pipfile = tmp_path / "Pipfile"
    pipfile.write_text('[packages]\n# mine\nsix = "*"\n', encoding="utf-8")
    machine = tfup("pin", "--offline", cwd=tmp_path)
    if machine.code:  # six is not in the cache of this machine
        pytest.skip("no cache")
    assert "# mine" in pipfile.read_text(encoding="utf-8")

    undone = tfup("undo", "--json", cwd=tmp_path)

    assert_valid(undone.document, "undo")
    assert '[packages]\n# mine\nsix = "*"\n' == pipfile.read_text(encoding="utf-8")
    assert not (tmp_path / "Pipfile.lock").exists()


def test_home_may_be_unset(tmp_path: Path) -> None:
    """A service without a home gets its plan."""
    variables = {name: value for name, value in environment(tmp_path).items() if name != "HOME"}
    done = subprocess.run(
        [sys.executable, "-I", LAUNCHER, "plan", "--json"],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr


def test_reader_that_goes_away_is_no_bug(tmp_path: Path) -> None:
    """`tfup versions | head -1` ends without a word of complaint."""
    command = f'"{sys.executable}" -I "{LAUNCHER}" versions | head -1'
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert "" == done.stderr


def test_interrupt_has_the_form_of_our_errors(tmp_path: Path) -> None:
    """Ctrl-C ends with exit code 6 and a sentence."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", INTERRUPTED, str(LAUNCHER)],
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 -- no threads here
    )
    _, complaints = process.communicate(timeout=60)

    assert (6, "error: interrupted") == (process.returncode, complaints.splitlines()[0])


INTERRUPTED = f"""
import os, runpy, sys, threading, time
launcher = sys.argv[1]
sys.path.insert(0, os.path.dirname(os.path.dirname(launcher)))
from tfup import cli
def stopped(*_):
    os.kill(os.getpid(), {int(signal.SIGINT)})
    time.sleep(10)
cli.COMMANDS["detect"] = stopped
sys.exit(cli.main(["detect"]))
"""


def test_what_nobody_foresaw_is_told_as_a_bug(tmp_path: Path) -> None:
    """The traceback is kept in a log that is named, for the person alone; the exit code is 10."""
    odd = "raise RuntimeError('odd https://joe:s3cret@index.example/simple')"
    code = INTERRUPTED.replace(f"os.kill(os.getpid(), {int(signal.SIGINT)})", odd)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(LAUNCHER)],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    log = next(line.removeprefix("log: ") for line in done.stderr.splitlines() if line.startswith("log: "))

    assert 10 == done.returncode
    assert "RuntimeError: odd https://***@index" in Path(log).read_text(encoding="utf-8")
    assert 0o600 == Path(log).stat().st_mode & 0o777
    assert "s3cret" not in done.stderr + Path(log).read_text(encoding="utf-8")


def test_colour_is_for_terminals_alone(tmp_path: Path) -> None:
    """No escape sequence goes into a pipe."""
    assert "\x1b" not in tfup("plan", cwd=tmp_path).out


def test_quiet_says_only_the_last_line(tmp_path: Path) -> None:
    """A script that wants no story gets none."""
    assert 1 == len(tfup("plan", "--quiet", cwd=tmp_path).out.splitlines())
