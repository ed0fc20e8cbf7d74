"""The claim: TensorFlow computes on a graphics card, and the result is right."""

from __future__ import print_function, unicode_literals

import eras
import reporting

SIZE = 512
TOLERANCE = 0.2  # of entries that are about 23: the card may round factors to 11 bits (TF32)


def gpu_is_used():
    """Multiply on the graphics card and on the processor, and compare; skipped where there is no card."""
    cards = eras.gpus()
    if not cards:
        raise reporting.Skip(why_none())
    import numpy as np

    matrix = np.random.RandomState(0).normal(size=(SIZE, SIZE)).astype("float32")
    on_card, on_processor = multiply(matrix, "/gpu:0"), multiply(matrix, "/cpu:0")
    difference = abs(on_card - on_processor).max()
    found = "{} differs from the processor by {:.1g}".format(cards[0], difference)
    reporting.require(difference < TOLERANCE, found)
    return found


def multiply(matrix, device):
    """Return the square of the matrix from that very device: a session puts no work elsewhere unasked."""

    def build(tf):
        with tf.device(device):
            return tf.matmul(matrix, matrix)

    return eras.run_in_session(build)


def why_none():
    """Return the reason why TensorFlow has no graphics card."""
    import tensorflow as tf

    if tf.test.is_built_with_cuda():
        return "TensorFlow finds no graphics card that it can use"
    return "this build of TensorFlow is for the processor only"


if __name__ == "__main__":
    reporting.alone(gpu_is_used)
