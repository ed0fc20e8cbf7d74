"""The command line: what can be typed, and what each word means."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tfup import __version__
from tfup.errors import UsageError
from tfup.shell import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

COMMANDS = ("install", "detect", "plan", "pin", "check", "doctor", "explain", "undo", "versions", "clean")

WORDS_OF_OTHERS = {
    **dict.fromkeys(("add", "create", "init", "setup", "sync", "update", "upgrade"), "install"),
    **dict.fromkeys(("fix", "repair"), "doctor --fix"),
    **dict.fromkeys(("freeze", "lock"), "pin"),
    **dict.fromkeys(("hello", "run", "test", "verify"), "check"),
    **dict.fromkeys(("info", "show", "status"), "detect"),
    **dict.fromkeys(("list", "search"), "versions"),
    **dict.fromkeys(("remove", "uninstall"), "clean --dry-run"),
}
"""What other installers call what we have. Some are packages on the index, too, of people nobody meant."""
NEAR = 0.85

LONGEST_NUMBER = 9  # digits

EXAMPLES = """\
examples:
  tfup                                      the newest TensorFlow and Keras that fit this machine
  tfup 'tensorflow==1.15.*'                 an old release, with the packages that make it run today
  tfup keras==2.2.4 scikit-learn pillow     a Keras of 2018, and two packages beside it
  tfup plan --why-not tensorflow==2.21.0    what keeps that release from this machine
  tfup check --train --report story.html    two networks trained, and a page that tells it all
  tfup explain error.log                    what an error means, and what repairs it
  tfup undo                                 the project as it was before the last install
