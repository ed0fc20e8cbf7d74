"""Make Pipfile, Pipfile.lock and environment.yml of the repository: one set of versions for everywhere.

`tools/make_root_files.py` resolves anew (network) and writes; with `--check` it compares what is
committed with what the committed pins give, offline. "Everywhere" is each of SYSTEMS with each of
PYTHONS; elsewhere ./install.sh finds another set.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, product
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import tomlkit
from packaging.version import Version
from uv import find_uv_bin

sys.path.insert(0, str(Path(__file__).parents[1]))
from tfup.formats import environment_yml, pipfile_lock
from tfup.formats.text import MADE_BY
from tfup.managers.default_index import default_index
from tfup.model import Pin
from tfup.pin.companions import companion_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).parents[1]
SYSTEMS = {
    "linux_x86_64": "x86_64-unknown-linux-gnu",
    "linux_aarch64": "aarch64-unknown-linux-gnu",
    "macos_arm64": "aarch64-apple-darwin",
    "windows_amd64": "x86_64-pc-windows-msvc",
}
"""The families of tfup, and uv's names for them."""
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


class Place(NamedTuple):
    """A system with a Python."""

    family: str
    python: str

    @property
    def is_windows(self) -> bool:
        """Tell whether the C++ runtime is needed."""
        return self.family.startswith("windows")


PLACES = tuple(map(Place._make, product(SYSTEMS, PYTHONS)))

ON_WINDOWS = "sys_platform == 'win32'"
WISH = ("tensorflow", "keras", f"msvc-runtime ; {ON_WINDOWS}")
RUNTIME_WHY = "TensorFlow for Windows needs a C++ runtime newer than the one that Python brings"

HEAD = f"# {MADE_BY}: tools/make_root_files.py, from the newest TensorFlow and the newest Keras for all of"
SERVED = f"# Linux (x86_64, aarch64), macOS (arm64) and Windows with Python {PYTHONS[0]} to {PYTHONS[-1]}."
PIPFILE = """\
{head}
{served}
# To install: pipenv install && pipenv run hello. Elsewhere: ./install.sh

[packages]
tensorflow = "=={tensorflow}"
keras = "=={keras}"
msvc-runtime = {{version = "=={msvc-runtime}", markers = "{on_windows}"}}  # {why}

[scripts]
hello = "python checks/hello_session.py"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="compare with what is committed; offline")
    if parser.parse_args(arguments).check:
        return compare(render(committed_pins()))
    for name, text in render(resolve()).items():
        (ROOT / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}: {len(text):,} bytes")
    return 0


def compare(texts: Mapping[str, str]) -> int:
    """Name the files that differ from what they should be; 1 if there is any."""
    differing = [name for name, text in texts.items() if text != read(name)]
    for name in differing:
        print(f"{name} is not what tools/make_root_files.py makes of the pins in Pipfile.lock")
    return 1 if differing else 0


def read(name: str) -> str:
    """Return a committed file, byte for byte."""
    return (ROOT / name).read_bytes().decode()


# ---------------------------------------------------------------- rendering


def render(pins: Sequence[Pin]) -> dict[str, str]:
    """Return the text of each file, by its name."""
    pipfile = render_pipfile({pin.name: pin.version for pin in pins})
    head = f"{HEAD}\n{SERVED}"
    return {
        "Pipfile": pipfile,
        "Pipfile.lock": render_lock(pins, pipfile),
        "environment.yml": environment_yml.render(head, PYTHONS[-1], pins),
    }


def render_pipfile(versions: Mapping[str, str]) -> str:
    """Return the Pipfile: no [[source]], as the person's settings decide; no [requires], as four serve."""
    return PIPFILE.format(head=HEAD, served=SERVED, on_windows=ON_WINDOWS, why=RUNTIME_WHY, **versions)


def render_lock(pins: Iterable[Pin], pipfile: str) -> str:
    """Return the lock, with no index in it: no address is written down in the repository."""
    lock = pipfile_lock.document(pins, pipfile, default_index())
    lock["_meta"]["sources"] = []
    return pipfile_lock.render(lock)


