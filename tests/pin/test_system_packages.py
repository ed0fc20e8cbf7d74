"""--system-package: a module of the system's Python is seen in the environment, or refused with why."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.managers.test_install import ask, outcomes_of
from tests.pythons import interpreters
from tests.running import tfup
from tfup.arguments import read_arguments
from tfup.check.runner import check
from tfup.errors import InstallFailed, NoBuildFits, UsageError
from tfup.machine import Recording
from tfup.machine.probe import Answers
from tfup.managers import activation
from tfup.model import Choice, Environment, Interpreter, Machine, Plan, SystemPackage, Wheel, Wish
from tfup.pin.system_packages import LIST_MODULES, find
from tfup.wish import from_arguments, remember

if TYPE_CHECKING:
    from collections.abc import Sequence

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
SUFFIX = f"cpython-{MINOR.replace('.', '')}-x86_64-linux-gnu.so"


def choice(tag: str = "cp311") -> Choice:
    """Return a choice of that Python."""
    wheel = Wheel(f"tensorflow-2.15.1-{tag}-{tag}-manylinux2014_x86_64.whl", "0" * 64)
    version = f"{tag[2]}.{tag[3:]}"
    return Choice("tensorflow", "2.15.1", version, tag, None, "obtain", wheel, "linux_x86_64")


def found(names: Sequence[str], answers: dict[str, tuple[list[str], list[str]]], tag: str = "cp311") -> Plan:
    """Return the plan of a machine with a Python 3.11 and a 3.9, which have these modules."""
    pythons = (Interpreter("/usr/bin/python3.9", "3.9.2"), Interpreter("/usr/bin/python3.11", "3.11.2"))
    said = {f"{python} -c {LIST_MODULES} cv2": json.dumps(answer) for python, answer in answers.items()}
    plan = Plan(Wish(system_packages=tuple(names)), choice(tag))
    return find(plan, Machine(pythons=pythons), Recording(Answers(run=said)))


def test_module_of_the_same_python_is_found() -> None:
    """Not that of another one, which is asked later."""
    own, other = "/usr/lib/python3/dist-packages/cv2.cpython-311-x86_64-linux-gnu.so", "/opt/cv2.so"
    plan = found(["cv2"], {"/usr/bin/python3.11": ([own], []), "/usr/bin/python3.9": ([other], [])})

    assert (SystemPackage("cv2", own, "/usr/bin/python3.11"),) == plan.system_packages


@pytest.mark.parametrize(
    ("file", "fits"),
    [
        ("cv2.cpython-311-x86_64-linux-gnu.so", True),
        ("cv2.abi3.so", True),
        ("cv2.so", True),
        ("cv2.cpython-39-x86_64-linux-gnu.so", False),
        ("cv2.cpython-36m-x86_64-linux-gnu.so", False),
    ],
)
def test_compiled_module_of_another_abi_is_refused(file: str, fits: bool) -> None:  # noqa: FBT001 (a case)
    """Debian's dist-packages are one folder for every Python 3; the name of a file tells for which it is."""
    path = f"/usr/lib/python3/dist-packages/{file}"
    if fits:
        assert path == found(["cv2"], {"/usr/bin/python3.11": ([path], [])}).system_packages[0].path
        return
    with pytest.raises(NoBuildFits) as caught:
        found(["cv2"], {"/usr/bin/python3.11": ([path], [])})
    assert file in str(caught.value.needs[0].found)
    assert "not cp311" in str(caught.value.needs[0].found)


def test_module_of_another_python_is_refused_with_the_one_that_it_fits() -> None:
    """The hint is the command that works."""
    with pytest.raises(NoBuildFits) as caught:
        found(["cv2"], {"/usr/bin/python3.9": (["/opt/cv2"], [])})

    assert "tfup install --system-package cv2 --python 3.9" == caught.value.hint
    assert "/opt/cv2 (of Python 3.9.2)" == caught.value.needs[0].found


def test_parts_of_a_package_count_too() -> None:
    """A folder has its compiled parts inside."""
    part = "/opt/cv2/python-3.9/cv2.cpython-39-x86_64-linux-gnu.so"
    with pytest.raises(NoBuildFits):
        found(["cv2"], {"/usr/bin/python3.11": (["/opt/cv2"], [part])})


def test_module_that_is_nowhere_is_refused_with_the_package_that_has_it() -> None:
    """The index has most of them."""
    with pytest.raises(NoBuildFits) as caught:
        found(["cv2"], {})

    assert "opencv-python" in str(caught.value.hint)
    assert caught.value.needs[0].found is None


def test_what_is_no_module_is_a_usage_error() -> None:
    """A path or a file is none."""
    with pytest.raises(UsageError):
        found(["/usr/lib/cv2.so"], {})


