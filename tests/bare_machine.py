"""A made-up machine with little on it, and an index that has what install.sh asks for."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
PROGRAMS = (
    *(
        "[",
        "awk",
        "cat",
        "chmod",
        "cksum",
        "cut",
        "echo",
        "env",
        "find",
        "grep",
        "gzip",
        "head",
        "id",
        "ln",
        "ls",
        "mkdir",
        "mktemp",
        "mv",
        "od",
    ),
    *("printf", "readlink", "rm", "sed", "sh", "sha256sum", "sleep", "tail", "tar", "tr", "uname", "wc"),
)

# Stands in for tfup: says how it was started.
CLI = """
import json, os, sys

def main():
    said = {"arguments": sys.argv[1:], "folder": os.getcwd(), "prefix": sys.prefix, "file": __file__}
    print(json.dumps(said))
    return int(os.environ.get("ANSWER", "0"))
"""

# Stands in for uv: notes what it is asked, and makes an environment from the Python that runs the tests.
UV = f"""#!/bin/sh
echo "$* index=${{UV_DEFAULT_INDEX:-}} certificates=${{SSL_CERT_FILE:-}} proxy=${{https_proxy:-}}" >>"$CALLS"
case $* in (*"${{REFUSES:-no such word}}"*) exit 2 ;; esac
[ "$1" != "${{FAILS:-}}" ] || {{ echo "$WORDS" >&2; exit 2; }}
case $1 in
    (--version) echo "uv ${{VERSION:-99.0.1}} (of the tests)" ;;
    (venv)
        mkdir -p new/bin
        ln -s '{sys.executable}' new/bin/python
        echo 'home = {Path(sys.base_prefix) / "bin"}' >new/pyvenv.cfg ;;
    (pip)
        sleep "${{PAUSE:-0}}"
        packages=new/lib/python3/site-packages
        mkdir -p $packages/library.dist-info
        echo pass >$packages/library.py
        printf '%s\\n' library.py,x,5 library.dist-info/RECORD,, >$packages/library.dist-info/RECORD ;;
esac
"""


def heed_interrupts() -> None:
    """Let Ctrl-C reach a child: what a shell starts in the background ignores it, and so would a child."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Machine:
    """A made-up machine: a clone, a PATH with little on it, and an empty home."""

    folder: Path
    name: str = "clone"
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Lay out the clone and the programs of a small system."""
        self.clone, self.bin = self.folder / self.name, self.folder / "bin"
        for part in ("installers", "requirements"):
            shutil.copytree(REPOSITORY / part, self.clone / part)
        for part in ("install.sh", "pyproject.toml"):
            shutil.copy(REPOSITORY / part, self.clone)
        write(self.clone / "tfup/cli.py", CLI)
        self.bin.mkdir()
        for program in PROGRAMS:
            self.link(program)
        self.environment = {
            "PATH": str(self.bin),
            "HOME": str(self.folder / "home"),
            "CALLS": str(self.folder / "calls"),
            "TFUP_UV_RELEASES": "http://127.0.0.1:9",
            **self.environment,
        }

    def link(self, program: str, name: str | None = None) -> None:
        """Put a program of this machine on the made-up one's PATH."""
        found = shutil.which(program)
        assert found, f"{program} is not on this machine"
        link = self.bin / (name or program)
        link.unlink(missing_ok=True)
        link.symlink_to(found)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start install.sh in the machine's folder."""
        return subprocess.Popen(
            [self.clone / "install.sh", *arguments],
            env=self.environment | variables,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,  # noqa: PLW1509 -- no threads here
        )

    def install(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run install.sh to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def calls(self) -> list[str]:
        """Read what uv was asked, without its version."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if not line.startswith("--version")]

    def cache(self) -> Path:
        """Name the folder that only tfup writes to."""
        return self.folder / "home/.cache/tfup"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def answer(result: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """Read what the stand-in for tfup said."""
    assert (0, "") == (
        result.returncode,
        result.stderr.replace("tfup: preparing what it needs itself (once)\n", ""),
    )
    said: dict[str, object] = json.loads(result.stdout)
    return said


def pinned_uv() -> str:
    """Read the version of uv that the repository pins."""
    return (REPOSITORY / "requirements/uv.txt").read_text().split()[0].removeprefix("uv==")


def make_wheel(folder: Path) -> Path:
    """Make a wheel of the stand-in for uv, as right as pip wants it."""
    version = pinned_uv()
    tag = f"py3-none-manylinux_2_17_{platform.machine()}.musllinux_1_1_{platform.machine()}"
    path = folder / f"uv-{version}-{tag}.whl"
    files = {
        "uv/__init__.py": "",
        f"uv-{version}.data/scripts/uv": UV,
        f"uv-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: uv\nVersion: {version}\n",
        f"uv-{version}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    record = f"uv-{version}.dist-info/RECORD"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(
            record, "".join(f"{name},{record_hash(text)}\n" for name, text in files.items()) + f"{record},,\n"
        )
    return path


def record_hash(text: str) -> str:
    """Say the hash and size of a file as a wheel's RECORD does."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(text.encode())}"


@contextmanager
def serve(folder: Path, credentials: str = "", asked: list[str] | None = None) -> Iterator[str]:
    """Serve a folder on the loopback, to everybody or to USER:PASSWORD alone; note what is `asked`."""
    wanted = "Basic " + base64.b64encode(credentials.encode()).decode()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def send_head(self) -> io.BytesIO | BinaryIO | None:
            """Send what everybody may see, or what the right person asks for."""
            if asked is not None and self.command == "GET":
                asked.append(self.path)
            if not credentials or self.headers.get("Authorization") == wanted:
                return super().send_head()
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic realm=index")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def index(
    machine: Machine, link: str = "../../files/{}", *, trusted: bool = True, credentials: str = ""
) -> Iterator[str]:
    """Serve an index that has the stand-in for uv; its hash is known to the clone if it is trusted."""
    files = machine.folder / "served/files"
    files.mkdir(parents=True)
    wheel = make_wheel(files)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if trusted:
        pins = machine.clone / "requirements/uv.txt"
        pins.write_text(pins.read_text().replace("\\\n", f"\\\n    --hash=sha256:{digest} \\\n", 1))
    with serve(machine.folder / "served", credentials) as url:
        href = link.format(wheel.name, url=url)
        page = f'<a href="{href}.metadata">x</a><a href="{href}#sha256={digest}" data-x="&gt;=3.8">uv</a>'
        write(machine.folder / "served/simple/uv/index.html", f"<html><body>{page}</body></html>")
        yield url + "/simple"


def python_with_pip() -> str:
    """Find a Python that has pip, as any development machine does."""
    candidates = [
        sys.executable,
        *Path(sys.base_prefix).glob("bin/python3"),
        *map(shutil.which, ("python3", "python")),
    ]
    for python in filter(None, candidates):
        if subprocess.run([python, "-c", "import pip"], check=False, capture_output=True).returncode == 0:
            return str(Path(python).absolute())
    pytest.fail("no Python with pip is on this machine")
