"""`check --train`: what it is told, what it borrows, what it makes of bad files, and one real training."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.patients import Case, Era, Package, make_case, pack
from tests.running import tfup
from tfup.arguments import read_arguments
from tfup.check import training
from tfup.check.runner import TRAIN_CHECKS, checks_folder
from tfup.errors import NoEnvironment, UnusableFolder, UsageError
from tfup.managers.uv import Mode
from tfup.model import Environment, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

NAME = TRAIN_CHECKS[0]
LIBRARIES = (Package("scikit-learn", "1.0"), Package("matplotlib", "3.0"))
CURVES = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.8], "val_loss": [1.1, 0.6], "val_accuracy": [0.4, 0.7]}
NETWORK = CURVES | {"name": "keras 9.9", "seconds": 1.5, "test_accuracy": 0.7, "report": "a\nb\n"}
MEASURED = {
    "data": "made", "source": "made pictures", "train_images": 2000, "test_images": 500, "epochs": 2,
    "batch_size": 32, "networks": [NETWORK], "plot": None,
}  # fmt: skip


# ---------------------------------------------------------------- what can be asked for


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--train", "--epochs", "0"), "'0' is not a whole number from 1 on"),
        (("--train", "--epochs", "-1"), "'-1' is not a whole number from 1 on"),
        (("--train", "--epochs", "many"), "'many' is not a whole number"),
        (("--train", "--batch-size", "1.5"), "'1.5' is not a whole number"),
        (("--train", "--batch-size", "9" * 5000), "is not a whole number"),
        (("--train", "--batch-size", "2001"), "A batch of 2001 is more than the 2000 pictures"),
        (("--train", "--images", "10"), "A batch of 32 is more than the 10 pictures"),
        (("--train", "--images", "50001"), "CIFAR-10 has 50000 pictures to learn from, not 50001"),
        (("--epochs", "3"), "--epochs is for a training"),
        (("--batch-size", "3"), "--batch-size is for a training"),
        (("--download",), "--download is for a training"),
    ],
)
def test_what_cannot_be_trained_is_a_usage_error(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """No number, a batch larger than the data, an option without --train: one sentence, a hint."""
    with pytest.raises(UsageError) as raised:
        training.asked(read_arguments(["check", *words]), tmp_path)

    assert says in raised.value.sentence
    assert "tfup" in str(raised.value.hint)


def test_without_a_word_the_training_is_short(tmp_path: Path) -> None:
    """The defaults are those that the check itself has; without --train there is no training."""
    settings = training.asked(read_arguments(["check", "--train"]), tmp_path)

    assert training.Settings() == settings
    assert {"EPOCHS": 3, "BATCH_SIZE": 32, "IMAGES": 2000} == helper("networks_learn").DEFAULTS
    assert settings == (3, 32, 2000, False)
    assert training.asked(read_arguments(["check"]), tmp_path) is None


def test_a_folder_that_takes_no_plot_is_named_before_the_training(tmp_path: Path) -> None:
    """Minutes of training are not lost to a folder that cannot be written, such as one that is not there."""
    with pytest.raises(UnusableFolder, match="cannot be written, and the plot"):
        training.asked(read_arguments(["check", "--train"]), tmp_path / "nowhere")


# ---------------------------------------------------------------- what the check is told, and tells


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., tuple[Case, Environment]]:
    """Return a maker of environments whose training writes these lines, and its variables to a file."""

    def make(*lines: dict[str, Any], after: str = "exit 0") -> tuple[Case, Environment]:
        case = make_case(tmp_path, Era("3.13", LIBRARIES))
        (tmp_path / "lines").write_text("".join(json.dumps(line) + "\n" for line in lines))
        python = case.place.parents[2] / "bin" / "python"
        script = tmp_path / "python"
        script.write_text(f"""#!/bin/sh
        case "$1" in
            (*runner.py) env > {shlex.quote(str(tmp_path))}/told
                cat {shlex.quote(str(tmp_path))}/lines >> "$CHECK_REPORT"; {after} ;;
        esac
        exec {shlex.quote(str(python))} "$@"
        """)
        script.chmod(0o755)
        return case, Environment(str(case.place.parents[2]), str(script), "venv")

    return make


def run(environment: Environment, case: Case) -> tuple[tuple[Outcome, ...], list[str]]:
    """Train, and return the outcomes and what was told on the way."""
    told: list[str] = []
    hears = training.Hearers(
        lambda _, detail: told.append(detail), lambda outcome: told.append(outcome.status)
    )
    settings = training.Settings(2, 16, 100)
    return training.train(environment, settings, case.folder, case.home / "log", hears), told


def test_progress_is_told_and_the_figures_belong_to_the_outcome(
    trainer: Callable[..., tuple[Case, Environment]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each epoch is heard in order, the outcome last; and the check knows what the person asked for."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    case, environment = trainer(
        {"check": NAME},
        {"check": NAME, "detail": "epoch 1"},
        {"check": NAME, "detail": "epoch 2"},
        {"check": NAME, "training": MEASURED},
        {"check": NAME, "status": "proved", "detail": "learnt", "seconds": 1.0},
    )

    (outcome,), told = run(environment, case)

    assert ["epoch 1", "epoch 2", "proved"] == told
    assert outcome.training is not None
    assert (2000, (1.1, 0.6)) == (outcome.training.train_images, outcome.training.networks[0].val_loss)
    variables = dict(
        line.split("=", 1) for line in (tmp_path / "told").read_text().splitlines() if "=" in line
    )
    assert ("2", "16", "100", "0") == tuple(
        variables[f"TRAIN_{name}"] for name in ("EPOCHS", "BATCH_SIZE", "IMAGES", "DOWNLOAD")
    )
    assert str(tmp_path / "keras" / "datasets") == variables["TRAIN_DATASETS"]
    assert variables["TRAIN_PLOT"].startswith(f"{case.folder}/training-2")
    assert "" == variables["TRAIN_LIBRARIES"]


def test_a_training_that_dies_is_crashed_and_says_how(
    trainer: Callable[..., tuple[Case, Environment]],
) -> None:
    """What was told before the death is not lost."""
    case, environment = trainer({"check": NAME}, {"check": NAME, "detail": "epoch 1"}, after="kill -9 $$")

    (outcome,), told = run(environment, case)

    assert ["epoch 1", "crashed"] == told
    assert "the memory ran out" in outcome.detail


# ---------------------------------------------------------------- what is borrowed


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of wheels, which is all the index there is; the cache is our own."""
    for package in (*LIBRARIES, Package("scikit-learn", "2.0", ("numpy>=2",)), Package("numpy", "2.1")):
        pack(package, tmp_path / "shelf")
    for name, value in (
        ("PIP_CONFIG_FILE", os.devnull),
        ("UV_NO_INDEX", "1"),
        ("UV_OFFLINE", "1"),
        ("UV_FIND_LINKS", str(tmp_path / "shelf")),
        ("UV_CACHE_DIR", str(tmp_path / "cache")),
        ("TFUP_CACHE_DIR", str(tmp_path / "ours")),
        ("UV_NO_CONFIG", "1"),
    ):
        monkeypatch.setenv(name, value)
    return tmp_path / "shelf"


