"""The door to the machine: it never raises, never hangs, and gives no secret away."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfup.machine import Recorder, Recording, detect
from tfup.machine.concurrency import run_together
from tfup.machine.live import Live
from tfup.machine.probe import Answers
from tfup.privacy import hide_credentials, hide_secret

VISIBLE = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1)


# ---------------------------------------------------------------- commands


def test_a_command_is_answered_by_what_it_prints() -> None:
    """What goes to the output is returned, complaints are not."""
    assert "yes\n" == Live().run("sh", "-c", "echo yes; echo no >&2")


@pytest.mark.parametrize(
    "command",
    [("no-such-program",), ("sh", "-c", "echo yes; exit 1"), ("nul\0",), ("/",), ("kill", "-9", "0")],
)
def test_a_command_that_fails_has_no_answer(command: tuple[str, ...]) -> None:
    """Absent, failing and impossible commands are None, not errors."""
    assert None is Live().run(*command)


@pytest.mark.parametrize(
    "script",
    ["sleep 60", "sleep 60 & exit 0", "trap '' TERM; sleep 60", "exec 1>&-; sleep 60", "yes", "yes; exit 0"],
)
def test_a_command_cannot_hang_us(script: str) -> None:
    """Sleepers, their children that hold the pipe, and endless printers are left in time."""
    start = monotonic()

    assert None is Live().run("sh", "-c", script, timeout=0.3)
    assert 3 > monotonic() - start


@pytest.mark.parametrize("parent", ["sleep 60", "exit 0"])
def test_nothing_of_a_late_command_goes_on(parent: str, tmp_path: Path) -> None:
    """The children of a command that was too slow are ended with it, be it there or gone."""
    alive = tmp_path / "alive"
    Live().run("sh", "-c", f"(sleep 0.6; touch '{alive}') & {parent}", timeout=0.2)
    Live().run("sleep", "0.8")

    assert not alive.exists()


def test_a_command_does_not_see_our_python() -> None:
    """PYTHONPATH and its like do not reach a Python that is asked."""
    live = Live(dict(os.environ, PYTHONPATH="/elsewhere", PYTHONHOME="/nowhere", KEPT="yes"))
    names = "import os; print([os.environ.get(name) for name in ('PYTHONPATH', 'PYTHONHOME', 'KEPT')])"

    assert "[None, None, 'yes']\n" == live.run(sys.executable, "-c", names)


def test_tasks_run_side_by_side() -> None:
    """Eight naps take as long as one."""
    start = monotonic()

    assert ["x\n"] * 8 == run_together([lambda: Live().run("sh", "-c", "sleep 0.3; echo x")] * 8, 5)
    assert 1.5 > monotonic() - start


def test_a_task_that_hangs_is_left_behind() -> None:
    """Its answer is None; the others have theirs."""
    tasks = [lambda: "quick", lambda: Live().run("sh", "-c", "sleep 2; echo slow")]

    assert ["quick", None] == run_together(tasks, 0.5)


def test_what_a_task_raises_is_heard() -> None:
    """A fault in a thread is not lost."""
    with pytest.raises(ZeroDivisionError):
        run_together([lambda: 1 // 0], 5)


# ---------------------------------------------------------------- files, names, variables


def test_a_text_is_read_as_it_stands(tmp_path: Path) -> None:
    """A byte-order mark stays, for it is a finding; what is not UTF-8 is replaced."""
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfa\xff")

    assert "\ufeffa\ufffd" == Live().read(str(tmp_path / "text"))


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """Folders, pipes, devices without end and impossible names are None."""
    os.mkfifo(tmp_path / "pipe")
    names = ("", str(tmp_path), str(tmp_path / "pipe"), "/dev/zero", "/no/such", "nul\0")

    assert [None] * len(names) == [Live().read(name) for name in names]


def test_names_are_found_in_order(tmp_path: Path) -> None:
    """A pattern gives sorted paths, and leaves out names that JSON cannot hold."""
    for name in (b"b.py", b"a.py", b"\xff.py"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()

    assert [f"{tmp_path}/a.py", f"{tmp_path}/b.py"] == Live().glob(f"{tmp_path}/*.py")


def test_a_variable_is_text() -> None:
    """Bytes that are not UTF-8 are replaced; what is not set is None."""
    live = Live({"A": os.fsdecode(b"x\xff")})

    assert ("x\ufffd", None) == (live.variable("A"), live.variable("B"))


def test_the_path_is_searched_for_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what can be run counts, and never what lies in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, mode in (("pip", 0o755), ("uv", 0o644)):
        (tmp_path / name).touch(mode)
    live = Live({"PATH": f".::{tmp_path}:/no/such:{tmp_path}"})

    assert ([f"{tmp_path}/pip"], []) == (live.ask("programs", "pip"), live.ask("programs", "uv"))


def test_a_question_that_nobody_knows_has_no_answer() -> None:
    """Unknown names, wrong arguments and libraries that raise are None."""
    assert (None, None) == (Live().ask("weather"), Live().ask("disk_free"))


def test_room_is_told_for_a_folder_to_come(tmp_path: Path) -> None:
    """The folder need not be there yet; others write on the disk meanwhile."""
    room = Live().ask("disk_free", str(tmp_path))

    assert pytest.approx(room, rel=0.05) == Live().ask("disk_free", str(tmp_path / "a/b"))


# ---------------------------------------------------------------- recordings


def test_a_recording_answers_as_the_machine_did(tmp_path: Path) -> None:
    """What was detected live is detected again from the recording, word for word."""
    recorder = Recorder(Live({"PATH": "/usr/bin", "HOME": str(tmp_path)}))
    live = detect(recorder, deep=True)

    assert live == detect(Recording(recorder.answers), deep=True)


def test_absence_is_recorded(tmp_path: Path) -> None:
    """That a file, a command or a variable was not there is a fact."""
    recorder = Recorder(Live({}))
    recorder.read("/no/such")
    recorder.run("no-such-program")
    recorder.variable("NOT_SET")
    recorder.glob("/no/such*")
    (tmp_path / "machine.json").write_text(recorder.text())

    answers = Recording.load(tmp_path / "machine.json").answers
    assert {"/no/such": None} == answers.read
    assert {"no-such-program": None} == answers.run
    assert {"NOT_SET": None} == answers.variable
    assert {"/no/such*": []} == answers.glob


def test_a_recording_names_nobody(tmp_path: Path) -> None:
    """User name, home folder and credentials are gone, and it can still be replayed."""
    home = tmp_path / "jdoe"
    (home / ".pyenv/versions/3.8.1/bin").mkdir(parents=True)
    variables = {"HOME": str(home), "USER": "jdoe", "https_proxy": "http://jdoe:pass@proxy.example:1"}
    recorder = Recorder(
        Live(variables | {"UV_PUBLISH_TOKEN": "t0ken", "PIP_INDEX_URL": "https://a:b@index.example"})
    )
    machine = detect(recorder)
    (tmp_path / "machine.json").write_text(recorder.text())

    text = (tmp_path / "machine.json").read_text()
    assert [] == [word for word in ("jdoe", str(tmp_path), "pass", "t0ken", "a:b@") if word in text]
    again = detect(Recording.load(tmp_path / "machine.json"))
    assert machine.pythons == again.pythons
    assert {"https_proxy": "http://***@proxy.example:1"} == again.proxies


def test_a_user_named_like_a_program_garbles_nothing() -> None:
    """For a user called python, the programs of that name keep theirs."""
    recorder = Recorder(Live({"HOME": "/", "USER": "python", "PATH": "/usr/bin"}))
    recorder.glob("/usr/bin/python")

    assert "/usr/bin/python" in recorder.text()


@given(VISIBLE.filter(lambda text: not set(text) & set("/@:")), VISIBLE)
def test_no_password_is_shown(user: str, password: str) -> None:
    """Whatever is in it, even what no address may hold, it is masked."""
    assert "https://***@index.example/x" == hide_credentials(f"https://{user}:{password}@index.example/x")


@pytest.mark.parametrize(
    "text",
    ["https://index.example:8080/simple", "/usr/lib:/opt/a@b/lib", r"C:\a@b", "a@b", "Core(TM) @ 4.20GHz"],
)
def test_what_is_no_credential_stays(text: str) -> None:
    """Ports, paths and addresses without credentials are left as they are."""
    assert text == hide_credentials(text)


@pytest.mark.parametrize(
    "name", ["UV_INDEX_WORK_PASSWORD", "UV_INDEX_WORK_USERNAME", "PIP_TOKEN", "PIP_API_KEY"]
)
def test_a_variable_with_a_secret_name_is_masked(name: str) -> None:
    """The name alone says that its value is nobody's business."""
    assert "***" == hide_secret(name, "value")


def test_an_empty_recording_is_a_machine_without_anything() -> None:
    """Every reader bears a machine that answers nothing."""
    machine = detect(Recording(Answers()), deep=True)

    assert ((), None, None) == (machine.pythons, machine.memory_bytes, machine.driver)
