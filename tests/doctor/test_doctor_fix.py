"""`doctor --fix` repairs what is broken, keeps what was there, and asks before what is not safe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.doctor.test_doctor import (
    AILMENTS,
    CONFIG,
    JUPYTER,
    KERAS,
    MULTI,
    PACKAGES,
    PAIRS,
    PYTHONS,
    TF_2_5,
    TF_2_6,
    TF_2_13,
    Ailment,
    file,
    keras_json,
    left,
)
from tests.patients import ERAS, MACHINE, MIDDLE, NEW, OLD, Case, Package, linux, make_case, pack
from tests.running import ROOT
from tfup.doctor import doctor
from tfup.managers import transaction, undo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tfup.doctor.doctor import Diagnosis

EXTRAS = (
    Package("tensorflow-text", "2.10.0", ("tensorflow<2.11,>=2.10",)),
    Package("tf-keras", "2.21.0", ("tensorflow<2.22,>=2.21",)),
    Package("keras", "2.2.5"),
    Package("scipy", "1.11.0"),
    Package("opencv-python-headless", "4.12"),
)
NO_REPAIR = {
    "conda-pip-mixed-numpy", "conda-and-pip-two-tensorflows", "no-tensorflow",
    "keras-without-backend", "python-gone", "stdlib-module-removed-py312",
    "async-keyword-python37", "tf-version-not-for-this-python", "user-site-shadowing",
    "keras-backend-env-overrides", "keras-backend-ignored", "keras-home-not-a-folder", "keras-home-ignored",
}  # fmt: skip
REPAIRED = [
    *(one for one in (*PAIRS, *PACKAGES, *PYTHONS) if one.id not in NO_REPAIR),
    *(one for one in AILMENTS if one.id.startswith("own-file")),
    *(one for one in KERAS if one.id not in NO_REPAIR and one.do and "variables" not in one.do.__qualname__),
    *JUPYTER,
]
NUMBERED = [f"{number}-{ailment.id}" for number, ailment in enumerate(REPAIRED)]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with wheels of all healthy packages."""
    folder = tmp_path_factory.mktemp("index")
    for era in (*ERAS.values(), TF_2_5, TF_2_6, TF_2_13, MULTI):
        for package in era.packages:
            pack(package, folder)
    for package in EXTRAS:
        pack(package, folder)
    return folder


@pytest.fixture
def mend(
    index: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[Diagnosis, tuple[str, ...]]]:
    """Return the repair of a case, with uv that has nothing but these wheels."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # it may name further indexes
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_CACHE_DIR", str(index / "cache"))

    def run(case: Case, *, yes: bool = True) -> tuple[Diagnosis, tuple[str, ...]]:
        patient = case.patient()
        hands = doctor.Hands(lambda _: yes, tmp_path / "log.txt", offline=True)
        return doctor.mend(patient, doctor.diagnose(patient), hands)

    return run


Mend = "Callable[..., tuple[Diagnosis, tuple[str, ...]]]"


@pytest.mark.parametrize("ailment", REPAIRED, ids=NUMBERED)
def test_repair_leaves_nothing_to_find(ailment: Ailment, mend: Mend, tmp_path: Path) -> None:
    """What was found is repaired, and a second look finds nothing, nor anything new."""
    case = make_case(tmp_path, ailment.era)
    if ailment.do:
        ailment.do(case)
    assert all(finding.fixable for finding in case.look().findings)

    last, done = mend(case)

    assert done
    assert () == last.findings, done
    assert [] == case.ids()


def test_many_repairs_are_proved() -> None:
    """There are at least twenty kinds."""
    assert len({ailment.id for ailment in REPAIRED}) >= 20


# ---------------------------------------------------------------- nothing is lost


def test_undo_brings_packages_back_as_they_were(mend: Mend, tmp_path: Path) -> None:
    """The environment before the repair is kept as one generation, byte for byte."""
    case = make_case(tmp_path, MIDDLE.but(Package("numpy", "2.2.6", tag=linux("3.10"))))
    left("~ensorflow")(case)
    before = {path: path.read_bytes() for path in case.place.rglob("*") if path.is_file()}

    mend(case)
    assert "1.26.4" in (case.place / "numpy" / "__init__.py").read_text()
    undo(case.folder)

    assert ["half-removed-distribution", "numpy2-abi"] == sorted(case.ids())
    assert before == {path: path.read_bytes() for path in case.place.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"mine": [1, 2],\n "backend": "tensorflow",}', {"mine": [1, 2], "backend": "tensorflow"}),
        ('{"backend": "Theano ", "k": "ü"}', {"backend": "tensorflow", "k": "ü"}),
        ("{'backend': 'jax', 'epsilon': 1}", {"backend": "tensorflow", "epsilon": 1.0}),
        (
            '{"image_dim_ordering": "th", "floatx": "double"}',
            {"image_data_format": "channels_first", "floatx": "float64"},
        ),
        ('{"backend": "tensorflow", // mine\n "k": True}', {"backend": "tensorflow", "k": True}),
        ('{"backend": "tensorflow" "k": 1', {"backend": "tensorflow", "k": 1}),
        ("{backend = tensorflow}", {"backend": "tensorflow"}),
    ],
)
def test_repaired_file_keeps_what_the_person_wrote(
    text: str, expected: dict[str, object], mend: Mend, tmp_path: Path
) -> None:
    """Their own keys stay, in their order; what they wrote is kept beside it."""
    case = make_case(tmp_path, NEW)
    keras_json(text)(case)

    mend(case, yes=False)

    assert list(expected.items()) == list(json.loads(case.keras_json.read_text("ascii")).items())
    assert text == case.keras_json.with_name("keras.json.before-tfup").read_text()


def test_former_backup_is_kept(mend: Mend, tmp_path: Path) -> None:
    """A second repair makes a second backup."""
    case = make_case(tmp_path, NEW)
    for text in ("{", "["):
        keras_json(text)(case)
        mend(case)

    backups = {path.name: path.read_text() for path in case.keras_json.parent.glob("*before*")}
    assert {"keras.json.before-tfup": "{", "keras.json.before-tfup-2": "["} == backups


def test_link_and_permissions_of_the_file_stay(mend: Mend, tmp_path: Path) -> None:
    """People keep their settings in a repository of their own, and link them."""
    case = make_case(tmp_path, NEW)
    kept = tmp_path / "dotfiles.json"
    kept.write_text(CONFIG + ",")
    kept.chmod(0o600)
    case.keras_json.parent.mkdir()
    case.keras_json.symlink_to(kept)

    mend(case)

    assert case.keras_json.is_symlink()
    assert json.loads(CONFIG) == json.loads(kept.read_text())
    assert 0o600 == kept.stat().st_mode & 0o777


def test_without_a_yes_only_what_is_safe_is_done(mend: Mend, tmp_path: Path) -> None:
    """Files of the person's and versions of packages stay; leftovers go."""
    case = make_case(tmp_path, OLD.but(Package("protobuf", "4.24.4")))
    file("random.py")(case)
    left("~umpy")(case)

    last, done = mend(case, yes=False)

    assert ["own-file-shadows-stdlib", "protobuf-descriptors-4plus"] == sorted(
        one.id for one in last.findings
    )
    assert [f"deleted {case.place / '~umpy'}"] == list(done)
    assert (case.folder / "random.py").exists()


