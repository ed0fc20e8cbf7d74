"""The engine for Python 2.7: a real virtualenv, its real pip of 2020, and an index that answers badly."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import loopback_index
from tests.loopback_index import pin
from tests.pythons import interpreters
from tfup.errors import IndexUnreachable, InstallFailed, PinGone, TfupError, Unresolvable, WrongFile
from tfup.folders import cache_folder
from tfup.managers import hashed, python27
from tfup.managers.failures import explain
from tfup.managers.python27_resolver import resolve
from tfup.managers.uv import PLAIN, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfup.managers.uv import Resolved

pytestmark = [pytest.mark.network, pytest.mark.real]  # virtualenv comes from the person's own index


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of a running index."""
    with loopback_index.serving() as address:
        yield address


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment with Python 2.7, made before a test changes HOME."""
    return python27.make_venv(old_python(), tmp_path_factory.mktemp("old") / ".venv")


@pytest.fixture
def person(tmp_path: Path, old: str, address: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Be a person with an empty home and that index, who has no patience."""
    loopback_index.be_a_person(monkeypatch, str(tmp_path), f"http://{address}/good/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_TIMEOUT", "1")
    return monkeypatch


@pytest.fixture
def base(person: pytest.MonkeyPatch, tools: Path) -> str:
    """Return the Python 2.7 of this machine; virtualenv, which that index lacks, is there."""
    person.setattr(python27, "virtualenv", lambda _mode: tools)
    return old_python()


def old_python() -> str:
    """Return the Python 2.7 of this machine."""
    base = next((path for version, path in interpreters().items() if version.startswith("2.7.")), None)
    return str(base) if base else pytest.skip("no Python 2.7 is here")


@pytest.fixture(scope="module")
def tools() -> Path:
    """Return the interpreter that has virtualenv, made before a test changes HOME."""
    return python27.virtualenv(PLAIN)


def sync(old: str, folder: Path, pins: str, mode: Mode = PLAIN) -> tuple[str, ...]:
    """Install pins with nothing from before, and return what the index has yanked."""
    subprocess.run([old, "-m", "pip", "uninstall", "--quiet", "--yes", "sunny", "rainy"], check=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(pins, encoding="utf-8")
    return python27.sync(old, requirements, mode, wheels=["sunny"])


def failure(old: str, folder: Path, pins: str, mode: Mode = PLAIN) -> TfupError:
    """Return the error that an install ends with."""
    with pytest.raises(TfupError) as caught:
        sync(old, folder, pins, mode)
    return caught.value


def test_pins_are_installed(person: pytest.MonkeyPatch, old: str, tmp_path: Path) -> None:
    """uv's word for the index is understood, and nothing is yanked."""
    assert () == sync(old, tmp_path, pin("sunny", "1.0") + pin("rainy", "1.0"))
    said = subprocess.run([old, "-c", "import sunny; print(sunny.version)"], check=True, capture_output=True)
    assert b"1.0" == said.stdout.strip()


def test_pins_that_were_yanked_are_installed_and_told(
    person: pytest.MonkeyPatch, old: str, tmp_path: Path, address: str
) -> None:
    """Exact pins take a release that was withdrawn; whoever asked for them is told which."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/yanked/simple")

    assert ("sunny==1.0",) == sync(old, tmp_path, pin("sunny", "1.0"))


@pytest.mark.parametrize("manner", ["404", "html", "gone"])
def test_an_index_without_the_pins_is_named(
    person: pytest.MonkeyPatch, old: str, tmp_path: Path, address: str, manner: str
) -> None:
    """No page, some page of a hotel, or a file that is listed and gone."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/{manner}/simple")

    error = failure(old, tmp_path, pin("sunny", "1.0"))

    assert (PinGone, ("sunny==1.0",)) == (type(error), error.pins)
    assert "The package index does not have what was pinned: sunny==1.0." == error.sentence


