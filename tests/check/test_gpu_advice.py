"""What the checks are told of a plan for a card, and what a person is told to type where they fail."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tfup.check.gpu_advice import advised, variables
from tfup.model import Choice, Library, Outcome, Plan, Wheel, Wish

CHOICE = Choice(
    project="tensorflow-gpu",
    version="1.5.0",
    python="3.6.15",
    python_tag="cp36",
    python_path=None,
    python_from="obtain",
    wheel=Wheel("tensorflow_gpu-1.5.0-cp36-cp36m-manylinux1_x86_64.whl", "a" * 64),
    platform="linux_x86_64",
    accelerator="cuda",
    cuda="9.0",
    cudnn="7.0",
    libraries=(Library("libcublas.so.9.0", "system"), Library("libcudnn.so.7", "system")),
)
PLAN = Plan(Wish(), CHOICE)
MISSING = "ImportError: libcublas.so.9.0: cannot open shared object file: No such file or directory"


def test_the_checks_hear_of_the_card_that_was_promised() -> None:
    """They fail where it is not used, and name the library that is missing."""
    told = {"CHECK_ACCELERATOR": "cuda", "CHECK_LIBRARIES": "libcublas.so.9.0 libcudnn.so.7"}

    assert told == variables(PLAN)


@pytest.mark.parametrize("plan", [None, Plan(Wish(), None), Plan(Wish(), replace(CHOICE, accelerator="cpu"))])
def test_without_a_plan_for_a_card_nothing_is_promised(plan: Plan | None) -> None:
    """An environment that is not ours, and a build for the processor, may have no card."""
    failed = Outcome("gpu_is_used", "failed", "AssertionError: no")

    assert {} == variables(plan)
    assert failed == advised(failed, plan)


def test_an_import_without_cuda_names_the_library_and_the_cpu_twin() -> None:
    """tensorflow-gpu 1.5.0 without CUDA: what is missing, what it needs, and what runs instead."""
    outcome = advised(Outcome("import_tensorflow", "failed", MISSING), PLAN)

    assert "libcublas.so.9.0" in outcome.detail
    assert (
        "needs CUDA 9.0 and cuDNN 7.0 on the system, its CPU twin tensorflow==1.5.0 does not"
        in outcome.detail
    )
    assert "tfup install tensorflow==1.5.0" == outcome.hint


def test_a_twin_is_named_only_where_there_is_one() -> None:
    """`tensorflow` itself has no other project that carries the same release for the processor."""
    outcome = advised(
        Outcome("import_tensorflow", "failed", MISSING), Plan(Wish(), replace(CHOICE, project="tensorflow"))
    )

    assert outcome.detail.endswith("; this build needs CUDA 9.0 and cuDNN 7.0 on the system")
    assert outcome.hint is None


@pytest.mark.parametrize(
    ("name", "status", "detail", "hint"),
    [
        ("gpu_is_used", "failed", "AssertionError: no graphics card is used", "tfup install --cpu"),
        ("gpu_is_used", "failed", MISSING, None),
        ("gpu_is_used", "proved", "", None),
        ("gpu_convolves", "failed", "RuntimeError: cuDNN did not start", None),
        ("import_tensorflow", "failed", "ImportError: numpy.core.multiarray failed to import", None),
    ],
)
def test_one_hint_is_enough(name: str, status: str, detail: str, hint: str | None) -> None:
    """Where no card is used, the processor is; what follows from a failed import needs no word of its own."""
    assert hint == advised(Outcome(name, status, detail), PLAN).hint  # type: ignore[arg-type]
