"""What was proved of exactly these pins."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from tfup import backends, tables
from tfup.model import Choice, Notice, Pin, Proof
from tfup.pinning.files import lock_digest
from tfup.pinning.rules import gpu_requirements
from tfup.tables import ProofRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Digest: TypeAlias = "Callable[..., str]"
"""`check.checks_digest`, or a made-up one."""


def proof_of(choice: Choice, pins: Sequence[Pin], checks: str) -> ProofRow | None:
    """Return the shipped proof of exactly these pins with exactly these checks."""
    digest = lock_digest(pins)
    wanted = (digest, choice.python_tag, choice.platform, choice.accelerator, checks)
    proofs = (*tables.load("proofs.json", ProofRow), *backends.proofs())
    return next(
        (
            row
            for row in proofs
            if (row.lock, row.python_tag, row.family, row.accelerator, row.checks) == wanted
        ),
        None,
    )


def checks_of(choice: Choice, checks: Digest) -> str:
    """Return the digest of the checks that apply to a choice."""
    if backends.is_backend(choice):
        return checks(choice.accelerator, backend=choice.backend)
    return checks(choice.accelerator)


def part_proof(choice: Choice, pins: Sequence[Pin], checks: Digest) -> Proof:
    """Return what was run of pins that nobody has run as a whole: perhaps all but the GPU's part."""
    beside = {text.split("==")[0] for text in gpu_requirements(choice)}
    rest = [item for item in pins if item.name not in beside]
    plain = replace(choice, accelerator="cpu")
    row = proof_of(plain, rest, checks_of(plain, checks))
    return Proof("resolved", row.on, (row.accelerator,)) if row else Proof("resolved")


def unproved_notice(proof: ProofRow | None) -> tuple[Notice, ...]:
    """Say that nobody has run exactly these pins yet."""
    text = "This very set of packages was resolved, not run, before; the checks of the install decide."
    return () if proof else (Notice("not-proved-before", text),)
