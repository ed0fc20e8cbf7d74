"""Environments for doctor: a real interpreter, and site-packages that are made of metadata and empty modules.

A package is unpacked as an installer would do it, or packed as a wheel that uv installs.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, NamedTuple

from tests.pythons import interpreters
from tfup.doctor.doctor import admit, diagnose
from tfup.model import Cpu, Machine, System

if TYPE_CHECKING:
    from pathlib import Path

    from tfup.doctor.doctor import Diagnosis
    from tfup.doctor.inspected import Patient

MODULES = {
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "keras-nightly": "keras",
    "tb-nightly": "tensorboard",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
}
"""The modules of packages whose names differ from them."""

MACHINE = Machine(
    system=System(os="linux", name="Debian", version="12", arch="x86_64", libc="glibc", libc_version="2.36"),
    cpu=Cpu(model="made up", features=("sse4_2", "avx", "avx2", "fma"), cores=2),
    memory_bytes=16_000_000_000,
    disk_free_bytes=50_000_000_000,
)


class Package(NamedTuple):
    """A package as its wheel tells."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    tag: str = "py3-none-any"

    @property
    def stem(self) -> str:
        """The name as records and wheels have it."""
        return f"{self.name.replace('-', '_')}-{self.version}"

    @property
    def module(self) -> str:
        """The module that it brings."""
        return MODULES.get(self.name, self.name.replace("-", "_"))

    def files(self) -> dict[str, str]:
        """Return the texts of all files, by their names in site-packages."""
        info = f"{self.stem}.dist-info"
        needs = "".join(f"Requires-Dist: {need}\n" for need in self.requires)
        found = {
            f"{self.module}/__init__.py": f"__version__ = '{self.version}'\n",
            f"{self.module}/core.py": f"owner = '{self.name}'\n",
            f"{info}/METADATA": f"Name: {self.name}\nVersion: {self.version}\n{needs}\nText.\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {self.tag}\n",
        }
        return found | {f"{info}/RECORD": "".join(f"{name},,\n" for name in (*found, f"{info}/RECORD"))}


class Era(NamedTuple):
    """A healthy set of packages, and the minor release of its Python."""

    python: str
    packages: tuple[Package, ...]

    def but(self, *others: Package, without: str = "") -> Era:
        """Return the set with these packages in place of those of the same names."""
        names = {other.name for other in others} | {without}
        return self._replace(packages=(*(one for one in self.packages if one.name not in names), *others))


def linux(python: str, abi: str = "") -> str:
    """Return the tag of a compiled wheel."""
    tag = "cp" + python.replace(".", "")
    return f"{tag}-{tag}{abi}-manylinux_2_17_x86_64"


OLD = Era(
    "3.7",
    (
        Package(
            "tensorflow",
            "1.15.5",
            ("numpy<1.19.0,>=1.16.0", "protobuf>=3.6.1", "tensorboard<1.16.0,>=1.15.0", "h5py<=2.10.0",
             "tensorflow-estimator==1.15.1", 'backports.weakref>=1.0rc1; python_version < "3.4"'),
            linux("3.7", "m"),
        ),
        Package("keras", "2.3.1", ("numpy>=1.9.1", "h5py")),
        Package("numpy", "1.18.5", tag=linux("3.7", "m")),
        Package("protobuf", "3.19.6"),
        Package("h5py", "2.10.0", ("numpy>=1.7",), linux("3.7", "m")),
        Package("tensorboard", "1.15.0", ("protobuf>=3.6.0", "setuptools>=41.0.0")),
        Package("tensorflow-estimator", "1.15.1"),
        Package("setuptools", "68.0.0"),
    ),
)  # fmt: skip
MIDDLE = Era(
    "3.10",
    (
        Package(
            "tensorflow",
            "2.10.1",
            ("numpy>=1.20", "protobuf<3.20,>=3.9.2", "keras<2.11,>=2.10.0", "gast<=0.4.0,>=0.2.1",
             "h5py>=2.9.0", "tensorboard<2.11,>=2.10",
             "tensorflow-estimator<2.11,>=2.10.0", "wrapt>=1.11.0", "setuptools"),
            linux("3.10"),
        ),
        Package("keras", "2.10.0"),
        Package("numpy", "1.26.4", tag=linux("3.10")),
        Package("protobuf", "3.19.6"),
        Package("gast", "0.4.0"),
        Package("h5py", "3.11.0", ("numpy>=1.17.3",), linux("3.10")),
        Package("wrapt", "1.16.0", tag=linux("3.10")),
        Package("tensorboard", "2.10.1", ("setuptools>=41.0.0",)),
        Package("tensorflow-estimator", "2.10.0"),
        Package("setuptools", "80.9.0"),
    ),
)  # fmt: skip
NEW = Era(
    "3.13",
    (
        Package(
            "tensorflow",
            "2.21.0",
            ("numpy>=1.26.0", "protobuf<8,>=6.31.1", "keras>=3.12.0", "h5py>=3.11.0",
             'nvidia-cudnn-cu12<10; extra == "and-cuda"'),
            linux("3.13"),
        ),
        Package("keras", "3.15.1", ("numpy", "h5py")),
        Package("numpy", "2.3.0", tag=linux("3.13")),
        Package("protobuf", "6.33.0", tag="cp39-abi3-manylinux2014_x86_64"),
        Package("h5py", "3.15.0", ("numpy>=1.21.2",), linux("3.13")),
        Package("setuptools", "84.0.0"),
    ),
)  # fmt: skip
ERAS = {"old": OLD, "middle": MIDDLE, "new": NEW}


def python_of(minor: str) -> Path:
    """Return an interpreter of this minor release; that this machine has none fails the test."""
    return next(path for version, path in interpreters().items() if version.startswith(f"{minor}."))


def make_environment(folder: Path, era: Era) -> Path:
    """Make DIR/.venv with these packages, as cheaply as Python allows, and return its site-packages."""
    root = folder / ".venv"
    place = root / "lib" / f"python{era.python}" / "site-packages"
    place.mkdir(parents=True)
    (root / "bin").mkdir()
    python = python_of(era.python)
    (root / "bin" / "python").symlink_to(python)
    (root / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    for package in era.packages:
        unpack(package, place)
    return place


def unpack(package: Package, place: Path) -> None:
    """Write the files of a package into site-packages."""
    for name, text in package.files().items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def pack(package: Package, folder: Path) -> Path:
    """Write a package as a wheel."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{package.stem}-{package.tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in package.files().items():
            archive.writestr(name, text)
    return path


class Case(NamedTuple):
    """An environment that a test makes ill: the folder, its packages, and what is around it."""

    folder: Path
    place: Path
    variables: dict[str, str]
    home: Path

    @property
    def keras_json(self) -> Path:
        """The person's keras.json."""
        return self.home / ".keras" / "keras.json"

    def patient(self, machine: Machine = MACHINE) -> Patient:
        """Return the environment as doctor takes it in."""
        return admit(self.folder, machine, {"HOME": str(self.home)} | self.variables)

    def look(self, machine: Machine = MACHINE) -> Diagnosis:
        """Return what doctor finds."""
        return diagnose(self.patient(machine))

    def ids(self, machine: Machine = MACHINE) -> list[str]:
        """Return the ids of what doctor finds."""
        return [finding.id for finding in self.look(machine).findings]


def make_case(folder: Path, era: Era) -> Case:
    """Return a healthy environment in a folder."""
    home = folder / "home"
    home.mkdir(parents=True)
    project = folder / "project"
    return Case(project, make_environment(project, era), {}, home)
