"""An environment finds CUDA's libraries by itself: opened by path as TensorFlow is imported, and not before.

The libraries are stand-ins built from C: they answer to the names of the real ones, and do nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import uv
from msgspec.structs import replace

from tests.pythons import interpreters
from tfup import tables
from tfup.managers import activation, cuda_loader
from tfup.match.gpu import pip_packages
from tfup.match.gpu.tables import cuda_rows
from tfup.model import Choice, Library, Plan, Wheel, Wish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CHOICE = Choice(
    project="tensorflow",
    version="2.10.1",
    python="3.10.13",
    python_tag="cp310",
    python_path=None,
    python_from="obtain",
    wheel=Wheel("tensorflow-2.10.1-cp310-cp310-manylinux_2_17_x86_64.whl", "a" * 64),
    platform="linux_x86_64",
    accelerator="cuda",
    cuda_from="pip",
)
ASK = """
import ctypes, json, os, sys
def is_found(name):
    try: ctypes.CDLL(name)
    except OSError: return False
    return True
found = [name for name in os.environ["ASKED"].split() if is_found(name)]
opened = sorted(set(line.split()[-1] for line in open("/proc/self/maps") if ".so" in line))
print(json.dumps([found, opened, os.environ.get("XLA_FLAGS"), os.environ["PATH"]]))
"""
"""A TensorFlow that asks the loader for libraries by their names, as the real one does."""


def build(path: Path, *needs: Path) -> Path:
    """Build a library that answers to the name of its file, and needs others, wherever they are."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler here to build stand-ins for CUDA's libraries")
    path.parent.mkdir(parents=True, exist_ok=True)
    options = ["-shared", "-fPIC", f"-Wl,-soname,{path.name}", "-Wl,--no-as-needed", "-x", "c", "/dev/null"]
    others = ["-x", "none", *map(str, needs)]
    subprocess.run([compiler, *options, *others, "-o", path], check=True, timeout=60)
    return path


def start(python: str | Path, site: Path, code: str, **variables: str) -> str:
    """Run code in an interpreter that has the folder among its sites, and return what it prints."""
    begin = f"import site, sys; site.addsitedir({str(site)!r}); "
    done = subprocess.run(
        [python, "-c", begin + code],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert "" == done.stderr
    return done.stdout


def import_tensorflow(python: str | Path, site: Path, *asked: str, **variables: str) -> list[list[str]]:
    """Return what a TensorFlow finds that asks for libraries: names, files, XLA's flags, the PATH."""
    (site / "tensorflow.py").write_text(ASK, encoding="utf-8")
    told = start(python, site, "import tensorflow", ASKED=" ".join(asked), **variables)
    answer: list[list[str]] = json.loads(told)
    return answer


def begin(site: Path, libraries: Sequence[Sequence[str]], toolkit: str = "") -> None:
    """Put the module into a site, with the line that starts it."""
    shutil.copy(tables.DATA / "gpu" / cuda_loader.MODULE, site)
    names = [list(each) for each in libraries]
    (site / cuda_loader.START).write_text(f"import tfup_cuda; tfup_cuda.wait({names!r}, {toolkit!r})\n")


@pytest.mark.parametrize("version", interpreters())
def test_libraries_are_found_by_name_once_tensorflow_is_imported(version: str, tmp_path: Path) -> None:
    """From Python 2.7 on, with no variable set; also one that needs another that comes later in the list."""
    first = build(tmp_path / "nvidia" / "first" / "lib" / "libtfupfirst.so.1")
    second = build(tmp_path / "nvidia" / "second" / "lib" / "libtfupsecond.so.2", first)
    asked = ("libtfupsecond.so.2", "libtfupfirst.so.1")
    python = interpreters()[version]
    before = import_tensorflow(python, tmp_path, *asked)[0]
    begin(tmp_path, [[str(path.relative_to(tmp_path))] for path in (second, first)])

    assert [] == before
    assert [*asked] == import_tensorflow(python, tmp_path, *asked)[0]


@pytest.mark.parametrize("version", interpreters())
def test_nothing_is_opened_or_loaded_before(version: str, tmp_path: Path) -> None:
    """A Python that does not import TensorFlow starts as quickly as ever: ctypes alone would take longer."""
    library = build(tmp_path / "libtfupfirst.so.1")
    begin(tmp_path, [[str(library)]])
    code = "print([name in sys.modules for name in ('tfup_cuda', 'ctypes')], open('/proc/self/maps').read())"
    told = start(interpreters()[version], tmp_path, code)

    assert "[True, False]" in told
    assert "libtfupfirst" not in told


def test_what_is_not_there_is_left_to_tensorflow_to_say(tmp_path: Path) -> None:
    """A package that was taken away is no error of ours; the others are still opened."""
    library = build(tmp_path / "libtfupfirst.so.1")
    begin(tmp_path, [["nvidia/gone/lib/libtfupgone.so.1"], [str(library)]])

    assert ["libtfupfirst.so.1"] == import_tensorflow(
        sys.executable, tmp_path, "libtfupgone.so.1", library.name
    )[0]


def test_a_library_that_the_loader_finds_is_left_to_the_loader(tmp_path: Path) -> None:
    """The person's LD_LIBRARY_PATH goes before the folder of the system that tfup found."""
    found = build(tmp_path / "found" / "libtfupfirst.so.1")
    chosen = build(tmp_path / "chosen" / "libtfupfirst.so.1")
    begin(tmp_path, [[found.name, str(found)]])

    assert str(found) in import_tensorflow(sys.executable, tmp_path, found.name)[1]
    opened = import_tensorflow(sys.executable, tmp_path, found.name, LD_LIBRARY_PATH=str(chosen.parent))[1]
    assert (str(chosen) in opened, str(found) in opened) == (True, False)


def test_a_cudnn_of_the_persons_does_not_lend_its_parts_to_ours(tmp_path: Path) -> None:
    """cuDNN opens its parts by name, and LD_LIBRARY_PATH goes before its folder: ours are opened first."""
    names = ("libcudnn_ops_infer.so.8", "libcudnn_adv_infer.so.8")
    ours, theirs = tmp_path / "nvidia" / "cudnn" / "lib", tmp_path / "chosen"
    for folder in (ours, theirs):
        build(folder / "libcudnn.so.8")
        build(folder / names[1], build(folder / names[0]))
    begin(tmp_path, [["nvidia/cudnn/lib/libcudnn.so.8"]])
    python = sys.executable

    opened = import_tensorflow(python, tmp_path, *names, LD_LIBRARY_PATH=str(theirs))[1]
    assert [str(ours / name) for name in sorted(("libcudnn.so.8", *names))] == [
        path for path in opened if "cudnn" in path
    ]
    assert [str(ours / "libcudnn.so.8")] == [
        path for path in import_tensorflow(python, tmp_path)[1] if "cudnn" in path
    ]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", "--xla_gpu_cuda_data_dir={toolkit}"),
        ("--xla_dump_to=x", "--xla_dump_to=x --xla_gpu_cuda_data_dir={toolkit}"),
        ("--xla_gpu_cuda_data_dir=/own", "--xla_gpu_cuda_data_dir=/own"),
        ("flags.txt", "flags.txt"),
    ],
)
def test_xla_is_shown_libdevice_unless_the_person_said_where_it_is(
    flags: str, expected: str, tmp_path: Path
) -> None:
    """Other flags stay, and so does a file of flags; ptxas comes last on the PATH."""
    toolkit = tmp_path / "nvidia" / "cuda_nvcc"
    (toolkit / "nvvm" / "libdevice").mkdir(parents=True)
    begin(tmp_path, [], "nvidia/cuda_nvcc")
    _, _, said, path = import_tensorflow(sys.executable, tmp_path, XLA_FLAGS=flags)

    assert expected.format(toolkit=toolkit) == said
    assert f"/usr/bin:/bin:{toolkit}/bin" == path


