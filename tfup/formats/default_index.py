"""The index that is meant where none is named; no address is written down in tfup, so uv is asked."""

from __future__ import annotations

import re
import subprocess
from functools import cache

from tfup.errors import Bug
from tfup.formats.text import Source

DEFAULT = re.compile(r"default:\s+<(?P<url>[^>]+)>")


@cache
def default_index() -> Source:
    """Return the default index, named as Pipenv names it."""
    found = DEFAULT.search(help_of_uv())
    if found is None:
        sentence = "uv no longer says in its help which index is its default."
        raise Bug(sentence)
    return Source("pypi", found["url"])


def help_of_uv() -> str:
    """Return the page on which uv names its default index; 10 ms, without the network."""
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", "--help"]
    # An empty environment, for uv shows the person's own settings on this page, credentials too
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env={}).stdout
