"""Draw which release was proved on which Python, beside what plain pip makes of the same.

Usage: python -m tools.make_heat_map [--check]     (the PNG needs Pillow)

Writes docs/heat-map.svg and docs/heat-map.png from the tables and benchmarks/plain_pip.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

from packaging.version import Version

from tfup import tables
from tfup.match.fitting import proofs
from tfup.match.platforms import minor_of, python_release
from tfup.tables import FailureRow
from tools.make_readme import FAMILY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tfup.tables import BuildRow

ROOT = Path(__file__).parents[1]
SVG, PNG = ROOT / "docs/heat-map.svg", ROOT / "docs/heat-map.png"
MEASURED = ROOT / "benchmarks/plain_pip.json"

COLOURS = {
    "proved": "#1a7f37",
    "resolved": "#9ecbff",
    "cannot": "#cf222e",
    "works": "#1a7f37",
    "breaks": "#cf222e",
    "refuses": "#8c4a00",
    "not locked": "#d0d7de",
    "no wheel": "#f0f2f4",
    "not tried": "#f0f2f4",
}
INK, PAPER = "#24292f", "#ffffff"
WIDTH, HEIGHT, GAP = 30, 10, 1  # of a cell, in pixels
LEFT, TOP, BETWEEN, FOOT = 74, 58, 64, 42


class Box(NamedTuple):
    """A filled rectangle, and what is said of it where one points at it."""

    x: int
    y: int
    width: int
    height: int
    colour: str
    title: str = ""


class Text(NamedTuple):
    """A text; `y` is that of its base line."""

    x: int
    y: int
    size: int
    said: str


def main() -> int:
    """Write both pictures, or with --check say whether the SVG is up to date."""
    shapes, size = drawing()
    text = svg(shapes, size)
    if "--check" in sys.argv:
        return 0 if SVG.read_text(encoding="utf-8") == text else 1
    SVG.write_text(text, encoding="utf-8")
    write_png(shapes, size)
    return 0


# ---------------------------------------------------------------- what is known


def rows_here() -> list[BuildRow]:
    """Return the final releases of tensorflow for the system of the map, newest first."""
    rows = (row for row in tables.releases("tensorflow") if row.family == FAMILY)
    return [row for row in rows if not Version(row.version).is_prerelease]


def pythons(rows: list[BuildRow]) -> list[str]:
    """Return all Python tags, oldest first."""
    return sorted({wheel[0] for row in rows for wheel in row.wheels}, key=python_release)


def own_status(row: BuildRow, tag: str) -> str:
    """Return what we know of a release on a Python."""
    lock = tables.lock(row.project, row.version, tag, row.family)
    if lock and (lock.digest, "cpu") in proofs():
        return "proved"
    build = (row.project, row.version, tag, row.family)
    if any((one.project, one.version, one.python_tag, one.family) == build for one in failures()):
        return "cannot"
    return "resolved" if lock else "not locked"


def failures() -> list[FailureRow]:
    """Return the cells that cannot be had, with the evidence."""
    return tables.load("proofs/failures.json", FailureRow)


def measured() -> dict[tuple[str, str], dict[str, str]]:
    """Return what plain pip made of each release and Python that was tried."""
    found = json.loads(MEASURED.read_text(encoding="utf-8"))["rows"]
    return {(row["version"], row["python_tag"]): row for row in found}


# ---------------------------------------------------------------- drawing


def drawing() -> tuple[list[Box | Text], tuple[int, int]]:
    """Return the shapes of the picture, and its size."""
    rows, plain = rows_here(), measured()
    tags = pythons(rows)
    second = LEFT + len(tags) * WIDTH + BETWEEN
    size = second + len(tags) * WIDTH + 20, TOP + len(rows) * HEIGHT + FOOT
    on = max(row["on"] for row in plain.values())
    return [
        Box(0, 0, *size, PAPER),
        *heading(LEFT, "tfup", tags),
        *heading(second, f"pip install tensorflow==X ({on}, newest patches)", tags),
        *grid(LEFT, rows, tags),
        *tried(second, rows, tags, plain),
        *legend(LEFT, size[1] - 26, ("proved", "resolved", "cannot", "not locked", "no wheel")),
        *legend(second, size[1] - 26, ("works", "breaks", "refuses", "not tried")),
    ], size


def heading(x: int, title: str, tags: list[str]) -> Iterator[Text]:
    """Yield the title of a map and the names of its columns."""
    yield Text(x, 22, 14, title)
    for number, tag in enumerate(tags):
        yield Text(x + number * WIDTH + 3, TOP - 8, 11, minor_of(tag))


def grid(x: int, rows: list[BuildRow], tags: list[str]) -> Iterator[Box | Text]:
    """Yield tfup's map."""
    minor = None
    for number, row in enumerate(rows):
        y = TOP + number * HEIGHT
        if minor != (minor := row.version.split(".")[:2]):
            yield Text(x - 62, y + HEIGHT - 1, 10, row.version)
        have = {wheel[0] for wheel in row.wheels}
        for column, tag in enumerate(tags):
            status = own_status(row, tag) if tag in have else "no wheel"
            yield cell(x, y, column, status, f"{row.version}, Python {minor_of(tag)}: {status}")


def tried(
    x: int, rows: list[BuildRow], tags: list[str], plain: dict[tuple[str, str], dict[str, str]]
) -> Iterator[Box]:
    """Yield the map of what was measured with pip alone."""
    for number, row in enumerate(rows):
        for column, tag in enumerate(tags):
            one = plain.get((row.version, tag), {"outcome": "not tried", "detail": ""})
            title = f"{row.version}, Python {minor_of(tag)}: {one['outcome']} {one['detail']}"
            yield cell(x, TOP + number * HEIGHT, column, one["outcome"], title)


def cell(x: int, y: int, column: int, status: str, title: str) -> Box:
    """Return one cell of a map."""
    return Box(x + column * WIDTH, y, WIDTH - GAP, HEIGHT - GAP, COLOURS[status], title.strip())


def legend(x: int, y: int, words: tuple[str, ...]) -> Iterator[Box | Text]:
    """Yield what the colours mean."""
    for number, word in enumerate(words):
        yield Box(x + number * 84, y, 12, 12, COLOURS[word])
        yield Text(x + number * 84 + 17, y + 11, 11, word)


# ---------------------------------------------------------------- writing


def svg(shapes: list[Box | Text], size: tuple[int, int]) -> str:
    """Return the picture as SVG."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif">'
    )
    return "\n".join([head, *map(element, shapes), "</svg>"]) + "\n"


def element(shape: Box | Text) -> str:
    """Return one shape as SVG."""
    if isinstance(shape, Text):
        said = escape(shape.said)
        return f'<text x="{shape.x}" y="{shape.y}" font-size="{shape.size}" fill="{INK}">{said}</text>'
    frame = f'x="{shape.x}" y="{shape.y}" width="{shape.width}" height="{shape.height}" fill="{shape.colour}"'
    return f"<rect {frame}><title>{escape(shape.title)}</title></rect>" if shape.title else f"<rect {frame}/>"


def write_png(shapes: list[Box | Text], size: tuple[int, int]) -> None:
    """Write the picture as PNG, for places that show no SVG."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        if isinstance(shape, Text):
            font = ImageFont.load_default(shape.size)
            draw.text((shape.x, shape.y), shape.said, INK, font, anchor="ls")
        else:
            right, below = shape.x + shape.width - 1, shape.y + shape.height - 1
            draw.rectangle((shape.x, shape.y, right, below), shape.colour)
    image.quantize(32).save(PNG, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
