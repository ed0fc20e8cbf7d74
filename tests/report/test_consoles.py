"""Consoles of all kinds: code pages, no colours, no width; no word of ours ends in an error of encoding."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.running import ROOT, environment

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = ROOT / "tests" / "machines" / "windows-10-gtx1060-cuda9.0.json"
COMMANDS = (
    ("plan", "--machine", MACHINE, "--offline", "tensorflow==2.10.1", "--python", "3.10"),
    ("plan", "--machine", MACHINE, "--json", "--offline", "tensorflow==2.10.1", "--python", "3.10"),
    ("explain", "下载.txt"),
    ("plan", "--machine", "下载.json"),
    ("--help",),
)
CODE_PAGES = ("cp1252:strict", "cp936:strict", "ascii:strict", "utf-8")
COLOUR = re.compile("\x1b\\[[0-9;]*m")


def tfup(*words: str | Path) -> list[str | Path]:
    """Return the command line; PYTHON* variables must count here, unlike in a person's start."""
    return [sys.executable, "-m", "tfup", *words]


def variables(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a person in this folder."""
    return environment(folder) | {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"} | more


@pytest.mark.parametrize("encoding", CODE_PAGES)
def test_every_code_page_carries_our_words(encoding: str, tmp_path: Path) -> None:
    """What an encoding lacks is written as an escape; answers, refusals and other people's words alike."""
    log = "ImportError: DLL load failed: 找不到指定的模块。 ✓ ☠ 🎉\n"
    (tmp_path / "下载.txt").write_text(log, encoding="utf-8")
    for words in COMMANDS:
        done = subprocess.run(
            tfup(*words),
            cwd=tmp_path,
            env=variables(tmp_path, PYTHONIOENCODING=encoding),
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            timeout=120,
        )
        said = (done.stdout + done.stderr).decode(encoding.partition(":")[0])

        assert done.returncode == (2 if "下载.json" in words else 0), said
        assert said.strip()
        assert "Traceback" not in said
        assert "error: bug" not in said


def on_terminal(folder: Path, **more: str) -> str:
    """Return what a plan shows on a terminal."""
    person, terminal = pty.openpty()
    process = subprocess.Popen(
        tfup(*COMMANDS[0]),
        cwd=folder,
        env=variables(folder, **more),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while part := read_some(person):
        shown += part
    os.close(person)
    assert 0 == process.wait(60)
    return shown.decode()


def read_some(terminal: int) -> bytes:
    """Read from a terminal; once its last program has gone, that is an error on Linux."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_colours_are_for_terminals_that_want_them(tmp_path: Path) -> None:
    """NO_COLOR, CI and a dumb terminal are obeyed."""
    wanted = on_terminal(tmp_path, TERM="xterm-256color", CI="")
    without = [
        on_terminal(tmp_path, TERM="xterm-256color", CI="", NO_COLOR="1"),
        on_terminal(tmp_path, TERM="xterm-256color", CI="true"),
        on_terminal(tmp_path, TERM="dumb", CI=""),
    ]

    assert COLOUR.search(wanted)
    assert [] == [text for text in without if COLOUR.search(text)]


def test_a_narrow_console_cuts_nothing(tmp_path: Path) -> None:
    """Long lines are left to the terminal: whoever copies a command gets it whole."""
    wide, narrow = (on_terminal(tmp_path, TERM="dumb", COLUMNS=columns) for columns in ("200", "20"))

    assert wide == narrow
