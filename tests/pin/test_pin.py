"""Stage 3: every package exactly, each pin with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tfup.errors import LacksWheels, Unresolvable, UsageError
from tfup.managers.uv import Resolved
from tfup.model import Choice, Match, Obstacle, PassedOver, Pin, Wheel, Wish
from tfup.pin.companions import companions_of
from tfup.pin.files import installs, lock_digest, supported_tags
from tfup.pin.planning import pin
from tfup.pin.resolving import meets, wished_extras
from tfup.requirements import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

CHOICE = Choice(
    project="tensorflow",
    version="1.15.5",
    python="3.7.16",
    python_tag="cp37",
    python_path="/usr/bin/python3.7",
    python_from="found",
    wheel=Wheel("tensorflow-1.15.5-cp37-cp37m-manylinux2010_x86_64.whl", "a" * 64, 110499974),
    platform="linux_x86_64",
    glibc="2.17",
)
UNLOCKED = replace(CHOICE, version="1.15.999")


class Answers:
    """A resolver that gives prepared answers and remembers what it was asked."""

    def __init__(self, *answers: list[Resolved]) -> None:
        """Keep the answers, first things first."""
        self.answers = list(answers)
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def __call__(
        self, _choice: Choice, requirements: Sequence[str], constraints: Sequence[str], _sdists: Sequence[str]
    ) -> list[Resolved]:
        """Return the next answer."""
        self.asked.append((tuple(requirements), tuple(constraints)))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def package(name: str, version: str, *tags: str) -> Resolved:
    """Return a resolved package with one wheel for each tag."""
    wheels = (Wheel(f"{name}-{version}-{tag}.whl", f"{tag}{version}") for tag in tags)
    return Resolved(name, version, tuple(wheels))


PROTOBUF = package("protobuf", "3.19.6", "cp37-cp37m-manylinux_2_5_x86_64.manylinux1_x86_64")
ANSWER = [package("tensorflow", "1.15.999", "cp37-cp37m-manylinux2010_x86_64"), PROTOBUF]


def plan_of(choice: Choice | None, resolve: Answers, *requirements: str) -> object:
    """Return the plan for a choice and a wish."""
    return pin(Match(choice), Wish(requirements=requirements), resolve, lambda *_, **__: "digest of checks")  # type: ignore[arg-type]


def test_build_without_a_lock_is_resolved_under_our_bounds() -> None:
    """The bounds with their {minor} filled in, and the Keras that pairs, go to the resolver."""
    resolve = Answers(ANSWER)
    plan = plan_of(UNLOCKED, resolve)

    requirements, constraints = resolve.asked[0]
    assert ("tensorflow==1.15.999", "keras==2.3.1") == requirements
    assert {"protobuf<3.20", "numpy<2", "tensorflow-estimator==1.15.*"} <= set(constraints)
    assert "resolved" == plan.proof.status  # type: ignore[attr-defined]


def test_bound_is_told_with_its_reason() -> None:
    """The pin of protobuf says why it is old, and the known issue is listed."""
    plan = plan_of(UNLOCKED, Answers(ANSWER))

    assert "protobuf 4" in next(one.why for one in plan.pins if one.name == "protobuf")  # type: ignore[attr-defined]
    assert ["protobuf-descriptors-4plus"] == [one.id for one in plan.workarounds]  # type: ignore[attr-defined]


def test_version_without_a_file_for_the_oldest_system_is_left_out() -> None:
    """A wheel for glibc 2.28 alone would keep the plan from a machine that the build runs on."""
    new = package("grpcio", "2.0", "cp37-cp37m-manylinux_2_28_x86_64")
    old = package("grpcio", "1.0", "cp37-cp37m-manylinux_2_17_x86_64")
    resolve = Answers([*ANSWER, new], [*ANSWER, old])
    plan = plan_of(UNLOCKED, resolve)

    assert "grpcio!=2.0" in resolve.asked[1][1]
    assert ["1.0"] == [one.version for one in plan.pins if one.name == "grpcio"]  # type: ignore[attr-defined]


def test_package_that_never_fits_ends_with_a_sentence() -> None:
    """The search for an older version ends."""
    with pytest.raises(Unresolvable):
        plan_of(UNLOCKED, Answers([package("grpcio", "2.0", "cp37-cp37m-win_amd64")]))


class Sources(Answers):
    """A resolver that lacks the wheels of some packages unless it may build them."""

    def __call__(
        self, _choice: Choice, requirements: Sequence[str], constraints: Sequence[str], sdists: Sequence[str]
    ) -> list[Resolved]:
        """Answer once all is allowed."""
        lacking = {"annoy", "protobuf"} & {text.partition("=")[0] for text in requirements} - {*sdists}
        if lacking:
            sentence = "There is no wheel."
            raise LacksWheels(sentence, names=tuple(lacking))
        return super().__call__(_choice, requirements, constraints, sdists)


def test_what_was_asked_for_may_be_built_and_is_named() -> None:
    """A package without a wheel is resolved again as a source archive, and the plan says what that needs."""
    archive = Resolved("annoy", "1.0", (Wheel("annoy-1.0.tar.gz", "b" * 64),))
    plan = plan_of(UNLOCKED, Sources([*ANSWER, archive]), "annoy")

    assert ("annoy",) == plan.built  # type: ignore[attr-defined]
    assert "by a compiler" in plan.warnings[-1].text  # type: ignore[attr-defined]
    assert ("sha256:" + "b" * 64,) == next(one.hashes for one in plan.pins if one.name == "annoy")  # type: ignore[attr-defined]


def test_our_own_pins_are_never_built() -> None:
    """A companion that our rules name comes as a wheel or not at all."""
    with pytest.raises(LacksWheels):
        plan_of(UNLOCKED, Sources(ANSWER), "protobuf==3.19.6")


def test_nothing_that_fits_is_a_plan_that_says_why() -> None:
    """Without a choice the plan has the obstacles of the nearest build and their remedies."""
    near = PassedOver(
        "tensorflow", "2.21.0", (Obstacle("libc", "glibc 2.27", "glibc 2.17", "use a newer one"),)
    )
    plan = pin(Match(None, (near,), nearest=near), Wish(), Answers([]), lambda *_, **__: "")  # type: ignore[arg-type]

    assert plan.choice is None
    assert ("use a newer one",) == plan.remedies
    assert near.obstacles == plan.obstacles


CPU_BUILD = replace(
    UNLOCKED,
    project="tensorflow-cpu",
    wheel=Wheel("tensorflow_cpu-1.15.999-cp37-cp37m-manylinux2010_x86_64.whl", "a" * 64),
)


def test_package_that_asks_for_tensorflow_finds_it_in_its_twin() -> None:
    """Its bounds hold for the release that is there, and no second TensorFlow fills the same folder."""
    both = [
        package("tensorflow-cpu", "1.15.999", "cp37-cp37m-manylinux2010_x86_64"),
        package("tensorflow", "1.15.999", "cp37-cp37m-manylinux2010_x86_64"),
        package("larq", "0.7", "py3-none-any"),
    ]
    resolve = Answers(both)
    plan = plan_of(CPU_BUILD, resolve, "larq")

    assert {"tensorflow==1.15.999", "tensorflow-gpu==1.15.999"} <= {*resolve.asked[0][1]}
    assert "tensorflow-cpu==1.15.999" not in resolve.asked[0][1]
    assert ["larq", "tensorflow-cpu"] == [one.name for one in plan.pins]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wished", "hint"),
    [
        (("tf-nightly",), "tfup plan tensorflow"),
        (
            ("tensorflow==1.15.*", "Intel_TensorFlow==2.9.1", "pillow"),
            "tfup plan 'tensorflow==1.15.*' pillow",
        ),
        (("keras-nightly", "pillow"), "tfup plan pillow"),
    ],
)
def test_project_that_would_fill_the_same_folder_is_refused(wished: tuple[str, ...], hint: str) -> None:
    """Nothing is resolved, and the same wish without it is the hint."""
    with pytest.raises(Unresolvable) as caught:
        plan_of(UNLOCKED, Answers(), *wished)

    assert "fills the folder of" in caught.value.sentence
    assert hint == caught.value.hint


class Refusal(Answers):
    """A resolver to whom nothing goes together."""

    def __call__(self, *_asked: object) -> list[Resolved]:
        """Raise what uv's words become."""
        sentence = "The packages asked for do not go together."
        raise Unresolvable(sentence, (), "tfup versions")


