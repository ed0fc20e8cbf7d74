"""The nearest proved cell, for whoever cannot have the one asked for."""

from __future__ import annotations

from msgspec.structs import replace

from tests.pin.test_pin import CHOICE
from tfup import tables
from tfup.errors import PinGone
from tfup.pin.nearest_proof import advised, command_for, nearest_proved, told_of_yanked
from tfup.tables import ProofRow


def test_the_cell_itself_is_nearest_when_nothing_of_it_is_gone() -> None:
    """Without a loss the answer is what was asked for."""
    near = nearest_proved(CHOICE, set())

    assert near is not None
    assert ("1.15.5", "cp37") == (near.version, near.python_tag)
    assert "tfup install tensorflow==1.15.5 --python 3.7" == command_for(near)


def test_the_nearest_cell_does_without_what_is_gone() -> None:
    """Each pin of the lock taken away leads to a proved cell whose lock has it not."""
    lock = tables.lock("tensorflow", "1.15.5", "cp37", "linux_x86_64")
    assert lock is not None
    for pin in lock.pins:
        near = nearest_proved(CHOICE, {pin})
        other = near and tables.lock(near.project, near.version, near.python_tag, near.family)
        assert other is None or pin not in other.pins, pin


def test_another_release_on_the_same_python_is_nearer_than_the_same_release_on_another() -> None:
    """The build itself gone, the next release is offered on the Python that the person has."""
    near = nearest_proved(CHOICE, {"tensorflow==1.15.5"})

    assert near is not None
    assert "cp37" == near.python_tag
    assert "1.15.5" != near.version


def test_where_nothing_was_proved_nothing_is_offered() -> None:
    """No proof is made up for a system that none was made on."""
    assert nearest_proved(replace(CHOICE, platform="windows_amd64"), set()) is None


def test_a_proof_of_an_older_lock_is_no_proof() -> None:
    """Every proof that is offered names the lock that we ship."""
    offered = nearest_proved(CHOICE, set())
    known = {row.lock for row in tables.load("proofs/proofs.json", ProofRow)}

    assert offered is not None
    assert offered.lock in known


def test_yanked_pins_are_told_with_the_nearest_proved_build() -> None:
    """A note says what the index has withdrawn, and which proved build does without it."""
    told = told_of_yanked(("numpy==1.18.5",), CHOICE)

    assert "withdrawn (yanked) by the index, and installed as pinned: numpy==1.18.5; the nearest" in told
    assert "tfup install tensorflow==1.15." in told


def test_pins_that_are_gone_are_told_with_the_nearest_proved_build() -> None:
    """The error keeps its needs and its log, and its hint is the build that can be had."""
    error = advised(PinGone("The index lacks a pin.", log="log.txt", pins=("tensorflow==1.15.5",)), CHOICE)

    assert "the nearest proved build without it is tensorflow 1." in error.sentence
    assert error.hint == command_for(nearest_proved(CHOICE, {"tensorflow==1.15.5"}))  # type: ignore[arg-type]
    assert "log.txt" == error.log
