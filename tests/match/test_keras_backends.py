"""Keras on its back ends: the pair is matched, pinned, in force and proved, or what keeps it away named."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tests.managers.test_install import outcomes_of
from tests.match.test_match import linux
from tests.pythons import interpreters
from tests.running import environment, tfup
from tfup import managers, tables
from tfup.arguments import read_arguments
from tfup.check import runner, selection
from tfup.errors import Unresolvable
from tfup.formats import pipfile
from tfup.machine import Recording
from tfup.machine.backend_needs import read_backend_needs
from tfup.machine.probe import Answers
from tfup.managers import activation
from tfup.match import keras_backends
from tfup.match.platforms import minor_of
from tfup.match.search import match
from tfup.model import Cpu, Gpu, Library, Machine, Plan, System, Wish
from tfup.pin.companions import companions_of
from tfup.pin.files import lock_digest
from tfup.pin.planning import lock_pins, pin
from tfup.tables import ProofRow
from tfup.wish import from_arguments, remember
from tools import make_backends_page
from tools.make_backends_page import all_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tfup.model import Choice
    from tools.make_backends_page import Pair

OLD = linux("2.7.18", "3.6.15")
NEW = linux("3.12.1", "3.13.0")
NO_MPI = {"libmpi": None, "libmpi_cxx": None}
MPI = {"libmpi": "/usr/lib/libmpi.so.40", "libmpi_cxx": "/usr/lib/libmpi_cxx.so.40"}
LOCKS = list(all_pairs())


def typed(*words: str) -> Wish:
    """Return the wish of a command line."""
    return from_arguments(read_arguments(words))


def chosen(machine: Machine, *words: str) -> Choice:
    """Return the choice for a command line."""
    choice = match(machine, typed(*words)).choice
    assert choice is not None
    return choice


def nearest(machine: Machine, *words: str) -> dict[str, tuple[str, str | None]]:
    """Return the obstacles of the nearest build, each with what it needs and its remedy."""
    found = match(machine, typed(*words))
    assert found.choice is None
    assert found.nearest is not None
    return {one.name: (one.needs, one.remedy) for one in found.nearest.obstacles}


def planned(machine: Machine, *words: str) -> Plan:
    """Return the plan for a command line; nothing is resolved."""
    wish = typed(*words)
    return pin(match(machine, wish), wish, refuse_to_resolve, runner.checks_digest)


def refuse_to_resolve(*_asked: object) -> Any:  # noqa: ANN401 (it never returns)
    """Fail: what we ship a lock for is looked up."""
    pytest.fail("something was resolved that a lock holds")


# ---------------------------------------------------------------- the wish


@pytest.mark.parametrize(
    ("words", "backend"),
    [
        (["keras==1.1.0", "theano==0.8.2"], "theano"),
        (["Theano"], "theano"),
        (["keras", "cntk"], "cntk"),
        (["keras", "theano", "tensorflow==1.15.*"], None),
        (["keras", "torch"], None),
        (["keras", "theano", "--backend", "tensorflow"], "tensorflow"),
        (["keras"], None),
    ],
)
def test_a_package_that_nothing_else_uses_means_its_back_end(words: list[str], backend: str | None) -> None:
    """Theano beside no TensorFlow is wished for as the back end; PyTorch may be wanted for itself."""
    assert backend == typed(*words).backend


def test_back_end_goes_on_until_another_is_asked_for() -> None:
    """A second install keeps it; TensorFlow asked for by name, or another back end, ends it."""
    before = typed("keras==2.2.4", "--backend", "theano", "--python", "3.6")

    assert ("theano", "3.6") == (remember(Wish(), before).backend, remember(Wish(), before).python)
    assert remember(typed("tensorflow"), before).backend is None
    switched = remember(typed("--backend", "jax"), before)
    assert ("jax", (), None) == (switched.backend, switched.requirements, switched.python)
    assert ("keras==2.2.4",) == remember(typed("--backend", "cntk"), before).requirements


# ---------------------------------------------------------------- the match


@pytest.mark.parametrize(
    ("machine", "words", "expected"),
    [
        (OLD, ["--backend", "theano"], ("2.3.1", "theano==1.0.5", "cp36")),
        (OLD, ["keras==1.1.0", "theano==0.8.2", "--python", "2.7"], ("1.1.0", "theano==0.8.2", "cp27")),
        (OLD, ["keras==1.2.2", "theano<1"], ("1.2.2", "theano==0.9.0", "cp36")),
        (OLD, ["keras==2.2.4", "--backend", "theano"], ("2.2.4", "theano==1.0.5", "cp36")),
        (replace(OLD, runtimes=MPI), ["--backend", "cntk"], ("2.3.1", "cntk==2.7", "cp36")),
        (NEW, ["--backend", "jax"], ("3.15.1", "jax", "cp313")),
        (NEW, ["--backend", "torch", "--python", "3.12"], ("3.15.1", "torch", "cp312")),
        (NEW, ["--backend", "openvino"], ("3.15.1", "openvino", "cp313")),
    ],
)
def test_newest_keras_that_has_the_back_end_is_chosen(
    machine: Machine, words: list[str], expected: tuple[str, str, str]
) -> None:
    """With the back end's newest release that goes with it, on a Python that both have."""
    choice = chosen(machine, *words)

    assert expected == (choice.version, choice.requirement, choice.python_tag)
    assert ("keras", typed(*words).backend) == (choice.project, choice.backend)


