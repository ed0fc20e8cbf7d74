"""tfup-setup.exe: built on Linux, installed and removed on a Windows of Wine that has no Python."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import little_clone, loopback_index, wine
from tests.bare_machine import REPOSITORY, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.running import Run

pytestmark = [pytest.mark.wine, pytest.mark.network]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "requirements")
FOLDER = "AppData/Local/tfup"
MENU = "AppData/Roaming/Microsoft/Windows/Start Menu/Programs/TensorFlow prompt.lnk"
KEY = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\tfup"


class Lab(NamedTuple):
    """A machine without Python, the setup program of the little clone, and what both reach."""

    windows: wine.Windows
    setup: Path
    variables: dict[str, str]

    @property
    def folder(self) -> Path:
        """Where the setup puts what it brings."""
        return self.windows.home / FOLDER

    @property
    def project(self) -> Path:
        """The project that it makes."""
        return self.windows.home / "tensorflow"

    def install(self, *words: str, **variables: str) -> Run:
        """Run the setup program without its pages."""
        shutil.copy(self.setup, self.windows.c)
        return self.windows.run(r"C:\tfup-setup.exe", "/S", *words, **(self.variables | variables))

    def uninstall(self, *words: str) -> None:
        """Run the uninstaller, which goes on from a copy of itself, and wait for it."""
        self.windows.run(rf"C:\users\root\{FOLDER}\uninstall.exe".replace("/", "\\"), "/S", *words)
        wait_for(lambda: self.windows.run("reg", "query", KEY).code != 0)


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Iterator[little_clone.Clone]:
    """Give a clone that can be built, and whose TensorFlow is tiny."""
    with little_clone.cloned(tmp_path_factory.mktemp("little"), little_clone.WINDOWS) as clone:
        for name in SOURCES:
            source = REPOSITORY / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, clone.folder / name)
        yield clone


@pytest.fixture(scope="module")
def setup(little: little_clone.Clone) -> Path:
    """Give the setup program, for Python 3.12 alone."""
    output = little.folder.parent / "tfup-setup.exe"
    build(little.folder, output)
    return output


def build(clone: Path, output: Path) -> str:
    """Build the setup program of a clone, and return what is said."""
    command = [sys.executable, "-I", clone / "installers/windows/build_setup.py", output, "3.12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def lab(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    little: little_clone.Clone,
    setup: Path,
) -> Iterator[Lab]:
    """Give one machine to all tests of this file."""
    kept = request.config.cache.mkdir("wine")
    loopback_index.WHEELS.update(wine.libraries(kept))
    served = tmp_path_factory.mktemp("served")
    with serve(served) as url, wine.windows(kept, tmp_path_factory.mktemp("lab") / "wine") as windows:
        variables = {
            "TFUP_INDEX_URL": f"http://{little.address}/good/simple",
            "UV_PYTHON_DOWNLOADS_JSON_URL": wine.offer_python(kept, served, url),
        }
        yield Lab(windows, setup, variables)


@pytest.mark.slow
def test_two_builds_are_the_same_bytes(little: little_clone.Clone, setup: Path) -> None:
    """Whoever builds it again can compare the hash that is printed."""
    said = build(little.folder, setup.with_name("again.exe"))

    digest = hashlib.sha256(setup.read_bytes()).hexdigest()
    assert digest == said.split()[0]
    assert digest == hashlib.sha256(setup.with_name("again.exe").read_bytes()).hexdigest()


def test_a_command_signs_the_setup_program_and_the_uninstaller(tmp_path: Path) -> None:
    """It is called with each file, which it changes in its place."""
    signer, payload = tmp_path / "sign.sh", tmp_path / "payload"
    signer.write_text(f'#!/bin/sh\necho "$1" >>{tmp_path}/signed\n', encoding="utf-8")
    signer.chmod(0o755)
    payload.mkdir()
    (payload / "one.txt").touch()
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import build_setup; "
        "build_setup.makensis(*map(Path, sys.argv[2:]))"
    )
    places = (REPOSITORY / "installers/windows", payload, tmp_path / "setup.exe")
    variables = os.environ | {"TFUP_SIGN": str(signer)}

    subprocess.run([sys.executable, "-I", "-c", script, *places], env=variables, check=True, timeout=300)

    signed = (tmp_path / "signed").read_text(encoding="utf-8").splitlines()
    assert [False, True] == [path == str(tmp_path / "setup.exe") for path in signed]


def test_without_a_network_it_says_so_and_goes_on_later(lab: Lab) -> None:
    """The exit code is 5, the log has the sentence; what was brought stays for the next start."""
    done = lab.install(UV_PYTHON_DOWNLOADS_JSON_URL="http://127.0.0.1:9/pythons.json", UV_HTTP_RETRIES="0")

    log = (lab.folder / "cache" / "start.log").read_text(encoding="utf-8")
    assert (5, True) == (done.code, "error: no-python" in log), log
    assert not (lab.project / ".venv").exists()


def test_a_silent_install_ends_at_hello(lab: Lab) -> None:
    """A Python is obtained from the mirror, the checks run, and the start menu has a prompt."""
    done = lab.install("--yes")

    log = (lab.folder / "cache" / "start.log").read_text(encoding="utf-8")
    assert (0, True) == (done.code, "Hello, TensorFlow!" in log), log
    assert (lab.windows.home / MENU).exists()
    assert (lab.project / ".venv" / "Scripts" / "python.exe").exists()


def test_the_prompt_has_the_environment(lab: Lab) -> None:
    """python is that of the project, and tfup is at hand."""
    prompt = rf"C:\users\root\{FOLDER}\prompt.bat".replace("/", "\\")
    (lab.windows.c / "ask.bat").write_bytes(
        f'@call "{prompt}"\r\n@python -c "import sys; print(sys.prefix)"\r\n@call tfup --version\r\n'.encode()
    )

    said = lab.windows.run(r"C:\ask.bat", cwd="users/root/tensorflow", **lab.variables).out

    assert r"C:\users\root\tensorflow\.venv" in said
    assert "\ntfup " in said


def test_a_wish_is_passed_on(lab: Lab) -> None:
    """Another release and folder may be asked for, as labs do; the exit code is that of tfup."""
    done = lab.install(r"/PROJECT=C:\class", "/WISH=tensorflow==98.*")
    refused = lab.install(r"/PROJECT=C:\class", "/WISH=tensorflow==97.*")

    assert (0, 2) == (done.code, refused.code)
    site = lab.windows.c / "class" / ".venv" / "Lib" / "site-packages"
    assert (site / "tensorflow-98.0.0.dist-info").is_dir()


def test_the_uninstaller_leaves_what_is_not_its_own(lab: Lab) -> None:
    """The environment stays with the Python that it needs, and so does a stranger's file."""
    lab.install()
    (lab.folder / "notes.txt").touch()

    lab.uninstall()

    assert ["notes.txt", "python"] == sorted(path.name for path in lab.folder.iterdir())
    assert (lab.project / ".venv").is_dir()
    assert not (lab.windows.home / MENU).exists()