def test_clash_with_our_bounds_is_told_with_the_reason() -> None:
    """Each of our bounds that a wish contradicts, and the same wish inside them to type."""
    with pytest.raises(Unresolvable) as caught:
        plan_of(UNLOCKED, Refusal(), "numpy==1.21", "protobuf>=4", "h5py==2.9.0", "pandas")

    told = {need.name: (need.needs, need.found) for need in caught.value.needs}
    assert {"numpy", "protobuf"} == {*told}
    assert ("<1.20: NumPy 1.20 refuses to convert a symbolic Tensor", "numpy==1.21") == told["numpy"]
    assert (
        "tfup plan tensorflow==1.15.999 'numpy<1.20' 'protobuf<3.20' h5py==2.9.0 pandas" == caught.value.hint
    )


def test_clash_that_is_none_of_ours_is_left_to_uv() -> None:
    """Its own words are all there is to say."""
    with pytest.raises(Unresolvable) as caught:
        plan_of(UNLOCKED, Refusal(), "numpy==1.18.5", "pandas==99")

    assert ((), "tfup versions") == (caught.value.needs, caught.value.hint)


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ("keras", True),
        ("keras==2.3.*", True),
        ("keras==2.2.4", False),
        ("pillow", False),
        ("keras[extra]", False),
    ],
)
def test_requirement_that_a_pin_meets_needs_no_resolving(wanted: str, met: bool) -> None:  # noqa: FBT001 -- a table
    """Extras and markers are left to uv."""
    assert met == meets(parse(wanted), {"keras": "2.3.1"})