def test_what_is_missing_is_borrowed_under_the_versions_that_are_there(shelf: Path, tmp_path: Path) -> None:
    """A newer scikit-learn wants another NumPy: the older one comes, and the environment stays as it is."""
    case = make_case(tmp_path, Era("3.13", (Package("numpy", "1.26.4"),)))
    before = sorted(case.place.rglob("*"))

    with training.borrowed(str(case.place.parents[2] / "bin" / "python"), Mode()) as folder:
        found = sorted(path.name for path in (tmp_path / "ours").rglob("*.dist-info"))
        assert str(tmp_path / "ours") in folder

    assert ["matplotlib-3.0.dist-info", "scikit_learn-1.0.dist-info"] == found
    assert before == sorted(case.place.rglob("*"))
    assert [] == [*(tmp_path / "ours").iterdir()]


def test_what_was_borrowed_goes_with_ctrl_c(shelf: Path, tmp_path: Path) -> None:
    """An interrupt during the training leaves no folder behind."""
    case = make_case(tmp_path, Era("3.13", ()))

    with (
        pytest.raises(KeyboardInterrupt),
        training.borrowed(str(case.place.parents[2] / "bin" / "python"), Mode()),
    ):
        raise KeyboardInterrupt

    assert [] == [*(tmp_path / "ours").iterdir()]


def test_what_is_there_is_not_borrowed(tmp_path: Path) -> None:
    """No index is asked, and no folder made."""
    case = make_case(tmp_path, Era("3.13", LIBRARIES))

    with training.borrowed(str(case.place.parents[2] / "bin" / "python"), Mode()) as folder:
        assert "" == folder


