"""What runs from an environment on Windows is named and waited for; how it is found is tried under Wine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tfup.errors import InstallFailed
from tfup.managers.in_use import User, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHON = User(1234, "python.exe")


def test_it_goes_on_once_the_program_has_ended(tmp_path: Path) -> None:
    """Each program is named once, however long it takes."""
    answers = iter([[PYTHON], [PYTHON], []])
    said: list[str] = []

    wait(tmp_path, said.append, poll=0, users=lambda _folder: iter(next(answers)))

    assert 1 == len(said)
    assert "python.exe (process 1234) runs from" in said[0]


def test_a_program_that_does_not_end_is_an_error_with_the_command_that_ends_it(tmp_path: Path) -> None:
    """Nothing was moved until then."""

    def users(_folder: Path) -> Iterator[User]:
        yield PYTHON

    with pytest.raises(InstallFailed) as caught:
        wait(tmp_path, lambda _text: None, patience=0, poll=0, users=users)

    assert "taskkill /pid 1234" == caught.value.hint
    assert "python.exe (process 1234)" == caught.value.needs[0].found


def test_elsewhere_nobody_is_waited_for(tmp_path: Path) -> None:
    """On Linux and macOS a running program keeps the files that it has."""
    wait(tmp_path, pytest.fail)