def test_apple_processor_needs_no_avx() -> None:
    """What a back end's binaries for Intel need says nothing about the others."""
    system = System(os="macos", version="14.5", arch="aarch64")
    machine = Machine(system=system, cpu=Cpu(model="Apple M2", features=("neon",)))

    assert "3.15.1" == chosen(machine, "--backend", "jax").version


@pytest.mark.parametrize("backend", [None, "tensorflow"])
def test_tensorflow_as_the_back_end_is_a_build_of_tensorflow(backend: str | None) -> None:
    """Asked for by name or not."""
    choice = match(NEW, Wish(backend=backend)).choice

    assert choice is not None
    assert ("tensorflow", "tensorflow") == (choice.project, choice.backend)


@pytest.mark.parametrize(
    ("words", "needs", "remedy"),
    [
        (["keras==3.15.1", "--backend", "theano"], "jax, numpy, openvino, tensorflow, torch", "keras==2.3.1"),
        (["keras==2.3.1", "--backend", "jax"], "cntk, tensorflow, theano", "keras==3.15.1 --backend jax"),
        (["keras==2.4.3", "--backend", "theano"], "tensorflow", "keras==2.3.1 --backend theano"),
        (["keras==1.2.2", "--backend", "cntk"], "tensorflow, theano", "keras==2.3.1 --backend cntk"),
        (["keras==2.10.0", "--backend", "torch"], "tensorflow", "keras==3.15.1 --backend torch"),
    ],
)
def test_back_end_that_a_keras_never_had_is_the_obstacle(words: list[str], needs: str, remedy: str) -> None:
    """It names those that the Keras has, and the pair that works."""
    found = nearest(linux("2.7.18", "3.6.15", "3.12.1"), *words)["backend"]

    assert found[0].endswith(f": {needs}")
    assert remedy in str(found[1])


def test_release_of_a_back_end_that_was_never_run_is_the_obstacle() -> None:
    """Theano 0.7 cannot be imported by any Keras that we know; those that were run are named."""
    needs, remedy = nearest(OLD, "keras==2.2.4", "Theano==0.7.0")["backend-release"]

    assert "theano==1.0.5" == needs
    assert "theano==0.8.2" in str(remedy)


