"""Stage 1: machines that were recorded, and this one."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
from itertools import starmap
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
import pytest

import tfup.machine
from tfup.machine import Recording, detect, detection, read_machine
from tfup.machine.fact import Fact
from tfup.machine.live import Live
from tfup.machine.probe import Answers
from tfup.model import Cudnn, Driver, Gpu, Interpreter, Machine, System, Toolkit

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[1] / "machines"
MACHINES = sorted(set(FOLDER.glob("*.json")) - {FOLDER / "expected.json"})
MODULES = [module.name for module in pkgutil.iter_modules(tfup.machine.__path__, "tfup.machine.")]


def recorded(name: str) -> Machine:
    """Detect a machine of tests/machines."""
    return detect(Recording.load(FOLDER / f"{name}.json"), deep=True)


def machine_of(**answers: object) -> Machine:
    """Detect a machine that answers so, and else nothing."""
    return detect(Recording(msgspec.convert(answers, Answers)), deep=True)


def leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Yield each fact of a machine file with its place."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f"{place}.{name}".lstrip("."))
    elif isinstance(value, (list, tuple)) and place != "cpu.features" and value:
        for number, item in enumerate(value):
            yield from leaves(item, f"{place}[{number}]")
    else:
        yield place, value


def unexplained(machine: Machine) -> list[str]:
    """Name the facts without a source, and the missing ones without a reason."""
    facts = msgspec.to_builtins(machine)
    sources, unknown = facts.pop("sources"), facts.pop("unknown")
    del facts["schema"], facts["environment"]  # "null is not set" is said once for all of them
    return [
        place
        for place, value in leaves(facts)
        if not any(place.startswith(name) for name in (unknown if value is None else sources))
        and not (place == "runtimes" and value == {})
    ]


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.stem)
def test_every_fact_has_its_source_or_reason(file: Path) -> None:
    """Nothing of a recorded machine is said or left out without saying why."""
    assert [] == unexplained(detect(Recording.load(file), deep=True))


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.stem)
def test_no_reader_fails(file: Path) -> None:
    """A recorded machine is read to the end, and never differently."""
    machine = read_machine(str(file))

    assert [] == [reason for reason in machine.unknown.values() if "failed" in reason or "in time" in reason]
    assert msgspec.json.encode(machine) == msgspec.json.encode(read_machine(str(file)))


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.stem)
def test_a_machine_file_says_what_was_detected(file: Path, tmp_path: Path) -> None:
    """What `detect --json` prints is read by `plan --machine` as the same machine."""
    machine = read_machine(str(file))
    (tmp_path / "machine.json").write_bytes(msgspec.json.encode(machine))

    assert machine == read_machine(str(tmp_path / "machine.json"))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_parsers_are_true(name: str) -> None:
    """Each parser shows a text and what it makes of it."""
    assert 0 == doctest.testmod(importlib.import_module(name)).failed


def test_this_machine_is_described(tmp_path: Path) -> None:
    """Every fact about the machine that runs the tests has its source or reason, and no reader failed."""
    machine = detect(Live(dict(os.environ, TFUP_CACHE_DIR=str(tmp_path))), deep=True)

    assert [] == unexplained(machine)
    assert [] == [reason for reason in machine.unknown.values() if "reader failed" in reason]
    assert all((machine.system.os, machine.system.arch, machine.cpu.cores, machine.memory_bytes))


def test_a_reader_that_crashes_is_a_reason() -> None:
    """A senseless answer costs the facts of one reader, and the others go on."""
    machine = machine_of(ask={"memory": 1, "platform": "linux"}, glob={"/usr/local/cuda": ["/x"]}, read={})
    broken = detection.read_safely("cuda", lambda: {"cuda": Fact(1 // 0, "never")})

    assert 1 == machine.memory_bytes
    assert {
        "cuda": Fact(None, "its reader failed: ZeroDivisionError: integer division or modulo by zero")
    } == broken


# ---------------------------------------------------------------- the recorded ones


def test_a_workstation_of_2018_is_read_in_full() -> None:
    """Driver, card, toolkit and cuDNN of an Ubuntu 16.04 with a GTX 1080."""
    machine = recorded("linux-ubuntu16.04-gtx1080-cuda9.0")

    assert System("linux", "Ubuntu", "16.04", "x86_64", "glibc", "2.23", 0, rosetta=False) == machine.system
    assert Driver("384.111", None) == machine.driver
    assert Toolkit("9.0.176", "/usr/local/cuda-9.0", "version.txt") == (machine.cuda or ())[0]
    assert Cudnn("7.0.5", "/usr/local/cuda-9.0/include/cudnn.h", "9.0") == (machine.cudnn or ())[0]
    assert ["GeForce GTX 1080", None] == [gpu.name for gpu in machine.gpus or ()]
    assert ["cp36m", "cp35m", "cp27mu"] == [python.abi for python in machine.pythons or ()]
    assert "8.1.1" == machine.tools["pip"]


def test_a_container_without_python_is_a_machine() -> None:
    """Alpine: musl with its version, no Python, and a proxy whose password is not shown."""
    machine = recorded("linux-alpine3.19-container-without-python")

    assert ("musl", "1.2.4", "docker") == (
        machine.system.libc,
        machine.system.libc_version,
        machine.container,
    )
    assert () == machine.pythons
    assert {"https_proxy": "http://***@proxy.example:3128"} == machine.proxies


def test_wsl_shows_the_card_of_windows() -> None:
    """NVML answers there although the PCI bus is empty."""
    machine = recorded("linux-wsl2-ubuntu22.04-rtx3060")

    assert (2, Driver("551.86", "12.4")) == (machine.system.wsl, machine.driver)
    assert ["8.6"] == [gpu.compute_capability for gpu in machine.gpus or ()]
    assert "0.2.10" == machine.tools["uv"]


def test_a_free_threaded_python_is_known_as_such() -> None:
    """It has the ABI tag cp313t, for which no wheel of TensorFlow is made."""
    machine = recorded("linux-wsl2-ubuntu22.04-rtx3060")

    assert [("cp313t", True), ("cp312", False), ("cp310", False)] == [
        (python.abi, python.free_threaded) for python in machine.pythons or ()
    ]


def test_conda_environments_are_interpreters() -> None:
    """Those that conda lists are found, and known as conda's."""
    machine = recorded("linux-centos7-conda-sandybridge")

    assert [("3.11.5", "conda"), ("3.7.16", "conda"), ("2.7.5", "system")] == [
        (python.version, python.managed_by) for python in machine.pythons or ()
    ]
    assert "23.11.0" == machine.tools["conda"]