def test_another_machine_is_not_looked_at() -> None:
    """A plan from its file says so."""
    plan = find(Plan(Wish(system_packages=("cv2",)), choice()), Machine(), None)

    assert ["system-package-unseen"] == [one.id for one in plan.warnings]


def test_wish_is_remembered_until_it_is_forgotten() -> None:
    """By the next install of the project; `none` ends it."""
    before = Wish(system_packages=("cv2",))
    gdal, none = (from_arguments(read_arguments(["--system-package", name])) for name in ("gdal", "none"))

    assert ("cv2",) == remember(Wish(), before).system_packages
    assert ("gdal", "cv2") == remember(gdal, before).system_packages
    forgotten = remember(none, before)
    assert () == find(Plan(forgotten, choice()), Machine(), Recording(Answers())).system_packages


@pytest.mark.parametrize("version", interpreters())
def test_every_python_lists_where_a_module_lies(version: str, tmp_path: Path) -> None:
    """2.7 to the newest: what is imported by name, and nothing that only begins so."""
    python = interpreters()[version]
    for name in ("cv2", "cv2extra"):
        (tmp_path / name).mkdir()
    (tmp_path / "cv2" / "cv2.abi3.so").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{LIST_MODULES}"
    said = subprocess.run([python, "-c", code, "cv2"], capture_output=True, check=True, text=True)

    assert [[str(tmp_path / "cv2")], [str(tmp_path / "cv2" / "cv2.abi3.so")]] == json.loads(said.stdout)


def environment_with(folder: Path, path: Path) -> Environment:
    """Return an environment that sees a module of the system."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    plan = Plan(Wish(), choice(), system_packages=(SystemPackage("cv2", str(path), sys.executable),))
    activation.furnish(folder, plan)
    return Environment(str(folder), str(folder / "bin" / "python"), "venv")


def test_module_is_imported_in_the_environment(tmp_path: Path) -> None:
    """By a link to the very file, which the check follows; a module that breaks fails the check."""
    system = tmp_path / "system" / "cv2"
    system.mkdir(parents=True)
    (system / "__init__.py").write_text("__version__ = '4.6'", encoding="utf-8")
    environment = environment_with(tmp_path / "env", system)
    log = tmp_path / "log.txt"

    (outcome,) = check(environment, ["system_packages"], timeout=60, log=log)
    assert ("proved", f"cv2 4.6 from {system / '__init__.py'}") == (outcome.status, outcome.detail)

    (system / "__init__.py").write_text("import numpy_of_another_age", encoding="utf-8")
    (outcome,) = check(environment, ["system_packages"], timeout=60, log=log)
    assert "failed" == outcome.status
    assert "numpy_of_another_age" in outcome.detail


def test_module_that_a_package_brings_too_is_refused(tmp_path: Path) -> None:
    """opencv-python has a cv2 of its own."""
    site = tmp_path / "lib" / f"python{MINOR}" / "site-packages"
    (site / "cv2").mkdir(parents=True)
    plan = Plan(Wish(), choice(), system_packages=(SystemPackage("cv2", "/opt/cv2.so", "python3"),))

    with pytest.raises(InstallFailed) as caught:
        activation.furnish(tmp_path, plan)
    assert "cv2" == caught.value.needs[0].found


@pytest.mark.real
@pytest.mark.network
def test_module_of_the_system_lives_a_whole_life(tmp_path: Path) -> None:
    """Installed, imported, remembered by the next install, taken away by undo; the system stays as it is."""
    name, python = compiled_module()
    wish = ("--backend", "openvino", "--python", python)
    assert 0 == tfup("install", *wish, "--json", cwd=tmp_path).code
    shown = tfup("install", *wish, "--system-package", name, "--json", cwd=tmp_path)

    assert 0 == shown.code, shown.out
    assert "proved" == outcomes_of(shown.document)["system_packages"]
    assert name == shown.document["plan"]["system_packages"][0]["name"]
    again = tfup("install", "--json", cwd=tmp_path).document
    assert not again["environment"]["made"]
    assert "proved" == outcomes_of(again)["system_packages"]
    assert 0 == tfup("undo", cwd=tmp_path).code
    code = f"import importlib.util as u; print(u.find_spec({name!r}) is not None)"
    assert "False" == ask(shown.document["environment"]["python"], code, tmp_path)
    assert Path(shown.document["plan"]["system_packages"][0]["path"]).exists()


def compiled_module() -> tuple[str, str]:
    """Return a compiled module of the system's own Python, and that Python; skips where there is none."""
    system = shutil.which("python3", path="/usr/bin")
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    minor = ask(system, code, Path("/")) if system else ""
    for path in sorted(
        Path("/usr/lib/python3/dist-packages").glob(f"*.cpython-{minor.replace('.', '')}-*.so")
    ):
        if minor in {"3.11", "3.12", "3.13"}:
            return path.name.split(".")[0], minor
    pytest.skip("the system's Python has no compiled module of its own, or is not 3.11 to 3.13")
