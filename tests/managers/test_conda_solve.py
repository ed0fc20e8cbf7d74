"""What a solver makes of our environment.yml, from recorded channels, on each system, with a driver and none.

rattler solves as conda and its kin do: by the same rules, and with the same virtual packages.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from msgspec.structs import replace

from tests import conda_recorded
from tests.conda_recorded import LINUX, VIRTUAL
from tests.formats_plans import pin, plan
from tfup import tables
from tfup.formats import environment_yml
from tfup.match.conda_channels import cuda_libraries, has_python, untried_cuda
from tfup.match.platforms import minor_of
from tfup.tables import CondaCudaRow
from tools.make_root_files import read

if TYPE_CHECKING:
    from pathlib import Path

rattler = pytest.importorskip("rattler", reason="py-rattler, which solves as conda does, is not here")
errors = pytest.importorskip("rattler.exceptions")

PRIORITIES = ("Strict", "Disabled")
DRIVERS = {"no driver": "", "a driver": "12.2"}
SEEN = [row for row in tables.load("gpu/conda_cuda.json", CondaCudaRow) if "linux_x86_64" in row.families]
BUILDS = (
    ("1.0.1", "2.7", "8.0=3", "5.1.10=cuda8.0_0"),
    ("1.2.1", "3.6", "8.0=3", "5.1.10=cuda8.0_0"),
    ("1.4.1", "3.6", "8.0=3", "6.0.21=cuda8.0_0"),
    ("1.5.0", "3.6", "9.0=h13b8566_0", "7.6.5=cuda9.0_0"),
    ("1.12.3", "3.6", "9.0=h13b8566_0", "7.6.5=cuda9.0_0"),
    ("1.15.5", "3.7", "10.0.130=0", "7.6.5=cuda10.0_0"),
    ("2.0.4", "3.7", "10.0.130=0", "7.6.5=cuda10.0_0"),
    ("2.3.4", "3.8", "10.1.243=h6bb024c_0", "7.6.5=cuda10.1_0"),
    ("2.4.4", "3.8", "11.0.3=h88f8997_11", "8.0.5.39=hc0a50b0_1"),
    ("2.5.3", "3.9", "11.2.2=hbe64b41_11", "8.1.0.77=h90431f1_0"),
    ("2.11.1", "3.10", "11.2.2=hbe64b41_11", "8.1.0.77=h90431f1_0"),
    ("2.13.1", "3.11", "11.8.0=h4ba93d1_13", "8.8.0.121=h0800d71_0"),
)
"""TensorFlow, Python, and the cudatoolkit and cuDNN that go with them."""


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the recorded channels."""
    folder = tmp_path_factory.mktemp("channels")
    conda_recorded.write(folder)
    return folder


def solve(channels: Path, text: str, subdir: str, priority: str = "Strict") -> dict[str, str]:
    """Return what a solver takes for the conda part of a file, as VERSION=BUILD by name."""
    content = yaml.safe_load(environment_yml.conda_part(text))
    records = asyncio.run(
        rattler.solve(
            [rattler.Channel(f"file://{channels}/{name}") for name in content["channels"]],
            content["dependencies"],
            gateway=rattler.Gateway(cache_dir=channels / "cache"),
            platforms=[subdir, "noarch"],
            virtual_packages=[*virtual(subdir), *driver()],
            channel_priority=getattr(rattler.ChannelPriority, priority),
        )
    )
    return {record.name.normalized: f"{record.version}={record.build}" for record in records}


def virtual(subdir: str) -> list[Any]:
    """Return what a system has without a driver."""
    return [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString("0")
        )
        for name, version in VIRTUAL[subdir].items()
    ]


def driver() -> list[Any]:
    """Return the driver as conda sees it: what CONDA_OVERRIDE_CUDA says, none where that is empty."""
    found = rattler.VirtualPackage.detect(rattler.VirtualPackageOverrides.from_env())
    return [one for one in (each.into_generic() for each in found) if one.name.normalized == "__cuda"]


def for_gpu(version: str, python: str) -> str:
    """Return the file of a GPU build whose CUDA libraries conda brings."""
    made = plan(pin("tensorflow-gpu", version), python=python)
    assert made.choice
    choice = replace(made.choice, cuda_from="conda")
    return environment_yml.text(replace(made, manager="conda", choice=choice))


