"""The person's settings that change an install or a run: variables, proxies, keras.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfup.machine.fact import Fact, Facts
from tfup.model import KerasJson
from tfup.privacy import hide_secret

if TYPE_CHECKING:
    from tfup.machine.probe import Probe

VARIABLES = (
    "CONDA_PREFIX", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "KERAS_BACKEND",
    "KERAS_HOME", "LD_LIBRARY_PATH", "LD_PRELOAD", "PIPENV_VENV_IN_PROJECT", "PYTHONHOME", "PYTHONPATH",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "VIRTUAL_ENV", "XLA_FLAGS",
)  # fmt: skip
"""Told even when they are not set; those of pip, uv and TensorFlow only when they are."""

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def read_settings(probe: Probe) -> Facts:
    """Read all that the person has set."""
    return {
        "environment": Fact(read_variables(probe), "environment variables; null is not set"),
        "proxies": Fact(read_proxies(probe), "environment variables"),
        **read_keras_json(probe),
    }


def read_variables(probe: Probe) -> dict[str, str | None]:
    """Read the variables that matter, credentials masked."""
    families = probe.ask("settings")
    names = {*VARIABLES, *(families if isinstance(families, list) else ())}
    return {name: read_variable(probe, name) for name in sorted(names)}


def read_variable(probe: Probe, name: str) -> str | None:
    """Read a variable, credentials masked."""
    value = probe.variable(name)
    return None if value is None else hide_secret(name, value)


def read_proxies(probe: Probe) -> dict[str, str]:
    """Read the proxies; the small letters win, as they do for curl, pip and uv."""
    values = {name: read_variable(probe, name) or read_variable(probe, name.upper()) for name in PROXIES}
    return {name: value for name, value in values.items() if value}


def read_keras_json(probe: Probe) -> Facts:
    """Read the Keras configuration as it stands, even if it is broken."""
    folder = probe.variable("KERAS_HOME") or f"{probe.ask('home')}/.keras"
    path = f"{folder}/keras.json"
    text = probe.read(path)
    if text is None:
        return {"keras_json": Fact(None, f"no {path}")}
    return {"keras_json": Fact(KerasJson(path, text), path)}
