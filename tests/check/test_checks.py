"""The files in checks/: they run on every Python, shadow nothing, tell the truth, and can fail."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import uv

from tests.pythons import interpreters, of_pyenv, pyenv_roots
from tfup.check.runner import GPU_CHECKS, TRAIN_CHECKS, all_checks, check, checks_folder
from tfup.model import Environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = sorted(checks_folder().glob("*.py"))
HELPERS = {"eras", "reporting", "runner", "gpu_card", "gpu_causes"}
HELPERS |= {"learning_curves", "mini_vggnet", "pictures"}  # of the training
UNDER_TEST = {
    "cntk",
    "cv2",
    "h5py",
    "jax",
    "keras",
    "matplotlib",
    "numpy",
    "scipy",
    "sklearn",
    "tensorflow",
    "tf_keras",
    "theano",
    "torch",
}


def test_pyenv_is_found_without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its versions are the same when HOME is another folder: what the machine has is never overlooked."""
    before = of_pyenv()
    monkeypatch.setenv("HOME", "/nowhere")

    assert before == of_pyenv()
    assert all(python.exists() for python in before), [*pyenv_roots()]


@pytest.mark.parametrize("version", interpreters())
def test_each_interpreter_loads_each_file(version: str) -> None:
    """No file has syntax, characters or an import at its top that the oldest or the newest Python refuses."""
    variables = {"PYTHONPATH": str(checks_folder()), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        interpreters()[version],
        "-W",
        "error",
        "-c",
        f"import {', '.join(file.stem for file in FILES)}",
    ]

    done = subprocess.run(command, env=variables, check=False, capture_output=True, text=True, timeout=60)

    assert "" == done.stderr
    assert 0 == done.returncode


def test_each_check_is_a_file_with_a_function_of_its_name() -> None:
    """What is named in check.py and what is in the folder agree."""
    assert {*all_checks(), *TRAIN_CHECKS, *HELPERS} == {file.stem for file in FILES}
    assert [] == [
        name
        for name in (*all_checks(), *TRAIN_CHECKS)
        if f"\ndef {name}():\n" not in (checks_folder() / f"{name}.py").read_text()
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_check_shadows_a_library(file: Path) -> None:
    """The folder of a script comes first on its path: a check named keras.py would be imported as Keras."""
    assert file.stem not in {*sys.stdlib_module_names, *UNDER_TEST}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_under_test_is_imported_inside_the_functions(file: Path) -> None:
    """At its top it imports the standard library and its siblings, so that an import error is a failure."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    plain = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    sources = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}

    assert set() == {*plain, *sources} - HELPERS - set(sys.stdlib_module_names)


# ---------------------------------------------------------------- one check, alone

SESSION = """
class Context(object):
    def __enter__(self): return self
    def __exit__(self, *error): return None
    def as_default(self): return self
    def run(self, fetched): return fetched.encode("utf-8")

Graph = Session = Context
"""


@pytest.fixture
def run_alone(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a runner of one check by its path, with made-up libraries, in the C locale."""

    def run(
        name: str, python: str | Path, variables: dict[str, str] | None = None, **sources: str
    ) -> subprocess.CompletedProcess[str]:
        for module, source in sources.items():
            (tmp_path / f"{module}.py").write_text("# coding: utf-8\n" + source, encoding="utf-8")
        plain = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "HOME": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [python, checks_folder() / f"{name}.py"],
            env=plain | {"PYTHONPATH": str(tmp_path)} | (variables or {}),
            check=False,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )

    return run


@pytest.mark.parametrize("version", interpreters())
def test_hello_alone_prints_the_greeting_and_succeeds(
    version: str, run_alone: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """`pipenv run hello` shows the greeting on a line of its own, whatever the Python."""
    done = run_alone(
        "hello_session", interpreters()[version], tensorflow=SESSION + "constant = lambda text: text"
    )

    assert "Hello, TensorFlow!" == done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1].startswith("hello_session: proved in ")
    assert 0 == done.returncode


