"""The checks of a graphics card: what they make of a TensorFlow that computes wrongly, fails, or has no card.

The TensorFlow here is made up: its operations run `on_card` where they are placed on one.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests import nvidia_stand_in
from tests.pythons import interpreters
from tfup.check.runner import GPU_CHECKS, check, checks_digest, checks_folder
from tfup.model import Environment, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Try = Callable[..., Outcome]

NUMPY = """
import math

class Number(float):
    def astype(self, kind): return self
    def max(self): return self
    def __abs__(self): return Number(abs(float(self)))
    def __sub__(self, other): return Number(float(self) - float(other))
    def __mul__(self, other): return Number(float(self) * float(other))

class random(object):
    class RandomState(object):
        def __init__(self, seed): pass
        def normal(self, size): return Number(1.5)
        def uniform(self, low, high, size): return Number(0.5)

def sin(x): return Number(math.sin(x))
def exp(x): return Number(math.exp(x))
"""
TENSORFLOW = """
import os, sys, time
import numpy

__version__ = "2.9.9"
CARDS = ["/physical_device:GPU:0"]
places = ["/cpu:0"]

def on_card(value): return value

class Number(numpy.Number):
    device = "/job:localhost/device:GPU:0"
    def numpy(self): return self
    def __mul__(self, other): return placed(float(self) * float(other))

def placed(value):
    return Number(on_card(value) if "gpu" in places[-1] else value)

class Device(object):
    def __init__(self, name): self.name = name
    def __enter__(self): places.append(self.name)
    def __exit__(self, *error): places.pop()

class Context(object):
    def __enter__(self): return self
    def __exit__(self, *error): return None
    def as_default(self): return self
    def run(self, fetched): return fetched

class Graph(Context): pass
class Session(Context): pass
class config(object): list_physical_devices = staticmethod(lambda kind: [Device(name) for name in CARDS])
class test(object): is_built_with_cuda = staticmethod(lambda: True)
class nn(object): conv2d = staticmethod(lambda pictures, filters, *how: placed(pictures * filters))

device, constant = Device, Number
abs = matmul_abs = lambda x: placed(x)
matmul = lambda left, right: placed(left * right)
gradients = lambda result, inputs: [placed(result)]
sin = lambda x: placed(numpy.sin(x))
exp = lambda x: placed(numpy.exp(x))
"""
# A TensorFlow of 2.x has its Session in compat.v1 alone, and compiles what a word of its era says.
EAGER = """
class compat(object): v1 = sys.modules[__name__]
class Plain(object):
    def __getattr__(self, name):
        if name == "Session": raise AttributeError(name)
        return getattr(real, name)
real, compat.v1 = sys.modules[__name__], sys.modules[__name__]
sys.modules[__name__] = Plain()
def function(python_function, jit_compile=False): return python_function
"""
COMPILING_IN_GRAPH = """
class xla(object):
    class experimental(object): compile = staticmethod(lambda function, inputs: [function(*inputs)])
