"""A person's own Pipfile: what it asks for, and the plan merged into it."""

from __future__ import annotations

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.formats_plans import pin, plan
from tfup.errors import UnreadableFile
from tfup.formats import Source, pipfile
from tfup.formats.pipfile import PipfileWish, merge, requirements

NEWEST = plan(
    pin("tensorflow", "2.21.0"),
    pin("keras", "3.13.0"),
    pin("protobuf", "5.0", why="a bound"),
    pin("pandas", "2.3.0"),
    pin("rich", "15.0"),
    wish=("tensorflow", "pandas<3", "rich"),
    keras="keras",
)
THEIRS = """\
# The house rules

[[source]]
url = "https://house.example/simple"
verify_ssl = true
name = "house"

[packages]
rich = {version = ">=13", extras = ["jupyter"]}  # tables
TensorFlow = "*"  # the point of it all
mine = {path = ".", editable = true}
protobuf = ">=3"
idna = {version = "*", sys_platform = "== 'linux'"}

# for reports
pandas = "*"

[dev-packages]
pytest = ">=8"

[docs]
sphinx = "*"

[requires]
python_version = "3.12"  # as on the server

[scripts]
train = "python train.py"
"""
MERGED = """\
# The house rules

[[source]]
url = "https://house.example/simple"
verify_ssl = true
name = "house"

[packages]
rich = {version = ">=13", extras = ["jupyter"]}  # tables
TensorFlow = "==2.21.0"  # the point of it all  # tfup: the build; yours was "*"
mine = {path = ".", editable = true}
protobuf = "==5.0"  # tfup: a bound; yours was ">=3"
idna = {version = "*", sys_platform = "== 'linux'"}

# for reports
pandas = "<3"  # tfup: asked for
keras = "==3.13.0"  # tfup: the Keras that goes with the build

[dev-packages]
pytest = ">=8"

[docs]
sphinx = "*"

[requires]
python_version = "3.13"  # as on the server  # tfup: the Python of the build; yours was "3.12"

[scripts]
train = "python train.py"
"""


def test_a_pipfile_says_what_it_asks_for() -> None:
    """Every way to write an entry becomes a requirement, and what no index can answer is named."""
    expected = PipfileWish(
        packages=(
            "rich[jupyter]>=13",
            "TensorFlow",
            "protobuf>=3",
            'idna; sys_platform == "linux"',
            "pandas",
        ),
        develop=("pytest>=8",),
        unlocked=("mine", "sphinx"),
        python="3.12",
    )

    assert expected == requirements(THEIRS)


def test_a_pipfile_is_merged_in_place() -> None:
    """Comments, order and entries stay; ours are updated where they stand, or come last."""
    assert MERGED == merge(THEIRS, NEWEST)


def test_the_wish_of_the_person_outlives_the_merge() -> None:
    """After tfup pinned it, a Pipfile still says what the person asked for, and what tfup alone put in."""
    wish = requirements(THEIRS)
    merged = requirements(MERGED)

    assert [text if text != "pandas" else "pandas<3" for text in wish.packages] == list(merged.packages)
    assert ("keras==3.13.0",) == merged.made
    assert (wish.develop, wish.unlocked, wish.python) == (merged.develop, merged.unlocked, merged.python)


def test_what_an_earlier_plan_put_in_goes_with_it() -> None:
    """A bound that the new plan does not need is gone, and the person's own value is back."""
    other = plan(pin("tensorflow-cpu", "2.22.0"))
    text = merge(MERGED, other)

    content = tomlkit.parse(text).unwrap()["packages"]
    assert "==2.22.0" == content.pop("tensorflow-cpu")
    assert {**tomlkit.parse(THEIRS).unwrap()["packages"], "pandas": "<3"} == content
    assert 'TensorFlow = "*"  # the point of it all\n' in text


def test_what_was_asked_for_stays_without_being_asked_for_again() -> None:
    """A package wished for once stays in the Pipfile, and is asked for in any version again."""
    first = merge("", NEWEST)
    second = merge(first, plan(pin("tensorflow", "2.22.0")))

    assert 'rich = "==15.0"  # tfup: asked for in any version' in second
    assert ("pandas<3", "rich") == requirements(second).packages
    assert ("tensorflow==2.22.0",) == requirements(second).made
    assert requirements(second).python is None


def test_an_entry_that_no_index_can_answer_is_never_replaced() -> None:
    """TensorFlow from the person's own Git stays from there."""
    text = '[packages]\ntensorflow = {git = "https://git.example/tf.git"}\n'

    assert 'tensorflow = {git = "https://git.example/tf.git"}\n' in merge(text, NEWEST)


def test_an_entry_keeps_its_index_and_its_markers() -> None:
    """Only the version of a longer entry is ours."""
    text = '[packages]\ntensorflow = {index = "house", version = "*", markers = "os_name == \'posix\'"}\n'

    entry = tomlkit.parse(merge(text, NEWEST)).unwrap()["packages"]["tensorflow"]
    assert {"index": "house", "version": "==2.21.0", "markers": "os_name == 'posix'"} == entry


