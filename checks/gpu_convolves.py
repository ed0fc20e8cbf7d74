"""The claim: a convolution and its gradient are right on a graphics card, which takes cuDNN."""

from __future__ import print_function, unicode_literals

import gpu_card
import reporting

PICTURES = (4, 32, 32, 8)  # number, height, width, channels
FILTERS = (3, 3, 8, 16)  # height, width, channels in and out
TOLERANCE = 1.0  # of gradients that are about 64: the card may round factors to 11 bits (TF32)


def gpu_convolves():
    """Convolve random pictures on the card and on the processor, and compare the results and gradients."""
    gpu_card.first_card()
    import numpy as np

    random = np.random.RandomState(0)
    pictures = random.normal(size=PICTURES).astype("float32")
    filters = random.normal(size=FILTERS).astype("float32")

    def build(tf):
        weights = tf.constant(filters)
        convolved = tf.nn.conv2d(pictures, weights, [1, 1, 1, 1], "SAME")
        return [convolved, tf.gradients(convolved, [weights])[0]]

    return gpu_card.compare(build, TOLERANCE)


if __name__ == "__main__":
    reporting.alone(gpu_convolves)
