"""What was proved of exactly these pins."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from tfup import tables
from tfup.model import Choice, Notice, Pin, Proof
from tfup.pin.files import lock_digest
from tfup.tables import ProofRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tfup.pin.companions import Companions

Digest: TypeAlias = "Callable[..., str]"
"""`check.checks_digest`, or a made-up one."""


def proof_of(choice: Choice, pins: Sequence[Pin], checks: str) -> ProofRow | None:
    """Return the shipped proof of exactly these pins with exactly these checks."""
    digest = lock_digest(pins)
    wanted = (digest, choice.python_tag, choice.platform, choice.accelerator, checks)
    proofs = tables.load("proofs/proofs.json", ProofRow)
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
    return checks(choice.accelerator, backend=choice.backend)


def shipped_proof(
    choice: Choice, companions: Companions, pins: Sequence[Pin], checks: Digest
) -> tuple[Proof, ProofRow | None]:
    """Return what was run of pins, and the record of it where that was all of them.

    Of a build with a GPU's part, perhaps all but that was.
    """
    row = proof_of(choice, pins, checks_of(choice, checks))
    if row:
        return Proof("proved", row.on, (row.accelerator,)), row
    of_gpu = {one.package for one in companions.gpu}
    rest = [item for item in pins if item.name not in of_gpu]
    plain = replace(choice, accelerator="cpu")
    part = proof_of(plain, rest, checks_of(plain, checks))
    return Proof("resolved", part.on, (part.accelerator,)) if part else Proof("resolved"), None


def unproved_notice(proof: Proof) -> tuple[Notice, ...]:
    """Say that nobody has run exactly these pins yet, or what of them."""
    if proof.status == "proved":
        return ()
    this = "This very set of packages was resolved, not run, before"
    text = "All of this set but the GPU's part was run before" if proof.parts else this
    return (Notice("not-proved-before", f"{text}; the checks of the install decide."),)
