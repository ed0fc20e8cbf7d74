"""Doctor names exactly what is wrong: each test breaks an environment, and healthy ones give no finding."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace
from packaging.version import Version

from tests.patients import (
    ERAS,
    MACHINE,
    MIDDLE,
    NEW,
    OLD,
    Case,
    Era,
    Package,
    linux,
    make_case,
    python_of,
    unpack,
)
from tfup import tables
from tfup.doctor import doctor
from tfup.doctor.findings import SUBJECTS, Subject
from tfup.doctor.findings.variables import old_library as old_library_of
from tfup.model import Cpu, Driver, Gpu, Machine, System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tfup.doctor.finding import Trouble
    from tfup.doctor.inspected import Patient

TF_2_6 = Era(
    "3.9",
    (
        Package(
            "tensorflow", "2.6.0", ("numpy~=1.19.2", "typing-extensions~=3.7.4", "keras~=2.6"), linux("3.9")
        ),
        Package("keras", "2.6.0"),
        Package("numpy", "1.19.5", tag=linux("3.9")),
        Package("typing-extensions", "3.7.4.3"),
    ),
)
TF_2_13 = Era(
    "3.11",
    (
        Package("tensorflow", "2.13.1", ("numpy<=1.24.3", "typing-extensions<4.6.0,>=3.6.6"), linux("3.11")),
        Package("keras", "2.13.1"),
        Package("numpy", "1.24.3", tag=linux("3.11")),
        Package("typing-extensions", "4.5.0"),
    ),
)
TF_2_5 = Era(
    "3.9",
    (
        Package("tensorflow", "2.5.0", ("keras-nightly~=2.5.0.dev",), linux("3.9")),
        Package("keras-nightly", "2.5.0.dev2021032900"),
    ),
)
ARM = "cp310-cp310-manylinux_2_17_aarch64"
MULTI = OLD.but(Package("keras", "2.3.1"))
TF_1_12 = Era("3.7", (Package("tensorflow", "1.12.0"), Package("keras", "2.2.5")))
TF_2_4 = Era("3.8", (Package("tensorflow", "2.4.0", tag=linux("3.8")), Package("keras", "2.4.3")))
THEANO = Era("3.7", (Package("keras", "2.3.1"), Package("theano", "1.0.5")))
KERAS_1 = Era("3.7", (Package("tensorflow", "1.15.5", (), linux("3.7", "m")), Package("keras", "1.2.2")))
KERAS_3 = Era("3.13", (Package("keras", "3.15.1"), Package("jax", "0.8.0")))


class Ailment(NamedTuple):
    """What is done to an environment, and what doctor must call it."""

    id: str
    era: Era
    do: Callable[[Case], Machine | None] | None = None


# ---------------------------------------------------------------- how to break an environment


def variables(**names: str) -> Callable[[Case], None]:
    """Set variables."""
    return lambda case: case.variables.update(names)


def file(name: str, text: str = "") -> Callable[[Case], None]:
    """Put a file into the project."""

    def put(case: Case) -> None:
        path = case.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return put


def lost(pattern: str) -> Callable[[Case], None]:
    """Lose a file or a folder of site-packages."""

    def lose(case: Case) -> None:
        (path,) = case.place.glob(pattern)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return lose


def left(name: str) -> Callable[[Case], None]:
    """Leave a folder behind in site-packages."""
    return lambda case: (case.place / name).mkdir()


def keras_json(content: bytes | str) -> Callable[[Case], None]:
    """Write keras.json."""

    def write(case: Case) -> None:
        case.keras_json.parent.mkdir(exist_ok=True)
        raw = content.encode() if isinstance(content, str) else content
        case.keras_json.write_bytes(raw)

    return write


def on(machine: Machine) -> Callable[[Case], Machine]:
    """Be on another machine."""
    return lambda _: machine


def system(**facts: object) -> Machine:
    """Return the machine with another system."""
    return replace(MACHINE, system=replace(MACHINE.system, **facts))


def elsewhere(case: Case) -> None:
    """Put a NumPy of another version on PYTHONPATH."""
    unpack(Package("numpy", "1.0"), case.home / "elsewhere")
    case.variables["PYTHONPATH"] = str(case.home / "elsewhere")


def user_site(case: Case) -> None:
    """Install another NumPy for the user, in an environment that looks there."""
    settings = case.folder / ".venv" / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace("= false", "= true"))
    unpack(Package("numpy", "1.0"), case.home / ".local" / "lib" / "python3.10" / "site-packages")


def conda_and_pip(name: str, version: str) -> Callable[[Case], None]:
    """Let conda and pip both install a package."""

    def install(case: Case) -> None:
        (case.folder / ".venv" / "conda-meta").mkdir()
        (case.folder / ".venv" / "conda-meta" / f"{name}-{version}-py310_0.json").write_text("{}")
        (case.place / f"{name}-{version}.dist-info" / "INSTALLER").write_text("pip\n")

    return install


def no_python(case: Case) -> None:
    """Remove the Python that the environment was made from."""
    python = case.folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")


def old_library(case: Case) -> None:
    """Put an old libstdc++ on the loader's path."""
    (case.home / "gcc").mkdir()
    (case.home / "gcc" / "libstdc++.so.6").write_bytes(b"\0GLIBCXX_3.4.19\0")
    (case.place / "tensorflow" / "libtensorflow_framework.so.2").write_bytes(b"\0GLIBCXX_3.4.21\0")
    case.variables["LD_LIBRARY_PATH"] = str(case.home / "gcc")


