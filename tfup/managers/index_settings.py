"""The person's index, proxy and certificate settings, in the words that uv or an old pip understands.

uv ignores pip's configuration (tried), so what pip would obey is translated into uv's variables.
A variable that uv obeys by itself and that is set already is left alone, and `TFUP_INDEX_URL` is
the one index where it is set.
"""

from __future__ import annotations

import os
import re
from configparser import Error as ConfigError
from configparser import RawConfigParser
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from tfup.errors import Need, UnreadableFile
from tfup.privacy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tfup.formats import Source

    Read = Callable[[Path], str | None]

UNWANTED = re.compile(
    # What another environment or another project wants of Python and uv is not what the pins ask for;
    # UV_NO_VERIFY_HASHES would even drop the check that every download must pass.
    r"PYTHON.*|VIRTUAL_ENV.*|CONDA_.*|__PYVENV_LAUNCHER__"
    r"|UV_(PYTHON|SYSTEM_PYTHON|BREAK_SYSTEM_PACKAGES|WORKING_DIR|PROJECT.*|VENV_.*|NO_VERIFY_HASHES|REQUIRE_HASHES"
    r"|CONSTRAINT|BUILD_CONSTRAINT|OVERRIDE|EXCLUDE.*|RESOLUTION|PRERELEASE|TORCH_BACKEND|NO_BINARY.*|NO_BUILD.*"
    r"|FORK_STRATEGY|CUSTOM_COMPILE_COMMAND|COMPILE_BYTECODE|MANAGED_PYTHON|NO_MANAGED_PYTHON)"
)
INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
PIP_INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")
INDEX_IN_UV_TOML = re.compile(r"(?m)^\s*(\[\[index\]\]|((extra-)?index-url|index|find-links|no-index)\s*=)")


class Translation(NamedTuple):
    """One option of pip's, the variables of uv's that say the same, and those that speak for it already."""

    option: str
    variables: tuple[str, ...]
    spoken_by: tuple[str, ...] = ()

    @property
    def all_variables(self) -> tuple[str, ...]:
        """The variables that may say it to uv."""
        return self.variables + self.spoken_by


PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
TRANSLATIONS = (
    Translation("index-url", ("UV_DEFAULT_INDEX",), ("UV_INDEX_URL",)),
    Translation("extra-index-url", ("UV_INDEX",), ("UV_EXTRA_INDEX_URL",)),
    Translation("find-links", ("UV_FIND_LINKS",)),
    Translation("trusted-host", ("UV_INSECURE_HOST",)),
    Translation("cert", ("SSL_CERT_FILE",)),
    Translation("client-cert", ("SSL_CLIENT_CERT",)),
    Translation("proxy", ("HTTPS_PROXY", "HTTP_PROXY"), PROXIES),
)


def uv_environment(variables: Mapping[str, str], read: Read | None = None) -> dict[str, str]:
    """Return the environment that uv runs in: the person's, cleaned, with pip's settings translated.

    `read` returns the text of a file, or None where there is none. Raises UnreadableFile.
    """
    kept = {name: value for name, value in variables.items() if not UNWANTED.fullmatch(name)}
    environment = kept | dict(translated(variables, read or read_text))
    if index := variables.get("TFUP_INDEX_URL"):
        environment = {name: value for name, value in environment.items() if name not in INDEXES}
        environment["UV_DEFAULT_INDEX"] = index
    return environment


def translated(variables: Mapping[str, str], read: Read) -> Iterator[tuple[str, str]]:
    """Yield the variables that say for uv what pip's settings say for pip."""
    options = pip_options(variables, read)
    ruled = names_indexes(variables, read)
    for row in TRANSLATIONS:
        value = in_uvs_words(row.option, options.get(row.option, ""))
        spoken = any(map(variables.get, row.all_variables))
        if not value or spoken or (ruled and row.variables[0] in INDEXES):
            continue
        yield from ((name, value) for name in row.variables)
        if row.option == "extra-index-url" and not variables.get("UV_INDEX_STRATEGY"):
            # pip takes the best version of all its indexes; uv stops at the first index that knows the name,
            # and would not find a pin that only another index has. The hashes of the pins guard what comes.
            yield "UV_INDEX_STRATEGY", "unsafe-best-match"