@pytest.mark.parametrize("priority", PRIORITIES)
@pytest.mark.parametrize("cuda", DRIVERS)
@pytest.mark.parametrize("subdir", VIRTUAL)
def test_the_committed_file_gives_a_python_on_each_system(
    channels: Path, monkeypatch: pytest.MonkeyPatch, subdir: str, cuda: str, priority: str
) -> None:
    """The Python of the pins, the one with the global lock, and a pip; a driver makes no difference."""
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", DRIVERS[cuda])

    found = solve(channels, read("environment.yml"), subdir, priority)

    assert (True, True) == (found["python"].startswith("3.13.5="), found["python"].endswith("_cp313"))
    assert "25.1.1=pyh145f28c_0" == found["pip"]
    assert {"cudatoolkit", "cudnn", "__cuda"}.isdisjoint(found)


@pytest.mark.parametrize("priority", PRIORITIES)
@pytest.mark.parametrize("row", BUILDS, ids=lambda row: row[0])
def test_conda_brings_the_right_pair_for_each_gpu_build(
    channels: Path, monkeypatch: pytest.MonkeyPatch, row: tuple[str, ...], priority: str
) -> None:
    """CUDA of the very minor, a cuDNN made for it, and the Python: whatever other channels have."""
    version, python, toolkit, cudnn = row
    for cuda in DRIVERS.values():
        monkeypatch.setenv("CONDA_OVERRIDE_CUDA", cuda)

        found = solve(channels, for_gpu(version, python), LINUX, priority)

        assert (toolkit, cudnn) == (found["cudatoolkit"], found["cudnn"])
        assert found["python"].startswith(f"{python}.")


@pytest.mark.parametrize("row", SEEN, ids=lambda row: row.tensorflow)
def test_every_row_is_met_by_a_build_of_the_test_above(row: CondaCudaRow) -> None:
    """No row of the table goes without a solution."""
    assert any(cuda_libraries(version, "linux_x86_64") == row for version, *_ in BUILDS)


def test_a_driver_that_is_too_old_is_a_conflict(channels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toolkit names the oldest driver; CONDA_OVERRIDE_CUDA states another than the one that is here."""
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "11.0")
    assert "11.2.2=hbe64b41_11" == solve(channels, for_gpu("2.10.1", "3.10"), LINUX)["cudatoolkit"]

    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "10.2")
    with pytest.raises(errors.SolverError, match="__cuda"):
        solve(channels, for_gpu("2.10.1", "3.10"), LINUX)


def test_a_release_that_conda_has_no_libraries_for_gets_none() -> None:
    """CUDA 12 comes from pip; the file then asks conda for Python alone."""
    assert cuda_libraries("2.21.0", "linux_x86_64") is None
    assert "cudatoolkit" not in for_gpu("2.21.0", "3.13")


@pytest.mark.parametrize(
    ("family", "word"),
    [("linux_x86_64", "were seen there"), ("windows_amd64", "as they are for another system")],
)
def test_what_was_not_tried_is_said_so(family: str, word: str) -> None:
    """Who gets CUDA from conda is told how sure it is; who gets none from there is told nothing."""
    choice = plan(pin("tensorflow", "2.3.4")).choice
    assert choice

    told = untried_cuda(replace(choice, cuda_from="conda", platform=family))

    assert ["conda-cuda-untried"] == [notice.id for notice in told]
    assert word in told[0].text
    assert () == untried_cuda(choice)


def test_an_exact_python_is_asked_of_conda_and_of_nobody_else() -> None:
    """Who wishes for 3.10.13 gets it from conda; for the other managers the file names the minor."""
    assert "python=3.10.13\n" in for_gpu("2.10.1", "3.10.13")
    assert "python=3.10\n" in environment_yml.text(plan(pin("tensorflow", "2.10.1"), python="3.10.13"))


def test_the_pythons_that_conda_lacks_are_known() -> None:
    """Of all for which there are builds for Linux, conda cannot bring 3.3 and 3.4."""
    family = "linux_x86_64"
    rows = [row for row in tables.releases("tensorflow") if row.family == family]
    minors = {minor_of(wheel[0]) for row in rows for wheel in row.wheels}

    assert {"3.3", "3.4"} == {minor for minor in minors if not has_python(minor, family)}