"""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints have the form of all our errors."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing usage and leaving."""
        sentence = message[0].upper() + message[1:] + "."
        raise UsageError(sentence, hint=f"{self.prog} --help")


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the command and its options, in any order; a first word that is no command is a wish.

    argparse takes words on both sides of an option only where it is told to, and never through a subparser.
    """
    command, rest = split_command(list(words))
    if command is None:
        return parser().parse_args(rest)
    return parser_of(command).parse_intermixed_args(rest, argparse.Namespace(command=command))


def split_command(words: list[str]) -> tuple[str | None, list[str]]:
    """Return the command and the words that are left.

    >>> split_command(["--json", "plan", "keras"])
    ('plan', ['--json', 'keras'])
    >>> split_command(["--python", "3.10", "keras==2.2.4"])
    ('install', ['--python', '3.10', 'keras==2.2.4'])
    """
    place = next(plain_words(words), None)
    if place is None:
        return (None if {"--help", "-h", "--version"} & set(words) else "install"), words
    word = words[place]
    if word in COMMANDS:
        return word, words[:place] + words[place + 1 :]
    if word in {"help", "version"}:
        return split_command([*words[:place], f"--{word}", *words[place + 1 :]])
    near = WORDS_OF_OTHERS.get(word) or next(iter(get_close_matches(word, COMMANDS, 1, NEAR)), None)
    if near:
        command = typed("tfup", "install", word)
        sentence = f"{word!r} is no command of tfup; a package of that name would be `{command}`."
        raise UsageError(sentence, hint=f"tfup {near}")
    return "install", words


def plain_words(words: list[str]) -> Iterator[int]:
    """Yield the places of words that are neither options nor the values of options."""
    takes_value = {
        "--project",
        "--manager",
        "--python",
        "--backend",
        "--system-package",
        "--machine",
        "--why-not",
    }
    takes_value |= {"--record", "--only", "--report", "--epochs", "--batch-size", "--images"}
    for place, word in enumerate(words):
        if not word.startswith("-") and (place == 0 or words[place - 1] not in takes_value):
            yield place


def parser() -> Parser:
    """Return the parser of all commands."""
    whole = Parser(
        prog="tfup",
        description="Gets a TensorFlow and Keras onto this machine that fit it, and proves that they work.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"tfup {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="command", parser_class=Parser)
    for name, (summary, _) in PARTS.items():
        commands.add_parser(name, help=summary)
    return whole


def parser_of(command: str) -> Parser:
    """Return the parser of a command."""
    summary, parts = PARTS[command]
    one = Parser(prog=f"tfup {command}", description=f"{summary[0].upper()}{summary[1:]}.")
    for part in (*parts, add_output):
        part(one)
    return one


def add_wish(one: Parser) -> None:
    """Add what is wished for."""
    one.add_argument(
        "wish",
        nargs="*",
        metavar="WISH",
        help="a requirement: 'tensorflow==1.15.*', keras==2.2.4, scikit-learn",
    )
    one.add_argument("--python", metavar="X.Y", help="the Python to use; else one that fits is chosen")
    device = one.add_mutually_exclusive_group()
    device.add_argument(
        "--gpu", dest="gpu", action="store_true", default=None, help="use a GPU, or say why it cannot be"
    )
    device.add_argument("--cpu", dest="gpu", action="store_false", help="leave GPUs alone")
    one.add_argument("--slim", action="store_true", help="tensorflow-cpu: half the download")
    one.add_argument(
        "--backend",
        metavar="NAME",
        choices=("tensorflow", "theano", "cntk", "jax", "torch", "openvino"),
        help="the back end of Keras: tensorflow, theano, cntk, jax, torch or openvino",
    )
    one.add_argument(
        "--system-package",
        action="append",
        default=[],
        metavar="NAME",
        help="make this module of the system's Python, such as cv2, visible in the environment; none forgets",
    )
    one.add_argument(
        "--manager",
        choices=("pipenv", "conda", "venv"),
        default="pipenv",
        help="who looks after the environment later",
    )
    one.add_argument("--offline", action="store_true", help="use only what was downloaded before")


def add_project(one: Parser) -> None:
    """Add the project folder."""
    one.add_argument(
        "--project",
        type=Path,
        metavar="DIR",
        help="the project folder; else this folder, or ~/tensorflow in a checkout of tfup",
    )


def add_dry_run(one: Parser) -> None:
    """Add the wish to see only."""
    one.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def add_machine(one: Parser) -> None:
    """Add another machine than this one."""
    one.add_argument(
        "--machine",
        metavar="FILE",
        help="the machine of a file made by tfup detect --json, instead of this one; - reads standard input",
    )


def add_plan(one: Parser) -> None:
    """Add what only plan knows."""
    one.add_argument(
        "--why-not", metavar="BUILD", help="say what keeps this build from the machine: tensorflow==2.21.0"
    )


def add_detect(one: Parser) -> None:
    """Add the recording."""
    one.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="also write all that was read, for a bug report; user names are removed",
    )


def add_check(one: Parser) -> None:
    """Add the choice of checks."""
    one.add_argument("--only", nargs="+", action="extend", metavar="NAME", help="run only these checks")
    one.add_argument(
        "--report", type=Path, metavar="FILE", help="also write machine, plan and proof as one HTML page"
    )
    train = one.add_argument_group("training", "MiniVGGNet with keras and with tf.keras: about a minute")
    train.add_argument("--train", action="store_true", help="also train networks on small pictures")
    train.add_argument("--epochs", type=at_least_one, metavar="N", help="how often each picture is seen (3)")
    train.add_argument("--batch-size", type=at_least_one, metavar="N", help="pictures of one step (32)")
    train.add_argument(
        "--images", type=at_least_one, metavar="N", help="pictures to learn from (2000; CIFAR-10 has 50000)"
    )
    train.add_argument(
        "--download",
        action="store_true",
        help="let Keras fetch CIFAR-10, 170 MB, where it is not on the disk; else pictures are made",
    )


def at_least_one(text: str) -> int:
    """Return a whole number from 1 on.

    >>> at_least_one("30")
    30
    """
    if not text.isascii() or not text.isdigit() or len(text) > LONGEST_NUMBER or int(text) == 0:
        message = f"{text!r} is not a whole number from 1 on"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def add_log(one: Parser) -> None:
    """Add the text to explain."""
    one.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="a log, a traceback or what pip printed; else, or with -, standard input",
    )
    one.add_argument(
        "--machine", metavar="FILE", help="the machine that it comes from: a file made by tfup detect --json"
    )


def add_doctor(one: Parser) -> None:
    """Add the repair."""
    one.add_argument(
        "--fix",
        action="store_true",
        help="repair what is safe, ask before the rest, and look again; tfup undo takes packages back",
    )
    one.add_argument("--offline", action="store_true", help="repair with what was downloaded before")


def add_output(one: Parser) -> None:
    """Add how the answer is given."""
    one.add_argument("--json", action="store_true", help="one JSON document on standard output, nothing else")
    one.add_argument("--quiet", action="store_true", help="only the last line, and what went wrong")
    one.add_argument("--yes", action="store_true", help="answer yes wherever tfup would ask")


PARTS: dict[str, tuple[str, tuple[Callable[[Parser], None], ...]]] = {
    "install": (
        "do the whole story: detect, match, pin, install, check, report",
        (add_wish, add_project, add_dry_run),
    ),
    "detect": ("show this machine, and where each fact was read", (add_project, add_detect)),
    "plan": (
        "say what would be installed, and why; writes nothing",
        (add_wish, add_project, add_machine, add_plan),
    ),
    "pin": ("write the project's files, and install nothing", (add_wish, add_project)),
    "check": ("run the checks in an environment, ours or not", (add_project, add_check)),
    "explain": ("say what an error means, and what repairs it", (add_log, add_project)),
    "doctor": ("say what is wrong with an environment, why, and what repairs it", (add_project, add_doctor)),
    "undo": ("bring back the project as it was before the last install", (add_project,)),
    "versions": ("list the releases that fit this machine, newest first", (add_project, add_machine)),
    "clean": (
        "remove caches and kept generations; with --project, that environment",
        (add_project, add_dry_run),
    ),
}
