"""A package index on the loopback with tiny wheels, which also answers as badly as real ones do."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
import zipfile
from base64 import b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


TAG = "py2.py3-none-any"


def wheel(name: str, version: str, *, content: str = "", requires: str = "") -> tuple[str, bytes]:
    """Return the file name and the bytes of a wheel with one module."""
    record = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    members = {
        f"{name}.py": content or f"version = {version!r}\n",
        f"{record}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{record}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {TAG}\n",
    }
    members[f"{record}/RECORD"] = "".join(f"{member},,\n" for member in [*members, f"{record}/RECORD"])
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for member, text in members.items():
            archive.writestr(zipfile.ZipInfo(member), text)
    return f"{name}-{version}-{TAG}.whl", target.getvalue()


WHEELS = dict(
    [
        wheel("sunny", "1.0"),
        wheel("sunny", "2.0"),
        wheel("rainy", "1.0", requires="sunny==1.0"),
        wheel("heavy", "1.0", content="#" * 100_000),
    ]
)


def sha256(content: bytes) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(content).hexdigest()


def pin(name: str, version: str, digest: str | None = None) -> str:
    """Return the line of a requirements file that pins a wheel of the index."""
    return f"{name}=={version} --hash=sha256:{digest or sha256(WHEELS[f'{name}-{version}-{TAG}.whl'])}\n"


def strangers(file: str) -> bytes:
    """Return a wheel of somebody else's by the name of one of ours."""
    name, version, *_ = file.split("-")
    return wheel(name, version, content="evil = True\n")[1]


CREDENTIALS = "joe:s3cret-of-joe"
"""What the manner `locked` wants to hear."""


class Handler(BaseHTTPRequestHandler):
    """Answers `/MANNER/simple/NAME/`, where the manner is good, or a way to be bad."""

    asked: ClassVar[list[str]] = []
    end: ClassVar[threading.Event] = threading.Event()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer in the manner that the address names."""
        self.asked.append(self.headers.get("Authorization", ""))
        manner, name = self.path.split("/")[1], self.path.rstrip("/").rpartition("/")[2]
        if manner.isdigit():
            self.send_error(int(manner))
        elif manner == "locked" and self.asked[-1] != f"Basic {b64encode(CREDENTIALS.encode()).decode()}":
            self.ask_who_it_is()
        elif manner == "html":
            self.send(b"<html><body>Welcome to our hotel</body></html>")
        elif manner == "slow":
            self.end.wait(20)
        elif manner == "gone" and name in WHEELS:
            self.send_error(404)
        elif name in WHEELS:
            self.send_file(manner, name)
        else:
            self.send_page(manner, name)

    def ask_who_it_is(self) -> None:
        """Refuse whoever has not said the right name and password."""
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic realm=index")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, manner: str, name: str) -> None:
        """Send a wheel: whole, cut in the middle, or another one; the page of `stranger` has its hash."""
        content = strangers(name) if manner in {"stranger", "swapped"} else WHEELS[name]
        length = len(content)
        if manner == "half":
            content = content[: length // 2]
        elif manner == "other":
            content = wheel("sunny", "1.0", content="evil = True\n")[1]
            length = len(content)
        if manner == "parts":
            self.send_part(content)
        else:
            self.send(content, length)

    def send_part(self, content: bytes) -> None:
        """Send the bytes that were asked for: from the first to the last, or the last ones."""
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(content) - int(last))
        end = min(int(last) + 1, len(content)) if first and last else len(content)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self.wfile.write(content[start:end])

    def send_page(self, manner: str, name: str) -> None:
        """Send the page of a project, or half of it."""
        ours = (item for item in WHEELS.items() if item[0].split("-")[0].replace("_", "-") == name)
        sent = ((file, strangers(file) if manner == "stranger" else content) for file, content in ours)
        files = {file: sha256(content) for file, content in sent}
        mark = ' data-yanked="broken &quot;twice&quot;"' if manner == "yanked" else ""
        links = (f'<a href="{file}#sha256={digest}"{mark}>{file}</a>' for file, digest in files.items())
        page = f"<html><body>{''.join(links)}</body></html>".encode()
        if not files:
            self.send_error(404)
        else:
            self.send(page[:20] if manner == "cut" else page, len(page))

    def send(self, content: bytes, length: int | None = None) -> None:
        """Send content that claims to have a length."""
        self.send_response(200)
        self.send_header(
            "Content-Type", "text/html" if content.startswith(b"<") else "application/octet-stream"
        )
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def do_HEAD(self) -> None:
        """Answer as to GET: uv asks for the size of a wheel before it reads parts of it."""
        self.do_GET()


@contextmanager
def serving() -> Iterator[str]:
    """Serve on a free port, and yield the address to put a manner behind."""
    Handler.end.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        Handler.end.set()
        server.shutdown()
        server.server_close()
        thread.join()


def bare_environment(home: str, index: str) -> dict[str, str]:
    """Return variables of a person with one index and no settings, for uv and for a child of ours."""
    return {
        "HOME": home,
        "PATH": os.environ["PATH"],
        "PIP_CONFIG_FILE": os.devnull,
        "UV_CACHE_DIR": f"{home}/uv-cache",
        "UV_DEFAULT_INDEX": index,
        "UV_HTTP_RETRIES": "0",
        "UV_HTTP_TIMEOUT": "2",
        "UV_NO_CONFIG": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def be_a_person(monkeypatch: pytest.MonkeyPatch, home: str, index: str) -> None:
    """Give this process an empty home and one index, and none of the settings of this machine."""
    for name in os.environ:
        if name.startswith(("UV_", "PIP_", "XDG_", "TFUP_", "SSL_")):
            monkeypatch.delenv(name)
    variables = bare_environment(home, index)
    for name in variables.keys() - {"PATH", "PYTHONPATH"}:
        monkeypatch.setenv(name, variables[name])
