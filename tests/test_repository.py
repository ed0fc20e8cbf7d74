"""What must hold for every file of the repository."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import msgspec
import pytest
import tomlkit
from packaging.requirements import Requirement

from tfup import __version__, tables

ROOT = Path(__file__).parent.parent
LARGEST = 1500 * 1024
LARGE = frozenset[str]()  # tracked files that may be larger, each with its reason

# A letter in brackets keeps a pattern from finding itself.
HOSTS = re.compile(
    r"py[p]i\.org|python[h]osted\.org|deb[i]an\.org|np[m]js\.org|yarn[p]kg\.com", re.IGNORECASE
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.~])/([r]oot/|[w]ork\b|[h]ome/(?!user|ann|linuxbrew)\w|[U]sers/(?!user|ann)\w)"
)
VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
GLIBC = {"0.0", "2.17", "2.28"}  # what is taken where a machine does not say its own


@cache
def files() -> dict[str, bytes]:
    """Read all files that git tracks, or would if they were added."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = (
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
        .stdout.decode()
        .split("\0")
    )
    return {name: (ROOT / name).read_bytes() for name in names if (ROOT / name).is_file()}


def texts() -> dict[str, str]:
    """Read all files as text, but for pictures."""
    return {name: content.decode() for name, content in files().items() if not name.endswith(".png")}


def found(pattern: re.Pattern[str]) -> list[str]:
    """Name the places where a pattern is found."""
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def modules(*folders: str) -> dict[str, ast.Module]:
    """Parse the Python files of some folders."""
    return {
        name: ast.parse(text)
        for name, text in texts().items()
        if name.startswith(folders) and name.endswith(".py")
    }


def test_every_page_that_is_named_is_there() -> None:
    """A reader who is sent to docs/ finds the page."""
    named = re.compile(r"\bdocs/[\w-]+\.(?:md|svg|png)\b")
    missing = re.compile("|".join(re.escape(page) for page in pages(named) if page not in files()) or "(?!)")

    assert [] == found(missing)


def pages(named: re.Pattern[str]) -> set[str]:
    """Return the pages that any file names."""
    return {page for text in texts().values() for page in named.findall(text)}


def test_no_index_is_named() -> None:
    """Which index serves is the person's affair: no file carries the address of one."""
    assert [] == found(HOSTS)


def test_no_path_of_one_machine_is_written_down() -> None:
    """The files are as true on any other machine."""
    assert [] == found(MACHINE_PATHS)


@pytest.mark.parametrize("text", ["/" + "root/.cache", "in /" + "work/x", "'/" + "home/bob'"])
def test_a_path_of_one_machine_would_be_seen(text: str) -> None:
    """The search for such paths finds them."""
    assert MACHINE_PATHS.search(text)


@pytest.mark.parametrize("text", ["/home/user/.keras", "src/work", "~/work", "$root/x", "/workshop"])
def test_a_path_of_nobody_is_let_through(text: str) -> None:
    """The search for such paths finds no others."""
    assert not MACHINE_PATHS.search(text)


def test_no_lock_with_addresses_is_kept() -> None:
    """uv's own lock and pylock.toml carry addresses; requirements/ and the tables carry hashes."""
    assert [] == [name for name in files() if Path(name).name in {"uv.lock", "pylock.toml"}]


def test_no_file_is_large() -> None:
    """Whoever clones this gets source, not data."""
    assert set() == {name for name, content in files().items() if len(content) > LARGEST} - LARGE


def test_no_file_is_binary() -> None:
    """Every file is text that can be reviewed, but for small pictures of screens."""
    binary = [name for name, content in files().items() if b"\0" in content]

    assert [] == [name for name in binary if not re.fullmatch(r"docs/[\w-]+\.png", name)]
    assert [] == [name for name in binary if len(files()[name]) > 100_000]


def test_tables_are_canonical() -> None:
    """A table stands as tables.render writes it, one row a line."""
    different = []
    for name in files():
        if name.startswith("tfup/data/") and name.endswith(".json") and "/schemas/" not in name:
            text = (ROOT / name).read_text(encoding="utf-8")
            table = msgspec.json.decode(text, type=tables.Table)
            if tables.render(table.about, table.rows) != text:
                different.append(name)
    assert [] == different


def test_versions_are_in_tables_alone() -> None:
    """No rule of the program knows a release by number."""
    literals = [
        f"{name}:{node.lineno}: {node.value}"
        for name, module in modules("tfup/").items()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if VERSION.fullmatch(node.value) and node.value not in GLIBC
    ]
    assert [f"tfup/__init__.py:3: {__version__}"] == literals


