"""install.sh obeys the person's settings, keeps their passwords to itself, and fails in the one form."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import signal
import tarfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.bare_machine import (
    REPOSITORY,
    UV,
    Machine,
    answer,
    index,
    make_wheel,
    pinned_uv,
    python_with_pip,
    serve,
    write,
)
from tfup.managers.index_settings import uv_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TELLING = 'echo "$UV_DEFAULT_INDEX|$UV_INDEX|$UV_FIND_LINKS|$UV_INDEX_STRATEGY|$SSL_CERT_FILE" >"$CALLS.told"'
TOLD = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_INDEX_STRATEGY", "SSL_CERT_FILE")
PASSWORD = "s3cret-of-joe"


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """Make a machine without uv, Python, curl or wget."""
    return Machine(tmp_path)


# ---------------------------------------------------------------- what uv is told

PIP_CONF = """\
# of the company
[global]
index_url = https://one.index.example/simple
[install]
extra-index-url =
    https://two.index.example/simple
    # and
    file:///no/such/folder
    https://three.index.example/simple
find-links = {folder}/wheels
    /no/such/folder
cert: /etc/company.pem
[list]
index-url = https://list.index.example/simple
"""


@pytest.mark.parametrize(
    ("variables", "uv_toml"),
    [
        ({}, ""),
        ({"PIP_CONFIG_FILE": "/dev/null"}, ""),
        (
            {"PIP_INDEX_URL": "https://pip.index.example/simple", "PIP_EXTRA_INDEX_URL": "https://a.example"},
            "",
        ),
        ({"UV_INDEX": "https://uv.index.example/simple", "SSL_CERT_FILE": "/etc/mine.pem"}, ""),
        ({"UV_DEFAULT_INDEX": "https://uv.index.example/simple", "UV_INDEX_STRATEGY": "first-index"}, ""),
        ({"TFUP_INDEX_URL": "https://tfup.index.example/simple", "UV_INDEX_STRATEGY": "first-index"}, ""),
        ({}, '[[index]]\nurl = "https://toml.index.example/simple"\n'),
        ({}, 'extra-index-url = ["https://toml.index.example/simple"]\n'),
        ({"UV_NO_CONFIG": "1"}, 'index-url = "https://toml.index.example/simple"\n'),
        ({}, "offline = false\n"),
    ],
)
def test_the_bootstrap_and_tfup_tell_uv_the_same(
    bare: Machine, variables: dict[str, str], uv_toml: str
) -> None:
    """What the shell makes of the person's settings is what managers/settings.py makes of them."""
    write(bare.bin / "uv", UV.replace("case $1", f"{TELLING}\ncase $1", 1), 0o755)
    (bare.folder / "wheels").mkdir()
    write(bare.folder / "home/.config/pip/pip.conf", PIP_CONF.format(folder=bare.folder))
    write(bare.folder / "home/.config/uv/uv.toml", uv_toml)

    answer(bare.install(**variables))

    expected = uv_environment(bare.environment | variables)
    told = (bare.folder / "calls.told").read_text().strip().split("|")
    assert [expected.get(name, "") for name in TOLD] == told


# ---------------------------------------------------------------- where uv comes from


def test_uv_comes_from_a_folder_of_wheels(bare: Machine) -> None:
    """Without any network, find-links to a folder on a stick is enough."""
    wheels = bare.folder / "stick"
    wheels.mkdir()
    trust(bare, make_wheel(wheels))

    answer(bare.install(PIP_FIND_LINKS=f"/no/such/folder {wheels}"))

    assert UV == (bare.cache() / f"uv-{pinned_uv()}").read_text()


def trust(machine: Machine, wheel: Path) -> None:
    """Let the clone know the hash of a wheel."""
    pins = machine.clone / "requirements/uv.txt"
    pins.write_text(f"{pins.read_text()} --hash=sha256:{sha256(wheel)}\n")


def sha256(path: Path) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("place", ["extra", "links", "uv.toml"])
def test_uv_comes_from_any_place_that_the_settings_name(bare: Machine, place: str) -> None:
    """The first index need not have uv: further ones, pages with links and those of uv.toml are asked too."""
    bare.link("curl")
    with index(bare) as url:
        texts = {
            "extra": (
                "pip/pip.conf",
                f"[global]\nindex-url = {url}/no\nextra-index-url =\n  {url}/not\n  {url}\n",
            ),
            "links": ("pip/pip.conf", f"[global]\nindex-url = {url}/no\nfind-links = {url}/uv/\n"),
            "uv.toml": ("uv/uv.toml", f'[[index]]\nname = "own"\nurl = "{url}"\n'),
        }
        file, text = texts[place]
        write(bare.folder / "home/.config" / file, text)

        answer(bare.install())

    assert UV == (bare.cache() / f"uv-{pinned_uv()}").read_text()


@contextmanager
def release(machine: Machine, *, trusted: bool = True) -> Iterator[str]:
    """Serve a release page that has the stand-in for uv, in an archive as uv's are made."""
    name = f"uv-{platform.machine()}-unknown-linux-musl"
    sums = machine.clone / "installers/unix/uv-release.sha256"
    line = next(line for line in sums.read_text().splitlines() if name in line)
    archive = machine.folder / "served" / line.split()[1]
    archive.parent.mkdir(parents=True)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for member, text in ((f"{name}/uvx", "no"), (f"{name}/uv", UV)):
            entry = tarfile.TarInfo(member)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    archive.write_bytes(gzip.compress(content.getvalue()))
    if trusted:
        sums.write_text(sums.read_text().replace(line.split()[0], sha256(archive)))
    with serve(machine.folder / "served") as url:
        yield url


