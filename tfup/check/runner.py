"""Stage 5, check: the claims in checks/, tried by the environment's own Python.

All checks share one process, so that TensorFlow is imported once. If it dies, the check that was
running is `crashed`, and the rest go on in a new process. Processes report through a file: see
checks/reporting.py for its lines.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tfup import tables
from tfup.errors import Need, NoEnvironment, UsageError
from tfup.files import open_log
from tfup.model import Environment, Outcome, Status, Training

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from io import FileIO

    from tfup.model import Accelerator

CPU_CHECKS = (
    "import_tensorflow",
    "hello_session",
    "matrix_product",
    "keras_backend",
    "keras_fit",
    "save_and_load",
)
"""The claims that need no graphics card, each after those that it builds on."""

GPU_CHECKS = ("gpu_is_used", "gpu_convolves", "gpu_compiles")
"""The claims about a graphics card; skipped where TensorFlow has none."""

CHECKS = (*CPU_CHECKS, *GPU_CHECKS)

TRAIN_CHECKS = ("networks_learn",)
"""The claims that take a minute and more; only `check --train` tries them: see training.py."""

SYSTEM_CHECKS = ("system_packages",)
"""The claim about modules of the system's Python, where some were asked for."""

_HELPERS = ("eras", "reporting", "runner")
_GPU_HELPERS = ("gpu_card", "gpu_causes")

_POLL = 0.02  # seconds between two looks at the report
_ROOM = 100_000  # bytes, without which no report can be written
_FAREWELL = 10.0  # seconds that a process may take to leave after its last answer

# How a process ends without a word: signals as negative numbers, exceptions of Windows as they are.
# Sources: signal(7); [MS-ERREF] section 2.3.1. The numbers of Windows were not met here.
_DEATHS = {
    -4: "illegal instruction (SIGILL): the build needs CPU features that this processor lacks",
    -6: "it gave up (SIGABRT): a library met a state that it cannot handle",
    -7: "bus error (SIGBUS): the disk or the shared memory is full, or a file was cut off",
    -8: "arithmetic error (SIGFPE)",
    -9: "killed (SIGKILL): most often because the memory ran out",
    -11: "segmentation fault (SIGSEGV): compiled parts do not fit together, or a driver is broken",
    -15: "ended by another program (SIGTERM)",
    0xC000001D: "illegal instruction (0xC000001D): the build needs CPU features that this processor lacks",
    0xC0000005: "access violation (0xC0000005): compiled parts do not fit together, or a driver is broken",
    0xC0000135: "a DLL was not found (0xC0000135): most often the Visual C++ runtime",
}


class _Line(msgspec.Struct):
    """A line of the report; without a status it tells that the check has begun, or how far it is."""

    check: str
    status: Status | None = None
    detail: str = ""
    seconds: float = 0.0
    training: Training | None = None


class _Run(NamedTuple):
    """What the processes of one run have in common; `deadline` by the monotonic clock."""

    environment: Environment
    log: Path
    limit: float
    deadline: float
    tell: Callable[[Outcome], None]
    tell_progress: Callable[[str, str], None]
    variables: Mapping[str, str]


def check(  # noqa: PLR0913 - what a run is made of, each word once
    environment: Environment,
    names: Sequence[str] | None = None,
    *,
    timeout: float,
    log: Path,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_progress: Callable[[str, str], None] | None = None,
    variables: Mapping[str, str] | None = None,
) -> tuple[Outcome, ...]:
    """Try the named claims, or all of them, in this environment; `on_outcome` hears each at once.

    `timeout` is in seconds and for all of them together. The output goes to the end of `log`.
    `on_progress` hears the name of a long check and how far it is, `variables` are set for the checks.
    Raises UsageError for an unknown name, NoEnvironment when there is no Python to ask.
    """
    outcomes: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if on_outcome:
            on_outcome(outcome)

    wanted = known(names, {*all_checks(), *TRAIN_CHECKS})
    deadline, deaf = time.monotonic() + timeout, lambda _name, _detail: None
    run = _Run(environment, log, timeout, deadline, tell, on_progress or deaf, variables or {})
    while left := wanted[len(outcomes) :]:
        _try_in_one_process(run, left)
    return tuple(outcomes)


