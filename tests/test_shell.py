"""What is printed is pasted into sh: the names in it, which strangers chose, arrive whole and run nothing."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.doctor.test_doctor import (
    file,
    folder_for_file,
    keras_home_file,
    kernel,
    left,
    lost,
    no_python,
    variables,
)
from tests.formats_plans import plan
from tests.little_clone import Clone, cloned
from tests.managers.test_python27 import old_python
from tests.patients import NEW, Case, Era, Package, make_case
from tests.running import tfup
from tests.test_repository import modules
from tfup.doctor.facts import Facts
from tfup.doctor.remedies import Words, fill
from tfup.formats import locate
from tfup.managers import conda, python27
from tfup.model import Pin
from tfup.shell import quote_for_windows, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "it's $(touch OWNED)"
PLAN = plan(Pin("tensorflow", "2.21.0", ()))
BLANK = "{python} $(touch OWNED)"
"""A folder whose name has a blank of the catalogue's remedies in it."""
PROGRAMS = ("tfup", "mv", "rm", "chmod", "uv", "micromamba", "tell")
STAND_IN = """#!/bin/sh
printf '%s\\0' "${0##*/}" "$@" >> "$NOTED"
"""


class Shell(NamedTuple):
    """A sh whose programs only note their names and arguments, but for touch."""

    folder: Path

    def paste(self, text: str) -> list[str]:
        """Paste a text, and return what was noted; that a file OWNED was made fails the test."""
        noted = self.folder / "noted"
        noted.write_bytes(b"")
        variables = {"PATH": str(self.folder / "bin"), "NOTED": str(noted), "HOME": str(self.folder)}
        subprocess.run(["/bin/sh", "-c", text], cwd=self.folder, env=variables, check=True, timeout=60)
        assert [] == list(self.folder.rglob("OWNED"))
        return noted.read_text(encoding="utf-8").split("\0")[:-1]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return a shell beside whatever the test makes."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in PROGRAMS:
        be_stand_in(place / name)
    for name in ("touch", "basename"):
        (place / name).symlink_to(str(shutil.which(name)))
    return Shell(tmp_path)


def be_stand_in(path: Path) -> None:
    """Write a program that only notes its name and arguments."""
    path.unlink(missing_ok=True)
    path.write_text(STAND_IN, encoding="utf-8")
    path.chmod(0o755)


def line_after(text: str, start: str) -> str:
    """Return the rest of the last line that starts so."""
    return re.findall(rf"^\s*{start}\s*(.+)$", text, re.MULTILINE)[-1]


# ---------------------------------------------------------------- the program as a person runs it


def test_hint_of_check_without_an_environment(shell: Shell) -> None:
    """The folder's own name is in it."""
    folder = shell.folder / NAME
    folder.mkdir()

    run = tfup("check", cwd=folder, home=shell.folder)

    assert ["tfup", "install", "--project", str(folder)] == shell.paste(line_after(run.err, "hint:"))


def test_hint_of_a_file_that_cannot_be_read(shell: Shell) -> None:
    """It is put aside, in its folder."""
    broken = shell.folder / NAME / "Pipfile"
    broken.parent.mkdir()
    broken.write_text("[", encoding="utf-8")

    run = tfup("plan", cwd=broken.parent, home=shell.folder)

    assert ["mv", str(broken), f"{broken}.broken"] == shell.paste(line_after(run.err, "hint:"))


def test_hint_of_two_builds(shell: Shell) -> None:
    """What the person typed comes back, with its quotes."""
    wish = "tensorflow>=2; python_version > '3'"

    run = tfup("plan", wish, "tensorflow-gpu", cwd=shell.folder, home=shell.folder)

    assert ["tfup", "plan", wish] == shell.paste(line_after(run.err, "hint:"))


