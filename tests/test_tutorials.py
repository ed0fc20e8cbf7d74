"""The tutorials of 2016 and 2017 as people type them, for real, from the command to what they look at."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.as_of import newest
from tests.managers.test_install import outcomes_of
from tests.running import Run, environment, tfup

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.network]

S3 = ("keras", "tensorflow", "numpy", "scipy", "scikit-learn", "pillow", "h5py", "opencv-python")
TOGETHER = """
import keras, tensorflow, numpy, scipy, sklearn, PIL, h5py, cv2
grey = cv2.cvtColor(numpy.zeros((4, 4, 3), "uint8"), cv2.COLOR_BGR2GRAY)
print(grey.shape, keras.backend.backend(), keras.backend.image_data_format())
"""
QUOTED = """
from __future__ import print_function
import keras
from keras import backend
print(keras.__version__, backend._BACKEND)
"""


def last_line(document: dict[str, dict[str, str]], code: str, home: Path) -> str:
    """Return the last line that the environment's Python prints, in a home of its own."""
    python = document["environment"]["python"]
    done = subprocess.run(
        [python, "-c", code], cwd=home, env=environment(home), capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1]


def good(done: Run) -> Run:
    """Return a run that ended well, else fail with what it said."""
    assert 0 == done.code, done.out + done.err
    return done


@pytest.mark.slow
def test_keras_tensorflow_and_opencv_of_the_tutorial_work_together(tmp_path: Path) -> None:
    """All import together, cv2 computes, and keras.json is what the tutorial shows; doctor has read it."""
    document = good(tfup("install", *S3, "--json", cwd=tmp_path)).document

    assert "(4, 4) tensorflow channels_last" == last_line(document, TOGETHER, tmp_path)
    written = json.loads((tmp_path / ".keras" / "keras.json").read_text(encoding="utf-8"))
    assert ("channels_last", "tensorflow") == (written["image_data_format"], written["backend"])
    doctor = tfup("doctor", "--json", cwd=tmp_path).document
    assert ("tensorflow", "file") == (doctor["backend"]["name"], doctor["backend"]["source"])
    assert "well" == {one["subject"]: one["state"] for one in doctor["examined"]}["keras.json"]


def test_keras_of_2016_says_its_version_and_back_end(tmp_path: Path) -> None:
    """S5: keras==1.1.0 with theano==0.8.2 on Python 2.7 prints both, and trains.

    Theano is told to do without its compiler: it computes the same in Python, and the check says so.
    """
    words = ("keras==1.1.0", "theano==0.8.2", "--python", "2.7")
    done = good(tfup("install", *words, "--json", cwd=tmp_path, THEANO_FLAGS="cxx="))

    trained = ("backend_version", "keras_backend", "keras_fit", "save_and_load")
    assert dict.fromkeys(trained, "proved") == {name: outcomes_of(done.document)[name] for name in trained}
    assert "1.1.0 theano" == last_line(done.document, QUOTED, tmp_path)
    details = {one["name"]: one["detail"] for one in done.document["outcomes"]}
    assert details["backend_version"].startswith("Keras 1.1.0 on theano 0.8.2 without a C++ compiler")
    assert "Using Theano backend." in details["keras_backend"]


@pytest.mark.parametrize(
    ("words", "build", "keras"),
    [
        (["keras==2.0.8"], "tensorflow==1.15.5", "2.0.8"),
        (["keras==2.2.4", "tensorflow"], "tensorflow==1.15.5", "2.2.4"),
        (["keras==2.3.1"], "tensorflow==2.2.3", "2.3.1"),
        (["keras==1.1.0", "tensorflow==0.12.*", "--python", "2.7"], "tensorflow==0.12.1", "1.1.0"),
        (["keras==1.1.0", "theano==0.8.2", "--python", "2.7"], "keras==1.1.0", "1.1.0"),
        (["tf-keras"], f"tensorflow=={newest('tensorflow')}", "3.15.1"),
    ],
)
def test_versions_that_people_quote_get_the_pair_that_was_run(
    words: list[str], build: str, keras: str, tmp_path: Path
) -> None:
    """Resolved where we ship no lock; installed and proved in the tests that take longer."""
    plan = good(tfup("plan", *words, "--json", cwd=tmp_path)).document

    assert build == f"{plan['choice']['project']}=={plan['choice']['version']}"
    assert {"project": "keras", "version": keras} == plan["keras"] or words == ["tf-keras"]
    if words == ["tf-keras"]:
        assert "tf-keras" in [pin["name"] for pin in plan["pins"]]
