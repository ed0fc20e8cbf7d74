"""`check --report`: machine, plan and proof as one HTML page that needs nothing beside itself.

It is made to be shown: user names, home folders and credentials are taken out, and every text is escaped.
"""

from __future__ import annotations

import os
import time
from base64 import b64encode
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tfup import __version__
from tfup.errors import Need, OutputLost, UsageError
from tfup.files import write_whole
from tfup.formats import MADE_BY, is_ours
from tfup.privacy import hide_credentials, hide_person
from tfup.report.console import (
    MARKS,
    describe_choice,
    in_megabytes,
    machine_facts,
    obstacle_text,
    passed_as_such,
    telling,
)
from tfup.report.streams import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tfup.model import Choice, Environment, Machine, Outcome, Plan, Training

Row: TypeAlias = "tuple[str | None, ...]"

SHORT = 20  # characters

PAGE = Template("""\
<!DOCTYPE html>
<!-- $made_by -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.7em; margin-bottom: 0; }
h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25em .8em .25em 0; border-bottom: 1px solid #eee; }
td { overflow-wrap: anywhere; }
.short { white-space: nowrap; }
pre { overflow-x: auto; background: #f6f6f6; padding: .6em; line-height: 1.3; }
img { max-width: 100%; }
.proved { color: #17692c; } .failed, .crashed { color: #b00020; } .skipped, .quiet { color: #666; }
@media print { body { margin: 0; font-size: 11px; } tr, img, pre { break-inside: avoid; } }
</style>
</head>
<body>
<h1>$title</h1>
<p class="$state">$verdict</p>
$sections
<p class="quiet">$made_by $version on $date.</p>
</body>
</html>
""")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # a browser then fetches nothing
SECTION = Template("<section>\n<h2>$title</h2>\n$content\n</section>")
PICTURE = Template('<img alt="loss and accuracy by epoch" src="data:image/png;base64,$content">')


class Story(NamedTuple):
    """What a page tells; the plan is None for an environment that tfup did not make."""

    folder: Path
    machine: Machine
    plan: Plan | None
    environment: Environment
    outcomes: Sequence[Outcome]


# ---------------------------------------------------------------- the file


def make_sure(path: Path) -> None:
    """Raise UsageError now, and not after the checks, where the page cannot be written."""
    found = None
    if not path.absolute().parent.is_dir():
        found = f"{path}, in a folder that is not there"
    elif path.exists() and not path.is_file():
        found = f"{path}, which is no file"
    elif not is_ours(path):
        found = f"{path}, which stays as it is, for tfup did not make it"
    elif not os.access(path.absolute().parent, os.W_OK):
        found = f"{path}, in a folder that takes no files"
    if found:
        need = Need("report", "a new file, or an older report", found)
        sentence = "The report cannot be written there."
        raise UsageError(sentence, (need,), "tfup check --report report.html")


def write(path: Path, story: Story) -> str:
    """Write the page in one step, and return its path; OutputLost where that fails."""
    try:
        write_whole(path, page(story, partial(hidden, *person())).encode())
    except OSError as error:
        need = Need("report", "room for the page", error.strerror)
        sentence = "The report could not be written."
        raise OutputLost(sentence, (need,), "df -h") from error
    return str(path.absolute())


def person() -> tuple[str | None, str | None]:
    """Return the home folder and the user name that the page does not show."""
    from tfup.machine.live import Live

    home, user = (Live().ask(question) for question in ("home", "user"))
    return home if isinstance(home, str) else None, user if isinstance(user, str) else None


def hidden(home: str | None, user: str | None, text: str) -> str:
    """Return a text without what is nobody's business."""
    return hide_credentials(hide_person(text, home, user))


# ---------------------------------------------------------------- the page


def page(story: Story, hide: Callable[[str], str], now: float | None = None) -> str:
    """Return the page; `hide` takes out of a text what is not to be shown."""
    html = Html(hide)
    bad = [outcome.name for outcome in story.outcomes if outcome.status in {"failed", "crashed"}]
    verdict = f"These did not pass: {', '.join(bad)}." if bad else "All checks passed inside the environment."
    sections = [
        ("Proof", proof(html, story)),
        *[("Training", training(html, one.training)) for one in story.outcomes if one.training],
        ("Plan", plan(html, story.plan)),
        ("Machine", machine(html, story.machine)),
    ]
    return PAGE.substitute(
        title=html.text(title(story)),
        state="failed" if bad else "proved",
        verdict=html.text(verdict),
        sections="\n".join(SECTION.substitute(title=name, content=text) for name, text in sections),
        made_by=html.text(MADE_BY),
        policy=POLICY,
        version=html.text(__version__),
        date=time.strftime("%Y-%m-%d %H:%M", time.localtime(now)),
    )


