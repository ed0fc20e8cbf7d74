"""The claim: XLA compiles for a graphics card, which takes libdevice and ptxas, and the result is right."""

from __future__ import print_function, unicode_literals

import eras
import gpu_card
import gpu_causes
import reporting

SIZE = 1000
TOLERANCE = 1e-3  # of numbers below 12
BY_DRIVER = "Relying on driver to perform ptx compilation"


def gpu_compiles():
    """Compile sines and powers of e, which are functions of libdevice, and compare with NumPy's."""
    card = gpu_card.first_card()
    import numpy as np

    numbers = np.random.RandomState(0).uniform(-1, 1, size=SIZE).astype("float32")
    start = gpu_causes.said()
    result, seconds = gpu_causes.explained(lambda: gpu_card.timed(lambda: run_compiled(numbers)))
    difference = float(abs(result - np.exp(np.sin(numbers)) * numbers).max())
    found = "compiled for {}, it differs from NumPy by {:.1g}".format(card, difference)
    reporting.require(difference < TOLERANCE, found)
    compiler = "the driver, for lack of ptxas" if BY_DRIVER in gpu_causes.said_since(start) else "XLA"
    return "{}; {:.2f} s; compiled by {}".format(found, seconds, compiler)


def run_compiled(numbers):
    """Return the numbers after the compiled function, in the way of the era; Skip where there is none."""
    import tensorflow as tf

    if hasattr(tf, "Session"):
        return eras.run_in_session(lambda graph: compiled_in_graph(graph, numbers))
    function = compiled(tf)
    with tf.device(gpu_card.CARD):
        result = function(tf.constant(numbers))
    reporting.require("GPU" in result.device, "the result is on {}, not on a card".format(result.device))
    return result.numpy()


def compiled(tf):
    """Return the function, to be compiled by XLA at its first call: 2.5 renamed the word for it."""
    for word in ("jit_compile", "experimental_compile"):
        try:
            return tf.function(lambda x: work(tf, x), **{word: True})
        except TypeError:  # noqa: PERF203 - that release has another word
            continue
    raise no_way(tf)


def compiled_in_graph(tf, numbers):
    """Return the compiled operation of a graph on the card; 1.14 and 1.15 can be asked for it."""
    compile_ = getattr(getattr(getattr(tf, "xla", None), "experimental", None), "compile", None)
    if compile_ is None:
        raise no_way(tf)
    with tf.device(gpu_card.CARD):
        return compile_(lambda x: work(tf, x), [tf.constant(numbers)])[0]


def work(tf, x):
    """Return a function that needs libdevice, and is one kernel once it is compiled."""
    return tf.exp(tf.sin(x)) * x


def no_way(tf):
    """Return the reason to skip where XLA cannot be asked for."""
    return reporting.Skip("TensorFlow {} has no function that asks XLA to compile".format(tf.__version__))


if __name__ == "__main__":
    reporting.alone(gpu_compiles)
