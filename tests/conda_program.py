"""Stand-ins for conda, mamba, micromamba and pixi, which no package index has: their words, rattler's work.

Each understands only those commands and options of its documentation that make an environment from a file,
obeys the settings that decide where channels are, and fails with the words that the real one was seen to use.
Called as `conda_program.py NAME ARGUMENTS`; `install` puts it into a folder under its name.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
import time
from contextlib import suppress
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("conda", "mamba", "micromamba", "pixi")
UNSOLVED = (
    "error    libmamba Could not solve for environment specs\n{}\n"
    "critical libmamba Could not solve for environment specs"
)
PIXI = "Error:   \u00d7 {}\n  ╰─▶ {}"
CONFLICT = {
    "conda": "LibMambaUnsatisfiableError: Encountered problems while solving:\n{}",
    "mamba": UNSOLVED,
    "micromamba": UNSOLVED,
    "pixi": PIXI.format(
        "failed to solve requirements of environment 'default' for platform 'linux-64'",
        "Cannot solve the request because of: {}",
    ),
}
GONE = (
    "critical libmamba Multiple errors occured:\n"
    "    {}Transfer finalized, status: 404 [{{1}}/noarch/repodata.json]"
)
NO_CHANNEL = {
    "conda": "UnavailableInvalidChannel: HTTP 404 NOT FOUND for channel {0} <{1}>\n\n"
    "The channel is not accessible or is invalid.",
    "mamba": GONE.format(""),
    "micromamba": GONE.format("Multi-download failed. Reason: "),
    "pixi": PIXI.format(
        "failed to fetch repodata",
        "HTTP status client error (404 Not Found) for url ({1}/noarch/repodata.json)",
    ),
}
NO_NETWORK = {
    "conda": "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <{}/noarch/repodata.json>\nElapsed: -\n\n"
    "An HTTP error occurred when trying to retrieve this URL.",
    "mamba": "critical libmamba Multiple errors occured:\n"
    "    Download error (6) Couldn't resolve host name [{}/noarch/repodata.json]",
    "micromamba": "critical libmamba Multiple errors occured:\n"
    "    Download error (7) Could not connect to server [{}/noarch/repodata.json]",
    "pixi": PIXI.format(
        "failed to fetch repodata", "error sending request for url ({}/noarch/repodata.json)"
    ),
}


def install(folder: Path, *names: str) -> Path:
    """Put stand-ins of these names into a folder for the PATH, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        command = shlex.join((sys.executable, "-I", str(Path(__file__).absolute()), name))
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def main(name: str, words: Sequence[str]) -> None:
    """Do what was asked."""
    asked = parser(name).parse_args(words)
    if asked.command == "info":
        print(dumps({"platform": platform(), f"{name}_version": "99.0"}))  # noqa: T201 - the answer of a program
    elif name == "pixi" and asked.command == "init":
        init(asked)
    else:
        create(name, asked)


def parser(name: str) -> argparse.ArgumentParser:
    """Return what a program understands of its command line; anything else is an error, as it is there."""
    whole = argparse.ArgumentParser(prog=name, allow_abbrev=False)
    commands = whole.add_subparsers(dest="command", required=True)
    info = commands.add_parser("info")
    info.add_argument("--json", action="store_true", required=True)
    if name == "pixi":
        start = commands.add_parser("init")
        start.add_argument("path", type=Path)
        start.add_argument("--import", dest="file", type=Path, required=True)
        maker = commands.add_parser("install")
        maker.add_argument("--manifest-path", dest="manifest", type=Path, required=True)
        maker.add_argument("--offline", action="store_true")
        return whole
    if name == "micromamba":
        maker = commands.add_parser("create")
        maker.add_argument("-y", "--yes", action="store_true")
    else:  # conda of some years has no --yes here
        maker = commands.add_parser("env").add_subparsers(dest="sub", required=True).add_parser("create")
    maker.add_argument("-p", "--prefix", type=Path, required=True)
    maker.add_argument("-f", "--file", type=Path, required=True)
    maker.add_argument("--offline", action="store_true")
    return whole


def init(asked: argparse.Namespace) -> None:
    """Make a workspace of pixi from an environment.yml."""
    content = read_yaml(asked.file)
    asked.path.mkdir()
    lines = (spec.partition("=") for spec in content["dependencies"])
    packages = "".join(
        f'{package} = "{f"{version}.*" if version else "*"}"\n' for package, _, version in lines
    )
    text = f"[workspace]\nchannels = {dumps(content['channels'])}\n\n[dependencies]\n{packages}"
    (asked.path / "pixi.toml").write_text(text, encoding="utf-8")


