"""The claim: a Keras model that was saved predicts the same when it is loaded again."""

from __future__ import print_function, unicode_literals

import os
import shutil
import tempfile

import eras
import reporting


def save_and_load():
    """Save and load a model with standalone Keras, and with tf.keras where that is another one."""
    kerases = eras.kerases()
    folder = tempfile.mkdtemp(prefix="save-and-load-")
    try:
        return "; ".join(round_trip(name, keras, folder) for name, keras in kerases)
    finally:
        shutil.rmtree(folder)


def round_trip(name, keras, folder):
    """Save a model, load it, and compare the predictions of both."""
    import numpy as np

    rows, _ = eras.examples()
    model = eras.small_model(keras)
    path = str(os.path.join(folder, name.split()[0] + eras.saved_as(keras)))  # Keras 2.2 on 2.7 wants bytes
    model.save(path)
    before, after = model.predict(rows, verbose=0), keras.models.load_model(path).predict(rows, verbose=0)
    reporting.require(np.allclose(before, after, atol=1e-5), "{}: loaded, it predicts otherwise".format(name))
    return "{}: the same predictions from a {} file".format(name, eras.saved_as(keras))


if __name__ == "__main__":
    reporting.alone(save_and_load)
