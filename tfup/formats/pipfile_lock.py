"""Pipfile.lock, as Pipenv writes it, so that Pipenv takes it for its own.

The digest is that of Pipenv 2026.10.3, `pipenv.utils.pipfile.Pipfile.calculate_hash`: over the
sources, [requires] and all packages, with names in canonical form. A Pipfile without [[source]]
counts as one with the default index.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict
from packaging.utils import canonicalize_name

from tfup.errors import Need, UnreadableFile
from tfup.formats import pipfile
from tfup.formats.text import chosen, set_aside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tfup.formats.text import Source
    from tfup.model import Pin, Plan

LOCKED_AS = {"packages": "default", "dev-packages": "develop"}


def text(plan: Plan, pipfile_text: str, default: Source, old: str = "") -> str:
    """Return the lock of a plan for a Pipfile; of the `old` lock stays what tfup cannot lock."""
    lock = document(plan.pins, pipfile_text, default)
    keep_unlocked(lock, read(old), pipfile.read(pipfile_text))
    extras = chosen(plan).extras
    if extras:
        lock["default"][chosen(plan).project]["extras"] = sorted(extras)
    return render(lock)


def document(pins: Iterable[Pin], pipfile_text: str, default: Source) -> dict[str, Any]:
    """Return the lock of some pins, and nothing but these, for a Pipfile."""
    content = pipfile.read(pipfile_text)
    by_name = sorted(pins, key=lambda pin: pin.name)
    return {
        "_meta": {
            "hash": {"sha256": digest(content, default)},
            "pipfile-spec": 6,
            "requires": content.get("requires", {}),
            "sources": content.get("source", [asdict(default)]),
        },
        "default": {pin.name: entry(pin) for pin in by_name if pin.purpose != "develop"},
        "develop": {pin.name: entry(pin) for pin in by_name if pin.purpose == "develop"},
    }


def entry(pin: Pin) -> dict[str, Any]:
    """Return one package of the lock; Pipenv spells markers with single quotes."""
    markers = {"markers": pin.marker.replace('"', "'")} if pin.marker else {}
    return {"hashes": sorted(pin.hashes), "version": f"=={pin.version}", **markers}


def render(lock: Mapping[str, Any]) -> str:
    """Return a lock as text, byte for byte as Pipenv would write it."""
    return json.dumps(lock, indent=4, separators=(",", ": "), sort_keys=True) + "\n"


def read(old: str, path: str | Path = "Pipfile.lock") -> dict[str, Any]:
    """Return a lock that was there before; UnreadableFile where it is none."""
    try:
        lock = json.loads(old or "{}")
    except json.JSONDecodeError as error:
        found = f"{error.msg} at line {error.lineno} column {error.colno}"
        raise unreadable(path, found) from None
    if not isinstance(lock, dict) or not all(isinstance(section, dict) for section in lock.values()):
        raise unreadable(path, "JSON of another shape")
    return lock


def unreadable(path: str | Path, found: str) -> UnreadableFile:
    """Return the error for a lock that cannot be read."""
    need = Need("Pipfile.lock", "JSON as Pipenv writes it", found)
    return UnreadableFile(f"{path} is not a lock.", (need,), set_aside(path))


def keep_unlocked(lock: dict[str, Any], old: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Carry over what only Pipenv can lock: packages from Git, folders, addresses, and other categories."""
    for section, packages in pipfile.sections(content).items():
        locked_as = LOCKED_AS.get(section, section)
        names = {canonicalize_name(name) for name, wish in packages.items() if pipfile.is_unlockable(wish)}
        before = old.get(locked_as, {})
        kept = {name: before[name] for name in before if section not in LOCKED_AS or name in names}
        lock.setdefault(locked_as, {}).update(kept)


def digest(content: Mapping[str, Any], default: Source) -> str:
    """Return the digest by which Pipenv tells whether a lock belongs to a Pipfile."""
    hashed: dict[str, Any] = {
        "_meta": {
            "sources": content.get("source", [asdict(default)]),
            "requires": content.get("requires", {}),
        },
        "default": {},
        "develop": {},
    }
    for section, packages in pipfile.sections(content).items():
        names = {canonicalize_name(name): wish for name, wish in packages.items()}
        hashed[LOCKED_AS.get(section, section)] = names
    compact = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(compact.encode()).hexdigest()
