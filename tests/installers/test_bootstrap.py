"""install.sh: from a clone, on any machine, to tfup's first line."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bare_machine import (
    PROGRAMS,
    REPOSITORY,
    UV,
    Machine,
    answer,
    index,
    pinned_uv,
    python_with_pip,
    serve,
    write,
)
from tfup import __version__
from tfup.folders import TAG, TAG_TEXT, cache_folder

SHELLS = ("dash", "busybox", "posh", "bash", "mksh", "yash", "ksh", "zsh")


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """Make a machine without uv, Python, curl or wget."""
    return Machine(tmp_path)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Make a machine that has uv."""
    made = Machine(tmp_path)
    write(made.bin / "uv", UV, 0o755)
    return made


# ---------------------------------------------------------------- with uv


def test_arguments_arrive_unchanged(machine: Machine) -> None:
    """Whatever is typed after install.sh is what tfup gets: help, spaces, quotes and nothing at all."""
    arguments = ["--help", "two words", "it's", '"', "", "*", "$HOME", "a\nb", "汉字"]

    assert arguments == answer(machine.install(*arguments))["arguments"]
    assert [] == answer(machine.install())["arguments"]


def test_the_exit_code_is_that_of_tfup(machine: Machine) -> None:
    """A script can rely on tfup's exit codes through install.sh."""
    assert 3 == machine.install(ANSWER="3").returncode


def test_the_current_folder_is_kept(machine: Machine) -> None:
    """The default project is where the person is, not where the clone is."""
    assert str(machine.folder) == answer(machine.install())["folder"]


def test_uv_on_the_path_makes_the_environment(machine: Machine) -> None:
    """A fitting uv is used as it is, and takes only files whose hashes are pinned."""
    machine.install()

    venv, sync = machine.calls()
    assert venv.startswith("venv --relocatable --python >=3.10 new ")
    assert sync.startswith("pip sync --python new/bin/python --require-hashes --only-binary :all: ")
    assert f" {machine.clone}/requirements/tfup.txt " in sync


def test_the_second_start_asks_nobody(machine: Machine) -> None:
    """Once the environment is there, neither uv nor anything else is run but its Python."""
    machine.install()
    before = machine.calls()
    (machine.bin / "uv").unlink()

    assert "" == machine.install().stderr
    assert before == machine.calls()


def test_other_pins_make_another_environment(machine: Machine) -> None:
    """After an update of the clone the old environment is not used."""
    old = answer(machine.install())["prefix"]
    with (machine.clone / "requirements/tfup.txt").open("a") as file:
        file.write("# changed\n")

    assert old != answer(machine.install())["prefix"]


def test_an_environment_without_its_python_is_made_anew(machine: Machine) -> None:
    """Uninstalling the Python under the private environment heals on the next start."""
    python = Path(str(answer(machine.install())["prefix"])) / "bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python")

    answer(machine.install())


def test_too_old_uv_is_not_used(machine: Machine) -> None:
    """A uv from before the pinned lower bound is named with its version, and left alone."""
    result = machine.install(VERSION="0.8.99")

    assert 4 == result.returncode
    assert "uv       needs 0.9 or newer on PATH" in result.stderr
    assert "found uv 0.8.99 (of the tests)\n" in result.stderr


def test_uv_of_the_lower_bound_is_used(machine: Machine) -> None:
    """The lower bound itself fits."""
    answer(machine.install(VERSION="0.9.0"))


@pytest.mark.parametrize(
    ("told", "index"),
    [
        ({"PIP_INDEX_URL": "https://pip.index.example/simple/"}, "https://pip.index.example/simple"),
        (
            {"UV_INDEX_URL": "https://uv.index.example", "PIP_INDEX_URL": "https://pip.index.example"},
            "https://uv.index.example",
        ),
        (
            {"UV_DEFAULT_INDEX": "https://new.index.example", "UV_INDEX_URL": "https://old.index.example"},
            "https://new.index.example",
        ),
        (
            {"TFUP_INDEX_URL": "https://index.example", "UV_DEFAULT_INDEX": "https://uv.index.example"},
            "https://index.example",
        ),
        ({}, "https://file.index.example/simple"),
    ],
)
def test_the_index_is_the_persons(machine: Machine, told: dict[str, str], index: str) -> None:
    """tfup's own variable wins over uv's, uv's over pip's, pip's over its file; uv is told the result."""
    write(
        machine.folder / "home/.config/pip/pip.conf",
        "[global]\nindex-url = https://file.index.example/simple\n",
    )

    machine.install(**told)

    assert all(f" index={index} " in call for call in machine.calls())


