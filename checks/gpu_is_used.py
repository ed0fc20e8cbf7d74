"""The claim: TensorFlow computes on a graphics card, and the result is right."""

from __future__ import print_function, unicode_literals

import os

import gpu_card
import reporting

SIZE = 512
TOLERANCE = 0.2  # of entries that are about 23: the card may round factors to 11 bits (TF32)


def gpu_is_used():
    """Multiply on the graphics card and on the processor, and compare.

    Skipped where there is no card, but a failure where the plan promised one: CHECK_ACCELERATOR says so.
    """
    try:
        gpu_card.first_card()
    except reporting.Skip as reason:
        promised = os.environ.get("CHECK_ACCELERATOR") == "cuda"
        reporting.require(not promised, "no graphics card is used: {}".format(reporting.message_of(reason)))
        raise
    import numpy as np

    matrix = np.random.RandomState(0).normal(size=(SIZE, SIZE)).astype("float32")
    # The product is cuBLAS's; the absolute values are a kernel of TensorFlow's own.
    return gpu_card.compare(lambda tf: [tf.abs(tf.matmul(matrix, matrix))], TOLERANCE)


if __name__ == "__main__":
    reporting.alone(gpu_is_used)
