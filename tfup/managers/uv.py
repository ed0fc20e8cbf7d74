"""The engine: uv makes environments, resolves, and fetches Pythons; it is called as a process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from tfup import tables
from tfup.errors import (
    IndexUnreachable,
    InstallFailed,
    Need,
    PinGone,
    TfupError,
    UnknownProject,
    Unresolvable,
    WrongFile,
)
from tfup.files import open_log, write_whole
from tfup.managers import terminal
from tfup.managers.failures import explain, no_pins
from tfup.managers.index_settings import uv_environment
from tfup.model import Wheel
from tfup.privacy import hide_credentials
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

NEUTRAL = Path(os.sep)  # not in a project of the person's: uv would obey the settings in its pyproject.toml
FURTHER_INDEXES = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
PIN = re.compile(r"^([\w.-]+)==", re.MULTILINE)
YANKED = re.compile(r"`([\w.-]+==[^`\s]+)`\s+is\s+yanked")
BUILDERS = tables.DATA / "builds" / "builders.txt"  # setuptools and wheel, for each Python
MANYLINUX = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)  # the minors of glibc 2 that uv (0.13) knows
SHORT_PATIENCE = 10.0  # seconds between two signs of life for who would see bars elsewhere
LONGEST_RESOLUTION = 1800.0  # seconds; uv gives up an answer after 30 s, but not one that comes by drops
PLATFORMS = {
    "macos_x86_64": "x86_64-apple-darwin",
    "macos_arm64": "aarch64-apple-darwin",
    "windows_amd64": "x86_64-pc-windows-msvc",
}


class Mode(NamedTuple):
    """How uv is run: with the network or without, where its words go, and whether its bars are shown."""

    offline: bool = False
    log: Path | None = None
    live: bool = False
    say: Callable[[str], None] | None = None
    """Hears once in `patience` seconds that uv is still at work, where no bars tell it."""
    patience: float = 60.0

    @property
    def network(self) -> list[str]:
        """The option that keeps uv off the network, if it must stay off."""
        return ["--offline"] * self.offline


class Target(NamedTuple):
    """A Python and a platform, neither of which need be here."""

    python: str
    """A minor or a full version."""
    platform: str
    """A family of the tables, such as linux_x86_64."""
    glibc: str | None = None
    """The oldest that the files may ask for; likewise `macos`."""
    macos: str | None = None


class Resolved(NamedTuple):
    """One package at one version, with the files that may be installed."""

    name: str
    version: str
    files: tuple[Wheel, ...]
    """Without sizes where the index gives none."""
    addresses: tuple[str, ...] = ()
    """Where the index has each of the files; nothing that is kept may hold them."""


PLAIN = Mode()


# ---------------------------------------------------------------- what uv does for us


def make_venv(python: str, folder: Path, mode: Mode = PLAIN) -> str:
    """Make an environment with the interpreter of that absolute path, and return the interpreter inside."""
    run(
        "venv", "--quiet", "--no-python-downloads", "--python", python, folder, mode=mode._replace(live=False)
    )
    return interpreter(folder)


def sync(
    python: str, requirements: Path, mode: Mode = PLAIN, *, wheels: Sequence[str] = ()
) -> tuple[str, ...]:
    """Install exactly the pins, each file checked against its hash; nothing is resolved.

    `wheels` are the packages that must come as wheels: building one runs a stranger's code. Returns the pins
    that the index has yanked (PEP 592): exact pins install all the same, and somebody should know.
    """
    built = set(PIN.findall(requirements.read_text(encoding="utf-8"))).difference(wheels)
    options = [*builders(built), *only("--only-binary", wheels), *link_mode(Path(python)), *of_conda(python)]
    command = ("pip", "sync", "--python", python, "--require-hashes", *options, str(requirements))
    said = None if mode.offline else from_cache(command, mode)
    if said is None:
        with pins_missed(requirements.read_text(encoding="utf-8")):
            said = fetch_pins(command, mode)
    return tuple(YANKED.findall(said))


@contextmanager
def pins_missed(requirements: str) -> Iterator[None]:
    """Turn what uv says of exact pins that the index lacks into PinGone."""
    try:
        yield
    except (UnknownProject, Unresolvable) as error:
        # Exact pins cannot contradict each other: the index lacks one.
        raise gone(error, requirements) from error
    except IndexUnreachable as error:
        # A page may still list a file that is no more.
        missing = gone(error, requirements)
        if missing.pins and "404" in str(error.needs):
            raise missing from error
        raise


def gone(error: TfupError, requirements: str) -> PinGone:
    """Return the error for pins that the index lacks; uv names the first that it missed."""
    found = " ".join(str(need.found) for need in error.needs)
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", requirements, re.MULTILINE)
    lacking = tuple(f"{name}=={version}" for name, version in pins if names_pin(found, name, version))
    return no_pins(lacking, error.needs, error.log)


def names_pin(text: str, name: str, version: str) -> bool:
    """Tell whether a text is the name of a pin, or has the pin or one of its files in it."""
    file = rf"/{re.escape(name).replace('-', '[-_.]')}-{re.escape(version)}[-.]"
    pin = rf"(?<!\S){re.escape(name)}=={re.escape(version)}(?!\S)"
    return text == name or bool(re.search(f"{pin}|(?i:{file})", text))


def fetch_pins(command: Sequence[str], mode: Mode) -> str:
    """Install pins from the person's indexes; without the further ones where those have other files.

    pip goes on to the next index then, uv does not; the hashes make it safe to look elsewhere. Returns what
    uv remarked.
    """
    try:
        return run(*command, *mode.network, mode=mode).remarks
    except WrongFile:
        if not any(uv_environment(os.environ).get(name) for name in FURTHER_INDEXES):
            raise
        own = dict.fromkeys(FURTHER_INDEXES, "")
        return run(*command, *mode.network, mode=mode, variables=own).remarks


def from_cache(command: Sequence[str], mode: Mode) -> str | None:
    """Install pins from the cache alone, if it has all: no index is asked whether its pages still are so.

    The pins and their hashes are. Where a file is missing, uv says so sooner than an index would answer.
    Returns what uv remarked, None where the cache was not enough.
    """
    try:
        return run(*command, "--offline", mode=Mode(offline=True, log=mode.log)).remarks
    except TfupError:
        return None


def resolve(  # noqa: PLR0913 - what uv can be told about a resolution, each word once
    requirements: Sequence[str],
    target: Target,
    mode: Mode = PLAIN,
    *,
    constraints: Sequence[str] = (),
    overrides: Sequence[str] = (),
    sdists: Sequence[str] = (),
    no_deps: bool = False,
) -> tuple[Resolved, ...]:
    """Return what the requirements come to on a target, each package with the files that may be installed.

    Only wheels count, except for the packages in `sdists`. Raises Unresolvable or IndexUnreachable.
    """
    with scratch() as folder:
        options = [
            *listed("--constraints", constraints, Path(folder, "constraints.txt")),
            *listed("--overrides", overrides, Path(folder, "overrides.txt")),
            *("--only-binary", ":all:", *only("--no-binary", sdists)),
            *builders(sdists),
            *["--no-deps"] * no_deps,
        ]
        resolved = compiled(requirements, target, mode, options)
    return with_wheels(resolved, sdists, target, mode)


def with_wheels(
    resolved: Sequence[Resolved], sdists: Sequence[str], target: Target, mode: Mode
) -> tuple[Resolved, ...]:
    """Return the packages with the wheels that uv passed over where it was allowed to build."""
    pins = [f"{package.name}=={package.version}" for package in resolved if package.name in sdists]
    options = ["--no-deps", *builders(sdists)]
    known = {package.name: package for package in compiled(pins, target, mode, options)} if pins else {}
    return tuple(known.get(package.name, package) for package in resolved)


def list_files(pins: Sequence[str], python: str, mode: Mode = PLAIN) -> tuple[Resolved, ...]:
    """Return exact pins with all their files, for every system and for that Python minor and newer ones.

    A resolution for one target leaves out some wheels that fit it, and which ones depends on uv's own Python.
    """
    flags = [*pylock_options(sys.executable, mode), "--universal", "--no-deps", "--python-version", python]
    return parse_pylock(
        run("pip", "compile", *flags, "-", mode=mode._replace(live=False), text="\n".join(pins)).answer
    )


def compiled(
    requirements: Sequence[str], target: Target, mode: Mode, options: Sequence[str | Path]
) -> tuple[Resolved, ...]:
    """Return what `uv pip compile` makes of requirements.

    Our own Python saves uv the search for one; it asks sdists for their needs, whatever Python is the target.
    """
    system = ("--python-version", target.python, "--python-platform", triple(target.platform, target.glibc))
    flags = [*pylock_options(sys.executable, mode), *system, *options]
    oldest = {"MACOSX_DEPLOYMENT_TARGET": target.macos} if target.macos else {}
    quiet = mode._replace(live=False)
    text, command = "\n".join(requirements), ("pip", "compile", *flags, "-")
    said = run(*command, mode=quiet, text=text, variables=oldest, timeout=LONGEST_RESOLUTION)
    return parse_pylock(said.answer)


def write_pylock(python: str, requirements: Path, output: Path, mode: Mode = PLAIN) -> None:
    """Write pylock.toml for pins that were just installed; its addresses are those that the cache holds."""
    from tfup.formats import MADE_BY

    offline = Mode(offline=True, log=mode.log)
    said = run("pip", "compile", "--no-deps", *pylock_options(python, offline), requirements, mode=offline)
    write_whole(output, f"# {MADE_BY}, by uv from the pins.\n{said.answer}".encode())


def obtain(version: str, mode: Mode = PLAIN) -> str:
    """Return the path of uv's own Python of that version, which is fetched if need be."""
    try:
        return find_managed(version, mode)
    except InstallFailed:
        fetch(version, mode)
        return find_managed(version, mode)


