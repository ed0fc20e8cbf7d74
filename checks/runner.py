"""Runs the checks named on the command line, in order and in one process: TensorFlow is imported once."""

from __future__ import print_function, unicode_literals

import importlib
import sys

import reporting


def main(names):
    """Run the named checks and return the exit status."""
    checks = [getattr(importlib.import_module(name), name) for name in names]
    # Our own modules left no bytecode; TensorFlow's is kept, for the next import is the person's.
    sys.dont_write_bytecode = False
    return reporting.run(checks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