def checks_folder() -> Path:
    """Return the folder of the checks: inside the installed package, beside it in a clone."""
    here = Path(__file__).resolve().parents[1]
    packaged = here / "checks"
    return packaged if packaged.is_dir() else here.parent / "checks"


def checks_for(backend: str) -> tuple[str, ...]:
    """Return the checks that apply to a Keras on a back end."""
    return tuple(tables.backends()[backend].checks) or CHECKS


def all_checks() -> set[str]:
    """Return the names of the checks that may be asked for."""
    return {*SYSTEM_CHECKS, *(name for backend in tables.backends() for name in checks_for(backend))}


def checks_digest(
    accelerator: Accelerator = "cpu", folder: Path | None = None, backend: str = "tensorflow"
) -> str:
    """Return the SHA-256 of what a proof for this accelerator ran: names and contents of its checks.

    A check that a processor never reaches says nothing about it, so a new one for graphics cards leaves
    the proofs for processors valid.
    """
    digest = hashlib.sha256()
    usual = CPU_CHECKS if accelerator == "cpu" else (*CHECKS, *_GPU_HELPERS)
    for name in sorted((*_HELPERS, *(tables.backends()[backend].checks or usual))):
        content = ((folder or checks_folder()) / f"{name}.py").read_bytes()
        content = content.replace(b"\r\n", b"\n")  # git may have changed the line ends
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


# ---------------------------------------------------------------- what is asked of whom


def known(names: Sequence[str] | None, checks: Collection[str] | None = None) -> list[str]:
    """Return the checks of these names, or the usual ones; UsageError where there is none of that name."""
    names = CHECKS if names is None else names
    allowed = all_checks() if checks is None else checks
    unknown = [name for name in names if name not in allowed]
    if set(unknown) & {*TRAIN_CHECKS}:
        sentence = f"{unknown[0]} is tried by --train alone."
        raise UsageError(sentence, hint="tfup check --train")
    if unknown:
        sentence = f"There is no check named {', '.join(unknown)}; the checks are {', '.join(CHECKS)}."
        raise UsageError(sentence, hint="tfup check --only hello_session")
    return list(dict.fromkeys(names))


# ---------------------------------------------------------------- one process


def _try_in_one_process(run: _Run, names: Sequence[str]) -> None:
    """Tell the outcomes of these checks until the process ends; that of the check it died of is the last."""
    start = time.monotonic()
    with TemporaryDirectory(prefix="tfup-check-", ignore_cleanup_errors=True) as folder:
        report = Path(folder, "report.jsonl")
        with _process(run, names, report) as process:
            answers = _listen(run, process, report, len(names))
    if silent := names[len(answers) :]:
        seconds = time.monotonic() - start - sum(answer.seconds for answer in answers)
        _tell_silence(run, silent, process.returncode, round(seconds, 3))


