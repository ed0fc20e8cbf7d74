"""explain: every known issue is recognised by its messages, and clean logs show nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.patients import MIDDLE, OLD, Era, make_environment
from tests.running import LAUNCHER, environment, tfup
from tests.test_cli import assert_error, assert_valid
from tfup import tables
from tfup.doctor.catalogue import KnownIssue, anchor, issue, issues
from tfup.doctor.explain import explain
from tfup.doctor.facts import (
    MACHINE_SAYS,
    Facts,
    facts_from_here,
    facts_of_environment,
    facts_of_text,
)
from tfup.doctor.remedies import Words, fill, words_of
from tfup.doctor.search import REACH, find, fixed_words, prepare
from tfup.model import Cpu, Gpu, Machine, System
from tfup.tables import CompanionRule
from tools.make_known_issues_page import FILE, page

if TYPE_CHECKING:
    from tfup.report.documents import ExplainDocument

LOGS = Path(__file__).parents[1] / "logs"
CLEAN = sorted((LOGS / "clean").glob("*.txt"))
NUMPY = (LOGS / "numpy2-abi.txt").read_text(encoding="utf-8")
NOTHING_TO_TYPE = {
    "benign-log-noise",
    "half-removed-distribution",
    "own-file-shadows-stdlib",
    "own-file-shadows-tensorflow",
}
OUTSIDE_GROUPS = re.compile(r"\\.|\((?:[^()]|\([^()]*\))*\)|\[[^\]]*\]")
DLL = "ImportError: DLL load failed while importing _pywrap_tensorflow_internal:"

LINUX = Machine(system=System(os="linux", arch="x86_64"), gpus=(), cpu=Cpu(features=("avx", "avx2")))
WITH_GPU = Machine(system=System(os="linux", arch="x86_64"), gpus=(Gpu("nvidia"),))
WITHOUT_AVX = Machine(system=System(os="linux", arch="x86_64"), cpu=Cpu(features=("sse4_2",)))
ROSETTA = Machine(system=System(os="macos", arch="x86_64", rosetta=True))


def answer(text: str | bytes, machine: Machine | None = None) -> ExplainDocument:
    """Explain a text on a machine of which nothing is known, or on this one."""
    content = text.encode() if isinstance(text, str) else text
    return explain(content, lambda: machine or Machine(), Words())


def names(text: str | bytes, machine: Machine | None = None) -> list[str]:
    """Return the ids of the causes, the likeliest first."""
    return [match.id for match in answer(text, machine).matches]


def never_asked() -> Machine:
    """Fail where the machine is asked in vain."""
    pytest.fail("the text decides, and the machine was asked")


# ---------------------------------------------------------------- the catalogue


def test_ids_are_unique() -> None:
    """An id names one issue, and can stand in an address."""
    ids = [row.id for row in issues()]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in ids)


@pytest.mark.parametrize("row", issues(), ids=lambda row: row.id)
def test_row_says_all_that_is_needed(row: KnownIssue) -> None:
    """Cause in a sentence, a remedy to type, a source; and it displaces only issues that exist."""
    assert row.cause.endswith(".")
    assert row.sources
    assert "`" in "".join(row.remedy) or row.id in NOTHING_TO_TYPE
    assert all(issue(name) for name in row.instead_of)


OF_TENSORFLOW = [
    rule for rule in tables.load("builds/companions.json", CompanionRule) if rule.backend == "tensorflow"
]


@pytest.mark.parametrize("rule", OF_TENSORFLOW, ids=lambda rule: rule.id + rule.versions)
def test_what_pin_avoids_is_in_the_catalogue(rule: CompanionRule) -> None:
    """A bound on a companion of TensorFlow names a known issue."""
    assert rule.id == issue(rule.id).id


def test_what_the_machine_is_asked_for_is_in_the_catalogue() -> None:
    """Questions to the machine belong to known issues."""
    assert [] == [name for name in MACHINE_SAYS if not issue(name)]


def test_page_is_made_from_the_catalogue() -> None:
    """docs/known-issues.md is what the tool would write, with an anchor for each id."""
    assert page() == FILE.read_text(encoding="utf-8")
    assert [] == [row.id for row in issues() if f'<a id="{row.id}"></a>' not in page()]


# ---------------------------------------------------------------- what is recognised


@pytest.mark.parametrize("row", [row for row in issues() if row.level != "noise"], ids=lambda row: row.id)
def test_its_log_names_it_first(row: KnownIssue) -> None:
    """Each known issue has a log whose likeliest cause it is, on a machine of which nothing is known."""
    log = LOGS / f"{row.id}.txt"

    assert row.id == names(log.read_bytes())[0]


def test_every_log_belongs_to_an_issue() -> None:
    """No log is left over."""
    assert {row.id for row in issues()} == {log.stem for log in LOGS.glob("*.txt")}


def test_excerpts_of_other_releases_and_systems_are_recognised() -> None:
    """The core of a message decides, whatever the path, the release, the language or the notebook."""
    excerpts = json.loads((LOGS / "excerpts.json").read_text(encoding="utf-8"))
    wrong = [(wanted, names(text), text[:60]) for wanted, text in excerpts if names(text)[:1] != [wanted]]

    assert [] == wrong


@pytest.mark.parametrize("log", CLEAN, ids=lambda log: log.stem)
def test_clean_log_shows_nothing(log: Path) -> None:
    """What TensorFlow and pip say when all is well is no fault."""
    assert [] == names(log.read_bytes(), LINUX)


def test_there_are_clean_logs_of_all_eras() -> None:
    """False alarms are looked for in enough logs."""
    assert len(CLEAN) >= 12


def test_noise_is_called_harmless() -> None:
    """Messages that look like errors are named, but not as a fault."""
    noise = answer((LOGS / "benign-log-noise.txt").read_bytes())

    assert ((), "benign-log-noise") == (noise.matches, noise.harmless[0].id)


@given(st.text())
def test_random_text_shows_nothing(text: str) -> None:
    """What tfup does not know, it does not guess at."""
    assert [] == names(text)


@given(st.binary())
def test_random_bytes_show_nothing(content: bytes) -> None:
    """Any file can be given."""
    assert [] == names(content)


@pytest.mark.parametrize(
    "text",
    [
        "ModuleNotFoundError: No module named 'requests'",
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "MemoryError",
        "Killed",
        "PermissionError: [Errno 13] Permission denied: 'data/model.h5'",
        "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        "ValueError: shapes (3,) and (4,) not aligned",
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor",
    ],
)
def test_errors_of_others_are_not_claimed(text: str) -> None:
    """An error that has nothing to do with TensorFlow is not explained at random."""
    assert [] == names(text)


# ---------------------------------------------------------------- how it is read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_any_encoding_is_read(encoding: str) -> None:
    """PowerShell writes UTF-16, editors add marks."""
    assert ["numpy2-abi"] == names(NUMPY.encode(encoding))


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("cp936", "找不到指定的模块。"),
        ("cp1252", "Le module spécifié est introuvable."),
        ("cp1251", "Не найден указанный модуль."),  # noqa: RUF001 -- Russian
        ("cp932", "指定されたモジュールが見つかりません。"),
    ],
)
def test_windows_in_any_language_is_read(encoding: str, sentence: str) -> None:
    """The name of the exception decides, not the sentence behind it."""
    assert ["windows-dll-load-msvc"] == names(f"{DLL} {sentence}\r\n".encode(encoding))


def test_chinese_of_windows_is_shown_as_it_was() -> None:
    """The evidence of a log in the encoding of Chinese Windows is legible."""
    line = f"{DLL} 找不到指定的模块。"

    assert line == answer(line.encode("cp936")).matches[0].evidence


def test_line_ends_colours_and_bars_do_not_matter() -> None:
    """The line that is named is that of an editor, whatever came before on it."""
    plain = "step\r\n" * 3 + "10%\r20%\r\x1b[31mAttributeError: \x1b[0m_ARRAY_API not found\r\n"
    (match,) = answer(plain).matches

    assert ("AttributeError: _ARRAY_API not found", 4) == (match.evidence, match.line)


def test_long_line_is_shown_in_part() -> None:
    """Evidence fits on a screen."""
    (match,) = answer("x" * 100_000 + " AttributeError: _ARRAY_API not found " + "y" * 100_000).matches

    assert len(match.evidence) <= 300
    assert "_ARRAY_API" in match.evidence


# ---------------------------------------------------------------- what it is weighed by


def test_the_machine_is_not_asked_where_the_text_decides() -> None:
    """A log of another machine is explained by itself."""
    assert explain(NUMPY.encode(), never_asked, Words()).matches


def test_a_processor_without_avx_is_sure() -> None:
    """The same message is likelier on a machine that has no AVX."""
    log = (LOGS / "cpu-no-avx.txt").read_bytes()

    assert "high" == answer(log, WITHOUT_AVX).matches[0].confidence
    assert "low" == answer(log, LINUX).matches[0].confidence


def test_a_missing_cuda_is_no_fault_without_a_gpu() -> None:
    """On a machine with an NVIDIA GPU, the harmless-looking message is the cause."""
    log = (LOGS / "clean/import-tf2-9.txt").read_bytes()

    assert [] == names(log, LINUX)
    assert ["cuda-soft-dlopen"] == names(log, WITH_GPU)


def test_rosetta_is_told_from_an_old_processor() -> None:
    """An Intel Python on Apple silicon fails as an old processor does."""
    assert ["apple-silicon-rosetta-python"] == names("zsh: illegal hardware instruction  python", ROSETTA)


def test_the_last_error_is_named_first() -> None:
    """Of two causes that are equally sure, the one seen last counts."""
    old = "AttributeError: module 'numpy' has no attribute 'bool'\n"
    new = "TypeError: Descriptors cannot be created directly.\n"

    assert ["protobuf-descriptors-4plus", "numpy-1-24-aliases"] == names(old + new)
    assert ["numpy-1-24-aliases", "protobuf-descriptors-4plus"] == names(new + old)


def test_a_cause_is_named_before_its_consequence() -> None:
    """No file was found because the proxy answered; where that stands does not matter."""
    text = "ERROR: No matching distribution found for tensorflow\nTunnel connection failed: 407\n"

    assert "proxy-auth-407" == names(text)[0]


def test_a_log_tells_where_it_comes_from() -> None:
    """System, Python and releases are read in passing."""
    text = "/Users/ann/tf/lib/python3.9/site-packages $ pip install tensorflow==2.15.0\nkeras 2.15.0 on arm64"

    assert Facts("macos", "aarch64", "3.9", "2.15.0", "2.15.0") == facts_of_text(text)


# ---------------------------------------------------------------- what is answered


def test_blanks_are_filled_from_the_log() -> None:
    """The remedy names the very release."""
    text = "tensorflow 2.15.1 requires keras<2.16,>=2.15.0, but you have keras 3.3.3 which is incompatible."

    assert "`python3 -m pip install 'keras==2.15.*'`" in answer(text).matches[0].remedy


def test_remedies_are_typed_as_on_the_system_of_the_log() -> None:
    """cmd knows no single quotes, and Python is called py there."""
    remedy = fill(["`{pip} install 'numpy<2'`"], Facts(os="windows"), Words("linux", "python", "uv pip"))

    assert '`py -m pip install "numpy<2"`' == remedy


def test_an_environment_without_pip_is_served_by_uv(tmp_path: Path) -> None:
    """What tfup makes has no pip inside."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/pyvenv.cfg").touch()

    assert Words("linux", ".venv/bin/python", "uv pip") == words_of(tmp_path, "linux", {})
    assert Words("linux", "python", "python -m pip") == words_of(tmp_path, "linux", {"VIRTUAL_ENV": "/x"})


