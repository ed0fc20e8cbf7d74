"""`./install.sh clean` removes the environment that runs it, and the next start makes it anew."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests import running

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Make a cache with a copy of the environment that runs the tests, as install.sh makes it."""
    cache = tmp_path / "tfup"
    shutil.copytree(sys.prefix, cache / "environment-1", symlinks=True)
    return cache


def test_clean_removes_the_environment_that_runs_it(private: Path, tmp_path: Path) -> None:
    """It deleted its own libraries first, and ended in a traceback."""
    variables = running.environment(tmp_path) | {"TFUP_CACHE_DIR": str(private)}
    python = private / "environment-1" / "bin" / "python"
    done = running.run([python, "-I", running.LAUNCHER, "clean"], tmp_path, variables)

    assert (0, "") == (done.code, done.err)
    assert str(private) in done.out
    assert not os.path.lexists(private)