def test_libraries_that_cannot_be_had_are_an_outcome_with_a_hint(shelf: Path, tmp_path: Path) -> None:
    """The outcomes of the other checks stand; this one failed, and says what to type."""
    shutil.rmtree(shelf)
    shelf.mkdir()
    case = make_case(tmp_path, Era("3.13", ()))
    environment = Environment(str(case.folder), str(case.place.parents[2] / "bin" / "python"), "venv")

    (outcome,), told = run(environment, case)

    assert "failed" == outcome.status == told[-1]
    assert "scikit-learn and matplotlib could not be fetched for the training" in outcome.detail
    assert "tfup install scikit-learn matplotlib" == outcome.hint


def test_a_cache_that_takes_no_folder_is_named(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file where the cache should be: the place is in the error."""
    monkeypatch.setenv("TFUP_CACHE_DIR", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").write_text("")
    case = make_case(tmp_path, Era("3.13", ()))

    with (
        pytest.raises(UnusableFolder, match=r"cannot be used: .*file/cache"),
        training.borrowed(str(case.place.parents[2] / "bin" / "python"), Mode()),
    ):
        pass


def test_a_python_that_does_not_answer_is_no_environment(tmp_path: Path) -> None:
    """Nothing is borrowed for an interpreter that is not there."""
    with pytest.raises(NoEnvironment), training.borrowed(str(tmp_path / "python"), Mode()):
        pass


# ---------------------------------------------------------------- inside the check


def helper(name: str) -> ModuleType:
    """Return a module of checks/, as the runner imports it."""
    folder, writes = str(checks_folder()), sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)
        sys.dont_write_bytecode = writes


@pytest.mark.parametrize(("accuracy", "learnt"), [(0.10, False), (0.167, False), (0.168, True), (1.0, True)])
def test_learning_is_what_luck_cannot_be(accuracy: float, learnt: bool) -> None:  # noqa: FBT001 - a column
    """Five deviations above a guesser on 500 pictures are 16.7 percent."""
    judge = helper("networks_learn").judge
    if learnt:
        judge("keras", accuracy, 500, 3)
        return
    with pytest.raises(
        AssertionError, match=r"keras: 1\d.\d% right after 3 epochs; chance gives 10%, and 16.7%"
    ):
        judge("keras", accuracy, 500, 3)


def test_a_loss_that_is_no_number_is_no_learning() -> None:
    """Neither an infinite loss nor none at all passes, and the name of an older Keras is understood."""
    curve = helper("networks_learn").curve

    assert [0.5, 0.75] == curve("keras", {"val_acc": [0.5, 0.75]}, "val_accuracy")
    with pytest.raises(AssertionError, match="keras: the loss became"):
        curve("keras", {"loss": [0.5, float("nan")]}, "loss")
    with pytest.raises(AssertionError, match="keras: the loss became"):
        curve("keras", {"loss": [float("inf")]}, "loss")


def test_a_full_disk_loses_the_plot_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says why there is no plot, and no half of one is left."""
    learn, curves = helper("networks_learn"), helper("learning_curves")
    monkeypatch.setattr(curves, "png", lambda _: b"picture")
    monkeypatch.setenv("TRAIN_PLOT", str(tmp_path / "plot.png"))
    assert learn.plot([]) is None
    assert b"picture" == (tmp_path / "plot.png").read_bytes()

    monkeypatch.setenv("TRAIN_PLOT", "/dev/full")
    assert "the plot could not be saved as /dev/full: No space left on device" == learn.plot([])


def test_archives_and_folders_that_are_not_cifar_are_named_and_kept(tmp_path: Path) -> None:
    """Cut short, of another hash, a file missing: each has its sentence, and nothing of it is unpacked."""
    pictures = helper("pictures")
    short = tmp_path / "cifar-10-batches-py.tar.gz"
    with tarfile.open(short, "w:gz") as archive:
        archive.add(__file__, "cifar-10-batches-py/data_batch_1")
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    before = short.read_bytes()

    assert [str(folder), str(short)] == pictures.found(str(tmp_path))
    with pytest.raises(pictures.Unusable, match=f"is cut short: {len(before)} of 170498071 bytes"):
        pictures.packed(str(short), [])
    with pytest.raises(pictures.Unusable, match=r"data_batch_1.*cannot be read: No such file"):
        pictures.unpacked(str(folder), ["data_batch_1"])
    (folder / "data_batch_1").write_bytes(b"no pickle")
    with pytest.raises(pictures.Unusable, match="its sum is not CIFAR-10's"):
        pictures.unpacked(str(folder), ["data_batch_1"])
    assert before == short.read_bytes()


def test_an_archive_as_long_as_cifar_is_not_unpacked_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash decides; with the right one, the wanted files come out."""
    pictures = helper("pictures")
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as writing:
        writing.add(__file__, "cifar-10-batches-py/test_batch")
    monkeypatch.setattr(pictures, "ARCHIVE_BYTES", 10)

    with pytest.raises(pictures.Unusable, match="it has another SHA-256"):
        pictures.packed(str(archive), ["test_batch"])

    monkeypatch.setattr(pictures, "ARCHIVE_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    (content,) = pictures.packed(str(archive), ["test_batch"])
    assert __doc__.encode() in content


def test_a_download_that_fails_is_said_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures are made then; without --download nothing is fetched at all."""
    pictures = helper("pictures")
    monkeypatch.setattr(pictures, "made", lambda _number, _tests, why: why)

    def refuse() -> str:
        message = "URL fetch failure"
        raise Exception(message)  # noqa: TRY002 - as Keras does

    assert f"no CIFAR-10 in {tmp_path}" == pictures.load(str(tmp_path), 10, 10)
    assert "CIFAR-10 could not be fetched: URL fetch failure" == pictures.load(str(tmp_path), 10, 10, refuse)


# ---------------------------------------------------------------- for real

PICTURES = """
import pickle, sys
sys.path.insert(0, sys.argv[1])
import numpy, pictures
(images, classes), (again, _) = pictures.stripes(300, 1), pictures.stripes(300, 1)
assert (300, 32, 32, 3) == images.shape and "float32" == images.dtype and (images == again).all()
assert 0 <= images.min() < 0.2 and 0.8 < images.max() <= 1 and set(range(10)) == set(classes)
assert (images != pictures.stripes(300, 2)[0]).any()
assert abs(images[classes == 0].mean(axis=0) - images[classes == 9].mean(axis=0)).max() < 0.5
rows = numpy.arange(2 * 3072, dtype="uint8").reshape(2, 3072)
batch = pictures.decoded(pickle.dumps({"data": rows, "labels": [3, 7]}, protocol=2))
assert (2, 32, 32, 3) == batch[0].shape and [3, 7] == batch[1].tolist()
assert rows[1][1024] / 255 == batch[0][1, 0, 0, 1]  # the first green point
both, classes = pictures.joined([batch, batch], 3)
assert 3 == len(both) == len(classes)
print("as they should be")
"""


def trained(version: str, folder: Path, *words: str) -> dict[str, Any]:
    """Install a release, train in it with few pictures, and return the outcome of the training."""
    project = folder / "project with space"
    installed = tfup("install", version, *words, "--project", project, cwd=folder)
    assert 0 == installed.code, installed.out + installed.err
    few = ("--images", "600", "--epochs", "3", "--batch-size", "20", "--only", "import_tensorflow")
    report = folder / "story.html"
    run = tfup("check", "--train", *few, "--report", report, "--project", project, "--json", cwd=folder)
    assert 0 == run.code, run.out + run.err
    outcome: dict[str, Any] = run.document["outcomes"][-1]
    plot = next(project.glob("training-*.png"))
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert str(plot) == outcome["training"]["plot"]
    assert "data:image/png;base64," in report.read_text(encoding="utf-8")
    python = project / ".venv" / "bin" / "python"
    said = subprocess.check_output([python, "-c", PICTURES, checks_folder()], text=True)
    assert "as they should be\n" == said
    assert [] == [*project.glob(".venv/lib/*/site-packages/sklearn")]
    return outcome


def examine(outcome: dict[str, Any]) -> None:
    """Both networks learnt, and scikit-learn says so."""
    assert "proved" == outcome["status"], outcome
    plain, with_crelu = outcome["training"]["networks"]
    assert plain["name"].startswith("keras ")
    assert with_crelu["name"].startswith("tf.keras ")
    for network in (plain, with_crelu):
        assert {3} == {len(network[curve]) for curve in CURVES}
        assert 0.3 < network["test_accuracy"] <= 1
        assert "f1-score" in network["report"]
    assert outcome["detail"].endswith("/.keras/datasets)")


@pytest.mark.network
@pytest.mark.real
def test_the_newest_release_learns(tmp_path: Path) -> None:
    """Keras and tf.keras train; plot, page and scikit-learn's report are there, the environment as before."""
    examine(trained("tensorflow", tmp_path))


@pytest.mark.network
@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "python"), [("1.15.*", "3.7"), ("2.4.*", "3.8"), ("2.15.*", "3.11"), ("2.21.*", "3.13")]
)
def test_each_era_learns(version: str, python: str, tmp_path: Path) -> None:
    """From 1.15, whose Keras stands alone, to the newest."""
    examine(trained(f"tensorflow=={version}", tmp_path, "--python", python))
