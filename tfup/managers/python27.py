"""The engine for Python 2.7, which uv does not know: an old virtualenv, and the pip 20.3 that it brings."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from tfup.errors import InstallFailed, Need, TfupError, WrongFile
from tfup.folders import make_cache
from tfup.managers import uv
from tfup.managers.failures import explain, no_answer, no_build, no_pins, unreachable
from tfup.managers.index_settings import pip_environment
from tfup.tables import DATA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfup.formats.requirements import Hashes
    from tfup.managers.failures import Kinds

OLDEST_OF_UV = (3, 6)
REQUIREMENTS = DATA / "builds" / "virtualenv.txt"
YANKED = re.compile(r"is a yanked version: '([\w.-]+)' candidate \(version (\S+) at")
QUIETLY = ("--disable-pip-version-check", "--no-input", "--quiet")
OPTIONS = ("--no-deps", "--require-hashes", "--no-build-isolation", *QUIETLY)
ODD = re.compile(r"['\\!\n]")
"""What single quotes do not hold in every shell."""
LAUNCHER = re.compile(rb"(?<=\A#!/bin/sh\n'''exec' ).+(?= \"\$0\" \"\$@\"\n' '''\n)", re.DOTALL)
"""The interpreter in a script whose first line would be too long for the system, or has a blank in it."""
SAID_LAST = 3  # lines of pip's that tell why it gave up


def is_legacy(python: str) -> bool:
    """Tell whether a Python is too old for uv.

    >>> is_legacy("2.7.18"), is_legacy("3.10")
    (True, False)
    """
    return tuple(map(int, python.split(".")[:2])) < OLDEST_OF_UV


def make_venv(python: str, folder: Path, mode: uv.Mode = uv.PLAIN) -> str:
    """Make an environment with the interpreter of that absolute path, and return the interpreter inside."""
    tool = virtualenv(mode)
    data = tool.parents[2] / "app-data"
    options = ("--quiet", "--no-download", "--no-periodic-update", "--app-data", data, "--python", python)
    few = ("--activators", "bash") if os.name == "posix" and ODD.search(os.path.realpath(folder)) else ()
    run(tool, "-m", "virtualenv", *options, *few, folder, mode=mode)
    quote_in_activation(folder)
    quote_in_launchers(folder)
    return uv.interpreter(folder)


def quote_in_activation(folder: Path) -> None:
    """Write the folder's name anew into what activates it: this virtualenv quotes none (CVE-2024-53899).

    The scripts of other shells hold a plain name well, and are left out where it is odd.
    """
    name = os.path.realpath(folder)
    for script in (*folder.glob("bin/activate"), *folder.glob("Scripts/activate")):
        replace(script, f"'{name}'", shlex.quote(name))
    for script in folder.glob("Scripts/activate.bat"):
        replace(script, name, name.replace("%", "%%"))


def replace(script: Path, old: str, new: str) -> None:
    """Write a script with other words in it."""
    script.write_bytes(script.read_bytes().replace(os.fsencode(old), os.fsencode(new)))


def quote_in_launchers(folder: Path) -> None:
    """Write the interpreter anew into the scripts that sh starts: this pip has it in double quotes."""
    python = os.fsencode(shlex.quote(uv.interpreter(folder)))
    for script in filter(Path.is_file, folder.glob("bin/*")):
        content = script.read_bytes()
        if LAUNCHER.search(content):
            script.write_bytes(LAUNCHER.sub(lambda _found: python, content))


def sync(
    python: str,
    requirements: Path,
    mode: uv.Mode = uv.PLAIN,
    *,
    wheels: Sequence[str] = (),
    where: Sequence[str | Path] = (),
) -> tuple[str, ...]:
    """Install exactly the pins into an environment, each file checked against its hash.

    `wheels` are the packages that must come as wheels. The tools that build the others are those of the
    environment, which virtualenv brought: nothing is fetched unpinned. The files are kept in our cache, for
    --offline and for the next time. `where` tells pip of another place, or to replace what is there.
    Returns the pins that the index has yanked.
    """
    kept = kept_files()
    only = ("--only-binary", ",".join(wheels)) if wheels else ()
    options = (*OPTIONS, *only, "--requirement", requirements)
    pip = partial(run, Path(python), "-m", "pip", mode=mode)

    def install() -> None:
        pip("install", "--no-index", "--find-links", kept, *where, *options)
        quote_in_launchers(Path(python).parents[1])

    if mode.offline:
        install()
        return ()
    with suppress(TfupError):  # the cache lacks a file: pip says so sooner than an index would answer
        install()
        return ()
    said = pip("download", "--dest", kept, *options)
    install()
    return tuple(f"{name}=={version}" for name, version in YANKED.findall(said))


def download(
    python: str, requirements: Sequence[str], options: Sequence[str | Path], mode: uv.Mode
) -> Hashes:
    """Return what pip makes of requirements: the pins, each with the hash of the wheel that was downloaded.

    The wheels are kept in our cache, where `sync` finds them.
    """
    with uv.scratch() as folder:
        words = (*QUIETLY, "--dest", folder, *options, *requirements)
        run(Path(python), "-m", "pip", "download", *words, mode=mode)
        return dict(map(keep, sorted(Path(folder).glob("*.whl"))))


def keep(wheel: Path) -> tuple[str, tuple[str, ...]]:
    """Move a wheel into our cache, and return its pin and its hash."""
    name, version, *_ = parse_wheel_filename(wheel.name)
    digest = sha256(wheel.read_bytes()).hexdigest()
    shutil.move(wheel, kept_files() / wheel.name)
    return f"{name}=={version}", (f"sha256:{digest}",)


def kept_files() -> Path:
    """Return the folder of our cache that keeps the files for old Pythons."""
    kept = make_cache(os.environ) / "wheels"
    kept.mkdir(exist_ok=True)
    return kept


def virtualenv(mode: uv.Mode) -> Path:
    """Return the interpreter that has virtualenv, in our cache; made when first needed."""
    digest = sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    home = make_cache(os.environ) / f"virtualenv-{digest}"
    if not (home / "made").exists():
        make_tool(home, mode)
    return Path(uv.interpreter(home))


def make_tool(home: Path, mode: uv.Mode) -> None:
    """Make the environment that has virtualenv: beside its place and under a lock, to survive a kill.

    Whoever comes second finds it made.
    """
    from filelock import FileLock

    with (
        FileLock(f"{home}.lock"),
        TemporaryDirectory(prefix="workshop-", dir=home.parent, ignore_cleanup_errors=True) as workshop,
    ):
        if (home / "made").exists():
            return
        new = Path(workshop, "new")
        uv.sync(uv.make_venv(sys.executable, new, mode), REQUIREMENTS, mode)
        (new / "made").touch()
        if os.path.lexists(home):  # half made by an older tfup
            home.rename(Path(workshop, "old"))
        new.rename(home)


def run(
    python: Path,
    *arguments: str | Path,
    mode: uv.Mode,
    cache: Path | None = None,
    constrained: bool = False,
) -> str:
    """Run a module of an interpreter and return what it said; raises the TfupError that explains a failure.

    pip says only to its log which index did not answer, and why. `cache` is a folder that it may use as its,
    `constrained` tells whether the person's constraints count.
    """
    command = [str(python), *map(str, arguments)]
    patient = mode._replace(patience=uv.SHORT_PATIENCE) if mode.live else mode
    with uv.scratch() as folder, uv.announced(patient, "pip"):
        log = Path(folder, "pip.txt")
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,  # the exit code is looked at below
            close_fds=False,  # the lock on the project is inherited: see transaction.locked
            encoding="utf-8",
            errors="replace",
            env=environment(cache, constrained=constrained)
            | {"PIP_LOG": str(log), "TMPDIR": folder},  # a killed pip leaves much
            stdin=subprocess.DEVNULL,
        )
        said = done.stdout + done.stderr + "".join(f"{reason}\n" for reason in reasons(log))
    uv.note(mode.log, command, said)
    if done.returncode:
        raise explain(said, str(mode.log) if mode.log else None, KINDS, unforeseen)
    return said


def reasons(log: Path) -> list[str]:
    """Return the lines of pip's log that tell why an index was of no help."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return re.findall(r"\b(Could not fetch URL .+ - skipping|Ignoring indexes: .*)$", text, re.MULTILINE)


