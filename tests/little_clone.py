"""A clone of tfup whose tables know two tiny TensorFlows, which a loopback index serves.

The program is the real one, file for file; only the facts differ, and five of the seven checks: so a whole
`tfup install` takes a second, and its faults can be made as often as a test likes.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests import loopback_index, running
from tfup.check.runner import GPU_CHECKS
from tfup.model import Pin
from tfup.pin.files import lock_digest
from tfup.tables import DATA, render, wheel_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class System(NamedTuple):
    """A system as the tables and as the names of wheels call it."""

    family: str
    platform: str


HERE = System(f"linux_{platform.machine()}", f"manylinux_2_17_{platform.machine()}")
WINDOWS = System("windows_amd64", "win_amd64")
TAGS = ("cp310", "cp311", "cp312", "cp313")
RELEASES = ("98.0.0", "99.0.0")
KERAS = "3.99.0"
BESIDE = ("heavy==1.0", "sunny==1.0")
TENSORFLOW = """
__version__ = "{}"

class Context(object):
    def __enter__(self): return self
    def __exit__(self, *error): return None
    def as_default(self): return self
    def run(self, fetched): return fetched.encode("utf-8")

Graph = Session = Context
constant = lambda text: text
"""
BACKEND = """
import shutil, zipfile

def build_wheel(folder, config=None, metadata=None):
    name = "mossy-1.0-py3-none-any.whl"
    files = {"METADATA": "Metadata-Version: 2.2\\nName: mossy\\nVersion: 1.0\\n", "RECORD": "",
             "WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("mossy.py", "")
        for file, text in files.items():
            wheel.writestr("mossy-1.0.dist-info/" + file, text)
    return name
"""
UNTRIED = "matrix_product", "keras_backend", "keras_fit", "save_and_load", *GPU_CHECKS
SKIPPING = "import reporting\n\n\ndef {}():\n    raise reporting.Skip('too small for this')\n"


class Clone(NamedTuple):
    """A clone, a person's home, and an index that answers in a manner."""

    folder: Path
    home: Path
    address: str

    @property
    def launcher(self) -> Path:
        """The program."""
        return self.folder / "installers" / "start.py"

    def environment(self, manner: str = "good") -> dict[str, str]:
        """Return the variables of a person with that one index."""
        bare = loopback_index.bare_environment(str(self.home), f"http://{self.address}/{manner}/simple")
        pythons = os.pathsep.join((os.path.join(sys.base_prefix, "bin"), bare.pop("PATH")))  # noqa: PTH118
        del bare["PYTHONPATH"]
        return bare | {"PATH": pythons, "LANG": "C.UTF-8", "PYENV_ROOT": str(self.home)}

    def run(
        self,
        *words: str | Path,
        cwd: Path,
        manner: str = "good",
        under: Sequence[str | Path] = (),
        **variables: str,
    ) -> running.Run:
        """Run a command of the clone, `under` a program that makes a fault."""
        variables = self.environment(manner) | variables
        return running.run([*under, *self.command(*words)], cwd, variables)

    def start(self, *words: str | Path, cwd: Path, manner: str = "good") -> subprocess.Popen[str]:
        """Start a command of the clone."""
        return subprocess.Popen(
            self.command(*words),
            cwd=cwd,
            env=self.environment(manner),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *words: str | Path) -> list[str | Path]:
        """Return the command line."""
        return [sys.executable, "-I", self.launcher, *words]


@contextmanager
def cloned(folder: Path, system: System = HERE) -> Iterator[Clone]:
    """Make a clone and serve its index for a while; its TensorFlow is for this system, or another."""
    wheels = [wheel for release in RELEASES for wheel in tensorflow_wheels(release, system)]
    loopback_index.WHEELS.update([*wheels, loopback_index.wheel("keras", KERAS), sdist()])
    clone, home = folder / "clone", folder / "home"
    home.mkdir(parents=True)
    shutil.copytree(
        running.ROOT / "tfup", clone / "tfup", ignore=shutil.ignore_patterns("data", "__pycache__")
    )
    shutil.copytree(running.ROOT / "checks", clone / "checks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(running.ROOT / "installers", clone / "installers")
    for name in UNTRIED:
        (clone / "checks" / f"{name}.py").write_text(SKIPPING.format(name), encoding="utf-8")
    write_tables(clone / "tfup" / "data", system)
    with loopback_index.serving() as address:
        yield Clone(clone, home, address)


def tensorflow_wheels(release: str, system: System) -> list[tuple[str, bytes]]:
    """Return the wheels of a release: the same bytes for each Python."""
    _, content = loopback_index.wheel("tensorflow", release, content=TENSORFLOW.format(release))
    return [(wheel_name("tensorflow", release, tag, tag, system.platform), content) for tag in TAGS]


def sdist() -> tuple[str, bytes]:
    """Return a source archive, of a package without a wheel, that builds itself."""
    files = {
        "PKG-INFO": "Metadata-Version: 2.2\nName: mossy\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": BACKEND,
    }
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"mossy-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return "mossy-1.0.tar.gz", target.getvalue()


def write_tables(data: Path, system: System) -> None:
    """Write the tables of the clone: two releases with their locks, and the rules of the real ones."""
    shutil.copytree(
        DATA, data, ignore=shutil.ignore_patterns("locks", "builds.json", "files.json", "proofs.json")
    )
    tables = {
        "builds/builds": [build_row(release, system) for release in RELEASES],
        "builds/files": files_rows(),
        "proofs/proofs": [],
    }
    tables |= {f"locks/tensorflow/{release}": lock_rows(release, system) for release in RELEASES}
    for name, rows in tables.items():
        (data / f"{name}.json").parent.mkdir(parents=True, exist_ok=True)
        (data / f"{name}.json").write_text(render({}, rows), encoding="utf-8")


def build_row(release: str, system: System) -> dict[str, object]:
    """Return the row of a release in builds.json."""
    wheels = [[*name.removesuffix(".whl").split("-")[2:], loopback_index.sha256(content), len(content)]
              for name, content in tensorflow_wheels(release, system)]  # fmt: skip
    return {"project": "tensorflow", "version": release, "family": system.family, "wheels": wheels}


def files_rows() -> list[dict[str, object]]:
    """Return the rows of files.json for what goes beside."""
    names = {pin: f"{pin.replace('==', '-')}-{loopback_index.TAG}.whl" for pin in BESIDE}
    wheels = loopback_index.WHEELS
    return [{"pin": pin, "files": [[name, loopback_index.sha256(wheels[name]), len(wheels[name])]]}
            for pin, name in names.items()]  # fmt: skip


def lock_rows(release: str, system: System) -> list[dict[str, object]]:
    """Return the locks of a release, one for each Python."""
    pins = [*BESIDE, f"tensorflow=={release}"]
    digest = lock_digest(Pin(*pin.split("=="), ()) for pin in pins)  # type: ignore[arg-type]
    return [{"python_tag": tag, "family": system.family, "digest": digest, "pins": pins} for tag in TAGS]
