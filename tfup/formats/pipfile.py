"""Pipfile: what a person's own one asks for, and the plan merged into it.

What tfup puts in carries a comment that begins with "tfup:"; where it takes the place of a value of
the person's, that value stays in the comment ("yours was …"), so that no wish is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import asdict
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tfup.errors import Need, UnreadableFile
from tfup.formats.text import MADE_BY, chosen, headline, one_line, python_minor, set_aside

if TYPE_CHECKING:
    from pathlib import Path

    from tomlkit import TOMLDocument

    from tfup.formats.text import Source
    from tfup.model import Plan

BUILD = "the build"
KERAS = "the Keras that goes with the build"
BACKEND = "the back end of Keras"
PYTHON = "the Python of the build"
ASKED = "asked for"
ASKED_IN_ANY_VERSION = "asked for in any version"

UNLOCKABLE = {"git", "hg", "svn", "bzr", "path", "file", "url", "uri", "editable"}
"""Keys of an entry that no index can answer."""
MARKERS = {
    "os_name",
    "sys_platform",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_version",
    "python_full_version",
    "implementation_name",
    "implementation_version",
}
"""Keys of an entry that Pipenv takes for a marker: `os_name = "== 'nt'"`."""
NOT_PACKAGES = {"source", "requires", "scripts", "pipfile", "pipenv", "default", "develop"}
"""Sections that hold no packages; every other one does."""

HEADLINE = re.compile(rf"\A# {MADE_BY}.*")
Asked: TypeAlias = "str | dict[str, Any]"
"""What an entry asks for, in its short or its long form."""

COMMENT = re.compile(r"#?\s*(?P<theirs>.*?)\s*(?:# )?(?:tfup: (?P<reason>.*?)(?:; yours was (?P<was>.*))?)?$")


class PipfileWish(Struct, frozen=True):
    """What a Pipfile asks for, as PEP 508 requirements."""

    packages: tuple[str, ...] = ()
    develop: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    """What tfup put in and the person never asked for; one that the last plan does not pin was edited."""
    unlocked: tuple[str, ...] = ()
    """Names that tfup cannot lock: from Git, a folder, an address, or in a category of the person's own."""
    python: str | None = None
    """The minor of [requires], where it is the person's."""


class Entry(NamedTuple):
    """One line of a section, as tfup wants it."""

    name: str
    value: dict[str, Any]
    """Keys as in Pipfile: version, extras, markers."""
    reason: str


class Note(NamedTuple):
    """A comment taken apart: the person's words, our reason, and the value that ours replaced, as TOML."""

    theirs: str = ""
    reason: str = ""
    was: str = ""

    @property
    def is_ours_alone(self) -> bool:
        """Tell whether tfup put the entry in and the person never asked for it."""
        return bool(self.reason) and not self.was and not self.reason.startswith(ASKED)

    def text(self) -> str:
        """Return the comment, without its first #."""
        was = f"; yours was {self.was}" if self.was else ""
        ours = f"tfup: {self.reason}{was}" if self.reason else ""
        return "  # ".join(part for part in (self.theirs, ours) if part)


# ---------------------------------------------------------------- reading


