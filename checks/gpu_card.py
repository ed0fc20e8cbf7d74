"""The graphics card that the checks try, and whether it ran machine code or the driver had to compile it."""

from __future__ import print_function, unicode_literals

import os

import eras
import gpu_causes
import reporting

CARD, PROCESSOR = "/gpu:0", "/cpu:0"


def first_card():
    """Return the name of the card that is tried; raises Skip with the reason where there is none."""
    cards = gpu_causes.explained(eras.gpus)
    if not cards:
        raise reporting.Skip(gpu_causes.why_no_card())
    return cards[0]


def compare(build, tolerance):
    """Build the same on the card and on the processor; return a sentence about the card's result and time.

    Raises AssertionError where they differ by more than the tolerance, and what failed on the card.
    """
    card, before = first_card(), cache_bytes()
    on_card, seconds = gpu_causes.explained(lambda: timed(lambda: compute(build, CARD)))
    _, again = timed(lambda: compute(build, CARD))
    on_processor = compute(build, PROCESSOR)
    differences = [float(abs(one - other).max()) for one, other in zip(on_card, on_processor)]  # noqa: B905 - 2.7
    found = "{} differs from the processor by {:.1g}".format(card, max(differences))
    reporting.require(all(one < tolerance for one in differences), found)  # a NaN is not smaller either
    return "{}; {:.2f} s, then {:.2f} s; {}".format(found, seconds, again, way(before))


def compute(build, device):
    """Return what an operation gives on that very device: a session puts no work elsewhere unasked."""

    def place(tf):
        with tf.device(device):
            return build(tf)

    return eras.run_in_session(place)


def timed(work):
    """Return the result of some work and the seconds that it took."""
    start = reporting.clock()
    result = work()
    return result, reporting.clock() - start


# ---------------------------------------------------------------- machine code, or compiled by the driver


def way(before):
    """Return how the card came to its code: the driver keeps what it has to compile in a folder."""
    if before is None:
        return "whether it was machine code or JIT cannot be seen: the driver keeps nothing"
    grown = cache_bytes() - before
    if grown > 0:
        return "JIT: the driver compiled {:.0f} kB, which it keeps".format(grown / 1000.0)
    return "machine code, or compiled by the driver before" if before else "machine code"


def cache_bytes():
    """Return the bytes of what the driver compiled so far; None where it was told to keep nothing."""
    if os.environ.get("CUDA_CACHE_DISABLE") == "1":
        return None
    walk = os.walk(cache_folder())
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in walk for name in names)


def cache_folder():
    """Return where the driver keeps what it compiled."""
    usual = ("APPDATA", "NVIDIA") if os.name == "nt" else ("HOME", ".nv")
    default = os.path.join(os.environ.get(usual[0], ""), usual[1], "ComputeCache")
    return os.environ.get("CUDA_CACHE_PATH") or default
