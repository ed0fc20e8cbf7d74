"""What the checks are told of a plan for a graphics card, and what to type where they fail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tfup import tables
from tfup.match.builds import GPU_PROJECT

if TYPE_CHECKING:
    from tfup.model import Choice, Outcome, Plan

TWIN = "tensorflow"
MISSING = re.compile(r"\.so[.\d]*: cannot open shared object file|DLL load failed|Could not find '\w+\.dll'")
"""An import that failed for want of a library: builds before 1.14 are linked to those of CUDA."""
ON_CPU = "tfup install --cpu"


def variables(plan: Plan | None) -> dict[str, str]:
    """Return what the checks are told: that there is to be a card, and which libraries the build asks for."""
    choice = plan.choice if plan else None
    if choice is None or choice.accelerator != "cuda":
        return {}
    names = " ".join(library.soname for library in choice.libraries)
    return {"CHECK_ACCELERATOR": "cuda", "CHECK_LIBRARIES": names}


def advised(outcome: Outcome, plan: Plan | None) -> Outcome:
    """Return the outcome with what to type, where a plan for a card failed by the card or by CUDA."""
    choice = plan.choice if plan else None
    if choice is None or choice.accelerator != "cuda" or outcome.status != "failed":
        return outcome
    unlinked = MISSING.search(outcome.detail)
    if outcome.name == "import_tensorflow" and unlinked:
        return without_cuda(outcome, choice)
    return replace(outcome, hint=ON_CPU) if outcome.name == "gpu_is_used" and not unlinked else outcome


def without_cuda(outcome: Outcome, choice: Choice) -> Outcome:
    """Return the outcome of a build that cannot be imported without CUDA, with the build that can."""
    needs = f"this build needs CUDA {choice.cuda} and cuDNN {choice.cudnn} on the system"
    if not has_twin(choice):
        return replace(outcome, detail=f"{outcome.detail}; {needs}")
    twin = f"{TWIN}=={choice.version}"
    detail = f"{outcome.detail}; {needs}, its CPU twin {twin} does not"
    return replace(outcome, detail=detail, hint=f"tfup install {twin}")


def has_twin(choice: Choice) -> bool:
    """Tell whether there is a build of the same release for the processor alone."""
    cell = (choice.version, choice.platform)
    return choice.project == GPU_PROJECT and cell in {
        (row.version, row.family) for row in tables.releases(TWIN)
    }
