"""The claim: a Keras model is defined, compiled, fitted, evaluated, and predicts."""

from __future__ import print_function, unicode_literals

import eras
import reporting


def keras_fit():
    """Train a small model with standalone Keras, and with tf.keras where that is another one."""
    return "; ".join(train(name, keras) for name, keras in eras.kerases())


def train(name, keras):
    """Fit, evaluate and predict; return how far the loss fell."""
    rows, sums = eras.examples()
    model = eras.small_model(keras)
    history = model.fit(rows, sums, batch_size=16, verbose=0, **eras.epochs(keras, 5))
    first, last = history.history["loss"][0], float(model.evaluate(rows, sums, verbose=0))
    reporting.require(last < first, "{}: the loss rose from {:.3f} to {:.3f}".format(name, first, last))
    examine(name, model.predict(rows, verbose=0), sums.shape)
    return "{}: the loss fell from {:.3f} to {:.3f}".format(name, first, last)


def examine(name, predictions, shape):
    """Raise unless the predictions are numbers, and as many as asked for."""
    import numpy as np

    reporting.require(
        predictions.shape == shape, "{}: predictions of shape {}".format(name, predictions.shape)
    )
    reporting.require(np.isfinite(predictions).all(), "{}: predictions that are no numbers".format(name))


if __name__ == "__main__":
    reporting.alone(keras_fit)
