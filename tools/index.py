"""Read the pages of the package index for what uv cannot list: files for Pythons that it does not know.

The address is the person's, or uv's default, asked at run time; none is kept.
"""

from __future__ import annotations

import os
from functools import cache
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin
from urllib.request import urlopen

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from tfup.formats.default_index import default_index
from tfup.managers.settings import uv_environment
from tfup.model import Wheel

SECONDS = 60


class Page(HTMLParser):
    """The links of a page of the simple index."""

    def __init__(self) -> None:
        """Start without links."""
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the address of a link."""
        address = dict(attrs).get("href")
        if tag == "a" and address:
            self.links.append(address)


class Listed(NamedTuple):
    """A file of the index, and where it is."""

    file: Wheel
    address: str


def files_of(name: str, version: str) -> list[Listed]:
    """Return the files of a release, wheels and sdist, with their hashes."""
    wanted = Version(version)
    return [
        listed for listed in page_of(canonicalize_name(name)) if version_in(name, listed.file.file) == wanted
    ]


@cache
def page_of(name: str) -> tuple[Listed, ...]:
    """Return all files of a project."""
    settings = uv_environment(os.environ)
    index = settings.get("UV_DEFAULT_INDEX") or settings.get("UV_INDEX_URL") or default_index().url
    address = f"{index.rstrip('/')}/{name}/"
    with urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 -- the person's own index
        page = Page()
        page.feed(answer.read().decode())
    return tuple(filter(None, (listed_file(urljoin(address, link)) for link in page.links)))


def listed_file(link: str) -> Listed | None:
    """Return the file of a link; None for one without a sha256."""
    address, fragment = urldefrag(link)
    algorithm, _, digest = fragment.partition("=")
    return Listed(Wheel(address.rpartition("/")[2], digest), address) if algorithm == "sha256" else None


def version_in(name: str, file: str) -> Version | None:
    """Return the version in a file's name; None for a kind of file that nobody installs any more.

    The sdists of old days have names that the standard does not allow: functools32-3.2.3-2.tar.gz.
    """
    stem = file.removesuffix(".tar.gz").removesuffix(".zip")
    try:
        return parse_wheel_filename(file)[1] if file.endswith(".whl") else Version(stem[len(name) + 1 :])
    except (InvalidWheelFilename, InvalidVersion):
        return None
