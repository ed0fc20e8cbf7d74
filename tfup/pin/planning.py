"""Stage 3, pin: every package exactly, each pin with its reason.

A build that we ship a lock for is pinned by looking it up. What the person asked for beside it is
resolved by uv under the pins of that lock; a build without a lock is resolved under our bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup.match.conda_channels import untried_cuda
from tfup.match.gpu import pip_packages
from tfup.match.search import match
from tfup.model import Choice, KerasPair, Match, Notice, Pin, Plan, Wish
from tfup.pin import system_packages
from tfup.pin.advisories import known_trouble
from tfup.pin.companions import companions_of
from tfup.pin.conflicts import refuse_twins
from tfup.pin.files import KERAS_NAMES, download_bytes, pin_of
from tfup.pin.proofs import shipped_proof, unproved_notice
from tfup.pin.resolving import resolved_pins, wished_extras
from tfup.pin.windows_runtime import complete

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tfup.machine.probe import Probe
    from tfup.model import Machine
    from tfup.pin.companions import Companions
    from tfup.pin.proofs import Digest
    from tfup.pin.resolving import Resolve


def make(machine: Machine, wish: Wish, resolve: Resolve, checks: Digest, probe: Probe | None = None) -> Plan:
    """Stages 2 and 3: return the build that fits, every package exactly, and what the machine needs beside.

    `resolve` finds what was wished for beside the build, `checks` gives the digest of the checks for an
    accelerator; `probe` looks for modules of the system, None where the machine is not this one.
    """
    planned = complete(pin(match(machine, wish), wish, resolve, checks), machine)
    return system_packages.find(planned, machine, probe)


def pin(found: Match, wish: Wish, resolve: Resolve, checks: Digest) -> Plan:
    """Return the plan: pins, the reasons for them, and what was proved of exactly these.

    `checks` gives the digest of the checks for an accelerator. Raises what `resolve` raises.
    """
    choice = found.choice
    if choice is None:
        return refusal(found, wish)
    companions = companions_of(choice, wish)
    pins = lock_pins(choice, companions)
    extras = wished_extras(wish, pins, choice)
    refuse_twins(extras, wish, companions.folders)
    built: tuple[str, ...] = ()
    if extras or not pins:
        pins, built = resolved_pins(choice, companions, pins, extras, resolve)
    proof, run = shipped_proof(choice, companions, pins, checks)
    return Plan(
        wish=wish,
        choice=choice,
        keras=keras_pair(pins),
        manager=wish.manager,
        download_bytes=download_bytes(choice, companions, pins),
        disk_bytes=run.disk_bytes if run else None,
        pins=pins,
        workarounds=companions.workarounds(pins) + pip_packages.workarounds(choice),
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


def lock_pins(choice: Choice, companions: Companions) -> tuple[Pin, ...]:
    """Return the pins of the lock that we ship for a choice; empty where we ship none."""
    lock = companions.lock
    parts = (text.split("==") for text in (*lock.pins, *companions.gpu_pins)) if lock else ()
    return tuple(pin_of(choice, companions, name, version) for name, version in parts)


def keras_pair(pins: Sequence[Pin]) -> KerasPair | None:
    """Return the Keras among the pins."""
    return next((KerasPair(item.name, item.version) for item in pins if item.name in KERAS_NAMES), None)


def built_notices(names: Iterable[str]) -> tuple[Notice, ...]:
    """Say which packages have no wheel: building runs their code, and may need what is not there."""
    text = "{} has no wheel that fits: it is built from its source, by a compiler if it is not pure Python."
    return tuple(Notice("built-from-source", text.format(name)) for name in names)
