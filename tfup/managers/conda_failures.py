"""What conda, mamba, micromamba and pixi say when they fail, turned into errors to act upon."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tfup.errors import IndexUnreachable, InstallFailed, Need, TfupError, Unresolvable, WrongFile
from tfup.managers.failures import LONGEST, WIDEST
from tfup.privacy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

DECORATION = re.compile(
    r"^(?:Error:)?[\s\u00d7\u2500-\u25ff|`>-]*(?:(?:error|critical|warning|info)\s+libmamba\s+)?"
)
TOKEN = re.compile(r"(?<=/t/)[^/\s]+(?=/)")  # in an address of a private channel
CONFIGURATION = {
    "conda": "conda config --show channels channel_alias proxy_servers ssl_verify",
    "mamba": "mamba config list",
    "micromamba": "micromamba config list",
    "pixi": "pixi config list",
}
"""How each program shows the settings that decide where its channels are."""


class Failure(NamedTuple):
    """What a program said."""

    text: str
    program: str
    start: int
    """Where the words begin that told what kind of failure it is."""

    @property
    def settings(self) -> str:
        """The command that shows where its channels are."""
        return CONFIGURATION[self.program]


def explain(text: str, program: str, *, offline: bool = False, log: str | None = None) -> TfupError:
    """Return the error for what a program wrote before it failed; `log` is where all of it is kept."""
    text = hide_credentials(TOKEN.sub("***", "\n".join(line[:WIDEST] for line in text.splitlines())))
    for pattern, tell in KINDS:
        if found := re.search(pattern, text):
            error = tell(Failure(text, program, found.start()))
            break
    else:
        error = unforeseen(Failure(text, program, max(0, len(text) - WIDEST)))
    if offline and isinstance(error, (IndexUnreachable, Unresolvable)):
        error = not_in_the_cache(Failure(text, program, 0))
    error.log = log
    return error


def disk_is_full(failure: Failure) -> TfupError:
    """Return the error for a disk without space."""
    need = Need("disk", f"free space for the packages and {failure.program}'s cache", "a full disk")
    clean = "pixi clean cache" if failure.program == "pixi" else f"{failure.program} clean --all"
    return InstallFailed("The disk is full.", (need,), clean)


def terms_not_accepted(failure: Failure) -> TfupError:
    """Return the error for channels whose owner wants their terms accepted first; only the person can."""
    channels = re.findall(r"^\s*[-•]\s*(\S+)\s*$", failure.text[failure.start :], re.MULTILINE)
    need = Need("terms", "your agreement to the terms of these channels", ", ".join(channels) or "none yet")
    sentence = "A channel of your settings wants its terms of service accepted; or take it out of them."
    return InstallFailed(sentence, (need,), "conda tos accept")


def not_allowed(failure: Failure) -> TfupError:
    """Return the error for a folder that may not be written."""
    line = failure.text[failure.text.rfind("\n", 0, failure.start) + 1 :].split("\n", 1)[0]
    need = Need("folder", "leave to write", plain(line))
    sentence = f"{failure.program} may not write a folder that it needs."
    return InstallFailed(sentence, (need,), f"{failure.program} info")


def no_set(failure: Failure) -> TfupError:
    """Return the error for packages that the channels do not have, or that contradict each other."""
    need = Need("packages", "those of environment.yml, from channels that go together", shortened(failure))
    sentence = f"{failure.program} finds no set of packages for environment.yml."
    hint = "tfup detect" if "__cuda" in failure.text else failure.settings
    return Unresolvable(sentence, (need,), hint)


def no_channel(failure: Failure) -> TfupError:
    """Return the error for a channel that is not where the settings say."""
    need = Need("channel", "one that is there", shortened(failure, 2))
    return IndexUnreachable("A conda channel is not there.", (need,), failure.settings)


def not_trusted(failure: Failure) -> TfupError:
    """Return the error for a certificate that the program does not trust."""
    need = Need("channel", "a certificate that is trusted", shortened(failure, 2))
    hint = "conda config --set ssl_verify /path/to/authority.pem"
    if failure.program == "pixi":
        hint = "pixi config set --global tls-root-certs native"
    return IndexUnreachable("The certificate of a conda channel is not trusted.", (need,), hint)


def other_file(failure: Failure) -> TfupError:
    """Return the error for a package that is not the one that its channel promised."""
    need = Need("package", "the hash that its channel tells", shortened(failure, 4))
    return WrongFile("A conda channel sent another file than it promised.", (need,), failure.settings)


def no_answer(failure: Failure) -> TfupError:
    """Return the error for channels that cannot be reached."""
    need = Need("channel", "an answer", shortened(failure, 3))
    return IndexUnreachable("No conda channel gave a usable answer.", (need,), failure.settings)


def not_in_the_cache(failure: Failure) -> TfupError:
    """Return the error for what an earlier run did not leave in the cache."""
    need = Need("packages", f"to be in {failure.program}'s cache", "--offline, and packages that it lacks")
    sentence = "Without a network only what was downloaded before can be installed."
    return IndexUnreachable(sentence, (need,), "tfup install --manager conda")


def unforeseen(failure: Failure) -> TfupError:
    """Return the error for what no rule knows: the program's own last words."""
    lines = [plain(line) for line in failure.text.splitlines() if plain(line)][-LONGEST:]
    need = Need(failure.program, "an environment made from environment.yml", "\n".join(lines))
    return InstallFailed(f"{failure.program} could not make the environment.", (need,), "tfup doctor")


