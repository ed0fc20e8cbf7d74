"""`--manager conda`: the whole program makes environments with each of four programs, from a local channel.

No index has a real conda: stand-ins built on rattler understand the words of each, see conda_program.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace

pytest.importorskip(
    "rattler", reason="py-rattler, which solves and installs for conda's stand-ins, is not here"
)

from tests import conda_channel, conda_program, loopback_index, running
from tests.formats_plans import plan
from tests.little_clone import Clone, cloned
from tests.pythons import interpreters
from tests.test_faults import assert_told, contents, on_a_disk_of, version_of
from tfup import formats, managers
from tfup.errors import InstallFailed
from tfup.machine.live import Live
from tfup.managers import conda_programs
from tfup.managers.default_index import default_index
from tfup.managers.transaction import transaction
from tfup.model import Library, Pin, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PYTHON = conda_channel.MINOR
OLD = ("install", "tensorflow==98.0.0", "--manager", "conda", "--python", PYTHON)
NEW = ("install", "tensorflow==99.0.0", "--manager", "conda", "--python", PYTHON)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """Yield a clone whose person has a mirror of conda-forge in a folder, and no program for it yet."""
    with cloned(tmp_path_factory.mktemp("clone")) as clone:
        channels = clone.home.parent / "channels"
        conda_channel.make(channels / "conda-forge")
        (clone.home / ".pixi").mkdir()
        write_settings(clone.home, f"file://{channels}")
        yield clone


def run(
    clone: Clone,
    folder: Path,
    *words: str,
    program: str = "conda",
    under: Sequence[str | Path] = (),
    **more: str,
) -> running.Run:
    """Run a command of the clone where one of the programs is on the PATH, `under` what makes a fault."""
    more = {"PATH": path_to(clone, program)} | more
    return clone.run(*words, cwd=folder, under=under, **more)


def path_to(clone: Clone, program: str) -> str:
    """Return a PATH with one of the programs, and none that this machine may have."""
    programs = conda_program.install(clone.home.parent / program, program)
    return with_programs(programs)


def with_programs(programs: Path) -> str:
    """Return a PATH that begins with a folder, and has what a system has."""
    return os.pathsep.join((str(programs), str(Path(sys.base_prefix, "bin")), "/usr/bin", "/bin"))


def proved(run: running.Run) -> set[str]:
    """Return the statuses of the checks that an install ran."""
    assert 0 == run.code, run.err or run.out
    return {outcome["status"] for outcome in run.document["outcomes"] if outcome["status"] != "skipped"}


@pytest.mark.parametrize("program", conda_program.NAMES)
def test_each_program_makes_an_environment_that_is_proved(clone: Clone, tmp_path: Path, program: str) -> None:
    """Python comes from the channel, the pins by uv with their hashes, and the checks run inside."""
    done = run(clone, tmp_path, *OLD, "--json", program=program)

    assert {"proved"} == proved(done)
    prefix = tmp_path / ".venv"
    said = json.loads((prefix / "tfup.json").read_bytes())
    assert (program, True) == (said["program"], list(prefix.glob("conda-meta/python-3*.json")) != [])
    assert ("98.0.0", "obtain") == (version_of(tmp_path), done.document["plan"]["choice"]["python_from"])
    assert program in done.document["next_steps"][0]
    home = [prefix / "bin" / "python", "-c", "import sys; print(sys.prefix)"]
    assert f"{prefix}\n" == subprocess.run(home, check=True, capture_output=True, text=True).stdout


def test_a_second_run_changes_nothing(clone: Clone, tmp_path: Path) -> None:
    """What is there already and as asked is not made again, and no program is asked for it."""
    run(clone, tmp_path, *OLD)
    before = contents(tmp_path)

    again = clone.run(*OLD, "--json", cwd=tmp_path)  # without any of the programs

    assert (0, False) == (again.code, again.document["environment"]["made"]), again.err
    assert before == contents(tmp_path)


def test_a_damaged_environment_is_made_again(clone: Clone, tmp_path: Path) -> None:
    """A package of conda's that went away is missed, as one of pip's is."""
    run(clone, tmp_path, *OLD)
    next((tmp_path / ".venv" / "conda-meta").glob("pip-*.json")).unlink()

    assert run(clone, tmp_path, *OLD, "--json").document["environment"]["made"]


def test_undo_check_doctor_and_clean_know_it(clone: Clone, tmp_path: Path) -> None:
    """It is kept and brought back as it was, checked, looked at, and removed by name."""
    run(clone, tmp_path, *OLD)
    run(clone, tmp_path, *NEW)
    assert "99.0.0" == version_of(tmp_path)

    assert 0 == clone.run("undo", cwd=tmp_path).code
    checked = clone.run("check", "--json", cwd=tmp_path)
    examined = clone.run("doctor", "--json", cwd=tmp_path)
    cleaned = clone.run("clean", "--project", str(tmp_path), cwd=tmp_path)

    assert "proved" in {outcome["status"] for outcome in checked.document["outcomes"]}
    assert "conda" == examined.document["environment"]["manager"]
    assert (0, False) == (cleaned.code, (tmp_path / ".venv").exists())


def test_one_manager_replaces_the_other(clone: Clone, tmp_path: Path) -> None:
    """A conda environment is no .venv of Pipenv's, nor the other way round; undo brings either back."""
    run(clone, tmp_path, *OLD)
    pipenv = run(clone, tmp_path, "install", "tensorflow==98.0.0", "--python", PYTHON, "--json")
    made = (tmp_path / ".venv" / "pyvenv.cfg").is_file()
    clone.run("undo", cwd=tmp_path)

    assert (0, True) == (pipenv.code, made), pipenv.err
    assert (tmp_path / ".venv" / "conda-meta").is_dir()