def environment(cache: Path | None = None, *, constrained: bool = False) -> dict[str, str]:
    """Return the environment of a pip of 2020.

    Constraints say which version is chosen. Where all is pinned, this pip takes them for packages that it has
    to fetch, or misses their hashes.
    """
    known = pip_environment(os.environ)
    said = {
        # `sync` keeps the files themselves
        **({"PIP_CACHE_DIR": str(cache)} if cache else {"PIP_NO_CACHE_DIR": "1"}),
        "PYTHONNOUSERSITE": "1",
        "PYTHONWARNINGS": "ignore",  # pip says on every run that 2.7 has ended, as if that were news
    }
    none = {} if constrained else {"PIP_CONSTRAINT": os.devnull}
    return known | {name: value for name, value in said.items() if not known.get(name)} | none


# ---------------------------------------------------------------- what pip says when it fails


def other_file(_text: str, found: re.Match[str]) -> WrongFile:
    """Return the error for a file that is not the one that was pinned."""
    need = Need(found["pin"] or "package", "the pinned hash", "another one")
    sentence = "The index sent another file than the pinned one; it was not installed."
    return WrongFile(sentence, (need,), "TFUP_INDEX_URL=https://ADDRESS/simple tfup install")


def no_candidate(text: str, found: re.Match[str]) -> TfupError:
    """Return the error for a pin that no index gave: one that has it not, or one that did not answer."""
    unanswered = "\n".join(line for line in text.splitlines() if UNANSWERED.match(line))
    if unanswered:
        return no_answer(unanswered) or unreachable(unanswered, "no answer that pip understands")
    # pip's chain of who asks for it ends with the file that was typed
    whose = f", for {found['by'].split('->-')[0]}" if found["by"] else ""
    return no_pins((found["pin"],), (Need(found["pin"], f"a file of the index{whose}", None),))