def shortened(failure: Failure, lines: int = LONGEST) -> str:
    """Return what a program said from where it matters, without its decoration and at most some lines."""
    kept = [plain(line) for line in failure.text[failure.start :].splitlines()]
    kept = [line for line in kept if line]
    return "\n".join(kept[:lines] + ["…"] * (len(kept) > lines))


def plain(line: str) -> str:
    """Return a line without what only decorates it.

    >>> plain("error    libmamba Could not solve for environment specs")
    'Could not solve for environment specs'
    >>> plain("  ╰─▶ Cannot solve the request because of: No candidates were found for python 2.6.*.")
    'Cannot solve the request because of: No candidates were found for python 2.6.*.'
    """
    return DECORATION.sub("", line).strip()


NO_SET = (
    r"PackagesNotFoundError|ResolvePackageNotFound|\w*UnsatisfiableError|SpecsConfigurationConflictError"
    r"|Could not solve for environment specs|Cannot solve the request because"
)
NO_CHANNEL = (
    r"UnavailableInvalidChannel|HTTP 40[134] [A-Z ]+for (?:url|channel)|status: 40[134] \["
    r"|HTTP status client error \(40[134]"
)
NO_ANSWER = (
    r"CondaHTTPError|HTTP \d{3} [A-Z ]+for (?:url|channel)|CondaProxyError|ProxyError|OfflineError"
    r"|EnforceUnusedAdapter|Download error|Multiple errors occured|[Cc]ould(?:n't| not) resolve host"
    r"|[Cc]onnection (?:refused|reset|failed|broken)|[Tt]imed out|error sending request|dns error"
    r"|failed to fetch repodata|No cached repodata"
)
KINDS: tuple[tuple[str, Callable[[Failure], TfupError]], ...] = (
    # Words of conda 4.5 to 26, mamba 1 and 2, micromamba, and pixi; the first that is found counts.
    (r"NoSpaceLeftError|No space left on device|Disk quota exceeded|os error 28\b", disk_is_full),
    (r"CondaToSNonInteractiveError|Terms of Service have not been accepted", terms_not_accepted),
    (r"\w*NotWritable\w*Error|NoWritable\w+Error|Permission denied|Read-only file system", not_allowed),
    (NO_SET, no_set),
    (r"CERTIFICATE_VERIFY_FAILED|CondaSSLError|SSL peer certificate|invalid peer certificate", not_trusted),
    (NO_CHANNEL, no_channel),
    (r"ChecksumMismatchError|\w+MismatchError|[Hh]ash mismatch|[Cc]hecksum mismatch", other_file),
    (NO_ANSWER, no_answer),
)
