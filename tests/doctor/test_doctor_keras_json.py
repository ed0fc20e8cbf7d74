"""keras.json by the rules of each Keras: what is wrong with it and where, and which back end is active."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doctor.test_doctor import CONFIG
from tests.patients import MIDDLE, NEW, OLD, Era, Package, linux, make_case
from tfup import tables
from tfup.doctor import keras_config, lenient_json
from tfup.doctor.findings.keras_json import config_path
from tfup.match.keras import ConfigRow, config_rule
from tfup.report.documents import ActiveBackend
from tfup.tables import KerasRelease

if TYPE_CHECKING:
    from pathlib import Path

INSTALLED = ("tensorflow", "numpy")
KERAS_3 = config_rule("3.15.1")


def flaws(raw: bytes | str) -> list[str]:
    """Return the flaws of a text, as they are shown."""
    return [str(flaw) for flaw in lenient_json.read(raw.encode() if isinstance(raw, str) else raw)[1]]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'\xef\xbb\xbf{"a": 1}', "line 1, column 1: a byte-order mark (UTF-8 with BOM)"),
        ('{"a": 1}'.encode("utf-16"), "line 1, column 1: the encoding UTF-16"),
        ('{"a": 1}'.encode("utf-16-be"), "line 1, column 1: the encoding UTF-16"),
        (b'{\n "a": "f\xfcr"}', "line 2, column 9: byte 0xfc is not UTF-8; read as Windows-1252"),
        ('{"a": 1,\n "b": 2,\n}', "line 2, column 8: a comma before }"),
        ('{"ü": “x”}', "line 1, column 7: “ in place of a straight double quote"),
        ("{'a': 1}", "line 1, column 2: ' in place of a straight double quote"),
        ('{"a": 1\n "b": 2}', "line 2, column 2: a comma is missing"),
        ('{"a" 1}', "line 1, column 6: a colon is missing"),
        ('{"a": 1', "line 1, column 8: the file ends before }"),
        ('{"a": theano}', "line 1, column 7: theano without quotes"),
        ('{"a": "x\n}', "line 1, column 7: a quote is not closed"),
        ('{"a": }', "line 1, column 7: a value is missing"),
        ('{"a": 1} # mine', "line 1, column 10: a comment"),
        ('{"a": 1}}', "line 1, column 9: text after the end"),
        ("", "line 1, column 1: the file is empty"),
        (" \n", "line 1, column 1: the file is empty"),
        ("[" * 100_000, "line 1, column 21: nested too deeply"),
    ],
)
def test_flaw_is_named_with_line_and_column(raw: bytes | str, expected: str) -> None:
    """Columns count letters, as editors do."""
    assert expected in flaws(raw)[:2]


@given(st.text("{}[],:\"'“”=#/ \n\\abc1", max_size=40))
def test_any_text_is_read_to_its_end(text: str) -> None:
    """Whatever it is, reading ends, and valid JSON has no flaw."""
    value, found = lenient_json.read(text.encode())
    try:
        expected = json.loads(text)
    except ValueError:
        assert found
    else:
        assert not found
        assert expected == value or expected != expected  # noqa: PLR0124 - NaN


@given(st.integers(0, len(CONFIG)), st.sampled_from(list(CONFIG)), st.booleans())
def test_one_wrong_letter_is_repaired_to_something_that_keras_takes(at: int, letter: str, cut: bool) -> None:  # noqa: FBT001
    """After the repair nothing is left to be said, wherever the letter was."""
    broken = CONFIG[:at] if cut else CONFIG[:at] + letter + CONFIG[at:]

    reading = keras_config.examine(broken.encode(), KERAS_3, INSTALLED, backend_counts=True)
    text = keras_config.text_of(reading.repaired)
    again = keras_config.examine(text.encode(), KERAS_3, INSTALLED, backend_counts=True)

    assert () == again.faults
    assert again.config == again.repaired == reading.repaired


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=4))
def test_any_value_is_judged(value: object) -> None:
    """A value of any type is refused or taken, and the repaired one is right."""
    for key in ("floatx", "epsilon", "backend", "image_data_format", "image_dim_ordering"):
        raw = json.dumps({key: value}).encode()
        reading = keras_config.examine(raw, KERAS_3, INSTALLED, backend_counts=True)
        again = keras_config.examine(
            keras_config.text_of(reading.repaired).encode(), KERAS_3, INSTALLED, backend_counts=True
        )
        assert () == again.faults
        assert not isinstance(value, float) or key != "epsilon" or math.isnan(value) or () == reading.faults


def test_every_release_of_keras_has_a_rule() -> None:
    """Each of them reads keras.json in one way."""
    rows = tables.load("keras/keras_config.json", ConfigRow)

    for release in tables.load("keras/keras_releases.json", KerasRelease):
        fits = [row for row in rows if row == config_rule(release.version)]
        assert 1 == len(fits)


FILE = {"backend": "theano"}
ACTIVE: list[tuple[Era, dict[str, Any] | None, dict[str, str], tuple[str, str]]] = [
    (NEW, None, {}, ("tensorflow", "default")),
    (NEW, {"backend": "jax"}, {}, ("jax", "file")),
    (NEW, {"backend": "jax"}, {"KERAS_BACKEND": "torch"}, ("torch", "variable")),
    (MIDDLE, FILE, {"KERAS_BACKEND": "theano"}, ("tensorflow", "built in")),
    (OLD, FILE, {}, ("theano", "file")),
    (OLD, FILE, {"KERAS_BACKEND": "cntk"}, ("cntk", "variable")),
    (OLD, FILE, {"KERAS_BACKEND": ""}, ("theano", "file")),
    (OLD.but(without="keras"), FILE, {}, ("tensorflow", "built in")),
    (OLD.but(Package("keras", "1.0.6")), None, {}, ("theano", "default")),
    (OLD.but(Package("keras", "1.1.0")), None, {}, ("tensorflow", "default")),
    (OLD.but(Package("keras", "2.4.3")), FILE, {}, ("tensorflow", "built in")),
]


@pytest.mark.parametrize(("era", "config", "variables", "expected"), ACTIVE)
def test_active_backend_is_what_this_keras_takes(
    era: Era,
    config: dict[str, Any] | None,
    variables: dict[str, str],
    expected: tuple[str, str],
    tmp_path: Path,
) -> None:
    """The variable before the file before the default, as far as this Keras looks at them."""
    case = make_case(tmp_path, era)
    case.variables.update(variables)
    if config:
        case.keras_json.parent.mkdir()
        case.keras_json.write_text(json.dumps(config))

    backend = case.look().backend

    assert backend
    assert expected == (backend.name, backend.source)


def test_file_of_the_backend_is_shown(tmp_path: Path) -> None:
    """KERAS_HOME leads to another one, for a Keras that looks at it."""
    case = make_case(tmp_path, NEW)
    case.variables["KERAS_HOME"] = str(tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "keras.json").write_text('{"backend": "tensorflow"}')

    assert ActiveBackend("tensorflow", "file", str(tmp_path / "mine" / "keras.json")) == case.look().backend


def test_home_that_cannot_be_written_is_passed_over_by_keras(tmp_path: Path) -> None:
    """Standalone Keras then looks into /tmp, tf.keras does not."""
    case = make_case(tmp_path, NEW)
    case.variables["HOME"] = "/no/such/home"
    patient = case.patient()

    assert "/tmp/.keras/keras.json" == str(config_path(patient, config_rule("3.15.1")))
    assert "/no/such/home/.keras/keras.json" == str(config_path(patient, config_rule(None)))


def test_without_keras_there_is_no_backend(tmp_path: Path) -> None:
    """An environment with neither Keras nor TensorFlow has nothing that would read keras.json."""
    case = make_case(tmp_path, Era("3.13", (Package("numpy", "2.3.0", tag=linux("3.13")),)))
    case.keras_json.parent.mkdir()
    case.keras_json.write_text("{")

    assert ["no-tensorflow"] == case.ids()
    assert None is case.look().backend


def test_backend_of_a_third_party_is_let_be(tmp_path: Path) -> None:
    """Keras 2.2 and 2.3 take any module for their back end, such as PlaidML's."""
    case = make_case(tmp_path, OLD)
    case.variables["KERAS_BACKEND"] = "plaidml.keras.backend"

    assert [] == case.ids()