def test_a_folder_with_a_space_is_quoted_for_xla(tmp_path: Path) -> None:
    """XLA splits its flags at spaces, and heeds quotes."""
    toolkit = tmp_path / "my work" / "cuda_nvcc"
    (toolkit / "nvvm" / "libdevice").mkdir(parents=True)
    begin(tmp_path, [], str(toolkit))

    assert f"--xla_gpu_cuda_data_dir='{toolkit}'" == import_tensorflow(sys.executable, tmp_path)[2]


def test_without_libdevice_nothing_is_shown(tmp_path: Path) -> None:
    """A toolkit that was removed would only mislead XLA."""
    begin(tmp_path, [], "nvidia/cuda_nvcc")

    assert [None, "/usr/bin:/bin"] == import_tensorflow(sys.executable, tmp_path)[2:]


# ---------------------------------------------------------------- which libraries, and where


def test_pips_libraries_are_opened_by_path_alone() -> None:
    """They were pinned for this build: an older cuDNN on the LD_LIBRARY_PATH does not take their place."""
    found = cuda_loader.opening(CHOICE)

    assert found is not None
    assert ["nvidia/cudnn/lib/libcudnn.so.8"] in found.libraries
    order = [names[0].rpartition("/")[2] for names in found.libraries]
    assert ["libcublasLt.so.11", "libcublas.so.11", "libcusparse.so.11"] == order[:3]
    assert {1} == {len(names) for names in found.libraries}
    assert "nvidia/cuda_nvcc" == found.toolkit


