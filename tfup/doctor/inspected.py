"""What doctor looks at: an environment as it stands on the disk, and what surrounds it.

Nothing that is installed is imported here: packages are known by their metadata, and the only
program that runs is the environment's own Python with `inside.py`.
"""

from __future__ import annotations

import csv
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import MsgspecError, Struct, json
from msgspec.structs import replace
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tfup import tables
from tfup.machine.command import clean_environment, run_command
from tfup.managers import uv
from tfup.model import Environment
from tfup.pin import conflicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tfup.model import Machine

MARKER = "\ntfup-inside: "
INSIDE_SECONDS = 10.0
RECORDS = (".dist-info", ".egg-info")


class Inside(Struct, frozen=True):
    """What the environment's Python says of itself; `inside.py` asks."""

    executable: str
    version: str
    implementation: str
    bits: int
    free_threaded: bool
    machine: str
    system: str
    platform: str
    os_name: str
    prefix: str
    path: tuple[str, ...]
    user_site: str | None
    """The person's own packages, where this Python looks at them."""

    @property
    def minor(self) -> str:
        """The minor release, such as 3.10."""
        return ".".join(self.version.split(".")[:2])

    @property
    def markers(self) -> dict[str, str]:
        """The values of environment markers, as PEP 508 names them."""
        names = {"cpython": "CPython", "pypy": "PyPy"}
        return {
            "extra": "",
            "implementation_name": self.implementation,
            "implementation_version": self.version,
            "os_name": self.os_name,
            "platform_machine": self.machine,
            "platform_python_implementation": names.get(self.implementation, self.implementation),
            "platform_release": "",
            "platform_system": self.system,
            "platform_version": "",
            "python_full_version": self.version,
            "python_version": self.minor,
            "sys_platform": self.platform,
        }


class Distribution(NamedTuple):
    """An installed package, by its record in site-packages."""

    name: str
    """Canonical; likewise in `requires`."""
    version: str
    record: Path
    requires: tuple[Requirement, ...] = ()
    tags: tuple[str, ...] = ()
    """The tags of its wheel, such as cp310-cp310-linux_x86_64."""

    @property
    def place(self) -> Path:
        """The site-packages that it is in."""
        return self.record.parent

    def files(self) -> tuple[str, ...]:
        """Return the files that were installed, relative to the place; none where no list was kept."""
        try:
            text = (self.record / "RECORD").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ()
        return tuple(row[0] for row in csv.reader(text.splitlines()) if row)


@dataclass(frozen=True)
class Patient:
    """An environment, the project that it belongs to, and the machine and settings around both."""

    folder: Path
    """The project folder."""
    environment: Environment
    machine: Machine
    variables: Mapping[str, str]
    inside: Inside | None
    """None where the Python of the environment gives no answer."""

    @property
    def root(self) -> Path:
        """The folder of the environment."""
        return Path(self.environment.folder)

    @property
    def home(self) -> Path:
        """The person's home folder, as Python finds it."""
        named = self.variables.get("HOME") or self.variables.get("USERPROFILE")
        try:
            return Path(named) if named else Path.home()
        except RuntimeError:  # neither a variable nor the list of users knows it
            return Path.cwd()

    @property
    def is_ours(self) -> bool:
        """Whether the environment is the .venv of the project, which can be kept and brought back."""
        return self.root == self.folder / ".venv"

    @cached_property
    def places(self) -> tuple[Path, ...]:
        """The folders of installed packages, the first one found first; the person's own left out."""
        named = (
            [Path(folder) for folder in self.inside.path if folder != self.inside.user_site]
            if (self.inside)
            else [*self.root.glob("lib/python*/site-packages"), *self.root.glob("Lib/site-packages")]
        )
        return tuple(place for place in dict.fromkeys(named) if place.is_dir() and is_place(place))

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        """Everything that is installed, also what is there twice."""
        return tuple(found for place in self.places for found in read_place(place))

    @cached_property
    def packages(self) -> dict[str, Distribution]:
        """What Python would find of each package: the first one on its path."""
        return {found.name: found for found in reversed(self.distributions)}

    @cached_property
    def tensorflows(self) -> tuple[Distribution, ...]:
        """The packages that hold a TensorFlow, the newest first."""
        names = {*tables.projects(), *conflicts.others_that_fill("tensorflow")}
        found = [self.packages[name] for name in sorted(names) if name in self.packages]
        return tuple(sorted(found, key=lambda one: version_of(one.version), reverse=True))

    @property
    def tensorflow(self) -> Distribution | None:
        """The TensorFlow that counts."""
        return self.tensorflows[0] if self.tensorflows else None

    @property
    def keras(self) -> Distribution | None:
        """The Keras that `import keras` finds."""
        return next(
            (self.packages[name] for name in ("keras", "keras-nightly") if name in self.packages), None
        )

    def twin(self, project: str) -> Distribution | None:
        """The package that fills the folder which a project that is not here would fill."""
        return {"tensorflow": self.tensorflow, "keras": self.keras}.get(conflicts.folder_of(project) or "")


