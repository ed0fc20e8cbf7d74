"""The day after the next releases of TensorFlow: tests hold facts of releases, not which is the newest."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.next_release import copy_with_next_releases
from tests.running import environment, run

GENERATED = {
    "tests/tools/test_readme.py": "README.md and the heat map show the newest release",
    "tests/match/test_gpu.py::test_page_is_that_of_the_tables": "docs/gpu.md has a row for each release",
}
"""Tests of pages that a tool makes of the tables: after a release they say so, and the tool is run."""
OF_NO_RELEASE = {
    "installers/": "how tfup itself is started, and clones whose tables have releases of their own",
    "machine/": "what is read of a machine, before any release is thought of",
    "managers/": "programs and their failures",
    "report/test_consoles": "how what is said is printed",
    "match/test_keras_backends": "releases of Keras for other back ends",
    "match/test_gpu_matrix": "measures processor time; the matrix names no release",
    "test_faults": "clones whose tables have releases of their own",
    "test_next_release": "this one",
}
"""Tests that take their time and are about something else, by the beginning of their paths."""
FEWEST = 2500


def test_more_releases_break_no_test_of_a_fact(tmp_path: Path) -> None:
    """With the newest one as the next patch and minor, too, nothing fails but what a tool makes again."""
    copy_with_next_releases(tmp_path)
    leave_out = [word for name in GENERATED for word in ("--deselect", name)]
    words = ["-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", *leave_out]
    done = run([sys.executable, *words, *files_of_tests(tmp_path)], tmp_path, environment(Path.home()))

    assert 0 == done.code, done.out[-6000:] + done.err[-2000:]
    assert FEWEST < int((re.search(r"(\d+) passed", done.out) or ["", "0"])[1])


def files_of_tests(folder: Path) -> list[str]:
    """Return the files of tests that may speak of a release, and the package for its examples."""
    names = sorted(str(path.relative_to(folder / "tests")) for path in (folder / "tests").rglob("test_*.py"))
    return ["tfup", *(f"tests/{name}" for name in names if not name.startswith(tuple(OF_NO_RELEASE)))]