def test_repair_that_fails_is_told_and_stops_no_other(mend: Mend, tmp_path: Path) -> None:
    """Here no index has the package."""
    case = make_case(tmp_path, MIDDLE.but(Package("numpy", "1.25.0", tag=linux("3.10"))))
    (case.place / "numpy" / "core.py").unlink()
    keras_json("{")(case)

    last, done = mend(case)

    assert ["files-missing"] == [finding.id for finding in last.findings]
    assert any("not repaired" in text for text in done)
    assert any("keras.json was repaired" in text for text in done)


def test_nothing_is_removed_whose_replacement_cannot_be_had(mend: Mend, tmp_path: Path) -> None:
    """Two packages in one folder work better than none."""
    case = make_case(tmp_path, NEW.but(Package("keras-nightly", "9.9"), Package("keras", "9.9")))

    last, done = mend(case)

    assert ["two-kerases"] == [finding.id for finding in last.findings]
    assert (case.place / "keras_nightly-9.9.dist-info").exists()
    assert "not repaired" in done[0]


def test_packages_of_a_strangers_environment_are_left_to_the_person(tmp_path: Path) -> None:
    """tfup could not bring them back: the command is named, and not run."""
    case = make_case(tmp_path, MIDDLE.but(Package("numpy", "2.2.6", tag=linux("3.10"))))
    (case.folder / ".venv").rename(tmp_path / "strange")
    patient = doctor.admit(tmp_path / "strange", MACHINE, {"HOME": str(case.home)})

    (finding,) = doctor.diagnose(patient).findings

    assert ("numpy2-abi", False) == (finding.id, finding.fixable)
    assert (
        f"uv pip install --python {tmp_path}/strange/bin/python 'numpy<2' tensorflow==2.10.1"
        == finding.remedy
    )


def test_failed_repair_leaves_the_generation_for_undo(mend: Mend, tmp_path: Path) -> None:
    """What undo would have brought back before, it brings back still."""
    case = make_case(tmp_path, MIDDLE.but(Package("numpy", "1.25.0", tag=linux("3.10"))))
    left("~umpy")(case)
    mend(case)
    (case.place / "numpy" / "core.py").unlink()

    _, done = mend(case)
    undo(case.folder)

    assert "not repaired" in done[0]
    assert (case.place / "~umpy").exists()


def test_kill_while_the_environment_is_kept_loses_nothing(tmp_path: Path) -> None:
    """What is half kept is never put back."""
    case = make_case(tmp_path, MIDDLE)
    left("~umpy")(case)
    before = sorted(path for path in case.place.rglob("*"))
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.patients import MACHINE\n"
        "from tfup.doctor import doctor\n"
        "doctor.link = lambda source, target: os._exit(9) if 'numpy' in source else os.link(source, target)\n"
        "patient = doctor.admit(Path(sys.argv[1]), MACHINE, {'HOME': sys.argv[1]})\n"
        "hands = doctor.Hands(lambda _: True, Path(sys.argv[1], 'log.txt'))\n"
        "doctor.mend(patient, doctor.diagnose(patient), hands)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, case.folder], cwd=ROOT, check=False, timeout=60)
    assert 9 == done.returncode
    assert (case.folder / ".tfup" / "previous.new" / "environment.part").exists()

    with transaction(case.folder):
        pass

    assert before == sorted(path for path in case.place.rglob("*"))
    assert not (case.folder / ".tfup" / "previous.new").exists()


def test_pin_of_the_plan_is_what_a_repair_installs(mend: Mend, tmp_path: Path) -> None:
    """In a project of ours the version is the one that was proved, and needs no asking."""
    case = make_case(tmp_path, MIDDLE.but(Package("numpy", "2.2.6", tag=linux("3.10"))))
    pins = [{"name": one.name, "version": one.version, "hashes": []} for one in MIDDLE.packages]
    plan = {"schema": 1, "wish": {}, "choice": None, "pins": pins}
    (case.folder / ".tfup").mkdir()
    (case.folder / ".tfup" / "plan.json").write_text(json.dumps(plan))

    last, done = mend(case, yes=False)

    assert () == last.findings
    assert ("installed numpy==1.26.4",) == done
