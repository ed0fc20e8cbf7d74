"""What conda's channels say of the packages that our files name: names, builds and dependencies as published.

Recorded in November 2026 from lock files and reports, for no channel could be asked; what these need beside
each other stands in, at the newest of the versions that are named as the oldest.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.version import Version

if TYPE_CHECKING:
    from pathlib import Path

LINUX, MAC, WINDOWS, ANY = "linux-64", "osx-arm64", "win-64", "noarch"
VIRTUAL = {
    LINUX: {"__glibc": "2.36", "__linux": "6.1", "__unix": "0"},
    MAC: {"__osx": "14.0", "__unix": "0"},
    WINDOWS: {"__win": "10.0.22631"},
}
"""What the solver takes each system to have."""

COMMON = (
    "bzip2 >=1.0.8,<2.0a0", "libexpat >=2.7.0,<3.0a0", "libffi >=3.4.6,<3.5.0a0", "liblzma >=5.8.1,<6.0a0",
    "libmpdec >=4.0.0,<5.0a0", "libsqlite >=3.50.1,<4.0a0", "libzlib >=1.3.1,<2.0a0",
    "openssl >=3.5.0,<4.0a0", "tk >=8.6.13,<8.7.0a0", "tzdata",
)  # fmt: skip
UNIX = (*COMMON, "ncurses >=6.5,<7.0a0", "readline >=8.2,<9.0a0")
SYSTEMS = {
    LINUX: (
        *UNIX,
        "__glibc >=2.17,<3.0.a0",
        "ld_impl_linux-64 >=2.36.1",
        "libgcc >=13",
        "libuuid >=2.38.1,<3.0a0",
    ),
    MAC: (*UNIX, "__osx >=11.0"),
    WINDOWS: (*COMMON, "ucrt >=10.0.20348.0", "vc >=14.2,<15", "vc14_runtime >=14.29.30139"),
}
OLD_TOOLKIT = ("libgcc-ng >=7.2.0", "libstdcxx-ng >=7.2.0")
TOOLKIT = ("__glibc >=2.17,<3.0.a0", "libgcc-ng >=12", "libstdcxx-ng >=12")


class Package(NamedTuple):
    """One package of a channel."""

    channel: str
    subdir: str
    file: str
    """NAME-VERSION-BUILD."""
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    track: str = ""


def pythons(subdir: str, build: str) -> list[Package]:
    """Return Pythons of conda-forge for a system: with the global lock, without it, and a newer one."""
    builds = {
        f"3.13.5-{build}_cp313": "cp313",
        "3.13.5-hfd29fff_2_cp313t": "cp313t",
        "3.14.0-0_cp314": "cp314",
    }
    needs = {tag: f"python_abi 3.{tag[3:5]}.* *_{tag}" for tag in builds.values()}
    return [
        Package("conda-forge", subdir, f"python-{file}", (*SYSTEMS[subdir], needs[tag]),
                track="py_freethreading" if tag.endswith("t") else "")
        for file, tag in builds.items()
    ]  # fmt: skip


PACKAGES = (
    *pythons(LINUX, "hec9711d_102"), *pythons(MAC, "h81fe080_101"), *pythons(WINDOWS, "h261c0b1_101"),
    Package("conda-forge", ANY, "python_abi-3.13-8_cp313", (), ("python 3.13.* *_cp313",)),
    Package("conda-forge", ANY, "python_abi-3.13-8_cp313t", (), ("python 3.13.* *_cp313t",)),
    Package("conda-forge", ANY, "python_abi-3.14-8_cp314", (), ("python 3.14.* *_cp314",)),
    *(Package("conda-forge", LINUX, f"python-{version}-h0_0_cpython", ("__glibc >=2.17,<3.0.a0", "tzdata"))
      for version in ("2.7.18", "3.5.5", "3.6.15", "3.7.12", "3.8.20", "3.9.23", "3.10.18", "3.11.13")),
    *(Package(channel, LINUX, f"python-{version}-h0_0", ("libgcc-ng >=7.3.0",))
      for channel in ("defaults", "anaconda")
      for version in ("2.7.18", "3.5.6", "3.6.13", "3.7.16", "3.8.20")),
    Package("conda-forge", ANY, "pip-25.1.1-pyh8b19718_0", ("python >=3.9,<3.13.0a0", "setuptools", "wheel")),
    Package("conda-forge", ANY, "pip-25.1.1-pyh145f28c_0", ("python >=3.13.0a0",)),
    Package("conda-forge", ANY, "pip-20.1.1-pyh9f0ad1d_0", ("python", "setuptools", "wheel")),
    *(Package(channel, LINUX, "pip-10.0.1-py0_0", ("python", "setuptools", "wheel"))
      for channel in ("defaults", "anaconda")),
    # The channel anaconda has what pkgs/free had, and pkgs/main.
    Package("anaconda", LINUX, "cudatoolkit-8.0-3"),
    Package("anaconda", LINUX, "cudnn-5.1.10-cuda8.0_0", ("cudatoolkit 8.0*",)),
    Package("anaconda", LINUX, "cudnn-6.0.21-cuda7.5_0", ("cudatoolkit 7.5*",)),
    Package("anaconda", LINUX, "cudnn-6.0.21-cuda8.0_0", ("cudatoolkit 8.0*",)),
    Package("anaconda", LINUX, "cudnn-7.0.5-cuda8.0_0", ("cudatoolkit 8.0*",)),
    Package("defaults", LINUX, "cudatoolkit-9.0-h13b8566_0", OLD_TOOLKIT),
    Package("defaults", LINUX, "cudatoolkit-10.0.130-0"),
    Package("defaults", LINUX, "cudatoolkit-10.1.243-h6bb024c_0"),
    Package("defaults", LINUX, "cudatoolkit-11.8.0-h6a678d5_0", OLD_TOOLKIT),
    *(Package("defaults", LINUX, f"cudnn-7.6.5-cuda{cuda}_0", (f"cudatoolkit {cuda}.*",))
      for cuda in ("9.0", "10.0", "10.1")),
    Package("defaults", LINUX, "cudnn-8.9.2.26-cuda11_0", ("cudatoolkit 11.*",)),
    *(Package("conda-forge", LINUX, f"cudatoolkit-{build}", TOOLKIT, ("__cuda >=11",))
      for build in ("11.0.3-h88f8997_11", "11.2.2-hbe64b41_11", "11.8.0-h4ba93d1_13")),
    *(Package("conda-forge", LINUX, f"cudnn-{build}", (f"cudatoolkit {cuda}", "libgcc-ng >=9.4.0"))
      for build, cuda in (("8.0.5.39-hc0a50b0_1", "11.0|11.0.*"), ("8.1.0.77-h90431f1_0", "11.*"),
                          ("8.8.0.121-h0800d71_0", "11.*"))),
    Package("conda-forge", LINUX, "cudnn-8.9.7.29-hcdd5f01_2",
            ("cuda-version >=11.0,<12.0a0", "cudatoolkit 11.*")),
    Package("conda-forge", ANY, "cuda-version-11.8-h70ddcb2_3", (),
            ("__cuda >=11", "cudatoolkit 11.8|11.8.*")),
)  # fmt: skip


def write(folder: Path) -> None:
    """Write what each channel tells of its packages, and of stand-ins for what they need beside them."""
    packages = [*PACKAGES, *stand_ins()]
    for channel in {package.channel for package in packages}:
        for subdir in (*VIRTUAL, ANY):
            here = [package for package in packages if (package.channel, package.subdir) == (channel, subdir)]
            records = {f"{package.file}.tar.bz2": record(package) for package in here}
            place = folder / channel / subdir / "repodata.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps({"info": {"subdir": subdir}, "packages": records}), encoding="utf-8")


def stand_ins() -> list[Package]:
    """Return one version of each package that is needed and not recorded."""
    recorded = {package.file.rsplit("-", 2)[0] for package in PACKAGES}
    versions: dict[str, str] = {}
    for spec in (spec for package in PACKAGES for spec in package.depends if not spec.startswith("__")):
        name = spec.split()[0]
        versions[name] = max(oldest(spec), versions.get(name, "0"), key=Version)
    return [
        Package(channel, ANY, f"{name}-{version}-0")
        for channel in ("conda-forge", "defaults", "anaconda")
        for name, version in versions.items()
        if name not in recorded
    ]


def oldest(spec: str) -> str:
    """Return the lower bound of a dependency."""
    found = re.search(r">=([\d.]+)", spec)
    return found[1] if found else "1.0"


def record(package: Package) -> dict[str, Any]:
    """Return an entry of repodata.json."""
    name, version, build = package.file.rsplit("-", 2)
    number = re.search(r"(?:_|^)(\d+)(?:_|$)", build)
    content = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": int(number[1]) if number else 0,
        "depends": package.depends,
        "constrains": package.constrains,
        "subdir": package.subdir,
        "sha256": "0" * 64,
        "timestamp": 1_700_000_000_000,
    }
    return content | ({"track_features": package.track} if package.track else {})
