"""`tfup doctor` as a person runs it: its words, its document, its exit codes, its question."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.doctor.test_doctor import file, keras_json, left
from tests.patients import MIDDLE, NEW, Case, Era, Package, make_case, pack
from tests.running import LAUNCHER, environment, tfup
from tfup.managers import uv
from tfup.tables import DATA

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running import Run

NO_TENSORFLOW = Era("3.13", (Package("keras", "3.15.1"), Package("jax", "0.8.0")))
"""A healthy environment in which no check can run."""


def doctor(case: Case, *words: str, **variables: str) -> Run:
    """Run doctor on a case."""
    return tfup("doctor", "--project", case.folder, *words, cwd=case.home, home=case.home, **variables)


def ids(document: dict[str, Any], *, fixed: bool = False) -> list[str]:
    """Return the ids of what was found, or of what was repaired."""
    return [finding["id"] for finding in document["findings"] if finding["fixed"] == fixed]


def test_healthy_environment_ends_with_nought(tmp_path: Path) -> None:
    """Nothing is asked, nothing is written into the folder of a stranger."""
    case = make_case(tmp_path, NO_TENSORFLOW)
    keras_json('{"backend": "jax"}')(case)

    run = doctor(case)

    assert 0 == run.code, run.out + run.err
    assert "All is well." in run.out
    assert f"back end jax ({case.keras_json})" in run.out
    assert [".venv"] == [path.name for path in case.folder.iterdir()]


def test_document_is_that_of_the_schema(tmp_path: Path) -> None:
    """Findings, subjects, back end and checks, and the exit code says that not all is well."""
    case = make_case(tmp_path, MIDDLE.but(Package("protobuf", "4.24.4")))

    run = doctor(case, "--json")
    schema = json.loads((DATA / "schemas" / "doctor.json").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator(schema).validate(run.document)
    assert 1 == run.code
    assert not run.document["well"]
    assert ["protobuf-descriptors-4plus"] == ids(run.document)
    assert ["import_tensorflow", "hello_session", "keras_backend"] == [
        one["name"] for one in run.document["outcomes"]
    ]


def test_finding_is_told_with_cause_place_and_remedy(tmp_path: Path) -> None:
    """And the last line says what to type."""
    case = make_case(tmp_path, NO_TENSORFLOW)
    keras_json('{"backend": "jax",\n}')(case)

    lines = doctor(case).out.splitlines()

    assert any(line.endswith("[keras-json-broken]") for line in lines)
    assert f"    seen    {case.keras_json}: line 1, column 18: a comma before }}" in lines
    assert "1 thing is not well" in lines
    assert lines[-1].startswith("next: tfup doctor --fix")


def test_fix_does_what_is_safe_and_without_a_terminal_no_more(tmp_path: Path) -> None:
    """--yes answers for a person who is not there."""
    case = make_case(tmp_path, NO_TENSORFLOW)
    keras_json('{"backend": "jax",}')(case)
    left("~umpy")(case)
    file("random.py")(case)

    first = doctor(case, "--fix", "--json")
    second = doctor(case, "--fix", "--json", "--yes")

    assert (1, ["own-file-shadows-stdlib"]) == (first.code, ids(first.document))
    assert ["half-removed-distribution", "keras-json-broken"] == ids(first.document, fixed=True)
    assert (0, []) == (second.code, ids(second.document))
    assert ["own-file-shadows-stdlib"] == ids(second.document, fixed=True)
    assert (case.folder / "my_random.py").exists()


def test_undo_takes_a_repair_of_packages_back(tmp_path: Path) -> None:
    """What was deleted is there again."""
    case = make_case(tmp_path, NO_TENSORFLOW)
    keras_json('{"backend": "jax"}')(case)
    left("~umpy")(case)

    assert 0 == doctor(case, "--fix").code
    assert not (case.place / "~umpy").exists()
    assert 0 == tfup("undo", "--project", case.folder, cwd=case.home).code

    assert (case.place / "~umpy").exists()


def test_packages_come_from_the_index_of_the_person(tmp_path: Path) -> None:
    """Here it is a folder of wheels."""
    case = make_case(tmp_path, NO_TENSORFLOW.but(Package("keras", "3.15.1", ("ml-dtypes>=0.5",))))
    keras_json('{"backend": "jax"}')(case)
    pack(Package("ml-dtypes", "0.5.4"), tmp_path / "wheels")
    settings = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(tmp_path / "wheels")}

    run = doctor(case, "--fix", "--json", **settings)

    assert (0, ["requirement-missing"]) == (run.code, ids(run.document, fixed=True)), run.out
    assert ["installed ml-dtypes>=0.5"] == run.document["repairs"]


@pytest.mark.parametrize(("answer", "renamed"), [("y", True), ("", False), ("n", False)])
@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows")
def test_question_is_asked_on_a_terminal(answer: str, renamed: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Nothing but yes is a yes."""
    case = make_case(tmp_path, NO_TENSORFLOW)
    keras_json('{"backend": "jax"}')(case)
    file("random.py")(case)
    ours, theirs = os.openpty()
    os.write(ours, f"{answer}\n".encode())

    done = subprocess.run(
        [sys.executable, "-I", LAUNCHER, "doctor", "--fix", "--project", case.folder],
        stdin=theirs,
        env=environment(case.home),
        capture_output=True,
        check=False,
        cwd=case.home,
        timeout=60,
    )
    os.close(ours)
    os.close(theirs)

    assert b"Do it?" in done.stdout
    assert renamed == (case.folder / "my_random.py").exists()
    assert (0 if renamed else 1) == done.returncode


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("raise TypeError('Descriptors cannot be created directly.')", "protobuf-descriptors-4plus"),
        ("raise RuntimeError('the moon is full')", "tensorflow-fails"),
        ("import os; os._exit(3)", "tensorflow-fails"),
    ],
)
def test_failure_that_nothing_explains_is_a_finding(source: str, expected: str, tmp_path: Path) -> None:
    """The words of the failure are recognised where they are known, else shown as they are."""
    case = make_case(tmp_path, NEW)
    (case.place / "tensorflow" / "__init__.py").write_text(source)

    document = doctor(case, "--json").document

    assert [expected] == ids(document)
    assert "import_tensorflow" in document["findings"][0]["evidence"]


