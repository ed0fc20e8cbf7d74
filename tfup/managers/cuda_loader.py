"""Makes an environment find CUDA's libraries, without a variable that the person would have to set.

The system's loader looks where the person's LD_LIBRARY_PATH and the binaries of TensorFlow say: those of
older releases know nothing of pip's packages, and some of the newer say it in another binary than the one
that asks. A module in site-packages opens the libraries by path, before any search: data/gpu/tfup_cuda.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tfup import tables
from tfup.match.gpu import pip_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.model import Choice

MODULE = "tfup_cuda.py"
START = "tfup_cuda.pth"
PIP_TOOLKIT = "nvidia/cuda_nvcc"
"""Where NVIDIA's packages put ptxas and libdevice, below site-packages."""
NEEDED = ("libnvJitLink", "libcublasLt", "libcublas", "libcusparse")
"""The libraries that others need, in the order in which they can be opened."""
LIBDEVICE = Path("nvvm", "libdevice")


class Opening(NamedTuple):
    """What is opened when TensorFlow is imported; paths are absolute or below site-packages."""

    libraries: list[list[str]]
    """For each library the names and paths to try, in order; a bare name is for the system's loader."""
    toolkit: str = ""
    """The folder below which XLA finds libdevice and ptxas; empty where it finds them itself."""


def opening(choice: Choice | None) -> Opening | None:
    """Return what an environment has to open for a choice; None where nothing is to be done."""
    if choice is None or choice.accelerator != "cuda":
        return None
    ways = {"pip": from_pip, "conda": from_conda, "system": from_system}
    found = ways[choice.cuda_from](choice) if choice.cuda_from else None
    return found if found and found.libraries else None


def from_pip(choice: Choice) -> Opening:
    """Return what pip's packages hold, by path alone: these versions were pinned, whatever else is here."""
    nvcc = any("-nvcc-" in row.package for row in pip_packages.packages(choice))
    paths = sorted(pip_packages.libraries(choice), key=rank)
    return Opening([[path] for path in paths], PIP_TOOLKIT if nvcc else "")


def rank(path: str) -> int:
    """Return the place of a library in the order of opening, in which none comes before what it needs.

    What one needs and is not open, the loader would take from the person's LD_LIBRARY_PATH.
    """
    stem = Path(path).name.partition(".")[0]
    return NEEDED.index(stem) if stem in NEEDED else len(NEEDED)


def from_conda(choice: Choice) -> Opening:
    """Return what conda's packages put into the environment itself, where only conda's own programs look."""
    folder = "../../Library/bin" if choice.platform.startswith("windows") else "../.."
    return Opening([[f"{folder}/{one.soname}"] for one in choice.libraries if one.source == "conda"])


def from_system(choice: Choice) -> Opening:
    """Return the system's libraries; one that the loader finds by its name is left to the loader."""
    here = [(one.soname, Path(one.path)) for one in choice.libraries if one.source == "system" and one.path]
    names = [[soname, str(path)] for soname, path in here]
    parts = [[part.name, str(part)] for soname, path in here for part in parts_of(soname, path)]
    return Opening(names + parts, next((str(root) for _, path in here for root in toolkits(path)), ""))


def parts_of(soname: str, path: Path) -> list[Path]:
    """Return the libraries beside cuDNN that it opens by name when they are needed, since cuDNN 8."""
    stem, _, version = soname.partition(".so.")
    return sorted(path.parent.glob(f"{stem}_*.so.{version}")) if stem == "libcudnn" else []


def toolkits(path: Path) -> Iterator[Path]:
    """Yield the toolkit that a library belongs to: some folder above it has libdevice."""
    yield from (root for root in path.parents if (root / LIBDEVICE).is_dir())


def asked(choice: Choice | None) -> list[object]:
    """Return what an environment notes of it; empty where nothing is to be opened."""
    return list(opening(choice) or ())


def write(site: Path, choice: Choice | None) -> None:
    """Put the module into site-packages, and the line that starts it."""
    found = opening(choice)
    if found:
        line = f"import tfup_cuda; tfup_cuda.wait({found.libraries!r}, {found.toolkit!r})\n"
        (site / MODULE).write_bytes((tables.DATA / "gpu" / MODULE).read_bytes())
        (site / START).write_text(line, encoding="utf-8")
