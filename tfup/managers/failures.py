"""What an engine says when it fails, turned into the error that a person can act upon; uv above all."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tfup import tables
from tfup.errors import (
    IndexUnreachable,
    InstallFailed,
    LacksWheels,
    Need,
    PinGone,
    TfupError,
    UnknownProject,
    Unresolvable,
    WrongFile,
)
from tfup.privacy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Tell = Callable[[str], TfupError]
    Kinds = tuple[tuple[str, Callable[[str, re.Match[str]], TfupError]], ...]

NO_ANSWER = (
    # What uv (0.13) and pip (20.3) say, and what that means; the first that is found counts.
    (
        r"network was disabled|[Nn]etwork connectivity is disabled|^Ignoring indexes:",
        "--offline, and files that the cache lacks",
    ),
    (
        (
            r"dns error|failed to lookup address|Name or service not known|nodename nor servname"
            r"|getaddrinfo failed|Temporary failure in name resolution"
        ),
        "a host name that nothing resolves",
    ),
    (
        r"invalid peer certificate: (\w+)|\[SSL: (CERTIFICATE\w+)\]",
        "a certificate that is not trusted ({})",
    ),
    (r"\[SSL: (\w+)\]", "no TLS that both sides speak ({})"),
    (r"[Cc]onnection refused", "a refused connection"),
    (r"timed out|timeout", "no answer in time"),
    (r"HTTP status \w+ error \(([^)]+)\)", "{}"),
    (r"\((401 Unauthorized)\)|returned a (403 Forbidden)", "{}"),
    (r"\b([345]\d\d (?:Client|Server) Error(?:: \w[\w ]*?)??) for url|too many (\d+ error response)s", "{}"),
    (
        r"before message length reached|[Cc]onnection reset|reading a body|[Uu]nexpected EOF",
        "a connection that was cut",
    ),
    (r"error sending request|tcp connect error|client error", "no connection"),
)
NOT_ALLOWED = (
    r"(`(?P<place>[^`\n]+)`:? ?)?[^`\n]*(?P<why>Permission denied|Read-only file system|Access is denied)"
    r'([^`\n]* at path "(?P<path>[^"\n]+)")?'
)
LONGEST = 12  # lines of uv's own explanation; a contradiction between hundreds of releases takes pages
WIDEST = 2000  # characters of a line; 100 kB would keep the expressions below busy for minutes


def explain(text: str, log: str | None = None, kinds: Kinds = (), otherwise: Tell | None = None) -> TfupError:
    """Return the error for what uv, or another engine, wrote before it failed.

    `log` is where all of it is kept. Another engine brings the kinds of its own, and what it says of others.
    """
    text = hide_credentials("\n".join(line[:WIDEST] for line in text.splitlines()))
    unbroken = re.sub(r"\n {5,}", " ", text)  # on a terminal uv breaks its lines, anywhere
    for pattern, tell in (*kinds, *KINDS):
        if found := re.search(pattern, unbroken):
            error = tell(text, found)
            break
    else:
        error = no_answer(text) or (otherwise or unforeseen)(text)
    error.log = log
    return error


def disk_is_full(text: str, _found: re.Match[str]) -> TfupError:
    """Return the error for a disk without space, with the place that uv could not write."""
    place = re.search(r"`(/[^`\n]+)`: (?:No space|Disk quota)|(?:28|122)\) at path \"(/[^\"\n]+)", text)
    found = f"a full disk at {place[1] or place[2]}" if place else "a full disk"
    need = Need("disk", "free space for the packages and uv's cache", found)
    return InstallFailed("The disk is full.", (need,), "tfup clean")


def not_allowed(_text: str, found: re.Match[str]) -> TfupError:
    """Return the error for a folder that may not be written."""
    place = found["place"] or found["path"] or "A folder that uv needs"
    need = Need("folder", "leave to write", found["why"])
    return InstallFailed(f"{place} may not be written.", (need,), "ls -ld . .venv")


def in_use(text: str, _found: re.Match[str]) -> TfupError:
    """Return the error for a file that a program of Windows holds open: an editor, an antivirus, a Python."""
    place = re.search(r"[`\"]([A-Za-z]:[^`\"\n]+)", text)
    need = Need("file", "one that no program uses", place[1] if place else "one that is in use")
    return InstallFailed("A file is in use by another program.", (need,), "tfup doctor")


def unusable_cache(_text: str, found: re.Match[str]) -> TfupError:
    """Return the error for a cache folder of uv's that cannot be made or written."""
    need = Need("cache", "a folder that may be written", found["why"].strip())
    sentence = f"uv's cache folder {found['place']} cannot be used."
    return InstallFailed(sentence, (need,), "UV_CACHE_DIR=~/uv-cache tfup install")


def too_old(_text: str, _found: re.Match[str]) -> TfupError:
    """Return the error for an interpreter that uv cannot drive: it asks with -I, which 2.7 has not."""
    need = Need("python", "3.6 or newer", "an older one")
    return InstallFailed("Environments for Python 2.7 come with a later tfup.", (need,), "tfup versions")


def other_hash(text: str, found: re.Match[str]) -> TfupError:
    """Return the error for a file that is not the one that was pinned."""
    hashes = re.findall(r"sha256:[0-9a-f]{64}", text[found.end() :])
    expected, computed = (hashes[0], hashes[-1]) if hashes else ("the pinned hash", "another one")
    need = Need(found["file"], expected, computed)
    sentence = f"The index sent another file for {found['file']} than the pinned one; it was not installed."
    return WrongFile(sentence, (need,), "TFUP_INDEX_URL=https://ADDRESS/simple tfup install")


