"""The real Pipenv on what tfup writes, and on the Pipfile of the repository."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from uv import find_uv_bin

from tests.formats_plans import SMALL, plan
from tests.pipenv_program import install_pipenv, python_of, run, snapshot
from tfup.formats import write
from tfup.managers.default_index import default_index
from tfup.managers.pipenv_releases import PipenvRelease, pipenv_for
from tfup.tables import DATA, load, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.model import Project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project of small packages, as tfup would make it: our files, and an environment by uv."""
    return make_project(tmp_path_factory.mktemp("a project"), "3.13")


def make_project(folder: Path, minor: str) -> Project:
    """Write the files for a Python, and install from them."""
    python = python_of(minor)
    project = write(plan(*SMALL, keras="toml", python=minor), folder, default_index())
    uv = find_uv_bin()
    run(uv, "venv", "--quiet", "--python", python, folder / ".venv", folder=folder)
    run(uv, "pip", "sync", "--quiet", "--require-hashes", project.requirements, folder=folder)
    return project


@pytest.mark.network
def test_pipenv_says_that_the_lock_is_up_to_date(pipenv: Path, project: Project) -> None:
    """Our digest of the Pipfile is Pipenv's."""
    assert "is up-to-date" in run(pipenv, "verify", folder=Path(project.folder)).stdout


@pytest.mark.network
@pytest.mark.parametrize("command", [("sync",), ("install",), ("install", "--deploy")])
def test_pipenv_changes_nothing(pipenv: Path, project: Project, command: tuple[str, ...]) -> None:
    """What tfup installed is what Pipenv would install, and the lock is the one that it wants."""
    folder = Path(project.folder)
    before = snapshot(folder)

    run(pipenv, *command, folder=folder)

    assert before == snapshot(folder)


@pytest.mark.network
def test_pipenv_run_takes_our_interpreter(pipenv: Path, project: Project) -> None:
    """The environment in DIR/.venv is the one that Pipenv uses, without a setting."""
    folder = Path(project.folder)
    done = run(pipenv, "run", "python", "-c", "import six, sys; print(sys.prefix)", folder=folder)

    assert str(folder / ".venv") == done.stdout.splitlines()[-1]


@pytest.mark.network
def test_pipenv_graph_names_what_is_installed(pipenv: Path, project: Project) -> None:
    """`pipenv graph` reads the environment."""
    assert "toml==0.10.2" in run(pipenv, "graph", folder=Path(project.folder)).stdout


@pytest.mark.network
def test_pip_and_conda_s_pip_take_our_hashes(project: Project, tmp_path: Path) -> None:
    """pip demands a hash of everything in requirements.txt, and in conda's list, and is content."""
    conda = yaml.safe_load(Path(project.environment_yml).read_text(encoding="utf-8"))["dependencies"]
    (tmp_path / "conda.txt").write_text("\n".join(conda[-1]["pip"]), encoding="utf-8")
    pip = (
        python_of("3.13"),
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--require-hashes",
        "-r",
    )

    for file in (project.requirements, tmp_path / "conda.txt"):
        assert "Would install six-1.16.0 toml-0.10.2 wheel-0.37.1" in run(*pip, file, folder=tmp_path).stdout


def installed(environment: Path) -> list[str]:
    """Return what is in an environment beside pip."""
    lines = run(find_uv_bin(), "pip", "freeze", "-q", "--python", environment, folder=environment).stdout
    return [line for line in lines.splitlines() if not line.startswith("pip==")]


@pytest.mark.network
def test_pipenv_makes_the_same_environment_from_the_lock_alone(
    pipenv: Path, project: Project, tmp_path: Path
) -> None:
    """A colleague with the two files and Pipenv gets our pins."""
    for file in (project.pipfile, project.pipfile_lock):
        shutil.copy(file, tmp_path)

    run(pipenv, "sync", "--python", python_of("3.13"), folder=tmp_path, PIPENV_VENV_IN_PROJECT="1")

    assert [f"{pin.name}=={pin.version}" for pin in SMALL] == installed(tmp_path / ".venv")


