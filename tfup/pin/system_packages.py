"""Modules of the system's Python, such as a cv2 built by hand, that the environment is to see.

A module is taken from an interpreter of the same minor as the environment's, and only if its compiled parts
say no other Python. Nothing of the system is changed: the install makes a link inside the environment.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from msgspec.structs import replace
from packaging.version import Version

from tfup.errors import Need, NoBuildFits, UsageError
from tfup.match.platforms import abi_of, minor_of
from tfup.model import Notice, SystemPackage
from tfup.wish import NO_SYSTEM_PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tfup.machine.probe import Probe
    from tfup.model import Choice, Interpreter, Machine, Plan

LIST_MODULES = """
import glob, json, os, sys
name, places = sys.argv[1], [path for path in sys.path if os.path.isdir(path)]
found = [os.path.join(place, file) for place in places for file in sorted(os.listdir(place))
         if file == name or (file.split(".")[0] == name and file.endswith((".py", ".so", ".pyd")))]
inside = [os.path.join(path, deep) for path in found for deep in ("*.so", "*/*.so")]
parts = [part for pattern in inside for part in glob.glob(pattern)]
print(json.dumps([found, parts]))
"""
"""Run by an interpreter of the system, 2.7 to the newest: where a module lies, and its compiled parts."""
SECONDS = 10.0


def find(plan: Plan, machine: Machine, probe: Probe | None) -> Plan:
    """Return the plan with the places of the modules wished for; without a probe, it says that nobody looked.

    Raises UsageError for what is no module's name, NoBuildFits where the system has none that fits.
    """
    names = [name for name in plan.wish.system_packages if name != NO_SYSTEM_PACKAGE]
    for name in names:
        make_sure(name)
    if plan.choice is None or not names:
        return plan
    if probe is None:
        text = f"Whether that machine has {', '.join(names)} for this Python was not looked at."
        return replace(plan, warnings=(*plan.warnings, Notice("system-package-unseen", text)))
    choice = plan.choice
    return replace(
        plan,
        system_packages=tuple(find_package(name, choice, machine.pythons or (), probe) for name in names),
    )


def make_sure(name: str) -> None:
    """Raise UsageError unless a module can have this name."""
    if not name.isidentifier():
        need = Need("--system-package", "the name of a module, such as cv2", name)
        sentence = f"{name!r} is no module."
        raise UsageError(sentence, (need,), "tfup install --system-package cv2")


def find_package(name: str, choice: Choice, pythons: Sequence[Interpreter], probe: Probe) -> SystemPackage:
    """Return where a module lies for the Python of a choice; NoBuildFits with what was found instead."""
    others: list[tuple[Interpreter, str]] = []
    for python in sorted(pythons, key=lambda one: not is_same(one, choice)):
        path, fault = look(name, python, choice, probe)
        if path and not fault:
            return SystemPackage(name, path, python.path)
        if path:
            others.append((python, f"{path} ({fault})"))
    raise refusal(name, choice, others)


def is_same(python: Interpreter, choice: Choice) -> bool:
    """Tell whether an interpreter is of the minor that the environment will have."""
    return Version(python.version).release[:2] == Version(minor_of(choice.python_tag)).release


def look(name: str, python: Interpreter, choice: Choice, probe: Probe) -> tuple[str | None, str | None]:
    """Return where an interpreter has a module, and why the environment cannot have that one."""
    said = probe.run(python.path, "-c", LIST_MODULES, name, timeout=SECONDS)
    found, parts = json.loads(said) if said and said.startswith("[") else ([], [])
    if not found:
        return None, None
    if not is_same(python, choice):
        return found[0], f"of Python {python.version}"
    return found[0], foreign_abi([*found[:1], *parts], choice)


def foreign_abi(files: Iterable[str], choice: Choice) -> str | None:
    """Return what compiled files say they were made for, where it is another Python.

    A file whose name says nothing, as all of 2.7, is taken as it is.
    """
    made_for = {found[1] for file in files if (found := re.search(r"\.cpython-(\d+m?u?)[^/]*\.so$", file))}
    own = abi_of(choice.python_tag, choice.platform)
    other = sorted(tag for tag in made_for if f"cp{tag}" != own)
    return f"made for the ABI cp{other[0]}, not {own}" if other else None


def refusal(name: str, choice: Choice, others: Sequence[tuple[Interpreter, str]]) -> NoBuildFits:
    """Return the error for a module that the system does not have for this Python."""
    minor = minor_of(choice.python_tag)
    need = Need(
        name, f"a module of a Python {minor} of the system", "; ".join(text for _, text in others) or None
    )
    if not others:
        sentence = f"No Python {minor} of this system has a module {name}."
        return NoBuildFits(
            sentence, (need,), f"{name} may come from the index: tfup install {package_of(name)}"
        )
    theirs = ".".join(others[0][0].version.split(".")[:2])
    sentence = f"The {name} of this system does not fit the Python {minor} of the environment."
    hint = f"tfup install --system-package {name} --python {theirs}"
    return NoBuildFits(sentence, (need,), hint if theirs != minor else f"tfup install {package_of(name)}")


def package_of(name: str) -> str:
    """Return the package of the index that brings a module.

    >>> package_of("cv2"), package_of("gdal")
    ('opencv-python', 'gdal')
    """
    return {"cv2": "opencv-python"}.get(name, name)