def test_windows_is_read_without_its_store() -> None:
    """The stub that opens the Store is no interpreter; the runtimes that wheels need are named."""
    machine = recorded("windows-10-gtx1060-cuda9.0")

    assert ["3.6.4"] == [python.version for python in machine.pythons or ()]
    assert ("9.0.176", "7.0.5") == ((machine.cuda or ())[0].version, (machine.cudnn or ())[0].version)
    assert None is machine.runtimes["vcruntime140_1"]
    assert machine.runtimes["vcruntime140"]
    assert "9.0.1" == machine.tools["pipenv"]


def test_macos_does_not_open_its_dialog() -> None:
    """Without the developer tools, /usr/bin/python3 is not asked; the Apple processor has a GPU."""
    machine = recorded("macos-14-m2-homebrew")

    assert [("3.12.3", "homebrew")] == [
        (python.version, python.managed_by) for python in machine.pythons or ()
    ]
    assert (Gpu("apple", name="Apple M2"),) == machine.gpus


# ---------------------------------------------------------------- system


def linux(**answers: object) -> Machine:
    """Detect a Linux that answers so."""
    ask = {"platform": "linux", **(answers.pop("ask", None) or {})}  # type: ignore[dict-item]
    return machine_of(ask=ask, **answers)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"glob": {"/run/.containerenv": ["/run/.containerenv"]}}, "podman"),
        ({"read": {"/proc/1/cgroup": "1:cpu:/kubepods/besteffort/pod1\n"}}, "kubernetes"),
        ({"variable": {"APPTAINER_CONTAINER": "/x.sif"}}, "apptainer"),
        ({"variable": {"container": "systemd-nspawn"}}, "systemd-nspawn"),
        ({"read": {"/proc/1/cgroup": "0::/init.scope\n"}}, None),
    ],
)
def test_containers_are_recognised(answers: dict[str, object], expected: str | None) -> None:
    """Each kind leaves its own sign."""
    assert expected == linux(**answers).container


