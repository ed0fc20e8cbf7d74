"""Opens CUDA's libraries by their paths before TensorFlow asks for them by name; put here by tfup.

tfup_cuda.pth begins it with the list of this environment, at every start of Python: activated or not, by
Pipenv or by the path of the interpreter. Until TensorFlow is imported it only waits, and nobody has to set a
variable. Runs on Python 2.7 to the newest.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NEEDED = ("graph", "ops", "ops_infer", "ops_train", "cnn_infer", "adv_infer")
"""The parts of cuDNN 8 and 9 that other parts need, in the order in which they can be opened."""


class Waiter(object):
    """A finder that finds nothing, but hears that TensorFlow is about to be imported."""

    def __init__(self, libraries, toolkit):
        """Keep what is to be opened and offered."""
        self.libraries, self.toolkit, self.waiting = libraries, toolkit, True

    def find_spec(self, name, path=None, target=None):
        """Prepare when it is TensorFlow's turn; the finders after this one find it."""
        if self.waiting and name == "tensorflow":
            self.waiting = False
            open_all(self.libraries + [[part] for names in self.libraries for part in parts_of(names)])
            offer(self.toolkit)

    def find_module(self, name, path=None):
        """Do the same for Python 2.7, which asks so."""
        self.find_spec(name, path)


def wait(libraries, toolkit=""):
    """Begin to wait; a library is a list of names and paths, of which the first that opens is taken."""
    sys.meta_path.insert(0, Waiter(libraries, toolkit))


def open_all(libraries):
    """Open the libraries, again as long as another one of them was what one lacked.

    The loader knows a library by its name once it is open. What does not open, TensorFlow reports itself.
    """
    while libraries:
        refused = [names for names in libraries if not any(opens(name) for name in names)]
        libraries = refused if len(refused) < len(libraries) else []


def parts_of(names):
    """Return the parts that a library opens itself by name, such as libcudnn_ops.so.9.

    That is needed where the person has an LD_LIBRARY_PATH, which goes before the library's own folder. One
    that is to be opened by its bare name is the loader's affair, with its parts.
    """
    import glob

    if not os.environ.get("LD_LIBRARY_PATH") or "/" not in names[0]:
        return []
    pattern = os.path.join(HERE, names[0]).replace("[", "[[]").replace(".so.", "_*.so.")
    return sorted(sorted(glob.glob(pattern)), key=rank)


def rank(part):
    """Return the place of a part in the order of opening."""
    kind = os.path.basename(part).partition("_")[2].partition(".")[0]
    return NEEDED.index(kind) if kind in NEEDED else len(NEEDED)


def opens(name):
    """Open a library by its path, which may begin in this folder, or by its bare name, by the loader."""
    import ctypes

    try:
        ctypes.CDLL(os.path.join(HERE, name) if "/" in name else name)
    except OSError:
        return False
    return True


def offer(toolkit):
    """Show XLA where libdevice and ptxas are; what the person has said of it goes before."""
    folder = os.path.join(HERE, toolkit)
    flags = os.environ.get("XLA_FLAGS", "")  # or the name of a file with flags, which is left alone
    if not toolkit or not os.path.isdir(os.path.join(folder, "nvvm", "libdevice")):
        return
    if "xla_gpu_cuda_data_dir" not in flags and flags[:1] in ("", "-"):
        quoted = "'{}'".format(folder) if " " in folder else folder
        os.environ["XLA_FLAGS"] = "{} --xla_gpu_cuda_data_dir={}".format(flags, quoted).strip()
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    programs = os.path.join(folder, "bin")
    if programs not in places:
        places.append(programs)
        os.environ["PATH"] = os.pathsep.join(places)
