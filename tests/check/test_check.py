"""Stage 5 from the outside: what check() makes of a process that answers, and of one that does not.

Each environment here is a real interpreter that finds a made-up `tensorflow` first.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest

from tests.pythons import interpreters
from tfup.check.runner import CHECKS, check, checks_digest, checks_folder
from tfup.errors import NoEnvironment, UsageError
from tfup.model import Environment, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A TensorFlow that has no graphics card, and whose session does what the test appends.
HOLLOW = """
import os, signal, subprocess, sys, time
__version__ = "9.9"

class Context(object):
    def __enter__(self): return self
    def __exit__(self, *error): return None
    def as_default(self): return self

class Graph(Context): pass
class config(object): list_physical_devices = staticmethod(lambda kind: [])
class test(object): is_built_with_cuda = staticmethod(lambda: False)
constant = str
"""
SESSION = HOLLOW + "class Session(Context):\n    def run(self, fetched): "


class Behaviour(NamedTuple):
    """What a TensorFlow does, and what the check of that name is to make of it."""

    source: str
    status: str
    detail: str
    check: str = "import_tensorflow"
    timeout: float = 60


BEHAVIOURS = {
    "answers": Behaviour("__version__ = '9.9'", "proved", "TensorFlow 9.9 on Python {version}"),
    "has no card": Behaviour(
        HOLLOW, "skipped", "this build of TensorFlow is for the processor only", "gpu_is_used"
    ),
    "fails with accents": Behaviour(
        "raise ValueError(u'd\u00e9faut \u6545\u969c')", "failed", "ValueError: défaut 故障"
    ),
    "fails with bytes": Behaviour("raise ValueError('d\u00e9faut')", "failed", "ValueError: défaut"),
    "fails inside a message": Behaviour(
        "raise ImportError('''Traceback (most recent call last):\n  x\nImportError: no libcublas.so\n''')",
        "failed",
        "ImportError: no libcublas.so",
    ),
    "makes noise": Behaviour(
        "import sys; sys.stdout.write('noise'); __version__ = 9", "proved", "TensorFlow 9 on"
    ),
    "dies": Behaviour("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "crashed", "CPU features"),
    "runs out of memory": Behaviour("import os; os.kill(os.getpid(), 9)", "crashed", "the memory ran out"),
    "hangs": Behaviour("import time; time.sleep(60)", "crashed", "no answer in 0.3 s", timeout=0.3),
    "lacks a library": Behaviour("import no_such_library", "failed", "Error: No module named"),
    "leaves": Behaviour("import os; os._exit(0)", "crashed", "ended with status 0 before it said"),
    "exits": Behaviour("import sys; sys.exit(0)", "failed", "SystemExit: 0"),
    "is empty": Behaviour("", "failed", "AttributeError"),
}


@pytest.fixture
def make_environment(tmp_path: Path) -> Callable[..., Environment]:
    """Return a maker of environments: an interpreter, and the source of what it imports as `tensorflow`."""

    def make(source: str, python: str | Path = sys.executable) -> Environment:
        libraries = tmp_path / "libraries"
        libraries.mkdir()
        (libraries / "tensorflow.py").write_text("# coding: utf-8\n" + source, encoding="utf-8")
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(libraries))} exec "{python}" "$@"\n')
        script.chmod(0o755)
        return Environment(str(tmp_path), str(script), "venv")

    return make


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("version", interpreters())
def test_each_interpreter_reports_what_tensorflow_does(
    version: str, behaviour: str, make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """Whether TensorFlow answers, fails, crashes, hangs or leaves: the outcome says so, from 2.7 on."""
    source, status, detail, name, timeout = BEHAVIOURS[behaviour]
    environment = make_environment(source, interpreters()[version])

    (outcome,) = check(environment, [name], timeout=timeout, log=tmp_path / "log")

    assert (name, status) == (outcome.name, outcome.status)
    assert detail.format(version=version) in outcome.detail
    assert outcome.hint is None


@pytest.mark.parametrize("version", interpreters())
def test_bytecode_is_kept_of_tensorflow_and_not_of_the_checks(
    version: str, make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """The person's first import is quick, and the clone stays clean."""
    before = sorted(checks_folder().rglob("*.pyc"))

    check(
        make_environment("__version__ = 9", interpreters()[version]),
        ["import_tensorflow"],
        timeout=60,
        log=tmp_path / "log",
    )

    assert before == sorted(checks_folder().rglob("*.pyc"))
    assert 1 == len([*(tmp_path / "libraries").rglob("tensorflow*.pyc")])


