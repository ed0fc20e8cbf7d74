"""Copy new issues into data/doctor/known_issues.json from the facts that were gathered in public threads.

Usage: python -m tools.import_known_issues FACTS_FILE

Rows that are there keep our own words, patterns and ranges; they only gain sources. A new row comes as the
facts have it, to be rewritten: one sentence of cause, remedies that can be typed, and a log in tests/logs/.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from msgspec import convert
from msgspec.structs import replace

from tfup import tables
from tfup.doctor.catalogue import TABLE, Affected, Confidence, KnownIssue

ABOUT = {
    "what": "problems that people had with TensorFlow and Keras, how to know them, and what repairs them",
    "source": "public threads, and our own runs; each row names its own",
    "made_by": "tools/import_known_issues.py, then by hand",
}


def main(facts: Path) -> None:
    """Write the table: the rows that are there, then the new ones."""
    there = tables.load(TABLE, KnownIssue) if (tables.DATA / TABLE).is_file() else []
    gathered = {fact["id"]: from_fact(fact) for fact in json.loads(facts.read_text(encoding="utf-8"))}
    known = [with_sources(row, gathered.get(row.id, row).sources) for row in there]
    new = [row for name, row in gathered.items() if name not in {old.id for old in there}]
    tables.save(TABLE, ABOUT, [*known, *new])
    print(len(known), "kept,", len(new), "new:", *(row.id for row in new))


def from_fact(fact: dict[str, Any]) -> KnownIssue:
    """Return a gathered fact as a row, its ranges as a note."""
    where = "; ".join(f"{name} {text}" for name, text in fact["affected"].items())
    return KnownIssue(
        id=fact["id"],
        title=fact["title"],
        patterns=tuple(fact["symptom_patterns"]),
        cause=fact["cause"],
        remedy=tuple(fact["remedy"]),
        affected=Affected(note=where),
        sources=tuple(fact["sources"]),
        text_alone_decides=fact["text_alone_decides"],
        confidence=convert(sys.intern(fact["confidence"].split(":")[0]), Confidence),
    )


def with_sources(row: KnownIssue, sources: tuple[str, ...]) -> KnownIssue:
    """Return a row with the sources that it lacked."""
    return replace(row, sources=tuple(dict.fromkeys((*row.sources, *sources))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