def test_only_what_the_lock_lacks_is_wished_beside() -> None:
    """The build itself and what is pinned already are no extras."""
    pins = (Pin("keras", "2.3.1", ()),)

    assert ["pillow"] == wished_extras(Wish(requirements=("tensorflow==1.15.*", "Keras", "pillow")), pins)


@pytest.mark.parametrize(
    ("file", "fits"),
    [
        ("six-1.17.0-py2.py3-none-any.whl", True),
        ("grpcio-1-cp37-cp37m-manylinux_2_17_x86_64.whl", True),
        ("grpcio-1-cp37-cp37m-manylinux_2_28_x86_64.whl", False),
        ("grpcio-1-cp36-cp36m-manylinux1_x86_64.whl", False),
        ("grpcio-1-cp37-cp37m-macosx_10_9_x86_64.whl", False),
        ("libclang-1-py2.py3-none-manylinux2010_x86_64.whl", True),
        ("psutil-1-cp36-abi3-manylinux2014_x86_64.whl", True),
    ],
)
def test_wheel_fits_by_its_tags(file: str, fits: bool) -> None:  # noqa: FBT001 -- a table
    """Python, ABI and platform of the file name decide."""
    tags = supported_tags("cp37", "cp37m", CHOICE.platform, CHOICE.glibc, CHOICE.macos)

    assert fits == installs(tags, file)


def test_digest_changes_with_any_hash_and_with_no_order() -> None:
    """A proof names exactly these files."""
    pins = [Pin("a", "1", ("sha256:1",)), Pin("b", "2", ("sha256:2", "sha256:3"))]

    assert lock_digest(pins) == lock_digest(reversed(pins))
    assert lock_digest(pins) != lock_digest([pins[0], replace(pins[1], hashes=("sha256:2",))])


def test_bounds_of_the_newest_release_are_few() -> None:
    """A release of today needs none of the old bounds."""
    assert () == companions_of(replace(CHOICE, version="2.21.0", python_tag="cp313")).bounds


def test_text_that_is_no_requirement_is_refused() -> None:
    """A slip of the finger is a usage error with an example to type."""
    with pytest.raises(UsageError) as caught:
        parse("tensorflow=1.15")

    assert "tfup plan" in (caught.value.hint or "")
