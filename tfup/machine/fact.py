"""What a reader hands back: values with their sources, or the reasons why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, structs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Fact(NamedTuple):
    """One value of the machine file; where it is None, the note says why."""

    value: object
    note: str
    """Where the value was read, or why there is none."""


Facts = dict[str, Fact]
"""By place in the machine file: "system.os", "pythons", "cuda[0].version"."""


def list_facts(name: str, items: Sequence[tuple[Struct, str]], looked: str) -> Facts:
    """Describe a list of which each entry has its source.

    An empty list is a fact too: we looked there (`looked`), and there is none.
    """
    facts = {name: Fact(tuple(item for item, _ in items), looked)}
    for number, (item, source) in enumerate(items):
        facts |= entry_facts(f"{name}[{number}]", item, source, all_fields=source != looked)
    return facts


def entry_facts(place: str, item: Struct, source: str, *, all_fields: bool) -> Facts:
    """Describe the fields of an entry; those that are missing only, where the list's source says the rest."""
    fields = {f"{place}.{name}": value for name, value in structs.asdict(item).items()}
    missing = f"{source}: does not say"
    return {
        name: Fact(value, missing if value is None else source)
        for name, value in fields.items()
        if all_fields or value is None
    }


def note_sources(facts: Mapping[str, Fact]) -> dict[str, str]:
    """Say where each known fact was read."""
    return {name: fact.note for name, fact in sorted(facts.items()) if fact.value is not None}


def note_unknown(facts: Mapping[str, Fact]) -> dict[str, str]:
    """Say why each missing fact is missing."""
    return {name: fact.note for name, fact in sorted(facts.items()) if fact.value is None}