def test_remedies_and_the_next_command_of_doctor(shell: Shell) -> None:
    """A name inside a strange environment, a file that hides a module, and the project."""
    case = make_case(shell.folder / NAME, Era("3.13", (Package("keras", "3.15.1"), Package("jax", "0.8.0"))))
    left(f"~{NAME}")(case)
    file("random.py")(case)

    run = tfup("doctor", "--project", case.folder, cwd=case.home, home=case.home)
    remedies = re.findall(r"^    remedy  (.+)$", run.out, re.MULTILINE)
    last = line_after(run.out, "next:").split("   (")[0]

    random = case.folder / "random.py"
    assert ["rm", "-r", str(case.place / f"~{NAME}"), "mv", str(random), f"{case.folder}/my_random.py"] == [
        word for remedy in remedies for word in shell.paste(remedy)
    ]
    assert ["tfup", "doctor", "--fix", "--project", str(case.folder)] == shell.paste(last)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone with an index that answers."""
    with cloned(tmp_path_factory.mktemp("clone")) as clone:
        yield clone


def test_next_steps_of_install(clone: Clone, shell: Shell) -> None:
    """The environment is activated."""
    project = shell.folder / NAME
    project.mkdir()

    run = clone.run("install", "--manager", "venv", "tensorflow==99.0.0", cwd=project)
    assert 0 == run.code, run.err
    activate = run.out.splitlines()[-2]

    assert ["tell", f"{project}/.venv"] == shell.paste(f'{activate}\ntell "$VIRTUAL_ENV"')


@pytest.mark.network
@pytest.mark.real
@pytest.mark.parametrize(
    "name", [NAME, "it's;touch OWNED;echo '", 'a `touch OWNED` "b', "\\'!$(touch OWNED)"]
)
def test_environment_for_an_old_python(shell: Shell, name: str) -> None:
    """The virtualenv that knows 2.7 quotes no name; its pip, in the scripts that it writes, none either."""
    folder = shell.folder / name / ".venv"

    python27.make_venv(old_python(), folder)

    assert ["tell", str(folder)] == shell.paste(
        f'. {typed(folder / "bin" / "activate")}\ntell "$VIRTUAL_ENV"\npip --version'
    )


# ---------------------------------------------------------------- the remedies of doctor, one by one


class Damage(NamedTuple):
    """What is done to an environment, and the words that its remedy has to be in sh."""

    do: Callable[[Case], object]
    words: tuple[str, ...]
    then: str = ""


REINSTALL = ("--reinstall", "--no-deps", "h5py==3.15.0")
DAMAGES = {
    "half-removed-distribution": Damage(
        left(f"x{NAME}-1.0.dist-info"), ("rm", "-r", "{place}/x{name}-1.0.dist-info")
    ),
    "own-file-shadows-stdlib": Damage(
        file("random.py"), ("mv", "{folder}/random.py", "{folder}/my_random.py")
    ),
    "keras-json-broken": Damage(
        folder_for_file, ("mv", "{home}/.keras/keras.json", "{home}/.keras/keras.json.before-tfup")
    ),
    "keras-home-not-a-folder": Damage(keras_home_file, ("tell", "{home}/.keras"), '\ntell "$KERAS_HOME"'),
    "loader-path-relative": Damage(
        variables(LD_LIBRARY_PATH=f"here:/lib/{NAME}"), ("tell", "/lib/{name}"), '\ntell "$LD_LIBRARY_PATH"'
    ),
    "python-gone": Damage(no_python, ("tfup", "install", "--project", "{folder}")),
    "files-missing": Damage(
        lost("h5py/core.py"), ("uv", "pip", "install", "--python", "{folder}/.venv/bin/python", *REINSTALL)
    ),
    "jupyter-kernel-other-python": Damage(
        kernel(NAME, "/no/such/python", "project/.venv"),
        ("python", "-m", "ipykernel", "install", "--user", "--name", "{name}"),
    ),
}


@pytest.mark.parametrize("around", [NAME, BLANK])
@pytest.mark.parametrize("issue", DAMAGES)
def test_remedy_runs_no_name(shell: Shell, issue: str, around: str) -> None:
    """Each name is one word, although it looks like a command or like a blank to be filled."""
    damage, case = DAMAGES[issue], make_case(shell.folder / around, NEW)
    damage.do(case)
    (remedy,) = [one.remedy for one in case.look().findings if one.id == issue]
    be_stand_in(case.folder / ".venv" / "bin" / "python")

    places = {"folder": str(case.folder), "home": str(case.home), "place": str(case.place), "name": NAME}
    assert [word.format(**places) for word in damage.words] == shell.paste(remedy + damage.then)


def test_version_that_is_none_fills_no_blank() -> None:
    """A record in a strange environment may be called anything."""
    facts = Facts("linux", tensorflow="2.1'$(touch OWNED)'")
    remedy = "`tfup install 'tensorflow=={version}'`"

    assert "`tfup install 'tensorflow==VERSION'`" == fill([remedy], facts, Words())


# ---------------------------------------------------------------- conda, Windows, and all that is to come


def test_program_of_conda_is_one_that_we_know(shell: Shell) -> None:
    """A strange environment may note another one."""
    project = locate(shell.folder / NAME)
    (shell.folder / NAME / ".venv").mkdir(parents=True)
    noted = shell.folder / NAME / ".venv" / "tfup.json"

    noted.write_text('{"program": "micromamba"}', encoding="utf-8")
    assert ["micromamba", "activate", str(noted.parent)] == shell.paste(conda.next_steps(project, PLAN)[0])
    noted.write_text('{"program": "touch OWNED; conda"}', encoding="utf-8")
    assert conda.next_steps(project, PLAN)[0].startswith("conda activate ")


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        (r"C:\tf", r"C:\tf"),
        ("tensorflow==2.21.0", "tensorflow==2.21.0"),
        ("", '""'),
        ("C:\\R&D ^here\\", r'"C:\R&D ^here\\"'),
        ("C:\\100%\\a b", r'"C:\100"^%"\a b"'),
        ("$(calc)", '$"(calc)"'),
        ("a\u201d;calc;`b\n", '"a?;calc;?b?"'),
        ('six; python_version > "3"', "\"six; python_version > '3'\""),
    ],
)
def test_words_for_windows(word: str, quoted: str) -> None:
    """cmd reads a variable's name between quotes too, PowerShell a command: neither is left there."""
    assert quoted == quote_for_windows(word)


BY_HAND = re.compile(
    r"((tfup|mv|rm|ls|cd|chmod|export|unset|set|pip|uv|conda|pixi|python3?|\.) |\0 -m ).*['\"`][^\0'\"`]*\0"
)
"""A command with a value, which stands as NUL, after a quotation mark."""


def test_no_command_quotes_by_hand() -> None:
    """A value between quotes in an f-string is at the mercy of the quotes in it."""
    by_hand = [
        f"{name}:{node.lineno}"
        for name, module in modules("tfup/").items()
        for node in ast.walk(module)
        if isinstance(node, ast.JoinedStr) and BY_HAND.match(spelt(node))
    ]

    assert [] == by_hand


def spelt(node: ast.JoinedStr) -> str:
    """Return an f-string with NUL in the place of its values."""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
