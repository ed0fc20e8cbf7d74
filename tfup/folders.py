"""Where tfup keeps what is its own."""

from __future__ import annotations

from tfup.machine.interpreters import cache_folder

__all__ = ["cache_folder"]