def find_managed(version: str, mode: Mode = PLAIN) -> str:
    """Return the path of a Python that uv fetched before; raises InstallFailed where there is none."""
    options = ("--managed-python", "--no-python-downloads", version)
    return run("python", "find", *options, mode=mode._replace(live=False)).answer.strip()


def fetch(version: str, mode: Mode = PLAIN) -> None:
    """Let uv fetch a Python into its own folder; nothing is linked onto the PATH."""
    try:
        run("python", "install", "--no-bin", *mode.network, version, mode=mode)
    except (IndexUnreachable, InstallFailed) as error:
        sentence = f"Python {version} could not be fetched."
        hint = "UV_PYTHON_INSTALL_MIRROR=https://ADDRESS tfup install"
        raise type(error)(sentence, error.needs, hint, log=error.log) from error


# ---------------------------------------------------------------- what uv is told


def pylock_options(python: str, mode: Mode) -> list[str]:
    """Return the options that make `uv pip compile` write a pylock.toml to stdout."""
    options = ["--format", "pylock.toml", "--generate-hashes", "--no-header", "--quiet", "--python", python]
    return [*options, *mode.network]


def builders(built: Collection[str]) -> list[str]:
    """Return the option that pins the tools which build sdists, each with its hashes.

    A stranger's sdist, which the person wished for, is built with what it names itself.
    """
    ours = {row.name for row in tables.load("builds/sdists.json", tables.SdistRow)}
    return ["--build-constraints", str(BUILDERS)] if built and ours.issuperset(built) else []