def test_certificates_and_proxy_of_pip_are_said_to_uv(machine: Machine) -> None:
    """uv does not read pip's settings, so that a company's certificate and proxy must be told to it."""
    write(
        machine.folder / "home/.config/pip/pip.conf",
        "[global]\ncert = /etc/company.pem\nproxy=proxy.example:3128\n",
    )

    machine.install()

    assert all(
        call.endswith(" certificates=/etc/company.pem proxy=http://proxy.example:3128")
        for call in machine.calls()
    )


def test_pyenv_is_found_without_a_home(machine: Machine) -> None:
    """The Pythons of pyenv are put before uv even if only the program pyenv is on PATH."""
    write(machine.folder / "pyenv/versions/3.12.1/bin/python3", "", 0o755)
    write(machine.folder / "pyenv/bin/pyenv", "", 0o755)
    write(machine.bin / "uv", UV.replace('echo "$*', 'echo "$* $PATH'), 0o755)

    machine.install(PATH=f"{machine.bin}:{machine.folder}/pyenv/bin")

    assert f":{machine.folder}/pyenv/versions/3.12.1/bin " in machine.calls()[0]


def test_variables_of_python_change_nothing(machine: Machine) -> None:
    """A PYTHONPATH or PYTHONHOME of the person's does not reach into tfup."""
    write(machine.folder / "evil/tfup/cli.py", "raise SystemExit('evil')")

    answer(
        machine.install(
            PYTHONPATH=str(machine.folder / "evil"), PYTHONHOME="/nowhere", PYTHONDONTWRITEBYTECODE="1"
        )
    )


def test_nothing_is_written_but_the_cache(machine: Machine) -> None:
    """The clone may be read-only: compiled Python goes into the cache, even where Python is told not to."""
    before = sorted(machine.folder.rglob("*"))

    machine.install(PYTHONDONTWRITEBYTECODE="1")

    new = set(machine.folder.rglob("*")) - set(before) - {machine.folder / "calls"}
    home = machine.folder / "home"
    assert [] == [
        path
        for path in new
        if machine.cache() not in path.parents
        and path not in (home, *machine.cache().parents, machine.cache())
    ]
    assert list(machine.cache().glob("bytecode/**/cli.*.pyc"))
    assert {TAG, "bytecode", "environment"} == {
        path.name.partition("-")[0] for path in machine.cache().iterdir()
    }


@pytest.mark.parametrize(
    "name", ["two words", 'it\'s "quoted"', "汉字 🙂", "$(touch evil); &", "new\nline", "-n", "a" * 200]
)
def test_the_clone_may_have_any_name(tmp_path: Path, name: str) -> None:
    """A folder's name is never read as anything else."""
    machine = Machine(tmp_path, name)
    write(machine.bin / "uv", UV, 0o755)

    said = answer(machine.install())

    assert str(machine.clone / "tfup/cli.py") == said["file"]
    assert not (tmp_path / "evil").exists()