def test_the_rest_goes_on_in_a_new_process_after_a_crash(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """The check that was running is crashed; those before and after it have their own outcomes."""
    environment = make_environment(SESSION + "os.kill(os.getpid(), signal.SIGSEGV)")

    outcomes = check(
        environment, ["import_tensorflow", "hello_session", "gpu_is_used"], timeout=60, log=tmp_path / "log"
    )

    assert ["proved", "crashed", "skipped"] == [outcome.status for outcome in outcomes]
    assert "SIGSEGV" in outcomes[1].detail
    assert 2 == (tmp_path / "log").read_text().count("\n$ ") + 1


def test_the_log_keeps_the_output_and_shows_where_a_process_died(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """What was in the log stays; command, output, the place of the crash and the exit status follow."""
    log = tmp_path / "logs" / "check.log"
    log.parent.mkdir()
    log.write_text("before\n")

    check(
        make_environment(SESSION + "sys.stderr.write('last words'); os.abort()"),
        ["hello_session"],
        timeout=60,
        log=log,
    )

    text = log.read_text()
    assert text.startswith("before\n$ ")
    assert "last words" in text
    assert "hello_session.py" in text
    assert text.endswith("exit status -6\n")


def test_the_time_limit_is_for_all_checks_together(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """A person waits for the limit once: the hanging check is crashed and the others are not tried."""
    environment = make_environment(SESSION + "time.sleep(60)")

    outcomes = check(
        environment, ["import_tensorflow", "hello_session", "gpu_is_used"], timeout=1, log=tmp_path / "log"
    )

    assert ["proved", "crashed", "skipped"] == [outcome.status for outcome in outcomes]
    assert 0.3 < outcomes[1].seconds < 3
    assert outcomes[2].detail.startswith("not tried")


def test_outcomes_are_told_as_they_arrive(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """The first outcome is heard while the second check is still running."""
    heard: list[tuple[str, float]] = []
    environment = make_environment(SESSION + "time.sleep(0.5)")

    check(
        environment,
        ["import_tensorflow", "hello_session"],
        timeout=60,
        log=tmp_path / "log",
        on_outcome=lambda outcome: heard.append((outcome.name, time.monotonic())),
    )

    assert ["import_tensorflow", "hello_session"] == [name for name, _ in heard]
    assert heard[1][1] - heard[0][1] > 0.3


def test_ctrl_c_ends_the_process_with_all_that_it_started(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """After an interrupt neither the checks nor their own children are left, and the interrupt goes on."""
    pids = tmp_path / "pids"
    children = (
        f"open({str(pids)!r}, 'w').write('%d %d' % (os.getpid(), subprocess.Popen(['sleep', '60']).pid))\n"
    )

    def interrupt(_: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(
            make_environment(SESSION + "time.sleep(60)\n" + children),
            ["import_tensorflow", "hello_session"],
            timeout=60,
            log=tmp_path / "log",
            on_outcome=interrupt,
        )

    assert [] == [pid for pid in map(int, pids.read_text().split()) if survives(pid)]


def survives(pid: int) -> bool:
    """Say whether the process still runs after five seconds; a zombie does not run."""
    try:
        for _ in range(50):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return False
            time.sleep(0.1)
    except psutil.NoSuchProcess:
        return False
    return True


def test_variables_that_bend_python_do_not_reach_the_checks(
    make_environment: Callable[..., Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PYTHONHOME or PYTHONSTARTUP of the person's, which would break any Python, changes nothing."""
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONWARNINGS", "error")

    (outcome,) = check(
        make_environment("__version__ = 9"), ["import_tensorflow"], timeout=60, log=tmp_path / "log"
    )

    assert "proved" == outcome.status


def test_checks_run_outside_the_persons_folder(
    make_environment: Callable[..., Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a library writes where it stands does not end up where the person stands."""
    monkeypatch.chdir(tmp_path)

    check(
        make_environment("open('litter', 'w').close()"),
        ["import_tensorflow"],
        timeout=60,
        log=tmp_path / "log",
    )

    assert not (tmp_path / "litter").exists()


def test_a_process_that_will_not_leave_is_ended_after_its_answers(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """Outcomes stand although the library hangs at the exit of Python."""
    source = "import atexit, time; atexit.register(time.sleep, 60); __version__ = 9"
    start = time.monotonic()

    (outcome,) = check(make_environment(source), ["import_tensorflow"], timeout=1, log=tmp_path / "log")

    assert "proved" == outcome.status
    assert time.monotonic() - start < 10


def test_an_unknown_check_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    """A mistyped name is a usage error before anything runs."""
    with pytest.raises(UsageError, match=r"named hello; the checks are import_tensorflow, hello_session"):
        check(Environment("x", "x/bin/python", "venv"), ["hello"], timeout=1, log=tmp_path / "log")


@pytest.mark.parametrize("content", [None, "", "#!/no/such/interpreter\n"])
def test_an_environment_without_a_python_that_starts_is_named(content: str | None, tmp_path: Path) -> None:
    """A missing, broken or orphaned interpreter is told as such, with what to type."""
    python = tmp_path / "python"
    if content is not None:
        python.write_text(content)
        python.chmod(0o755)

    with pytest.raises(NoEnvironment) as raised:
        check(Environment(str(tmp_path), str(python), "venv"), timeout=1, log=tmp_path / "log")

    assert str(python) in str(raised.value.needs[0].found)
    assert "tfup install" == raised.value.hint


def test_the_digest_names_the_very_checks(tmp_path: Path) -> None:
    """Another content or name is another digest; the line ends that git writes are not."""
    copy = shutil.copytree(checks_folder(), tmp_path / "checks", ignore=shutil.ignore_patterns("__pycache__"))
    for file in copy.glob("*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    whole = checks_digest("cuda", copy)
    assert checks_digest("cuda") == whole
    assert checks_digest("cpu") == checks_digest("cpu", copy) != whole

    (copy / "gpu_is_used.py").write_text("changed")
    assert checks_digest("cpu") == checks_digest("cpu", copy)
    assert whole != checks_digest("cuda", copy)

    (copy / "reporting.py").write_text("changed")
    assert checks_digest("cpu") != checks_digest("cpu", copy)


def test_all_checks_are_tried_when_none_is_named(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    """Without names the outcomes are those of CHECKS, in order."""
    outcomes = check(make_environment("raise ImportError('broken')"), timeout=60, log=tmp_path / "log")

    assert CHECKS == tuple(outcome.name for outcome in outcomes)
