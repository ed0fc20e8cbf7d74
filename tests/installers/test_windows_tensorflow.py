"""From a double click to a real TensorFlow on a Windows of Wine, everything from the person's own index."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from tests import wine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running import Run

pytestmark = [pytest.mark.wine, pytest.mark.network, pytest.mark.real]
BAT = r"C:\users\root\Downloads\tfup\Install TensorFlow.bat"
AUTHORITIES = r"Z:\etc\ssl\certs\ca-certificates.crt"


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[wine.Windows]:
    """Give a machine with a clone of tfup, and the C runtime that Windows has."""
    with wine.windows(request.config.cache.mkdir("wine"), tmp_path / "wine") as made:
        made.add_clone()
        made.add_c_runtime()
        yield made


def add_python_with_pip(machine: wine.Windows, minor: str) -> None:
    """Install a Python as most people have it: in the registry, with the pip that it brings."""
    interpreter = machine.add_python(minor)
    machine.register(minor, interpreter)
    library = machine.c / f"Python{minor.replace('.', '')}" / "Lib"
    with zipfile.ZipFile(next(library.glob("ensurepip/_bundled/pip-*.whl"))) as pip:
        pip.extractall(library / "site-packages")


def double_click(machine: wine.Windows, *words: str) -> Run:
    """Start the file of the clone."""
    line = rf'C:\windows\system32\cmd.exe /c ""{BAT}" "'
    return machine.run(BAT, *words, cwd="users/root/Downloads/tfup", PIP_CERT=AUTHORITIES, CMDCMDLINE=line)


def test_a_double_click_brings_the_newest_tensorflow(machine: wine.Windows) -> None:
    """uv.exe comes by the pip of Python 3.12; what TensorFlow needs of the C++ runtime comes with it."""
    add_python_with_pip(machine, "3.12")

    done = double_click(machine)

    assert 0 == done.code, done.out + done.err
    assert "Hello, TensorFlow!" in done.out
    assert not (machine.c / "windows" / "system32" / "vcruntime140_threads.dll").exists()


@pytest.mark.slow
def test_the_last_release_with_native_gpus_still_runs(machine: wine.Windows) -> None:
    """2.10.1 on Python 3.10: for Windows people with a GPU it is the last one."""
    add_python_with_pip(machine, "3.10")

    done = double_click(machine, "tensorflow==2.10.1", "--cpu", "--project", r"C:\old")

    assert 0 == done.code, done.out + done.err
    assert "Hello, TensorFlow!" in done.out