@contextmanager
def _process(run: _Run, names: Sequence[str], report: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the checks in a process group of their own; it is ended when the block is left."""
    python = os.path.abspath(run.environment.python)  # noqa: PTH100 - resolving would leave the environment
    command = [python, str(checks_folder() / "runner.py"), *names]
    with _opened(run.log) as log:
        _note(log, f"$ {' '.join(command)}\n")
        process = _start(run, command, report, log)
        try:
            yield process
        finally:
            _end(process)
            _note(log, f"exit status {process.returncode}\n")


def _opened(log: Path) -> FileIO:
    """Return the log to be added to; where the project cannot be written, what is said goes nowhere."""
    try:
        return open_log(log)
    except OSError:
        return Path(os.devnull).open("ab", buffering=0)


def _note(log: FileIO, text: str) -> None:
    """Add a line to the log, as far as the disk has room."""
    with suppress(OSError):
        log.write(os.fsencode(text))


def _start(run: _Run, command: list[str], report: Path, log: FileIO) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=report.parent,  # what a library leaves behind goes with the report
            env={**_clean_environment(report), **run.variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        need = Need("python", "an interpreter that starts", f"{run.environment.python}: {error.strerror}")
        sentence = f"The environment {run.environment.folder} has no Python that runs."
        raise NoEnvironment(sentence, (need,), "tfup install") from error


def _clean_environment(report: Path) -> dict[str, str]:
    """Return our variables without those that turn one Python or home into another, and with the checks' own.

    -I or -E would not do: -I hides the checks from each other, and -E makes 3.6 die of an accent.
    """
    unwanted = ("PYTHON", "__PYVENV", "XDG_")
    ours = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    return {
        **ours,
        **_home(report.with_name("home")),
        "CHECK_REPORT": str(report),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",  # so that the log shows where a process died
        "PYTHONIOENCODING": "utf-8",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",  # so that the log has its last words
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # a card that others use has not all its memory to give
    }


def _home(folder: Path) -> dict[str, str]:
    """Make a home for the checks, so that no library leaves anything in the person's; return its variables.

    Keras writes a configuration where there is none. The person's counts where there is one: by KERAS_HOME,
    and as a copy for the releases that do not know this variable. NVIDIA's cache stays where it is, for what
    the driver compiles takes minutes, once.
    """
    person = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home would raise where there is none
    own, ours = Path(os.environ.get("KERAS_HOME") or person / ".keras"), folder / ".keras"
    ours.mkdir(parents=True)
    configured = (own / "keras.json").is_file()
    with suppress(OSError):  # it may be there and not be readable
        shutil.copyfile(own / "keras.json", ours / "keras.json")
    home = {"HOME": str(folder), "USERPROFILE": str(folder), "KERAS_HOME": str(own if configured else ours)}
    if os.environ.get("HOME"):
        home["CUDA_CACHE_PATH"] = os.environ.get("CUDA_CACHE_PATH") or str(person / ".nv" / "ComputeCache")
    return home


def _listen(run: _Run, process: subprocess.Popen[bytes], report: Path, expected: int) -> list[Outcome]:
    """Tell each outcome as it arrives; return those that came before the process or the time ended."""
    answers: list[Outcome] = []
    heard = 0
    while True:
        over = process.poll() is not None or time.monotonic() > run.deadline  # asked before the last look
        lines = _lines(report)
        _tell_progress(run, lines[heard:])
        heard = len(lines)
        for answer in _answers(lines)[len(answers) :]:
            run.tell(answer)
            answers.append(answer)
        if len(answers) == expected:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0, min(_FAREWELL, run.deadline - time.monotonic())))
        if over or len(answers) == expected:
            return answers
        time.sleep(_POLL)


def _tell_progress(run: _Run, lines: Sequence[_Line]) -> None:
    """Tell how far a long check is."""
    for line in lines:
        if line.detail and not line.status:
            run.tell_progress(line.check, line.detail)


def _lines(report: Path) -> list[_Line]:
    """Return what the report says so far; a line that is just being written waits for the next look."""
    lines = report.read_bytes().splitlines(keepends=True) if report.exists() else []
    return [msgspec.json.decode(line, type=_Line) for line in lines if line.endswith(b"\n")]


def _answers(lines: Sequence[_Line]) -> list[Outcome]:
    """Return the outcomes among the lines, each with what was measured before it."""
    measured = {line.check: line.training for line in lines if line.training}
    return [
        Outcome(end.check, end.status, end.detail, seconds=end.seconds, training=measured.get(end.check))
        for end in lines
        if end.status
    ]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process with all that it started, unless it has left already."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):  # it may be leaving just now
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


# ---------------------------------------------------------------- no answer


def _tell_silence(run: _Run, names: Sequence[str], status: int, seconds: float) -> None:
    """Tell why the first has no answer and, once the time is over, that the rest was not tried."""
    first, *others = names
    if time.monotonic() < run.deadline:
        run.tell(Outcome(first, "crashed", _death(status), seconds=seconds))
        return
    run.tell(Outcome(first, "crashed", f"no answer in {run.limit:g} s", seconds=seconds))
    for name in others:
        run.tell(Outcome(name, "skipped", f"not tried: the {run.limit:g} s for all checks were over"))


def _death(status: int) -> str:
    """Return what the exit status of a process says about its silence."""
    if said := _DEATHS.get(status):
        return f"the process died: {said}"
    full = shutil.disk_usage(gettempdir()).free < _ROOM
    why = f"; the disk of {gettempdir()} is full" if full else ""
    return f"the process ended with status {status} before it said what it found{why}"
