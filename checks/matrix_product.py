"""The claim: TensorFlow multiplies matrices as NumPy does."""

from __future__ import print_function, unicode_literals

import eras
import reporting

SIZE = 64
TOLERANCE = 0.05  # of entries that are about 8: graphics cards may round factors to 11 bits (TF32)


def matrix_product():
    """Multiply two random matrices with both, and compare every entry."""
    import numpy as np

    left, right = np.random.RandomState(0).normal(size=(2, SIZE, SIZE)).astype("float32")
    product = eras.compute(lambda tf: tf.matmul(left, right))
    difference = abs(product - np.dot(left, right)).max()
    reporting.require(difference < TOLERANCE, "the product differs from NumPy's by {:.2g}".format(difference))
    return "{0} x {0} product differs from NumPy's by at most {1:.1g}".format(SIZE, difference)


if __name__ == "__main__":
    reporting.alone(matrix_product)
