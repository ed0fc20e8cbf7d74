"""Which checks apply to a plan: those of TensorFlow, or those of a Keras on another back end.

What does not apply is told as skipped, with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup import tables
from tfup.check import gpu_advice, runner
from tfup.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tfup.model import Environment, Plan

TENSORFLOW = "tensorflow"
ABOUT_TENSORFLOW = ("import_tensorflow", "hello_session", "matrix_product", *runner.GPU_CHECKS)


def try_out(  # noqa: PLR0913 - those of `runner.check`, and the plan
    plan: Plan | None,
    environment: Environment,
    names: Sequence[str] | None = None,
    *,
    timeout: float,
    log: Path,
    on_outcome: Callable[[Outcome], None],
) -> tuple[Outcome, ...]:
    """Run the checks named, or those that apply to the plan; without a plan, the usual ones."""
    skipped = () if names else tuple(needless(plan))
    for outcome in skipped:
        on_outcome(outcome)
    tried = runner.check(
        environment,
        names or claims(plan),
        timeout=timeout,
        log=log,
        on_outcome=lambda outcome: on_outcome(gpu_advice.advised(outcome, plan)),
        variables=variables(plan),
    )
    return (*skipped, *(gpu_advice.advised(outcome, plan) for outcome in tried))


def claims(plan: Plan | None) -> tuple[str, ...]:
    """Return the checks that apply to a plan."""
    if plan is None or plan.choice is None:
        return runner.CHECKS
    usual = runner.checks_for(plan.choice.backend)
    return (*usual, *runner.SYSTEM_CHECKS) if plan.system_packages else usual


def needless(plan: Plan | None) -> list[Outcome]:
    """Return the usual checks that do not apply to a plan, each with the reason."""
    if plan is None or plan.choice is None:
        return []
    name = tables.backends()[plan.choice.backend].name
    reasons = dict.fromkeys(ABOUT_TENSORFLOW, f"there is no TensorFlow: Keras computes with {name}")
    left = (one for one in runner.CHECKS if one not in claims(plan))
    return [Outcome(one, "skipped", reasons.get(one, f"{name} only predicts")) for one in left]


def subject(plan: Plan | None) -> str:
    """Return what works when the checks of a plan have passed."""
    backend = tables.backends()[plan.choice.backend if plan and plan.choice else TENSORFLOW]
    return "TensorFlow and Keras work" if backend.backend == TENSORFLOW else f"Keras works on {backend.name}"


def variables(plan: Plan | None) -> dict[str, str]:
    """Return what the checks are told: the back end that was asked for, and the card that was promised."""
    backend = plan.wish.backend if plan else None
    return ({"CHECK_BACKEND": backend} if backend else {}) | gpu_advice.variables(plan)