def parse(text: str, path: str | Path = "Pipfile") -> TOMLDocument:
    """Return a Pipfile as a document that keeps its layout; UnreadableFile where it is none."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise unreadable(path, str(error)) from None
    for name in ("packages", "dev-packages", "requires"):
        if not isinstance(document.get(name, {}), Mapping) or is_inline(document.get(name)):
            raise unreadable(path, f"{name} that is no [{name}] table")
    return document


def is_inline(section: object) -> bool:
    """Tell whether a section is written in braces, where no entry can have a comment."""
    from tomlkit.items import InlineTable

    return isinstance(section, InlineTable)


def unreadable(path: str | Path, found: str) -> UnreadableFile:
    """Return the error for a Pipfile that cannot be read."""
    need = Need("Pipfile", "TOML as Pipenv reads it", found)
    return UnreadableFile(f"{path} is not a Pipfile.", (need,), set_aside(path))


def read(text: str, path: str | Path = "Pipfile") -> dict[str, Any]:
    """Return the plain content of a Pipfile."""
    return parse(text, path).unwrap()


def requirements(text: str, path: str | Path = "Pipfile") -> PipfileWish:
    """Return what a Pipfile asks for; UnreadableFile where it is none."""
    document = parse(text, path)
    ours, theirs = sort_out(document.get("packages", {}), path)
    _, develop = sort_out(document.get("dev-packages", {}), path)
    return PipfileWish(
        packages=tuple(theirs),
        develop=tuple(develop),
        made=tuple(ours),
        unlocked=tuple(unlocked_names(document.unwrap())),
        python=wished_python(document.get("requires", {})),
    )


def sort_out(packages: Mapping[str, Any], path: str | Path) -> tuple[list[str], list[str]]:
    """Return the requirements of a section that are tfup's, and those that are the person's."""
    ours: list[str] = []
    theirs: list[str] = []
    for name in packages:
        note = note_of(packages, name)
        wish = wish_of(packages, name)
        if not is_unlockable(wish):
            (ours if note.is_ours_alone else theirs).append(pep508(name, wish, path))
    return ours, theirs


def wish_of(packages: Mapping[str, Any], name: str) -> Asked:
    """Return what an entry asked for before tfup pinned it."""
    value, note = plain(packages[name]), note_of(packages, name)
    if note.was:
        return from_toml(note.was)
    if note.reason == ASKED_IN_ANY_VERSION:
        return {**as_table(value), "version": "*"}
    return value


def pep508(name: str, wish: Asked, path: str | Path = "Pipfile") -> str:
    """Return an entry as PEP 508 spells it.

    >>> pep508("requests", {"version": ">=2", "extras": ["socks"], "os_name": "== 'nt'"})
    'requests[socks]>=2; os_name == "nt"'
    """
    try:
        table = as_table(wish)
        extras = f"[{','.join(table['extras'])}]" if table.get("extras") else ""
        version = "" if table.get("version", "*").strip() == "*" else table["version"]
        marker = " and ".join(f"({condition})" for condition in conditions(table))
        return str(Requirement(f"{name}{extras}{version}" + (f" ; {marker}" if marker else "")))
    except (InvalidRequirement, TypeError, AttributeError, ValueError):
        raise unreadable(path, f"{name} = {wish!r}") from None


def conditions(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the markers of an entry, in either of the two ways to write them."""
    if table.get("markers"):
        yield table["markers"]
    yield from (f"{key} {table[key]}" for key in table if key in MARKERS)


def as_table(wish: Asked) -> dict[str, Any]:
    """Return an entry in its long form."""
    return dict(wish) if isinstance(wish, Mapping) else {"version": wish}


def plain(value: Asked) -> Asked:
    """Return a value without its layout."""
    unwrap: Callable[[], Asked] | None = getattr(value, "unwrap", None)
    return unwrap() if unwrap else value


def is_unlockable(wish: Asked) -> bool:
    """Tell whether an entry comes from elsewhere than an index."""
    return isinstance(wish, Mapping) and not UNLOCKABLE.isdisjoint(wish)