def test_answer_has_its_schema(tmp_path: Path) -> None:
    """--json prints one document; evidence, line and place in the docs are in it."""
    run = tfup("explain", LOGS / "numpy2-abi.txt", "--json", cwd=tmp_path)
    match = run.document["matches"][0]

    assert_valid(run.document, "explain")
    assert (0, "numpy2-abi", anchor("numpy2-abi")) == (run.code, match["id"], match["docs"])
    assert "numpy<2" in match["remedy"]


def test_people_read_cause_and_remedy(tmp_path: Path) -> None:
    """Without --json the same is said in lines."""
    out = tfup("explain", LOGS / "numpy2-abi.txt", cwd=tmp_path).out

    assert "numpy<2" in out
    assert "docs/known-issues.md#numpy2-abi" in out


def test_what_is_not_known_is_said_to_be_so(tmp_path: Path) -> None:
    """An unknown error is answered with an empty list and a plain sentence; that is no failure."""
    log = tmp_path / "log.txt"
    log.write_text("ValueError: nothing we know\n", encoding="utf-8")

    run = tfup("explain", log, cwd=tmp_path)
    assert (0, True) == (run.code, run.out.startswith("tfup knows no fault"))
    assert [] == tfup("explain", log, "--json", cwd=tmp_path).document["matches"]


