"""Interpreters are asked, not guessed: real ones, broken ones, and those that only lead to another."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pythons import interpreters
from tfup.folders import cache_folder
from tfup.machine import detect
from tfup.machine import interpreters as asking
from tfup.machine.live import Live

if TYPE_CHECKING:
    from tfup.model import Interpreter

ABI = {"2.7": "cp27mu", "3.6": "cp36m", "3.7": "cp37m"}


@pytest.fixture
def live(tmp_path: Path) -> Live:
    """Return a probe with a PATH, a home and a cache of its own."""
    (tmp_path / "bin").mkdir()
    return Live({"PATH": f"{tmp_path}/bin", "HOME": str(tmp_path), "TFUP_CACHE_DIR": f"{tmp_path}/cache"})


def found_in(folder: Path, live: Live) -> list[Interpreter]:
    """Detect, and return the interpreters below the folder."""
    return [python for python in detect(live).pythons or () if python.path.startswith(str(folder))]


def write_fake(path: Path, version: str = "3.9.1", before: str = "") -> None:
    """Write a program that answers like an interpreter, and notes that it was asked."""
    answer = (
        f'{{"executable": "{path}", "version": "{version}", "implementation": "cpython", "bits": 64, '
        f'"machine": "x86_64", "abi": "cp39", "free_threaded": false, "prefix": "/x", "base_prefix": "/x", '
        f'"base_executable": null, "conda": false}}'
    )
    write_script(
        path, f"{before}\necho asked >> '{path}.asked'\nprintf '\\ntfup-interview: %s\\n' '{answer}'"
    )


def write_script(path: Path, text: str) -> None:
    """Write a program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def times_asked(path: Path) -> int:
    """Count how often a fake was asked."""
    return len(Path(f"{path}.asked").read_text().splitlines())


# ---------------------------------------------------------------- real ones


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Interpreter, ...]:
    """Return the interpreters of this machine, all asked afresh."""
    return detect(Live(dict(os.environ, TFUP_CACHE_DIR=str(tmp_path_factory.mktemp("cache"))))).pythons or ()


def test_every_python_of_this_machine_is_found(here: tuple[Interpreter, ...]) -> None:
    """Each one, pyenv's and the system's, is found once, under its real path, newest first."""
    real = {os.path.realpath(python) for python in [*interpreters().values(), Path(sys.executable)]}
    found = [python.path for python in here]

    assert real <= set(found)
    assert len(found) == len({os.path.realpath(path) for path in found})


@pytest.mark.parametrize(("version", "python"), interpreters().items())
def test_a_python_is_described_rightly(version: str, python: Path, here: tuple[Interpreter, ...]) -> None:
    """What we say of it is what it says itself."""
    real = os.path.realpath(python)
    (found,) = [item for item in here if item.path == real]
    minor = ".".join(version.split(".")[:2])

    assert (version, "cpython", 64) == (found.version, found.implementation, found.bits)
    assert ABI.get(minor, "cp" + minor.replace(".", "")) == found.abi
    assert (os.uname().machine, False) == (found.arch, found.free_threaded)
    assert ("/.pyenv/" in real) == (found.managed_by == "pyenv")


