"""requirements.txt: every pin with its hashes, for `pip install --require-hashes --no-deps` and uv."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from packaging.utils import canonicalize_name, canonicalize_version

from tfup.formats.text import headline, in_order, one_line, requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfup.model import Pin, Plan

Hashes: TypeAlias = "dict[str, tuple[str, ...]]"
"""Pins, each with the hashes of the files that may be installed, as "sha256:…"."""
PINNED = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)(.*)")
HASH = re.compile(r"--hash[= ](\w+:[0-9a-f]+)")


def text(plan: Plan) -> str:
    """Return the file; nothing in it depends on when it was made."""
    pins = "".join(line for pin in in_order(plan) for line in lines(pin))
    return f"{headline(plan)}\n# To install: pip install --require-hashes --no-deps -r FILE\n{pins}"


def lines(pin: Pin) -> Iterator[str]:
    """Yield the lines of one pin: the reason if there is one, then the pin, then its hashes."""
    reason = one_line(pin.why) or ("for [dev-packages]" if pin.purpose == "develop" else "")
    if reason:
        yield f"# {reason}\n"
    yield f"{pin_line(requirement(pin), pin.hashes)}\n"


def pin_line(pin: str, hashes: Iterable[str]) -> str:
    """Return a pin with its hashes, as pip and uv read it."""
    return pin + "".join(f" \\\n    --hash={value}" for value in sorted(hashes))


def read_hashes(text: str) -> Hashes:
    r"""Return the pins of a requirements file that have hashes.

    >>> read_hashes("six==1.17.0 \\\n    --hash=sha256:00\nnumpy\n")
    {'six==1.17.0': ('sha256:00',)}
    """
    lines = text.replace("\\\n", " ").splitlines()
    found = {f"{pin[1]}=={pin[2]}": tuple(HASH.findall(pin[3])) for pin in map(PINNED.match, lines) if pin}
    return {pin: hashes for pin, hashes in found.items() if hashes}


def one_spelling(pin: str) -> str:
    """Return a pin in one spelling: a name and a version have several.

    >>> one_spelling("Typing_Extensions==4.12.0")
    'typing-extensions==4.12'
    """
    name, _, version = pin.partition("==")
    return f"{canonicalize_name(name)}=={canonicalize_version(version)}"