@pytest.mark.network
def test_a_pylock_beside_the_lock_does_not_disturb_pipenv(pipenv: Path, project: Project) -> None:
    """Pipenv reads pylock.toml too; with uv's beside ours it still finds all in order."""
    folder = Path(project.folder)
    options = (
        "--python",
        folder / ".venv",
        "--generate-hashes",
        "--format",
        "pylock.toml",
        "--no-deps",
        "-q",
    )
    run(find_uv_bin(), "pip", "compile", project.requirements, *options, "-o", project.pylock, folder=folder)
    before = snapshot(folder)

    assert "is up-to-date" in run(pipenv, "verify", folder=folder).stdout
    run(pipenv, "sync", folder=folder)
    run(pipenv, "run", "python", "-c", "import six", folder=folder)

    assert before == snapshot(folder)
    Path(project.pylock).unlink()


# ---------------------------------------------------------------- older Pipenvs for older Pythons


def test_pipenv_table_is_canonical() -> None:
    """The table and its rendering agree byte for byte."""
    text = (DATA / "builds" / "pipenv.json").read_text(encoding="utf-8")
    about = {"made_by": "hand", "source": "tried: see each row"}

    assert render(about, load("builds/pipenv.json", PipenvRelease)) == text


def test_every_python_that_tfup_serves_has_at_most_one_pipenv() -> None:
    """The ranges do not overlap, and a Python that nobody tried has none."""
    found = {minor: pipenv_for(minor) for minor in ("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.13")}

    assert all(found.values())
    assert pipenv_for("3.5") is None


@pytest.mark.network
@pytest.mark.parametrize("minor", ["3.6", "3.7", "3.8", "3.9"])
def test_the_pipenv_for_an_older_python_drives_what_tfup_makes(minor: str, tmp_path: Path) -> None:
    """The row of the table is true: that Pipenv, on that Python, finds nothing to change in our project."""
    row = pipenv_for(minor)
    assert row is not None
    pipenv = install_pipenv(tmp_path / "pipenv", python_of(row.runs_on), f"pipenv=={row.pipenv}")
    folder = tmp_path / "project"
    folder.mkdir()
    make_project(folder, minor)
    before = snapshot(folder)

    run(pipenv, "verify", folder=folder)
    run(pipenv, "sync", folder=folder)
    run(pipenv, "run", "python", "-c", "import six, toml", folder=folder)

    assert before == snapshot(folder)
    assert "six==" in run(pipenv, "graph", folder=folder).stdout


# ---------------------------------------------------------------- the repository's own Pipfile


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """Return a copy of what `pipenv install` and `pipenv run hello` need; its 2 GB are removed at the end."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "checks", folder / "checks", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Pipfile", "Pipfile.lock"):
        shutil.copy(ROOT / name, folder)
    yield folder
    shutil.rmtree(tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("minor", ["3.10", "3.11", "3.12", "3.13"])
def test_pipenv_install_in_a_clone_ends_in_hello(minor: str, pipenv: Path, clone: Path) -> None:
    """The committed files are all that Pipenv needs, it changes neither, and the session answers."""
    homes = {"WORKON_HOME": str(clone.parent / "environments")}
    before = {name: (clone / name).read_bytes() for name in ("Pipfile", "Pipfile.lock")}

    run(pipenv, "install", "--python", python_of(minor), folder=clone, **homes)
    run(pipenv, "sync", folder=clone, **homes)

    assert "Hello, TensorFlow!" in run(pipenv, "run", "hello", folder=clone, **homes).stdout.splitlines()
    assert "is up-to-date" in run(pipenv, "verify", folder=clone, **homes).stdout
    assert before == {name: (clone / name).read_bytes() for name in before}