def no_file(text: str, found: re.Match[str]) -> TfupError:
    """Return the error for a file that the index lists and does not give."""
    need = Need(found["pin"], "the file that the index lists", found["why"])
    gone = found["why"].startswith(("404", "410"))
    return no_pins((found["pin"],), (need,)) if gone else unreachable(text, found["why"])


def unforeseen(text: str) -> InstallFailed:
    """Return the error for what no rule knows: pip's last words."""
    last = [line.strip() for line in text.splitlines() if line.strip()][-SAID_LAST:]
    need = Need("pip", "an environment made from the pins", "\n".join(last) or "no word")
    return InstallFailed("pip could not make the environment.", (need,), "tfup doctor")


UNANSWERED = re.compile(r"Could not fetch URL \S+: (?!404 )|Ignoring indexes:")
KINDS: Kinds = (
    (r"HASHES FROM THE REQUIREMENTS FILE[^\n]*(\n\s+(?P<pin>\S+==\S+) from )?", other_file),
    (r"No matching distribution found for (?P<pin>\S+)( \(from (?P<by>[^-)][^)]*)\))?", no_candidate),
    (
        (
            r"Could not install requirement (?P<pin>\S+==\S+) from [^\n]*"
            r" HTTP error (?P<why>[^:\n]+(: [^:\n]+?)?) for url"
        ),
        no_file,
    ),
    (r"Failed building wheel for (?P<file>\S+)", no_build),
)