def create(name: str, asked: argparse.Namespace) -> None:
    """Make an environment, after what a person would be asked."""
    if name == "pixi":
        manifest = read_toml(asked.manifest)
        channels = manifest["workspace"]["channels"]
        specs = [f"{package} {version}" for package, version in manifest["dependencies"].items()]
        prefix = asked.manifest.parent / ".pixi" / "envs" / "default"
    else:
        content = read_yaml(asked.file)
        channels, specs, prefix = content["channels"], content["dependencies"], asked.prefix
        variable = "CONDA_ALWAYS_YES" if name == "conda" else "MAMBA_ALWAYS_YES"
        if not getattr(asked, "yes", False) and os.environ.get(variable) != "true":
            fail("Proceed ([y]/n)? EOFError: EOF when reading a line")
    asyncio.run(solve_and_install(name, channels, specs, prefix, offline=asked.offline))


async def solve_and_install(
    name: str, channels: list[str], specs: list[str], prefix: Path, *, offline: bool
) -> None:
    """Let rattler do it, and tell its failures in the words of the program."""
    import rattler
    from rattler.exceptions import SolverError

    addresses = [address_of(name, channel) for channel in channels]
    refuse_missing(name, channels, addresses, offline=offline)
    cache = Path(os.environ["HOME"], ".conda-cache")
    virtual = rattler.VirtualPackage.detect(rattler.VirtualPackageOverrides.from_env())
    try:
        records = await rattler.solve(
            [rattler.Channel(address) for address in addresses],
            specs,
            gateway=rattler.Gateway(cache_dir=cache / "repodata"),
            platforms=[platform(), "noarch"],
            virtual_packages=virtual,
        )
    except SolverError as error:
        fail(CONFLICT[name].format(str(error)))
    linger(prefix)
    try:
        await rattler.install(records, target_prefix=prefix, cache_dir=cache / "pkgs", show_progress=False)
    except Exception as error:  # noqa: BLE001 - rattler has an error of its own for each thing that goes wrong
        fail(f"{name}: {error}")


def refuse_missing(name: str, channels: list[str], addresses: list[str], *, offline: bool) -> None:
    """Fail as the program does where a channel is not there, cannot be reached, or may not be asked."""
    for channel, address in zip(channels, addresses, strict=True):
        if not address.startswith("file://"):
            fail(NO_NETWORK[name].format(address) if not offline else "EnforceUnusedAdapter called with url")
        if not Path(address.removeprefix("file://"), "noarch").is_dir():
            fail(NO_CHANNEL[name].format(channel, address))


def address_of(name: str, channel: str) -> str:
    """Return where the person's settings say that a channel is."""
    if name == "pixi":
        with suppress(OSError):
            mirrors = read_toml(Path(os.environ["HOME"], ".pixi", "config.toml"))["mirrors"]
            return next(str(mirrors[key][0]) for key in mirrors if key.endswith(f"/{channel}"))
        return f"https://channels.example/{channel}"
    settings = Path(os.environ.get("CONDARC") or Path(os.environ["HOME"], ".condarc"))
    alias = os.environ.get("CONDA_CHANNEL_ALIAS")
    with suppress(OSError):
        alias = alias or read_yaml(settings)["channel_alias"]
    return f"{alias or 'https://channels.example'}/{channel}"


def linger(prefix: Path) -> None:
    """Leave half an environment and wait, where a test wants to interrupt."""
    if sign := os.environ.get("CONDA_TEST_LINGER"):
        (prefix / "conda-meta").mkdir(parents=True)
        Path(sign).touch()
        time.sleep(60)


def read_yaml(file: Path) -> dict[str, Any]:
    """Return a YAML document; a list for pip would be installed by pip, with nothing of ours obeyed."""
    import yaml

    if file.suffix not in {".yml", ""}:
        fail(f"EnvironmentFileExtensionNotValid: '{file}' file extension must be '.txt', '.yaml' or '.yml'")
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    if any(not isinstance(item, str) for item in content.get("dependencies", ())):
        fail("the part for pip is not conda's work")
    return content


def read_toml(file: Path) -> dict[str, Any]:
    """Return a TOML document."""
    import tomlkit

    return tomlkit.parse(file.read_text(encoding="utf-8")).unwrap()


def platform() -> str:
    """Return conda's name of this system."""
    from rattler import Subdir

    return str(Subdir.current())


def fail(text: str) -> NoReturn:
    """End as a program does that failed."""
    sys.stderr.write(f"{text}\n")
    leave(1)


def leave(code: int) -> NoReturn:
    """End at once: threads of rattler may crash an interpreter that takes its time."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
    leave(0)
