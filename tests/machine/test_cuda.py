"""Toolkits, cuDNN and their libraries: wherever somebody put them, and whatever is broken there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tfup.machine import Recording
from tfup.machine.cudnn import read_cuda
from tfup.machine.live import Live
from tfup.machine.probe import Answers
from tfup.model import FoundLibrary, Toolkit

if TYPE_CHECKING:
    from pathlib import Path

    from tfup.machine.fact import Facts

HEADER = "#define CUDNN_MAJOR {}\n#define CUDNN_MINOR {}\n#define CUDNN_PATCHLEVEL {}\n"


def write(path: Path, text: str = "") -> Path:
    """Write a file and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def link(path: Path, target: str) -> None:
    """Make a link, which may lead nowhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


class Rooted(Live):
    """A machine whose system folders lie in another folder, and whose loader has this cache."""

    def __init__(self, root: Path, cache: dict[str, str] | None = None, **variables: str) -> None:
        """Take the variables as they are; only paths of the system are moved."""
        super().__init__({"HOME": f"{root}/home", "PATH": "", **variables})
        self.root, self.cache = root, cache

    def _inside(self, path: str) -> str:
        return path if path.startswith(str(self.root)) else f"{self.root}{path}"

    def glob(self, pattern: str) -> list[str]:
        """Look inside."""
        return super().glob(self._inside(pattern)) if pattern.startswith("/") else []

    def ask(self, name: str, *arguments: str) -> Any:  # noqa: ANN401 (as in the probe)
        """Look inside for folders and files, and answer for the loader and its system."""
        own: dict[str, Any] = {"loader_libraries": self.cache, "platform": "linux"}
        if name in own:
            return own[name]
        if name in {"real_path", "libraries", "lines"} and arguments[0].startswith("/"):
            return super().ask(name, self._inside(arguments[0]), *arguments[1:])
        return super().ask(name, *arguments)

    def read(self, path: str) -> str | None:
        """Read inside."""
        return super().read(self._inside(path))


def recorded(**answers: Any) -> Facts:  # noqa: ANN401 (whatever a recording holds)
    """Read a machine that answers so, and else nothing."""
    answers["ask"] = {"platform": "linux", **answers.get("ask", {})}
    return read_cuda(Recording(msgspec.convert(answers, Answers)))


def listed(facts: Facts, place: str) -> list[Any]:
    """Return the entries of a list."""
    value: Any = facts[place].value
    return list(value)


# ---------------------------------------------------------------- toolkits


def test_all_toolkits_are_found(tmp_path: Path) -> None:
    """Versions side by side, one in /opt, one that a variable names, one whose compiler is on the PATH."""
    write(tmp_path / "usr/local/cuda-11.8/version.json", '{"cuda": {"version": "11.8.20220929"}}')
    write(tmp_path / "usr/local/cuda-9.0/version.txt", "CUDA Version 9.0.176\n")
    link(tmp_path / "usr/local/cuda", "cuda-9.0")
    write(tmp_path / "opt/cuda/include/cuda.h", "#define CUDA_VERSION 12040\n")
    write(tmp_path / "mine/version.txt", "CUDA Version 8.0.61\n")
    write(tmp_path / "sdk/version.json", '{"cuda_nvcc": {"version": "12.6.77"}}')
    write(tmp_path / "sdk/bin/nvcc", "#!/bin/sh\n").chmod(0o755)
    facts = read_cuda(Rooted(tmp_path, CUDA_HOME=f"{tmp_path}/mine", PATH=f"{tmp_path}/sdk/bin"))

    assert {"11.8.20220929", "9.0.176", "12.4", "8.0.61", "12.6.77"} == {
        toolkit.version for toolkit in listed(facts, "cuda")
    }
    assert 5 == len(listed(facts, "cuda"))


def test_a_compiler_alone_is_no_second_toolkit(tmp_path: Path) -> None:
    """A wrapper on the PATH says the version of the toolkit that is there already."""
    write(tmp_path / "usr/local/cuda-13.0/include/cuda.h", "#define CUDA_VERSION 13000\n")
    script = "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n"
    write(tmp_path / "usr/local/bin/nvcc", script).chmod(0o755)
    facts = read_cuda(Rooted(tmp_path, PATH=f"{tmp_path}/usr/local/bin"))

    assert ["13.0"] == [toolkit.version for toolkit in listed(facts, "cuda")]


def test_debians_own_toolkit_is_found() -> None:
    """Its compiler is below /usr/lib, its libraries are among the system's."""
    nvcc = "/usr/bin/nvcc"
    facts = recorded(
        ask={
            "programs nvcc": [nvcc],
            f"real_path {nvcc}": "/usr/lib/nvidia-cuda-toolkit/bin/nvcc",
            "real_path /usr": "/usr",
        },
        glob={"/usr/bin/nvcc": [nvcc]},
        run={"/usr/bin/nvcc --version": "Cuda compilation tools, release 9.1, V9.1.85\n"},
    )

    assert [Toolkit("9.1.85", "/usr", "nvcc")] == listed(facts, "cuda")