def test_the_interpreters_of_the_machine_do_not_matter(clone: Clone, tmp_path: Path) -> None:
    """Conda brings Python: the newest that the newest build has a wheel for, wherever others are."""
    plan = clone.run("plan", "--manager", "conda", "--json", cwd=tmp_path).document

    assert ("99.0.0", "3.13", "obtain", None) == tuple(
        plan["choice"][name] for name in ("version", "python", "python_from", "python_path")
    )


# ---------------------------------------------------------------- what goes wrong


def test_without_a_program_the_files_can_be_had_all_the_same(clone: Clone, tmp_path: Path) -> None:
    """An install says what is missing, and installs nothing of the kind itself; plan and pin need none."""
    with suppress(InstallFailed):
        real = conda_programs.find(Live(clone.environment()), tmp_path)
        pytest.skip(f"this machine has a {real.name} in {real.path}")
    missing = clone.run(*OLD, cwd=tmp_path)
    nothing = list(tmp_path.glob("*.yml"))
    planned = clone.run("plan", *OLD[1:], cwd=tmp_path)
    shown = clone.run(*OLD, "--dry-run", cwd=tmp_path)
    pinned = clone.run("pin", *OLD[1:], cwd=tmp_path)

    assert_told(missing, 4, "install-failed", "conda, mamba, micromamba or pixi", "tfup install --manager")
    assert ([], 0, 0, 0) == (nothing, planned.code, shown.code, pinned.code)
    assert f"python={PYTHON}" in (tmp_path / "environment.yml").read_text(encoding="utf-8")


def test_a_program_of_the_same_name_is_passed_over(clone: Clone, tmp_path: Path) -> None:
    """A `conda` that does not answer as conda does is none; the next one is taken."""
    programs = conda_program.install(tmp_path / "bin", "micromamba")
    for name in ("conda", "mamba"):
        (programs / name).write_text("#!/bin/sh\necho 'runs your tests'\n", encoding="utf-8")
        (programs / name).chmod(0o755)

    done = run(clone, tmp_path, *OLD, "--json", PATH=with_programs(programs))

    assert {"proved"} == proved(done)
    assert "micromamba" in done.document["next_steps"][0]


class Failure(NamedTuple):
    """What goes wrong, how it is told, and a word that tells why."""

    settings: str
    code: int
    reference: str
    word: str


