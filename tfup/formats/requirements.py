"""requirements.txt: every pin with its hashes, for `pip install --require-hashes --no-deps` and uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup.formats.text import headline, in_order, one_line, requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.model import Pin, Plan


def text(plan: Plan) -> str:
    """Return the file; nothing in it depends on when it was made."""
    pins = "".join(line for pin in in_order(plan) for line in lines(pin))
    return f"{headline(plan)}\n# To install: pip install --require-hashes --no-deps -r FILE\n{pins}"


def lines(pin: Pin) -> Iterator[str]:
    """Yield the lines of one pin: the reason if there is one, then the pin, then its hashes."""
    reason = one_line(pin.why) or ("for [dev-packages]" if pin.purpose == "develop" else "")
    if reason:
        yield f"# {reason}\n"
    hashes = "".join(f" \\\n    --hash={value}" for value in sorted(pin.hashes))
    yield f"{requirement(pin)}{hashes}\n"
