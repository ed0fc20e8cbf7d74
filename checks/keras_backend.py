"""The claim: Keras computes with a backend, and it is known who chose that one."""

from __future__ import print_function, unicode_literals

import io
import json
import os

import eras
import reporting

NAMES = {"cntk": "CNTK", "jax": "JAX", "numpy": "NumPy", "openvino": "OpenVINO", "tensorflow": "TensorFlow",
         "theano": "Theano", "torch": "PyTorch"}  # fmt: skip


def configuration():
    """Return the path of keras.json, whether it is there or not."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    return os.path.join(home, "keras.json")


# Before TensorFlow is imported: a recent one imports Keras, which writes the file where there is none.
WAS_CONFIGURED = os.path.isfile(configuration())


def keras_backend():
    """Print the backend in the words that Keras itself used to print, and return who chose it."""
    keras = eras.standalone_keras()
    if keras is None:
        raise reporting.Skip(eras.NO_KERAS)
    backend = keras.backend.backend()
    using = "Using {} backend.".format(NAMES.get(backend, backend))
    print(using)
    return "{} Keras {} {}".format(using, keras.__version__, origin(keras.__version__, backend))


def origin(version, backend):
    """Return where this version's choice of the backend came from, as the end of a sentence."""
    if (2, 4) <= tuple(int(part) for part in version.split(".")[:2]) < (3,):
        return "has no other"
    if os.environ.get("KERAS_BACKEND") == backend:
        return "was told so by the variable KERAS_BACKEND"
    if WAS_CONFIGURED and configured_backend() == backend:
        return "was told so by {}".format(configuration())
    return "has it as its default"


def configured_backend():
    """Return the backend that keras.json names, None where there is none to read, as Keras does."""
    try:
        with io.open(configuration(), encoding="utf-8") as text:
            return json.load(text).get("backend")
    except ValueError:
        return None


if __name__ == "__main__":
    reporting.alone(keras_backend)
