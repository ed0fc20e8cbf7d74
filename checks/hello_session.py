"""The claim: a real session answers "Hello, TensorFlow!"."""

from __future__ import print_function, unicode_literals

import eras
import reporting


def hello_session():
    """Send the greeting through a graph and a session, and print what comes back."""
    answer = eras.run_in_session(lambda tf: tf.constant("Hello, TensorFlow!")).decode("utf-8")
    print(answer)
    reporting.require(answer == "Hello, TensorFlow!", "the session answered {!r}".format(answer))
    return "a session answered: {}".format(answer)


if __name__ == "__main__":
    reporting.alone(hello_session)
