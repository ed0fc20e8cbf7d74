"""The claim: Keras says its version, and computes with the back end that this environment was made for."""

from __future__ import print_function, unicode_literals

import importlib
import os

import eras
import reporting

MODULES = {"cntk": "cntk", "jax": "jax", "openvino": "openvino", "theano": "theano", "torch": "torch"}


def backend_version():
    """Print what people ask Keras for, its version and back end; say where a variable decides."""
    keras = imported()
    if keras is None:
        raise reporting.Skip(eras.NO_KERAS)
    backend = keras.backend.backend()
    print(keras.__version__)
    print(backend)
    found = "Keras {} on {}".format(keras.__version__, described(backend))
    if beaten():
        return "{}, as KERAS_BACKEND says; this environment was made for {}".format(found, made_for())
    reporting.require(made_for() in (None, backend), "{}, and not on {}".format(found, made_for()))
    return found


def imported():
    """Return Keras; where it cannot be imported, a variable of the person's may be why."""
    try:
        return eras.standalone_keras()
    except ImportError as error:
        told = "KERAS_BACKEND={} in your shell beats the {} of this environment: {}"
        reporting.require(not beaten(), told.format(os.environ.get("KERAS_BACKEND"), made_for(), error))
        raise


def beaten():
    """Tell whether a variable names another back end than that of the environment."""
    return made_for() is not None and os.environ.get("KERAS_BACKEND") not in (None, made_for())


def made_for():
    """Return the back end that was asked for when the environment was made, None where none was."""
    return os.environ.get("CHECK_BACKEND")


def described(backend):
    """Return a back end with its version; Theano also with what it compiles with."""
    module = importlib.import_module(MODULES.get(backend, backend))
    name = "{} {}".format(backend, getattr(module, "__version__", "of unknown version"))
    if backend != "theano" or module.config.cxx:
        return name
    return "{} without a C++ compiler: in its Python mode, slowly".format(name)


if __name__ == "__main__":
    reporting.alone(backend_version)
