"""A Mac as a shell sees it: stand-ins for the programs that tell macOS from Linux, and the double click."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bare_machine import REPOSITORY, UV, Machine, answer, pinned_uv, serve, write
from tfup.managers import uv, venv
from tfup.model import Choice, Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "Install TensorFlow.command"
SHELLS = ("dash", "busybox", "posh", "bash", "mksh", "yash", "ksh", "zsh")

# Each answers as the real one does; the variables say which Mac it is.
STAND_INS = {
    "uname": """
case ${1:--s} in
    (-s) echo Darwin ;;
    (-m) echo "${MAC_SEES:-$MAC_IS}" ;;
    (*) echo "uname: illegal option $1" >&2; exit 1 ;;
esac
""",
    "sw_vers": 'echo "$MAC_VERSION"',
    "sysctl": """
[ "$1" = -n ] && [ "$2" = sysctl.proc_translated ] && [ "$MAC_IS" = arm64 ] ||
    { echo "sysctl: unknown oid '$2'" >&2; exit 1; }
[ "${MAC_SEES:-arm64}" = arm64 ] && echo 0 || echo 1
""",
    "arch": """
[ "$1" = -arm64 ] && [ "$MAC_IS" = arm64 ] || { echo "arch: cannot run $*" >&2; exit 86; }
shift
MAC_SEES=arm64 exec "$@"
""",
}
ARM = {"MAC_IS": "arm64", "MAC_VERSION": "14.5"}
INTEL = {"MAC_IS": "x86_64", "MAC_VERSION": "10.15.7"}
ROSETTA = {**ARM, "MAC_SEES": "x86_64"}


@pytest.fixture(params=[ARM, INTEL, ROSETTA], ids=["arm", "intel", "rosetta"])
def mac(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """Make each kind of Mac, with uv on its PATH."""
    return make_mac(tmp_path, request.param)


def make_mac(folder: Path, kind: dict[str, str], name: str = "clone") -> Machine:
    """Make a Mac of one kind."""
    mac = Machine(folder, name, dict(kind))
    for program, text in STAND_INS.items():
        (mac.bin / program).unlink(missing_ok=True)
        write(mac.bin / program, f"#!/bin/sh\n{text}", 0o755)
    write(mac.bin / "uv", UV, 0o755)
    shutil.copy(REPOSITORY / COMMAND, mac.clone)
    (mac.folder / "home").mkdir(exist_ok=True)
    return mac


def double_click(mac: Machine, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command as the Finder does, in the home folder; without a terminal."""
    return subprocess.run(
        [mac.clone / COMMAND, *arguments],
        env=mac.environment | variables,
        cwd=mac.folder / "home",
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


# ---------------------------------------------------------------- the double click


def test_a_double_click_is_install_sh_in_the_clone(mac: Machine) -> None:
    """Without arguments, where the default project is ~/tensorflow; it ends as tfup ends."""
    said = answer(double_click(mac))

    assert ([], str(mac.clone)) == (said["arguments"], said["folder"])
    assert 3 == double_click(mac, ANSWER="3").returncode


def test_in_a_terminal_it_takes_arguments(mac: Machine) -> None:
    """Then the person's folder is kept, as with install.sh."""
    said = answer(double_click(mac, "plan", "two words"))

    assert (["plan", "two words"], str(mac.folder / "home")) == (said["arguments"], said["folder"])


@pytest.mark.parametrize("name", ["two words", "it's here", "下载", "-dash", "$HOME;x", 'a"b'])
def test_the_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    """Whatever the Finder or a browser calls the folder."""
    mac = make_mac(tmp_path, ARM, name)

    assert str(mac.clone) == answer(double_click(mac))["folder"]


def test_the_window_stays_until_a_key_is_pressed(tmp_path: Path) -> None:
    """The report can be read; the exit code is still that of tfup."""
    mac = make_mac(tmp_path, ARM)
    person, terminal = pty.openpty()
    window = subprocess.Popen(
        [mac.clone / COMMAND],
        env=mac.environment | {"ANSWER": "1"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=mac.folder,
    )
    os.close(terminal)
    shown = "".join(read_until(person, "close this window. "))

    assert None is window.poll()
    os.write(person, b"\n")
    assert 1 == window.wait(10)
    assert '"arguments": []' in shown
    os.close(person)


def read_until(terminal: int, words: str) -> Iterator[str]:
    """Yield what a terminal shows, up to these words."""
    shown = ""
    while not shown.endswith(words):
        part = os.read(terminal, 1000).decode()
        shown += part
        yield part


def test_the_file_alone_says_what_is_missing(tmp_path: Path) -> None:
    """Whoever double-clicks it inside the archive, or copies it to the desktop, is told so."""
    shutil.copy(REPOSITORY / COMMAND, tmp_path)
    run = subprocess.run([tmp_path / COMMAND], check=False, capture_output=True, text=True)

    assert (4, "error: not-whole") == (run.returncode, run.stderr.splitlines()[0])


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_runs_the_double_click(shell: str, tmp_path: Path) -> None:
    """macOS has bash 3.2, zsh and dash; what all of these run, they run."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    mac = make_mac(tmp_path, ROSETTA)
    mac.link(shell, "sh")
    mac.environment["PATH"] = str(mac.bin)
    run = subprocess.run(
        [mac.bin / "sh", mac.clone / COMMAND, "it's"],
        env=mac.environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ["it's"] == answer(run)["arguments"]


# ---------------------------------------------------------------- which Mac


@pytest.mark.parametrize(
    ("kind", "tag"),
    [(ARM, "macosx_11_0_arm64"), (ROSETTA, "macosx_11_0_arm64"), (INTEL, "macosx_10_12_x86_64")],
)
def test_uv_is_the_one_for_the_processor(kind: dict[str, str], tag: str, tmp_path: Path) -> None:
    """In a terminal for Intel on an Apple processor too, the wheel for Apple's is fetched."""
    mac = make_mac(tmp_path, kind)
    (mac.bin / "uv").unlink()
    mac.link("curl")
    asked: list[str] = []
    names = [
        f"uv-{pinned_uv()}-py3-none-{other}.whl"
        for other in (
            "macosx_10_12_x86_64",
            "macosx_11_0_arm64",
            "manylinux_2_17_x86_64.manylinux2014_x86_64",
        )
    ]
    page = "".join(f'<a href="/files/{name}">{name}</a>' for name in names)
    write(mac.folder / "served/simple/uv/index.html", page)
    with serve(mac.folder / "served", asked=asked) as url:
        mac.install(TFUP_INDEX_URL=f"{url}/simple")

    assert [f"/files/uv-{pinned_uv()}-py3-none-{tag}.whl"] == [path for path in asked if "/files/" in path]


@pytest.mark.parametrize(("kind", "name"), [(ARM, "aarch64"), (ROSETTA, "aarch64"), (INTEL, "x86_64")])
def test_the_release_page_has_uv_for_each_mac(kind: dict[str, str], name: str, tmp_path: Path) -> None:
    """Without an index, the archive is the one for the processor, and its hash is known."""
    mac = make_mac(tmp_path, kind)
    (mac.bin / "uv").unlink()
    mac.link("curl")
    asked: list[str] = []
    (mac.folder / "served").mkdir()
    with serve(mac.folder / "served", asked=asked) as url:
        mac.install(TFUP_UV_RELEASES=url)

    assert [f"uv-{name}-apple-darwin.tar.gz"] == [Path(path).name for path in asked if path.endswith(".gz")]


def test_nobody_asks_rosetta_twice(tmp_path: Path) -> None:
    """Once the shell is Apple's own, it is not started again; nor is it on a Mac from Intel."""
    mac = make_mac(tmp_path, ROSETTA)
    noted = mac.folder / "arch"
    text = (mac.bin / "arch").read_text().replace("shift\n", f"shift\necho once >>'{noted}'\n")
    write(mac.bin / "arch", text, 0o755)
    mac.install()

    assert "once\n" == noted.read_text()


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("macos_arm64", "cpython-3.12-macos-aarch64-none"),
        ("macos_x86_64", "cpython-3.12-macos-x86_64-none"),
        ("linux_x86_64", "3.12"),
    ],
)
def test_a_python_is_fetched_for_the_processor(family: str, name: str) -> None:
    """Even where tfup itself runs in a Python for Intel; uv knows each name that it is asked for."""
    choice = Choice("tensorflow", "2.18.1", "3.12", "cp312", None, "obtain", Wheel("x.whl", ""), family)
    listed = subprocess.run(
        [uv.find_uv(), "python", "list", "--only-downloads", "--all-platforms", "--all-arches", name],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout

    assert name == venv.name_python(choice)
    assert "cpython-3.12." in listed
