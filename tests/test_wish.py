"""Stage 0: what was typed, and what the folder remembers."""

from __future__ import annotations

import pytest

from tfup.arguments import read_arguments, split_command
from tfup.errors import UsageError
from tfup.model import Wish
from tfup.wish import from_arguments, remember


def typed(*words: str) -> Wish:
    """Return the wish of a command line."""
    return from_arguments(read_arguments(words))


def test_first_word_that_is_no_command_is_a_wish() -> None:
    """`tfup 'tensorflow==1.15.*'` is an install."""
    arguments = read_arguments(["tensorflow==1.15.*", "--python", "3.7"])

    assert ("install", ["tensorflow==1.15.*"]) == (arguments.command, arguments.wish)


def test_nothing_typed_is_an_install_without_a_wish() -> None:
    """`tfup` alone does the whole story."""
    assert ("install", []) == (read_arguments([]).command, read_arguments([]).wish)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--json", "plan"], "plan"),
        (["--project", "plan"], "install"),
        (["--project=plan", "detect"], "detect"),
        (["--version"], None),
        (["--quiet"], "install"),
        (["keras", "plan"], "install"),
        (["help"], None),
        (["version"], None),
        (["help", "plan"], "plan"),
    ],
)
def test_command_is_found_behind_options(words: list[str], command: str | None) -> None:
    """The value of an option is no command."""
    assert command == split_command(words)[0]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("update", "tfup install"),
        ("uninstall", "tfup clean --dry-run"),
        ("instal", "tfup install"),
        ("detct", "tfup detect"),
    ],
)
def test_command_of_another_installer_is_no_wish_for_a_package(word: str, hint: str) -> None:
    """Some are names on the index: nobody gets a stranger's code unless it is typed as a package."""
    with pytest.raises(UsageError) as caught:
        typed("--json", word)

    assert hint == caught.value.hint
    assert (word,) == typed("install", word).requirements
    assert (f"{word}==1.0",) == typed(f"{word}==1.0").requirements


@pytest.mark.parametrize(
    "word", ["pillow", "pandas", "keras", "checklist", "pinecone", "matplotlib", "docker"]
)
def test_package_is_not_taken_for_a_command(word: str) -> None:
    """Only what is very near to one is."""
    assert ("install", word) == (read_arguments([word]).command, typed(word).requirements[0])


@pytest.mark.parametrize("name", ["doctor", "explain"])
def test_command_is_not_taken_for_a_package(name: str) -> None:
    """Nobody installs a package named doctor by mistake."""
    assert name == read_arguments([name]).command


@pytest.mark.parametrize(
    "words", [["tensorflow==", "x"], ["--python", "three"], ["--gpu", "--cpu"], ["plan", "--nonsense"]]
)
def test_what_cannot_be_understood_is_a_usage_error(words: list[str]) -> None:
    """Every slip has the form of our errors."""
    with pytest.raises(UsageError) as caught:
        typed(*words)

    assert caught.value.hint


def test_words_may_stand_on_both_sides_of_options() -> None:
    """As with pip and uv: `tfup plan tensorflow==1.15.5 --python 3.7 numpy==1.18.5 --quiet pandas`."""
    words = ("plan", "tensorflow==1.15.5", "--python", "3.7", "numpy==1.18.5", "--quiet", "pandas")

    assert ("tensorflow==1.15.5", "numpy==1.18.5", "pandas") == typed(*words).requirements
    assert "plan" == read_arguments(words).command


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("tensorflow", "tensorflow-gpu==1.15.5"), "tfup plan tensorflow-gpu==1.15.5"),
        (("tensorflow>=2", "pandas", "TensorFlow<2.10"), "tfup plan 'tensorflow<2.10,>=2'"),
    ],
)
def test_two_builds_are_refused_with_the_one_that_is_meant(words: tuple[str, ...], hint: str) -> None:
    """Old tutorials name two; the second was never heard of again."""
    with pytest.raises(UsageError) as caught:
        typed(*words)

    assert hint == caught.value.hint


def test_earlier_build_goes_on_when_a_package_is_added() -> None:
    """`tfup pillow` in a project of 1.15 stays with 1.15 and its Python."""
    before = Wish(requirements=("tensorflow==1.15.*", "keras==2.2.4"), python="3.7")
    after = remember(typed("pillow"), before, ("scikit-learn",))

    assert ("pillow", "tensorflow==1.15.*", "keras==2.2.4", "scikit-learn") == after.requirements


def test_new_build_replaces_the_earlier_one_with_its_keras() -> None:
    """`tfup 'tensorflow==2.15.*'` forgets the Keras and the Python of 1.15."""
    before = Wish(requirements=("tensorflow==1.15.*", "keras==2.2.4"), python="3.7")
    after = remember(typed("tensorflow==2.15.*"), before, ("tensorflow", "scikit-learn"))

    assert ("tensorflow==2.15.*", "scikit-learn") == after.requirements
    assert after.python is None


def test_same_command_without_words_repeats_the_wish() -> None:
    """A second `tfup` repairs what the first one made."""
    before = Wish(requirements=("tensorflow==1.15.*",), python="3.7")

    assert before == remember(typed(), before)


def test_build_of_a_pipfile_is_a_wish() -> None:
    """A person's own Pipfile that asks for TensorFlow is obeyed."""
    assert ("tensorflow==2.15.*", "requests") == remember(
        typed(), None, ("tensorflow==2.15.*", "requests")
    ).requirements
