"""Pipfile, Pipfile.lock and environment.yml of the repository: what they promise, and that they are made."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tfup.formats.text import requirement
from tools import make_root_files
from tools.make_root_files import PLACES, Place, committed_pins, compare, find, main, read

LOCK = json.loads(read("Pipfile.lock"))
FILES = ("Pipfile", "Pipfile.lock", "environment.yml")


def test_the_files_are_what_the_tool_makes_of_their_pins() -> None:
    """Nobody edits them by hand, and a new format reaches them."""
    assert main(["--check"]) == 0


def test_a_changed_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The comparison can fail, and says where."""
    assert compare({"Pipfile": read("Pipfile"), "environment.yml": "edited"}) == 1
    assert capsys.readouterr().out.startswith("environment.yml is not what")


@pytest.mark.parametrize("name", FILES)
def test_no_index_is_written_down(name: str) -> None:
    """The person's settings decide where packages come from."""
    assert "://" not in read(name)


def test_the_pipfile_binds_to_no_index_and_no_python() -> None:
    """One Pipfile serves four Pythons and any mirror."""
    assert not re.search(r"^\[+(source|requires)", read("Pipfile"), re.MULTILINE)
    assert LOCK["_meta"]["sources"] == []
    assert LOCK["_meta"]["requires"] == {}


def test_no_marker_can_leave_tensorflow_out() -> None:
    """Where the set does not serve, installing fails loudly; only Windows' C++ runtime is conditional."""
    marked = {name: entry["markers"] for name, entry in LOCK["default"].items() if "markers" in entry}

    assert marked == {"msvc-runtime": "sys_platform == 'win32'"}


def test_conda_gets_the_same_pins() -> None:
    """The list for pip in environment.yml is the lock."""
    lines = yaml.safe_load(read("environment.yml"))["dependencies"][-1]["pip"]
    expected = {name: set(entry["hashes"]) for name, entry in LOCK["default"].items()}

    assert expected == {line.partition("==")[0]: set(re.findall(r"--hash=(\S+)", line)) for line in lines}


def test_hello_is_a_check_of_ours() -> None:
    """`pipenv run hello` starts a script that is in the repository."""
    script = re.search('hello = "python (.+)"', read("Pipfile"))

    assert script
    assert (Path(make_root_files.ROOT) / script[1]).is_file()


@pytest.mark.network
@pytest.mark.parametrize("place", PLACES, ids="-".join)
def test_every_pin_has_a_wheel_everywhere(place: Place) -> None:
    """On each system with each Python, uv would install exactly these versions, by hashes of the lock."""
    found = find(place, map(requirement, committed_pins()), ())

    conditional = set() if place.is_windows else {"msvc-runtime"}
    assert found.keys() == LOCK["default"].keys() - conditional
    for name, package in found.items():
        assert f"=={package['version']}" == LOCK["default"][name]["version"]
        hashes = {f"sha256:{wheel['hashes']['sha256']}" for wheel in package["wheels"]}
        assert hashes
        assert hashes <= set(LOCK["default"][name]["hashes"])
