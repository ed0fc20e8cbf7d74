"""How a check says what it found: to the file that CHECK_REPORT names, else to the person who ran it.

The file gets one JSON object a line, {"check": NAME} as a check starts and the same with status, detail
and seconds as it ends, so that a process which dies without a word still tells what it was doing.
Standard output cannot carry this: libraries print there as well.
"""

from __future__ import print_function, unicode_literals

import json
import os
import sys
import time
import traceback

clock = getattr(time, "perf_counter", time.time)  # 2.7 has no perf_counter


class Skip(Exception):
    """Raised by a check with the reason why its claim does not apply here."""


def require(truth, otherwise):
    """Raise AssertionError with the sentence `otherwise` unless it is true; unlike assert, under -O too."""
    if not truth:
        raise AssertionError(otherwise)


def alone(check):
    """Run one check for a person, without TensorFlow's chatter, and leave with 0, or 1 if it failed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(run([check]))


def run(checks):
    """Run the checks in order and return the exit status: 0, or 1 if one failed."""
    return int("failed" in [judge(check) for check in checks])


def judge(check):
    """Run one check, report its start and its end, and return its status."""
    note(check=check.__name__)
    start = clock()
    status, detail = outcome(check)
    note(check=check.__name__, status=status, detail=detail, seconds=round(clock() - start, 3))
    return status


def outcome(check):
    """Return the status of a check and a sentence about it; a traceback goes to standard error."""
    try:
        return "proved", check()
    except Skip as reason:
        return "skipped", message_of(reason)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return "failed", summary(error)


def note(**line):
    """Write the line to the report, or print it if it is an end and there is no report."""
    report = os.environ.get("CHECK_REPORT")
    if report:
        with open(report, "ab") as lines:
            lines.write((json.dumps(line) + "\n").encode("ascii"))
    elif "status" in line:
        say("{check}: {status} in {seconds:.1f} s. {detail}".format(**line))


def say(text):
    """Print the text as far as the terminal's encoding reaches, the rest as escapes."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def summary(error):
    """Return the type of the error and the first line of its message that says something.

    TensorFlow 1.x raises an ImportError whose message is the traceback of the real one.
    """
    lines = "{}: {}".format(type(error).__name__, message_of(error)).splitlines()
    telling = [line for line in lines if line.strip() and "Traceback (most" not in line and line[0] != " "]
    return telling[0] if telling else lines[0]


def message_of(error):
    """Return the message of an error as text; 2.7 has messages of bytes and of characters."""
    try:
        return "{}".format(error)
    except UnicodeError:
        return error.args[0] if isinstance(error.args[0], type("")) else str(error).decode("utf-8", "replace")
