"""environment.yml: the same pins for conda and its kin; conda brings Python, pip the rest.

For older GPU builds conda can bring the CUDA libraries, too.
The shape is fixed and small, so it is written as text, without a library for YAML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup.formats.text import chosen, headline, in_order, one_line, python_minor, requirement
from tfup.match.conda_channels import cuda_libraries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfup.model import Choice, Pin, Plan
    from tfup.tables import CondaCudaRow

CHANNEL = "conda-forge"
PIP_PART = "  - pip:\n"
WHY_PIP = """\
      # Pins with hashes, not `-r requirements.txt`: conda writes this list to a file of its own, perhaps
      # in another folder, and hands it to pip, which demands a hash of every package as soon as one has it.
"""


def text(plan: Plan) -> str:
    """Return the file for a plan."""
    choice = chosen(plan)
    python = choice.python if plan.manager == "conda" else python_minor(choice.python)
    return render(headline(plan), python, in_order(plan), libraries(choice))


def render(head: str, python: str, pins: Iterable[Pin], cuda: CondaCudaRow | None = None) -> str:
    """Return the file for some pins on a Python; `head` is its first comment."""
    return f"""\
{head}
# To install: conda env create -f FILE && conda activate tensorflow
name: tensorflow
channels:
{entries(channels(cuda))}\
dependencies:
{entries((f"python={python}", "pip"))}\
{cuda_packages(cuda) if cuda else ""}\
{PIP_PART}{WHY_PIP}{"".join(map(item, pins))}"""


def conda_part(content: str) -> str:
    r"""Return a file of ours without the list for pip: what conda alone can do.

    >>> conda_part("dependencies:\n  - pip\n  - pip:\n      - six==1.17.0\n")
    'dependencies:\n  - pip\n'
    """
    return content.partition(PIP_PART)[0]


def libraries(choice: Choice) -> CondaCudaRow | None:
    """Return the CUDA packages that conda is to bring for a build, None where they come from elsewhere."""
    return cuda_libraries(choice.version, choice.platform) if choice.cuda_from == "conda" else None


def channels(cuda: CondaCudaRow | None) -> tuple[str, ...]:
    """Return the channels, best first: where priority is strict, it alone gives the packages that it has."""
    return tuple(dict.fromkeys((*([cuda.channel] if cuda else []), CHANNEL)))


def cuda_packages(cuda: CondaCudaRow) -> str:
    """Return the items for the CUDA libraries, with the reason."""
    return f"  # {cuda.why}\n{entries((f'cudatoolkit={cuda.cudatoolkit}', f'cudnn={cuda.cudnn}'))}"


def entries(names: Iterable[str]) -> str:
    """Return names as items of a list."""
    return "".join(f"  - {name}\n" for name in names)


def item(pin: Pin) -> str:
    """Return one pin as an item of the list: a plain scalar, which YAML folds into one line."""
    reason = f"      # {one_line(pin.why)}\n" if pin.why else ""
    hashes = "".join(f"\n        --hash={value}" for value in sorted(pin.hashes))
    return f"{reason}      - {requirement(pin)}{hashes}\n"
