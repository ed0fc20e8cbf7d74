"""tfup gets a proven TensorFlow and Keras onto any machine."""

__version__ = "0.1.0"
