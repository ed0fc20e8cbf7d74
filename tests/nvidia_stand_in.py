"""NVIDIA's libraries without NVIDIA: built from C, of any driver and any cards, with faults on request."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "stand_ins" / "nvidia.c"
NAMES = ("libnvidia-ml.so.1", "libcuda.so.1")

T4 = "Tesla T4,GPU-00000001-aaaa-bbbb-cccc-ddddeeeeffff,7,5,15843721216,00000000:3B:00.0,-"
A100 = "NVIDIA A100-SXM4-40GB,GPU-00000002-aaaa-bbbb-cccc-ddddeeeeffff,8,0,42505273344,00000000:5E:00.0,2"
GTX = "GeForce GTX 1080,GPU-00000003-aaaa-bbbb-cccc-ddddeeeeffff,6,1,8513978368,0000:01:00.0,-"


def build(folder: Path, *, old: bool = False) -> Path:
    """Build the libraries into a folder; old ones lack what drivers before 396 lack."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler here to build the stand-in for NVIDIA's libraries")
    flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", *(["-DOLD"] if old else [])]
    first, second = (folder / name for name in NAMES)
    subprocess.run([compiler, *flags, "-o", first, SOURCE], check=True, timeout=60)
    shutil.copy(first, second)
    return folder


def environment(folder: Path, *cards: str, **settings: str) -> dict[str, str]:
    """Return the variables under which a process finds the libraries, and these cards in them."""
    answers = {"DRIVER": "535.104.05", "CUDA": "12020", "CARDS": "".join(f"{card};" for card in cards)}
    own = {f"STAND_IN_{name}": value for name, value in answers.items()}
    return {**os.environ, "LD_LIBRARY_PATH": str(folder), **own, **settings}