class Html:
    """Texts as HTML: hidden, visible, escaped, in this order."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        """Take what hides what is not to be shown."""
        self.hide = hide

    def text(self, text: str | None) -> str:
        """Return a text that is safe between tags and inside quotation marks."""
        return escape(visible(self.hide(text or "")))

    def table(self, head: Row, rows: Iterable[Row]) -> str:
        """Return a table; the class of a row is that of its first word, so that outcomes have colours."""
        lines = [self.row("th", head), *(self.row("td", row) for row in rows)]
        return "\n".join(["<table>", *lines, "</table>"])

    def row(self, tag: str, cells: Row) -> str:
        """Return a row of a table."""
        kind = f' class="{cells[0]}"' if cells[0] in MARKS else ""
        return f"<tr{kind}>{''.join(self.cell(tag, cell or '') for cell in cells)}</tr>"

    def cell(self, tag: str, text: str) -> str:
        """Return a cell; a few words stay on one line."""
        kind = ' class="short"' if len(text) < SHORT else ""
        return f"<{tag}{kind}>{self.text(text)}</{tag}>"


def title(story: Story) -> str:
    """Return what the page is about."""
    choice = story.plan.choice if story.plan else None
    if story.plan is None or choice is None:
        return f"The environment {story.environment.folder}"
    keras = f" and Keras {story.plan.keras.version}" if story.plan.keras else ""
    if choice.requirement:  # a Keras on another back end
        return f"Keras {choice.version} on {choice.requirement}, Python {choice.python}"
    return f"TensorFlow {choice.version}{keras} on Python {choice.python}"


def proof(html: Html, story: Story) -> str:
    """Return what was tried, and what came of it."""
    rows = [
        (outcome.status, outcome.name, outcome.detail, f"{outcome.seconds:.1f} s")
        for outcome in story.outcomes
    ]
    where = html.text(f"Run by {story.environment.python} for {story.folder}.")
    return f"<p>{where}</p>\n{html.table(('outcome', 'claim', 'what was seen', 'took'), rows)}"


def training(html: Html, training: Training) -> str:
    """Return how the networks learnt: figures, curves, and scikit-learn's reports."""
    words = (
        f"{training.train_images} pictures to learn from, {training.test_images} to be tested with, "
        f"{training.epochs} epochs, {training.batch_size} pictures a step; {training.source}."
    )
    rows = [
        (
            one.name,
            f"{one.test_accuracy:.1%}",
            f"{one.loss[-1]:.3f}",
            f"{one.val_loss[-1]:.3f}",
            f"{one.seconds:.0f} s",
        )
        for one in training.networks
    ]
    head = ("network", "test pictures right", "last loss", "last test loss", "took")
    reports = [
        f"<h3>{html.text(one.name)}</h3>\n<pre>{html.text(one.report)}</pre>" for one in training.networks
    ]
    return "\n".join([f"<p>{html.text(words)}</p>", html.table(head, rows), picture(training.plot), *reports])


def picture(path: str | None) -> str:
    """Return the plot inside the page, nothing where there is none."""
    try:
        content = Path(path).read_bytes() if path else b""
    except OSError:
        content = b""
    return PICTURE.substitute(content=b64encode(content).decode()) if content else ""


def plan(html: Html, plan: Plan | None) -> str:
    """Return what was chosen and pinned, and why."""
    if plan is None or plan.choice is None:
        return "<p>tfup did not make this environment, so that there is no plan of it.</p>"
    pins = [(pin.name, pin.version, pin.purpose, pin.why, pin.marker) for pin in plan.pins]
    over = [(f"{one.project} {one.version}", obstacle_text(one.obstacles[0])) for one in passed_as_such(plan)]
    tables = [
        html.table(("what", "chosen"), choices(plan, plan.choice)),
        f"<h3>{len(plan.pins)} packages, each pinned with its hashes</h3>",
        html.table(("package", "version", "for", "why this one", "only where"), pins),
    ]
    if over:
        tables += ["<h3>Newer releases that do not fit</h3>", html.table(("release", "why"), over)]
    return "\n".join(tables)


def choices(plan: Plan, choice: Choice) -> Iterator[Row]:
    """Yield what was wished and chosen, and what to know about it."""
    yield "wish", " ".join(plan.wish.requirements) or "what fits this machine"
    yield "build", describe_choice(choice)
    yield "file", f"{choice.wheel.file}, sha256 {choice.wheel.sha256}"
    yield (
        "Keras",
        f"{plan.keras.project} {plan.keras.version}" if plan.keras else "built into this TensorFlow",
    )
    yield "back end", choice.backend
    if choice.cuda:
        yield "CUDA", f"{choice.cuda} and cuDNN {choice.cudnn} from {choice.cuda_from}"
    for gpu in choice.gpus:
        yield "GPU", f"{gpu.name}: {gpu.verdict}, {gpu.why}"
    if plan.download_bytes:
        yield "download", in_megabytes(plan.download_bytes)
    yield "proof", " ".join(filter(None, (plan.proof.status, plan.proof.on, *plan.proof.parts)))
    for workaround in plan.workarounds:
        yield "avoided", f"{workaround.id}: {workaround.why}; {workaround.effect}"
    for warning in plan.warnings:
        yield "note", warning.text


def machine(html: Html, machine: Machine) -> str:
    """Return the facts, each with where it was read, and what could not be known."""
    unknown = [(subject, f"unknown: {why}", None) for subject, why in telling(machine.unknown).items()]
    return html.table(("fact", "found", "read from"), [*machine_facts(machine), *unknown])
