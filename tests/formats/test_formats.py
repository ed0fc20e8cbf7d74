"""A plan as files: what they say, where they go, and whose they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml
from packaging.requirements import Requirement

from tests.formats_plans import SMALL, pin, plan
from tfup.errors import Bug, UnreadableFile, UnusableFolder
from tfup.formats import Source, environment_yml, locate, pipfile, pipfile_lock, requirements, write
from tfup.managers.default_index import default_index
from tfup.model import Pin, Plan, Wish

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parents[1] / "golden" / "formats"
INDEX = Source("pypi", "https://index.example/simple")
SOURCES = (INDEX, Source("house", "https://${USER_NAME}:${TOKEN}@house.example/simple", verify_ssl=False))

OLD = plan(
    pin("tensorflow", "1.15.5"),
    pin("keras", "2.3.1", purpose="keras"),
    pin("protobuf", "3.19.6", why="The generated code of this release\n  is refused by protobuf 4."),
    pin("h5py", "2.10.0"),
    pin("pillow", "9.5.0", purpose="extra"),
    pin("scikit-learn", "1.0.2", purpose="extra"),
    pin("colorama", "0.4.6", purpose="extra", marker='sys_platform == "win32"'),
    pin("pytest", "7.4.4", purpose="develop"),
    wish=("tensorflow==1.15.*", "Pillow<10", "scikit_learn", "h5py"),
    keras="keras",
    python="3.7.16",
)
TEXTS: dict[str, Callable[[], str]] = {
    "Pipfile": lambda: pipfile.merge("", OLD),
    "Pipfile.sources": lambda: pipfile.merge("", OLD, SOURCES),
    "Pipfile.lock": lambda: pipfile_lock.text(OLD, pipfile.merge("", OLD), INDEX),
    "requirements.txt": lambda: requirements.text(OLD),
    "environment.yml": lambda: environment_yml.text(OLD),
}


@pytest.mark.parametrize("name", TEXTS)
def test_each_format_is_what_the_golden_file_shows(name: str) -> None:
    """One plan with everything in it gives these pages, byte for byte."""
    assert (GOLDEN / name).read_text(encoding="utf-8") == TEXTS[name]()


def pins_read_back(lines: list[str]) -> set[tuple[str, str | None, frozenset[str]]]:
    """Return requirement lines with hashes, taken apart."""
    found = set()
    for line in lines:
        requirement = Requirement(line.partition(" --hash=")[0])
        marker = str(requirement.marker) if requirement.marker else None
        hashes = frozenset(re.findall("--hash=([^ ]+)", line))
        found.add((f"{requirement.name}{requirement.specifier}", marker, hashes))
    return found


def pins_expected(plan: Plan) -> set[tuple[str, str | None, frozenset[str]]]:
    """Return the pins of a plan in the same form."""
    return {(f"{pin.name}=={pin.version}", pin.marker, frozenset(pin.hashes)) for pin in plan.pins}


def test_requirements_hold_every_pin_with_its_hashes() -> None:
    """Nothing is lost between the plan and requirements.txt."""
    joined = requirements.text(OLD).replace("\\\n", "")
    lines = [re.sub(" +", " ", line) for line in joined.splitlines() if not line.startswith("#")]

    assert pins_expected(OLD) == pins_read_back(lines)


def test_environment_yml_is_yaml_with_every_pin_and_its_hashes() -> None:
    """A YAML reader finds conda's part, and pip's part as lines that pip understands."""
    content = yaml.safe_load(environment_yml.text(OLD))

    *conda, pip = content["dependencies"]
    assert ["python=3.7", "pip"] == conda
    assert ["conda-forge"] == content["channels"]
    assert pins_expected(OLD) == pins_read_back(pip["pip"])


def test_a_plan_without_a_build_is_no_files() -> None:
    """Writing a refusal is a fault of tfup, and leaves nothing behind."""
    with pytest.raises(Bug):
        requirements.text(Plan(Wish(), None))


# ---------------------------------------------------------------- on the disk


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["plain", "with space", "it's", 'a "quoted" one', "テンソル", "🧠"])
def test_write_makes_all_files_and_names_them(tmp_path: Path, name: str) -> None:
    """Whatever the folder is called, the files are there, and the plan can be read back."""
    project = write(OLD, tmp_path / name, default_index())

    made = {
        "Pipfile",
        "Pipfile.lock",
        "requirements.txt",
        "environment.yml",
        ".tfup/plan.json",
        ".tfup/.gitignore",
    }
    assert made == contents(tmp_path / name).keys()
    assert OLD == msgspec.json.decode(Path(project.plan).read_bytes(), type=Plan)
    assert "*\n" == (tmp_path / name / ".tfup" / ".gitignore").read_text(encoding="utf-8")
    assert str(tmp_path / name / "pylock.toml") == project.pylock


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    """An update with the same plan is the same bytes."""
    write(OLD, tmp_path, default_index(), SOURCES)
    before = contents(tmp_path)

    write(OLD, tmp_path, default_index(), SOURCES)

    assert before == contents(tmp_path)


def test_files_of_ours_are_renewed(tmp_path: Path) -> None:
    """What says that tfup made it is written again for another plan, its headline too."""
    write(OLD, tmp_path, default_index())

    write(plan(*SMALL, keras="toml"), tmp_path, default_index())

    for name in ("requirements.txt", "environment.yml", "Pipfile"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.startswith(
            "# Made by tfup: six 1.16.0 with toml 0.10.2 for Python 3.13 on linux_x86_64.\n"
        )
        assert "1.15.5" not in text


def test_files_of_the_persons_stay_and_ours_go_beside_them(tmp_path: Path) -> None:
    """A requirements.txt, environment.yml or pylock.toml without our mark is left as it is."""
    for name in ("requirements.txt", "environment.yml", "pylock.toml"):
        (tmp_path / name).write_bytes(b"numpy\xff\r\n")

    project = write(OLD, tmp_path, default_index())

    names = [Path(path).name for path in (project.requirements, project.environment_yml, project.pylock)]
    assert ["requirements.tfup.txt", "environment.tfup.yml", "pylock.tfup.toml"] == names
    assert all(
        b"numpy\xff\r\n" == (tmp_path / name).read_bytes() for name in ("requirements.txt", "pylock.toml")
    )
    assert project == locate(tmp_path)


def test_a_pipfile_keeps_its_line_endings(tmp_path: Path) -> None:
    """A Pipfile from Windows stays one, and is written without the byte-order mark that Pipenv trips over."""
    (tmp_path / "Pipfile").write_bytes(b'\xef\xbb\xbf[packages]\r\nrich = "*"\r\n')

    write(OLD, tmp_path, default_index())

    written = (tmp_path / "Pipfile").read_bytes()
    assert written.startswith(b'[packages]\r\nrich = "*"\r\ntensorflow = ')
    assert written.count(b"\n") == written.count(b"\r\n")


def test_a_link_is_followed(tmp_path: Path) -> None:
    """A Pipfile that is a link stays a link, and what it points to is updated."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "Pipfile").write_text('[packages]\nrich = "*"\n', encoding="utf-8")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "Pipfile").symlink_to("../shared/Pipfile")

    write(OLD, tmp_path / "project", default_index())

    assert (tmp_path / "project" / "Pipfile").is_symlink()
    assert "tensorflow" in (tmp_path / "shared" / "Pipfile").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("Pipfile", b"[packages]\nnumpy = \n", "line 2 col 8"),
        ("Pipfile", b"[packages\n", "line 1 col 9"),
        ("Pipfile", b"\xff\xfe", "byte 0xff at offset 0"),
        ("Pipfile", b"[packages]\nnumpy = 3\n", "numpy = 3"),
        ("Pipfile", b'[packages]\nnumpy = "^1.2"\n', "numpy = '^1.2'"),
        ("Pipfile", b'packages = "all"\n', "packages that is no [packages] table"),
        ("Pipfile.lock", b'{"default": }', "Expecting value at line 1 column 13"),
        ("Pipfile.lock", b"[]", "JSON of another shape"),
    ],
)
def test_a_broken_file_is_named_and_nothing_is_written(
    tmp_path: Path, name: str, content: bytes, found: str
) -> None:
    """The person learns where the fault is, and every file is as it was."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UnreadableFile) as raised:
        write(plan(pin("numpy", "1.0")), tmp_path, default_index())

    assert found in str(raised.value.needs[0].found)
    assert str(tmp_path / name) in raised.value.sentence
    assert {name: content} == contents(tmp_path)


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    """A file in the place of the folder is an explained error."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(UnusableFolder, match="file"):
        write(OLD, tmp_path / "file", default_index())