@pytest.mark.parametrize("python", interpreters().values(), ids=interpreters())
def test_the_interview_runs_beside_a_strangers_modules(python: Path, tmp_path: Path) -> None:
    """A json.py or os.py in the current folder is not what the interview imports."""
    for name in ("json", "os", "sysconfig"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    script = Path(asking.__file__).with_name("interpreter_probe.py").read_text()
    output = subprocess.run(
        [python, "-s", "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    assert asking.parse_answer(output.stdout)


def test_the_interview_has_no_syntax_of_today() -> None:
    """No f-string, annotation, function or walrus: what Python 2.7 cannot parse it cannot answer."""
    tree = ast.parse(Path(asking.__file__).with_name("interpreter_probe.py").read_text())
    modern = (ast.JoinedStr, ast.AnnAssign, ast.FunctionDef, ast.NamedExpr, ast.Starred, ast.Match)

    assert [] == [type(node).__name__ for node in ast.walk(tree) if isinstance(node, modern)]


# ---------------------------------------------------------------- those that lead to another


def test_a_virtual_environment_is_not_an_interpreter(live: Live, tmp_path: Path) -> None:
    """Linked or copied, it leads to the one that it was made from, which counts once."""
    minor = "{}.{}".format(*sys.version_info)
    for way in ("--symlinks", "--copies"):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", way, tmp_path / way], check=True)
    live.environ["PATH"] = f"{tmp_path}/--symlinks/bin:{tmp_path}/--copies/bin"
    base = os.path.realpath(Path(sys.base_prefix, "bin", f"python{minor}"))
    paths = [python.path for python in detect(live).pythons or ()]

    assert [] == [path for path in paths if path.startswith(str(tmp_path))]
    assert 1 == paths.count(base)


def test_a_wrapper_leads_to_the_real_one(live: Live, tmp_path: Path) -> None:
    """A script that starts another interpreter is not one itself."""
    real = os.path.realpath(sys.executable)
    (tmp_path / "link").symlink_to(real)
    write_script(tmp_path / "bin/python3", f'exec "{tmp_path}/link" "$@"')
    paths = [python.path for python in detect(live).pythons or ()]

    assert 1 == paths.count(real)
    assert [] == [path for path in paths if path.startswith(str(tmp_path))]


@pytest.mark.parametrize("folder", ["shims", "bin"])
def test_shims_are_not_asked(folder: str, live: Live, tmp_path: Path) -> None:
    """What they answer depends on the folder that one stands in; elsewhere the same program is asked."""
    (tmp_path / "shims").mkdir()
    write_fake(tmp_path / folder / "python3")
    live.environ["PATH"] = f"{tmp_path}/{folder}"

    assert ([] if folder == "shims" else ["3.9.1"]) == [python.version for python in found_in(tmp_path, live)]


def test_a_shim_that_is_a_link_is_not_followed(live: Live, tmp_path: Path) -> None:
    """That of mise leads to mise, which is no interpreter, not even a broken one."""
    (tmp_path / "shims").mkdir()
    write_script(tmp_path / "bin/mise", "exit 1")
    (tmp_path / "shims/python3").symlink_to(tmp_path / "bin/mise")
    live.environ["PATH"] = f"{tmp_path}/shims"

    assert [] == [place for place in detect(live).unknown if "mise" in place]


# ---------------------------------------------------------------- broken ones


@pytest.mark.parametrize(
    "script",
    ["exit 1", "echo Python 3.9.1", "echo 'tfup-interview: {\"version\": 3}'", "kill -9 $$", "exec /no/such"],
)
def test_a_broken_one_is_a_reason(script: str, live: Live, tmp_path: Path) -> None:
    """It is named with the reason, and no fact is made of it."""
    write_script(tmp_path / "bin/python3", script)
    machine = detect(live)

    assert [] == [python for python in machine.pythons or () if python.path.startswith(str(tmp_path))]
    assert "it gave no answer" == machine.unknown[f"pythons[{tmp_path}/bin/python3]"]


def test_hooks_may_print(live: Live, tmp_path: Path) -> None:
    """What a start-up hook says before the answer does no harm."""
    write_fake(tmp_path / "bin/python3", before="printf 'Welcome!'")

    assert ["3.9.1"] == [python.version for python in found_in(tmp_path, live)]


def test_an_interpreter_of_our_own_is_not_the_persons(live: Live, tmp_path: Path) -> None:
    """What lies in our cache is gone after `tfup clean`, so nothing is built on it."""
    private = tmp_path / "cache/python/bin"
    private.mkdir(parents=True)
    write_fake(private / "python3.11", "3.11.9")
    write_fake(tmp_path / "bin/python3.9")
    (tmp_path / "bin/python3").symlink_to(private / "python3.11")

    assert ["3.9.1"] == [python.version for python in found_in(tmp_path, live)]


# ---------------------------------------------------------------- the memory


def test_nobody_is_asked_twice(live: Live, tmp_path: Path) -> None:
    """A second detect knows the answer, for good interpreters and for broken ones."""
    write_fake(tmp_path / "bin/python3")
    write_script(tmp_path / "bin/python2", f"echo asked >> '{tmp_path}/bin/python2.asked'; exit 1")
    first, second = found_in(tmp_path, live), found_in(tmp_path, live)

    assert first == second != []
    assert (1, 1) == (times_asked(tmp_path / "bin/python3"), times_asked(tmp_path / "bin/python2"))


def test_a_changed_interpreter_is_asked_again(live: Live, tmp_path: Path) -> None:
    """An upgrade in place is seen."""
    write_fake(tmp_path / "bin/python3", "3.9.1")
    found_in(tmp_path, live)
    write_fake(tmp_path / "bin/python3", "3.9.18")

    assert ["3.9.18"] == [python.version for python in found_in(tmp_path, live)]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"path": 1}', "\x00\xff"])
def test_a_damaged_memory_is_ignored(damage: str, live: Live, tmp_path: Path) -> None:
    """Whatever stands in the cache, the answer is right."""
    write_fake(tmp_path / "bin/python3")
    found_in(tmp_path, live)
    for file in (tmp_path / "cache/interpreters").iterdir():
        file.write_text(damage, encoding="latin-1")

    assert ["3.9.1"] == [python.version for python in found_in(tmp_path, live)]


def test_a_cache_that_cannot_be_is_no_error(live: Live, tmp_path: Path) -> None:
    """Where a file stands in its place, the interpreters are asked each time."""
    (tmp_path / "cache").write_text("in the way")
    write_fake(tmp_path / "bin/python3")

    assert ["3.9.1"] == [python.version for python in found_in(tmp_path, live)]


def test_no_part_is_left_in_the_cache(live: Live, tmp_path: Path) -> None:
    """The cache holds whole answers only."""
    write_fake(tmp_path / "bin/python3")
    found_in(tmp_path, live)

    assert {".json"} == {file.suffix for file in (tmp_path / "cache/interpreters").iterdir()}


def test_a_wrapper_is_not_remembered(live: Live, tmp_path: Path) -> None:
    """It is the same file when it leads to another interpreter, and that one is found."""
    write_script(tmp_path / "bin/python3", f'exec "{tmp_path}/link" "$@"')
    seen = []
    for version in ("3.9.1", "3.9.2"):
        write_fake(tmp_path / version, version)
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(tmp_path / version)
        seen += [python.version for python in found_in(tmp_path, live)]

    assert ["3.9.1", "3.9.2"] == seen


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TFUP_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/tfup"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/tfup"),
    ],
)
def test_the_cache_is_where_people_expect_it(variables: dict[str, str], expected: str) -> None:
    """Our own variable, the system's, the home folder: in this order."""
    assert Path(expected) == cache_folder(variables)


def test_without_a_home_the_cache_is_temporary() -> None:
    """An account without a home has a place too, and one of its own."""
    assert f"tfup-{os.getuid()}" == cache_folder({}).name
