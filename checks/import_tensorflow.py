"""The claim: TensorFlow can be imported."""

from __future__ import print_function, unicode_literals

import sys

import reporting


def import_tensorflow():
    """Import TensorFlow and return its version; an empty folder of that name has none and fails."""
    import tensorflow as tf

    return "TensorFlow {} on Python {}.{}.{}".format(tf.__version__, *sys.version_info[:3])


if __name__ == "__main__":
    reporting.alone(import_tensorflow)