def pip_environment(variables: Mapping[str, str], read: Read | None = None) -> dict[str, str]:
    """Return the environment that a pip runs in: that of uv, with what uv alone would understand said to pip.

    A variable of pip's that is set already is left alone, except that `TFUP_INDEX_URL` is the one index
    where it is set. Raises UnreadableFile.
    """
    environment = uv_environment(variables, read)
    if variables.get("TFUP_INDEX_URL"):
        environment = {name: value for name, value in environment.items() if name not in PIP_INDEXES}
        environment["PIP_CONFIG_FILE"] = os.devnull  # what else its files say is among uv's variables now
    said = {
        pip_name(row.option): in_pips_words(next(filter(None, map(environment.get, row.all_variables)), ""))
        for row in TRANSLATIONS
        if row.option != "proxy"  # pip reads the same variables as uv
    }
    environment |= {name: value for name, value in said.items() if value and not environment.get(name)}
    trusted = [*environment.get("PIP_TRUSTED_HOST", "").split(), *plain_hosts(environment)]
    return environment | ({"PIP_TRUSTED_HOST": " ".join(trusted)} if trusted else {})


def pip_name(option: str) -> str:
    """Return the variable that stands for an option of pip's.

    >>> pip_name("index-url")
    'PIP_INDEX_URL'
    """
    return f"PIP_{option.upper().replace('-', '_')}"


def in_pips_words(value: str) -> str:
    """Return the value of a variable of uv's as pip reads it: divided by blanks, and indexes without names.

    >>> in_pips_words("lab=http://lab.example/simple https://b.example")
    'http://lab.example/simple https://b.example'
    """
    return " ".join(re.sub(r"^[\w.-]+=", "", entry) for entry in re.split(r"[\s,]+", value))