def test_nothing_half_written_is_left_where_a_file_cannot_be_put(tmp_path: Path) -> None:
    """A folder in the place of a file is an explained error, and no part of a file stays."""
    (tmp_path / ".tfup" / "plan.json").mkdir(parents=True)

    with pytest.raises(UnusableFolder, match=r"plan\.json"):
        write(OLD, tmp_path, default_index())

    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".part"]


def test_a_folder_that_cannot_be_written_to_is_named() -> None:
    """Where the system lets nobody write, not even root, that is an explained error."""
    with pytest.raises(UnusableFolder, match=r"/proc/tensorflow.* cannot be written"):
        write(OLD, Path("/proc/tensorflow"), default_index())


# ---------------------------------------------------------------- Pipfile.lock


def test_the_lock_is_json_as_pipenv_writes_it() -> None:
    """Four spaces, keys sorted, a newline at the end, hashes sorted, dev-packages apart."""
    text = pipfile_lock.text(OLD, pipfile.merge("", OLD), INDEX)
    lock = json.loads(text)

    assert text == json.dumps(lock, indent=4, sort_keys=True) + "\n"
    assert {"hashes": sorted(pin("pytest", "7.4.4").hashes), "version": "==7.4.4"} == lock["develop"][
        "pytest"
    ]
    assert "sys_platform == 'win32'" == lock["default"]["colorama"]["markers"]


