"""Roots of machines without any Python, to be lived in by chroot, and what they reach on the loopback."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bare_machine import REPOSITORY, pinned_uv
from tests.loopback_index import sha256
from tests.pythons import interpreters

CLONE = ("installers", "requirements", "tfup", "checks", "install.sh", "pyproject.toml")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
RELEASE = f"uv-{platform.machine()}-unknown-linux-musl"
# A private mount table ends with the command, so that nothing stays mounted whatever becomes of the test.
LIVE_IN = 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && exec chroot "$@"'


@dataclass
class Root:
    """A tree that a command can take for the whole machine; a clone of tfup lies in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    alone: bool = False
    """Without any network, not even a loopback."""

    def __post_init__(self) -> None:
        """Put the clone, a home and what leads to the network into the tree."""
        for name in ("proc", "dev", "tmp", "root", "etc", "clone"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in CLONE:
            source, target = REPOSITORY / name, self.folder / "clone" / name
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target, ignore=ignored) if source.is_dir() else shutil.copy(
                source, target
            )
        shutil.copy("/etc/resolv.conf", self.folder / "etc")
        if CERTIFICATES.exists():
            copy_to(self.folder, CERTIFICATES)
        own = {"PATH": "/usr/bin:/bin", "HOME": "/root", "SSL_CERT_FILE": str(CERTIFICATES)}
        self.environment = own | self.environment

    def run(self, *command: str, timeout: float = 1500, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the tree, with nothing of this machine's environment."""
        settings = [f"{name}={value}" for name, value in (self.environment | variables).items()]
        return subprocess.run(
            [
                "unshare",
                "--mount",
                *["--net"] * self.alone,
                "sh",
                "-c",
                LIVE_IN,
                "sh",
                self.folder,
                "env",
                "-i",
                *settings,
                *command,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def install(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run install.sh of the clone."""
        return self.run("/clone/install.sh", *arguments, **variables)


# ---------------------------------------------------------------- two kinds of roots


def debian(kept: Path) -> Path:
    """Return Debian's smallest system with curl, made once: no Python, no unzip; or skip with the reason."""
    root = kept / "debian"
    if not root.exists():
        new = kept / f"debian-{os.getpid()}"
        command = [*debootstrap(kept), "--variant=minbase", "--include=curl,ca-certificates"]
        run_or_skip(*command, debian_release(), str(new), debian_mirror())
        for folder in ("dev", "var/cache/apt"):  # whoever copies /dev/zero never ends
            shutil.rmtree(new / folder)
        new.rename(root)
    return root


def debootstrap(kept: Path) -> list[str]:
    """Return the command: as it is installed, or out of its package, which is then not installed."""
    if installed := shutil.which("debootstrap"):
        return [installed]
    place = unpacked("debootstrap", kept)
    return ["env", f"DEBOOTSTRAP_DIR={place}/usr/share/debootstrap", f"{place}/usr/sbin/debootstrap"]


def unpacked(package: str, kept: Path) -> Path:
    """Return a folder with what a package of Debian's holds, which is fetched and not installed."""
    place = kept / package
    if not place.exists():
        kept.mkdir(parents=True, exist_ok=True)
        run_or_skip("apt-get", "download", package, cwd=kept)
        run_or_skip("dpkg-deb", "--extract", str(next(kept.glob(f"{package}_*.deb"))), str(place))
    return place


def run_or_skip(*command: str, cwd: Path | None = None) -> None:
    """Run a command; what keeps it from ending well is the reason to skip."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on this machine")
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        pytest.skip(f"{command[0]}: {(done.stdout + done.stderr).strip()[-300:]}")


def debian_release() -> str:
    """Return the code name of this machine's Debian."""
    found = re.search(r"(?m)^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(encoding="utf-8"))
    return found[1] if found else pytest.skip("this machine is no Debian")


def debian_mirror() -> str:
    """Return the address that this machine's own packages come from."""
    folder = Path("/etc/apt")
    files = [*folder.glob("sources.list.d/debian.sources"), *folder.glob("sources.list")]
    found = (re.search(r"(?m)^(?:URIs:|deb) +(?:\[.*\] +)?(\S+)", file.read_text()) for file in files)
    return next((match[1] for match in found if match), None) or pytest.skip("apt has no source")


def busybox(folder: Path, kept: Path) -> Path:
    """Make a root with busybox, its applets, and the libraries that a Python of uv's would bring itself."""
    program = shutil.which("busybox") or next(unpacked("busybox", kept).glob("**/bin/busybox"))
    (folder / "bin").mkdir(parents=True)
    shutil.copy(program, folder / "bin/busybox")
    for applet in subprocess.run(
        [program, "--list"], check=True, capture_output=True, text=True
    ).stdout.split():
        if applet not in {"busybox", "xxd", "unzip"}:
            (folder / "bin" / applet).symlink_to("busybox")
    modules = base_python().parents[1].glob("lib/python3*/lib-dynload/*.so")
    needed = [module for module in modules if not re.match(r"_?(tkinter|curses|nis|readline)", module.name)]
    for library in libraries_of(Path(program), base_python(), *needed):
        copy_to(folder, library)
        if library.name == "libc.so.6":  # the C library has more files than one
            for part in ("libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"):
                copy_to(folder, library.with_name(part))
    return folder


def libraries_of(*programs: Path) -> set[Path]:
    """Return the libraries of this system that programs and modules load, and what loads them."""
    said = subprocess.run(["ldd", *programs], check=False, capture_output=True, text=True).stdout
    found = re.findall(r"(?m)(?:=> |^\t)(/\S+) \(", said)
    return {Path(path) for path in found if not Path(path).is_relative_to(base_python().parents[1])}


def copy_to(root: Path, file: Path) -> None:
    """Copy a file to the same place in a root."""
    target = root / file.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


# ---------------------------------------------------------------- what is served to them


def base_python() -> Path:
    """Return the real interpreter that stands in for those that uv fetches, fit for TensorFlow too."""
    return next(path for version, path in interpreters().items() if version.startswith("3.10.")).resolve()


def offer_python(served: Path, url: str) -> str:
    """Put an archive like those of uv's Pythons among what is served, and return the address of its list."""
    python, version = (
        base_python(),
        next(version for version in interpreters() if version.startswith("3.10.")),
    )
    tree, prefix = served / "python", python.parents[1]
    unneeded = shutil.ignore_patterns("__pycache__", "test", "tests", "*.a", "site-packages", "idlelib")
    shutil.copytree(prefix / "lib", tree / "lib", symlinks=True, ignore=unneeded)
    (tree / "lib/python3.10/site-packages").mkdir()
    (tree / "bin").mkdir()
    (tree / "bin/python3").symlink_to("python3.10")
    (tree / "bin/python3.10").write_bytes(movable(python.read_bytes(), prefix / "lib"))
    (tree / "bin/python3.10").chmod(0o755)
    archive = served / "python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(tree, "python")
    shutil.rmtree(tree)
    return offer_list(served, url, version, sha256(archive.read_bytes()))


def movable(program: bytes, libraries: Path) -> bytes:
    """Return a program that looks for its library beside itself; the new path is shorter than the old."""
    old = f"{libraries}\0".encode()
    return program.replace(old, b"$ORIGIN/../lib\0".ljust(len(old), b"\0"))


def offer_list(  # noqa: PLR0913, PLR0917 - what uv wants to know, each word once
    served: Path, url: str, version: str, digest: str, system: str = "linux", libc: str = "gnu"
) -> str:
    """Write what tells uv of the archive, and return its address."""
    numbers = dict(zip(("major", "minor", "patch"), map(int, version.split(".")), strict=True))
    entry = {
        "name": "cpython",
        "arch": {"family": platform.machine(), "variant": None},
        "os": system,
        "libc": libc,
        "prerelease": "",
        "variant": None,
        "build": "20990101",
        "url": f"{url}/python.tar.gz",
        "sha256": digest,
    }
    key = f"cpython-{version}-{system}-{platform.machine()}-{libc}"
    (served / "pythons.json").write_text(json.dumps({key: entry | numbers}), encoding="utf-8")
    return f"{url}/pythons.json"


def offer_wheels(served: Path) -> None:
    """Make an index of the real uv and of all that tfup is made of, with the hashes that are pinned."""
    files = served / "files"
    download("-r", REPOSITORY / "requirements/tfup.txt", to=files)
    download("-r", REPOSITORY / "requirements/uv.txt", musl(), to=files)
    for wheel in files.iterdir():
        folder = served / "simple" / wheel.name.split("-")[0].lower().replace("_", "-")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "index.html").open("a", encoding="utf-8") as page:
            page.write(f'<a href="/files/{wheel.name}">{wheel.name}</a>\n')


def offer_release(served: Path, root: Root) -> None:
    """Serve the real uv as its release page would, in an archive whose sum the root's clone is told."""
    sums = root.folder / "clone/installers/unix/uv-release.sha256"
    line = next(line for line in sums.read_text(encoding="utf-8").splitlines() if RELEASE in line)
    digest, name = line.split()
    download("-r", REPOSITORY / "requirements/uv.txt", musl(), to=served)
    with zipfile.ZipFile(next(served.glob("uv-*.whl"))) as wheel:
        program = wheel.read(f"uv-{pinned_uv()}.data/scripts/uv")
    archive = served / name
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        member = tarfile.TarInfo(f"{RELEASE}/uv")
        member.size = len(program)
        tar.addfile(member, io.BytesIO(program))
    sums.write_text(sums.read_text(encoding="utf-8").replace(digest, sha256(archive.read_bytes())))


def musl() -> str:
    """Return the option for wheels that run on any Linux."""
    return f"--platform=musllinux_1_1_{platform.machine()}"


def download(*arguments: str | Path, to: Path) -> None:
    """Fetch wheels from the person's index, with the pip of the Python that they are for."""
    command = [base_python(), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--require-hashes", "--dest", to, *arguments], check=True, timeout=300)