OTHER_PYTHON = next(minor for minor in ("3.10", "3.12") if minor != PYTHON)
FAILURES = (
    Failure("a Python that the channel lacks", 3, "unresolvable", f"python {OTHER_PYTHON}.*"),
    Failure("a channel that is gone", 5, "index-unreachable", "404"),
    Failure("no network", 5, "index-unreachable", "channels.example"),
    Failure("offline", 5, "index-unreachable", "--offline"),
)


@pytest.mark.parametrize("program", conda_program.NAMES)
def test_a_failure_is_told_and_costs_nothing(clone: Clone, tmp_path: Path, program: str) -> None:
    """Each program's own words become one form, and the environment that was there works on."""
    assert 0 == run(clone, tmp_path, *OLD, program=program).code
    before = contents(tmp_path)

    for failure in FAILURES:
        python = OTHER_PYTHON if failure.word.startswith("python") else PYTHON
        words = (*NEW[:-1], python, *["--offline"] * (failure.settings == "offline"))
        home = make_home(tmp_path / ".tfup" / failure.settings, clone, failure.settings)

        failed = run(clone, tmp_path, *words, program=program, HOME=str(home))

        assert_told(failed, failure.code, failure.reference, failure.word)
        assert before == contents(tmp_path), failure
    assert "98.0.0" == version_of(tmp_path)


def make_home(home: Path, clone: Clone, settings: str) -> Path:
    """Make a home whose settings lead to the channel, to a folder where none is, or to a host."""
    addresses = {
        "a Python that the channel lacks": f"file://{clone.home.parent}/channels",
        "a channel that is gone": f"file://{home}/nowhere",
    }
    (home / ".pixi").mkdir(parents=True)
    if address := addresses.get(settings):
        write_settings(home, address)
    return home


def write_settings(home: Path, address: str) -> None:
    """Tell each of the programs where a person has the channels."""
    (home / ".condarc").write_text(f"channel_alias: {address}\n", encoding="utf-8")
    mirror = f'[mirrors]\n"https://channels.example/conda-forge" = ["{address}/conda-forge"]\n'
    (home / ".pixi" / "config.toml").write_text(mirror, encoding="utf-8")


def test_a_variable_of_condas_is_obeyed(clone: Clone, tmp_path: Path) -> None:
    """CONDA_CHANNEL_ALIAS reaches the program, and wins over .condarc."""
    failed = run(clone, tmp_path, *OLD, CONDA_CHANNEL_ALIAS="https://mirror.example")

    assert_told(failed, 5, "index-unreachable", "https://mirror.example/conda-forge")


