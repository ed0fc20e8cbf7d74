"""The plot of a training: loss and accuracy by epoch, beside each other for each network."""

from __future__ import print_function, unicode_literals

import io
import os

ROWS = (("loss", "loss", "val_loss"), ("accuracy", "accuracy", "val_accuracy"))


def save(networks, path):
    """Write the plot as PNG; no display is needed, and a disk that is full leaves no half of it."""
    content = png(networks)
    try:
        with open(path, "wb") as stream:
            stream.write(content)
    except (IOError, OSError):
        if os.path.isfile(path):  # and no device, such as /dev/full
            os.remove(path)
        raise


def png(networks):
    """Return the plot as a PNG, drawn in memory: pyplot would look for a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(networks), 6))
    canvas, image = FigureCanvasAgg(figure), io.BytesIO()
    for column, network in enumerate(networks):
        for row, (title, train, test) in enumerate(ROWS):
            axes = figure.add_subplot(len(ROWS), len(networks), row * len(networks) + column + 1)
            draw(axes, title, (("training", network[train]), ("test", network[test])))
            axes.set_title(network["name"] if row == 0 else "")
    figure.tight_layout()
    canvas.print_png(image)
    return image.getvalue()


def draw(axes, title, lines):
    """Draw one panel: a point for each epoch, for short runs have few."""
    from matplotlib.ticker import MaxNLocator

    for label, values in lines:
        axes.plot(range(1, len(values) + 1), values, marker="o", label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(title)
    axes.set_ylim(bottom=0)
    if title == "accuracy":
        axes.set_ylim(0, 1)
        axes.axhline(0.1, color="gray", linestyle=":", label="guessing")
    axes.legend()