def test_the_extras_of_the_build_are_in_both_files() -> None:
    """`tensorflow[and-cuda]` stays that in the Pipfile and in its lock."""
    made = plan(pin("tensorflow", "2.21.0"), extras=("and-cuda",))
    text = pipfile.merge("", made)

    assert 'tensorflow = {version = "==2.21.0", extras = ["and-cuda"]}' in text
    lock = json.loads(pipfile_lock.text(made, text, INDEX))
    assert ["and-cuda"] == lock["default"]["tensorflow"]["extras"]


def test_a_pipfile_without_sources_has_the_digest_of_one_with_the_default() -> None:
    """Pipenv reads a Pipfile without [[source]] as if the default index stood there."""
    bare = '[packages]\nnumpy = "*"\n'
    named = f'[[source]]\nurl = "{INDEX.url}"\nverify_ssl = true\nname = "pypi"\n{bare}'

    assert digest(named) == digest(bare)
    assert digest(bare) != pipfile_lock.digest(pipfile.read(bare), SOURCES[1])


def test_the_digest_is_over_what_is_asked_for_not_over_its_layout() -> None:
    """Comments, order, scripts and the spelling of names do not count; versions, Python, categories do."""
    text = '[packages]\nmy-package = "*"\nnumpy = "*"\n[requires]\npython_version = "3.13"\n'

    assert digest(text) == digest(
        '#\n[requires]\npython_version = "3.13"\n[packages]\nnumpy = "*"\nMy_Package = "*"'
    )
    assert digest(text) == digest(text + '[scripts]\nhello = "true"\n[pipenv]\nallow_prereleases = true\n')
    others = (
        text.replace("3.13", "3.12"),
        text.replace('numpy = "*"', 'numpy = "<2"'),
        f'{text}[docs]\nsphinx = "*"',
    )
    assert 4 == len({digest(text), *map(digest, others)})


def digest(text: str) -> str:
    """Return the digest of a Pipfile."""
    return pipfile_lock.digest(pipfile.read(text), INDEX)


def test_what_only_pipenv_can_lock_stays_in_the_lock() -> None:
    """A package from Git and a category of the person's own survive; what the Pipfile dropped does not."""
    text = '[packages]\nMine = {git = "https://git.example/mine.git"}\n[docs]\nsphinx = "*"\n'
    old = {
        "_meta": {},
        "default": {
            "mine": {"git": "https://git.example/mine.git", "ref": "abc"},
            "gone": {"version": "==1"},
        },
        "docs": {"sphinx": {"version": "==8.0"}},
    }

    lock = json.loads(pipfile_lock.text(OLD, pipfile.merge(text, OLD), INDEX, json.dumps(old)))

    assert old["default"]["mine"] == lock["default"]["mine"]
    assert old["docs"] == lock["docs"]
    assert "gone" not in lock["default"]


def test_the_default_index_is_asked_of_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an address with TLS, whatever the person has set, and Pipenv's name for it."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://user:secret@house.example/simple")
    default_index.cache_clear()

    found = default_index()

    assert "pypi" == found.name
    assert re.fullmatch("https://[a-z.]+/simple", found.url)
    assert "house.example" not in found.url


def test_pins_are_in_order_whatever_the_order_of_the_plan() -> None:
    """The files do not depend on the order in which a resolver answered."""
    turned = msgspec.structs.replace(OLD, pins=OLD.pins[::-1])

    assert requirements.text(OLD) == requirements.text(turned)
    assert environment_yml.text(OLD) == environment_yml.text(turned)


def test_a_reason_cannot_break_out_of_its_comment() -> None:
    """A reason with line ends stays one comment line in each file."""
    evil = plan(Pin("six", "1.0", ("sha256:0",), why="first\nsecond\r\n- third: x"))

    for text in (requirements.text(evil), environment_yml.text(evil), pipfile.merge("", evil)):
        assert 1 == sum("first second - third: x" in line for line in text.splitlines())
