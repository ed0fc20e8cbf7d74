"""Make docs/report.svg, the picture in the README, of what an install printed.

Usage: ./install.sh --project /tmp/tensorflow | python -m tools.make_picture
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console

from tfup.report.console import MARKS

OUTPUT = Path(__file__).parents[1] / "docs" / "report.svg"
WIDTH = 118
COLOURS = {fancy: colour for fancy, _, colour in MARKS.values()}


def main() -> None:
    """Read the report from standard input and draw it."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False, markup=False)
    console.print("$ ./install.sh", style="bold")
    for line in sys.stdin.read().splitlines():
        console.print(line, style=colour_of(line), overflow="ellipsis", no_wrap=True)
    OUTPUT.write_text(console.export_svg(title="tfup"), encoding="utf-8")


def colour_of(line: str) -> str:
    """Return the colour that a line has on a terminal."""
    return next((colour for mark, colour in COLOURS.items() if line.startswith(mark)), "white")


if __name__ == "__main__":
    main()
