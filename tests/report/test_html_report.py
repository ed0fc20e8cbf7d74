"""`check --report`: one page that needs nothing beside itself, holds all facts, and shows no secret."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.check.test_training import MEASURED
from tests.patients import Era, Package, make_case
from tests.report.test_report import CHOICE, PLAN
from tests.running import tfup
from tfup.errors import OutputLost, UsageError
from tfup.model import (
    Cpu,
    Environment,
    Gpu,
    GpuVerdict,
    Interpreter,
    Machine,
    Notice,
    Outcome,
    Pin,
    System,
    Training,
    Workaround,
)
from tfup.report.console import machine_facts
from tfup.report.html import Story, hidden, make_sure, page, write

if TYPE_CHECKING:
    from pathlib import Path

NASTY = "<script>alert('&\"')</script>\x1b[31m"
MACHINE = Machine(
    system=System(name="Debian", version="12", arch="x86_64", libc="glibc", libc_version="2.36"),
    cpu=Cpu(model=NASTY, cores=4),
    memory_bytes=8_000_000_000,
    disk_free_bytes=9_000_000_000,
    pythons=(Interpreter("/people/ann/bin/python3", "3.13.0", managed_by="pyenv"),),
    gpus=(Gpu("nvidia", "RTX 5070 Ti", "12.0"),),
    tools={"pip": "25.0", "conda": None},
    sources={"system.name": "/etc/os-release", "gpus[0].name": "NVML"},
    unknown={"cudnn": "cudnn.h found, no version in it", "conda": "not on the PATH"},
)
CARD = GpuVerdict(0, "RTX 5070 Ti", "native", "kernels for 12.0")
FULL = msgspec.structs.replace(
    PLAN,
    choice=msgspec.structs.replace(
        CHOICE, accelerator="cuda", cuda="12.5", cudnn="9.3", cuda_from="pip", gpus=(CARD,)
    ),
    pins=(
        Pin("numpy", "1.26.4", ("sha256:00",), "tensorflow", "NumPy 2 breaks it", "python_version<'3.14'"),
        Pin("keras", "3.15.1", ("sha256:00",), "keras"),
    ),
    passed_over=tuple(msgspec.structs.replace(over, gpu=True) for over in PLAN.passed_over),
    workarounds=(Workaround("numpy2-abi", "compiled for NumPy 1", "numpy below 2"),),
    warnings=(Notice("index", "Fetched from https://joe:s3cret@index.example/simple."),),
)
OUTCOMES = (
    Outcome("hello_session", "proved", "a session answered: Hello, TensorFlow!", seconds=1.25),
    Outcome("keras_fit", "failed", f"{NASTY} in /people/ann/x"),
    Outcome("gpu_is_used", "skipped", "no card"),
)


class Reader(HTMLParser):
    """Reads a page: its tags, which must nest, its attributes, and what a person sees."""

    def __init__(self, text: str) -> None:
        """Read all of it."""
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tables: list[list[list[str]]] = []
        self.seen = ""
        self.feed(text)
        self.close()
        assert [] == self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its attributes."""
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in {"meta", "img"}:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        """Note what is seen."""
        if self.open and self.open[-1] in {"td", "th"}:
            self.tables[-1][-1][-1] += data
        if self.open and self.open[-1] != "style":
            self.seen += data


def story(folder: Path, plot: str | None = None) -> Story:
    """Return a story with everything in it."""
    training = msgspec.convert(MEASURED | {"plot": plot}, Training)
    learnt = Outcome("networks_learn", "proved", "learnt", seconds=60, training=training)
    environment = Environment("/people/ann/.venv", "/people/ann/.venv/bin/python", "venv")
    return Story(folder, MACHINE, FULL, environment, (*OUTCOMES, learnt))


def made(told: Story) -> str:
    """Return the page of Ann's machine."""
    return page(told, lambda text: hidden("/people/ann", "ann", text), now=0)


