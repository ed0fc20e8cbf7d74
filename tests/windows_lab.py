"""A Windows with the little clone of tfup on it, and an index that has what both need."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests import little_clone, loopback_index, wine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.running import Run

CLONE = "users/root/Don't panic (50 & 中文)/tf up"
"""What a folder of a person may be called; Wine's cmd alone does not bear a percent sign, too."""


class Lab(NamedTuple):
    """The machine, where the clone is, and the index."""

    windows: wine.Windows
    little: Path
    address: str
    variables: dict[str, str]

    @property
    def bat(self) -> str:
        """The file to double-click, as Windows writes it."""
        return "\\".join(["C:", *CLONE.split("/"), "Install TensorFlow.bat"])

    @property
    def cache(self) -> Path:
        """The folder that only tfup writes to."""
        return self.windows.home / ".cache" / "tfup"

    @property
    def project(self) -> Path:
        """The project that a double click makes."""
        return self.windows.home / "tensorflow"

    def settings(self, manner: str = "good") -> dict[str, str]:
        """Return the variables of a person with that one index."""
        index = f"http://{self.address}/{manner}/simple"
        return self.variables | {"TFUP_INDEX_URL": index, "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "5"}

    def start(self, *words: str, manner: str = "good", cwd: str = CLONE, **variables: str) -> Run:
        """Start the .bat in a console."""
        return self.windows.run(self.bat, *words, cwd=cwd, **(self.settings(manner) | variables))

    def double_click(self, manner: str = "good", **variables: str) -> Run:
        """Start it as the Explorer does, which Wine's cmd does not tell by itself."""
        line = rf'C:\windows\system32\cmd.exe /c ""{self.bat}" "'
        return self.start(manner=manner, CMDCMDLINE=line, **variables)


@contextmanager
def lab(kept: Path, scratch: Path) -> Iterator[Lab]:
    """Yield a machine with Python 3.12 in its registry, without pip, and the programs that Wine lacks."""
    loopback_index.WHEELS.update(wine.libraries(kept))
    with (
        little_clone.cloned(scratch / "little", little_clone.WINDOWS) as little,
        wine.windows(kept, scratch / "wine") as windows,
    ):
        windows.add_clone(CLONE, little.folder)
        windows.register("3.12", windows.add_python("3.12"))
        yield Lab(windows, little.folder, little.address, windows.add_stand_ins())