def test_a_rolling_distribution_has_no_version() -> None:
    """The reason is said, no version is made up."""
    machine = linux(ask={"lines /etc/os-release NAME= VERSION_ID=": 'NAME="Arch Linux"'})

    assert ("Arch Linux", None) == (machine.system.name, machine.system.version)
    assert "/etc/os-release does not say" == machine.unknown["system.version"]


def test_a_system_that_nobody_knows_is_described_too() -> None:
    """On FreeBSD what can be said is said."""
    machine = machine_of(ask={"platform": "freebsd14", "machine_type": "amd64"})

    assert ("freebsd14", "x86_64") == (machine.system.os, machine.system.arch)


# ---------------------------------------------------------------- cards, driver, CUDA


def test_a_driver_is_read_without_its_library() -> None:
    """Where NVML is silent, the kernel's module tells, and then nvidia-smi."""
    page = "| NVIDIA-SMI 535.104.05   Driver Version: 535.104.05   CUDA Version: 12.2     |"
    module = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  375.74  Wed Jun 14 01:39:39 PDT 2017"
    signs = {"/dev/nvidia*": ["/dev/nvidia0"]}

    assert Driver("375.74", None) == linux(glob=signs, read={"/proc/driver/nvidia/version": module}).driver
    assert Driver("535.104.05", "12.2") == linux(glob=signs, run={"nvidia-smi": page}).driver


def test_a_driver_that_does_not_answer_is_told() -> None:
    """The sign of it is named, so that one knows why there should be one."""
    machine = linux(glob={"/dev/nvidia*": ["/dev/nvidia0"]}, ask={"nvml": {"cards": "many"}})

    assert None is machine.driver
    assert machine.unknown["driver"].startswith("/dev/nvidia* is there, but")


def test_a_card_without_driver_is_seen() -> None:
    """The PCI bus knows NVIDIA and AMD; cards of virtual machines do not count."""
    bus = "/sys/bus/pci/devices"
    cards = {"01": "0x10de", "02": "0x1002", "03": "0x1af4"}
    machine = linux(
        glob={f"{bus}/*": [f"{bus}/{name}" for name in cards]},
        read={f"{bus}/{name}/vendor": f"{vendor}\n" for name, vendor in cards.items()}
        | {f"{bus}/{name}/class": "0x030000\n" for name in cards},
    )

    assert [("nvidia", "01"), ("amd", "02")] == [(gpu.vendor, gpu.pci_id) for gpu in machine.gpus or ()]


LIBRARY = {"glob": {"/c/lib64/libcudart.so.*": ["/c/lib64/libcudart.so.10.0.130"]}}
COMPILER = {
    "glob": {"/c/bin/nvcc": ["/c/bin/nvcc"]},
    "run": {"/c/bin/nvcc --version": "Cuda compilation tools, release 8.0, V8.0.61\n"},
}


@pytest.mark.parametrize(
    ("answers", "version", "source"),
    [
        ({"read": {"/c/version.json": '{"cuda": {"version": "11.8.1"}}'}}, "11.8.1", "version.json"),
        (LIBRARY, "10.0.130", "libcudart"),
        (COMPILER, "8.0.61", "nvcc"),
        ({"read": {"/c/version.json": "{broken"}}, None, None),
    ],
)
def test_a_toolkit_is_read_from_what_it_has(
    answers: dict[str, object], version: str | None, source: str | None
) -> None:
    """Version files, library names and the compiler each tell; a folder that says nothing is no toolkit."""
    machine = linux(ask={"real_path /c": "/c"}, variable={"CUDA_HOME": "/c"}, **answers)

    expected = (Toolkit(version, "/c", source),) if version else ()
    assert expected == machine.cuda


def test_a_header_without_version_is_a_reason() -> None:
    """A cudnn.h that tells nothing is not the same as no cuDNN."""
    machine = linux(glob={"/usr/include/cudnn.h": ["/usr/include/cudnn.h"]})

    assert (None, "/usr/include/cudnn.h found, no version in it") == (machine.cudnn, machine.unknown["cudnn"])


