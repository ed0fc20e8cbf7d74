"""environment.yml: the same pins for `conda env create`; conda brings Python, pip the rest.

The shape is fixed and small, so it is written as text, without a library for YAML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup.formats.text import chosen, headline, in_order, one_line, python_minor, requirement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfup.model import Pin, Plan

WHY_PIP = """\
      # Pins with hashes, not `-r requirements.txt`: conda writes this list to a file of its own, perhaps
      # in another folder, and hands it to pip, which demands a hash of every package as soon as one has it.
"""


def text(plan: Plan) -> str:
    """Return the file for a plan."""
    return render(headline(plan), python_minor(chosen(plan).python), in_order(plan))


def render(head: str, python: str, pins: Iterable[Pin]) -> str:
    """Return the file for some pins on a minor of Python; `head` is its first comment."""
    return f"""\
{head}
# To install: conda env create -f FILE && conda activate tensorflow
name: tensorflow
channels:
  - conda-forge
dependencies:
  - python={python}
  - pip
  - pip:
{WHY_PIP}{"".join(map(item, pins))}"""


def item(pin: Pin) -> str:
    """Return one pin as an item of the list: a plain scalar, which YAML folds into one line."""
    reason = f"      # {one_line(pin.why)}\n" if pin.why else ""
    hashes = "".join(f"\n        --hash={value}" for value in sorted(pin.hashes))
    return f"{reason}      - {requirement(pin)}{hashes}\n"
