"""Make the published JSON schemas of the documents in data/schemas/ from their types.

Usage: python -m tools.make_schemas
"""

from __future__ import annotations

import json

import msgspec

from tfup.report.documents import DOCUMENTS
from tfup.tables import DATA


def main() -> None:
    """Write one schema for each document."""
    for name in DOCUMENTS:
        (DATA / "schemas" / f"{name}.json").write_text(render(name), encoding="utf-8")


def render(name: str) -> str:
    """Return the text of a schema."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(DOCUMENTS[name]),
    }
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
