"""The package managers that are here, and their versions.

Starting pipenv takes most of a second, so nothing is started whose version stands in a file name
beside it: `pip-23.2.1.dist-info`, `conda-meta/conda-24.1.0-py311_0.json`.
"""

from __future__ import annotations

import re
from functools import partial
from glob import escape
from itertools import chain
from typing import TYPE_CHECKING

from tfup.machine.concurrency import run_together
from tfup.machine.fact import Fact, Facts
from tfup.machine.python import CONDA, list_folders
from tfup.machine.system import name_system

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tfup.machine.probe import Probe

TOOLS = ("conda", "mamba", "micromamba", "pip", "pipenv", "pixi", "uv")
OTHER_NAMES = {"pip": "pip3"}
VARIABLES = {"conda": "CONDA_EXE", "mamba": "MAMBA_EXE", "micromamba": "MAMBA_EXE"}
"""Where a tool is that is a function of the shell, and may not be on the PATH; MAMBA_EXE is one of two."""

CONDAS = ("conda", "mamba", "micromamba", "pixi")
"""Tools whose installers ask the shell to find them; a shell that was not asked, or a service, does not."""
UNIX = tuple(f"{root}/bin/{{name}}" for root in (
    *(f"{root}/{folder}" for root in ("{home}", "{home}/opt", "/opt") for folder in (*CONDA, "conda")),
    "{home}/.pixi", "{home}/.local", "{home}", "/usr/local", "/opt/homebrew",
    "/usr/local/Caskroom/mini*/base", "/opt/homebrew/Caskroom/mini*/base",
))  # fmt: skip
WINDOWS = (
    *(rf"{root}\{folder}\Scripts\{{name}}.exe" for root in ("{home}", "{local}", r"C:\ProgramData", "C:")
      for folder in CONDA),
    r"{local}\{name}\{name}.exe", r"{local}\{name}\bin\{name}.exe", r"{home}\.pixi\bin\{name}.exe",
    r"{home}\scoop\shims\{name}.exe",
)  # fmt: skip

PACKAGES = (
    "{prefix}/conda-meta/{name}-[0-9]*.json",
    "{prefix}/lib/python*/site-packages/{name}-[0-9]*-info",
    "{prefix}/lib/python*/dist-packages/{name}-[0-9]*-info",
    "{prefix}/Lib/site-packages/{name}-[0-9]*-info",
)
RUN_SECONDS = 3.0


def read_tools(probe: Probe, folder: Path | None, *, deep: bool) -> Facts:
    """Read the version of each tool; only with `deep` are the silent ones started."""
    tasks = [partial(read_tool, probe, name, folder, deep=deep) for name in TOOLS]
    facts = run_together(tasks, 2 * RUN_SECONDS)
    late = Fact(None, "no answer in time")
    return {f"tools.{name}": fact or late for name, fact in zip(TOOLS, facts, strict=True)}


def read_tool(probe: Probe, name: str, folder: Path | None, *, deep: bool) -> Fact:
    """Read the version of one tool."""
    program = find_tool(probe, name, folder)
    if not program:
        return Fact(None, "not on the PATH")
    version, source = find_metadata(probe, name, program)
    if version:
        return Fact(version, source)
    return run_tool(probe, program) if deep else Fact(None, f"{program}: only `tfup detect` starts it")


def run_tool(probe: Probe, program: str) -> Fact:
    """Ask the tool itself."""
    version = parse_version(probe.run(program, "--version", timeout=RUN_SECONDS) or "")
    source = f"{program} --version"
    return Fact(version, source) if version else Fact(None, f"{source}: no answer")


def parse_version(text: str) -> str | None:
    """Return the first version in what a tool says of itself.

    >>> parse_version("pipenv, version 2026.10.3"), parse_version("uv 0.13.8 (x86_64-unknown-linux-gnu)")
    ('2026.10.3', '0.13.8')
    """
    found = re.search(r"\d+(?:\.\d+)+(?:(?:a|b|rc|\.post|\.dev)\d+)?", text)
    return found[0] if found else None


# ---------------------------------------------------------------- where the tool is


def find_tool(probe: Probe, name: str, folder: Path | None) -> str | None:
    """Return the program that would run, with pyenv's shims followed."""
    places = chain(list_programs(probe, name), list_usual(probe, name) if name in CONDAS else ())
    direct = (follow_shim(probe, program, folder) for program in places)
    return next((program for program in direct if program), None)


