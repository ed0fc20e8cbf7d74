"""The main job for real: the eras installed from their locks and proved by their checks."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

from tests.pipenv_program import run, snapshot
from tests.running import environment, tfup
from tfup.check.runner import GPU_CHECKS

pytestmark = [pytest.mark.real, pytest.mark.network]

ERAS = {
    "1.x on 3.7": (["tensorflow==1.15.*"], "1.15.5", "3.7"),
    "2.10 on 3.10": (["tensorflow==2.10.1", "--python", "3.10"], "2.10.1", "3.10"),
    "Python 2.7": (["tensorflow==1.4.1", "--python", "2.7"], "1.4.1", "2.7"),
    "Keras of 2017 on Python 2.7": (
        ["tensorflow==1.4.0", "keras==2.0.8", "pandas", "--python", "2.7"],
        "1.4.0",
        "2.7",
    ),
    "Keras of 2018": (["keras==2.2.4", "pillow"], "1.15.5", "3.7"),
}


def outcomes_of(document: dict[str, Any]) -> dict[str, str]:
    """Return the status of each check."""
    return {one["name"]: one["status"] for one in document["outcomes"]}


def assert_proved(document: dict[str, Any]) -> None:
    """Every check passed; only those for a GPU may be skipped."""
    statuses = outcomes_of(document)

    assert {"skipped"} == {statuses.pop(name) for name in GPU_CHECKS}
    assert {"proved"} == set(statuses.values()), document["outcomes"]
    assert document["proved"]


def ask(python: str, code: str, cwd: Path) -> str:
    """Return what an environment's Python prints."""
    done = subprocess.run(
        [python, "-c", code], cwd=cwd, env=environment(cwd), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("era", ERAS)
def test_era_is_installed_and_proved(era: str, tmp_path: Path) -> None:
    """From the wish to checks that passed, with the very versions of the lock."""
    words, version, minor = ERAS[era]
    done = tfup("install", *words, "--json", cwd=tmp_path)
    document = done.document

    assert 0 == done.code, done.out
    assert_proved(document)
    assert (version, minor) == (
        document["plan"]["choice"]["version"],
        ".".join(document["plan"]["choice"]["python"].split(".")[:2]),
    )
    pinned = {pin["name"]: pin["version"] for pin in document["plan"]["pins"]}
    installed = installed_in(Path(document["environment"]["folder"]))
    assert pinned == installed


def installed_in(folder: Path) -> dict[str, str]:
    """Return the packages of an environment by their metadata on the disk."""
    found = {}
    for record in folder.glob("lib/python*/site-packages/*.dist-info/METADATA"):
        fields = dict(
            line.split(": ", 1)
            for line in record.read_text(encoding="utf-8").splitlines()[:12]
            if ": " in line
        )
        found[fields["Name"].lower().replace("_", "-").replace(".", "-")] = fields["Version"]
    found.pop("pip", None)  # virtualenv brings it into an environment of 2.7; it is no pin
    return found


def test_newest_release_lives_a_whole_life(tmp_path: Path, pipenv: Path) -> None:
    """An install, Pipenv's word on it, a second that changes nothing, packages beside it, and undo."""
    first = tfup("install", "--json", cwd=tmp_path)
    assert 0 == first.code, first.out
    assert_proved(first.document)
    python = first.document["environment"]["python"]
    for name in ("Pipfile", "Pipfile.lock", "requirements.txt", "pylock.toml", "environment.yml"):
        assert (tmp_path / name).is_file(), name

    assert_pipenv_accepts(pipenv, tmp_path, python)

    again = tfup("install", "--json", cwd=tmp_path).document
    assert not again["environment"]["made"]
    assert first.document["plan"]["pins"] == again["plan"]["pins"]

    beside = tfup("install", "scikit-learn", "h5py", "--json", cwd=tmp_path)
    assert 0 == beside.code, beside.out
    assert first.document["plan"]["choice"] == beside.document["plan"]["choice"]
    assert "resolved" == beside.document["plan"]["proof"]["status"]
    assert "ok" == ask(python, "import sklearn, h5py; print('ok')", tmp_path)
    assert 'scikit-learn = "==' in (tmp_path / "Pipfile").read_text(encoding="utf-8")

    assert 0 == tfup("undo", "--json", cwd=tmp_path).code
    assert "scikit-learn" not in (tmp_path / "Pipfile").read_text(encoding="utf-8")
    assert "False" == ask(
        python, "import importlib.util as u; print(u.find_spec('sklearn') is not None)", tmp_path
    )

    checked = tfup("check", "--only", "hello_session", "--json", cwd=tmp_path)
    assert {"hello_session": "proved"} == outcomes_of(checked.document)


def assert_pipenv_accepts(pipenv: Path, folder: Path, python: str) -> None:
    """Verify, sync, run and graph of the current Pipenv work on what tfup made, and change nothing."""
    before = snapshot(folder)

    assert "is up-to-date" in run(pipenv, "verify", folder=folder).stdout
    run(pipenv, "sync", folder=folder)
    executable = run(pipenv, "run", "python", "-c", "import sys; print(sys.executable)", folder=folder).stdout
    assert python == executable.splitlines()[-1]
    assert "tensorflow==" in run(pipenv, "graph", folder=folder).stdout
    assert before == snapshot(folder)


def test_failed_check_is_told_and_ends_with_one(tmp_path: Path) -> None:
    """A broken environment is not called well: exit 1, the check, its cause and the log."""
    folder = tmp_path / "env"
    venv.create(folder, with_pip=False)
    done = tfup("check", "--project", folder, "--json", cwd=tmp_path)

    assert 1 == done.code
    assert "failed" == outcomes_of(done.document)["import_tensorflow"]
    assert "tensorflow" in json.dumps(done.document)