@pytest.mark.parametrize(
    ("manner", "found"),
    [
        ("401", "401 Client Error: Unauthorized"),
        ("403", "403 Client Error: Forbidden"),
        ("500", "500 "),
        ("slow", "no answer in time"),
    ],
)
def test_a_bad_answer_is_named(  # noqa: PLR0913, PLR0917 - three fixtures and a row
    person: pytest.MonkeyPatch, old: str, tmp_path: Path, address: str, manner: str, found: str
) -> None:
    """An index that refuses or keeps silent is no index that lacks the pin."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/{manner}/simple")

    error = failure(old, tmp_path, pin("sunny", "1.0"), Mode(log=tmp_path / "log.txt"))

    assert (IndexUnreachable, str(tmp_path / "log.txt")) == (type(error), error.log)
    assert found in str(error.needs[0].found)


@pytest.mark.parametrize(
    ("index", "found"),
    [
        ("http://127.0.0.1:9/simple", "a refused connection"),
        ("https://index.invalid/simple", "a host name that nothing resolves"),
        ("http://index.invalid/simple", "a host name that nothing resolves"),
    ],
)
def test_an_index_that_is_not_there_is_named(
    person: pytest.MonkeyPatch, old: str, tmp_path: Path, index: str, found: str
) -> None:
    """A mirror without TLS is asked like any other, for the pins have hashes."""
    person.setenv("UV_DEFAULT_INDEX", index)

    error = failure(old, tmp_path, pin("sunny", "1.0"))

    assert IndexUnreachable is type(error)
    assert found in str(error.needs[0].found)


@pytest.mark.parametrize("manner", ["other", "half"])
def test_another_file_than_the_pinned_one_is_not_installed(
    person: pytest.MonkeyPatch, old: str, tmp_path: Path, address: str, manner: str
) -> None:
    """The hash decides, whatever the index sends."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/{manner}/simple")

    error = failure(old, tmp_path, pin("sunny", "1.0"))

    assert (WrongFile, "sunny==1.0") == (type(error), error.needs[0].name)


def test_offline_says_so(person: pytest.MonkeyPatch, old: str, tmp_path: Path) -> None:
    """pip calls what it may not fetch a version that it cannot find."""
    error = failure(old, tmp_path, pin("sunny", "1.0"), Mode(offline=True))

    assert (IndexUnreachable, "tfup install") == (type(error), error.hint)
    assert "--offline" in str(error.needs[0].found)


def test_what_was_installed_once_needs_no_index(person: pytest.MonkeyPatch, old: str, tmp_path: Path) -> None:
    """The files are kept, for the next environment and for --offline."""
    pins = pin("sunny", "1.0") + pin("rainy", "1.0")
    sync(old, tmp_path, pins)
    person.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")

    assert () == sync(old, tmp_path, pins, Mode(offline=True))
    assert () == sync(old, tmp_path, pins)


def test_a_damaged_file_of_the_cache_is_fetched_again(
    person: pytest.MonkeyPatch, old: str, tmp_path: Path
) -> None:
    """The hash decides there too."""
    sync(old, tmp_path, pin("sunny", "1.0"))
    (kept,) = (cache_folder(os.environ) / "wheels").iterdir()
    kept.write_bytes(b"not a wheel")

    assert () == sync(old, tmp_path, pin("sunny", "1.0"))
    assert kept.read_bytes() != b"not a wheel"


def test_what_nobody_foresaw_is_told_in_the_last_words_of_pip() -> None:
    """A text that no rule knows is not lost."""
    error = explain("Collecting six\nERROR: odd\n  and odder\n", "log", python27.KINDS, python27.unforeseen)

    assert (InstallFailed, "log") == (type(error), error.log)
    assert "Collecting six\nERROR: odd\nand odder" == error.needs[0].found


def test_who_asks_for_what_is_not_there_is_told() -> None:
    """ipywidgets of today asks for a comm that has no release for 2.7; the file of pins is nobody's name."""
    text = "ERROR: No matching distribution found for comm>=0.1.3 (from {})"
    chain, pinned = (
        explain(text.format(by), None, python27.KINDS).needs[0].needs
        for by in ("ipywidgets->jupyter->-c constraints.txt (line 4)", "-r requirements.txt (line 7)")
    )

    assert "a file of the index, for ipywidgets->jupyter" == chain
    assert "a file of the index" == pinned


def test_a_full_disk_is_a_full_disk() -> None:
    """What the system says is the same whoever asked it."""
    error = explain(
        "ERROR: Could not install packages: [Errno 28] No space left on device", None, python27.KINDS
    )

    assert "The disk is full." == error.sentence


# ---------------------------------------------------------------- resolving


def versions(found: Iterable[Resolved]) -> dict[str, str]:
    """Return the versions of the packages of the index."""
    return {one.name: one.version for one in found if one.name in {"sunny", "rainy"}}


@pytest.mark.parametrize("wishes", [("sunny", "rainy"), ("rainy", "sunny"), ("rainy",)])
def test_what_goes_together_is_found_in_any_order(base: str, wishes: tuple[str, ...]) -> None:
    """The pip of those days takes the first that it meets: what it says afterwards bounds the next try."""
    found = resolve(base, wishes, ())

    assert {"sunny": "1.0", "rainy": "1.0"} == versions(found)


