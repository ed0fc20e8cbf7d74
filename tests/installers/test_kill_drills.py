"""Killed at any moment, `./install.sh clean` and the making of the tool for Python 2.7 do no lasting harm."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import loopback_index, running
from tests.little_clone import Clone, cloned
from tfup.managers.uv import find_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

KILLS = pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.slow)])
SURE = 10
MAKE_TOOL = """
import sys
sys.path.insert(0, sys.argv[1])
from tfup.managers import python27, uv
print(python27.virtualenv(uv.PLAIN))
"""


class Program(NamedTuple):
    """A program that is killed."""

    command: Sequence[str | Path]
    folder: Path
    variables: Mapping[str, str]

    def start(self) -> subprocess.Popen[str]:
        """Start it, as the first process of a group."""
        return subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> running.Run:
        """Run it to its end."""
        return running.run([*self.command, *words], self.folder, self.variables)

    def seconds(self) -> float:
        """Return how long it runs when nobody kills it."""
        before = time.monotonic()
        assert 0 == self.run().code
        return time.monotonic() - before


def drill(program: Program, kills: int, prepare: Callable[[], None], judge: Callable[[], None]) -> int:
    """Kill a program with all that it started, that many times; return how often it had not ended yet."""
    moments = random.Random(20261130)  # noqa: S311 - moments, not secrets
    early, lengths = 0, []
    for _ in range(2):  # the first time Python compiles
        prepare()
        lengths.append(program.seconds())
    for _ in range(kills):
        prepare()
        process = program.start()
        time.sleep(moments.uniform(0, min(lengths)))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        early += process.returncode == -signal.SIGKILL
        judge()
    return early


# ---------------------------------------------------------------- install.sh clean


@pytest.mark.network
@pytest.mark.real
@KILLS
def test_a_clean_that_is_killed_bricks_nothing(tmp_path: Path, kills: int) -> None:
    """Whatever is left of the environment that ran it, the next start works; the next clean removes all."""
    cache = tmp_path / "tfup"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").symlink_to(find_uv())
    variables = running.environment(tmp_path) | {"TFUP_CACHE_DIR": str(cache), "TMPDIR": str(tmp_path)}
    variables["PATH"] = f"{tmp_path}/bin{os.pathsep}{variables['PATH']}"
    tfup = Program([running.ROOT / "install.sh"], tmp_path, variables)
    clean = tfup._replace(command=[*tfup.command, "clean"])

    def start() -> None:
        done = tfup.run("pin", "--quiet")
        assert 0 == done.code, done.err

    early = drill(clean, kills, start, start)

    assert early > kills / 3 or kills < SURE  # a handful may all come too late
    assert (0, False) == (clean.run().code, cache.exists())


# ---------------------------------------------------------------- the tool for Python 2.7


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone whose tool for Python 2.7 is a tiny virtualenv."""
    loopback_index.WHEELS.update([loopback_index.wheel("virtualenv", "1.0")])
    with cloned(tmp_path_factory.mktemp("clone")) as clone:
        pins = loopback_index.pin("virtualenv", "1.0")
        (clone.folder / "tfup" / "data" / "builds" / "virtualenv.txt").write_text(pins, encoding="utf-8")
        yield clone


def tool(clone: Clone, folder: Path) -> Program:
    """Return the program that makes the tool in that folder, unless it is there, and says where it is."""
    variables = clone.environment() | {"TFUP_CACHE_DIR": str(folder / "tfup"), "TMPDIR": str(folder)}
    return Program([sys.executable, "-I", "-c", MAKE_TOOL, clone.folder], folder, variables)


def is_whole(said: running.Run) -> bool:
    """Tell whether the tool that a run has made has its library."""
    assert (0, "") == (said.code, said.err)
    return subprocess.run([said.out.strip(), "-c", "import virtualenv"], check=False).returncode == 0


@KILLS
def test_a_tool_that_was_killed_while_it_was_made_is_made_whole(
    clone: Clone, tmp_path: Path, kills: int
) -> None:
    """Half a tool has not its name yet."""
    make = tool(clone, tmp_path)

    def forget() -> None:
        for made in (tmp_path / "tfup").glob("virtualenv-????????????????"):
            made.rename(tmp_path / f"{time.monotonic_ns()}")

    early = drill(make, kills, forget, lambda: is_whole(make.run()) or pytest.fail("it is not whole"))

    assert early > kills / 3 or kills < SURE  # a handful may all come too late


def test_tools_that_are_made_at_once_all_end_well(clone: Clone, tmp_path: Path) -> None:
    """One makes it on a cold cache, and three wait."""
    started = [tool(clone, tmp_path).start() for _ in range(4)]
    said = {process.communicate(timeout=120) for process in started}

    assert [0] * 4 == [process.returncode for process in started]
    ((path, errors),) = said
    assert is_whole(running.Run(0, path, errors))
