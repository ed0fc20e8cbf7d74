"""The index that is meant where none is named; no address is written down in tfup, so uv is asked."""

from __future__ import annotations

import os
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
    from tfup.managers.uv import find_uv

    command = [find_uv(), "pip", "compile", "--help"]
    # Without the person's variables, which uv shows on this page, credentials too; Windows needs its own one
    bare = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=bare).stdout