def test_install_sh_works_through_a_link(machine: Machine) -> None:
    """A link to install.sh in a folder of programs is the command tfup."""
    (machine.bin / "hop").symlink_to("../clone/install.sh")
    (machine.bin / "tfup").symlink_to("hop")

    said = subprocess.run(
        ["tfup", "plan"],
        env=machine.environment,
        executable=machine.bin / "tfup",
        cwd="/",
        check=True,
        capture_output=True,
    )

    assert ["plan"] == json.loads(said.stdout)["arguments"]


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"XDG_CACHE_HOME": "{folder}/xdg"},
        {"XDG_CACHE_HOME": "relative"},
        {"XDG_CACHE_HOME": "{folder}/xdg", "TFUP_CACHE_DIR": "{folder}/own"},
        {"TFUP_CACHE_DIR": "relative"},
        {"HOME": "", "TMPDIR": "{folder}"},
    ],
)
def test_tfup_has_the_same_cache(
    machine: Machine, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scripts keep what they make where tfup keeps its own."""
    told = {name: value.format(folder=machine.folder) for name, value in told.items()}
    monkeypatch.chdir(machine.folder)
    monkeypatch.setattr("tempfile.tempdir", told.get("TMPDIR"))

    prefix = Path(str(answer(machine.install(**told))["prefix"]))

    assert cache_folder(machine.environment | told) == prefix.parent


def test_without_a_home_the_cache_is_temporary(machine: Machine) -> None:
    """Without HOME a folder of the system's temporary ones serves, closed to others."""
    del machine.environment["HOME"]
    temporary = machine.folder / "temporary"
    temporary.mkdir()

    said = answer(machine.install(TMPDIR=str(temporary)))

    folder = temporary / f"tfup-{os.getuid()}"
    assert Path(str(said["prefix"])).parent == folder
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder that belongs to someone else")
def test_a_temporary_cache_of_someone_else_is_refused(machine: Machine) -> None:
    """Nothing is run from a folder that another user has put where ours would be."""
    del machine.environment["HOME"]
    folder = machine.folder / f"tfup-{os.getuid()}"
    folder.mkdir()
    os.chown(folder, 4711, 4711)

    result = machine.install(TMPDIR=str(machine.folder))

    assert (4, "error: unusable-cache") == (result.returncode, result.stderr.splitlines()[0])


def test_a_cache_that_cannot_be_written_is_named(machine: Machine) -> None:
    """A file in the place of the cache is an error in the standard form, with what to type."""
    write(machine.folder / "file", "")

    result = machine.install(TFUP_CACHE_DIR=str(machine.folder / "file"))

    assert 4 == result.returncode
    assert [
        "tfup: preparing what it needs itself (once)",
        "error: unusable-cache",
        "The folder for what tfup itself needs cannot be written.",
        f"  folder   needs one that can be written                  found {machine.folder / 'file'}",
        "hint: TFUP_CACHE_DIR=FOLDER ./install.sh",
    ] == result.stderr.splitlines()


def test_the_cache_has_the_tag_of_tfup(machine: Machine) -> None:
    """It is the same text; a folder that the person had, with a file in it, gets none."""
    write(machine.folder / "scratch/thesis", "")

    for place in (machine.cache(), machine.folder / "scratch"):
        answer(machine.install(TFUP_CACHE_DIR=str(place)))

    assert TAG_TEXT == (machine.cache() / TAG).read_bytes()
    assert not (machine.folder / "scratch" / TAG).exists()


def test_many_at_once_all_arrive(machine: Machine) -> None:
    """Several first starts at the same moment end well, and leave one environment and no rubbish."""
    running = [machine.start(str(number), PAUSE="0.2") for number in range(5)]
    said = [json.loads(process.communicate(timeout=60)[0])["arguments"] for process in running]

    assert [[str(number)] for number in range(5)] == said
    assert [TAG, "bytecode", "environment"] == sorted(
        path.name.partition("-")[0] for path in machine.cache().iterdir()
    )


DAMAGES = ("library.py gone", "library.py empty", "made gone", "made empty", "RECORD gone", "RECORD empty")


@pytest.mark.parametrize("damage", [*DAMAGES, "lib gone"])
def test_a_damaged_environment_is_made_anew(machine: Machine, damage: str) -> None:
    """Whatever took a file of it away, or emptied it in a power cut: it is no traceback for ever."""
    place = Path(str(answer(machine.install())["prefix"]))
    name, manner = damage.split()
    (path,) = place.rglob(name)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink() if manner == "gone" else path.write_text("")

    said = answer(machine.install("plan", "two words"))

    assert (["plan", "two words"], str(place)) == (said["arguments"], said["prefix"])
    assert ["pass\n"] == [file.read_text() for file in place.rglob("library.py")]
    assert 2 == len([call for call in machine.calls() if call.startswith("venv")])


def test_what_is_made_anew_is_fetched_anew_if_it_can_be(machine: Machine) -> None:
    """uv's cache has the same files under other names: what emptied the one has emptied the other."""
    place = Path(str(answer(machine.install())["prefix"]))
    shutil.rmtree(place / "lib")

    said = answer(machine.install(REFUSES="--no-cache"))

    assert str(place) == said["prefix"]
    assert ["--no-cache", "tfup.txt"] == [
        call.split(" index=")[0].split("/")[-1].split()[-1] for call in machine.calls()[-2:]
    ]


@pytest.mark.parametrize(("name", "makes"), [("rich", 2), ("tfup.words", 1)])
def test_what_cannot_be_imported_makes_the_environment_anew_once(
    machine: Machine, name: str, makes: int
) -> None:
    """A library that stays away is an error in the end, and so at once is a module of tfup's own."""
    write(machine.clone / "tfup/cli.py", f"raise ImportError('odd', name={name!r})")

    done = machine.install()

    assert (1, "ImportError: odd") == (done.returncode, done.stderr.splitlines()[-1])
    assert makes == len([call for call in machine.calls() if call.startswith("venv")])


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_start_that_was_ended_does_no_harm(machine: Machine, blow: signal.Signals) -> None:
    """Half an environment is never taken for a whole one."""
    process = machine.start(PAUSE="30")
    while not (machine.folder / "calls").exists() or len(machine.calls()) < 2:
        time.sleep(0.01)
    os.killpg(process.pid, blow)
    process.communicate(timeout=60)

    assert [] == list(machine.cache().glob("environment*"))
    answer(machine.install())
    assert process.returncode in (-signal.SIGKILL, 6)


@pytest.mark.parametrize(
    ("fails", "words", "code", "reference"),
    [
        ("venv", "error: No interpreter found, and downloads are disabled", 4, "no-python"),
        ("venv", "error: Request failed after 3 retries: dns error", 5, "no-python"),
        ("pip", "error: Hash mismatch for `rich==15.0.0`", 4, "no-libraries"),
        ("pip", "error: error sending request for url", 5, "no-libraries"),
    ],
)
def test_what_uv_cannot_do_is_explained(
    machine: Machine, fails: str, words: str, code: int, reference: str
) -> None:
    """A failure of uv leaves its words in a log that the error names; 5 is the network's fault."""
    result = machine.install(FAILS=fails, WORDS=words)

    (log,) = machine.cache().glob("*.log")
    assert (code, words) == (result.returncode, log.read_text().strip())
    assert f"error: {reference}" == result.stderr.splitlines()[1]
    assert f"log: {log}" in result.stderr.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_will_do(bare: Machine, shell: str) -> None:
    """Any shell that calls itself POSIX brings uv and starts tfup, busybox with its own tools too."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    bare.link(shell, "sh")
    if shell == "busybox":
        for program in PROGRAMS:
            bare.link("busybox", program)
    bare.link("curl")

    with index(bare) as url:
        assert ["a b"] == answer(bare.install("a b", TFUP_INDEX_URL=url))["arguments"]


# ---------------------------------------------------------------- without uv


@pytest.mark.parametrize("link", ["../../files/{}", "/files/{}", "{url}/files/{}"])
@pytest.mark.parametrize("downloader", ["curl", "wget"])
def test_uv_comes_as_a_wheel_where_there_is_no_python(bare: Machine, downloader: str, link: str) -> None:
    """Curl or wget and the tools of any system suffice; an index may write its links in three ways."""
    bare.link(downloader)

    with index(bare, link) as url:
        answer(bare.install(TFUP_INDEX_URL=url))

    assert UV == (bare.cache() / f"uv-{pinned_uv()}").read_text()


def test_a_wheel_with_another_hash_is_not_unpacked(bare: Machine) -> None:
    """Whatever the index says of its own file, the repository's hashes decide."""
    bare.link("curl")

    with index(bare, trusted=False) as url:
        result = bare.install(TFUP_INDEX_URL=url)

    (log,) = bare.cache().glob("*.log")
    assert "as in requirements/uv.txt found sha256 " in " ".join(result.stderr.split())
    assert [log.suffix, result.returncode] == [".log", 5]  # the release page was asked too


def test_uv_comes_by_pip_where_there_is_a_python(bare: Machine) -> None:
    """A Python with pip brings uv by name, whatever pip's settings say of users and environments."""
    write(bare.folder / "home/.config/pip/pip.conf", "[global]\nuser = true\nrequire-virtualenv = true\n")
    (bare.bin / "python3").symlink_to(python_with_pip())

    with index(bare) as url:
        answer(bare.install(PIP_INDEX_URL=url))

    assert UV == (bare.cache() / f"uv-{pinned_uv()}").read_text()


def test_an_index_that_does_not_answer_is_the_networks_fault(bare: Machine) -> None:
    """No connection is exit code 5, and the log is kept."""
    bare.link("curl")

    result = bare.install(TFUP_INDEX_URL="http://127.0.0.1:9/simple")

    assert 5 == result.returncode
    assert "as in requirements/uv.txt found no answer" in " ".join(result.stderr.split())
    assert [f"log: {log}" for log in bare.cache().glob("*.log")] == [
        line for line in result.stderr.splitlines() if line.startswith("log")
    ]


def test_a_password_in_the_address_of_the_index_is_not_shown(bare: Machine) -> None:
    """Neither the error nor its log repeats the address that the person configured."""
    bare.link("curl")

    result = bare.install(
        TFUP_INDEX_URL="http://ann:hunter2@127.0.0.1:9/simple", code="0", needs="x", log="/"
    )

    (log,) = bare.cache().glob("*.log")
    assert 5 == result.returncode
    assert "hunter2" not in result.stderr + log.read_text()


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
@pytest.mark.parametrize(
    "name", ["it's $(touch owned)", "';touch owned;'", "two\nlines `touch owned`", "汉字 \\'"]
)
def test_the_hint_can_be_pasted(machine: Machine, name: str, shell: str) -> None:
    """Whatever the folder of the log is called, what is printed shows the log and runs nothing else."""
    if not shutil.which(shell):
        pytest.skip(f"no {shell} is here")
    told = {"FAILS": "pip", "WORDS": "error: Hash mismatch"}

    said = machine.install(TFUP_CACHE_DIR=str(machine.folder / name), **told).stderr
    command = [shell, *(["sh"] if shell == "busybox" else []), "-c", said.rpartition("\nhint: ")[2]]
    shown = subprocess.run(command, cwd=machine.folder, check=True, capture_output=True, text=True).stdout

    assert "error: Hash mismatch\n" == shown
    assert not (machine.folder / "owned").exists()


def test_a_machine_with_nothing_gets_one_error(bare: Machine) -> None:
    """Without uv, Python, index and downloader the error lists all four, and one thing to type."""
    uv_page = "https://github.com/astral-sh/uv/releases"
    result = bare.install()

    assert (4, "") == (result.returncode, result.stdout)
    assert [
        "tfup: preparing what it needs itself (once)",
        "error: no-uv",
        "uv, which installs everything for tfup, could not be had.",
        "  uv       needs 0.9 or newer on PATH                     found nothing",
        "  python   needs 3.8 or newer, with pip                   found nothing",
        "  index    needs an address in TFUP_INDEX_URL or pip.conf found nothing",
        "  release  needs curl or wget                             found nothing",
        f"hint: TFUP_INDEX_URL=ADDRESS ./install.sh  (your package index; or install uv: {uv_page})",
    ] == result.stderr.splitlines()
    assert [TAG] == [path.name for path in bare.cache().iterdir()]


# ---------------------------------------------------------------- with a real index


@pytest.mark.network
def test_a_clone_starts_in_an_empty_home(tmp_path: Path) -> None:
    """With what this machine has, and nothing in HOME, the first start of the real tfup answers."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TFUP", "XDG"))
    }
    command = [REPOSITORY / "install.sh", "--version"]

    said = subprocess.run(
        command, env=kept | {"HOME": str(tmp_path)}, check=True, capture_output=True, text=True
    )

    assert f"tfup {__version__}\n" == said.stdout


@pytest.mark.network
def test_real_wheels_suffice_where_pip_is_missing(bare: Machine) -> None:
    """The real uv comes out of its real wheel, and installs the real libraries with their pinned hashes.

    What is fetched is fetched once, the wheel of uv too.
    """
    files = bare.folder / "served/files"
    pins = REPOSITORY / "requirements"
    download("-r", pins / "tfup.txt", "--require-hashes", to=files)
    tag = f"--platform=musllinux_1_1_{platform.machine()}"
    download("-r", pins / "uv.txt", "--require-hashes", tag, to=files)
    for wheel in files.iterdir():
        project = wheel.name.split("-")[0].lower().replace("_", "-")
        page = bare.folder / "served/simple" / project / "index.html"
        text = page.read_text() if page.exists() else ""
        write(page, f'{text}<a href="/files/{wheel.name}">{wheel.name}</a>\n')
    python = Path(sys.base_prefix) / "bin/python3"
    write(
        bare.bin / "python3", f'#!/bin/sh\ncase $* in (*pip*) exit 1 ;; esac\nexec "{python}" "$@"\n', 0o755
    )
    bare.link("curl")
    bare.link("getconf")

    asked: list[str] = []
    with serve(bare.folder / "served", asked=asked) as url:
        said = answer(bare.install(TFUP_INDEX_URL=f"{url}/simple"))

    fetched = [path.rpartition("/")[2].partition("-")[0] for path in asked if path.endswith(".whl")]
    assert len(set(fetched)) == len(fetched)
    assert "uv" in fetched

    python = Path(str(said["prefix"])) / "bin/python"
    libraries = "import archspec, filelock, msgspec, packaging, psutil, pynvml, rich, tomlkit, uv"
    subprocess.run([python, "-I", "-W", "ignore", "-c", libraries], check=True)
    assert (bare.cache() / f"uv-{pinned_uv()}").stat().st_size > 10_000_000


def download(*arguments: str | Path, to: Path) -> None:
    """Fetch wheels with the pip of this machine."""
    command = [python_with_pip(), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", to, *arguments], check=True, timeout=300)