def test_all_that_is_public_says_what_it_is() -> None:
    """Every module, class and function of tfup that others may use has a docstring."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    silent = [
        f"{name}: {getattr(node, 'name', 'module')}"
        for name, module in modules("tfup/", "checks/", "tools/", "installers/").items()
        for node in [module, *module.body]
        if isinstance(node, kinds)
        and not getattr(node, "name", "").startswith("_")
        and not ast.get_docstring(node)
    ]
    assert [] == silent


def test_every_test_states_a_truth() -> None:
    """The docstring of a test is one sentence."""
    silent = [
        f"{name}: {node.name}"
        for name, module in modules("tests/").items()
        for node in module.body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not (ast.get_docstring(node) or "").rstrip().endswith(".")
    ]
    assert [] == silent


def test_scripts_can_be_run() -> None:
    """What starts with #! is executable."""
    assert [] == [
        name
        for name, text in texts().items()
        if text.startswith("#!") and not (ROOT / name).stat().st_mode & 0o100
    ]


SCRIPTS = sorted(name for name in files() if name.endswith((".sh", ".command")))
SHELLS = ("dash", "busybox", "posh", "bash", "mksh", "yash", "ksh", "zsh")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("shell", SHELLS)
def test_shell_scripts_are_posix(shell: str, script: str) -> None:
    """Every shell that is here can read the scripts; tests/run.sh has shellcheck read them too."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    options = {"busybox": ["sh"], "bash": ["--posix"], "zsh": ["--emulate", "sh"]}.get(shell, [])
    command = [shell, *options, "-n", script]

    assert (0, b"") == (
        (result := subprocess.run(command, cwd=ROOT, check=False, capture_output=True)).returncode,
        result.stderr,
    )


def test_locks_hold_what_is_declared() -> None:
    """Each declared library is locked at a version that meets the declaration, and every pin has hashes."""
    declared = tomlkit.parse(texts()["pyproject.toml"]).unwrap()["project"]["dependencies"]
    pins = {
        name: text.replace("\\\n", " ").splitlines()
        for name, text in texts().items()
        if name.startswith("requirements/")
    }
    locked = [Requirement(line.split(" --hash=")[0]) for line in pins["requirements/tfup.txt"]]

    for requirement in map(Requirement, declared):
        versions = [str(pin.specifier).removeprefix("==") for pin in locked if pin.name == requirement.name]
        assert versions
        assert all(requirement.specifier.contains(version) for version in versions)
    assert [] == [line for lines in pins.values() for line in lines if "--hash=sha256:" not in line]


def test_the_tools_use_the_same_versions() -> None:
    """The tests run with the very libraries that people get."""
    lines = {
        name: set(re.findall(r"^\S+==.*", texts()[f"requirements/{name}.txt"], re.MULTILINE))
        for name in ("tfup", "dev", "uv")
    }

    assert lines["tfup"] <= lines["dev"]
    assert lines["uv"] < lines["tfup"]


# ---------------------------------------------------------------- the package


def test_the_package_holds_the_program(tmp_path: Path) -> None:
    """The wheel carries modules, tables and checks, and nothing of the tests."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.iterdir()
    names = set(zipfile.ZipFile(wheel).namelist())

    wanted = {name for name in files() if name.startswith("tfup/")}
    checks = {f"tfup/{name}" for name in files() if name.startswith("checks/")}
    assert wanted | checks == {name for name in names if name.startswith("tfup/")}
    assert f"tfup-{__version__}-py3-none-any.whl" == wheel.name


@pytest.mark.network
def test_pip_installs_a_clone(tmp_path: Path) -> None:
    """`pip install .` gives the command tfup, in an environment made by Python alone."""
    run(sys.executable, "-m", "venv", tmp_path / "environment")
    run(tmp_path / "environment/bin/python", "-m", "pip", "install", "--quiet", ROOT)

    assert f"tfup {__version__}" == run(tmp_path / "environment/bin/tfup", "--version")


@pytest.mark.network
def test_uv_installs_a_clone_as_a_tool(tmp_path: Path) -> None:
    """`uv tool install .` gives the command tfup, as pipx does."""
    folders = {"UV_TOOL_DIR": f"{tmp_path}/tools", "UV_TOOL_BIN_DIR": f"{tmp_path}/bin"}
    run(Path(sys.executable).with_name("uv"), "tool", "install", "--quiet", ROOT, **folders)

    assert f"tfup {__version__}" == run(tmp_path / "bin/tfup", "--version")


def run(*command: str | Path, **variables: str) -> str:
    """Run a command away from the clone and return its output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(
        command, cwd="/", env=kept | variables, check=False, capture_output=True, text=True, timeout=300
    )
    assert 0 == result.returncode, result.stderr
    return result.stdout.strip()