def broken_file(_text: str, found: re.Match[str]) -> TfupError:
    """Return the error for an archive that cannot be unpacked."""
    need = Need(found["file"], "a whole archive", "one that cannot be unpacked")
    return IndexUnreachable(f"The index sent a broken file for {found['file']}.", (need,), "tfup install")


def no_build(_text: str, found: re.Match[str]) -> TfupError:
    """Return the error for a source archive that could not be built."""
    need = Need(found["file"], "to be built from its source", "a build that failed")
    return InstallFailed(f"{found['file']} could not be built.", (need,), "tfup versions")


def no_pins(pins: Collection[str], needs: tuple[Need, ...], log: str | None = None) -> PinGone:
    """Return the error for pins ("name==version") that the index lacks; unnamed where none are known."""
    named = f": {', '.join(pins)}" if pins else ""
    sentence = f"The package index does not have what was pinned{named}."
    return PinGone(sentence, needs, "tfup plan", log=log, pins=tuple(pins))


def no_project(name: str) -> TfupError:
    """Return the error for a name that the index does not know, with the names nearest to it that we know."""
    known = {*tables.projects(), "keras", *(pin.partition("==")[0] for pin in tables.files())}
    near = get_close_matches(name.lower(), sorted(known), n=3)
    need = Need("project", "a name that the package index knows", name)
    hint = f"tfup plan {near[0]}" if near else "tfup plan tensorflow"
    meant = f"; did you mean {' or '.join(near)}?" if near else "."
    return UnknownProject(f"The package index knows no project named {name}{meant}", (need,), hint)


def contradiction(text: str, found: re.Match[str]) -> TfupError:
    """Return the error for requirements that nothing satisfies, with uv's explanation cut to a screen.

    An index that refuses its answer, or is not asked, makes uv say the same: that is another failure.
    """
    refused = re.search(r"^hint: (An index|Packages were unavailable)", text, re.MULTILINE)
    if refused and (error := no_answer(text)):
        return error
    if unknown := re.search(r"Because (\S+) was not found in the package registry and you require", text):
        return no_project(unknown[1])
    need = Need("packages", "versions that go together", shortened(text[found.end() :]))
    if lacking := re.findall(r"^hint: Wheels are required for `([\w.-]+)`", text, re.MULTILINE):
        sentence = f"There is no wheel of {', '.join(lacking)} for this Python and system."
        return LacksWheels(sentence, (need,), "tfup versions", names=tuple(lacking))
    return Unresolvable("The packages asked for do not go together.", (need,), "tfup versions")


def unreadable_requirement(_text: str, found: re.Match[str]) -> TfupError:
    """Return the error for a requirement that is none."""
    need = Need("requirement", "a name, and versions such as ==1.2 or >=1", found["why"].strip())
    return Unresolvable("A requirement cannot be understood.", (need,), "tfup install 'NAME==VERSION'")


def no_answer(text: str) -> TfupError | None:
    """Return the error for an index that gave no usable answer, None where uv complains of something else."""
    for pattern, meaning in NO_ANSWER:
        if found := re.search(pattern, text, re.MULTILINE):
            why = meaning.format(next(filter(None, found.groups()), ""))
            return unreachable(text, why)
    return None


def unreachable(text: str, why: str) -> TfupError:
    """Return the error for an index, with the remedy that fits the cause."""
    address = re.search(r"https?://[^\s`)>]+", text)
    need = Need("package index", "an answer", f"{why}, {address[0]}" if address else why)
    return IndexUnreachable("The package index gave no usable answer.", (need,), remedy(why))


def remedy(why: str) -> str:
    """Return the one command to try.

    >>> remedy("a certificate that is not trusted (UnknownIssuer)")
    'SSL_CERT_FILE=/path/to/authority.pem tfup install'
    """
    if "Expired" in why or "NotValidYet" in why:
        return "date"  # a clock that is wrong makes every certificate so
    if "certificate" in why:
        return "SSL_CERT_FILE=/path/to/authority.pem tfup install"
    if "--offline" in why:
        return "tfup install"
    return "TFUP_INDEX_URL=https://ADDRESS/simple tfup install"


def unforeseen(text: str) -> TfupError:
    """Return the error for what no rule knows: uv's own words."""
    need = Need("uv", "an environment made from the pins", shortened(text))
    return InstallFailed("uv could not make the environment.", (need,), "tfup doctor")


def shortened(text: str) -> str:
    r"""Return uv's explanation without its decoration, and not longer than a screen takes.

    >>> shortened("warning: old\nerror: A\n  cause: B\n")
    'A\nB'
    """
    lines = text[max(text.find("error: "), 0) :].splitlines()
    lines = [re.sub(r"^\s*(error|cause|hint):\s*", "", line).strip() for line in lines]
    kept = [line for line in lines if line]
    return "\n".join(kept[:LONGEST] + ["…"] * (len(kept) > LONGEST))


KINDS: Kinds = (
    (r"No space left on device|os error (?:28|112)\b|Disk quota exceeded", disk_is_full),  # 112: Windows
    (r"used by another process|(?<!Broken pipe \()os error 32\b", in_use),
    (r"Failed to initialize cache at `(?P<place>[^`]+)`\s*(cause:)?(?P<why>.*)", unusable_cache),
    (NOT_ALLOWED, not_allowed),
    (r"does not support `-I` flag", too_old),
    (r"Hash mismatch for `(?P<file>[^`]+)`", other_hash),
    (r"Failed to (?:build|download and build) `(?P<file>[^`]+)`", no_build),
    (r"Failed to extract archive: (?P<file>\S+)", broken_file),
    (r"No solution found when resolving dependencies:?", contradiction),
    (r"Couldn't parse requirement[^\n]*\n\s*(cause:)?(?P<why>[^\n]*)", unreadable_requirement),
)
