"""The packages that bring CUDA by pip: the right ones for each release, complete, and pinned with hashes."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from msgspec.structs import replace
from packaging.version import Version

from tests.pin.test_pin import Answers, package
from tfup import tables
from tfup.managers.uv import Resolved
from tfup.match.gpu import pip_packages
from tfup.match.gpu.pip_packages import FAMILY, packages_for
from tfup.match.gpu.tables import cuda_rows
from tfup.match.search import choose
from tfup.model import Choice, Machine, Match, Plan, Proof, Wheel, Wish
from tfup.pin.planning import pin

RELEASES = sorted(
    {version for version, family in cuda_rows() if family == FAMILY and Version(version) >= Version("2.5")},
    key=Version,
)


def choice_of(version: str, python_tag: str) -> Choice:
    """Return the choice of a release on a Python with CUDA from pip."""
    row = next(row for row in tables.releases("tensorflow") if (row.version, row.family) == (version, FAMILY))
    build = next(build for build in tables.builds(row) if build.python_tag == python_tag)
    return replace(choose(build, Machine(), Wish(gpu=False)), accelerator="cuda", cuda_from="pip")


def plan_of(choice: Choice, resolve: Answers | None = None) -> Plan:
    """Return the plan for a choice."""
    return pin(Match(choice), Wish(), resolve or Answers([]), lambda *_, **__: "digest of checks")  # type: ignore[arg-type]


def versions_of(version: str) -> dict[str, str]:
    """Return the packages of a release, with their versions."""
    return {row.package: row.version for row in packages_for(version)}


@pytest.mark.parametrize("version", RELEASES)
def test_each_release_gets_every_library_that_it_asks_for(version: str) -> None:
    """The file names in the wheels are the names that the release asks the loader for, to the digit."""
    row = cuda_rows()[version, FAMILY]
    here = {PurePosixPath(path).name for one in packages_for(version) for path in one.libraries}

    assert set() == {*row.sonames} - here - {"libcuda.so.1"}
    assert row.pip in {one.package.rpartition("-")[2] for one in packages_for(version)}


@pytest.mark.parametrize("version", RELEASES)
def test_no_release_gets_a_package_twice_or_tensorrt(version: str) -> None:
    """The ranges of the table do not overlap; what 2.14 and 2.15 want of TensorRT is gone from the index."""
    names = [row.package for row in packages_for(version)]

    assert sorted({*names}) == sorted(names)
    assert [] == [name for name in names if "tensorrt" in name]
    assert {True} == {bool(row.files) for row in packages_for(version)}


def test_the_versions_are_those_that_the_release_was_built_with() -> None:
    """2.21 asks for CUDA 12.5 or newer; cuDNN 9.11 would leave out the GPUs before compute capability 7.5."""
    newest = versions_of("2.21.0")

    assert "12.5.82" == newest["nvidia-cuda-runtime-cu12"]
    assert Version("9.3") <= Version(newest["nvidia-cudnn-cu12"]) < Version("9.11")
    assert "8.9.7.29" == versions_of("2.16.1")["nvidia-cudnn-cu12"]
    assert "8.7.0.84" == versions_of("2.14.1")["nvidia-cudnn-cu11"]


def test_libraries_of_cuda_10_and_older_are_not_on_the_index() -> None:
    """2.4 asks for CUDA 11.0, whose libcusolver has another name than that of the last 11."""
    assert {} == versions_of("2.4.4") == versions_of("1.15.5")


def test_a_plan_pins_them_with_hashes_reasons_and_bytes() -> None:
    """2.14 on Python 3.11, whose own extra cannot be installed there, gets them as pins of their own."""
    choice = choice_of("2.14.1", "cp311")
    plan, plain = plan_of(choice), plan_of(replace(choice, accelerator="cpu", cuda_from=None))
    added = [one for one in plan.pins if one.name.startswith("nvidia-")]

    assert versions_of("2.14.1") == {one.name: one.version for one in added}
    assert {True} == {bool(one.hashes and one.why) for one in added}
    assert plain.pins == tuple(one for one in plan.pins if one not in added)
    sizes = [max(size for _, _, size in row.files) for row in packages_for("2.14.1")]
    assert plan.download_bytes == (plain.download_bytes or 0) + sum(sizes)


@pytest.mark.parametrize(
    ("version", "python_tag", "avoided"),
    [
        ("2.21.0", "cp313", {"pip-cusolver-not-found", "and-cuda-cudnn-too-new"}),
        ("2.16.1", "cp312", {"pip-libraries-not-found"}),
        ("2.14.1", "cp311", {"and-cuda-tensorrt-python"}),
        ("2.14.1", "cp310", set()),
        ("2.10.1", "cp310", set()),
    ],
)
def test_the_defects_that_are_avoided_are_told(version: str, python_tag: str, avoided: set[str]) -> None:
    """What would fail with TensorFlow's own extra is in the plan, each with what is done instead."""
    assert avoided == {one.id for one in pip_packages.workarounds(choice_of(version, python_tag))}
    assert () == pip_packages.workarounds(replace(choice_of(version, python_tag), cuda_from="system"))


def test_packages_beside_the_build_are_resolved_together_with_them() -> None:
    """What uv resolves for a wish holds the same packages, asked for by name and version."""
    choice = choice_of("2.21.0", "cp313")
    asked = [
        Resolved(row.package, row.version, tuple(Wheel(*file) for file in row.files))
        for row in packages_for("2.21.0")
    ]
    resolve = Answers([package("pillow", "12.0", "py3-none-any"), *asked])
    plan = pin(Match(choice), Wish(requirements=("pillow",)), resolve, lambda *_, **__: "")  # type: ignore[arg-type]

    assert {f"{one.name}=={one.version}" for one in asked} <= {*resolve.asked[0][0]}
    assert "as the release was built with" in next(one.why for one in plan.pins if "cudnn" in one.name)


@pytest.mark.parametrize(
    "other",
    [{"accelerator": "cpu"}, {"cuda_from": "system"}, {"cuda_from": "conda"}, {"platform": "linux_aarch64"}],
)
def test_no_other_plan_gets_them(other: dict[str, str]) -> None:
    """The processor, CUDA of the system or of conda, and systems without GPU builds take no such package."""
    choice = choice_of("2.21.0", "cp313")

    assert () == pip_packages.companions(replace(choice, **other))


def test_what_was_run_without_the_card_is_said_of_the_whole() -> None:
    """A plan for a card is resolved, and its part for the processor is one that was run."""
    row = next(filter(is_proved_still, tables.load("proofs/proofs.json", tables.ProofRow)))
    digests = {"cpu": row.checks, "cuda": "never run"}
    choice = choice_of(row.version, row.python_tag)
    plan = pin(Match(choice), Wish(), Answers([]), lambda of, **_: digests[of])  # type: ignore[arg-type]

    assert Proof("resolved", row.on, ("cpu",)) == plan.proof
    assert "All of this set but the GPU's part was run before" in plan.warnings[-1].text


def is_proved_still(row: tables.ProofRow) -> bool:
    """Tell whether a proof is of a lock as it is, for a release with packages of CUDA."""
    lock = tables.lock(row.project, row.version, row.python_tag, row.family)
    cell = (row.project, row.family, row.accelerator)
    return (
        cell == ("tensorflow", FAMILY, "cpu")
        and bool(packages_for(row.version))
        and lock is not None
        and lock.digest == row.lock
    )