def old_conda_library(case: Case) -> None:
    """Give a conda environment an old libstdc++; TensorFlow 2.10 was linked with that of GCC 4.8."""
    library = case.folder / ".venv" / "lib" / "libstdc++.so.6"
    library.write_bytes(b"\0GLIBCXX_3.4.18\0")
    (case.folder / ".venv" / "conda-meta").mkdir()


def stubs(case: Case) -> None:
    """Put CUDA's stubs on the loader's path."""
    (case.home / "cuda" / "stubs").mkdir(parents=True)
    (case.home / "cuda" / "stubs" / "libcuda.so").touch()
    case.variables["LD_LIBRARY_PATH"] = str(case.home / "cuda" / "stubs")


def conda_variable(case: Case) -> None:
    """Let conda set KERAS_BACKEND against keras.json."""
    script = case.folder / ".venv" / "etc" / "conda" / "activate.d" / "keras_activate.sh"
    script.parent.mkdir(parents=True)
    script.write_text("export KERAS_BACKEND=theano\n")
    unpack(Package("theano", "1.0.5"), case.place)
    keras_json('{"backend": "tensorflow"}')(case)
    case.variables["KERAS_BACKEND"] = "theano"


def kernel(name: str, python: str, root: str = "home/.local") -> Callable[[Case], None]:
    """Give Jupyter a kernel."""

    def write(case: Case) -> None:
        path = case.home.parent / root / "share" / "jupyter" / "kernels" / name / "kernel.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"argv": [python, "-m", "ipykernel_launcher"], "display_name": name}))
        unpack(Package("ipykernel", "7.0.0"), case.place)

    return write


def folder_for_file(case: Case) -> None:
    """Make a folder in the place of keras.json."""
    case.keras_json.mkdir(parents=True)


def keras_home(case: Case) -> None:
    """Let KERAS_HOME lead to a broken keras.json."""
    (case.home / "mine").mkdir()
    (case.home / "mine" / "keras.json").write_text("{")
    case.variables["KERAS_HOME"] = str(case.home / "mine")


def keras_home_file(case: Case) -> None:
    """Let KERAS_HOME name the file itself."""
    keras_json("{}")(case)
    case.variables["KERAS_HOME"] = str(case.keras_json)


def old_keras_home(case: Case) -> None:
    """Set KERAS_HOME for a Keras that does not look at it."""
    keras_home(case)


WINDOWS = system(os="windows", name="Windows", version="10", libc=None, libc_version=None)
CARD = Gpu("nvidia", "GeForce GTX 1080")
CONFIG = (
    '{"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}'
)


def foreign_letters(case: Case) -> Machine:
    """Let the person's home on Windows have letters beyond plain ASCII."""
    (case.home.parent / "Jürgen").mkdir()
    case.variables["HOME"] = str(case.home.parent / "Jürgen")
    return WINDOWS


