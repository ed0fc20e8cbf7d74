"""The claim: MiniVGGNet learns to tell small pictures apart, with Keras and with tf.keras and CReLU.

Not one of the usual checks: it takes a minute, and scikit-learn and matplotlib. Variables say how long and
with what it learns; tfup sets them, and a person who runs it alone may.
"""

from __future__ import division, print_function, unicode_literals

import os
import site
import sys

import eras
import learning_curves
import mini_vggnet
import pictures
import reporting

NAME = "networks_learn"
ONLY_PREDICT = ("numpy", "openvino")  # the back ends that cannot train
NO_NETWORK = "there is neither a Keras from 2.0 on that trains, nor a tf.keras that computes with TensorFlow"
DEVIATIONS = 5  # how far above a guesser's luck the accuracy must be: once in three million by chance


def networks_learn():
    """Train both networks, print scikit-learn's report on them, and save the plot of their learning."""
    need_libraries()
    networks = buildable()
    epochs, batch, number = (setting(name) for name in ("EPOCHS", "BATCH_SIZE", "IMAGES"))
    data = load(number, networks[0][1])
    progress("{}; {} to learn from".format(data.source, len(data.train[1])))
    trained = [train(network, data, epochs, batch) for network in networks]
    failure = plot(trained)
    tell(data, epochs, batch, trained, None if failure else plot_file())
    for network in trained:
        judge(network["name"], network["test_accuracy"], len(data.test[1]), epochs)
    reporting.require(not failure, "the networks learn, but {}".format(failure))
    return summary(trained, data)


# ---------------------------------------------------------------- what it works with

DEFAULTS = {"EPOCHS": 3, "BATCH_SIZE": 32, "IMAGES": 2000}


def variable(name):
    """Return the text of a variable such as TRAIN_PLOT, None where it is not set; 2.7 has bytes."""
    value = os.environ.get(name)
    return value.decode(sys.getfilesystemencoding() or "utf-8") if isinstance(value, bytes) else value


def setting(name):
    """Return a number that a variable sets, such as TRAIN_EPOCHS."""
    number = int(variable("TRAIN_" + name) or DEFAULTS[name])
    reporting.require(number > 0, "TRAIN_{} is {}, and must be 1 at least".format(name, number))
    return number


def need_libraries():
    """Raise where what reports and plots is missing: before the training, not after it.

    TRAIN_LIBRARIES is a folder that offers it beside the environment, whose own packages come first.
    """
    if variable("TRAIN_LIBRARIES"):
        site.addsitedir(variable("TRAIN_LIBRARIES"))
    missing = [name for module, name in (("sklearn", "scikit-learn"), ("matplotlib", "matplotlib"))
               if eras.imported(module) is None]  # fmt: skip
    reporting.require(not missing, "{} missing from the environment".format(" and ".join(missing)))


def buildable():
    """Return (name, module, activation) of the networks that can be built; raises Skip where none can."""
    alone, inside = eras.standalone_keras(), eras.tensorflow_keras()
    networks = []
    if alone and eras.major(alone) > 1 and backend(alone) not in ONLY_PREDICT:
        networks.append(("keras {}".format(eras.version(alone)), alone, mini_vggnet.relu(alone)))
    if inside and backend(inside) == "tensorflow":
        name = "tf.keras {} with CReLU".format(inner_version(alone, inside))
        networks.append((name, inside, mini_vggnet.crelu(inside)))
    if not networks:
        raise reporting.Skip(NO_NETWORK)
    for _, keras, _ in networks:
        keras.backend.set_image_data_format("channels_last")  # processors know no other
    return networks


def inner_version(alone, inside):
    """Return the version of tf.keras; from 2.13 to 2.15 it does not say that it is the package keras."""
    told = hasattr(inside, "__version__")
    same = alone and alone.models.Sequential is inside.models.Sequential
    return eras.version(alone if same and not told else inside)


def backend(keras):
    """Return the name of the back end that a Keras computes with."""
    return keras.backend.backend()


