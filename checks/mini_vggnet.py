"""MiniVGGNet, the network of many courses: two pairs of convolutions, then a layer that sees all."""

from __future__ import print_function, unicode_literals

import pictures

# Keras' own 0.99 would keep the averages of the start for all of a short run.
MOMENTUM = 0.9


def mini_vggnet(keras, activation):
    """Return the compiled network; `activation` makes a layer of its kind."""
    layers = keras.layers
    picture = layers.Input(shape=(pictures.SIDE, pictures.SIDE, 3))
    seen = picture
    for filters in (32, 64):
        for _ in range(2):
            seen = normalized(layers, activation, layers.Conv2D(filters, (3, 3), padding="same")(seen))
        seen = layers.Dropout(0.25)(layers.MaxPooling2D(pool_size=(2, 2))(seen))
    seen = normalized(layers, activation, layers.Dense(512)(layers.Flatten()(seen)))
    seen = layers.Dropout(0.5)(seen)
    classes = layers.Dense(len(pictures.NAMES), activation="softmax")(seen)
    model = keras.models.Model(picture, classes)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)  # its first argument had two names
    model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    return model


def normalized(layers, activation, seen):
    """Return what the activation makes of a layer, normalized."""
    return layers.BatchNormalization(momentum=MOMENTUM)(activation()(seen))


def relu(keras):
    """Return a maker of plain activations."""
    return lambda: keras.layers.Activation("relu")


def crelu(keras):
    """Return a maker of TensorFlow's own CReLU in a Lambda layer."""
    import tensorflow as tf

    return lambda: keras.layers.Lambda(lambda seen: tf.nn.crelu(seen))  # noqa: PLW0108 - as the book has it