def test_a_full_disk_is_named(clone: Clone, tmp_path: Path) -> None:
    """Where the packages do not fit, the person is told so, and nothing is left."""
    cache = clone.home / ".conda-cache"
    cache.mkdir(exist_ok=True)

    full = run(clone, tmp_path, *OLD, under=on_a_disk_of("24k", cache))

    assert_told(full, 4, "install-failed", "a full disk", "conda clean --all")
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_the_old_environment(
    clone: Clone, tmp_path: Path, sent: signal.Signals
) -> None:
    """Ctrl-C, a stop by the system, a kill in the middle of conda's work: what was there is there again."""
    assert 0 == run(clone, tmp_path, *OLD).code
    before, sign = contents(tmp_path), tmp_path / ".tfup" / "lingering"
    more = {"PATH": path_to(clone, "conda"), "CONDA_TEST_LINGER": str(sign)}

    with subprocess.Popen(
        clone.command(*NEW), cwd=tmp_path, env=clone.environment() | more, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        wait_for(sign)
        os.killpg(process.pid, sent)
        process.communicate(timeout=60)

    restored = run(clone, tmp_path, *OLD, "--json")

    assert 0 == restored.code, restored.err
    assert ("98.0.0", before) == (version_of(tmp_path), contents(tmp_path))
    assert not restored.document["environment"]["made"]


def wait_for(sign: Path) -> None:
    """Wait until a program has begun its work."""
    end = time.monotonic() + 60
    while not sign.exists():
        assert time.monotonic() < end, "the program never began"
        time.sleep(0.05)


# ---------------------------------------------------------------- CUDA


SONAMES = ("libcudart.so.11.0", "libcudnn.so.8")


def stand_in(folder: Path, soname: str) -> bytes:
    """Return a library that answers to a name, and does nothing else."""
    command = [
        "cc",
        "-shared",
        "-fPIC",
        "-nostdlib",
        f"-Wl,-soname,{soname}",
        "-x",
        "c",
        "-",
        "-o",
        folder / soname,
    ]
    subprocess.run(command, check=True, input=b"int nothing;", capture_output=True)
    return (folder / soname).read_bytes()


@pytest.mark.skipif(
    not shutil.which("cc"), reason="no C compiler, which makes stand-ins for CUDA's libraries"
)
def test_condas_cuda_is_found_by_a_program_that_knows_its_name(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The toolkit of the build comes from the channel, and TensorFlow's import finds it, activated or not."""
    channel, folder = tmp_path / "channels" / "conda-forge", tmp_path / "project"
    cudart, cudnn = ({f"lib/{soname}": stand_in(tmp_path, soname)} for soname in SONAMES)
    conda_channel.write(channel, "cudatoolkit", "11.2.2", "h0_0", files=cudart, subdir=conda_channel.SUBDIR)
    conda_channel.write(
        channel, "cudnn", "8.1.0.77", "h0_0", ["cudatoolkit 11.*"], files=cudnn, subdir=conda_channel.SUBDIR
    )
    conda_channel.make(channel)
    (tmp_path / ".condarc").write_text(f"channel_alias: file://{channel.parent}\n", encoding="utf-8")
    loopback_index.be_a_person(monkeypatch, str(tmp_path), f"http://{clone.address}/good/simple")
    monkeypatch.setenv("PATH", path_to(clone, "conda"))

    with transaction(folder):
        project = formats.write(gpu_plan(), folder, default_index())
        managers.install(project, log=tmp_path / "log.txt", say=str)

    code = (
        "import tensorflow, ctypes; ctypes.CDLL('libcudart.so.11.0'); print(open('/proc/self/maps').read())"
    )
    python = folder / ".venv" / "bin" / "python"
    shown = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    assert all(f"{folder}/.venv/lib/{soname}" in os.path.normpath(shown) for soname in SONAMES)


def gpu_plan() -> Plan:
    """Return a plan for a tiny build whose CUDA conda brings."""
    version = "2.10.1"
    name, content = loopback_index.wheel("tensorflow", version)
    loopback_index.WHEELS[name] = content
    made = plan(Pin("tensorflow", version, (f"sha256:{loopback_index.sha256(content)}",)), python=PYTHON)
    assert made.choice
    libraries = tuple(Library(soname, "conda") for soname in SONAMES)
    choice = replace(made.choice, accelerator="cuda", cuda_from="conda", libraries=libraries)
    return replace(made, manager="conda", choice=choice)


# ---------------------------------------------------------------- for real


@pytest.mark.real
@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(
    ("wish", "minor"), [("tensorflow", PYTHON), ("tensorflow==1.15.*", "3.7"), ("tensorflow==1.4.1", "2.7")]
)
def test_a_real_tensorflow_is_proved_in_a_conda_environment(tmp_path: Path, wish: str, minor: str) -> None:
    """Installed by uv, or by the pip of 2.7, into what the channel gave, each era passes every check."""
    others = (path for version, path in interpreters().items() if version.startswith(f"{minor}."))
    python = sys.executable if minor == PYTHON else next(others)
    conda_channel.make(tmp_path / "channels" / "conda-forge", python)
    (tmp_path / ".condarc").write_text(f"channel_alias: file://{tmp_path}/channels\n", encoding="utf-8")
    programs = conda_program.install(tmp_path / "programs", "micromamba")
    words = ("install", wish, "--manager", "conda", "--python", minor, "--json")

    done = running.tfup(*words, cwd=tmp_path, PATH=with_programs(programs))

    assert {"proved"} == proved(done)
    assert done.document["proved"]
    assert list((tmp_path / ".venv" / "conda-meta").glob(f"python-{minor}.*.json"))
