"""The claim: the modules of the system's Python that were asked for can be imported in this environment."""

from __future__ import print_function, unicode_literals

import importlib
import io
import json
import os
import sys

import reporting

NOTE = os.path.join(sys.prefix, "tfup-system-packages.json")
NONE_ASKED = "no package of the system was asked for"


def system_packages():
    """Import each, and say which version it is and where it lies."""
    names = noted()
    if not names:
        raise reporting.Skip(NONE_ASKED)
    return "; ".join(described(name) for name in names)


def noted():
    """Return the names that the install noted."""
    if not os.path.isfile(NOTE):
        return []
    with io.open(NOTE, encoding="utf-8") as text:
        return sorted(json.load(text))


def described(name):
    """Import a module and return what is known of it."""
    module = importlib.import_module(name)
    version = getattr(module, "__version__", "")
    return "{} {} from {}".format(name, version, os.path.realpath(module.__file__))


if __name__ == "__main__":
    reporting.alone(system_packages)