@pytest.mark.parametrize(
    ("name", "command"),
    [("Debian GNU/Linux", "libopenmpi3"), ("Fedora Linux", "dnf install openmpi"), (None, "")],
)
def test_missing_open_mpi_is_named_with_what_brings_it(name: str | None, command: str) -> None:
    """CNTK cannot be imported without; where nobody looked, nothing is held against it."""
    machine = replace(OLD, system=replace(OLD.system, name=name))

    assert command in str(nearest(replace(machine, runtimes=NO_MPI), "--backend", "cntk")["mpi"][1])
    assert "2.3.1" == chosen(machine, "--backend", "cntk").version


def test_open_mpi_is_found_as_the_loader_finds_it() -> None:
    """LD_LIBRARY_PATH goes before the cache, and an Open MPI of another age does not count."""
    cache = (
        "\tlibmpi.so.40 (libc6,x86-64) => /usr/lib/libmpi.so.40\n\tlibmpi_cxx.so.20 (libc6,x86-64) => /l\n"
    )
    answers = Answers(
        ask={"platform": "linux", "programs g++": ["/usr/bin/g++"]}, run={"/sbin/ldconfig -p": cache}
    )
    facts = {name: fact.value for name, fact in read_backend_needs(Recording(answers)).items()}

    assert facts["runtimes.libmpi"] == "/usr/lib/libmpi.so.40"
    assert facts["runtimes.libmpi_cxx"] is None
    assert facts["runtimes.c++"] == "/usr/bin/g++"
    answers.variable["LD_LIBRARY_PATH"] = "/opt/mpi/lib:relative"
    answers.glob["/opt/mpi/lib/libmpi.so.40"] = ["/opt/mpi/lib/libmpi.so.40"]
    assert read_backend_needs(Recording(answers))["runtimes.libmpi"].value == "/opt/mpi/lib/libmpi.so.40"


@pytest.mark.parametrize(
    ("machine", "words", "notice"),
    [
        (replace(OLD, runtimes={"c++": None}), ["--backend", "theano"], "theano-without-compiler"),
        (
            replace(NEW, environment={"KERAS_BACKEND": "torch"}),
            ["--backend", "jax"],
            "keras-backend-env-overrides",
        ),
        (replace(NEW, gpus=(Gpu("nvidia"),)), ["--backend", "jax"], "gpu-unused"),
        (NEW, ["--backend", "openvino"], "backend-predicts-only"),
        (NEW, ["--backend", "torch"], "torch-brings-cuda"),
    ],
)
def test_what_a_person_should_know_of_a_back_end_is_said(
    machine: Machine, words: list[str], notice: str
) -> None:
    """And nothing of it where it is not so."""
    assert notice in [one.id for one in match(machine, typed(*words)).warnings]
    assert notice not in [
        one.id for one in match(replace(OLD, runtimes={"c++": "/g++"}), typed("theano")).warnings
    ]


# ---------------------------------------------------------------- locks and proofs


def choice_of(pair: Pair) -> Choice:
    """Return the choice that a lock is for."""
    beside = f"tensorflow=={pair.release}" if pair.backend == "tensorflow" else pair.lock.beside
    words = (f"keras=={pair.keras}", beside, "--python", minor_of(pair.lock.python_tag))
    implied = () if beside.startswith("tensorflow") else ("--backend", beside.split("==")[0])
    machine = replace(linux("2.7.18", "3.6.15", "3.8.18", "3.11.7", "3.12.1", "3.13.0"), runtimes=MPI)
    return chosen(machine, *words, *implied)


def name_of(pair: Pair) -> str:
    """Return a lock in a word."""
    return f"{pair.keras}-{pair.on}-{pair.lock.python_tag}"


@pytest.mark.parametrize("pair", LOCKS, ids=name_of)
def test_lock_of_a_pair_is_what_a_person_gets_who_asks_for_it(pair: Pair) -> None:
    """Each pin has a file for the Python and the oldest system, inside our bounds; the digest is over all."""
    choice = choice_of(pair)
    pins = lock_pins(choice, companions_of(choice, Wish((f"keras=={pair.keras}",))))

    assert [] == [item.name for item in pins if not item.hashes]
    assert pair.lock.digest == lock_digest(pins)
    assert f"keras=={pair.keras}" in pair.lock.pins