def test_files_are_named_by_their_hashes_but_for_what_is_pinned_already(base: str) -> None:
    """Who pinned it knows all its files; of the others, the one that was fetched is kept for the install."""
    found = {one.name: one for one in resolve(base, ("rainy",), ("sunny==1.0",))}

    assert () == found["sunny"].files
    (file,) = found["rainy"].files
    assert f"sha256:{file.sha256}" in pin("rainy", "1.0")
    assert {"rainy-1.0-py2.py3-none-any.whl"} <= {kept.name for kept in python27.kept_files().iterdir()}


@pytest.mark.parametrize(
    ("wishes", "constraints", "named"),
    [
        (("sunny==3.0",), (), "sunny==3.0"),
        (("sunny==2.0",), ("sunny<2",), "sunny<2,==2.0"),
        (("rainy", "sunny==2.0"), (), "sunny==1.0,==2.0"),
        (("no-such-thing",), (), "no-such-thing"),
    ],
)
def test_what_does_not_go_together_is_named(
    base: str, wishes: tuple[str, ...], constraints: tuple[str, ...], named: str
) -> None:
    """A wish is never dropped, neither for a bound of ours nor for what another package asks for."""
    with pytest.raises(Unresolvable) as caught:
        resolve(base, wishes, constraints)

    assert f"On this Python nothing meets {named}." == caught.value.sentence


def test_what_was_resolved_once_needs_no_index(person: pytest.MonkeyPatch, base: str) -> None:
    """Not even to resolve it again."""
    before = resolve(base, ("rainy",), ())
    person.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")

    assert before == resolve(base, ("rainy",), (), Mode(offline=True))


def test_constraints_of_the_persons_stop_nothing_and_count(
    person: pytest.MonkeyPatch, old: str, base: str, tmp_path: Path
) -> None:
    """pip 20.3 takes them for something to fetch where all is pinned; where it chooses, they bound it."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("cloudy<3\nsunny<2\n", encoding="utf-8")
    person.setenv("PIP_CONSTRAINT", str(constraints))

    assert () == sync(old, tmp_path, pin("sunny", "1.0"))
    assert {"sunny": "1.0"} == versions(resolve(base, ("sunny",), ()))


def test_index_that_is_not_there_is_no_contradiction(person: pytest.MonkeyPatch, base: str) -> None:
    """It is told apart from a wish that nothing meets."""
    person.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")

    with pytest.raises(IndexUnreachable):
        resolve(base, ("rainy",), ())


def test_what_is_borrowed_for_an_old_python_is_what_the_index_announced(
    person: pytest.MonkeyPatch, old: str, tmp_path: Path
) -> None:
    """pip downloads once; what is there stays out, and the log keeps the pin with its hash."""
    place = borrowing(old, tmp_path)

    hashed.install(place, hashed.resolve(place, ["rainy"], {"sunny": "1.0"}))

    assert ["rainy.py"] == [path.name for path in (tmp_path / "libraries").glob("*.py")]
    digest = loopback_index.sha256(loopback_index.WHEELS[f"rainy-1.0-{loopback_index.TAG}.whl"])
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert f"rainy==1.0 \\\n    --hash=sha256:{digest}\n" in log


def test_nothing_is_borrowed_for_an_old_python_from_an_index_that_sends_another_file(
    person: pytest.MonkeyPatch, old: str, tmp_path: Path, address: str
) -> None:
    """pip checks what it downloads against the page."""
    person.setenv("UV_DEFAULT_INDEX", f"http://{address}/swapped/simple")

    with pytest.raises(WrongFile):
        hashed.resolve(borrowing(old, tmp_path), ["heavy"], {})


def borrowing(old: str, folder: Path) -> hashed.Destination:
    """Return a folder for what an old Python lacks."""
    return hashed.Destination(old, Mode(log=folder / "log"), {}, folder=folder / "libraries", old=True)


def test_a_pin_is_installed_again_for_an_old_python(
    person: pytest.MonkeyPatch, old: str, tmp_path: Path
) -> None:
    """Also where pip believes that it is there."""
    sync(old, tmp_path, pin("sunny", "1.0"))
    words = [old, "-c", "import sunny; print(sunny.__file__.replace('.pyc', '.py'))"]
    module = Path(subprocess.check_output(words, text=True).strip())
    module.unlink()
    digest = loopback_index.sha256(loopback_index.WHEELS[f"sunny-1.0-{loopback_index.TAG}.whl"])
    known = {"sunny==1.0": (f"sha256:{digest}",)}

    place = hashed.Destination(old, Mode(log=tmp_path / "log"), known, old=True)
    hashed.install(place, hashed.with_hashes(place, ["sunny==1.0"]))

    assert module.exists()
