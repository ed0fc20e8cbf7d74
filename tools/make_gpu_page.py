"""Make docs/gpu.md from the tables: which GPU runs which release how.

Usage: python -m tools.make_gpu_page [--check]
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from tfup.match.gpu.drivers import needed_driver
from tfup.match.gpu.kernels import judge, number_of
from tfup.match.gpu.tables import cards, cuda_rows, defects, plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfup.match.gpu.kernels import Judgement
    from tfup.match.gpu.tables import CudaRow, DefectRow

FILE = Path(__file__).parents[1] / "docs" / "gpu.md"
SYSTEMS = {"linux_x86_64": "linux", "windows_amd64": "windows"}
HEAD = """\
# Which GPU runs which release how

This page is made from the tables in `tfup/data/` by `python -m tools.make_gpu_page`.
Change the tables, not the page.

`tfup plan` makes the same join for your machine, and says why.
`tfup plan --why-not 'tensorflow==VERSION'` names the smallest change that gives a release.
What is said here was read out of the wheels; it was not run on each of these cards.

| word | meaning |
|---|---|
| native | there is machine code for the card |
| 25 % | so many kernels have machine code; the driver compiles the others at their first use |
| JIT | the driver compiles every kernel at its first use: 30 minutes or longer, TensorFlow says |
| broken | TensorFlow finds the card, and most kernels fail on it |
| - | no code for the card: it stays unused |
| * | the card is newer than the CUDA of the release, whose cuBLAS and cuDNN may fail on it |

The first driver runs machine code; the second, where another, is the one that compiles.
WSL2 counts as Linux, with the driver of Windows: for CUDA 12 that is {wsl}.
"""
COLUMNS = "3.0 3.5 3.7 5.0 5.2 6.0 6.1 7.0 7.5 8.0 8.6 8.9 9.0 10.0 12.0".split()  # noqa: SIM905 (read as a heading)


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    if "--check" in sys.argv:
        return 0 if FILE.is_file() and page() == FILE.read_text(encoding="utf-8") else 1
    FILE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """Return the page as Markdown."""
    newest = next(row for row in cuda_rows().values() if row.pip == "cu12")
    return "\n".join(
        [
            HEAD.format(wsl=f"{needed_driver(newest, 'native', 'windows')} or newer"),
            "## Linux x86_64\n",
            *releases("linux_x86_64"),
            "\n## Windows\n\nFrom 2.11 on the wheels for Windows are for the processor alone: use WSL2.\n",
            *releases("windows_amd64"),
            "\n## The cards\n",
            *card_lines(),
            "\n## Apple's plug-in\n",
            *plugin_lines(),
            "\n## Known faults, and what tfup does about them\n",
            *defect_lines(),
            "",
        ]
    )


def releases(family: str) -> Iterator[str]:
    """Yield the table of a system, releases that are alike in one line."""
    yield f"| release | CUDA | cuDNN | driver | {' | '.join(COLUMNS)} |"
    yield f"|{'---|' * (len(COLUMNS) + 4)}"
    rows = [row for row in cuda_rows().values() if row.family == family]
    for cells, alike in groupby(rows, cells_of):
        versions = [row.version for row in alike]
        span = f"{versions[-1]} to {versions[0]}" if len(versions) > 1 else versions[0]
        yield f"| {' | '.join((span, *cells))} |"


def cells_of(row: CudaRow) -> tuple[str, ...]:
    """Return what a line says of a release."""
    verdicts = (cell(judge(row, number_of(capability))) for capability in COLUMNS)
    return row.cuda, row.cudnn, driver_cell(row), *verdicts


def cell(judgement: Judgement) -> str:
    """Return a verdict in a word."""
    words = {
        "native": "native",
        "mixed": f"{judgement.percent} %",
        "jit": "JIT",
        "broken": "broken",
        "none": "-",
    }
    return words[judgement.verdict] + "*" * judgement.newer_than_cuda


def driver_cell(row: CudaRow) -> str:
    """Return the drivers that a release needs."""
    system = SYSTEMS[row.family]
    drivers = (needed_driver(row, verdict, system) for verdict in ("native", "jit"))  # type: ignore[arg-type]
    return ", ".join(dict.fromkeys(filter(None, drivers)))


def card_lines() -> Iterator[str]:
    """Yield the cards by capability."""
    yield "| capability | architecture | such as | last driver, Linux and Windows |"
    yield "|---|---|---|---|"
    for row in cards():
        last = " and ".join(row.last_driver.values()) or "-"
        yield f"| {row.capability} | {row.architecture} | {', '.join(row.names) or '-'} | {last} |"


def plugin_lines() -> Iterator[str]:
    """Yield what pairs with which release."""
    yield "| TensorFlow | plug-in | from macOS | Python | doubt |"
    yield "|---|---|---|---|---|"
    for row in plugins():
        if row.accelerator == "metal":
            pythons = ", ".join(file.split("-")[2] for file, _, _ in row.wheels)
            release = row.tensorflow.removeprefix("==")
            plugin = f"{row.project} {row.version}"
            yield f"| {release} | {plugin} | {row.system} | {pythons} | {row.doubt or '-'} |"


def defect_lines() -> Iterator[str]:
    """Yield the faults."""
    yield "| releases | what is wrong | what tfup does | source |"
    yield "|---|---|---|---|"
    for _, alike in groupby(defects(), lambda row: row.id):
        rows = list(alike)
        yield f"| {'; '.join(map(range_of, rows))} | {rows[0].what} | {rows[0].route} | {rows[0].source} |"


def range_of(row: DefectRow) -> str:
    """Return the releases and systems of a fault."""
    systems = " and ".join(names(row.families))
    return f"`{row.project or 'tensorflow'}{row.tensorflow}` on {systems}"


def names(families: Iterable[str]) -> Iterator[str]:
    """Yield the systems by name."""
    yield from (SYSTEMS[family].capitalize() for family in families)


if __name__ == "__main__":
    sys.exit(main())
