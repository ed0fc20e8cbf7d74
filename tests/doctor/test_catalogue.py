"""The words for what doctor finds: each finding has them, and a place in the docs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.running import ROOT
from tfup import tables
from tfup.doctor.catalogue import anchor, by_id, doctor_issues, words_for
from tfup.doctor.finding import trouble
from tfup.doctor.findings.pairs import PairRow
from tools.make_known_issues_page import FILE

if TYPE_CHECKING:
    from pathlib import Path

PLACE_OF_ID = {"trouble": 0, "hidden": 0, "package_trouble": 1}
"""The calls that make findings, and which of their arguments is the id."""


def ids_in(file: Path) -> set[str]:
    """Return the ids that a module writes down: in calls that make findings, and as values of its tables."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    named = [
        call.args[PLACE_OF_ID[call.func.id]]
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in PLACE_OF_ID
    ]
    tables_of = [node.value for node in tree.body if isinstance(node, ast.Assign) and is_named(node)]
    values = [value for table in tables_of if isinstance(table, ast.Dict) for value in table.values]
    return {one.value for one in (*named, *values) if isinstance(one, ast.Constant)}


def is_named(node: ast.Assign) -> bool:
    """Tell whether a table leads to ids."""
    return isinstance(node.targets[0], ast.Name) and node.targets[0].id in {"SHARED", "CONDAS"}


def test_every_id_that_a_finding_can_carry_has_words_and_an_anchor() -> None:
    """What doctor's modules and tables write down is in the catalogue, and the page has a place for it."""
    found = set().union(*(ids_in(file) for file in (ROOT / "tfup" / "doctor").rglob("*.py")))
    found |= {row.id for row in tables.load("doctor/pairs.json", PairRow)}
    text = FILE.read_text(encoding="utf-8")

    assert {"two-kerases", "python-gone", "libstdcxx-too-old", "examination-crashed"} < found
    assert set() == found - words_for().keys()
    assert [] == [name for name in words_for() if f'<a id="{name}"></a>' not in text]


def test_doctors_own_words_are_none_of_the_known_issues() -> None:
    """An id has one home; every row is a sentence, and has a remedy."""
    assert set() == by_id().keys() & {row.id for row in doctor_issues()}
    assert [] == [row.id for row in doctor_issues() if not row.cause.endswith(".") or not row.remedy]


def test_a_finding_says_where_the_docs_tell_more() -> None:
    """Also one that no log shows; its first remedy stands where no better one is known."""
    finding = trouble("low-memory", "1 GB of memory").finding

    assert anchor("low-memory") == finding.docs
    assert ("There is little memory", "`tfup install --slim`, and small batches") == (
        finding.title,
        finding.remedy,
    )