def test_an_entry_in_a_table_of_its_own_is_put_in_braces() -> None:
    """[packages.NAME] is read like any entry, and written as Pipenv itself would."""
    text = (
        '[packages]\nsix = "*"\n\n[packages.tensorflow]\nversion = ">=2"\nindex = "house"\n\n[dev-packages]\n'
    )

    merged = merge(text, NEWEST)

    assert ("six", "tensorflow>=2") == requirements(text).packages
    assert {"version": "==2.21.0", "index": "house"} == tomlkit.parse(merged).unwrap()["packages"][
        "tensorflow"
    ]
    assert merged == merge(merged, NEWEST)


def test_a_full_python_version_of_another_minor_goes() -> None:
    """[requires] does not contradict itself; one of the same minor stays."""
    text = '[requires]\npython_full_version = "{}"\n'

    assert "python_full_version" not in merge(text.format("3.12.4"), NEWEST)
    assert 'python_full_version = "3.13.2"' in merge(text.format("3.13.2"), NEWEST)
    assert "3.12" == requirements(text.format("3.12.4")).python


def test_sources_are_added_once_and_renewed_by_name() -> None:
    """The indexes that the person configured join those of the Pipfile, which stay."""
    old, new = Source("house", "https://old.example/simple"), Source("house", "https://new.example/simple")
    more = Source("more", "https://${TOKEN}@more.example/simple", verify_ssl=False)

    text = merge(merge(THEIRS, NEWEST, (old,)), NEWEST, (new, more))

    sources = tomlkit.parse(text).unwrap()["source"]
    assert [("house", "https://new.example/simple"), (more.name, more.url)] == [
        (s["name"], s["url"]) for s in sources
    ]
    assert tomlkit.parse(text).unwrap()["pipenv"] == {"install_search_all_sources": True}
    assert text == merge(text, NEWEST, (new, more))


def test_without_sources_none_is_written() -> None:
    """Where the person configured no index, the Pipfile leaves it to Pipenv."""
    assert "source" not in tomlkit.parse(merge("", NEWEST))


@pytest.mark.parametrize(
    "text",
    [
        "packages = {six = '*'}\n",
        "requires = 3\n",
        "[packages]\nsix = ['*']\n",
        "[packages]\nsix = {version = 3}\n",
        "[packages]\nsix = {version = '*', extras = 'all'}\n[packages]\n",
        "[packages]\nsix = {version = '*', markers = 'no marker'}\n",
        "[packages]\n'two words' = '*'\n",
        "[a]\nb = 1\n[a.b]\nc = 1\n",
    ],
)
def test_what_pipenv_could_not_read_is_an_explained_error(text: str) -> None:
    """TOML of another shape is refused as a whole, and the file is named."""
    with pytest.raises(UnreadableFile, match=r"^their/Pipfile is not a Pipfile\."):
        requirements(text, "their/Pipfile")


NAMES = st.sampled_from(["tensorflow", "Keras", "PROTOBUF", "pandas", "rich", "a.b", "six", "attrs"])
VERSIONS = st.sampled_from(["*", "==1.0", ">=2,<3", "~=4.1"])
ENTRIES = st.one_of(
    VERSIONS.map(lambda version: f'"{version}"'),
    VERSIONS.map(lambda version: f'{{version = "{version}", extras = ["x"]}}'),
    st.just('{git = "https://git.example/x.git"}'),
)
COMMENTS = st.sampled_from(["", "  # why", " #", " # a # b", '  # "quoted" = {x}'])
LINES = st.builds("{} = {}{}".format, NAMES, ENTRIES, COMMENTS)
GAPS = st.sampled_from(["", "\n", "\n# a word\n", "\n\n"])


@st.composite
def pipfiles(draw: st.DrawFn) -> str:
    """Return a Pipfile with sections in some order, and comments and gaps in odd places."""
    names = draw(st.permutations(["packages", "dev-packages", "requires", "scripts"]))
    bodies = []
    for name in names[: draw(st.integers(0, 4))]:
        lines = draw(st.lists(LINES, max_size=5, unique_by=lambda line: line.split(" ")[0].lower()))
        lines = lines if name.endswith("packages") else []
        bodies.append(f"[{name}]\n" + "".join(line + "\n" + draw(GAPS) for line in lines))
    return draw(GAPS) + draw(GAPS).join(bodies)


@settings(deadline=None)  # the first example pays for the imports
@given(pipfiles())
def test_any_pipfile_survives_a_merge(text: str) -> None:
    """A merge is valid, settles at once, drops no line of the person's, and can be taken back."""
    merged = merge(text, NEWEST)

    assert merged == merge(merged, NEWEST)
    ours = {"tensorflow", "keras", "protobuf", "pandas", "rich"}
    kept = [line for line in text.splitlines() if line.split(" ")[0].lower() not in ours]
    assert [] == [line for line in kept if line not in merged.splitlines()]
    before, after = pipfile.read(text), pipfile.read(merge(merged, plan(pin("zope", "1"))))
    left = {name: value for name, value in before.get("packages", {}).items() if name != "pandas"}
    assert left.items() <= {**after["packages"]}.items()
