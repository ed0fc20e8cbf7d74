"""Ask the package index what files it has, and open a wheel there without fetching all of it.

The address is the person's, or uv's default, asked at run time; none is kept. Any index will do.
"""

from __future__ import annotations

import os
import ssl
from contextlib import contextmanager
from functools import cache
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZipFile

import requests
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from pypi_simple import PyPISimple
from remotezip import PartialBuffer, RemoteFetcher, RemoteZip, RemoteZipError

from tfup.managers.default_index import default_index
from tfup.managers.index_settings import uv_environment
from tfup.model import Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

SECONDS = 60
RETRIES = 3
PART = 1 << 22  # bytes taken at once


class Listed(NamedTuple):
    """A file of the index, and where it is."""

    file: Wheel
    address: str
    yanked: bool = False
    size: int | None = None
    """Its bytes, where the page tells them."""


def files_of(name: str, version: str) -> list[Listed]:
    """Return the files of a release, wheels and sdist, with their hashes."""
    wanted = Version(version)
    return [
        listed for listed in page_of(canonicalize_name(name)) if version_in(name, listed.file.file) == wanted
    ]


def page_of(name: str) -> tuple[Listed, ...]:
    """Return all files of a project that have a sha256."""
    settings = uv_environment(os.environ)
    index = settings.get("UV_DEFAULT_INDEX") or settings.get("UV_INDEX_URL") or default_index().url
    return read_page(index, name)


@cache
def read_page(index: str, name: str) -> tuple[Listed, ...]:
    """Return the files that the page of a project lists."""
    page = PyPISimple(index, session=session()).get_project_page(name, timeout=SECONDS)
    files = sorted(page.packages, key=lambda file: file.filename)  # each index has its own order
    return tuple(
        Listed(Wheel(file.filename, file.digests["sha256"]), file.url, file.is_yanked, file.size)
        for file in files
        if "sha256" in file.digests
    )


@cache
def session() -> requests.Session:
    """Return what asks, with the certificates that the person trusts."""
    asking = requests.Session()
    asking.verify = (
        uv_environment(os.environ).get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or True
    )
    asking.mount("https://", requests.adapters.HTTPAdapter(max_retries=RETRIES))
    return asking


def size_of(listed: Listed) -> int:
    """Return the bytes of a file, asked of the place where it is if the page does not tell."""
    if listed.size is not None:
        return listed.size
    answer = session().head(listed.address, timeout=SECONDS, allow_redirects=True)
    answer.raise_for_status()
    return int(answer.headers["Content-Length"])


class AtOnce(RemoteFetcher):  # type: ignore[misc]  # a library without types
    """Fetches a member of a wheel before it is unpacked: who reads slowly may lose the connection."""

    def fetch(self, data_range: tuple[int, int | None], stream: bool = False) -> PartialBuffer:  # noqa: ARG002, FBT001, FBT002 -- as it is called
        """Fetch a part of the wheel into memory."""
        return super().fetch(data_range)


@contextmanager
def opened(address: str, *, at_once: bool = False) -> Iterator[ZipFile]:
    """Open a wheel: the parts that are read are fetched, or all of it where the index gives no parts."""
    fetcher = AtOnce if at_once else RemoteFetcher
    try:
        archive: ZipFile = RemoteZip(address, session=session(), fetcher=fetcher, timeout=SECONDS)
    except RemoteZipError:
        with TemporaryFile() as file, ZipFile(fetch(address, file)) as archive:
            yield archive
    else:
        with archive:
            yield archive


def fetch(address: str, file: BinaryIO) -> BinaryIO:
    """Fetch a whole file, and return it."""
    with session().get(address, stream=True, timeout=SECONDS) as answer:
        answer.raise_for_status()
        file.writelines(answer.iter_content(PART))
    return file


def version_in(name: str, file: str) -> Version | None:
    """Return the version in a file's name; None for a kind of file that nobody installs any more.

    The sdists of old days have names that the standard does not allow: functools32-3.2.3-2.tar.gz.
    """
    stem = file.removesuffix(".tar.gz").removesuffix(".zip")
    try:
        return parse_wheel_filename(file)[1] if file.endswith(".whl") else Version(stem[len(name) + 1 :])
    except (InvalidWheelFilename, InvalidVersion):
        return None