# ---------------------------------------------------------------- which environment


def choose_environment(folder: Path, variables: Mapping[str, str]) -> Environment:
    """Return the environment of a folder, else the active one, else the Python of the system."""
    own = (folder / ".venv", *([folder] if is_environment(folder) else []))
    active = (Path(variables[name]) for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if variables.get(name))
    for place in (*own, *active):
        if place.is_dir():
            manager = "conda" if (place / "conda-meta").is_dir() else "venv"
            return Environment(str(place), uv.interpreter(place), manager, made=False)
    python = shutil.which("python3", path=variables.get("PATH")) or shutil.which("python") or "python3"
    return Environment(str(Path(python).parent.parent), python, "system", made=False)


def is_environment(folder: Path) -> bool:
    """Tell whether a folder is an environment itself."""
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def ask(python: str, variables: Mapping[str, str]) -> Inside | None:
    """Return what an interpreter says of itself, None where it does not start or says nothing."""
    script = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
    said = run_command((python, "-c", script), clean_environment(variables), INSIDE_SECONDS)
    try:
        answer = json.decode((said or "").rpartition(MARKER)[2].partition("\n")[0], type=Inside)
    except MsgspecError:
        return None
    return replace(answer, user_site=None) if variables.get("PYTHONNOUSERSITE") else answer


# ---------------------------------------------------------------- what is installed


def is_place(folder: Path) -> bool:
    """Tell whether a folder of Python's path holds installed packages: the standard library does not."""
    return folder.name in {"site-packages", "dist-packages"}


def read_place(place: Path) -> Iterator[Distribution]:
    """Yield what is installed in a folder, as far as its metadata can be read."""
    for record in sorted(place.glob("[!~-]*-info")):
        found = read_distribution(record)
        if found:
            yield found


def read_distribution(record: Path) -> Distribution | None:
    """Return the package of a record, None where its metadata is gone or says neither name nor version."""
    if record.suffix not in RECORDS:
        return None
    headers = read_headers(record / "METADATA") or read_headers(record / "PKG-INFO") or read_headers(record)
    name, version = next(iter(headers.get("name", ())), ""), next(iter(headers.get("version", ())), "")
    if not name or not version:
        return None
    requires = tuple(parse_requirements(headers.get("requires-dist", ())))
    return Distribution(
        canonicalize_name(name),
        version,
        record,
        requires,
        tuple(read_headers(record / "WHEEL").get("tag", ())),
    )


def installer_of(one: Distribution) -> str | None:
    """Return the program that installed a package, None where it did not say."""
    try:
        return (one.record / "INSTALLER").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def read_headers(path: Path) -> dict[str, list[str]]:
    """Return the headers of a metadata file by their names in small letters; the text below is left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return {}
    headers: dict[str, list[str]] = {}
    for name, value in re.findall(r"^([\w-]+):[ \t]*(.*)$", text, re.MULTILINE):
        headers.setdefault(name.lower(), []).append(value.strip())
    return headers


def parse_requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    """Yield the requirements that can be read; setuptools of old wrote some that cannot."""
    for line in lines:
        with suppress(InvalidRequirement):
            yield Requirement(line)


def version_of(text: str) -> Version:
    """Return a version to compare by; what is none comes before all others.

    >>> version_of("2.21.0") > version_of("unknown")
    True
    """
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0.dev0")
