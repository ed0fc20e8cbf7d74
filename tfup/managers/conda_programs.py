"""The programs that make conda environments: which one is here, and how each is told to make one.

All of them obey the person's own settings (channels, mirrors, proxies, certificates; in `.condarc`,
`config.toml` and variables), so that they are told nothing but the file, the folder, and to ask no questions.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfup.errors import InstallFailed, Need
from tfup.machine.tools import follow_shim, list_programs, list_usual
from tfup.managers import terminal, uv
from tfup.managers.conda_failures import explain
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.machine.probe import Probe
    from tfup.managers.uv import Mode

NAMES = ("conda", "mamba", "micromamba", "pixi")
"""In the order in which they are taken: the settings are conda's, and the others obey most of them."""
ANSWER_SECONDS = 30.0  # conda on a cold network disk takes its time
UNWANTED = re.compile(r"PYTHON.*|VIRTUAL_ENV.*|__PYVENV_LAUNCHER__")
ANSWERS = {
    # `conda env create` of some years has no --yes, but all obey this
    "CONDA_ALWAYS_YES": "true",
    "MAMBA_ALWAYS_YES": "true",
    # conda would offer to send its error reports home, and wait for an answer
    "CONDA_REPORT_ERRORS": "false",
}
WORKSPACE = Path(".pixi", "envs", "default")


class Program(NamedTuple):
    """A program that makes conda environments."""

    name: str
    path: str


# ---------------------------------------------------------------- which one


def find(probe: Probe, folder: Path) -> Program:
    """Return the first of the programs that is here and is what its name says; InstallFailed where none is.

    Others have the same names: the index of Python packages has a `mamba` that runs tests.
    """
    for program in candidates(probe, folder):
        if is_conda(probe.run(program.path, "info", "--json", timeout=ANSWER_SECONDS)):
            return program
    need = Need("conda", f"{', '.join(NAMES[:-1])} or {NAMES[-1]}, on the PATH or in its usual folder")
    sentence = "No program that makes conda environments is here; install one, or choose another manager."
    raise InstallFailed(sentence, (need,), "tfup install --manager pipenv")


def candidates(probe: Probe, folder: Path) -> Iterator[Program]:
    """Yield what has the name of one of the programs: first what the person's settings lead to."""
    for look in (list_programs, list_usual):
        for name in NAMES:
            paths = (follow_shim(probe, path, folder) for path in look(probe, name))
            yield from (Program(name, path) for path in paths if path)


def is_conda(information: str | None) -> bool:
    """Tell whether a program's answer to `info --json` is one of theirs: each names the platform.

    >>> is_conda('{"platform": "linux-64"}'), is_conda("mamba 0.11: no such file: info"), is_conda(None)
    (True, False, False)
    """
    try:
        answer = json.loads(information or "")
    except ValueError:
        return False
    return isinstance(answer, dict) and "platform" in answer


# ---------------------------------------------------------------- making an environment


def create(program: Program, prefix: Path, content: str, mode: Mode) -> None:
    """Make an environment from the text of an environment.yml without a part for pip; nothing is there yet.

    Raises what `conda_failures.explain` returns.
    """
    with uv.scratch() as folder:
        file = Path(folder, "environment.yml")  # the one name that every release of conda understands
        file.write_text(content, encoding="utf-8")
        if program.name == "pixi":
            create_workspace(program, prefix, file, mode)
        else:
            run(program, *create_words(program.name), "--prefix", prefix, "--file", file, mode=mode)


def create_words(name: str) -> tuple[str, ...]:
    """Return the subcommand that makes an environment from a file; micromamba's short one is the oldest.

    >>> create_words("mamba")
    ('env', 'create')
    """
    return ("create", "--yes") if name == "micromamba" else ("env", "create")


def create_workspace(pixi: Program, prefix: Path, file: Path, mode: Mode) -> None:
    """Make an environment with pixi, which has none at a given prefix: one in a workspace that is the prefix.

    Its parts are linked to where they are in every other environment.
    """
    run(pixi, "init", "--import", file, prefix, mode=mode._replace(offline=False))
    settings = prefix / ".pixi" / "config.toml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("detached-environments = false\n", encoding="utf-8")
    run(pixi, "install", "--manifest-path", prefix / "pixi.toml", mode=mode)
    for part in sorted((prefix / WORKSPACE).iterdir()):
        (prefix / part.name).symlink_to(WORKSPACE / part.name, target_is_directory=part.is_dir())


def run(program: Program, *words: str | Path, mode: Mode) -> None:
    """Run a program; live, its words and bars also pass to the terminal. What it said is kept in the log."""
    command = [program.path, *map(str, words), *mode.network]
    if mode.live and terminal.is_possible():
        code, said, complaints = terminal.execute(command, environment(), None)
    else:
        with uv.announced(mode._replace(patience=uv.SHORT_PATIENCE) if mode.live else mode, program.name):
            code, said, complaints = uv.execute(command, "", None, environment())
    uv.note(mode.log, command, said + complaints)
    if code != 0:
        log = str(mode.log) if mode.log else None
        text = said + complaints or f"exit status {code}, and no word"
        raise explain(text, program.name, offline=mode.offline, log=log)


def environment() -> dict[str, str]:
    """Return the person's variables, without those that would turn conda's own Python into another.

    What conda would ask is answered.
    """
    kept = {name: value for name, value in os.environ.items() if not UNWANTED.fullmatch(name)}
    return kept | ANSWERS


# ---------------------------------------------------------------- using it


def activation(name: str, prefix: Path) -> str:
    """Return the command that activates an environment at a prefix."""
    if name == "pixi":
        return typed("pixi", "shell", "--manifest-path", prefix / "pixi.toml")
    return typed(name, "activate", prefix)
