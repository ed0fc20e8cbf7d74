"""What back ends of Keras need of a Linux: Open MPI for CNTK, and for Theano a C++ compiler."""

from __future__ import annotations

import re
from glob import escape
from typing import TYPE_CHECKING

from tfup.machine.fact import Fact, Facts
from tfup.machine.system import name_system

if TYPE_CHECKING:
    from tfup.machine.probe import Probe

COMPILER = "g++"  # the one that Theano looks for on Linux
OPEN_MPI = {"libmpi": ("12", "40"), "libmpi_cxx": ("1", "40")}
"""The names under which CNTK asks for them, which are those of Open MPI 1.10, and those of 3 and 4."""


def read_backend_needs(probe: Probe) -> Facts:
    """Say where each is; nothing is said of systems other than Linux."""
    if name_system(probe) != "linux":
        return {}
    cache = probe.run("/sbin/ldconfig", "-p") or ""
    return {
        "runtimes.c++": read_compiler(probe),
        **{f"runtimes.{name}": read_library(probe, name, cache) for name in OPEN_MPI},
    }


def read_compiler(probe: Probe) -> Fact:
    """Read which compiler would run."""
    found = probe.ask("programs", COMPILER)
    if isinstance(found, list) and found:
        return Fact(str(found[0]), "PATH")
    return Fact(None, f"not on the PATH: {COMPILER}")


def read_library(probe: Probe, name: str, cache: str) -> Fact:
    """Read where the loader finds a library: by LD_LIBRARY_PATH, else by its cache."""
    named = [folder for folder in (probe.variable("LD_LIBRARY_PATH") or "").split(":") if folder[:1] == "/"]
    for version in OPEN_MPI[name]:
        file = f"{name}.so.{version}"
        for folder in named:
            if paths := probe.glob(f"{escape(folder.rstrip('/'))}/{file}"):
                return Fact(paths[0], "LD_LIBRARY_PATH")
        if path := parse_cache(cache, file):
            return Fact(path, "ldconfig -p")
    return Fact(None, f"not on the PATH of the loader: {name}.so of Open MPI 3 or 4")


def parse_cache(text: str, file: str) -> str | None:
    r"""Return the path of a library in what `ldconfig -p` prints.

    >>> parse_cache("\tlibmpi.so.40 (libc6,x86-64) => /usr/lib64/libmpi.so.40\n", "libmpi.so.40")
    '/usr/lib64/libmpi.so.40'
    """
    found = re.search(rf"^\s*{re.escape(file)} \(.*\) => (\S+)$", text, re.MULTILINE)
    return found[1] if found else None
