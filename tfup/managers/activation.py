"""What an environment gets beside its packages, all inside its own folder: `undo` takes it away with it.

- the back end that was asked for: a .pth that sets KERAS_BACKEND where the person has not, and keeps apart
  what Theanos of several versions compile,
- the system's libraries that a back end loads, as links under the names that it asks for,
- the system's modules that were asked for, as links,
- a module that opens CUDA's libraries before TensorFlow asks for them: see loader.py,
- on Windows a line that names the folder of the C++ runtime: see runtime.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfup.errors import InstallFailed, Need
from tfup.managers import cuda_loader, runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tfup.model import Plan, SystemPackage

BACKEND_FILE = "tfup_keras_backend.pth"
SET_BACKEND = 'import os; os.environ.setdefault("KERAS_BACKEND", "{}")\n'
THEANO_FORMAT = (
    "compiledir_%(short_platform)s-%(processor)s-%(python_version)s-%(theano_version)s-%(numpy_version)s"
)
"""Where in ~/.theano it keeps what it compiled: by itself it would import the parts of another version."""
SET_THEANO = (
    'import os; os.environ["THEANO_FLAGS"] = os.environ.get("THEANO_FLAGS", "") '
    'if "compiledir_format" in os.environ.get("THEANO_FLAGS", "") '
    f'else "compiledir_format={THEANO_FORMAT}," + os.environ.get("THEANO_FLAGS", "")\n'
)
NOTE = "tfup-system-packages.json"
"""Read by checks/system_packages.py."""
LIBRARY_FOLDERS = {"cntk": "cntk/libs"}
"""Where the binaries of a back end look first: $ORIGIN in their RUNPATH."""


def asked(plan: Plan) -> dict[str, Any]:
    """Return what an environment notes of its furnishing; nothing where there is none."""
    noted = {
        "backend": plan.wish.backend,
        "libraries": [[one.soname, one.path] for one in links_of(plan)],
        "system_packages": [[one.name, one.path] for one in plan.system_packages],
        "cuda": cuda_loader.asked(plan.choice),
    }
    return {name: value for name, value in noted.items() if value}


def furnish(folder: Path, plan: Plan) -> None:
    """Write the .pth and make the links, in an environment whose packages are installed."""
    site = next(iter(sites(folder)), folder)
    if plan.wish.backend:
        lines = SET_BACKEND.format(plan.wish.backend) + SET_THEANO * (plan.wish.backend == "theano")
        (site / BACKEND_FILE).write_text(lines, encoding="ascii")
    cuda_loader.write(site, plan.choice)
    runtime.write(folder, site)
    for library in links_of(plan):
        link(
            site / LIBRARY_FOLDERS[plan.choice.backend if plan.choice else ""] / library.soname, library.path
        )
    for package in plan.system_packages:
        show(site, package)
    if plan.system_packages:
        names = [package.name for package in plan.system_packages]
        (folder / NOTE).write_text(json.dumps(names), encoding="utf-8")


def with_backend(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables as Python sees them in an environment: with its back end, where none is set."""
    written = (path for path in sites(folder) if (path / BACKEND_FILE).is_file())
    text = next(((path / BACKEND_FILE).read_text(encoding="utf-8", errors="replace") for path in written), "")
    found = re.search(r'"KERAS_BACKEND", "(\w+)"', text)
    return {**({"KERAS_BACKEND": found[1]} if found else {}), **variables}


def sites(folder: Path) -> list[Path]:
    """Return the folders of an environment that hold its packages."""
    return [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]


def links_of(plan: Plan) -> list[Any]:
    """Return the libraries that a back end asks for under another name than the system's."""
    choice = plan.choice
    if choice is None or choice.backend not in LIBRARY_FOLDERS:
        return []
    return [one for one in choice.libraries if one.path and Path(one.path).name != one.soname]


def link(place: Path, target: str | None) -> None:
    """Make a link, in place of one that is there."""
    place.unlink(missing_ok=True)
    place.symlink_to(str(target))


def show(site: Path, package: SystemPackage) -> None:
    """Make a module of the system's visible; InstallFailed where a package has put its own there."""
    target = Path(package.path)
    inside = [path.name for path in site.glob(f"{package.name}*") if path.name.split(".")[0] == package.name]
    if inside:
        need = Need("system package", f"no other {package.name}", ", ".join(inside))
        sentence = f"{package.name} comes with a package of the environment, too; it cannot be both."
        raise InstallFailed(
            sentence, (need,), "tfup install, without --system-package or without the package"
        )
    (site / target.name).symlink_to(target)