def write(path: Path, text: str = "") -> Path:
    """Write a file and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_libraries_on_the_loaders_path_are_found(tmp_path: Path) -> None:
    """Modules and people put CUDA anywhere, and name the folders in LD_LIBRARY_PATH."""
    write(tmp_path / "cuda/11.2/lib64/libcudart.so.11.2.152")
    write(tmp_path / "cudnn/8.1/lib64/libcudnn.so.8.1.0")
    write(tmp_path / "loose/libcudnn.so.7.6.5")
    folders = (f"{tmp_path}/cuda/11.2/lib64", f"{tmp_path}/cudnn/8.1/lib64/", f"{tmp_path}/loose", "relative")
    machine = detect(Live({"LD_LIBRARY_PATH": ":".join(folders), "HOME": str(tmp_path)}))

    assert Toolkit("11.2.152", f"{tmp_path}/cuda/11.2", "libcudart") in (machine.cuda or ())
    found = {cudnn.version for cudnn in machine.cudnn or () if str(cudnn.path).startswith(str(tmp_path))}
    assert {"8.1.0", "7.6.5"} == found


def test_cudnn_of_pip_and_conda_is_found(tmp_path: Path) -> None:
    """The packages' names tell version and CUDA; what conda lists counts, and the active environment."""
    pip = tmp_path / "venv/lib/python3.12/site-packages/nvidia_cudnn_cu12-9.1.0.70.dist-info"
    conda = tmp_path / "conda/envs/dl/conda-meta/cudnn-7.6.5-cuda10.1_0.json"
    write(pip / "METADATA")
    write(conda)
    write(tmp_path / ".conda/environments.txt", f"{tmp_path}/conda/envs/dl\n")
    machine = detect(Live({"HOME": str(tmp_path), "VIRTUAL_ENV": f"{tmp_path}/venv"}))

    found = [cudnn for cudnn in machine.cudnn or () if str(cudnn.path).startswith(str(tmp_path))]
    expected = [Cudnn("7.6.5", str(conda), "10.1", "conda"), Cudnn("9.1.0.70", str(pip), "12", "pip")]
    assert expected == found


def test_rosetta_does_not_hide_the_processor() -> None:
    """A translated Python is told x86_64 by the system; the processor and its graphics part are Apple's."""
    machine = machine_of(
        ask={"platform": "darwin", "machine_type": "x86_64", "release": "14.7", "model": "Apple M1"},
        run={"sysctl -n sysctl.proc_translated": "1\n"},
    )

    assert ("aarch64", True) == (machine.system.arch, machine.system.rosetta)
    assert (Gpu("apple", name="Apple M1"),) == machine.gpus


@pytest.mark.parametrize(
    ("bits", "loaders", "expected"),
    [(32, [], "armv7l"), (32, ["/lib/ld-linux-aarch64.so.1"], "aarch64"), (64, [], "aarch64")],
)
def test_kernel_may_be_wider_than_its_programs(bits: int, loaders: list[str], expected: str) -> None:
    """A Raspberry Pi may run a system of 32 bits on a kernel of 64; its loader is what tells."""
    answers = {"machine_type": "aarch64", "bits": bits}

    assert expected == linux(ask=answers, glob={"/lib/ld-linux-aarch64.so.1": loaders}).system.arch


class Signed(Live):
    """A machine with a sign of NVIDIA's driver."""

    def glob(self, pattern: str) -> list[str]:
        """Find the driver's device, which is not there."""
        return ["/dev/nvidia0"] if pattern == "/dev/nvidia*" else super().glob(pattern)


def test_nothing_that_hangs_holds_up_detect(tmp_path: Path) -> None:
    """Pipes nobody writes to, an nvidia-smi and a Python that sleep are left in time, and told."""
    for name in ("nvidia-smi", "python3.11", "pipenv"):
        write(tmp_path / "bin" / name, "#!/bin/sh\nsleep 60\n").chmod(0o755)
    for name in ("bin/python3.12", ".keras/keras.json", "cuda/version.json", ".conda/environments.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    variables = {
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "CUDA_HOME": f"{tmp_path}/cuda",
    }
    start = monotonic()
    machine = detect(Signed(variables | {"TFUP_CACHE_DIR": f"{tmp_path}/cache"}), tmp_path, deep=True)

    assert monotonic() - start < 15
    assert "nvidia-smi" in machine.unknown["driver"]
    assert "it gave no answer" == machine.unknown[f"pythons[{tmp_path}/bin/python3.11]"]
    assert "no answer" in machine.unknown["tools.pipenv"]
    assert "keras_json" in machine.unknown
    assert not [python for python in machine.pythons or () if python.path.startswith(str(tmp_path))]


