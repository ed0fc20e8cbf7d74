"""Plans of small packages, for the tests of the formats."""

from __future__ import annotations

from typing import Any

from tfup.model import Choice, KerasPair, Pin, Plan, Wheel, Wish

SMALL = (
    # Real wheels, small and for any Python
    Pin("six", "1.16.0", ("sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254",)),
    Pin(
        "toml",
        "0.10.2",
        ("sha256:806143ae5bfb6a3c6e736a764057db0e6a0e05e338b5630894a5f779cabb4f9b",),
        purpose="keras",
    ),
    Pin(
        "wheel",
        "0.37.1",
        ("sha256:4bdcd7d840138086126cd09254dc6195fb4fc6f01c050a1d7236f2630db1d22a",),
        why="a reason to hold it back",
    ),
)
HASHES = ("sha256:" + "b" * 64, "sha256:" + "a" * 64)


def pin(name: str, version: str, **more: Any) -> Pin:  # noqa: ANN401 - the fields of Pin
    """Return a pin with made-up hashes."""
    return Pin(name, version, HASHES, **more)


def plan(
    *pins: Pin,
    wish: tuple[str, ...] = (),
    keras: str | None = None,
    extras: tuple[str, ...] = (),
    python: str = "3.13.0",
) -> Plan:
    """Return a plan for the pins, the first of them being the build."""
    build = pins[0]
    versions = {pin.name: pin.version for pin in pins}
    choice = Choice(
        project=build.name,
        version=build.version,
        python=python,
        python_tag="cp" + "".join(python.split(".")[:2]),
        python_path=None,
        python_from="found",
        wheel=Wheel("made-up.whl", "c" * 64),
        platform="linux_x86_64",
        extras=extras,
    )
    pair = KerasPair(keras, versions[keras]) if keras else None
    return Plan(Wish(wish), choice, keras=pair, pins=pins)