def plain_hosts(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the hosts of indexes without TLS: uv takes them so, pip wants to be told; pins have hashes."""
    for name in PIP_INDEXES:
        for entry in environment.get(name, "").split():
            address = urlsplit(entry)
            if address.scheme == "http" and address.hostname:
                yield address.netloc.rpartition("@")[2]


def in_uvs_words(option: str, value: str) -> str:
    """Return the value of an option of pip's as uv writes it, without what is not there.

    uv, unlike pip, stops at a folder that is missing.
    """
    if option == "extra-index-url":
        return " ".join(entry for entry in value.split() if is_usable_index(entry))
    if option == "find-links":
        return ",".join(filter(None, map(usable_links, value.split())))
    if option in {"cert", "client-cert"}:
        return os.path.expanduser(value)  # noqa: PTH111 - an empty value must stay empty
    if option == "proxy" and value and "://" not in value:
        return f"http://{value}"
    return value if option == "index-url" else " ".join(value.split())


def is_usable_index(entry: str) -> bool:
    """Tell whether an index is remote, or a folder on this machine with folders of projects in it."""
    folder = local_path(entry)
    if folder is None:
        return True
    return folder.is_dir() and any(child.is_dir() for child in folder.iterdir())


def usable_links(entry: str) -> str | None:
    """Return a place to find links at: a remote one as it stands, one on this machine if it exists, or None.

    >>> usable_links("https://index.example/links")
    'https://index.example/links'
    >>> usable_links("/no/such/folder") is None
    True
    """
    path = local_path(entry)
    if path is None:
        return entry
    return str(path.absolute()) if path.exists() else None


def local_path(entry: str) -> Path | None:
    """Return the path of an entry that lies on this machine, None for a remote one.

    >>> local_path("file:///opt/my%20wheels").as_posix()
    '/opt/my wheels'
    """
    if entry.startswith("file:"):
        path = unquote(urlsplit(entry).path)  # urllib.request knows how, and takes 40 ms to import
        return Path(re.sub(r"^/(?=[A-Za-z]:)", "", path))
    return None if "://" in entry else Path(entry).expanduser()


# ---------------------------------------------------------------- pip's files


def pip_options(variables: Mapping[str, str], read: Read) -> dict[str, str]:
    """Return pip's options by their long names, as pip joins its files and its variables."""
    texts = ((path, read(path)) for path in pip_files(variables))
    files = [parse_pip_configuration(path, text) for path, text in texts if text is not None]
    options: dict[str, str] = {}
    for section in ("global", "install"):  # pip lets [install] of any file win over [global] of all
        for sections in files:
            options |= sections.get(section, {})
    spoken = ((name[4:], value) for name, value in variables.items() if name.startswith("PIP_"))
    return options | {long_name(name): value for name, value in spoken if value}


def pip_files(variables: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the places that pip's documentation names, the last winning; the null device turns all off."""
    named = variables.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return ()
    shared = variables.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    machine = [
        *(Path(folder, "pip", "pip.conf") for folder in shared.split(os.pathsep)),
        Path("/etc/pip.conf"),
    ]
    if windows := variables.get("PROGRAMDATA"):
        machine.append(Path(windows, "pip", "pip.ini"))
    # pip passes over the user's files where PIP_CONFIG_FILE exists.
    own = [] if named and Path(named).exists() else list(user_pip_files(variables))
    return (*machine, *own, *([Path(named)] if named else []))


def user_pip_files(variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield where pip looks for the configuration of one user."""
    if home := variables.get("HOME"):
        yield Path(home, ".pip", "pip.conf")
    if folder := variables.get("XDG_CONFIG_HOME") or (home and Path(home, ".config")):
        yield Path(folder, "pip", "pip.conf")
    windows = (variables.get("USERPROFILE"), variables.get("APPDATA"))
    yield from (Path(folder, "pip", "pip.ini") for folder in windows if folder)


def parse_pip_configuration(path: Path, text: str) -> dict[str, dict[str, str]]:
    r"""Return the sections of a pip.conf; an option without a value is left out.

    >>> parse_pip_configuration(Path("pip.conf"), "[global]\nfind-links =\n    /a\n    /b\n")
    {'global': {'find-links': '/a\n/b'}}
    """
    parser = RawConfigParser()
    try:
        parser.read_string(text)
    except ConfigError as error:
        raise unreadable(path, str(error)) from error
    return {
        section: {long_name(name): value.strip() for name, value in parser.items(section) if value.strip()}
        for section in parser.sections()
    }


def unreadable(path: Path, reason: str) -> UnreadableFile:
    """Return the error for a file of pip's that pip could not read either."""
    need = Need(
        "pip.conf",
        "sections such as [global] and lines such as name = value",
        hide_credentials(" ".join(reason.split())),
    )
    sentence = f"pip's configuration in {path} cannot be read."
    return UnreadableFile(sentence, (need,), f"PIP_CONFIG_FILE={os.devnull} tfup install")


def long_name(name: str) -> str:
    """Return the name of an option as pip's command line writes it."""
    return name.lower().replace("_", "-").removeprefix("--")


def names_indexes(variables: Mapping[str, str], read: Read) -> bool:
    """Tell whether the person's uv.toml names indexes; those then win over pip's."""
    texts = (read(path) for path in uv_files(variables))
    return any(text is not None and INDEX_IN_UV_TOML.search(text) for text in texts)


def uv_files(variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield where uv looks for the configuration of the machine and of the user."""
    if named := variables.get("UV_CONFIG_FILE"):
        yield Path(named)
    elif not variables.get("UV_NO_CONFIG"):
        machine = ("/etc", "/etc/xdg", variables.get("PROGRAMDATA"))
        yield from (Path(folder, "uv", "uv.toml") for folder in machine if folder)
        home = variables.get("HOME")
        named = variables.get("XDG_CONFIG_HOME") or variables.get("APPDATA")
        if folder := named or (home and Path(home, ".config")):
            yield Path(folder, "uv", "uv.toml")


def read_text(path: Path) -> str | None:
    """Return the text of a file, or None where it cannot be read, as pip and uv do."""
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return None


# ---------------------------------------------------------------- what others may see


def configured_sources(variables: Mapping[str, str], read: Read | None = None) -> tuple[Source, ...]:
    """Return the indexes that the person configured, the default one first, for `[[source]]` of a Pipfile.

    None at all where no default index is configured: the first source takes its place for Pipenv.
    """
    environment = uv_environment(variables, read)
    first = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
    if not first:
        return ()
    others = " ".join(environment.get(name, "") for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL")).split()
    insecure = environment.get("UV_INSECURE_HOST", "").split()
    return tuple(source(entry, number, insecure) for number, entry in enumerate([first, *others], 1))


def source(entry: str, number: int, insecure: list[str]) -> Source:
    """Return one index as Pipenv's files name it; uv writes an index as an address or as name=address."""
    from tfup.formats import Source

    named = re.fullmatch(r"(?P<name>[\w.-]+)=(?P<url>.+)", entry)
    name, url = (named["name"], named["url"]) if named else (f"index-{number}", entry)
    parts = urlsplit(url)
    trusted = parts.hostname in insecure or f"{parts.hostname}:{parts.port}" in insecure
    return Source(name=name, url=with_variables(url, name), verify_ssl=not trusted)


def with_variables(url: str, name: str) -> str:
    """Return an address with its credentials replaced by the variables that uv reads for that index.

    >>> with_variables("https://joe:secret@index.example/simple", "index-1")
    'https://${UV_INDEX_INDEX_1_USERNAME}:${UV_INDEX_INDEX_1_PASSWORD}@index.example/simple'
    """
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    variable = "UV_INDEX_" + re.sub(r"\W", "_", name).upper()
    credentials = f"${{{variable}_USERNAME}}:${{{variable}_PASSWORD}}"
    return urlunsplit(parts._replace(netloc=f"{credentials}@{parts.netloc.rpartition('@')[2]}"))