# ---------------------------------------------------------------- tools and settings


def test_pyenv_shims_are_followed_without_pyenv(tmp_path: Path) -> None:
    """The folder's .python-version decides which pip would run."""
    bin_folder = "/home/user/.pyenv/versions/3.6.15/bin"
    probe = Recording(
        Answers(
            ask={
                "platform": "linux",
                "home": "/home/user",
                "programs pip": ["/home/user/.pyenv/shims/pip", "/usr/bin/pip"],
                f"shebang {bin_folder}/pip": f"#!{bin_folder}/python3.6\n",
            },
            glob={
                f"{bin_folder}/pip": [f"{bin_folder}/pip"],
                "/home/user/.pyenv/versions/3.6.15/lib/python*/site-packages/pip-[0-9]*-info": [
                    "/home/user/.pyenv/versions/3.6.15/lib/python3.6/site-packages/pip-18.1.dist-info"
                ],
            },
            read={f"{tmp_path}/.python-version": "3.6.15\n", "/home/user/.pyenv/version": "3.11.7\n"},
        )
    )

    assert "18.1" == detect(probe, tmp_path / "project").tools["pip"]


def test_slow_tools_are_started_by_detect_alone() -> None:
    """For a plan, a tool that would have to be started stays unknown, and the reason is said."""
    probe = Recording(
        Answers(ask={"programs uv": ["/x/uv"]}, run={"/x/uv --version": "uv 0.9.1 (abc 2026-01-01)\n"})
    )

    assert "0.9.1" == detect(probe, deep=True).tools["uv"]
    assert (None, "/x/uv: only `tfup detect` starts it") == (
        (plain := detect(probe)).tools["uv"],
        plain.unknown["tools.uv"],
    )


def test_settings_are_told_without_secrets(tmp_path: Path) -> None:
    """Variables of pip, uv and TensorFlow are told where they are set; passwords are not."""
    variables = {
        "PIP_INDEX_URL": "https://me:secret@index.example/simple",
        "UV_INDEX_WORK_PASSWORD": "secret",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_VAR_PASSWORD": "secret",
        "KERAS_BACKEND": "theano",
    }
    environment = detect(Live({"HOME": str(tmp_path), **variables})).environment

    assert {
        "PIP_INDEX_URL": "https://***@index.example/simple",
        "UV_INDEX_WORK_PASSWORD": "***",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_BACKEND": "theano",
    } == {name: value for name, value in environment.items() if value}
    assert "LD_LIBRARY_PATH" in environment


def test_keras_json_is_told_as_it_stands(tmp_path: Path) -> None:
    """A broken one too, with its byte-order mark."""
    (tmp_path / "keras.json").write_text("\ufeff{oops")
    found = detect(Live({"HOME": str(tmp_path), "KERAS_HOME": str(tmp_path)})).keras_json

    assert found
    assert (f"{tmp_path}/keras.json", "\ufeff{oops") == (found.path, found.text)


def test_interpreters_are_in_one_order() -> None:
    """The newest first, and of one version the paths in order, however they were found."""
    versions = {"/b": "3.9.1", "/a": "3.9.1", "/c": "3.10.0", "/d": "3.15.0a1", "/e": "2.7.18"}
    answers = starmap(answer_of, versions.items())
    ask = {f"python {path}/bin/python": answer for path, answer in zip(versions, answers, strict=True)}
    links = {f"real_path {path}/bin/python": f"{path}/bin/python" for path in versions}
    machine = linux(ask=ask | links | {"interpreters_on_path": [f"{path}/bin/python" for path in versions]})

    assert ["/d", "/c", "/a", "/b", "/e"] == [python.path[:2] for python in machine.pythons or ()]
    expected = Interpreter("/c/bin/python", "3.10.0", "cpython", 64, "x86_64", "cp00", free_threaded=False)
    assert expected == (machine.pythons or ())[1]


def answer_of(prefix: str, version: str) -> dict[str, object]:
    """Return what an interpreter says of itself."""
    return {
        "executable": f"{prefix}/bin/python", "version": version, "implementation": "cpython", "bits": 64,
        "machine": "x86_64", "abi": "cp00", "free_threaded": False, "prefix": prefix, "base_prefix": prefix,
        "base_executable": None, "conda": False,
    }  # fmt: skip