"""


class Behaviour(NamedTuple):
    """What happens on the card, and what the check of that name is to make of it."""

    source: str
    status: str
    detail: str
    check: str = "gpu_is_used"


RAISES = "class UnknownError(Exception): pass\ndef on_card(value): raise UnknownError({!r})"
SAYS = "def on_card(value):\n    os.write(2, b'''{}\\n''')\n    raise RuntimeError('{}')"
BEHAVIOURS = {
    "computes": Behaviour("", "proved", "/physical_device:GPU:0 differs from the processor by 0; "),
    "computes wrongly": Behaviour(
        "def on_card(value): return value + 9", "failed", "GPU:0 differs from the processor by 2e+01"
    ),
    "computes nothing": Behaviour(
        "def on_card(value): return float('nan')", "failed", "differs from the processor by nan"
    ),
    "has no code for the card": Behaviour(
        RAISES.format("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution"),
        "failed",
        "RuntimeError: this build has no code for the card (UnknownError: CUDA_ERROR_NO_BINARY_FOR_GPU",
    ),
    "fails as never seen": Behaviour(
        RAISES.format("the moon is full"), "failed", "UnknownError: the moon is full"
    ),
    "convolves": Behaviour("", "proved", "differs from the processor by 0; ", "gpu_convolves"),
    "convolves wrongly": Behaviour(
        "def on_card(value): return value + 2", "failed", "differs from the processor by", "gpu_convolves"
    ),
    "has a gradient that is none": Behaviour(
        "gradients = lambda result, inputs: [Number(float('nan'))]", "failed", "differs from", "gpu_convolves"
    ),
    "has an old cuDNN, as its log says": Behaviour(
        SAYS.format(
            "E cuda_dnn.cc:371] Loaded runtime CuDNN library: 8.0.5 but source was compiled with: 8.1.0.",
            "Failed to get convolution algorithm.",
        ),
        "failed",
        "cuDNN 8.0.5 is here, and this build needs 8.1.0 or a newer one of the same first number",
        "gpu_convolves",
    ),
    "compiles in a graph": Behaviour(COMPILING_IN_GRAPH, "proved", "compiled by XLA", "gpu_compiles"),
    "compiles at once": Behaviour(EAGER, "proved", "it differs from NumPy by", "gpu_compiles"),
    "compiles wrongly": Behaviour(
        EAGER + "\ndef on_card(value): return value + 1", "failed", "it differs from NumPy by", "gpu_compiles"
    ),
    "compiles for the processor": Behaviour(
        EAGER + "\nNumber.device = '/device:CPU:0'",
        "failed",
        "on /device:CPU:0, not on a card",
        "gpu_compiles",
    ),
    "has the driver compile": Behaviour(
        EAGER
        + "\ndef on_card(value):\n    os.write(2, b'Relying on driver to perform ptx compilation.\\n')\n"
        + "    return value",
        "proved",
        "compiled by the driver, for lack of ptxas",
        "gpu_compiles",
    ),
    "lacks libdevice": Behaviour(
        EAGER + "\n" + RAISES.format("libdevice not found at ./libdevice.10.bc [Op:__inference_1]"),
        "failed",
        "XLA does not find libdevice, a file of the CUDA toolkit",
        "gpu_compiles",
    ),
    "has a release without XLA": Behaviour(
        "", "skipped", "TensorFlow 2.9.9 has no function that asks XLA to compile", "gpu_compiles"
    ),
    "has a release that knows no word for it": Behaviour(
        EAGER + "\ndef function(python_function): return python_function",
        "skipped",
        "has no function that asks XLA to compile",
        "gpu_compiles",
    ),
}


@pytest.fixture
def try_out(tmp_path: Path) -> Try:
    """Return what tries one check with a made-up TensorFlow and with variables."""
    (tmp_path / "numpy.py").write_text(NUMPY, encoding="utf-8")

    def run(
        name: str,
        source: str = "",
        python: str | Path = sys.executable,
        variables: dict[str, str] | None = None,
    ) -> Outcome:
        (tmp_path / "tensorflow.py").write_text(TENSORFLOW + source, encoding="utf-8")
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(tmp_path))} exec "{python}" "$@"\n')
        script.chmod(0o755)
        environment = Environment(str(tmp_path), str(script), "venv")
        settings = {"CUDA_CACHE_PATH": str(tmp_path / "cache"), **(variables or {})}
        (outcome,) = check(environment, [name], timeout=60, log=tmp_path / "log", variables=settings)
        return outcome

    return run


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_outcome_says_what_happened_on_the_card(behaviour: str, try_out: Try) -> None:
    """Right and wrong results, failures with their cause, and what cannot be tried."""
    source, status, detail, name = BEHAVIOURS[behaviour]
    outcome = try_out(name, source)

    assert status == outcome.status, outcome
    assert detail in outcome.detail


@pytest.mark.parametrize("version", interpreters())
@pytest.mark.parametrize("name", GPU_CHECKS)
def test_each_interpreter_tries_each_check(name: str, version: str, try_out: Try) -> None:
    """From 2.7 on they compute, compare and say how long it took."""
    outcome = try_out(name, COMPILING_IN_GRAPH, interpreters()[version])

    assert "proved" == outcome.status, outcome
    assert " s" in outcome.detail


WRITES = """
def on_card(value):
    if not os.path.isdir(os.environ["CUDA_CACHE_PATH"]): os.mkdir(os.environ["CUDA_CACHE_PATH"])
    open(os.path.join(os.environ["CUDA_CACHE_PATH"], "index"), "wb").write(b"x" * 5000)
    return value