def test_hello_fails_when_the_session_says_something_else(
    run_alone: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """The greeting is compared, not assumed."""
    done = run_alone(
        "hello_session", sys.executable, tensorflow=SESSION + "constant = lambda text: 'Goodbye'"
    )

    assert "the session answered 'Goodbye'" in done.stdout
    assert 1 == done.returncode


@pytest.mark.parametrize("version", interpreters())
def test_an_accent_in_a_failure_is_printed_in_any_locale(
    version: str, run_alone: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """In the C locale too the person reads the failure, and not one of printing it."""
    done = run_alone(
        "import_tensorflow", interpreters()[version], tensorflow="raise ValueError(u'd\u00e9faut')"
    )

    assert re.search(r"import_tensorflow: failed in [\d.]+ s. ValueError: d", done.stdout)
    assert "faut" in done.stdout
    assert 1 == done.returncode


# ---------------------------------------------------------------- which backend, and whose choice

KERAS = """
import json, os, sys, types
__version__ = {version!r}
__path__ = []
for part in "backend", "layers", "models":
    sys.modules["keras." + part] = globals()[part] = types.ModuleType("keras." + part)
backend.backend = lambda: {backend!r}
"""


@pytest.mark.parametrize(
    ("version", "backend", "variable", "text", "expected"),
    [
        ("2.2.4", "tensorflow", None, None, "Using TensorFlow backend. Keras 2.2.4 has it as its default"),
        (
            "2.2.4",
            "theano",
            "theano",
            None,
            "Using Theano backend. Keras 2.2.4 was told so by the variable KERAS_BACKEND",
        ),
        (
            "3.9.0",
            "jax",
            None,
            '{"backend": "jax"}',
            "Using JAX backend. Keras 3.9.0 was told so by {home}/.keras/keras.json",
        ),
        (
            "3.9.0",
            "torch",
            "torch",
            '{"backend": "jax"}',
            "Keras 3.9.0 was told so by the variable KERAS_BACKEND",
        ),
        (
            "2.3.1",
            "tensorflow",
            None,
            "\ufeff{}",
            "Using TensorFlow backend. Keras 2.3.1 has it as its default",
        ),
        (
            "2.3.1",
            "tensorflow",
            None,
            "{broken",
            "Using TensorFlow backend. Keras 2.3.1 has it as its default",
        ),
        ("2.10.0", "tensorflow", "theano", None, "Using TensorFlow backend. Keras 2.10.0 has no other"),
    ],
)
def test_the_backend_is_named_with_the_source_of_the_choice(  # noqa: PLR0913, PLR0917 - the columns of a table
    version: str,
    backend: str,
    variable: str | None,
    text: str | None,
    expected: str,
    run_alone: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """The variable, keras.json, the default or the only one: the outcome says which of them it was."""
    if text is not None:
        (tmp_path / ".keras").mkdir()
        (tmp_path / ".keras" / "keras.json").write_text(text, encoding="utf-8")
    variables = {"KERAS_BACKEND": variable} if variable else {}

    done = run_alone(
        "keras_backend", sys.executable, variables, keras=KERAS.format(version=version, backend=backend)
    )

    assert expected.replace("{home}", str(tmp_path)) in done.stdout
    assert 0 == done.returncode


def test_an_environment_without_keras_is_skipped_and_a_broken_keras_is_not(
    run_alone: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Only the absence of Keras itself is no failure."""
    assert (
        "keras_backend: skipped in 0.0 s. no Keras is installed"
        in run_alone("keras_backend", sys.executable).stdout
    )

    broken = run_alone("keras_backend", sys.executable, keras="import keras_applications")
    assert (
        "keras_backend: failed in 0.0 s. ModuleNotFoundError: No module named 'keras_applications'"
        in broken.stdout
    )


# ---------------------------------------------------------------- real ones

ERAS = {
    "1.4.1": ("3.6", "keras==2.1.5", "h5py<3", "numpy<1.17", "scipy", "pyyaml", "protobuf<3.20"),
    "1.15.5": ("3.7", "keras==2.3.1", "h5py<3", "numpy<1.19", "scipy", "gast==0.2.2", "protobuf<3.20"),
    "2.10.1": ("3.10", "keras==2.10.*", "numpy<2", "protobuf<3.20"),
    "2.21.0": ("3.13",),
}
CARDS = "tensorflow.config.list_physical_devices"
SABOTAGE = {
    "matrix_product": (
        "import numpy; numpy.dot = lambda left, right: left",
        "the product differs from NumPy's",
    ),
    "keras_fit": ("import keras; keras.Sequential.evaluate = lambda *_, **__: float('nan')", "the loss rose"),
    "save_and_load": (
        "import keras; keras.models.load_model = lambda _: keras.Sequential([keras.layers.Dense(1)])",
        "loaded, it predicts otherwise",
    ),
    "gpu_is_used": (
        f"import tensorflow; real = {CARDS}; {CARDS} = lambda _: real('CPU')",
        "InvalidArgumentError",
    ),
}


@pytest.fixture(scope="session")
def real_environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Environment]:
    """Return a maker of environments with a real TensorFlow, each made once."""
    made: dict[str, Environment] = {}

    def make(version: str) -> Environment:
        if version not in made:
            made[version] = install(version, tmp_path_factory.mktemp("environment") / version)
        return made[version]

    return make


def install(version: str, folder: Path) -> Environment:
    """Make an environment with this release and the pins that it needs today."""
    minor, *pins = ERAS[version]
    base = next(path for full, path in interpreters().items() if full.startswith(f"{minor}."))
    for command in (
        ["venv", "--quiet", "--python", base, folder],
        ["pip", "install", "--quiet", "--python", folder, f"tensorflow=={version}", *pins],
    ):
        subprocess.run([uv.find_uv_bin(), *command], check=True, timeout=600)
    return Environment(str(folder), str(folder / "bin" / "python"), "venv")


@pytest.mark.network
@pytest.mark.real
@pytest.mark.parametrize("version", ERAS)
def test_every_claim_is_proved_of_a_real_release(
    version: str, real_environment: Callable[[str], Environment], tmp_path: Path
) -> None:
    """From 1.4 to the newest all checks hold; the graphics card alone may be missing."""
    outcomes = check(real_environment(version), timeout=300, log=tmp_path / "log")

    assert {"proved"} == {outcome.status for outcome in outcomes if outcome.name not in GPU_CHECKS}, outcomes
    assert {"proved", "skipped"} >= {outcome.status for outcome in outcomes}, outcomes
    assert version in outcomes[0].detail


@pytest.mark.network
@pytest.mark.real
@pytest.mark.parametrize("name", SABOTAGE)
def test_a_check_fails_when_its_claim_is_untrue(
    name: str, real_environment: Callable[[str], Environment], tmp_path: Path
) -> None:
    """Wrong products, a loss that is no number, another model, a card that is none: each is noticed."""
    real = real_environment("2.21.0")
    sabotage, expected = SABOTAGE[name]
    (tmp_path / "sitecustomize.py").write_text(sabotage)
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{real.python}" "$@"\n')
    script.chmod(0o755)

    (outcome,) = check(
        Environment(real.folder, str(script), "venv"), [name], timeout=300, log=tmp_path / "log"
    )

    assert "failed" == outcome.status, outcome
    assert expected in outcome.detail