def parse_pylock(text: str) -> tuple[Resolved, ...]:
    """Return the packages of a pylock.toml."""
    import tomlkit

    return tuple(
        Resolved(
            package["name"],
            package["version"],
            tuple(map(file_of, distributions(package))),
            tuple(str(entry.get("url", "")) for entry in distributions(package)),
        )
        for package in tomlkit.parse(text).unwrap().get("packages", [])
    )


def distributions(package: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entries of all files of a package: wheels, the source, or an archive named by address."""
    return [*package.get("wheels", ()), *(package[kind] for kind in ("sdist", "archive") if kind in package)]


def file_of(entry: Mapping[str, Any]) -> Wheel:
    """Return a file of an index by its name and hash alone.

    >>> file_of({"url": "https://index.example/a/six-1-py3-none-any.whl#x", "hashes": {"sha256": "00"}}).file
    'six-1-py3-none-any.whl'
    """
    address = entry.get("name") or urlsplit(entry.get("url") or entry["path"]).path
    return Wheel(unquote(address.rpartition("/")[2]), entry["hashes"]["sha256"], entry.get("size"))


def triple(platform: str, glibc: str | None = None) -> str:
    """Return uv's name of a platform; Linux by the first manylinux that uv knows from a glibc on.

    A build made for glibc 2.27 is only found at uv's next step; what asks for more is then left out by
    its own tag, see `pin.resolve_for_oldest`.

    >>> triple("linux_x86_64", "2.27")
    'x86_64-manylinux_2_28'
    """
    if not platform.startswith("linux_"):
        return PLATFORMS[platform]
    minor = int((glibc or "2.28").split(".")[1])
    step = next((known for known in MANYLINUX if known >= minor), MANYLINUX[-1])
    return f"{platform.removeprefix('linux_')}-manylinux_2_{step}"


def listed(option: str, lines: Sequence[str], file: Path) -> tuple[str | Path, ...]:
    """Return the option that hands these lines to uv in a file, nothing where there are none."""
    if not lines:
        return ()
    file.write_text("\n".join(lines), encoding="utf-8")
    return (option, file)


@contextmanager
def scratch() -> Iterator[str]:
    """Yield a folder for the length of a block; InstallFailed where the system has no room for one."""
    try:
        with TemporaryDirectory(prefix="tfup-") as folder:
            yield folder
    except OSError as error:
        need = Need("temporary folder", "room for a small file", str(error))
        sentence = "The system's temporary folder cannot be used."
        raise InstallFailed(sentence, (need,), "TMPDIR=~ tfup install") from error


def only(option: str, names: Sequence[str]) -> list[str]:
    """Return an option once for each package."""
    return [word for name in names for word in (option, name)]


def of_conda(python: str) -> list[str]:
    """Return the option for a conda environment of ours: some conda marks each as its own, as systems do."""
    ours = any((folder / "conda-meta").is_dir() for folder in list(Path(python).parents)[:2])
    return ["--break-system-packages"] if ours else []


def link_mode(folder: Path) -> list[str]:
    """Return the option that spares a warning where the cache is on another disk, and links cannot be made.

    uv's own choice, links, is kept elsewhere, and what the person set always.
    """
    cached = Path(*own_cache().values()) if own_cache() else uv_cache()
    if os.environ.get("UV_LINK_MODE") or cached is None or device(cached) == device(folder):
        return []
    return ["--link-mode", "copy"]


def uv_cache() -> Path | None:
    """Return uv's cache folder, or None where only uv knows it."""
    known = {"UV_CACHE_DIR": "", "XDG_CACHE_HOME": "uv", "HOME": ".cache/uv", "LOCALAPPDATA": "uv/cache"}
    return next((Path(os.environ[name], rest) for name, rest in known.items() if os.environ.get(name)), None)


@cache
def own_cache() -> dict[str, str]:
    """Return the variable that names a cache in the temporary folder, for people whose home takes none.

    Such as a service, or a container that runs as any user. A cache that somebody named is theirs to mend.
    """
    if any(os.environ.get(name) for name in ("UV_CACHE_DIR", "XDG_CACHE_HOME", "UV_CONFIG_FILE")):
        return {}
    cached = uv_cache()
    if cached is None or may_be_written(cached):
        return {}
    from tfup.folders import private_folder

    own = private_folder()
    return {"UV_CACHE_DIR": str(own / "uv")} if own else {}


def may_be_written(folder: Path) -> bool:
    """Tell whether a folder takes files, or can be made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def device(path: Path) -> int:
    """Return the device that a path is on, or would be on once it is made."""
    return next(place.stat().st_dev for place in (path, *path.parents) if place.exists())


def interpreter(folder: Path) -> str:
    """Return the interpreter of an environment: of a venv or of conda on Windows, or of either elsewhere."""
    windows = (folder / "Scripts" / "python.exe", folder / "python.exe")
    return str(next((python for python in windows if python.exists()), folder / "bin" / "python"))


# ---------------------------------------------------------------- the process


class Said(NamedTuple):
    """What uv wrote: to stdout, and to stderr."""

    answer: str
    remarks: str


def run(
    *arguments: str | Path,
    mode: Mode = PLAIN,
    text: str = "",
    timeout: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> Said:
    """Run uv and return all that it wrote; live, its words and bars also pass to the terminal.

    `variables` are set for uv beside the person's.

    Raises the TfupError that explains a failure. What uv wrote is kept in the log, without credentials.
    """
    command = [find_uv(), *map(str, arguments)]
    further = own_cache() | dict(variables or {})
    if mode.live and terminal.is_possible():
        code, said, complaints = terminal.execute(command, uv_environment(os.environ) | further, timeout)
    else:
        with announced(mode._replace(patience=SHORT_PATIENCE) if mode.live else mode):
            code, said, complaints = execute(command, text, timeout, quiet_environment() | further)
    note(mode.log, command, complaints)
    if code != 0:
        raise explain(complaints, str(mode.log) if mode.log else None)
    return Said(said, complaints)


@contextmanager
def announced(mode: Mode, program: str = "uv") -> Iterator[None]:
    """Say now and then that a program is still at work: an index of a byte a second can keep it for ever."""
    say, over = mode.say, threading.Event()
    if say is None:  # most runs are quick, and nobody listens
        yield
        return

    def tell() -> None:
        start = time.monotonic()
        while not over.wait(mode.patience):
            say(f"{program} is still at work after {time.monotonic() - start:.0f} s; Ctrl-C puts all back")

    thread = threading.Thread(target=tell, name="announcer")
    try:
        thread.start()  # in here, for Ctrl-C may come while it starts, and it would go on for ever
        yield
    finally:
        over.set()
        if thread.is_alive():
            thread.join()


def execute(
    command: list[str], text: str, timeout: float | None, environment: dict[str, str]
) -> tuple[int, str, str]:
    """Run a command to its end, and return its exit code, stdout and stderr."""
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            check=False,  # the exit code is returned
            cwd=NEUTRAL,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=timeout,
            close_fds=False,  # uv inherits the lock on the project: see transaction.lock
        )
    except subprocess.TimeoutExpired:
        return 1, "", f"error: {Path(command[0]).stem} timed out after {timeout:.0f} s"
    except OSError as error:
        return 1, "", f"error: {Path(command[0]).stem} cannot be run: {error}"
    return done.returncode, done.stdout, done.stderr


def quiet_environment() -> dict[str, str]:
    """Return the environment of a uv that draws no bars, and breaks no lines for a narrow screen."""
    return uv_environment(os.environ) | {"UV_NO_PROGRESS": "1", "COLUMNS": "10000"}


def note(log: Path | None, command: Sequence[str], text: str) -> None:
    """Add a command and what it said to the log."""
    if log is None:
        return
    said = hide_credentials(f"$ {typed(*command)}\n{text}\n")
    with suppress(OSError), open_log(log) as stream:  # on a full disk the cause is told without the log
        stream.write(said.encode("utf-8", "backslashreplace"))


@cache
def find_uv() -> str:
    """Return the path of uv: the one installed with tfup, else what TFUP_UV names, else one on the PATH."""
    with suppress(ImportError, FileNotFoundError):
        from uv import find_uv_bin

        return os.fspath(find_uv_bin())
    found = os.environ.get("TFUP_UV") or shutil.which("uv")
    if found is None:
        need = Need("uv", "the program uv, which makes the environments")
        sentence = "uv is not there."
        raise InstallFailed(sentence, (need,), typed(sys.executable, "-m", "pip", "install", "uv"))
    return found
