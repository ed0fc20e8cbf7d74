"""What people see: whole pages, in one form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup.errors import Need, NoBuildFits
from tfup.model import (
    Choice,
    Cpu,
    KerasPair,
    Machine,
    Notice,
    Obstacle,
    Outcome,
    PassedOver,
    Pin,
    Plan,
    Proof,
    System,
    Wheel,
    Wish,
)
from tfup.report.console import Report, error_lines

if TYPE_CHECKING:
    import pytest

CHOICE = Choice(
    project="tensorflow",
    version="2.20.0",
    python="3.13.0",
    python_tag="cp313",
    python_path="/usr/bin/python3.13",
    python_from="found",
    wheel=Wheel("tensorflow-2.20.0-cp313-cp313-manylinux_2_17_x86_64.whl", "0" * 64, 1),
    platform="linux_x86_64",
)
PLAN = Plan(
    wish=Wish(),
    choice=CHOICE,
    keras=KerasPair("keras", "3.15.1"),
    download_bytes=599_400_000,
    pins=(Pin("tensorflow", "2.20.0", ()), Pin("keras", "3.15.1", ())),
    warnings=(Notice("gpu-unused", "A card stays unused."),),
    passed_over=(
        PassedOver(
            "tensorflow", "2.21.0", (Obstacle("libc", "glibc 2.27", "glibc 2.17", "use a newer one"),)
        ),
    ),
    proof=Proof("proved", "2026-11-20", ("cpu",)),
)
PAGE = """\
[v] build              tensorflow 2.20.0 (cpu) on Python 3.13.0 [/usr/bin/python3.13]
[v] keras              keras 3.15.1
[v] packages           2 pinned with hashes, 599 MB to download; proved on 2026-11-20
[-] passed over        tensorflow 2.21.0: needs glibc 2.27, found glibc 2.17; use a newer one
[!] note               A card stays unused.
"""


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what went to standard output, with the marks of a plain terminal."""
    out = capsys.readouterr().out
    for fancy, plain in (("✓", "v"), ("✗", "x"), ("☠", "X"), ("…", ".")):
        out = out.replace(fancy, plain)
    return out


def test_plan_is_one_line_a_fact(capsys: pytest.CaptureFixture[str]) -> None:
    """Build, Keras, packages, what was passed over and why, and what to know."""
    Report().plan(PLAN)

    assert printed(capsys) == PAGE


def test_quiet_plan_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that wants no story gets the answer alone."""
    Report(quiet=True).plan(PLAN)

    assert "tensorflow 2.20.0 (cpu) on Python 3.13.0 [/usr/bin/python3.13]\n" == printed(capsys)


def test_failed_check_shows_its_details(capsys: pytest.CaptureFixture[str]) -> None:
    """The first line goes beside the name, the rest and the hint below it."""
    Report().outcome(Outcome("keras_fit", "failed", "the loss rose\nfrom 1 to 2", "tfup undo", 1.25))

    assert "[x] keras_fit          the loss rose  (1.2 s)\n    from 1 to 2\n    hint: tfup undo\n" == printed(
        capsys
    )


def test_verdict_names_what_did_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """The last words of a failure: which checks, where the log is, and one command."""
    Report().verdict([Outcome("keras_fit", "crashed")], "/p", ("pipenv run python",), "/p/log.txt")

    assert printed(capsys).startswith(
        "\n1 of the checks did not pass: keras_fit\nlog: /p/log.txt\nnext: tfup undo"
    )


def test_verdict_ends_with_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    """The last words of a success."""
    Report().verdict([Outcome("keras_fit", "proved")], "/p", ("cd /p", "pipenv run python"), None)

    assert "\nTensorFlow and Keras work in /p\n  cd /p\n  pipenv run python\n" == printed(capsys)


def test_password_is_never_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a stage says passes through the mask."""
    Report().line("warning", "index", "https://me:secret@index.example/simple")
    Report(json=True).document(
        Plan(wish=Wish(requirements=("a @ https://me:secret@index.example/a.whl",)), choice=None)
    )

    assert "secret" not in printed(capsys)


def test_error_has_reference_sentence_needs_and_hint() -> None:
    """The one form of every failure."""
    error = NoBuildFits(
        "Nothing fits.", (Need("driver", "525.60.13", "375.74"), Need("cuda", "12")), "tfup plan --cpu"
    )

    assert [
        "error: no-build-fits",
        "Nothing fits.",
        "  driver     needs 525.60.13      found 375.74",
        "  cuda       needs 12      found none",
        "hint: tfup plan --cpu",
    ] == list(error_lines(error))


def test_machine_shows_facts_with_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """Each fact with where it was read; what is missing with the reason, unless that is dull."""
    machine = Machine(
        system=System(
            os="linux", name="Debian", version="12", arch="x86_64", libc="glibc", libc_version="2.36"
        ),
        cpu=Cpu(model="a CPU", cores=2),
        sources={"system.name": "/etc/os-release"},
        unknown={"driver": "no library", "long_paths": "only Windows asks"},
    )
    Report().machine(machine)

    assert (
        "[v] system             Debian 12, x86_64 glibc 2.36  [/etc/os-release]\n"
        "[v] cpu                a CPU, 2 cores\n"
        "[-] driver             unknown: no library\n"
    ) == printed(capsys)