def test_standard_input_is_read(tmp_path: Path) -> None:
    """pip install … 2>&1 | tfup explain."""
    done = subprocess.run(
        [sys.executable, "-I", LAUNCHER, "explain", "--json"],
        cwd=tmp_path,
        env=environment(tmp_path),
        input=NUMPY.encode(),
        capture_output=True,
        check=True,
    )

    assert "numpy2-abi" == json.loads(done.stdout)["matches"][0]["id"]


@pytest.mark.parametrize("name", ["nowhere.txt", "."])
def test_a_log_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    """A missing file and a folder have the one form of all errors."""
    assert_error(tfup("explain", name, cwd=tmp_path), 2, "unreadable-file")


def test_what_is_installed_decides_where_the_text_does_not(tmp_path: Path) -> None:
    """Where an old TensorFlow is installed, the failure of a GPU is surely that of a card too new for it."""
    text, words = b"InternalError: Blas GEMM launch failed : a.shape=(100, 784)", Words("linux")

    def confidence(era: Era) -> str:
        folder = tmp_path / era.python
        make_environment(folder, era)
        here = partial(facts_of_environment, folder, {})
        (match, *_) = explain(text, lambda: WITH_GPU, words, here).matches
        return f"{match.id} {match.confidence}"

    unknown = explain(text, lambda: WITH_GPU, words).matches[0]
    assert "ampere-with-tf1 high" == confidence(OLD)
    assert "ampere-with-tf1 low" == confidence(MIDDLE)
    assert ("ampere-with-tf1", "medium") == (unknown.id, unknown.confidence)