def load(number, keras):
    """Return the pictures; a quarter as many to test with, and as many as tell luck from learning."""
    folder = variable("TRAIN_DATASETS") or os.path.join(keras_home(), "datasets")
    wanted = variable("TRAIN_DOWNLOAD") == "1"
    download = (lambda: fetch(keras, folder)) if wanted else None
    return pictures.load(folder, number, min(max(number // 4, 200), pictures.OF_A_BATCH), download)


def keras_home():
    """Return the folder where Keras keeps what it fetched."""
    return variable("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")


def fetch(keras, folder):
    """Let Keras fetch the archive, as it does for the person, and return its path."""
    progress("fetching CIFAR-10 from {}".format(pictures.ORIGIN))
    return keras.utils.get_file(
        pictures.ARCHIVES[0],
        pictures.ORIGIN,
        cache_dir=os.path.dirname(folder),
        cache_subdir=os.path.basename(folder),
        file_hash=pictures.ARCHIVE_SHA256,
    )


# ---------------------------------------------------------------- the training


def train(network, data, epochs, batch):
    """Fit one network and try it on pictures that it never saw; return its figures."""
    import numpy as np

    name, keras, activation = network
    model = mini_vggnet.mini_vggnet(keras, activation)
    (images, classes), (unseen, truth) = data.train, data.test
    start, targets = reporting.clock(), np.eye(len(data.names), dtype="float32")
    history = model.fit(
        images, targets[classes], batch_size=batch, epochs=epochs, verbose=0,
        validation_data=(unseen, targets[truth]), callbacks=[narrator(keras, name, epochs)],
    ).history  # fmt: skip
    guesses = model.predict(unseen, batch_size=batch, verbose=0).argmax(axis=1)
    figures = {key: curve(name, history, key) for key in ("loss", "accuracy", "val_loss", "val_accuracy")}
    return dict(
        figures,
        name=name,
        seconds=round(reporting.clock() - start, 1),
        test_accuracy=float((guesses == truth).mean()),
        report=classification_report(truth, guesses, data.names),
    )


def narrator(keras, name, epochs):
    """Return a callback that tells how each epoch went."""
    start = [reporting.clock()]

    def tell_epoch(epoch, logs):
        accuracy = "{:.0%} of the test pictures right".format(accuracy_of(logs, "val_accuracy"))
        took, start[0] = reporting.clock() - start[0], reporting.clock()
        words = "{}: epoch {} of {}, loss {:.3f}, {} ({:.1f} s)"
        progress(words.format(name, epoch + 1, epochs, float(logs["loss"]), accuracy, took))

    return keras.callbacks.LambdaCallback(on_epoch_end=tell_epoch)


def accuracy_of(history, key):
    """Return what was recorded under a name, which was shorter before Keras 2.3: val_acc."""
    return history[key] if key in history else history[key.replace("accuracy", "acc")]


def curve(name, history, key):
    """Return the figures of all epochs, which must be finite."""
    values = [float(value) for value in accuracy_of(history, key)]
    wild = [value for value in values if value - value != 0]
    reporting.require(not wild, "{}: the {} became {}".format(name, key, wild[:1]))
    return values


def classification_report(truth, guesses, names):
    """Return scikit-learn's report as text; classes that were never guessed are no news in a short run."""
    import warnings

    from sklearn.metrics import classification_report as report

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return "{}".format(report(truth, guesses, labels=list(range(len(names))), target_names=names))


# ---------------------------------------------------------------- what is said of it


def plot_file():
    """Return where the plot goes."""
    return os.path.abspath(variable("TRAIN_PLOT") or "training.png")


def plot(trained):
    """Save the plot; return why that failed, so that the training is not lost with it."""
    try:
        learning_curves.save(trained, plot_file())
    except (IOError, OSError) as error:
        return "the plot could not be saved as {}: {}".format(plot_file(), error.strerror)


def judge(name, accuracy, number, epochs):
    """Raise unless a network is right far more often than a guesser could be."""
    words = "{}: {:.1%} right after {} epochs; chance gives {:.0%}, and {:.1%} would be learning"
    found = words.format(name, accuracy, epochs, chance(), enough(number))
    reporting.require(accuracy > enough(number), found)


def enough(number):
    """Return the accuracy on so many pictures that is no luck."""
    return chance() + DEVIATIONS * (chance() * (1 - chance()) / number) ** 0.5


def chance():
    """Return the accuracy of a guesser."""
    return 1 / len(pictures.NAMES)


def summary(trained, data):
    """Return the outcome in a sentence."""
    words = "{name}: {test_accuracy:.0%} in {seconds:.0f} s"
    parts = [words.format(**network) for network in trained]
    return "{} of {} test pictures right ({})".format("; ".join(parts), len(data.test[1]), data.source)


def tell(data, epochs, batch, trained, plotted):
    """Write the figures to the report; print scikit-learn's for a person who runs the check alone."""
    reporting.note(
        check=NAME,
        training={
            "data": data.kind,
            "source": data.source,
            "train_images": len(data.train[1]),
            "test_images": len(data.test[1]),
            "epochs": epochs,
            "batch_size": batch,
            "networks": trained,
            "plot": plotted,
        },
    )
    if not os.environ.get("CHECK_REPORT"):
        for network in trained:
            reporting.say("{}\n{}".format(network["name"], network["report"]))
        reporting.say("plot: {}".format(plotted))


def progress(text):
    """Tell how far it is; a full disk shall not end the training for that."""
    try:  # noqa: SIM105 - 2.7 has no suppress
        reporting.note(check=NAME, detail=text)
    except (IOError, OSError):
        pass
    if not os.environ.get("CHECK_REPORT"):
        reporting.say(text)


if __name__ == "__main__":
    reporting.alone(networks_learn)