def committed_pins() -> list[Pin]:
    """Return the pins of the committed lock."""
    packages = json.loads(read("Pipfile.lock"))["default"]
    return [
        make_pin(name, entry["version"].removeprefix("=="), entry["hashes"], entry.get("markers"))
        for name, entry in packages.items()
    ]


def make_pin(name: str, version: str, hashes: Iterable[str], marker: str | None) -> Pin:
    """Return a pin, with the one reason that there is."""
    why = RUNTIME_WHY if name == "msvc-runtime" else ""
    return Pin(name, version, tuple(sorted(hashes)), why=why, marker=marker)


# ---------------------------------------------------------------- resolving


Found: TypeAlias = "dict[str, dict[str, Any]]"
"""What uv found for one place: the packages of its pylock, by name."""


def resolve() -> list[Pin]:
    """Return one version of each package for everywhere: the newest that the neediest place can have."""
    lists = find_everywhere(bounds())
    oldest = [f"{name}=={min(versions, key=Version)}" for name, versions in versions_of(lists).items()]
    return join(find_everywhere(oldest))


def find_everywhere(constraints: Iterable[str]) -> list[Found]:
    """Return what uv would install in each of PLACES."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda place: find(place, WISH, constraints), PLACES))


def bounds() -> list[str]:
    """Return our bounds on the companions of the newest TensorFlow."""
    newest = find(PLACES[0], WISH[:1], ())["tensorflow"]["version"]
    return [rule.bound for rule in companion_rules(newest, "cp" + PYTHONS[0].replace(".", ""))]


def find(place: Place, wish: Iterable[str], constraints: Iterable[str]) -> Found:
    """Return what uv would install in a place; wheels only, for nobody shall need a compiler."""
    command = [find_uv_bin(), "pip", "compile", "-", "--quiet", "--format", "pylock.toml"]
    command += ["--only-binary", ":all:", "--python-platform", SYSTEMS[place.family]]
    command += ["--python-version", place.python, "--python", sys.executable]
    with NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(constraints))
        file.flush()
        command += ["--constraints", file.name]
        wanted = "\n".join(wish)
        done = subprocess.run(command, check=False, capture_output=True, text=True, input=wanted, timeout=300)
    if done.returncode:
        sys.exit(f"uv finds nothing for {place}:\n{done.stderr}")
    return {package["name"]: package for package in tomlkit.parse(done.stdout).unwrap()["packages"]}


def versions_of(lists: Iterable[Found]) -> dict[str, set[str]]:
    """Return the versions of each package in some places."""
    versions: dict[str, set[str]] = {}
    for name, package in chain.from_iterable(found.items() for found in lists):
        versions.setdefault(name, set()).add(package["version"])
    return versions


def join(lists: Sequence[Found]) -> list[Pin]:
    """Return the pins for everywhere from what was found in each of PLACES."""
    several = [name for name, versions in versions_of(lists).items() if len(versions) > 1]
    if several:
        sys.exit(f"There is no single version for everywhere of {', '.join(several)}.")
    return [pin_of(name, lists) for name in sorted(versions_of(lists))]


def pin_of(name: str, lists: Sequence[Found]) -> Pin:
    """Return one package with the hashes of its wheels for all places."""
    packages = [found[name] for found in lists if name in found]
    hashes = {wheel["hashes"]["sha256"] for package in packages for wheel in package["wheels"]}
    where = frozenset(place for place, found in zip(PLACES, lists, strict=True) if name in found)
    return make_pin(
        name, packages[0]["version"], (f"sha256:{value}" for value in hashes), marker(name, where)
    )


def marker(name: str, where: frozenset[Place]) -> str | None:
    """Return the marker for a package that is needed in some places; we know words for two cases."""
    cases = {frozenset(PLACES): None, frozenset(place for place in PLACES if place.is_windows): ON_WINDOWS}
    if where not in cases:
        sys.exit(f"{name} is needed in {where}, for which there is no marker yet.")
    return cases[where]


if __name__ == "__main__":
    sys.exit(main())
