"""The kernels of Jupyter: those of this environment have to start its Python."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import MsgspecError, json

from tfup.doctor.finding import Own, Repair, trouble
from tfup.files import write_whole
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Patient

DEFAULT = "python3"
GONE = Own(
    "A Jupyter kernel leads to a Python that is gone", "The environment that it was made for was removed."
)


class Kernel(NamedTuple):
    """A kernel that Jupyter offers."""

    name: str
    file: Path
    python: str
    shown: str


def describe(patient: Patient) -> str:
    """Say how many kernels there are."""
    return f"{len(list(kernels(patient)))} kernels, none of this environment leads elsewhere"


def examine(patient: Patient) -> Iterator[Trouble]:
    """Yield the kernels of this environment that start another Python."""
    for kernel in kernels(patient):
        if is_ours(patient, kernel) and not starts_ours(patient, kernel):
            yield tell(patient, kernel)


def kernels(patient: Patient) -> Iterator[Kernel]:
    """Yield the kernels in the folders of the environment, of the person and of JUPYTER_PATH."""
    named = patient.variables.get("JUPYTER_PATH", "").split(os.pathsep)
    data = patient.variables.get("JUPYTER_DATA_DIR") or patient.home / ".local" / "share" / "jupyter"
    roots = [*(Path(name) for name in named if name), Path(data), patient.root / "share" / "jupyter"]
    for root in dict.fromkeys(roots):
        for file in sorted(root.glob("kernels/*/kernel.json")):
            kernel = read_kernel(file)
            if kernel:
                yield kernel


def read_kernel(file: Path) -> Kernel | None:
    """Return the kernel of a file, None where it is none that starts a Python."""
    try:
        content = json.decode(file.read_bytes())
        first = str(content["argv"][0])
        shown = str(content.get("display_name", ""))
    except (OSError, MsgspecError, KeyError, IndexError, TypeError, AttributeError):
        return None
    is_python = Path(first).name.lower().startswith(("python", "pypy"))
    return Kernel(file.parent.name, file, first, shown) if is_python else None


def is_ours(patient: Patient, kernel: Kernel) -> bool:
    """Tell whether notebooks of this environment would start a kernel: its own, its name, or the default."""
    inside = kernel.file.is_relative_to(patient.root)
    names = {patient.folder.name.lower(), str(patient.folder).lower()}
    is_default = kernel.name == DEFAULT and "ipykernel" in patient.packages
    return inside or bool({kernel.name.lower(), kernel.shown.lower()} & names) or is_default


def starts_ours(patient: Patient, kernel: Kernel) -> bool:
    """Tell whether a kernel starts the Python of the environment; a bare name starts what runs Jupyter."""
    path = Path(kernel.python)
    return not path.is_absolute() or path.parent == Path(patient.environment.python).parent


def tell(patient: Patient, kernel: Kernel) -> Trouble:
    """Return the trouble of a kernel that leads elsewhere."""
    evidence = f"{kernel.file} starts {kernel.python}"
    own = None if Path(kernel.python).exists() else GONE
    python = patient.environment.python
    install = typed(python, "-m", "ipykernel", "install", "--user", "--name", kernel.name)
    repair = Repair(safe=False, act=partial(redirect, kernel, python))
    return trouble(
        "jupyter-kernel-other-python",
        evidence,
        install,
        own=own,
        repair=repair if "ipykernel" in patient.packages else None,
    )


def redirect(kernel: Kernel, python: str) -> str:
    """Let a kernel start another Python; what was there is kept beside it."""
    file = kernel.file.resolve()
    backup = file.with_name("kernel.json.before-tfup")
    shutil.copy2(file, backup)
    content = json.decode(file.read_bytes())
    content["argv"][0] = python
    write_whole(file, json.format(json.encode(content), indent=1) + b"\n")
    return f"{kernel.file} starts {python}; the former one is {backup.name}"
