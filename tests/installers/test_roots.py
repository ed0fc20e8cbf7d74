"""From a clone to tfup, and to Hello, TensorFlow, on a machine without any Python: in its root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import roots
from tests.bare_machine import serve
from tfup import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.network,
    pytest.mark.real,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can live in another root"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder for a root, which is gigabytes that nobody wants afterwards."""
    may_mount = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)
    if may_mount.returncode != 0:
        pytest.skip(f"no mount table of one's own: {may_mount.stderr.decode().strip()}")
    yield tmp_path / "root"
    if (tmp_path / "root").exists():
        shutil.rmtree(tmp_path / "root")


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Path:
    """Give the folder for what is fetched once."""
    folder: Path = request.config.cache.mkdir("roots")
    return folder


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Give a folder to serve."""
    (tmp_path / "served").mkdir()
    return tmp_path / "served"


def test_busybox_and_a_c_library_are_enough_for_tfup(folder: Path, kept: Path, served: Path) -> None:
    """A root of busybox alone gets uv, a Python and tfup from one index, and tfup plans for that very root.

    TensorFlow itself cannot load there: its wheels take libstdc++ from the system, which this one lacks.
    """
    root = roots.Root(roots.busybox(folder, kept))
    roots.offer_wheels(served)
    with serve(served) as url:
        variables = {
            "TFUP_INDEX_URL": f"{url}/simple",
            "UV_PYTHON_DOWNLOADS_JSON_URL": roots.offer_python(served, url),
        }
        first = root.install("--version", **variables)
        planned = root.install("plan", "tensorflow==2.10.1", "--json")

    assert (f"tfup {__version__}\n", 0) == (first.stdout, first.returncode), first.stderr
    plan = json.loads(planned.stdout)
    assert ("2.10.1", "3.10") == (plan["choice"]["version"], plan["choice"]["python"][:4])


@pytest.mark.slow
def test_a_stick_is_enough_for_tfup(folder: Path, kept: Path) -> None:
    """Without any network, a folder with the wheels and a Python brings busybox's root to tfup."""
    root = roots.Root(roots.busybox(folder, kept), alone=True)
    stick = folder / "stick"
    roots.offer_wheels(folder / "from")
    (folder / "from/files").rename(stick)
    variables = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/stick",
        "UV_PYTHON_DOWNLOADS_JSON_URL": f"/stick/{Path(roots.offer_python(stick, 'file:///stick')).name}",
    }

    done = root.install("--version", **variables)

    assert (f"tfup {__version__}\n", 0) == (done.stdout, done.returncode), done.stderr


@pytest.mark.slow
def test_debian_without_python_says_hello(folder: Path, kept: Path, served: Path) -> None:
    """Debian's smallest system goes from a clone to a proved TensorFlow.

    It has no settings: uv comes from its release page, a Python and the packages from where uv looks itself.
    """
    # Without its devices: copying /dev/full or /dev/zero as files would never end
    source = roots.debian(kept)
    shutil.copytree(
        source,
        folder,
        symlinks=True,
        ignore=lambda place, names: names if place == str(source / "dev") else [],
    )
    root = roots.Root(folder)
    assert 0 != root.run("sh", "-c", "command -v python3 || command -v python || command -v unzip").returncode
    roots.offer_release(served, root)
    with serve(served) as url:
        variables = {"TFUP_UV_RELEASES": url, "UV_PYTHON_DOWNLOADS_JSON_URL": roots.offer_python(served, url)}
        done = root.install("tensorflow-cpu==2.10.1", "--project", "/project", "--json", **variables)

    assert 0 == done.returncode, done.stderr + done.stdout
    outcomes = {one["name"]: one for one in json.loads(done.stdout)["outcomes"]}
    assert "proved" == outcomes["hello_session"]["status"]
    assert "Hello, TensorFlow!" in outcomes["hello_session"]["detail"]
