"""Makes tfup-setup.exe from this clone: fetches uv.exe and our libraries by their hashes, and calls makensis.

The wheels come from the index that the person's settings name, for each Python that tfup may meet on Windows.
If TFUP_SIGN is set, it is a command that signs: called with the name of an .exe, it changes that file.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from tfup import __version__ as VERSION  # noqa: E402, N812 (the path comes first)
from tfup.folders import make_cache  # noqa: E402
from tfup.managers.index_settings import uv_environment  # noqa: E402

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SCRIPTS = ("start.bat", "make.bat", "find-uv.bat", "run.py", "fits.py", "sync.py")
EPOCH = 1580601600  # 2020-02-02, which hatchling writes into wheels, too
WINDOWS = {
    "os_name": "nt",
    "sys_platform": "win32",
    "platform_system": "Windows",
    "platform_machine": "AMD64",
}


def main(name: str = "tfup-setup.exe", *pythons: str) -> int:
    """Write the setup program and print its name, size and SHA-256; it serves these Pythons, or all."""
    output = Path(name)
    with TemporaryDirectory(prefix="tfup-setup-") as folder:
        payload = Path(folder, "payload")
        lay_out(payload, Path(folder), pythons or PYTHONS)
        settle_dates(payload)
        makensis(payload, output.absolute())
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    sys.stdout.write(f"{digest}  {output} ({output.stat().st_size:,} bytes)\n")
    return 0


def lay_out(payload: Path, scratch: Path, pythons: Sequence[str]) -> None:
    """Make the tree that is laid into the person's folder: a clone of little more than what starts tfup."""
    carried, requirements = payload / "carried", payload / "requirements"
    for folder in (carried, requirements, payload / "installers" / "windows"):
        folder.mkdir(parents=True)
    for name in SCRIPTS:
        shutil.copy(HERE / name, payload / "installers" / "windows")
    for file in (HERE / "prompt.bat", HERE / "tfup.bat", ROOT / "pyproject.toml"):
        shutil.copy(file, payload)
    pins = list(blocks((ROOT / "requirements" / "tfup.txt").read_text(encoding="utf-8")))
    unpack_uv(fetch([pin for pin in pins if name_of(pin) == "uv"], pythons[0], scratch / "uv"), carried)
    libraries = [pin for pin in pins if name_of(pin) != "uv"]
    for python in pythons:
        fetch(libraries, python, carried)
    wheel = build_wheel(carried)
    libraries.append(
        f"tfup=={VERSION} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    )
    (requirements / "tfup.txt").write_text("".join(libraries), encoding="utf-8")


def blocks(text: str) -> Iterator[str]:
    """Yield the requirements of a file, each with the lines of its hashes."""
    yield from re.findall(r"^\S.*\n(?:[ \t].*\n)*", text, re.MULTILINE)


def requirement(pin: str) -> Requirement:
    """Return a pin without its hashes."""
    return Requirement(pin.split("\\\n", 1)[0])


def name_of(pin: str) -> str:
    """Return the name of what is pinned."""
    return requirement(pin).name


def applies(pin: str, python: str) -> bool:
    """Tell whether a pin is meant for that Python on Windows."""
    marker = requirement(pin).marker
    facts = WINDOWS | {"python_version": python, "python_full_version": f"{python}.0"}
    return marker is None or marker.evaluate(facts)


def fetch(pins: list[str], python: str, target: Path) -> Path:
    """Fetch the wheels of pins for a Python on Windows, each checked against its hash; return the folder.

    pip knows the person's settings, and uv has pip; pip would evaluate markers for the Python that runs it.
    """
    target.mkdir(exist_ok=True)
    wanted = [re.sub(r" ; [^\\\n]*", " ", pin) for pin in pins if applies(pin, python)]
    file = target / "pins.txt"
    file.write_text("".join(wanted), encoding="utf-8")
    pip = ["uv", "run", "--quiet", "--no-project", "--with", "pip", "python", "-m", "pip", "download", "-qq"]
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--platform", "win_amd64"]
    tools = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(
        [*pip, *options, "--python-version", python, "--dest", str(target), "-r", str(file)],
        check=True,
        cwd=target,
        env=uv_environment(os.environ) | tools | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    file.unlink()
    return target


def unpack_uv(folder: Path, target: Path) -> None:
    """Take uv.exe alone out of its wheel."""
    with zipfile.ZipFile(next(folder.glob("uv-*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("/scripts/uv.exe"))
        (target / "uv.exe").write_bytes(wheel.read(name))


def build_wheel(target: Path) -> Path:
    """Build the wheel of tfup in this clone, with the dates of no day."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    variables = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)}
    subprocess.run(command, cwd=ROOT, check=True, env=variables, stdout=subprocess.DEVNULL)
    return next(target.glob("tfup-*.whl"))


def settle_dates(payload: Path) -> None:
    """Give all files one date, and each time the same order on the disk."""
    for path in sorted(payload.rglob("*")):
        os.utime(path, (EPOCH, EPOCH))


# ---------------------------------------------------------------- makensis


def makensis(payload: Path, output: Path) -> None:
    """Make the setup program, signed with its uninstaller where TFUP_SIGN says how."""
    program, variables = find_makensis()
    defined = {"VERSION": VERSION, "PAYLOAD": payload, "OUTPUT": output}
    options = [f"-D{name}={value}" for name, value in defined.items()]
    if sign := os.environ.get("TFUP_SIGN"):
        options.extend((f"-X!uninstfinalize '{sign} %1'", f"-X!finalize '{sign} %1'"))
    subprocess.run([program, "-V2", *options, HERE / "setup.nsi"], check=True, env=os.environ | variables)


def find_makensis() -> tuple[str, dict[str, str]]:
    """Return makensis and the variables that it needs: the installed one, else out of Debian's packages."""
    if installed := shutil.which("makensis"):
        return installed, {}
    place = make_cache(os.environ) / "nsis"
    if not place.exists():
        unpack_packages(place)
    return str(place / "usr/bin/makensis"), {"NSISDIR": str(place / "usr/share/nsis")}


def unpack_packages(place: Path) -> None:
    """Take Debian's packages of NSIS apart, which needs no root."""
    if shutil.which("apt-get") is None:
        sys.exit("makensis is not there: install NSIS 3.08 or newer")
    with TemporaryDirectory(dir=place.parent) as folder:
        subprocess.run(["apt-get", "download", "-q", "nsis", "nsis-common"], cwd=folder, check=True)
        for package in Path(folder).glob("*.deb"):
            subprocess.run(
                shlex.split(f"dpkg-deb --extract {shlex.quote(str(package))} new"), cwd=folder, check=True
            )
        Path(folder, "new").rename(place)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