def test_all_facts_are_on_the_page(tmp_path: Path) -> None:
    """Outcomes, figures, every pin with its reason, every fact of the machine with its source."""
    plot = tmp_path / "plot.png"
    plot.write_bytes(b"\x89PNG made up")
    reader = Reader(made(story(tmp_path, str(plot))))
    proof, networks, chosen, pins, over, machine = reader.tables

    assert ["proved", "hello_session", "a session answered: Hello, TensorFlow!", "1.2 s"] == proof[1]
    assert 5 == len(proof)
    assert ["keras 9.9", "70.0%", "0.500", "0.600", "2 s"] == networks[1]
    assert [
        ["numpy", "1.26.4", "tensorflow", "NumPy 2 breaks it", "python_version<'3.14'"],
        ["keras", "3.15.1", "keras", "", ""],
    ] == pins[1:]
    facts = {row[0]: row[1] for row in chosen}
    assert "12.5 and cuDNN 9.3 from pip" == facts["CUDA"]
    assert "RTX 5070 Ti: native, kernels for 12.0" == facts["GPU"]
    assert "proved 2026-11-20 cpu" == facts["proof"]
    assert "numpy2-abi: compiled for NumPy 1; numpy below 2" == facts["avoided"]
    assert [["tensorflow 2.21.0", "needs glibc 2.27, found glibc 2.17; use a newer one"]] == over[1:]
    assert [fact for fact, _, _ in machine_facts(MACHINE)] == [row[0] for row in machine[1:-1]]
    assert ["system", "Debian 12, x86_64 glibc 2.36", "/etc/os-release"] == machine[1]
    assert ["cudnn", "unknown: cudnn.h found, no version in it", ""] == machine[-1]
    assert "These did not pass: keras_fit." in reader.seen
    assert "TensorFlow 2.20.0 and Keras 3.15.1 on Python 3.13.0" in reader.seen
    picture = next(value for tag, name, value in reader.attributes if (tag, name) == ("img", "src"))
    assert plot.read_bytes() == base64.b64decode(picture.removeprefix("data:image/png;base64,"))


def test_the_page_needs_nothing_beside_itself(tmp_path: Path) -> None:
    """Nothing is fetched: no link, no script, no address in an attribute, and a browser is told so."""
    text = made(story(tmp_path))
    reader = Reader(text)

    assert set() == {tag for tag, _, _ in reader.attributes} & {"script", "link", "iframe", "object", "a"}
    assert [] == [value for _, _, value in reader.attributes if "//" in value]
    assert "url(" not in text
    assert "@import" not in text
    assert (
        "meta",
        "content",
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    ) in reader.attributes
    assert "@media print" in text


def test_nothing_of_a_strangers_becomes_markup(tmp_path: Path) -> None:
    """Tags, quotation marks and control characters of names and messages are shown, not obeyed."""
    text = made(story(tmp_path))

    assert "<script" not in text
    assert "\x1b" not in text
    assert "<script>alert('&\"')</script>\\x1b[31m, 4 cores" in Reader(text).seen


def test_secrets_and_user_names_are_not_on_the_page(tmp_path: Path) -> None:
    """The page is made to be shown: neither home nor password is in it."""
    text = made(story(tmp_path))

    assert "s3cret" not in text
    assert "/people/ann" not in text
    assert "/home/user/.venv/bin/python" in text


def test_an_environment_of_a_strangers_has_no_plan(tmp_path: Path) -> None:
    """What tfup did not make is told as far as it is known."""
    told = story(tmp_path)._replace(plan=None, outcomes=(Outcome("hello_session", "proved"),))
    seen = Reader(made(told)).seen

    assert "The environment /home/user/.venv" in seen
    assert "there is no plan of it" in seen
    assert "All checks passed inside the environment." in seen
    assert "Training" not in seen


@pytest.mark.parametrize("place", ["nowhere/page.html", "folder", "mine.html", "/dev/null"])
def test_a_page_that_cannot_be_written_is_refused_before_the_checks(place: str, tmp_path: Path) -> None:
    """No folder, a folder in its place, a page of the person's own, no file: it stays as it is."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "mine.html").write_text("<p>mine</p>")

    with pytest.raises(UsageError, match="cannot be written there") as raised:
        make_sure(tmp_path / place)

    assert place in str(raised.value.needs[0].found)
    assert "<p>mine</p>" == (tmp_path / "mine.html").read_text()


def test_a_page_takes_the_place_of_an_older_one_as_a_whole(tmp_path: Path) -> None:
    """A disk that takes no draft leaves the older page, and no half of the new one."""
    path = tmp_path / f"{'x' * 250}.html"  # that of the draft is longer than any disk takes
    before = "older"
    path.write_text(before, encoding="utf-8")

    with pytest.raises(OutputLost) as raised:
        write(path, story(tmp_path))

    assert "File name too long" == raised.value.needs[0].found
    assert before == path.read_text(encoding="utf-8")
    assert [path] == [*tmp_path.iterdir()]


def test_check_writes_the_page_and_names_it(tmp_path: Path) -> None:
    """Without a training as well, and when the checks fail; the document has its path."""
    case = make_case(tmp_path, Era("3.13", (Package("tensorflow", "9.9"), Package("keras", "9.9"))))
    path = tmp_path / "page.html"

    words = ("check", "--only", "import_tensorflow", "hello_session", "--report", path)
    run = tfup(*words, "--project", case.folder, "--json", cwd=case.home, home=case.home)

    assert 1 == run.code, run.err
    assert str(path) == run.document["report"]
    seen = Reader(path.read_text(encoding="utf-8")).seen
    assert "TensorFlow 9.9 on Python 3.13" in seen
    assert "These did not pass: hello_session." in seen
    assert str(case.home) not in seen
    assert json.loads(run.out)["outcomes"][1]["detail"][:20] in seen
