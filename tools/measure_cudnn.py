"""Make data/gpu/cudnn.json: the oldest card that each of NVIDIA's packages of cuDNN has machine code for.

Usage: python -m tools.measure_cudnn [REQUIREMENT...]    (such as nvidia-cudnn-cu12==9.11.0.98)

Without a requirement, the packages of the table are measured again. The library that serves the fewest
cards decides: without code in one of them cuDNN fails on a card.
"""

from __future__ import annotations

import sys

from packaging.version import Version

from tfup import tables
from tfup.match.gpu.tables import CudnnRow
from tools import fatbin, index
from tools.wheel_contents import LIBRARY, read_library

ABOUT = {"source": "machine code lists of NVIDIA's packages", "made_by": "tools/measure_cudnn.py"}


def main(requirements: list[str]) -> int:
    """Write the table."""
    rows = {row.cudnn: row for row in tables.load("gpu/cudnn.json", CudnnRow)}
    known = [f"{row.source.split('-')[0].replace('_', '-')}=={row.cudnn}" for row in rows.values()]
    for requirement in requirements or known:
        row = measure(*requirement.split("=="))
        print(row.cudnn, row.oldest, row.source, flush=True)
        rows[row.cudnn] = row
    tables.save("gpu/cudnn.json", ABOUT, sorted(rows.values(), key=lambda row: Version(row.cudnn)))
    return 0


def measure(package: str, version: str) -> CudnnRow:
    """Read the package of a release for Linux."""
    wheels = [one for one in index.files_of(package, version) if one.file.file.endswith("x86_64.whl")]
    if not wheels:
        sys.exit(f"The index has no {package} {version} for Linux.")
    with index.opened(wheels[0].address, at_once=True) as wheel:
        members = [member for member in wheel.infolist() if LIBRARY.search(member.filename)]
        read = [fatbin.count(read_library(wheel, member, sampled=False)[1]) for member in members]
    oldest = [next(iter(kernels.sass)) for kernels in read if kernels.sass]
    return CudnnRow(version, max(oldest, key=float), wheels[0].file.file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