def test_pairs_of_the_promise_are_proved() -> None:
    """What docs/backends.md says was run has a lock, and a proof with the checks of today."""
    digests = {row.lock for row in tables.load("proofs/proofs.json", ProofRow)}
    run = [pair for pair in LOCKS if pair.lock.digest in digests]
    proved = {(pair.keras, pair.on, pair.lock.python_tag) for pair in run}

    assert {
        ("1.1.0", "Theano 0.8.2", "cp27"),
        ("1.1.0", "Theano 0.9.0", "cp27"),
        ("1.2.2", "Theano 0.8.2", "cp27"),
        ("1.2.2", "Theano 0.9.0", "cp27"),
        ("2.2.4", "Theano 1.0.5", "cp36"),
        ("2.3.1", "Theano 1.0.5", "cp36"),
        ("2.2.4", "CNTK 2.7", "cp36"),
        ("2.3.1", "CNTK 2.7", "cp36"),
        ("1.1.0", "TensorFlow 0.12.1", "cp27"),
    } <= proved
    assert ("3.15.1", "jax", "cp313") in {(pair.keras, pair.backend, pair.lock.python_tag) for pair in run}


def test_proofs_of_pairs_are_valid() -> None:
    """A proof of other checks, or of a lock that nobody can get any more, is removed."""
    known = {pair.lock.digest: pair for pair in LOCKS}
    rows = [row for row in tables.load("proofs/proofs.json", ProofRow) if row.beside]

    assert len(rows) > 30
    for row in rows:
        backend = known[row.lock].backend
        assert row.checks == runner.checks_digest("cpu", backend=backend), row.version


def test_tables_agree_on_what_a_keras_has() -> None:
    """No row gives a back end to a Keras that does not know it."""
    for row in keras_backends.pairs():
        for keras in row.locked:
            assert row.backend in keras_backends.known_by(keras)
    with_checks = {row.backend for row in tables.backends().values() if row.checks}
    assert {row.backend for row in keras_backends.pairs()} == with_checks
    assert {"tensorflow"} == set(tables.backends()) - with_checks


def test_page_is_made_from_the_proofs() -> None:
    """The table of docs/backends.md is what the tool would write."""
    assert make_backends_page.table() in make_backends_page.PAGE.read_text(encoding="utf-8")


def test_plan_of_a_locked_pair_resolves_nothing() -> None:
    """It has the pins of the lock, the reasons of our bounds, and no TensorFlow."""
    plan = planned(OLD, "keras==1.1.0", "theano==0.8.2", "--python", "2.7")
    pinned = {item.name: item.version for item in plan.pins}

    assert ("1.1.0", "0.8.2") == (pinned["keras"], pinned["theano"])
    assert "tensorflow" not in pinned
    assert "h5py3-old-keras" in [one.id for one in plan.workarounds]
    assert plan.keras is not None
    assert "1.1.0" == plan.keras.version


def test_files_of_the_project_name_the_back_end() -> None:
    """The Pipfile asks for it too: nothing that Keras asks for would bring it when Pipenv locks anew."""
    text = pipfile.merge("", planned(OLD, "keras==2.2.4", "--backend", "theano", "--python", "3.6"))

    assert text.startswith("# Made by tfup: keras 2.2.4 on theano==1.0.5 for Python 3.6")
    assert 'theano = "==1.0.5"  # tfup: the back end of Keras' in text


def test_python_that_uv_does_not_know_has_to_be_here_to_resolve() -> None:
    """Its own pip finds what stands beside the build; a machine that is not this one cannot be asked."""
    found = match(linux("2.7.18"), typed("keras==1.1.0", "theano==0.8.2", "pillow", "--python", "2.7"))
    assert found.choice is not None
    elsewhere = replace(found.choice, python_path="/no/such/python2.7")

    with pytest.raises(Unresolvable) as caught:
        managers.resolve(elsewhere, ["pillow"], [], [])

    assert "CPython 2.7 on this machine" == caught.value.needs[0].needs