def test_an_environment_is_read_by_names_alone(tmp_path: Path) -> None:
    """The project's comes first, then the active one; where there is none, nothing is known."""
    make_environment(tmp_path, MIDDLE)

    assert Facts(None, None, "3.10", "2.10.1", "2.10.0") == facts_of_environment(tmp_path, {})
    active = {"VIRTUAL_ENV": str(tmp_path / ".venv")}
    assert facts_of_environment(tmp_path, {}) == facts_of_environment(tmp_path / "nowhere", active)
    assert Facts() == facts_of_environment(tmp_path / "nowhere", {})


def test_the_remedy_names_the_release_that_is_installed(tmp_path: Path) -> None:
    """A command can be typed as it stands; a log of another machine has none of this one's releases."""
    make_environment(tmp_path, MIDDLE)
    (tmp_path / "machine.json").write_bytes(msgspec.json.encode(LINUX))
    log = tmp_path / "log"
    log.write_text("ImportError: cannot import name 'dtensor' from 'tensorflow.compat.v2.experimental'")

    assert "keras==2.10.*" in tfup("explain", log, cwd=tmp_path).out
    assert "keras==2.10.*" not in tfup("explain", log, "--machine", "machine.json", cwd=tmp_path).out


def test_a_log_of_another_release_is_not_judged_by_what_is_installed() -> None:
    """What the log itself says wins, and nothing is mixed."""
    here = Facts(python="3.10", tensorflow="2.10.1", keras="2.10.0")

    assert Facts("linux", None, "3.10", "2.10.1", "2.10.0") == facts_from_here(
        Facts("linux", tensorflow="2.10"), here, "linux"
    )
    for told in (Facts("windows"), Facts(python="3.1"), Facts(tensorflow="2.1"), Facts(keras="2.9.0")):
        assert told == facts_from_here(told, here, "linux")


def test_the_machine_may_come_from_a_file(tmp_path: Path) -> None:
    """A log that somebody sent is explained with the machine they sent."""
    (tmp_path / "machine.json").write_bytes(msgspec.json.encode(WITH_GPU))
    log = LOGS / "clean/import-tf2-9.txt"
    document = tfup("explain", log, "--machine", "machine.json", "--json", cwd=tmp_path).document

    assert ["cuda-soft-dlopen"] == [match["id"] for match in document["matches"]]


# ---------------------------------------------------------------- how fast it is


@pytest.mark.parametrize("row", issues(), ids=lambda row: row.id)
def test_patterns_can_be_searched_for_quickly(row: KnownIssue) -> None:
    """Each has fixed words to look for, and no line of any length makes it slow."""
    for pattern in (*row.patterns, *row.gpu_patterns):
        words = fixed_words(pattern)
        ends = "9" * REACH, "a" * REACH, " " * REACH, "tensorflow\n" * 200, "keras/", "\\"
        text = "".join(f"{end}{words}{end}{words[:-1]}{end}" for end in ends) * 10
        started = time.process_time()
        find(pattern, prepare(text))

        assert len(words) >= 2, pattern
        assert "|" not in OUTSIDE_GROUPS.sub("", pattern), "no word would be fixed"
        assert time.process_time() - started < 2, pattern


def test_five_megabytes_are_read_at_once() -> None:
    """A log of a long training is explained in the time of a blink (the benchmarks measure it)."""
    steps = "".join(f"{step}/1000 [====>.....] - ETA: {step} - loss: 0.{step}\r" for step in range(100_000))
    started = time.process_time()

    assert ["numpy2-abi"] == names(steps + "\n" + NUMPY)
    assert time.process_time() - started < 2
