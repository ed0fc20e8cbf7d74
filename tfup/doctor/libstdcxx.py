"""The C++ library: which one the loader takes, how new it is, and how new TensorFlow wants it.

>>> needed("tensorflow", "1.14.0", "linux_x86_64"), needed("tensorflow", "99.0", "linux_x86_64")
(21, None)
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.specifiers import SpecifierSet

from tfup import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfup.doctor.inspected import Patient

LIBRARY = "libstdc++.so.6"
SYSTEM_FOLDERS = {
    "x86_64": ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib"),
    "aarch64": ("/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib"),
}
LEVEL = re.compile(rb"GLIBCXX_3\.4\.(\d+)\0")


class LibstdcxxRow(Struct, frozen=True):
    """A range of releases, and the number N of GLIBCXX_3.4.N, the newest version that they ask for."""

    family: str
    tensorflow: str
    level: int


def needed(project: str, version: str, family: str) -> int | None:
    """Return what a release asks for, None where it was not measured; its projects hardly differ."""
    if project not in tables.projects():
        return None
    rows = tables.load("builds/libstdcxx.json", LibstdcxxRow)
    fits = (
        row.level for row in rows if row.family == family and SpecifierSet(row.tensorflow).contains(version)
    )
    return next(fits, None)


def taken(patient: Patient, entries: Iterable[str], system: Iterable[str]) -> Path | None:
    """Return the library that the loader takes: conda's own, one of LD_LIBRARY_PATH, or the system's."""
    conda = [patient.root / "lib"] if (patient.root / "conda-meta").is_dir() else []
    places = [*conda, *map(Path, entries), *map(Path, system)]
    return next((place / LIBRARY for place in places if (place / LIBRARY).is_file()), None)


def level_of(path: Path) -> int:
    """Return the newest GLIBCXX version that a library names, 0 where it names none."""
    import mmap

    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return 0
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return max((int(found[1]) for found in LEVEL.finditer(content)), default=0)


def frameworks(patient: Patient) -> Iterator[Path]:
    """Yield the library that all parts of TensorFlow are linked with."""
    for place in patient.places:
        for pattern in (
            "tensorflow/libtensorflow_framework.so*",
            "tensorflow_core/libtensorflow_framework.so*",
        ):
            yield from place.glob(pattern)
