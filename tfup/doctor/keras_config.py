"""keras.json by the rules of the Keras that reads it: which keys, which values, which back end.

Pure: bytes in, faults and the repaired configuration out; the findings are in `findings/keras_json.py`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tfup.doctor.lenient_json import Flaw, flaw_at, read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tfup.match.keras import ConfigRow

FLOATS = ("float32", "float64", "float16")
LAYOUTS = {
    "image_data_format": {"tf": "channels_last", "th": "channels_first"},
    "image_dim_ordering": {"channels_last": "tf", "channels_first": "th"},
}
"""The two names of the key, each with what the values of the other mean in its words."""
OLD, BROKEN, VALUE, BACKEND = (
    "keras-json-old-keys",
    "keras-json-broken",
    "keras-json-wrong-value",
    "keras-json-wrong-backend",
)


class Fault(NamedTuple):
    """Something in keras.json that this Keras stumbles over or passes over."""

    id: str
    flaw: Flaw
    harmless: bool = False
    """It is passed over; the person meant something by it, though."""


class Reading(NamedTuple):
    """What was read of keras.json, and what it should be."""

    config: dict[str, Any]
    """As Keras sees it: empty where it cannot read the file."""
    faults: tuple[Fault, ...]
    repaired: dict[str, Any]


def examine(raw: bytes, rule: ConfigRow, installed: Collection[str], *, backend_counts: bool) -> Reading:
    """Return what a Keras makes of the bytes of keras.json.

    `installed` are the back ends that are there; `backend_counts` is false where KERAS_BACKEND wins.
    """
    value, flaws = read(raw)
    broken = [Fault(BROKEN, flaw) for flaw in flaws]
    if not isinstance(value, dict):
        broken = broken or [Fault(BROKEN, Flaw(1, 1, f"a {kind_of(value)} in place of an object"))]
        return Reading({}, tuple(broken), defaults(rule, installed))
    text = raw.decode("utf-8", "replace")
    repaired: dict[str, Any] = {}
    faults = [*broken]
    for key, given in value.items():
        judged = judge(key, given, rule, value, installed if backend_counts else None)
        repaired[judged.key] = judged.right
        if judged.what:
            issue = {"backend": BACKEND, **dict.fromkeys(LAYOUTS, OLD)}.get(key, VALUE)
            faults.append(Fault(issue, flaw_at(text, place_of(text, key), judged.what), judged.harmless))
    return Reading({} if broken else value, tuple(faults), repaired)


def place_of(text: str, key: str) -> int:
    """Return where a key stands in a text."""
    found = re.search(rf"\b{re.escape(key)}\b", text)
    return max(found.start() - 1, 0) if found else 0


class Judged(NamedTuple):
    """The key and the value that are right, and what is wrong with those given, if anything is."""

    key: str
    right: object
    what: str | None = None
    harmless: bool = False


def judge(
    key: str,
    given: object,
    rule: ConfigRow,
    config: dict[str, Any],
    installed: Collection[str] | None,
) -> Judged:
    """Judge one key; those that this Keras does not read are the person's own."""
    if key == "floatx":
        return judge_float(given)
    if key == "epsilon":
        return judge_epsilon(given)
    if key == "backend" and rule.backends and installed is not None:
        return judge_backend(given, rule, installed)
    if key in LAYOUTS and rule.layout:
        return judge_layout(key, given, rule.layout, config)
    return Judged(key, given)


def judge_float(given: object) -> Judged:
    """Judge the type of numbers."""
    if given in FLOATS:
        return Judged("floatx", given)
    what = f"floatx is {shown(given)}, not one of {', '.join(FLOATS)}"
    return Judged("floatx", nearest_float(given), what)


def judge_epsilon(given: object) -> Judged:
    """Judge the smallest number: Keras takes 1e-07, and neither a text nor an integer."""
    if isinstance(given, float):
        return Judged("epsilon", given)
    return Judged("epsilon", as_number(given), f"epsilon is {shown(given)}, not a number such as 1e-07")


def judge_backend(given: object, rule: ConfigRow, installed: Collection[str]) -> Judged:
    """Judge the back end: one that this Keras knows, and that is installed."""
    is_external = rule.external and isinstance(given, str) and "." in given
    if is_external or (given in rule.backends and (given in installed or not installed)):
        return Judged("backend", given)
    why = "is not installed" if given in rule.backends else f"is none of {', '.join(rule.backends)}"
    return Judged("backend", meant_backend(given, rule, installed), f"the back end {shown(given)} {why}")


def meant_backend(given: object, rule: ConfigRow, installed: Collection[str]) -> str:
    """Return the back end that was meant, where it is installed; else one that is."""
    word = str(given).strip().lower()
    meant = {"tf": "tensorflow", "th": "theano", "pytorch": "torch"}.get(word, word)
    usable = meant in rule.backends and (meant in installed or not installed)
    return meant if usable else choose_backend(rule, installed)


def judge_layout(key: str, given: object, layout: str, config: dict[str, Any]) -> Judged:
    """Judge the order of an image's axes: the key that this Keras reads, with a value that it knows."""
    if key != layout and layout in config:
        return Judged(key, given)  # both are there: each Keras finds its own
    words = LAYOUTS[layout]
    right = given if given in words.values() else words.get(str(given), next(iter(words.values())))
    if key != layout:
        return Judged(layout, right, f"{key} is not read by this Keras; it reads {layout}", harmless=True)
    known = f"{key} is {shown(given)}, not {' or '.join(words.values())}"
    return Judged(key, right, None if right == given else known)


def choose_backend(rule: ConfigRow, installed: Collection[str]) -> str:
    """Return the default back end, or one that is installed where that is not."""
    if rule.default in installed or not installed:
        return rule.default
    return next((name for name in rule.backends if name in installed), rule.default)


def defaults(rule: ConfigRow, installed: Collection[str]) -> dict[str, Any]:
    """Return the configuration that Keras itself would write."""
    backend = {"backend": choose_backend(rule, installed)} if rule.backends else {}
    layout = {rule.layout: next(iter(LAYOUTS[rule.layout].values()))} if rule.layout else {}
    return {"floatx": "float32", "epsilon": 1e-07, **backend, **layout}


def nearest_float(given: object) -> str:
    """Return the type that was meant.

    >>> nearest_float("double"), nearest_float("float"), nearest_float(16)
    ('float64', 'float32', 'float16')
    """
    text = str(given).lower().replace("double", "64").replace("half", "16")
    return next((name for name in FLOATS if name[-2:] in text), FLOATS[0])


def as_number(given: object) -> float:
    """Return a number that was written as something else; the default where it was none.

    >>> as_number("1e-5"), as_number(1), as_number("small")
    (1e-05, 1.0, 1e-07)
    """
    try:
        return float(str(given).replace(",", "."))
    except ValueError:
        return 1e-07


def kind_of(value: object) -> str:
    """Return JSON's name of a value's kind."""
    return {list: "list", str: "text", bool: "truth value", type(None): "null"}.get(type(value), "number")


def shown(value: object) -> str:
    """Return a value as JSON writes it."""
    return json.dumps(value, ensure_ascii=False)


def text_of(config: dict[str, Any]) -> str:
    """Return a configuration as Keras writes it: in the locale's encoding, so with nothing but ASCII."""
    return json.dumps(config, indent=4) + "\n"


def places(flaws: Collection[Fault]) -> Iterator[str]:
    """Yield each fault as one line."""
    yield from (str(fault.flaw) for fault in flaws)