def test_the_systems_libraries_are_tried_by_name_and_then_by_path(tmp_path: Path) -> None:
    """Those that cuDNN opens itself are with them; the toolkit is the folder above that has libdevice."""
    (tmp_path / "nvvm" / "libdevice").mkdir(parents=True)
    folder = tmp_path / "targets" / "x86_64-linux" / "lib"
    folder.mkdir(parents=True)
    for name in ("libcudnn.so.8", "libcudnn_ops_infer.so.8", "libcudnn_ops_infer.so.9"):
        (folder / name).touch()
    library = Library("libcudnn.so.8", "system", str(folder / "libcudnn.so.8"))
    libraries = (library, Library("libcublas.so.11", "system"))
    found = cuda_loader.opening(replace(CHOICE, cuda_from="system", libraries=libraries))

    assert found is not None
    assert [
        ["libcudnn.so.8", str(folder / "libcudnn.so.8")],
        ["libcudnn_ops_infer.so.8", str(folder / "libcudnn_ops_infer.so.8")],
    ] == found.libraries
    assert str(tmp_path) == found.toolkit


@pytest.mark.parametrize("other", [{"accelerator": "cpu"}, {"cuda_from": "system"}, {"cuda_from": None}])
def test_no_other_environment_gets_the_module(other: dict[str, str], tmp_path: Path) -> None:
    """For the processor, and where nothing is known to be opened, nothing is written and nothing noted."""
    choice = replace(CHOICE, **other)
    cuda_loader.write(tmp_path, choice)

    assert [] == [*tmp_path.iterdir()]
    assert {} == activation.asked(Plan(Wish(), choice))


def test_an_environment_notes_what_it_opens_and_has_the_module(tmp_path: Path) -> None:
    """A later plan with other libraries makes it anew; the module goes with the environment that has it."""
    site = tmp_path / "lib" / "python3.10" / "site-packages"
    site.mkdir(parents=True)
    plan = Plan(Wish(), CHOICE)
    activation.furnish(tmp_path, plan)

    assert [["nvidia/cublas/lib/libcublasLt.so.11"]] == activation.asked(plan)["cuda"][0][:1]
    assert {"tfup_cuda.py", "tfup_cuda.pth"} == {path.name for path in site.iterdir()}
    assert (site / "tfup_cuda.pth").read_text().count("\n") == 1


# ---------------------------------------------------------------- real wheels

PROBE = """
import ctypes, os, sys
import tensorflow
library = ctypes.CDLL(os.path.join(os.path.dirname(tensorflow.__file__), "libtensorflow_framework.so.2"))
def found(name):
    function = "Get{}DsoHandle".format(name)
    call = getattr(library, "_ZN3tsl8internal9DsoLoader{}{}Ev".format(len(function), function))
    answer = (ctypes.c_uint64 * 16)()  # absl::StatusOr<void*>: a status and a handle
    call.argtypes = [ctypes.c_void_p]
    call(ctypes.addressof(answer))
    return bool(answer[1])
print(" ".join(name for name in sys.argv[1].split() if not found(name)))
"""
OPENED = {
    "libcublas": "Cublas",
    "libcublasLt": "CublasLt",
    "libcudart": "CudaRuntime",
    "libcudnn": "Cudnn",
    "libcufft": "Cufft",
    "libcurand": "Curand",
    "libcusolver": "Cusolver",
    "libcusparse": "Cusparse",
    "libnccl": "Nccl",
}
"""What TensorFlow's own loader calls the libraries."""


@pytest.mark.network
@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "python", "missing"),
    [
        ("2.12.1", "3.11", "Cublas CublasLt CudaRuntime Cudnn Cufft Curand Cusolver Cusparse"),
        ("2.16.1", "3.12", "Cublas CublasLt Cudnn Cufft Cusolver Cusparse"),
        ("2.21.0", "3.13", "Cusolver"),
    ],
)
def test_a_real_release_finds_all_its_libraries_through_us_and_not_without(
    version: str, python: str, missing: str, tmp_path: Path
) -> None:
    """TensorFlow's own loader, in a full import, with the layout of pip's packages around it."""
    environment, site = install(version, python, tmp_path)
    choice = replace(CHOICE, version=version)
    for path in pip_packages.libraries(choice):
        build(site / path)
    names = " ".join(
        sorted(OPENED[one.partition(".")[0]] for one in cuda_rows()[version, "linux_x86_64"].sonames)
    )

    assert missing == ask(environment, names)
    cuda_loader.write(site, choice)
    assert "" == ask(environment, names)


def install(version: str, python: str, folder: Path) -> tuple[Path, Path]:
    """Make an environment with a real release, and return its interpreter and its site-packages."""
    base = next(path for full, path in interpreters().items() if full.startswith(f"{python}."))
    numpy = ["numpy<2"] if version < "2.18" else []
    for command in (
        ["venv", "--quiet", "--python", base, folder / "env"],
        ["pip", "install", "--quiet", "--python", folder / "env", f"tensorflow=={version}", *numpy],
    ):
        subprocess.run([uv.find_uv_bin(), *command], check=True, timeout=900)
    return folder / "env" / "bin" / "python", activation.sites(folder / "env")[0]


def ask(python: Path, names: str) -> str:
    """Return which libraries TensorFlow's loader does not find, in a Python that was not activated."""
    done = subprocess.run(
        [python, "-c", PROBE, names],
        env={"PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        check=True,
        text=True,
        timeout=300,
    )
    return done.stdout.strip()
