"""What ten years of TensorFlow and Keras call differently, in one place: the checks read alike for all."""

from __future__ import print_function, unicode_literals

import importlib

import reporting

NO_KERAS = "no Keras is installed"
FILE_ENDINGS = {1: ".h5", 2: ".h5"}  # of a whole saved model, by the Keras; Keras 3 brought its own format


def sessions():
    """Return the module that has Session and Graph: TensorFlow itself in 1.x, its compat.v1 in 2.x."""
    import tensorflow as tf

    return tf if hasattr(tf, "Session") else tf.compat.v1


def run_in_session(build):
    """Build a graph of its own and return what its result is in a real session."""
    tf = sessions()
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(build(tf))


def compute(build):
    """Return what the operation computes in the way of its era: in a session in 1.x, at once in 2.x."""
    import tensorflow as tf

    return run_in_session(build) if hasattr(tf, "Session") else build(tf).numpy()


def gpus():
    """Return the names of the graphics cards that TensorFlow can use."""
    import tensorflow as tf

    if hasattr(tf, "config") and hasattr(tf.config, "list_physical_devices"):
        return [device.name for device in tf.config.list_physical_devices("GPU")]
    devices = importlib.import_module("tensorflow.python.client.device_lib").list_local_devices()
    return [device.name for device in devices if device.device_type == "GPU"]


def imported(name):
    """Return a package, None where it is not installed; one that is there and breaks raises."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if "{}".format(error).replace("'", "") == "No module named {}".format(name):
            return None
        raise


def standalone_keras():
    """Return the package `keras` with its parts loaded, None where it is not installed."""
    if imported("keras") is None:
        return None
    for part in ("backend", "layers", "models"):  # Keras 1.0 does not load them itself
        importlib.import_module("keras." + part)
    return importlib.import_module("keras")


def tensorflow_keras():
    """Return tf.keras; None before 1.4, which had none, and where Keras runs without TensorFlow."""
    return getattr(imported("tensorflow"), "keras", None)


def kerases():
    """Return (name with version, module) of standalone Keras, and of tf.keras where that is another one.

    Raises Skip where there is neither.
    """
    alone, inside = standalone_keras(), tensorflow_keras()
    if alone and inside and alone.models.Sequential is inside.models.Sequential:
        inside = None
    found = [(name, keras) for name, keras in (("keras", alone), ("tf.keras", inside)) if keras]
    if not found:
        raise reporting.Skip(NO_KERAS)
    return [("{} {}".format(name, version(keras)), keras) for name, keras in found]


def version(keras):
    """Return the version of a Keras, which may be one like 2.2.4-tf; tf.keras of 1.8 does not say its own."""
    return getattr(keras, "__version__", "2.1-tf")


def major(keras):
    """Return the first number of the version of a Keras."""
    return int(version(keras).split(".")[0])


def small_model(keras):
    """Return a compiled network from four numbers to one: small, because only its making takes time.

    It has a softmax, for that is where Keras and TensorFlow of other years do not fit first.
    """
    model = keras.models.Sequential()
    model.add(keras.layers.Dense(8, input_dim=4, activation="tanh"))
    model.add(keras.layers.Dense(8, activation="softmax"))
    model.add(keras.layers.Dense(1))
    model.compile(loss="mse", optimizer="sgd")
    return model


def examples():
    """Return 64 rows of four numbers, and their sums to be learnt; the same ones every time."""
    import numpy as np

    rows = np.random.RandomState(0).uniform(-1, 1, size=(64, 4)).astype("float32")
    return rows, rows.sum(axis=1, keepdims=True)


def epochs(keras, number):
    """Return the argument of fit for so many epochs: Keras 1 calls it nb_epoch."""
    return {"nb_epoch" if major(keras) == 1 else "epochs": number}


def saved_as(keras):
    """Return the ending of the file that a whole model is saved in."""
    return FILE_ENDINGS.get(major(keras), ".keras")