@pytest.mark.parametrize("downloader", ["curl", "wget"])
def test_uv_comes_from_its_release_page_where_no_index_is_named(bare: Machine, downloader: str) -> None:
    """A machine without a Python and without settings gets uv's official archive."""
    bare.link(downloader)

    with release(bare) as url:
        answer(bare.install(TFUP_UV_RELEASES=url))

    assert UV == (bare.cache() / f"uv-{pinned_uv()}").read_text()


def test_an_archive_with_another_sum_is_not_unpacked(bare: Machine) -> None:
    """The sum in the repository decides what is run."""
    bare.link("curl")

    with release(bare, trusted=False) as url:
        result = bare.install(TFUP_UV_RELEASES=url)

    assert 4 == result.returncode
    assert "  release  needs sha256 " in result.stderr
    assert [] == list(bare.cache().glob("uv*"))


# ---------------------------------------------------------------- passwords


@pytest.mark.parametrize("link", ["../../files/{}", "/files/{}", "{url}/files/{}"])
@pytest.mark.parametrize("downloader", ["curl", "wget", "pip"])
def test_a_password_reaches_the_index_and_no_file(bare: Machine, downloader: str, link: str) -> None:
    """An index that wants a password gives uv, and nothing that was printed or written has that password."""
    if downloader == "pip":
        (bare.bin / "python3").symlink_to(python_with_pip())
    else:
        bare.link(downloader)
    settings = bare.folder / "home/.config/pip/pip.conf"

    with index(bare, link, credentials=f"joe:{PASSWORD}") as url:
        write(settings, f"[global]\nindex-url = {url.replace('//', f'//joe:{PASSWORD}@')}\n")
        result = bare.install()
        (bare.folder / "calls").unlink()  # where the stand-in for uv notes what it was told

    answer(result)
    assert [settings] == holding(PASSWORD, bare.folder)


@pytest.mark.parametrize("downloader", ["curl", "wget", "pip"])
def test_a_password_may_stand_in_netrc(bare: Machine, downloader: str) -> None:
    """Name and password need not be in the address."""
    if downloader == "pip":
        (bare.bin / "python3").symlink_to(python_with_pip())
    else:
        bare.link(downloader)
    write(bare.folder / "home/.netrc", f"machine 127.0.0.1 login joe password {PASSWORD}\n", 0o600)

    with index(bare, credentials=f"joe:{PASSWORD}") as url:
        answer(bare.install(PIP_INDEX_URL=url))


@pytest.mark.parametrize("downloader", ["curl", "wget", "pip"])
def test_a_wrong_password_is_not_repeated(bare: Machine, downloader: str) -> None:
    """An index that refuses is told of without what was refused; the log has no password either."""
    if downloader == "pip":
        (bare.bin / "python3").symlink_to(python_with_pip())
    else:
        bare.link(downloader)

    with index(bare, credentials="joe:another") as url:
        result = bare.install(TFUP_INDEX_URL=url.replace("//", f"//joe:{PASSWORD}@"))

    assert 0 != result.returncode
    assert PASSWORD not in result.stdout + result.stderr
    assert [] == holding(PASSWORD, bare.folder)


def holding(secret: str, folder: Path) -> list[Path]:
    """Return the files below a folder that have a text in them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if secret.encode() in path.read_bytes()]


# ---------------------------------------------------------------- the form of errors


def error_of(out: str) -> dict[str, Any]:
    """Return the error of a document that the published schema admits."""
    document = json.loads(out)
    jsonschema.validate(document, json.loads((REPOSITORY / "tfup/data/schemas/error.json").read_text()))
    error: dict[str, Any] = document["error"]
    return error


def test_json_gets_the_error_as_a_document(bare: Machine) -> None:
    """With --json anywhere among the arguments, stdout has the document of every other error."""
    result = bare.install("plan", "--json")

    assert {
        "reference": "no-uv",
        "sentence": "uv, which installs everything for tfup, could not be had.",
        "needs": {
            "uv": "0.9 or newer on PATH",
            "python": "3.8 or newer, with pip",
            "index": "an address in TFUP_INDEX_URL or pip.conf",
            "release": "curl or wget",
        },
        "found": {"uv": None, "python": None, "index": None, "release": None},
        "hint": "TFUP_INDEX_URL=ADDRESS ./install.sh  (your package index; or install uv: "
        "https://github.com/astral-sh/uv/releases)",
        "exit_code": result.returncode,
        "log": None,
    } == error_of(result.stdout)
    assert "error" not in result.stderr


def test_json_names_the_log(bare: Machine) -> None:
    """What uv said is in the log that the document names, and what came to be is no longer needed."""
    write(bare.bin / "uv", UV, 0o755)

    error = error_of(bare.install("--json", FAILS="venv", WORDS="dns error").stdout)

    assert ("no-python", 5, {"python": ">=3.10"}) == (error["reference"], error["exit_code"], error["needs"])
    assert [error["log"]] == [str(log) for log in bare.cache().glob("*.log")]


@pytest.mark.parametrize("name", ['it\'s "quoted"', "back\\slash", "new\nline", "汉字 🙂"])
def test_json_holds_any_path(tmp_path: Path, name: str) -> None:
    """A path is in the document as it is, whatever characters are in it."""
    machine = Machine(tmp_path)
    blocked = tmp_path / name
    blocked.write_text("")

    error = error_of(machine.install("--json", TFUP_CACHE_DIR=str(blocked)).stdout)

    assert {"folder": str(blocked)} == error["found"]


def test_json_tells_of_an_interruption(bare: Machine) -> None:
    """Ctrl-C during the first start is an error like any other."""
    write(bare.bin / "uv", UV, 0o755)
    process = bare.start("--json", PAUSE="1")
    while not (bare.folder / "calls").exists() or len(bare.calls()) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)

    assert ("interrupted", 6) == (error_of(out)["reference"], process.returncode)