# ---------------------------------------------------------------- in force


def furnished(folder: Path, plan: Plan) -> Path:
    """Return the site-packages of an empty environment that a plan has furnished."""
    site = folder / "lib" / "python3.12" / "site-packages"
    (site / "cntk" / "libs").mkdir(parents=True)
    activation.furnish(folder, plan)
    return site


def test_environment_names_its_back_end_where_the_person_has_not(tmp_path: Path) -> None:
    """The line of the .pth, run as Python runs it at its start, sets the variable, and overrides none."""
    site = furnished(tmp_path, Plan(Wish(backend="jax"), None))
    line = (site / activation.BACKEND_FILE).read_text(encoding="utf-8")
    code = f"{line}print(os.environ['KERAS_BACKEND'])"
    said = [
        subprocess.run(
            ["/usr/bin/env", *setting, "python3", "-c", code], capture_output=True, check=True, text=True
        )
        for setting in ([], ["KERAS_BACKEND=torch"])
    ]

    assert ["jax", "torch"] == [one.stdout.strip() for one in said]
    assert {"KERAS_BACKEND": "jax"} == activation.with_backend(tmp_path, {})
    assert {"KERAS_BACKEND": "torch"} == activation.with_backend(tmp_path, {"KERAS_BACKEND": "torch"})


def test_theanos_of_two_versions_keep_apart_what_they_compile(tmp_path: Path) -> None:
    """The .pth names a folder by the versions, and leaves the person's own flags as they are."""
    site = furnished(tmp_path, Plan(Wish(backend="theano"), None))
    lines = (site / activation.BACKEND_FILE).read_text(encoding="ascii")
    said = [
        subprocess.run(
            [python, "-c", f"{lines * 2}print(os.environ['THEANO_FLAGS'])"],
            env={"THEANO_FLAGS": flags},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for python in (next(iter(interpreters().values())), sys.executable)
        for flags in ("", "cxx=", "compiledir_format=mine")
    ]

    ours = f"compiledir_format={activation.THEANO_FORMAT},"
    assert [ours, f"{ours}cxx=", "compiledir_format=mine"] * 2 == said


def test_environment_without_a_wish_for_a_back_end_is_left_alone(tmp_path: Path) -> None:
    """keras.json goes on to decide there."""
    site = furnished(tmp_path, Plan(Wish(), None))

    assert ["cntk"] == [path.name for path in site.iterdir()]
    assert {} == activation.asked(Plan(Wish(), None))


def test_open_mpi_is_linked_under_the_names_that_cntk_asks_for(tmp_path: Path) -> None:
    """Inside the environment alone; an Open MPI that has the name already needs no link."""
    machine = replace(OLD, runtimes=MPI | {"libmpi_cxx": "/usr/lib/libmpi_cxx.so.1"})
    wish = typed("--backend", "cntk")
    plan = Plan(wish, match(machine, wish).choice)
    libs = furnished(tmp_path, plan) / "cntk" / "libs"

    assert {"libmpi.so.12": "/usr/lib/libmpi.so.40"} == {
        one.name: str(one.readlink()) for one in libs.iterdir()
    }
    assert [Library("libmpi.so.12", "system", "/usr/lib/libmpi.so.40")] == activation.links_of(plan)


def test_checks_of_tensorflow_are_skipped_with_the_reason() -> None:
    """On a plan without TensorFlow; OpenVINO, which only predicts, is not asked to train."""
    jax, openvino = planned(NEW, "--backend", "jax"), planned(NEW, "--backend", "openvino")

    assert ("backend_version", "keras_backend", "keras_fit", "save_and_load") == selection.claims(jax)
    assert "there is no TensorFlow" in next(one.detail for one in selection.needless(jax))
    assert "keras_fit" in {one.name: one.detail for one in selection.needless(openvino)}
    assert runner.CHECKS == selection.claims(None)
    assert [] == selection.needless(None)


# ---------------------------------------------------------------- for real


def proved(done: Any, *checks: str) -> dict[str, Any]:  # noqa: ANN401 (a Run)
    """Return the document of an install whose checks of these names passed."""
    assert 0 == done.code, done.out + done.err
    statuses = outcomes_of(done.document)
    assert dict.fromkeys(checks, "proved") == {name: statuses[name] for name in checks}
    document: dict[str, Any] = done.document
    return document


TRAINED = ("backend_version", "keras_backend", "keras_fit", "save_and_load")


@pytest.mark.real
@pytest.mark.network
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["keras==2.2.4", "--backend", "theano", "--python", "3.6"], "Keras 2.2.4 on theano 1.0.5"),
    ],
)
def test_old_keras_trains_on_theano(words: list[str], says: str, tmp_path: Path) -> None:
    """From the wish of a tutorial to a trained model; without a compiler in Python, and it says so."""
    done = tfup("install", *words, "--json", cwd=tmp_path, THEANO_FLAGS="cxx=")
    document = proved(done, *TRAINED)
    details = {one["name"]: one["detail"] for one in document["outcomes"]}

    assert details["backend_version"].startswith(f"{says} without a C++ compiler")
    assert "Using Theano backend." in details["keras_backend"]


