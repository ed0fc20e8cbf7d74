"""What failures on a graphics card mean: the texts of TensorFlow, CUDA and cuDNN, and their causes."""

from __future__ import print_function, unicode_literals

import ctypes
import io
import os
import re
import stat

import reporting

CAUSES = (
    (r"Loaded runtime CuDNN library: ([\d.]+) but source was compiled with: (\d+(?:\.\d+)*)",
     "cuDNN {0} is here, and this build needs {1} or a newer one of the same first number"),
    (r"Cuda compute capability ([\d.]+)\. The minimum required Cuda capability is (\d+\.\d+)",
     "the card has compute capability {0}, and this build needs {1}"),
    (r"(lib(?!nvinfer)[\w-]+\.so[.\d]*): cannot open shared object file",  # TensorRT is a luxury
     "the library {0} is not found"),
    (r"CUDA_ERROR_UNSUPPORTED_PTX_VERSION|compiled with an unsupported toolchain",
     "the driver is too old to compile the code of this build for the card"),
    (r"CUDA_ERROR_INVALID_PTX|PTX JIT compilation failed",
     "the driver cannot compile the code of this build for the card, which is newer than the build"),
    (r"CUDA_ERROR_NO_BINARY_FOR_GPU|no kernel image is available|NoKernelImageForDevice",
     "this build has no code for the card"),
    (r"driver version is insufficient|INSUFFICIENT_DRIVER|not supported in the installed CUDA driver",
     "the NVIDIA driver is too old for the CUDA of this build"),
    (r"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|does not match DSO version|Driver/library version mismatch",
     "the NVIDIA driver was updated, and the machine not restarted since"),
    (r"[Cc]an't find libdevice|libdevice not found|libdevice\S*\.bc not found",
     "XLA does not find libdevice, a file of the CUDA toolkit"),
    (r"ptxas.*(?:too old|is not defined for option 'gpu-name'|Unsupported \.version)",
     "the ptxas that XLA found is too old"),
    (r"[Cc]ouldn't (?:get|invoke) ptxas|No PTX compilation provider|ptxas: No such file|ptxas not found",
     "XLA does not find ptxas, a program of the CUDA toolkit"),
    (r"OUT_OF_MEMORY|RESOURCE_EXHAUSTED|ResourceExhausted|OOM when allocating|_STATUS_ALLOC_FAILED",
     "the card's memory is full: another program holds it"),
    (r"CUDNN_STATUS_\w*(?:VERSION_MISMATCH|ARCH_MISMATCH|NOT_SUPPORTED_ARCH)",
     "this cuDNN and the card, or its own parts, do not fit together"),
    (r"Could not create cudnn|cuDNN failed to init|CUDNN_STATUS_NOT_INIT|DNN library |No DNN in stream",
     "cuDNN did not start: it does not fit the build, or the card's memory is full"),
    (r"failed to create cublas|CUBLAS_STATUS_NOT_INIT|Blas x?GEMM launch failed|No BLAS support",
     "cuBLAS did not start: it does not know the card, or the card's memory is full"),
    (r"CUDA_ERROR_NO_DEVICE|no CUDA-capable device", "the driver finds no card"),
    (r"CUDA_ERROR_ILLEGAL_ADDRESS|CUDA_ERROR_LAUNCH_FAILED|CUDA_ERROR_ECC_UNCORRECTABLE",
     "the card failed at work; after an overheating or a bad memory only a restart helps"),
    (r"Cannot dlopen some GPU libraries", "some of CUDA's libraries are not found"),
)  # fmt: skip
"""Patterns and causes, the most telling first; {0} is the first group of the pattern."""

ANSWERS = {
    2: "the card's memory is full: another program holds it",
    34: "the libcuda.so.1 that is found is the stub of a toolkit, not the driver's",
    35: "the NVIDIA driver is too old",
    46: "the card is in use by a program that wants it alone",
    100: "the driver finds no card: it is hidden by a variable, or was not given to this container",
    101: "the variable CUDA_VISIBLE_DEVICES names a card that is not there",
    802: "the driver is not ready: nvidia-fabricmanager does not run",
    803: "the NVIDIA driver was updated, and the machine not restarted since",
    804: "the compatibility libraries of CUDA do not serve this card with this driver",
    999: "the driver cannot start the card (unknown error), most often after a sleep; a restart helps",
}
"""What the driver's cuInit answers; numbers of cuda.h."""

DRIVER = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"


def cause_of(text):
    """Return what the text of a failure means, None where it is none of the usual ones."""
    for pattern, cause in CAUSES:
        found = re.search(pattern, text)
        if found:
            return cause.format(*found.groups())
    return None


def explained(work):
    """Do the work and return its result; a known failure is raised again with its cause in front."""
    start = said()
    try:
        return work()
    except (reporting.Skip, AssertionError):
        raise
    except Exception as error:
        cause = cause_of("{}\n{}".format(reporting.message_of(error), said_since(start)))
        if cause is None:
            raise
        told = "{} ({})".format(cause, reporting.summary(error))
        raise RuntimeError(told)  # noqa: B904 - 2.7 has no from


def said():
    """Return how many bytes standard error has by now, 0 where it is no file that can be read again."""
    status = os.fstat(2)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def said_since(start):
    """Return what the libraries wrote to standard error since then: it tells more than their errors."""
    try:
        with io.open("/proc/self/fd/2", "rb") as words:
            words.seek(start)
            return words.read().decode("utf-8", "replace") if start < said() else ""
    except (IOError, OSError):
        return ""


# ---------------------------------------------------------------- no card


def why_no_card():
    """Return the reason why TensorFlow has no graphics card: the first that is found."""
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        return "this build of TensorFlow is for the processor only"
    reasons = (why_hidden(), why_no_driver(), why_no_libraries(), cause_of(said_since(START)))
    return next((reason for reason in reasons if reason), "TensorFlow finds no graphics card that it can use")


def why_no_driver():
    """Return what is wrong with the driver, None where it answers and has a card."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return "there is no NVIDIA driver: {} is not found".format(DRIVER)
    answer = driver.cuInit(0)
    return ANSWERS.get(answer, "the driver answers with error {}".format(answer)) if answer else None


def why_hidden():
    """Return that a variable hides the cards, None where it does not."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or visible.strip() not in ("", "-1", "none", "NoDevFiles"):
        return None
    return "the variable CUDA_VISIBLE_DEVICES hides the cards: it is {!r}".format(str(visible))


def why_no_libraries():
    """Return which of the build's libraries the loader does not find, None where it finds all.

    Their names are in CHECK_LIBRARIES. TensorFlow has been imported, and what is opened with it is open.
    """
    missing = [name for name in os.environ.get("CHECK_LIBRARIES", "").split() if not is_found(name)]
    return "not found: {}".format(", ".join(missing)) if missing else None


def is_found(name):
    """Tell whether the loader finds a library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


START = said()  # before TensorFlow is imported: the log has more than this run in it
