"""The scripts for Windows: what can be said about them without running them."""

from __future__ import annotations

import re
import subprocess
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.bare_machine import REPOSITORY
from tfup.folders import TAG_TEXT

if TYPE_CHECKING:
    from pathlib import Path

BATCHES = sorted(chain(REPOSITORY.glob("*.bat"), REPOSITORY.glob("installers/windows/*.bat")))
names = pytest.mark.parametrize("batch", BATCHES, ids=lambda path: path.name)


def text_of(batch: Path) -> str:
    """Return what a script says, without its remarks."""
    lines = batch.read_text(encoding="ascii").splitlines()
    return "\n".join(line for line in lines if not line.startswith("rem "))


def test_there_are_scripts() -> None:
    """The other tests look at something."""
    assert {"Install TensorFlow.bat", "start.bat", "make.bat", "find-uv.bat"} <= {
        path.name for path in BATCHES
    }


@names
def test_lines_end_as_cmd_reads_them(batch: Path) -> None:
    """With bare line feeds cmd misses labels; letters beyond ASCII it reads in whatever code page is on."""
    content = batch.read_bytes()

    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n")


@names
def test_git_keeps_these_line_ends(batch: Path) -> None:
    """Whatever core.autocrlf says, a clone has them, and so has a zip of it."""
    said = subprocess.run(
        ["git", "check-attr", "text", "eol", "--", str(batch)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    ).stdout

    if not said:
        pytest.skip("this is no clone of git")
    assert ["set", "crlf"] == [line.rpartition(" ")[2] for line in said.splitlines()]


@names
def test_powershell_is_not_on_the_road(batch: Path) -> None:
    """It may be locked by a policy, and no test of ours could run it."""
    assert not re.search(r"powershell|pwsh|\.ps1", text_of(batch), re.IGNORECASE)


@names
def test_each_label_is_there_and_is_used(batch: Path) -> None:
    """A label that is missing ends a script with no more than a line of cmd's own."""
    text = text_of(batch)
    labels = set(re.findall(r"(?m)^:(\w+)$", text))
    used = set(re.findall(r"(?:goto|call :) ?:?([a-z_]+)", text))

    assert labels == used


@names
def test_every_part_ends_with_its_exit_code(batch: Path) -> None:
    """What stands before a label ends there: nothing runs on into the next part by accident."""
    text = text_of(batch)
    ends = [
        before.strip().splitlines()[-1]
        for before in re.split(r"(?m)^:(?!end$)\w+$", text)[:-1]
        if before.strip() and before.strip() != "@echo off"
    ]

    assert [] == [end for end in ends if not re.search(r"exit /b|start\.bat\" %\*$|goto ", end)]


def test_the_tag_of_the_cache_is_that_of_tfup() -> None:
    """It is `tfup clean` that looks for it."""
    said = re.findall(
        r"(?m)^\(echo (.*?)\)>+\"%cache%\\CACHEDIR.TAG\"",
        text_of(REPOSITORY / "installers" / "windows" / "start.bat"),
    )

    assert TAG_TEXT.decode().splitlines() == said


def test_no_host_of_an_index_is_named() -> None:
    """Which index serves is the affair of the person."""
    hosts = set(chain.from_iterable(re.findall(r"https?://([\w.]+)", text_of(batch)) for batch in BATCHES))

    assert {"github.com"} == hosts
