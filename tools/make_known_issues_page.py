"""Make docs/known-issues.md from the catalogue: a section with an anchor for each known issue.

Usage: python -m tools.make_known_issues_page [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tfup.doctor.catalogue import PAGE, Affected, DoctorIssue, KnownIssue, doctor_issues, issues
from tfup.doctor.facts import Facts
from tfup.doctor.remedies import Words, fill

FILE = Path(__file__).parents[1] / PAGE
THREAD = re.compile(r"(?P<project>[\w.-]+/[\w.-]+)#(?P<number>\d+)")
HEAD = """\
# Known issues

What people ran into with TensorFlow and Keras, why, and what repairs it.
`tfup explain` finds the cause in a log, `tfup doctor` in an environment; both point here.
This page is made from `known_issues.json` and `doctor_issues.json` in `tfup/data/doctor/`.
Change the tables, not the page, and run `python -m tools.make_known_issues_page`.

Where a remedy says MINOR or VERSION, put the release of your TensorFlow: 2.15, or 2.15.1.
"""


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    if "--check" in sys.argv:
        return 0 if FILE.is_file() and page() == FILE.read_text(encoding="utf-8") else 1
    FILE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """Return the page as Markdown."""
    titles = [(one.id, one.title) for one in issues()] + [(one.id, one.title) for one in doctor_issues()]
    contents = "".join(f"- [{title}](#{anchor})\n" for anchor, title in titles)
    return "\n".join([HEAD, contents, *map(section, issues()), *map(doctor_section, doctor_issues())])


def doctor_section(issue: DoctorIssue) -> str:
    """Return the section of what no log shows."""
    return "\n".join([*words(issue), "", "`tfup doctor` finds it in an environment; no log shows it.", ""])


def words(issue: KnownIssue | DoctorIssue) -> list[str]:
    """Return anchor, title, cause and remedies."""
    remedies = fill(issue.remedy, Facts(), Words(None, "python", "python -m pip")).split("\n")
    parts = [f'<a id="{issue.id}"></a>', "", f"## {issue.title}", "", issue.cause, ""]
    return [*parts, *(f"- {remedy}" for remedy in remedies)]


def section(issue: KnownIssue) -> str:
    """Return the section of one issue."""
    parts = [*words(issue), "", f"Affected: {affected(issue.affected)}."]
    if not issue.text_alone_decides:
        parts.append("The message alone does not decide: machine and environment do.")
    parts += [f"Sources: {'; '.join(map(link, issue.sources))}.", ""]
    return "\n".join(parts)


def affected(where: Affected) -> str:
    """Return where an issue can occur, in words.

    >>> affected(Affected(tensorflow="<2.18", os=("linux",)))
    'TensorFlow `<2.18`, on linux'
    """
    named = (("TensorFlow", where.tensorflow), ("Keras", where.keras), ("Python", where.python))
    parts = [f"{name} `{range_}`" for name, range_ in named if range_]
    parts += [f"on {', '.join(names)}" for names in (where.os, where.arch) if names]
    return ", ".join([*parts, *filter(None, [where.note])]) or "any"


def link(source: str) -> str:
    """Return a source, as a link where it is a public thread.

    >>> link("keras-team/keras#1")
    '[keras-team/keras#1](https://github.com/keras-team/keras/issues/1)'
    """
    return THREAD.sub(r"[\g<0>](https://github.com/\g<project>/issues/\g<number>)", source)


if __name__ == "__main__":
    sys.exit(main())
