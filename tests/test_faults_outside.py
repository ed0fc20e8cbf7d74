"""Nothing outside is written: not by tfup, not by uv, not by the libraries that the checks load."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import running
from tests.little_clone import Clone, cloned
from tests.test_faults import pinned, version_of
from tfup.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

STRACE = ("strace", "-f", "-qq", "-y", "-e", "trace=%file", "-e", "signal=none", "-o")
CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
PLACE = re.compile(r'(?:<(?P<folder>[^<>]*)>, )?"(?P<path>[^"]*)"')
WRITING = re.compile(r"mkdir|mknod|rename|unlink|rmdir|link|truncate|chmod|chown|utime|creat")
KERAS_JSON = (
    '{"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}'
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone with an index that answers."""
    with cloned(tmp_path_factory.mktemp("clone")) as clone:
        yield clone


def written(trace: Path) -> set[str]:
    """Return the paths that a traced program wrote, made, changed or removed."""
    calls = (CALL.match(line) for line in trace.read_text(encoding="utf-8", errors="replace").splitlines())
    return {
        path for call in calls if call and call["result"] != "-1" and writes(call) for path in paths(call)
    }


def writes(call: re.Match[str]) -> bool:
    """Tell whether a call of the system changes what is on the disk."""
    if call["name"].startswith("open"):
        return bool(re.search(r"O_WRONLY|O_RDWR|O_CREAT", call["arguments"]))
    return bool(WRITING.search(call["name"])) and not call["name"].startswith("readlink")


def paths(call: re.Match[str]) -> list[str]:
    """Return the paths of a call; what a link is to lead to is not changed by making it."""
    found = PLACE.findall(call["arguments"])[-1 if "link" in call["name"] else 0 :]
    return [os.path.normpath(Path(folder or "/", path)) for folder, path in found]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here")
def test_every_write_is_in_its_place(clone: Clone, tmp_path: Path) -> None:
    """The system's own record of pin, install, check and undo names the project, the caches and the temporary
    folder, which is empty again at the end."""  # noqa: D205, D209 - one sentence
    project, temporary, trace = tmp_path / "project", tmp_path / "temporary", tmp_path / "trace"
    project.mkdir()
    temporary.mkdir()
    caches = [clone.home / ".cache" / "tfup", clone.home / "uv-cache", Path(sys.prefix).parent / "bytecode"]
    state = state_folder(os.environ)
    allowed = tuple(f"{place}/" for place in (project, temporary, *caches, state, "/dev", "/proc"))
    outside: set[str] = set()
    for words in (("pin",), ("install",), ("install", "tensorflow==98.0.0", "rainy"), ("check",), ("undo",)):
        run = clone.run(*words, cwd=project, under=[*STRACE, trace], TMPDIR=str(temporary))
        assert 0 == run.code, run.err
        outside |= {path for path in written(trace) if not f"{path}/".startswith(allowed)}

    may_be_made = {str(clone.home / ".cache"), *map(str, (state.parent, state.parents[1]))}
    assert may_be_made >= outside
    assert [] == list(temporary.iterdir())


def test_the_trace_would_show_a_write(tmp_path: Path) -> None:
    """The test above can fail."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here")
    trace = tmp_path / "trace"
    script = "mkdir one; cd one; echo >two; ln -s x three; rm three; cat two"
    subprocess.run([*STRACE, trace, "sh", "-c", script], cwd=tmp_path, check=True, capture_output=True)

    assert {str(tmp_path / "one" / name) for name in ("two", "three")} <= written(trace)


# ---------------------------------------------------------------- with real TensorFlow


def files_below(folder: Path) -> set[str]:
    """Return the files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.real
@pytest.mark.network
@pytest.mark.parametrize("wish", ["tensorflow==1.15.5", "tensorflow==2.10.1", "tensorflow"])
def test_real_libraries_leave_nothing_at_home(tmp_path: Path, wish: str) -> None:
    """Neither Keras nor anything else that the checks load writes into the home of a person."""
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()

    run = running.tfup("install", wish, "--json", cwd=project, home=home)

    assert 0 == run.code, run.out
    assert set() == {file for file in files_below(home) if not file.startswith(".cache/tfup/")}
    names = {path.name for path in project.iterdir()}
    assert names - {"pylock.toml"} == {
        *(".tfup", ".venv", "Pipfile", "Pipfile.lock"),
        *("environment.yml", "requirements.txt"),
    }


@pytest.mark.real
@pytest.mark.network
@pytest.mark.parametrize("wish", ["tensorflow==1.15.5", "tensorflow"])
def test_the_persons_keras_json_counts_and_stays(tmp_path: Path, wish: str) -> None:
    """The checks run with the back end that the person configured, and say where it was read."""
    file = tmp_path / "home" / ".keras" / "keras.json"
    file.parent.mkdir(parents=True)
    file.write_text(KERAS_JSON, encoding="utf-8")
    before = file.stat()

    run = running.tfup("install", wish, "--json", cwd=tmp_path, home=tmp_path / "home")

    details = {outcome["name"]: outcome["detail"] for outcome in run.document["outcomes"]}
    assert f"was told so by {file}" in details["keras_backend"]
    assert (KERAS_JSON, before.st_mtime_ns) == (file.read_text(encoding="utf-8"), file.stat().st_mtime_ns)


@pytest.mark.real
@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("kills", [60])
def test_real_installs_survive_being_killed(tmp_path: Path, kills: int) -> None:
    """Killed at any moment of an install, TensorFlow 1.15.5 or 2.10.1 is there and can be imported."""
    moments = random.Random(20261120)  # noqa: S311 - moments, not secrets
    wishes = ("tensorflow==1.15.5", "tensorflow==2.10.1")
    seconds = [installed(wish, tmp_path) for wish in wishes]
    interrupted = 0
    for number in range(kills):
        command, variables = running.command("install", wishes[number % 2]), running.environment(tmp_path)
        process = subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.3, 1.0 + seconds[number % 2]))
        process.kill()
        process.wait()
        interrupted += (tmp_path / ".tfup" / "journal.json").exists()
        repaired = running.tfup("pin", cwd=tmp_path)
        assert 0 == repaired.code, repaired.err
        assert pinned(tmp_path) == version_of(tmp_path)

    assert interrupted > kills / 3


def installed(wish: str, folder: Path) -> float:
    """Install a wish, and return the seconds that its environment took when nothing had to be fetched."""
    assert 0 == running.tfup("install", wish, "--json", cwd=folder).code
    shutil.rmtree(folder / ".venv")
    again = running.tfup("install", wish, "--json", cwd=folder)
    return float(again.document["environment"]["seconds"])