# ---------------------------------------------------------------- with a real TensorFlow


def installed(folder: Path, *wish: str) -> Case:
    """Install a build as tfup does, and return it as a case."""
    run = tfup("install", *wish, "--project", folder / "project", cwd=folder, home=folder / "home")
    assert 0 == run.code, run.out + run.err
    (place,) = (folder / "project" / ".venv" / "lib").glob("python*/site-packages")
    return Case(folder / "project", place, {}, folder / "home")


def add(case: Case, *words: str) -> None:
    """Install something that does not go with the rest, as people do."""
    uv.run("pip", "install", "--python", case.folder / ".venv" / "bin" / "python", *words)


OLD_BREAKS = ["protobuf==4.24.4", "keras==2.4.3", "h5py==3.8.0"]
OLD_FINDINGS = [
    "h5py3-old-keras",
    "keras24-with-tf1",
    "own-file-shadows-tensorflow",
    "protobuf-descriptors-4plus",
]
REAL = [
    (["tensorflow==1.15.5"], OLD_BREAKS, [], OLD_FINDINGS),
    (
        ["tensorflow==2.10.1", "--python", "3.10"],
        ["numpy==2.2.6"],
        ["--no-deps", "tensorflow-cpu==2.10.1"],
        ["numpy2-abi", "own-file-shadows-tensorflow", "two-tensorflows"],
    ),
]


@pytest.mark.real
@pytest.mark.network
@pytest.mark.parametrize(("wish", "breaks", "more", "expected"), REAL)
def test_real_environment_is_healed(
    wish: list[str], breaks: list[str], more: list[str], expected: list[str], tmp_path: Path
) -> None:
    """It is well, then broken, then named, then repaired; the checks prove that, and undo takes it back."""
    (tmp_path / "home").mkdir()
    case = installed(tmp_path, *wish, "--cpu")
    assert 0 == doctor(case).code
    add(case, *breaks)
    if more:
        add(case, *more)
    file("tensorflow.py", "x = 1")(case)
    assert str(case.folder / "tensorflow.py") == place_of_tensorflow(case)

    ill = doctor(case, "--json")
    healed = doctor(case, "--fix", "--yes", "--json")
    renamed = place_of_tensorflow(case)
    undone = tfup("undo", "--project", case.folder, cwd=tmp_path)

    assert (1, expected) == (ill.code, sorted(ids(ill.document)))
    assert (0, []) == (healed.code, ids(healed.document)), healed.out
    assert {"proved"} == {outcome["status"] for outcome in healed.document["outcomes"]}
    assert renamed.startswith(str(case.place))
    assert 0 == undone.code
    assert expected == sorted([*ids(doctor(case, "--json").document), "own-file-shadows-tensorflow"])


def place_of_tensorflow(case: Case) -> str:
    """Return the file that `import tensorflow` finds from the project folder."""
    code = "import tensorflow; print(tensorflow.__file__)"
    python = case.folder / ".venv" / "bin" / "python"
    done = subprocess.run([python, "-c", code], cwd=case.folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
