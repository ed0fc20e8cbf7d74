"""The claim: a Keras model that cannot be trained here predicts what NumPy computes from its weights."""

from __future__ import print_function, unicode_literals

import eras
import reporting

TOLERANCE = 0.05  # of numbers that are about 1: a processor may round factors to 8 bits (bfloat16)


def keras_predicts():
    """Predict with a small model, and do the same with its weights and NumPy."""
    return "; ".join(compare(name, keras) for name, keras in eras.kerases())


def compare(name, keras):
    """Return how far the predictions are from NumPy's."""
    import numpy as np

    rows, _ = eras.examples()
    model = keras.models.Sequential([keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)])
    model.build((None, rows.shape[1]))
    predictions = model.predict(rows, verbose=0)
    first, first_bias, last, last_bias = model.get_weights()
    expected = np.dot(np.tanh(np.dot(rows, first) + first_bias), last) + last_bias
    difference = abs(predictions - expected).max()
    reporting.require(difference < TOLERANCE, "{}: predictions differ by {:.2g}".format(name, difference))
    return "{}: the predictions differ from NumPy's by at most {:.1g}".format(name, difference)


if __name__ == "__main__":
    reporting.alone(keras_predicts)
