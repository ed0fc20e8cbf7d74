"""A plan as files: Pipfile, Pipfile.lock, requirements.txt, environment.yml, and the plan itself.

Each format is a pure function in a module of its own; `write` alone touches the disk. A file that
tfup did not make is never overwritten: a Pipfile is merged, and others get ours beside them.
pylock.toml is made from the pins by uv; only its place is decided here.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tfup.errors import Need, UnreadableFile, UnusableFolder
from tfup.files import write_whole
from tfup.formats import environment_yml, pipfile, pipfile_lock, requirements
from tfup.formats.text import MADE_BY, Source, set_aside
from tfup.model import Plan, Project

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MADE_BY", "Source", "locate", "read_hashes", "read_pipfile", "read_plan", "write"]

MARKED_LINES = 3
SIZE_LIMITS = {"Pipfile": 1_000_000, "Pipfile.lock": 100_000_000}
"""In bytes: reading 20 MB of TOML takes minutes, and no person has written them."""


def write(plan: Plan, folder: Path, default: Source, sources: Sequence[Source] = ()) -> Project:
    """Write the files of a plan, each at once or not at all, and return where they are.

    `default` is the index that is meant where `sources`, the person's own, name none.
    Raises UnreadableFile for a Pipfile or lock that cannot be read, before anything is written, and
    UnusableFolder where the folder cannot be written to.
    """
    try:
        project = locate(folder)
        for path, text in files(plan, project, default, sources).items():
            write_file(Path(path), text)
    except OSError as error:
        raise unusable(folder, error) from error
    return project


def locate(folder: Path) -> Project:
    """Return where the files of a project are, or will be."""
    folder = folder.absolute()
    return Project(
        folder=str(folder),
        plan=str(folder / ".tfup" / "plan.json"),
        requirements=str(place(folder / "requirements.txt")),
        pipfile=str(folder / "Pipfile"),
        pipfile_lock=str(folder / "Pipfile.lock"),
        environment_yml=str(place(folder / "environment.yml")),
        pylock=str(place(folder / "pylock.toml")),
    )


def read_plan(folder: Path) -> Plan | None:
    """Return the plan of the last install; None where there was none, or none that can be read any more."""
    try:
        return msgspec.json.decode(Path(locate(folder).plan).read_bytes(), type=Plan)
    except (OSError, msgspec.MsgspecError):
        return None


def read_hashes(folder: Path) -> requirements.Hashes:
    """Return the hashes of a project's pins: those of our requirements.txt, else of the plan."""
    plan, file = read_plan(folder), Path(locate(folder).requirements)
    planned = {f"{pin.name}=={pin.version}": pin.hashes for pin in plan.pins if pin.hashes} if plan else {}
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return planned | requirements.read_hashes(text)


def read_pipfile(folder: Path) -> pipfile.PipfileWish:
    """Return what the Pipfile of a project asks for; UnreadableFile where it is none."""
    path = folder / "Pipfile"
    return pipfile.requirements(read_text(path), path)


def place(path: Path) -> Path:
    """Return where to put a file of ours: beside one that tfup did not make."""
    return path if is_ours(path) else path.with_name(f"{path.stem}.tfup{path.suffix}")


def is_ours(path: Path) -> bool:
    """Tell whether a file may be overwritten: it is not there, or says that tfup made it."""
    if not path.exists():
        return True
    first = path.read_text(encoding="utf-8", errors="replace").splitlines()[:MARKED_LINES]
    return any(MADE_BY in line for line in first)


def files(plan: Plan, project: Project, default: Source, sources: Sequence[Source]) -> dict[str, str]:
    """Return the text of each file; the lock comes after the Pipfile whose digest it holds."""
    before = read_text(Path(project.pipfile))
    merged = pipfile.merge(before, plan, sources, project.pipfile)
    old_lock = read_text(Path(project.pipfile_lock))
    pipfile_lock.read(old_lock, project.pipfile_lock)
    return {
        str(Path(project.plan).with_name(".gitignore")): "*\n",
        project.plan: msgspec.json.format(msgspec.json.encode(plan), indent=1).decode() + "\n",
        project.requirements: requirements.text(plan),
        project.environment_yml: environment_yml.text(plan),
        project.pipfile: merged,
        project.pipfile_lock: pipfile_lock.text(plan, merged, default, old_lock),
    }


def read_text(path: Path) -> str:
    """Return the text of a file, nothing where there is none; UnreadableFile where it is no text."""
    try:
        if not path.exists():
            return ""
        if path.stat().st_size <= SIZE_LIMITS[path.name]:
            return path.read_text(encoding="utf-8-sig")
        need = Need(path.name, f"at most {SIZE_LIMITS[path.name] // 10**6} MB", "more")
    except UnicodeDecodeError as error:
        need = Need(path.name, "UTF-8", f"byte {error.object[error.start]:#x} at offset {error.start}")
    except OSError as error:
        need = Need(path.name, "a file that you may read", error.strerror)
    sentence = f"{path} cannot be read."
    raise UnreadableFile(sentence, (need,), set_aside(path))


def write_file(path: Path, text: str) -> None:
    """Replace a file in one step, so that no reader and no crash ever sees half of it."""
    target = Path(os.path.realpath(path))  # what a link points to, not the link
    if target.is_symlink():
        raise OSError(errno.ELOOP, "links that lead in a circle", str(path))
    refuse_stranger(path, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, text.replace("\n", newline_of(target)).encode())


def refuse_stranger(path: Path, target: Path) -> None:
    """Raise OSError where a link leads out of the project to a file that is not one of its kind.

    A Pipfile may be shared with other projects; a link in somebody's archive may lead to a start-up file.
    """
    folder = Path(os.path.realpath(path.parent))
    if path.is_symlink() and not target.is_relative_to(folder) and target.name != path.name:
        raise OSError(errno.EPERM, f"a link that leads out of the project, to {target}", str(path))


def newline_of(path: Path) -> str:
    r"""Return the line ending of a file that is there; "\n" for a new one."""
    if not path.exists():
        return "\n"
    with path.open(encoding="utf-8") as stream:
        stream.readline()
        return stream.newlines if isinstance(stream.newlines, str) else "\n"


def unusable(folder: Path, error: OSError) -> UnusableFolder:
    """Return the error for a folder that cannot hold a project."""
    need = Need("folder", "a folder that can be written to", error.strerror or str(error))
    return UnusableFolder(
        f"{error.filename or folder} cannot be written.", (need,), "tfup install --project ~/tensorflow"
    )