"""


def test_code_that_the_driver_had_to_compile_is_told_from_machine_code(try_out: Try) -> None:
    """What the driver compiles, it keeps: where it kept nothing new, there was machine code."""
    assert try_out("gpu_is_used").detail.endswith("; machine code")
    assert try_out("gpu_is_used", WRITES).detail.endswith("JIT: the driver compiled 5 kB, which it keeps")
    assert try_out("gpu_is_used", WRITES).detail.endswith("machine code, or compiled by the driver before")
    told = try_out("gpu_is_used", variables={"CUDA_CACHE_DISABLE": "1"})
    assert "cannot be seen" in told.detail


# ---------------------------------------------------------------- no card

NO_CARD = "CARDS = []"
PROMISED = {"CHECK_ACCELERATOR": "cuda"}


@pytest.mark.parametrize("name", GPU_CHECKS)
def test_without_a_card_each_check_is_skipped_with_the_reason(name: str, try_out: Try) -> None:
    """A plan for the processor promises no card."""
    outcome = try_out(name, NO_CARD, variables={"CUDA_VISIBLE_DEVICES": "-1"})

    assert "skipped" == outcome.status
    assert "the variable CUDA_VISIBLE_DEVICES hides the cards: it is '-1'" == outcome.detail


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"STAND_IN_FAULTS": "cuInit=803;"},
            "the NVIDIA driver was updated, and the machine not restarted since",
        ),
        ({"STAND_IN_FAULTS": "cuInit=100;"}, "the driver finds no card"),
        ({"STAND_IN_FAULTS": "cuInit=77;"}, "the driver answers with error 77"),
        (
            {"CHECK_LIBRARIES": "libcuda.so.1 libnone.so.11 libnil.so.8"},
            "not found: libnone.so.11, libnil.so.8",
        ),
        ({}, "TensorFlow finds no graphics card that it can use"),
    ],
)
def test_a_card_that_was_promised_and_is_not_used_is_a_failure_with_its_cause(
    settings: dict[str, str], reason: str, try_out: Try, tmp_path: Path
) -> None:
    """The driver, a variable or a library: what keeps TensorFlow from the card is named."""
    libraries = nvidia_stand_in.build(tmp_path)
    outcome = try_out(
        "gpu_is_used", NO_CARD, variables={"LD_LIBRARY_PATH": str(libraries), **PROMISED, **settings}
    )

    assert "failed" == outcome.status
    assert f"no graphics card is used: {reason}" in outcome.detail


def test_a_build_for_the_processor_alone_says_so(try_out: Try) -> None:
    """Whatever the driver says, such a build has no use for it."""
    source = f"{NO_CARD}\nclass test(object): is_built_with_cuda = staticmethod(lambda: False)"

    assert "this build of TensorFlow is for the processor only" == try_out("gpu_is_used", source).detail


# ---------------------------------------------------------------- causes

TEXTS = {
    "dlerror: libcudnn.so.8: cannot open shared object file": "the library libcudnn.so.8 is not found",
    "dlerror: libnvinfer.so.7: cannot open shared object file: No such file": "None",
    "ImportError: libcublas.so.9.0: cannot open shared object file": "library libcublas.so.9.0 is not found",
    "Cuda compute capability 3.0. The minimum required Cuda capability is 3.5.": "3.0, and this build needs",
    "INTERNAL: Failed to load PTX: CUDA_ERROR_INVALID_PTX: a PTX JIT": "newer than the build",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION": "the driver is too old to compile the code",
    "Status: CUDA driver version is insufficient for CUDA runtime version": "the NVIDIA driver is too old",
    "Status: API call is not supported in the installed CUDA driver": "driver is too old",
    "kernel version 470.256.2 does not match DSO version 535.161.7": "not restarted",
    "Can't find libdevice directory ${CUDA_DIR}/nvvm/libdevice.": "XLA does not find libdevice",
    "ptxas fatal   : Value 'sm_89' is not defined for option 'gpu-name'": "ptxas that XLA found is too old",
    "Couldn't get ptxas version : FAILED_PRECONDITION: Couldn't get ptxas": "XLA does not find ptxas",
    "failed to allocate 10.91G (11715084288 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY": "memory is full",
    "Could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED": "cuDNN did not start",
    "failed to create cublas handle: CUBLAS_STATUS_NOT_INITIALIZED": "cuBLAS did not start",
    "W gpu_device.cc:1956] Cannot dlopen some GPU libraries. Please make sure": "some of CUDA's libraries",
    "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device": "the driver finds no card",
    "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered": "the card failed at work",
    "W tensorflow/core/util/util.cc:169] oneDNN custom operations are on.": "None",
    "": "None",
}


def test_the_usual_texts_have_their_causes() -> None:
    """What TensorFlow, CUDA and cuDNN print is turned into a sentence, and what is harmless is not."""
    told = "[str(gpu_causes.cause_of(text)) for text in json.load(sys.stdin)]"
    program = f"import gpu_causes, json, sys; print(json.dumps({told}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps([*TEXTS]),
        env={"PYTHONPATH": str(checks_folder()), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    causes = json.loads(done.stdout)

    together = zip(causes, TEXTS.items(), strict=True)
    assert [] == [(cause, text) for cause, (text, expected) in together if expected not in cause]


def test_a_change_for_graphics_cards_leaves_the_proofs_for_processors_valid(tmp_path: Path) -> None:
    """The digest of a processor's checks names none of these files, that of a card's names them all."""
    before = checks_digest("cpu"), checks_digest("cuda")
    for file in checks_folder().glob("*.py"):
        added = "# changed\n" if file.stem.startswith("gpu_") else ""
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8") + added, encoding="utf-8")

    assert before[0] == checks_digest("cpu", tmp_path)
    assert before[1] != checks_digest("cuda", tmp_path)
