"""What the README shows of the tables is made from them, and up to date."""

from __future__ import annotations

from tools import make_heat_map, make_readme


def test_counts_and_support_table_are_those_of_the_tables() -> None:
    """`python -m tools.make_readme` would change nothing."""
    readme = (make_readme.ROOT / "README.md").read_text(encoding="utf-8")

    assert f"{make_readme.COUNTS[0]}\n{make_readme.counts()}{make_readme.COUNTS[1]}" in readme
    assert f"{make_readme.BEGIN}\n{make_readme.table()}{make_readme.END}" in readme


def test_the_map_is_that_of_the_tables() -> None:
    """`python -m tools.make_heat_map` would change nothing, and every wheel is a cell of the map."""
    shapes, size = make_heat_map.drawing()

    assert make_heat_map.svg(shapes, size) == make_heat_map.SVG.read_text(encoding="utf-8")
    assert make_heat_map.PNG.stat().st_size > 1000
    wheels = {(row.version, wheel[0]) for row in make_heat_map.rows_here() for wheel in row.wheels}
    titles = {shape.title for shape in shapes if isinstance(shape, make_heat_map.Box)}
    known = (": proved", ": resolved", ": cannot", ": not locked")
    assert len(wheels) == len([title for title in titles if title.endswith(known)])