@pytest.mark.real
@pytest.mark.network
def test_keras_3_trains_on_jax_and_switches(tmp_path: Path) -> None:
    """The back end asked for beats keras.json, which stays as it is; a variable beats both for one run."""
    keras_json = tmp_path / ".keras" / "keras.json"
    keras_json.parent.mkdir()
    keras_json.write_text('{"backend": "tensorflow"}', encoding="utf-8")
    document = proved(
        tfup("install", "--backend", "jax", "--python", "3.12", "--json", cwd=tmp_path), *TRAINED
    )
    python, code = document["environment"]["python"], "import keras; print(keras.backend.backend())"
    said = subprocess.run(
        [python, "-c", code], env=environment(tmp_path), capture_output=True, check=True, text=True
    )
    assert "jax" == said.stdout.strip()

    checked = tfup("check", "--only", "backend_version", "--json", cwd=tmp_path, KERAS_BACKEND="numpy")
    assert "as KERAS_BACKEND says" in checked.document["outcomes"][0]["detail"]
    assert '{"backend": "tensorflow"}' == keras_json.read_text(encoding="utf-8")

    again = tfup("install", "--json", cwd=tmp_path)
    assert not again.document["environment"]["made"]
    assert "jax" == again.document["plan"]["wish"]["backend"]


@pytest.mark.real
@pytest.mark.network
@pytest.mark.slow
def test_keras_trains_on_cntk(tmp_path: Path) -> None:
    """Where the system has Open MPI; where it has none, the refusal says what to install."""
    loader = {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}
    done = tfup("install", "keras==2.3.1", "--backend", "cntk", "--json", cwd=tmp_path, **loader)
    if done.code == 3:
        assert "mpi" in done.document["error"]["needs"]
        pytest.skip(f"no Open MPI here: {done.document['error']['sentence']}")
    proved(done, *TRAINED)


@pytest.mark.real
@pytest.mark.network
@pytest.mark.slow
def test_keras_3_trains_on_pytorch(tmp_path: Path) -> None:
    """Some gigabytes on Linux x86_64."""
    proved(tfup("install", "--backend", "torch", "--python", "3.12", "--json", cwd=tmp_path), *TRAINED)


@pytest.mark.real
@pytest.mark.network
@pytest.mark.slow
def test_keras_1_trains_on_the_tensorflow_of_its_day(tmp_path: Path) -> None:
    """keras==1.1.0 with TensorFlow 0.12 on Python 2.7, from a lock of that pair."""
    words = ("keras==1.1.0", "tensorflow==0.12.*", "--python", "2.7")
    document = proved(tfup("install", *words, "--json", cwd=tmp_path), "keras_backend", "keras_fit")

    assert "1.1.0" == document["plan"]["keras"]["version"]
