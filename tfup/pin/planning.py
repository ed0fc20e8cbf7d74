"""Stage 3, pin: every package exactly, each pin with its reason.

A build that we ship a lock for is pinned by looking it up. What the person asked for beside it is
resolved by uv under the pins of that lock; a build without a lock is resolved under our bounds.
The parts are in `pinning/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup import tables
from tfup.match import keras_backends
from tfup.match.conda_channels import untried_cuda
from tfup.match.gpu import pip_packages
from tfup.model import Choice, KerasPair, Match, Notice, Pin, Plan, Wish
from tfup.pin.advisories import known_trouble
from tfup.pin.companions import gpu_requirements, workarounds
from tfup.pin.conflicts import refuse_twins
from tfup.pin.files import KERAS_NAMES, download_bytes, pin_of
from tfup.pin.proofs import shipped_proof, unproved_notice
from tfup.pin.resolving import resolved_pins, wished_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tfup.pin.proofs import Digest
    from tfup.pin.resolving import Resolve


def pin(found: Match, wish: Wish, resolve: Resolve, checks: Digest) -> Plan:
    """Return the plan: pins, the reasons for them, and what was proved of exactly these.

    `checks` gives the digest of the checks for an accelerator. Raises what `resolve` raises.
    """
    choice = found.choice
    if choice is None:
        return refusal(found, wish)
    pins = lock_pins(choice, wish)
    beside = wished_beside(wish, pins, choice)
    refuse_twins(beside, wish, choice)
    built: tuple[str, ...] = ()
    if beside or not pins:
        pins, built = resolved_pins(choice, pins, beside, resolve)
    proof, run = shipped_proof(choice, pins, checks)
    return Plan(
        wish=wish,
        choice=choice,
        keras=keras_pair(pins),
        manager=wish.manager,
        download_bytes=download_bytes(choice, pins),
        disk_bytes=run.disk_bytes if run else None,
        pins=pins,
        workarounds=workarounds(choice, pins) + pip_packages.workarounds(choice),
        warnings=found.warnings
        + known_trouble(choice)
        + untried_cuda(choice)
        + unproved_notice(proof)
        + built_notices(built),
        passed_over=found.passed_over,
        proof=proof,
        built=built,
    )


def refusal(found: Match, wish: Wish) -> Plan:
    """Return the plan that says why there is none."""
    nearest = found.nearest
    blocking = nearest.obstacles if nearest else ()
    return Plan(
        wish=wish,
        choice=None,
        manager=wish.manager,
        passed_over=found.passed_over,
        obstacles=blocking,
        nearest=nearest,
        remedies=tuple(obstacle.remedy for obstacle in blocking if obstacle.remedy),
    )


def lock_pins(choice: Choice, wish: Wish | None = None) -> tuple[Pin, ...]:
    """Return the pins of the lock that we ship for a choice; empty where we ship none.

    A lock of this very Keras and back end goes before that of the build.
    """
    pair = keras_backends.lock(choice, wish or Wish())
    row = pair or tables.lock(choice.project, choice.version, choice.python_tag, choice.platform)
    texts = (*row.pins, *gpu_requirements(choice)) if row else ()
    return tuple(pin_of(choice, text.split("==")[0], text.split("==")[1]) for text in texts)


def keras_pair(pins: Sequence[Pin]) -> KerasPair | None:
    """Return the Keras among the pins."""
    return next((KerasPair(item.name, item.version) for item in pins if item.name in KERAS_NAMES), None)


def built_notices(names: Iterable[str]) -> tuple[Notice, ...]:
    """Say which packages have no wheel: building runs their code, and may need what is not there."""
    text = "{} has no wheel that fits: it is built from its source, by a compiler if it is not pure Python."
    return tuple(Notice("built-from-source", text.format(name)) for name in names)