PAIRS = [
    Ailment("protobuf-descriptors-4plus", OLD.but(Package("protobuf", "4.24.4"))),
    Ailment("protobuf-gencode-runtime-mismatch", NEW.but(Package("protobuf", "5.29.5"))),
    Ailment("numpy2-abi", MIDDLE.but(Package("numpy", "2.2.6", tag=linux("3.10")))),
    Ailment("numpy-1-24-aliases", TF_2_6.but(Package("numpy", "1.24.4", tag=linux("3.9")))),
    Ailment("numpy-1-20-symbolic-tensor", OLD.but(Package("numpy", "1.21.6", tag=linux("3.7", "m")))),
    Ailment("h5py3-old-keras", OLD.but(Package("h5py", "3.8.0", tag=linux("3.7", "m")))),
    Ailment("keras3-with-tf-before-2-16", MIDDLE.but(Package("keras", "3.6.0"))),
    Ailment("keras24-with-tf1", OLD.but(Package("keras", "2.4.3"))),
    Ailment("keras22-with-tf2", MIDDLE.but(Package("keras", "2.2.4"))),
    Ailment("keras-minor-newer-than-tf", MIDDLE.but(Package("keras", "2.11.0"))),
    Ailment("pkg-resources-removed", MIDDLE.but(Package("setuptools", "84.0.0"))),
    Ailment("estimator-other-minor", MIDDLE.but(Package("tensorflow-estimator", "2.11.0"))),
    Ailment("tensorboard-other-minor", OLD.but(Package("tensorboard", "2.0.2"))),
    Ailment(
        "companion-package-wrong-minor",
        MIDDLE.but(Package("tensorflow-text", "2.11.0", ("tensorflow<2.12,>=2.11",))),
    ),
    Ailment(
        "companion-package-wrong-minor", NEW.but(Package("tf-keras", "2.20.1", ("tensorflow<2.21,>=2.20",)))
    ),
    Ailment("companion-package-wrong-minor", NEW.but(Package("tensorflow-addons", "0.23.0"))),
    Ailment("typing-extensions-old-pin", TF_2_6.but(Package("typing-extensions", "4.12.2"))),
    Ailment("typing-extensions-4-6-cap", TF_2_13.but(Package("typing-extensions", "4.12.2"))),
    Ailment("tf-keras-needed", NEW, variables(TF_USE_LEGACY_KERAS="1")),
    Ailment("requirement-missing", MIDDLE.but(without="wrapt")),
    Ailment("requirement-unmet", MIDDLE.but(Package("gast", "0.6.0"))),
    Ailment("enum34-shadows-enum", OLD.but(Package("enum34", "1.1.10"))),
    Ailment("futures-python2-backport", OLD.but(Package("futures", "3.1.1"))),
    Ailment("directml-plugin-pairing", NEW.but(Package("tensorflow-directml-plugin", "0.4.0.dev230202"))),
    Ailment("metal-plugin-pairing", NEW.but(Package("tensorflow-metal", "1.2.0"))),
]
PACKAGES = [
    Ailment("two-tensorflows", MIDDLE.but(Package("tensorflow-cpu", "2.10.0", tag=linux("3.10")))),
    Ailment("two-tensorflows", MIDDLE.but(Package("tensorflow-gpu", "2.10.1", tag=linux("3.10")))),
    Ailment("two-kerases", NEW.but(Package("keras-nightly", "3.15.0.dev2026010103"))),
    Ailment("two-kerases", TF_2_5.but(Package("keras", "2.4.3"))),
    Ailment(
        "two-opencvs", NEW.but(Package("opencv-python", "4.12"), Package("opencv-python-headless", "4.12"))
    ),
    Ailment("tensorboard-duplicate-plugins", MIDDLE.but(Package("tb-nightly", "2.11.0a20221001"))),
    Ailment("half-removed-distribution", MIDDLE, left("~ensorflow")),
    Ailment("half-removed-distribution", MIDDLE, left("-umpy-1.26.3.dist-info")),
    Ailment("half-removed-distribution", MIDDLE, left("scipy-1.11.0.dist-info")),
    Ailment("files-missing", MIDDLE, lost("numpy/core.py")),
    Ailment("files-missing", MIDDLE, lost("tensorflow")),
    Ailment("two-versions", MIDDLE, lambda case: unpack(Package("protobuf", "3.19.5"), case.place)),
    Ailment("conda-pip-mixed-numpy", MIDDLE, conda_and_pip("numpy", "1.26.4")),
    Ailment("conda-and-pip-two-tensorflows", MIDDLE, conda_and_pip("tensorflow", "2.10.1")),
    Ailment("tensorrt-metapackage-without-bindings", MIDDLE.but(Package("tensorrt", "8.6.1"))),
    Ailment("no-tensorflow", Era("3.13", (Package("numpy", "2.3.0", tag=linux("3.13")),))),
    Ailment("keras-without-backend", Era("3.13", (Package("keras", "3.15.1"),))),
]
PYTHONS = [
    Ailment("python-gone", MIDDLE, no_python),
    Ailment("made-for-another-python", MIDDLE.but(Package("numpy", "1.26.4", tag=linux("3.9")))),
    Ailment("made-for-another-python", MIDDLE.but(Package("wrapt", "1.16.0", tag=ARM))),
    Ailment("stdlib-module-removed-py312", MIDDLE._replace(python="3.12").but(*(
        Package(one.name, one.version, one.requires) for one in MIDDLE.packages
    ))),
    Ailment("async-keyword-python37", TF_1_12),
    Ailment("tf-version-not-for-this-python", Era("3.9", (
        Package("tensorflow", "2.21.0", tag=linux("3.10")), Package("keras", "3.10.0"),
    ))),
]  # fmt: skip
FILES = [
    Ailment("own-file-shadows-tensorflow", MIDDLE, file("tensorflow.py")),
    Ailment("own-file-shadows-tensorflow", MIDDLE, file("keras/__init__.py")),
    Ailment("own-file-shadows-stdlib", MIDDLE, file("random.py")),
    Ailment("own-file-shadows-stdlib", MIDDLE, file("code.pyc")),
    Ailment("own-file-shadows-package", MIDDLE, file("numpy.py")),
    Ailment("user-site-shadowing", MIDDLE, elsewhere),
    Ailment("user-site-shadowing", MIDDLE, user_site),
]
SETTINGS = [
    Ailment("pythonhome-set", MIDDLE, variables(PYTHONHOME="/usr")),
    Ailment("protobuf-in-python", MIDDLE, variables(PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python")),
    Ailment("loader-path-relative", MIDDLE, variables(LD_LIBRARY_PATH="/usr/lib:")),
    Ailment("loader-path-stubs", MIDDLE, stubs),
    Ailment("libstdcxx-too-old", MIDDLE, old_library),
    Ailment("libstdcxx-too-old", MIDDLE, old_conda_library),
]
MACHINES = [
    Ailment("cpu-no-avx", MIDDLE, on(replace(MACHINE, cpu=Cpu("Celeron", ("sse4_2",), 2)))),
    Ailment("glibc-2-27-for-2-21", NEW, on(system(libc_version="2.17"))),
    Ailment("glibc-too-old", MIDDLE, on(system(libc_version="2.12"))),
    Ailment(
        "cpu-no-avx2-tf-2-4-0", TF_2_4, on(replace(MACHINE, cpu=Cpu("Ivy Bridge", ("sse4_2", "avx"), 2)))
    ),
    Ailment("windows-native-gpu-ended", NEW, on(replace(WINDOWS, gpus=(CARD,)))),
    Ailment("musl-alpine", MIDDLE, on(system(name="Alpine", libc="musl", libc_version="1.2.4"))),
    Ailment("disk-full", MIDDLE, on(replace(MACHINE, disk_free_bytes=100_000_000))),
    Ailment("low-memory", MIDDLE, on(replace(MACHINE, memory_bytes=900_000_000))),
    Ailment("nvidia-no-device", MIDDLE, on(replace(MACHINE, driver=Driver("535.1"), gpus=()))),
    Ailment("wsl2-libcuda-missing", MIDDLE, on(system(wsl=1))),
    Ailment(
        "windows-dll-load-msvc", NEW, on(replace(WINDOWS, runtimes={"msvcp140": "here", "msvcp140_1": None}))
    ),
    Ailment("non-ascii-path-windows", NEW, foreign_letters),
    Ailment("apple-silicon-rosetta-python", MIDDLE, on(replace(MACHINE, system=System(rosetta=True)))),
]
KERAS = [
    Ailment("keras-json-broken", NEW, keras_json(b"\xef\xbb\xbf" + CONFIG.encode())),
    Ailment("keras-json-broken", NEW, keras_json(CONFIG.replace("}", ",}"))),
    Ailment("keras-json-broken", NEW, keras_json(CONFIG.replace('"tensorflow"', "“tensorflow”"))),
    Ailment("keras-json-broken", NEW, keras_json(CONFIG.encode("utf-16"))),
    Ailment(
        "keras-json-broken", NEW, keras_json('{"note": "für", "backend": "tensorflow"}'.encode("cp1252"))
    ),
    Ailment("keras-json-broken", NEW, keras_json("")),
    Ailment("keras-json-broken", NEW, keras_json("[]")),
    Ailment("keras-json-broken", NEW, folder_for_file),
    Ailment("keras-json-broken", NEW, keras_home),
    Ailment("keras-json-wrong-backend", NEW, keras_json('{"backend": "theano"}')),
    Ailment("keras-json-wrong-backend", MULTI, keras_json('{"backend": "theano"}')),
    Ailment("keras-json-wrong-backend", THEANO, keras_json('{"backend": "tensorflow"}')),
    Ailment("keras-json-wrong-backend", THEANO),
    Ailment("keras-json-wrong-backend", KERAS_3),
    Ailment("keras-json-wrong-backend", NEW, variables(KERAS_BACKEND="Tensorflow")),
    Ailment("keras-json-wrong-value", NEW, keras_json('{"floatx": "float"}')),
    Ailment("keras-json-wrong-value", NEW, keras_json('{"epsilon": "1e-07"}')),
    Ailment("keras-json-old-keys", MULTI, keras_json('{"image_dim_ordering": "th"}')),
    Ailment("keras-json-old-keys", KERAS_1, keras_json('{"image_data_format": "channels_last"}')),
    Ailment("keras-json-old-keys", NEW, keras_json('{"image_data_format": "tf"}')),
    Ailment("keras-backend-env-overrides", MULTI, conda_variable),
    Ailment("keras-backend-ignored", MIDDLE, variables(KERAS_BACKEND="theano")),
    Ailment("keras-home-not-a-folder", NEW, keras_home_file),
    Ailment("keras-home-ignored", KERAS_1, old_keras_home),
]
JUPYTER = [
    Ailment("jupyter-kernel-other-python", MIDDLE, kernel("python3", "/usr/bin/python3")),
    Ailment("jupyter-kernel-other-python", MIDDLE, kernel("project", "/no/such/python")),
    Ailment("jupyter-kernel-other-python", MIDDLE, kernel("python3", "/opt/bin/python", "project/.venv")),
]
AILMENTS = [*PAIRS, *PACKAGES, *PYTHONS, *FILES, *SETTINGS, *MACHINES, *KERAS, *JUPYTER]
NUMBERED = [f"{number}-{ailment.id}" for number, ailment in enumerate(AILMENTS)]


@pytest.mark.parametrize("ailment", AILMENTS, ids=NUMBERED)
def test_what_is_broken_is_named_and_nothing_else(ailment: Ailment, tmp_path: Path) -> None:
    """One thing is broken, one finding says which, with its cause, where it was seen, and what to do."""
    case = make_case(tmp_path, ailment.era)
    machine = ailment.do(case) if ailment.do else None

    findings = case.look(machine or MACHINE).findings

    assert [ailment.id] == [finding.id for finding in findings]
    assert all((findings[0].title, findings[0].cause, findings[0].evidence, findings[0].remedy))
    assert "{" not in findings[0].remedy


@pytest.mark.parametrize(("level", "found"), [(18, 1), (19, 0), (30, 0)])
def test_an_old_libstdcxx_of_the_system_is_seen_without_a_variable(
    level: int, found: int, tmp_path: Path
) -> None:
    """What the loader takes by itself is compared with what was measured of the release that is installed."""
    (tmp_path / "system").mkdir()
    library = tmp_path / "system" / "libstdc++.so.6"
    library.write_bytes(f"\0GLIBCXX_3.4.9\0GLIBCXX_3.4.{level}\0".encode())
    patient = make_case(tmp_path, MIDDLE).patient()

    troubles = [*old_library_of(patient, [], (str(tmp_path / "system"),))]

    evidence = f"{library} ends at GLIBCXX_3.4.18; TensorFlow needs GLIBCXX_3.4.19"
    assert [evidence] * found == [one.finding.evidence for one in troubles]
    assert all("conda-forge libstdcxx-ng" in one.finding.remedy for one in troubles)


def test_many_issues_are_seen() -> None:
    """There are at least forty ways of breaking an environment here that doctor knows apart."""
    assert len({ailment.id for ailment in AILMENTS}) >= 40
    assert len(AILMENTS) >= 80


# ---------------------------------------------------------------- no false alarms


def second_record(case: Case) -> None:
    """Add a record of the same version in another form, as Debian does."""
    (record,) = case.place.glob("numpy-*.dist-info")
    version = record.name.removeprefix("numpy-").removesuffix(".dist-info")
    (case.place / "numpy.egg-info").mkdir()
    (case.place / "numpy.egg-info" / "PKG-INFO").write_text(f"Name: numpy\nVersion: {version}\n")


def bindings(case: Case) -> None:
    """Install TensorRT and the package with its compiled parts."""
    unpack(Package("tensorrt", "8.6.1"), case.place)
    unpack(Package("tensorrt-bindings", "8.6.1"), case.place)


def whole_tensorrt(case: Case) -> None:
    """Install a TensorRT that has its compiled parts itself."""
    unpack(Package("tensorrt", "8.5.3"), case.place)
    (case.place / "tensorrt" / "tensorrt.so").write_bytes(b"")
    with (case.place / "tensorrt-8.5.3.dist-info" / "RECORD").open("a") as record:
        record.write("tensorrt/tensorrt.so,,\n")


HARMLESS: dict[str, Callable[[Case], object]] = {
    "nothing": lambda case: case,
    "a script": file("train.py", "import tensorflow"),
    "a test": file("test.py"),
    "data in a folder named tensorflow": file("tensorflow/data.csv"),
    "a keras.json": keras_json(CONFIG),
    "keys of one's own": keras_json(CONFIG.replace("{", '{"mine": [1, {"x": null}], ')),
    "keys for every Keras": keras_json(CONFIG.replace("{", '{"image_dim_ordering": "tf", ')),
    "PYTHONPATH to one's own modules": variables(PYTHONPATH="/srv/mine"),
    "LD_LIBRARY_PATH": variables(LD_LIBRARY_PATH="/usr/lib:/no/such/folder"),
    "KERAS_BACKEND": variables(KERAS_BACKEND="tensorflow"),
    "PYTHONNOUSERSITE": variables(PYTHONNOUSERSITE="1"),
    "a kernel of another project": kernel("other", "/opt/other/bin/python"),
    "a kernel without a path": kernel("python3", "python"),
    "a kernel of another language": kernel("ir", "/usr/bin/R"),
    "a second record": second_record,
    "a TensorRT with its bindings": bindings,
    "a TensorRT of one piece": whole_tensorrt,
    "pyc files": file(".venv/lib/note.pyc"),
}


@pytest.mark.parametrize("era", ERAS.values(), ids=ERAS)
@pytest.mark.parametrize("harmless", HARMLESS)
def test_healthy_environment_gives_no_finding(harmless: str, era: Era, tmp_path: Path) -> None:
    """What is usual is not reported, in three eras."""
    case = make_case(tmp_path, era)
    HARMLESS[harmless](case)

    diagnosis = case.look()

    assert () == diagnosis.findings
    assert {"well"} == {examined.state for examined in diagnosis.examined}


@pytest.mark.parametrize(
    ("asks", "found"),
    [
        ("tensorflow<2.16,>=2.15", []),
        ("tensorflow-gpu>=2", []),
        ("tensorflow<2.15,>=2.14", ["companion-package-wrong-minor"]),
        ("tensorflow-intel>=2", ["tensorflow-intel-missing"]),
    ],
)
def test_who_asks_for_tensorflow_is_served_by_its_twin(asks: str, found: list[str], tmp_path: Path) -> None:
    """tensorflow-cpu of the right release is what was meant; who asks for a very wheel means that one."""
    era = Era(
        "3.11",
        (
            Package("tensorflow-cpu", "2.15.1", (), linux("3.11")),
            Package("keras", "2.15.0"),
            Package("tf-keras", "2.15.1", (asks,)),
        ),
    )

    assert found == make_case(tmp_path, era).ids()


def locks() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the minor release of Python and the pins of every lock for Linux that we ship."""
    for path in sorted((tables.DATA / "locks").rglob("*.json")):
        for row in tables.load(str(path.relative_to(tables.DATA)), tables.LockRow):
            if row.family == "linux_x86_64" and row.python_tag != "cp27" and not row.beside:
                yield path.stem, f"{row.python_tag[2]}.{row.python_tag[3:]}", tuple(row.pins)


def test_no_lock_that_we_ship_gives_a_finding(tmp_path: Path) -> None:
    """Doctor and pin go by the same tables, so what pin chooses is well."""
    accused = {}
    template = make_case(tmp_path / "template", NEW).patient()
    assert template.inside
    for number, (release, python, pins) in enumerate(locks()):
        place = tmp_path / str(number) / ".venv" / "lib" / "x" / "site-packages"
        place.mkdir(parents=True)
        for pin in pins:
            name, _, version = pin.partition("==")
            info = place / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        inside = replace(template.inside, version=f"{python}.0", path=(str(place),))
        diagnosis = doctor.diagnose(replace_patient(template, tmp_path / str(number), inside=inside))
        if diagnosis.findings:
            accused[release, python] = [(one.id, one.evidence) for one in diagnosis.findings]

    assert {} == accused


def replace_patient(patient: Patient, folder: Path, **others: object) -> Patient:
    """Return the patient in another folder."""
    from dataclasses import replace as replace_field

    environment = replace(patient.environment, folder=str(folder / ".venv"))
    return replace_field(patient, folder=folder, environment=environment, **others)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what cannot be had here


def test_windows_without_its_carrier_is_named(tmp_path: Path) -> None:
    """The tensorflow of Windows is empty before 2.18.1, and tensorflow-intel holds the program."""
    needs = ('tensorflow-intel==2.15.1; platform_system == "Windows"',)
    era = Era("3.11", (Package("tensorflow", "2.15.1", needs), Package("keras", "2.15.0")))
    patient = make_case(tmp_path, era).patient(WINDOWS)
    assert patient.inside
    inside = replace(patient.inside, system="Windows", platform="win32", os_name="nt")

    found = doctor.diagnose(replace_patient(patient, patient.folder, inside=inside)).findings

    assert ["tensorflow-intel-missing"] == [finding.id for finding in found]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"bits": 32}, ["python-32bit"]),
        ({"implementation": "pypy"}, ["python-not-cpython-abi"]),
        ({"free_threaded": True}, ["python-not-cpython-abi"]),
        (
            {"executable": r"C:\Users\x\AppData\Local\Microsoft\WindowsApps\python.exe"},
            ["windows-store-python"],
        ),
    ],
)
def test_unusual_python_is_named(facts: dict[str, object], expected: list[str], tmp_path: Path) -> None:
    """TensorFlow has wheels for the ordinary CPython of 64 bits alone."""
    era = Era("3.13", (Package("tensorflow", "2.21.0"), Package("keras", "3.15.1")))
    patient = make_case(tmp_path, era).patient()
    assert patient.inside

    diagnosis = doctor.diagnose(
        replace_patient(patient, patient.folder, inside=replace(patient.inside, **facts))
    )

    assert expected == [finding.id for finding in diagnosis.findings]


def test_long_paths_are_named_on_windows(tmp_path: Path) -> None:
    """TensorFlow's deepest files lie 150 letters below site-packages; Windows stops at 260."""
    case = make_case(tmp_path / ("deep" * 20), MIDDLE)

    assert ["windows-long-paths"] == case.ids(replace(WINDOWS, long_paths=False))
    assert [] == case.ids(replace(WINDOWS, long_paths=True))


def test_hidden_card_is_named(tmp_path: Path) -> None:
    """An empty CUDA_VISIBLE_DEVICES hides every card, and is easily forgotten."""
    case = make_case(tmp_path, NEW)
    case.variables["CUDA_VISIBLE_DEVICES"] = ""

    assert ["nvidia-no-device"] == case.ids(replace(MACHINE, driver=Driver("560.1"), gpus=(CARD,)))


def test_program_that_uses_the_environment_is_named_where_something_is_to_be_repaired(tmp_path: Path) -> None:
    """It is no fault in itself; beside leftovers it may be why they could not be deleted."""
    case = make_case(tmp_path, MIDDLE)
    python = case.folder / ".venv" / "bin" / "python"
    with subprocess.Popen([python, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert [] == case.ids()
        (case.place / "~umpy").mkdir()
        findings = case.look().findings
        process.communicate(b"\n")

    assert ["half-removed-distribution", "windows-access-denied-in-use"] == [one.id for one in findings]
    assert f"process {process.pid}" in findings[1].evidence


# ---------------------------------------------------------------- which environment, and how


def test_environment_of_the_folder_comes_before_the_active_one(tmp_path: Path) -> None:
    """Then comes the active one, and the Python of the system last."""
    case = make_case(tmp_path, MIDDLE)
    active = make_case(tmp_path / "active", NEW).folder / ".venv"
    variables = {"VIRTUAL_ENV": str(active), "PATH": os.environ["PATH"]}

    def chosen(folder: Path, variables: dict[str, str]) -> str:
        return doctor.choose_environment(folder, variables).folder

    assert str(case.folder / ".venv") == chosen(case.folder, variables)
    assert str(case.folder / ".venv") == chosen(case.folder / ".venv", variables)
    assert str(active) == chosen(tmp_path, variables)
    assert "system" == doctor.choose_environment(tmp_path, {"PATH": os.environ["PATH"]}).manager


@pytest.mark.parametrize("minor", ["2.7", "3.6", "3.8", "3.9", "3.11", "3.12", "3.13"])
def test_every_python_says_where_it_looks(minor: str, tmp_path: Path) -> None:
    """The script inside runs on 2.7 and on the newest."""
    inside = doctor.ask(str(python_of(minor)), {"HOME": str(tmp_path), "PYTHONPATH": "/nowhere"})

    assert inside
    assert minor == inside.minor
    assert 64 == inside.bits
    assert any(folder.endswith(("site-packages", "dist-packages")) for folder in inside.path)
    assert "/nowhere" not in inside.path
    assert Version(inside.version) >= Version(minor)


def test_crash_of_one_examination_is_a_finding(tmp_path: Path) -> None:
    """The others go on."""

    def crash(_: Patient) -> Iterator[Trouble]:
        message = "no such state"
        raise RuntimeError(message)

    case = make_case(tmp_path, MIDDLE)
    (case.place / "~umpy").mkdir()
    subjects = (Subject("broken", lambda _: "", crash), *SUBJECTS)

    diagnosis = doctor.diagnose(case.patient(), subjects)

    assert ["examination-crashed", "half-removed-distribution"] == [one.id for one in diagnosis.findings]
    assert "RuntimeError: no such state" in diagnosis.findings[0].evidence
    assert "crashed" == diagnosis.examined[0].state


def test_metadata_that_is_no_text_stops_nothing(tmp_path: Path) -> None:
    """A record of garbage is one that has no metadata."""
    case = make_case(tmp_path, MIDDLE)
    (case.place / "numpy-1.26.4.dist-info" / "METADATA").write_bytes(b"\xff\xfe\0\0garbage")

    assert ["half-removed-distribution", "requirement-missing"] == case.ids()


def test_looking_takes_less_than_two_seconds(tmp_path: Path) -> None:
    """With forty thousand files, as many as the largest environments have."""
    case = make_case(tmp_path, MIDDLE)
    names = [f"big/{folder}/m{number}.py" for folder in range(200) for number in range(200)]
    for folder in range(200):
        (case.place / "big" / str(folder)).mkdir(parents=True)
    for name in names:
        (case.place / name).touch()
    with (case.place / "numpy-1.26.4.dist-info" / "RECORD").open("a") as record:
        record.writelines(f"{name},,\n" for name in names)

    diagnosis = case.look()

    assert () == diagnosis.findings
    assert diagnosis.seconds < 2


def test_importing_doctor_imports_no_heavy_library() -> None:
    """psutil, rich and tomlkit are for the few findings and repairs that need them."""
    heavy = ("psutil", "rich", "tomlkit", "uv")
    code = f"import sys, tfup.doctor.doctor; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "[]" == done.stdout.strip()
