r"""Windows' registry, for reading: one value, the names below a key, and the interpreters that it knows.

A key is written as people write it, such as HKCU\Software\Python. Programs of 32 bits keep theirs apart,
so that each key is looked for in the view of 64 bits first, and then in the one of 32.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.machine.probe import Json

ROOTS = {"HKCU": "HKEY_CURRENT_USER", "HKLM": "HKEY_LOCAL_MACHINE"}
WIDTHS = (64, 32)


class Registry:
    """The registry through the module `winreg`, or through a stand-in for it."""

    def __init__(self, winreg: Any = None) -> None:  # noqa: ANN401 (the module is on Windows only)
        """Read through `winreg`, else through Python's own module."""
        if winreg is None:
            import winreg
        self.winreg = winreg

    def open(self, key: str) -> Iterator[Any]:
        """Yield the key in each view that has it."""
        root, _, place = key.partition("\\")
        for width in WIDTHS:
            access = self.winreg.KEY_READ | getattr(self.winreg, f"KEY_WOW64_{width}KEY")
            hive = getattr(self.winreg, ROOTS[root])
            with suppress(OSError), self.winreg.OpenKey(hive, place, 0, access) as opened:
                yield opened

    def read(self, key: str, name: str = "") -> Json | None:
        """Return a text or number that stands at a key; None where there is no such thing."""
        for opened in self.open(key):
            with suppress(OSError):
                value = self.winreg.QueryValueEx(opened, name)[0]
                return value if isinstance(value, (str, int)) else None
        return None

    def below(self, key: str) -> list[str]:
        """Return the names of the keys below one, of both views."""
        names = {
            self.winreg.EnumKey(opened, number)
            for opened in self.open(key)
            for number in range(self.winreg.QueryInfoKey(opened)[0])
        }
        return sorted(names)

    def pythons(self) -> list[str]:
        """Return the interpreters that are registered, as the `py` launcher reads them (PEP 514)."""
        found = {
            program
            for root in ROOTS
            for company in self.below(rf"{root}\Software\Python")
            for tag in self.below(rf"{root}\Software\Python\{company}")
            for program in self.programs(rf"{root}\Software\Python\{company}\{tag}\InstallPath")
        }
        return sorted(found)

    def programs(self, key: str) -> Iterator[str]:
        """Yield the interpreter of one installation, of each view: by its own path, else by its folder."""
        for opened in self.open(key):
            for name, rest in (("ExecutablePath", ""), ("", r"\python.exe")):
                with suppress(OSError):
                    yield self.winreg.QueryValueEx(opened, name)[0].rstrip("\\") + rest
                    break