def unlocked_names(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what tfup cannot lock."""
    for section, packages in sections(content).items():
        own = section not in {"packages", "dev-packages"}
        yield from (name for name, wish in packages.items() if own or is_unlockable(wish))


def sections(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the sections of a Pipfile that hold packages."""
    return {
        name: dict(packages)
        for name, packages in content.items()
        if name not in NOT_PACKAGES and isinstance(packages, Mapping)
    }


def wished_python(requires: Mapping[str, Any]) -> str | None:
    """Return the Python minor that the person requires."""
    key = "python_version" if "python_version" in requires else "python_full_version"
    if key not in requires or (note_of(requires, key).reason and not note_of(requires, key).was):
        return None
    return python_minor(str(wish_of(requires, key)))


# ---------------------------------------------------------------- merging


def merge(text: str, plan: Plan, sources: Sequence[Source] = (), path: str | Path = "Pipfile") -> str:
    """Return a Pipfile with the plan in it; of what stood there, all that is not ours stays as it is."""
    requirements(text, path)
    document = parse(HEADLINE.sub(headline(plan), text) or fresh(plan, sources), path)
    add_sources(document, sources)
    packages = document.setdefault("packages", {})
    wanted: dict[str, Entry] = {}
    for entry in entries(plan):
        wanted.setdefault(entry.name, entry)
    drop_stale(packages, wanted)
    for entry in wanted.values():
        put(packages, entry)
    put_python(document.setdefault("requires", {}), chosen(plan).python)
    return document.as_string()


def fresh(plan: Plan, sources: Sequence[Source]) -> str:
    """Return a Pipfile with nothing in it yet."""
    tables = "".join(f"\n[[source]]\n{source_lines(source)}" for source in sources)
    return f"""\
{headline(plan)}
# Yours to edit: what tfup put in says so, and all else stays as it is.
{tables}
[packages]

[requires]
"""


def source_lines(source: Source) -> str:
    """Return the body of a [[source]] table."""
    import tomlkit

    return tomlkit.dumps(asdict(source))


def add_sources(document: TOMLDocument, sources: Iterable[Source]) -> None:
    """Add the indexes that the Pipfile does not have, and renew those that it has by name."""
    import tomlkit

    tables = document.get("source", tomlkit.aot())
    for source in sources:
        table = next((table for table in tables if table.get("name") == source.name), None)
        if table is None:
            tables.append(tomlkit.item(asdict(source)).add(tomlkit.nl()))
        else:
            renew(table, asdict(source))
    if "source" not in document and tables:
        document.append("source", tables)
    if len(tables) > 1 and sources:
        # Pipenv else looks for each package in the first index only; hashes keep that safe
        document.setdefault("pipenv", {}).setdefault("install_search_all_sources", True)


def renew(table: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Set what differs, and leave the layout of the rest."""
    table.update({key: value for key, value in values.items() if table.get(key) != value})


def entries(plan: Plan) -> Iterator[Entry]:
    """Yield what the plan asks a Pipfile to say, the most telling reason for a name first."""
    choice, reasons = chosen(plan), {pin.name: one_line(pin.why) for pin in plan.pins}
    extras = {"extras": sorted(choice.extras)} if choice.extras else {}
    build, version = canonicalize_name(choice.project), f"=={choice.version}"
    yield Entry(build, {"version": version, **extras}, reasons.get(build) or BUILD)
    if plan.keras:
        keras = canonicalize_name(plan.keras.project)
        yield Entry(keras, {"version": f"=={plan.keras.version}"}, reasons.get(keras) or KERAS)
    yield from backend_entries(plan)
    yield from wished_entries(plan)
    for pin in plan.pins:
        if pin.why and pin.purpose != "develop":
            markers = {"markers": pin.marker} if pin.marker else {}
            yield Entry(pin.name, {"version": f"=={pin.version}", **markers}, one_line(pin.why))


def backend_entries(plan: Plan) -> Iterator[Entry]:
    """Yield the back end beside a Keras that is the build: nothing that Keras asks for brings it."""
    wanted = chosen(plan).requirement
    name = Requirement(wanted).name if wanted else None
    pins = (pin for pin in plan.pins if pin.name == name)
    yield from (
        Entry(pin.name, {"version": f"=={pin.version}"}, one_line(pin.why) or BACKEND) for pin in pins
    )


def wished_entries(plan: Plan) -> Iterator[Entry]:
    """Yield what was asked for beside the build, as it was typed; exactly as pinned where no version was."""
    pinned = {pin.name: pin.version for pin in plan.pins if pin.purpose != "develop"}
    for requirement in map(Requirement, plan.wish.requirements):
        name = canonicalize_name(requirement.name)
        if name in pinned:
            typed = str(requirement.specifier)
            value: dict[str, Any] = {"version": typed or f"=={pinned[name]}"}
            value |= {"extras": sorted(requirement.extras)} if requirement.extras else {}
            value |= {"markers": str(requirement.marker)} if requirement.marker else {}
            yield Entry(name, value, ASKED if typed else ASKED_IN_ANY_VERSION)


def drop_stale(packages: dict[str, Any], wanted: Mapping[str, Entry]) -> None:
    """Take out what an earlier plan put in and this one does not; the person's value comes back."""
    for key in list(packages):
        note = note_of(packages, key)
        if note.reason and not note.reason.startswith(ASKED) and canonicalize_name(key) not in wanted:
            restore(packages, key, note)


def restore(packages: dict[str, Any], key: str, note: Note) -> None:
    """Put back what stood there before tfup, or nothing."""
    if note.was:
        set_value(packages, key, from_toml(note.was), Note(note.theirs))
    else:
        del packages[key]


def put(packages: dict[str, Any], entry: Entry) -> None:
    """Write an entry, in place where the name is there already."""
    key = next((key for key in packages if canonicalize_name(key) == entry.name), None)
    if key is None:
        set_value(packages, entry.name, short(entry.value), Note(reason=entry.reason))
        return
    old, note = plain(packages[key]), note_of(packages, key)
    if is_theirs_to_say(key, old, note, entry):
        return
    was = "" if entry.reason.startswith(ASKED) else note.was if note.reason else toml(old)
    wish = {} if note.is_ours_alone else as_table(wish_of(packages, key))
    set_value(packages, key, short({**wish, **entry.value}), Note(note.theirs, entry.reason, was))


def is_theirs_to_say(key: str, old: Asked, note: Note, entry: Entry) -> bool:
    """Tell whether an entry of the person's stays: it says enough already, or no index can answer it."""
    if note.reason or is_unlockable(old):
        return is_unlockable(old)
    return entry.reason == ASKED_IN_ANY_VERSION or pep508(key, old) == pep508(key, entry.value)


def put_python(requires: dict[str, Any], version: str) -> None:
    """Write [requires]; a full version of another minor would contradict it."""
    minor = python_minor(version)
    if python_minor(str(requires.get("python_full_version", minor))) != minor:
        del requires["python_full_version"]
    note = note_of(requires, "python_version")
    old = requires.get("python_version")
    if old != minor:
        was = note.was if note.reason or old is None else toml(plain(old))
        set_value(requires, "python_version", minor, Note(note.theirs, PYTHON, was))


def short(value: dict[str, Any]) -> Asked:
    """Return an entry as briefly as Pipenv writes it."""
    return value["version"] if set(value) == {"version"} else value


def toml(value: Asked) -> str:
    """Return a value on one line of TOML."""
    import tomlkit

    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update(value)
        return table.as_string()
    return tomlkit.item(value).as_string()


def from_toml(text: str) -> Asked:
    """Return the value that `toml` wrote."""
    import tomlkit

    value: Asked = tomlkit.value(text).unwrap()
    return value


def set_value(packages: dict[str, Any], key: str, value: Asked, note: Note) -> None:
    """Write a value with its comment; an entry that has its own table is put in braces, as Pipenv does."""
    import tomlkit

    if is_own_table(packages.get(key)):
        del packages[key]
    packages[key] = tomlkit.value(toml(value))
    trivia = packages[key].trivia  # set afterwards, for tomlkit lets a new value inherit the old comment
    trivia.comment_ws, trivia.comment = ("  ", f"# {note.text()}") if note.text() else ("", "")


def is_own_table(value: object) -> bool:
    """Tell whether an entry is written as [packages.NAME]."""
    from tomlkit.items import Table

    return isinstance(value, Table)


def note_of(packages: Mapping[str, Any], key: str) -> Note:
    """Return the comment of an entry, taken apart."""
    trivia = getattr(packages.get(key), "trivia", None)
    found = COMMENT.match(trivia.comment if trivia else "")
    return Note(*(part or "" for part in found.groups())) if found else Note()