def test_with_all_the_environment_goes_too(lab: Lab) -> None:
    """Nothing is left but what the person has of it: the files of the project."""
    (lab.folder / "notes.txt").unlink(missing_ok=True)
    lab.install()
    (lab.project / "train.py").touch()

    lab.uninstall("/ALL")

    wait_for(lambda: not lab.folder.exists())
    assert not {".venv", ".tfup"} & {path.name for path in lab.project.iterdir()}
    assert (lab.project / "train.py").exists()
    assert (lab.project / "Pipfile").exists()


def test_the_pages_can_be_walked_through(lab: Lab, tmp_path: Path) -> None:
    """Welcome, the report as it grows, what came of it: the Return key is enough, each page is another."""
    shutil.copy(lab.setup, lab.windows.c)
    log = lab.folder / "cache" / "start.log"
    with (
        lab.windows.screen() as screen,
        lab.windows.start(r"C:\tfup-setup.exe", DISPLAY=screen.NAME, **lab.variables) as setup,
    ):
        pictures = [wait_for_a_picture(screen, [])]
        screen.press("Return")
        wait_for(lambda: log.exists() and "Keras work in" in log.read_text(encoding="utf-8"))
        time.sleep(3)
        for _ in range(2):
            pictures.append(wait_for_a_picture(screen, pictures))
            screen.press("Return")
        code = setup.wait(60)
    for number, picture in enumerate(pictures):  # docs/windows-setup.png is made of them
        (tmp_path / f"page-{number}.png").write_bytes(picture)

    assert 0 == code
    assert 3 == len(set(pictures))


def wait_for_a_picture(screen: wine.Screen, seen: list[bytes]) -> bytes:
    """Return a picture of the screen that shows something, and not what was seen."""
    wait_for(lambda: len(picture := screen.picture()) > 5000 and picture not in seen)
    time.sleep(3)  # until all of it is drawn
    return screen.picture()


def wait_for(truth: Callable[[], bool], seconds: float = 300) -> None:
    """Return once something has come true."""
    end = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.5)