def list_programs(probe: Probe, name: str) -> Iterator[str]:
    """Yield where the person has a tool: on the PATH, and where its variable says."""
    yield from (*_programs(probe, name), *_programs(probe, OTHER_NAMES.get(name, "")))
    named = probe.variable(VARIABLES[name]) if name in VARIABLES else None
    if named and re.fullmatch(rf".*[/\\]{name}(\.\w+)?", named):
        yield named


def list_usual(probe: Probe, name: str) -> Iterator[str]:
    """Yield where the installers of conda and its kin put a tool."""
    for place in list_places(probe):
        yield from probe.glob(place.replace("{name}", name))


def list_places(probe: Probe) -> list[str]:
    """Return the patterns of the places where installers put a tool, its name left open."""
    system = name_system(probe)
    folders = {key: escape(folder) for key, folder in list_folders(probe, system).items()}
    places = WINDOWS if system == "windows" else UNIX
    return [place.format_map(folders | {"name": "{name}"}) for place in places]


def _programs(probe: Probe, name: str) -> list[str]:
    found = probe.ask("programs", name) if name else None
    return [str(path) for path in found] if isinstance(found, list) else []


def follow_shim(probe: Probe, program: str, folder: Path | None) -> str | None:
    """Return where a shim of pyenv leads, without starting pyenv; None if to nowhere."""
    if not re.search(r"[/\\]shims[/\\]", program):
        return program
    root = list_folders(probe, name_system(probe))["pyenv"]
    name = re.split(r"[/\\]", program)[-1]
    versions = choose_versions(probe, root, folder)
    places = (probe.glob(f"{root}/versions/{version}/bin/{name}") for version in versions)
    return next((paths[0] for paths in places if paths), None)


def choose_versions(probe: Probe, root: str, folder: Path | None) -> list[str]:
    """Return the versions that pyenv would use here: of the shell, else the folder, else the person."""
    here = [f"{parent}/.python-version" for parent in (folder, *folder.parents)] if folder else []
    files = (probe.read(path) for path in (*here, f"{root}/version"))
    text = probe.variable("PYENV_VERSION") or next((text for text in files if text), "")
    return re.split(r"[\s:]+", text.strip())


# ---------------------------------------------------------------- what lies beside it


def find_metadata(probe: Probe, name: str, program: str) -> tuple[str | None, str]:
    """Return the version that a tool's package tells, and its file; None where it has none or several."""
    prefix = find_prefix(probe, program)
    files = [
        path for place in PACKAGES for path in probe.glob(place.format(prefix=escape(prefix), name=name))
    ]
    versions = {version for path in files if (version := parse_metadata(path))}
    return (versions.pop(), files[0]) if len(versions) == 1 else (None, "")


def find_prefix(probe: Probe, program: str) -> str:
    """Return the folder of the environment that a program belongs to."""
    real = str(probe.ask("real_path", program) or program)
    interpreter = parse_shebang(str(probe.ask("shebang", real) or ""))
    return re.sub(r"[/\\][^/\\]+[/\\][^/\\]+$", "", interpreter or real)


def parse_shebang(text: str) -> str | None:
    r"""Return the interpreter of a script; long paths stand in the second line.

    >>> parse_shebang("#!/opt/x/bin/python3.11\nimport sys\n")
    '/opt/x/bin/python3.11'
    >>> parse_shebang("#!/bin/sh\n'''exec' \"/a very/long/bin/python\" \"$0\" \"$@\"\n' '''\n")
    '/a very/long/bin/python'
    >>> parse_shebang("#!/usr/bin/env python3\n") is None
    True
    """
    found = re.match(r"""#!\s*(\S*/python[\d.]*)\s|#!/bin/sh\n'''exec' "?([^"\n]*?/python[\d.]*)"?\s""", text)
    return (found[1] or found[2]) if found else None


def parse_metadata(path: str) -> str | None:
    """Return the version that the name of a package's folder or file carries.

    >>> parse_metadata("/usr/lib/python3/dist-packages/pip-23.0.1.dist-info")
    '23.0.1'
    >>> parse_metadata("/usr/lib/python2.7/dist-packages/pip-9.0.1-py2.7.egg-info")
    '9.0.1'
    >>> parse_metadata("/opt/conda/conda-meta/conda-24.1.0-py311h06a4308_0.json")
    '24.1.0'
    """
    found = re.search(r"[/\\][a-z]+-(\d[^-/\\]*?)(?:-[^/\\]*)?\.(?:dist-info|egg-info|json)$", path)
    return found[1] if found else None
