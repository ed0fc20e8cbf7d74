"""Microsoft's C++ runtime in an environment of Windows, where Windows itself would not look for it.

The wheel of msvc-runtime puts the libraries into the environment's folder. But the program that runs is the
base interpreter, and for what a module needs Windows looks beside that one and in System32 only. A line in
site-packages, which Python obeys at its start, names the environment's folder too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = "msvcp140.dll"
FILE = "tfup_runtime.pth"
# Before 3.8 it is the PATH that counts.
LINE = (
    'import os, sys; os.add_dll_directory(sys.prefix) if hasattr(os, "add_dll_directory") else '
    'os.environ.update(PATH=sys.prefix + os.pathsep + os.environ.get("PATH", ""))\n'
)


def write(folder: Path, site: Path) -> None:
    """Let the Python of an environment find the C++ runtime that a wheel has put there."""
    if (folder / LIBRARY).is_file():
        (site / FILE).write_text(LINE, encoding="ascii")
