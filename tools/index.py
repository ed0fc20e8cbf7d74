"""Read the pages of the package index for what uv cannot list: files for Pythons that it does not know.

The address is the person's, or uv's default, asked at run time; none is kept.
"""

from __future__ import annotations

import os
from functools import cache
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin
from urllib.request import Request, urlopen

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from tfup.managers.default_index import default_index
from tfup.managers.index_settings import uv_environment
from tfup.model import Wheel

SECONDS = 60


class Link(NamedTuple):
    """A link of a page, and whether the file was withdrawn."""

    address: str
    yanked: bool


class Page(HTMLParser):
    """The links of a page of the simple index (PEP 503; `data-yanked` is of PEP 592)."""

    def __init__(self) -> None:
        """Start without links."""
        super().__init__()
        self.links: list[Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a link."""
        attributes = dict(attrs)
        address = attributes.get("href")
        if tag == "a" and address:
            self.links.append(Link(address, "data-yanked" in attributes))


class Listed(NamedTuple):
    """A file of the index, and where it is."""

    file: Wheel
    address: str
    yanked: bool = False


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
    links = (link._replace(address=urljoin(address, link.address)) for link in page.links)
    return tuple(filter(None, map(listed_file, links)))


def listed_file(link: Link) -> Listed | None:
    """Return the file of a link; None for one without a sha256."""
    address, fragment = urldefrag(link.address)
    algorithm, _, digest = fragment.partition("=")
    if algorithm != "sha256":
        return None
    return Listed(Wheel(unquote(address.rpartition("/")[2]), digest), address, link.yanked)


def size_of(listed: Listed) -> int:
    """Return the bytes of a file, asked of the place where it is."""
    question = Request(listed.address, method="HEAD")  # noqa: S310 -- the person's own index
    with urlopen(question, timeout=SECONDS) as answer:  # noqa: S310 -- likewise
        return int(answer.headers["Content-Length"])


def version_in(name: str, file: str) -> Version | None:
    """Return the version in a file's name; None for a kind of file that nobody installs any more.

    The sdists of old days have names that the standard does not allow: functools32-3.2.3-2.tar.gz.
    """
    stem = file.removesuffix(".tar.gz").removesuffix(".zip")
    try:
        return parse_wheel_filename(file)[1] if file.endswith(".whl") else Version(stem[len(name) + 1 :])
    except (InvalidWheelFilename, InvalidVersion):
        return None