def test_each_variable_of_windows_installer_names_a_toolkit() -> None:
    """Somebody may have installed them on another drive."""
    facts = recorded(
        ask={
            "platform": "win32",
            "settings": ["CUDA_PATH_V9_0", "CUDA_PATH_V10_1"],
            r"real_path D:\cuda9": r"D:\cuda9",
            r"real_path D:\cuda10": r"D:\cuda10",
        },
        variable={"CUDA_PATH_V9_0": r"D:\cuda9", "CUDA_PATH_V10_1": r"D:\cuda10"},
        read={
            r"D:\cuda9/version.txt": "CUDA Version 9.0.176\r\n",
            r"D:\cuda10/version.txt": "CUDA Version 10.1.168",
        },
    )

    assert ["10.1.168", "9.0.176"] == [toolkit.version for toolkit in listed(facts, "cuda")]


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    """/usr/local/cuda is left behind when a toolkit is removed."""
    link(tmp_path / "usr/local/cuda", "cuda-9.0")
    facts = read_cuda(Rooted(tmp_path))

    assert () == facts["cuda"].value
    assert (None, "it leads nowhere") == facts[f"cuda[{tmp_path}/usr/local/cuda]"]


LONG = "9" * 5000
BROKEN = [
    "", "{", "\0" * 10, '{"cuda": 12}', "[1]", '{"cuda": {"version": null}}',
    '{"cuda": {"version": "trunk"}}',
    f'{{"cuda": {{"version": "{LONG}.0"}}}}', f"CUDA Version {LONG}.{LONG}",
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_a_version_file_that_is_broken_is_told(tmp_path: Path, text: str) -> None:
    """The folder is named like a toolkit, and nothing in it tells which."""
    write(tmp_path / "usr/local/cuda-12.4/version.json", text)
    write(tmp_path / "usr/local/cuda-12.4/version.txt", text)
    facts = read_cuda(Rooted(tmp_path))

    assert () == facts["cuda"].value
    assert (None, "nothing in it tells a version") == facts[f"cuda[{tmp_path}/usr/local/cuda-12.4]"]


def test_a_runtime_without_a_toolkit_is_found(tmp_path: Path) -> None:
    """The loader finds libraries that no toolkit lies around."""
    folder = tmp_path / "srv/nvidia"
    write(folder / "libcudart.so.11.2.152")
    link(folder / "libcudart.so.11.0", "libcudart.so.11.2.152")
    facts = read_cuda(Rooted(tmp_path, {"libcudart.so.11.0": f"{folder}/libcudart.so.11.0"}))

    assert [Toolkit("11.2.152", str(folder), "the loader's cache")] == listed(facts, "cuda")


# ---------------------------------------------------------------- cuDNN


def test_header_and_libraries_of_two_versions_tell_none(tmp_path: Path) -> None:
    """Somebody copied a new library beside an old header: which one a program gets is not known."""
    cuda = tmp_path / "usr/local/cuda-11.2"
    write(cuda / "version.json", '{"cuda": {"version": "11.2.152"}}')
    write(cuda / "include/cudnn.h", HEADER.format(7, 6, 5))
    write(cuda / "lib64/libcudnn.so.8.1.0")
    facts = read_cuda(Rooted(tmp_path))

    assert None is facts["cudnn"].value
    assert "they disagree" in facts["cudnn"].note
    assert "cudnn.h says 7.6.5" in facts["cudnn"].note
    assert "libcudnn.so.8.1.0 says 8.1.0" in facts["cudnn"].note


def test_one_that_disagrees_does_not_hide_the_others(tmp_path: Path) -> None:
    """It is told beside them."""
    for name, version in {"9.0": (7, 0, 5), "10.0": (7, 4, 2)}.items():
        write(tmp_path / f"usr/local/cuda-{name}/version.txt", f"CUDA Version {name}.1\n")
        write(tmp_path / f"usr/local/cuda-{name}/include/cudnn.h", HEADER.format(*version))
    write(tmp_path / "usr/local/cuda-10.0/lib64/libcudnn.so.7.6.5")
    facts = read_cuda(Rooted(tmp_path))

    assert [("7.0.5", "9.0")] == [(cudnn.version, cudnn.cuda) for cudnn in listed(facts, "cudnn")]
    assert "they disagree" in facts[f"cudnn[{tmp_path}/usr/local/cuda-10.0]"].note


def test_the_link_tells_which_of_two_is_taken(tmp_path: Path) -> None:
    """Old files stay when a library is replaced; programs follow the link."""
    lib = tmp_path / "usr/lib/x86_64-linux-gnu"
    for version in ("8.1.0", "8.9.7"):
        write(lib / f"libcudnn.so.{version}")
    link(lib / "libcudnn.so.8", "libcudnn.so.8.9.7")
    facts = read_cuda(Rooted(tmp_path))

    assert ["8.9.7"] == [cudnn.version for cudnn in listed(facts, "cudnn")]


# ---------------------------------------------------------------- libraries


def test_libraries_are_told_by_the_names_that_are_asked_for(tmp_path: Path) -> None:
    """The loader's variable wins over its cache; a link that leads nowhere is no library."""
    old, new = tmp_path / "usr/local/cuda-11.0/lib64", tmp_path / "mine/lib64"
    for folder, version in ((old, "11.0.194"), (new, "11.2.152")):
        write(folder / f"libcudart.so.{version}")
        link(folder / "libcudart.so.11.0", f"libcudart.so.{version}")
    write(old / "libcublas.so.11")
    link(old / "libcufft.so.10", "libcufft.so.10.2.1")
    write(tmp_path / "usr/local/cuda-11.0/version.txt", "CUDA Version 11.0.194\n")
    cache = {name: f"{old}/{name}" for name in ("libcudart.so.11.0", "libcublas.so.11")}
    facts = read_cuda(Rooted(tmp_path, cache, LD_LIBRARY_PATH=str(new)))

    assert [
        FoundLibrary("libcublas.so.11", f"{old}/libcublas.so.11", "system", loader=True),
        FoundLibrary("libcudart.so.11.0", f"{new}/libcudart.so.11.0", "system", loader=True),
        FoundLibrary("libcudart.so.11.0", f"{old}/libcudart.so.11.0", "system", loader=False),
    ] == listed(facts, "libraries")


def test_packages_of_pip_and_conda_are_told_as_theirs(tmp_path: Path) -> None:
    """Runtime, cuDNN and libraries of an interpreter and of an environment; the loader knows neither."""
    site = tmp_path / "home/.pyenv/versions/3.11.9/lib/python3.11/site-packages"
    for name in ("nvidia_cuda_runtime_cu12-12.5.82", "nvidia_cudnn_cu12-9.3.0.75"):
        write(site / f"{name}.dist-info/METADATA")
    write(site / "nvidia/cuda_runtime/lib/libcudart.so.12")
    conda = tmp_path / "opt/conda"
    write(conda / "conda-meta/cudatoolkit-10.1.243-h6bb024c_0.json")
    write(conda / "conda-meta/cudnn-7.6.5-cuda10.1_0.json")
    write(conda / "lib/libcudart.so.10.1")
    facts = read_cuda(Rooted(tmp_path, {}))

    assert [("10.1.243", "conda"), ("12.5.82", "pip")] == [
        (one.version, one.owner) for one in listed(facts, "cuda")
    ]
    assert [("7.6.5", "conda"), ("9.3.0.75", "pip")] == [
        (one.version, one.owner) for one in listed(facts, "cudnn")
    ]
    assert [("libcudart.so.10.1", "conda", False), ("libcudart.so.12", "pip", False)] == [
        (one.soname, one.owner, one.loader) for one in listed(facts, "libraries")
    ]


def test_without_a_loaders_cache_nothing_is_said_of_it(tmp_path: Path) -> None:
    """Musl keeps none: a library in a toolkit may be found or not."""
    write(tmp_path / "usr/local/cuda-12.4/version.json", '{"cuda": {"version": "12.4.1"}}')
    write(tmp_path / "usr/local/cuda-12.4/lib64/libcudart.so.12")
    facts = read_cuda(Rooted(tmp_path))

    assert [None] == [one.loader for one in listed(facts, "libraries")]


def test_a_recording_that_was_never_asked_knows_no_libraries() -> None:
    """Older recordings hold no answer, which is not the same as none."""
    assert None is recorded()["libraries"].value


def test_the_loader_of_this_machine_is_asked() -> None:
    """What it keeps is read, whichever libraries there are."""
    facts = read_cuda(Live(dict(os.environ)))

    assert isinstance(facts["libraries"].value, tuple)
