"""Small pictures of ten classes: CIFAR-10 where it is on the disk, else made ones that can be learnt."""

from __future__ import division, print_function, unicode_literals

import collections
import hashlib
import io
import os
import pickle
import sys
import tarfile

SIDE = 32
OF_A_BATCH = 10000
ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE_BYTES = 170498071
ARCHIVE_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"  # as in Keras 3
MEMBERS = {  # with their MD5: the author publishes no other sum
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
INSIDE = "cifar-10-batches-py"
FOLDERS = (INSIDE, os.path.join("cifar-10-batches-py-target", INSIDE))  # the second is that of Keras 3
ARCHIVES = ("cifar-10-batches-py.tar.gz", "cifar-10-batches-py-target_archive", "cifar-10-python.tar.gz")
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

Pictures = collections.namedtuple("Pictures", "train test names kind source")  # noqa: PYI024 - for 2.7
"""Two pairs of pictures (number x 32 x 32 x 3, from 0 to 1) and classes, cifar10 or made, and a sentence."""


class Unusable(Exception):
    """Raised with a file that is named like CIFAR-10, and why it cannot be taken for it."""


def load(folder, number, tests, download=None):
    """Return that many pictures from this folder; made ones where it has none that can be used.

    `download` is called where nothing is there, and returns the path of the archive.
    """
    places = found(folder)
    complaints = [] if places else ["no CIFAR-10 in {}".format(folder)]
    try:
        places = places or ([download()] if download else [])
    except Exception as error:  # Keras raises a plain one for whatever befell it
        complaints = ["CIFAR-10 could not be fetched: {}".format(error)]
    for place in places:
        try:
            return cifar(place, number, tests)
        except Unusable as reason:  # noqa: PERF203 - there are three at most
            complaints.append("{} {}".format(*reason.args))
    return made(number, tests, "; ".join(complaints))


def found(folder):
    """Return the folders and archives of CIFAR-10, by the names that Keras gives them."""
    places = [os.path.join(folder, name) for name in FOLDERS + ARCHIVES]
    return [place for place in places if os.path.exists(place)]


# ---------------------------------------------------------------- the real ones


def cifar(place, number, tests):
    """Return the first pictures of CIFAR-10 in a folder or an archive; raises Unusable."""
    wanted = sorted(MEMBERS)[: -(-number // OF_A_BATCH)]
    wanted.append("test_batch")
    members = unpacked(place, wanted) if os.path.isdir(place) else packed(place, wanted)
    batches = [decoded(member) for member in members]
    train, test = joined(batches[:-1], number), joined(batches[-1:], tests)
    return Pictures(train, test, NAMES, "cifar10", "CIFAR-10 of {}".format(place))


def unpacked(folder, wanted):
    """Return the contents of these files of a folder, each of which must be the author's."""
    members = []
    for name in wanted:
        path = os.path.join(folder, name)
        content = content_of(path)
        if hashlib.md5(content).hexdigest() != MEMBERS[name]:  # noqa: S324 - see MEMBERS
            raise Unusable(path, "is cut short or changed: its sum is not CIFAR-10's")
        members.append(content)
    return members


def packed(archive, wanted):
    """Return the contents of these files of the author's archive: what has its sum can be unpacked safely."""
    content = content_of(archive)
    if len(content) < ARCHIVE_BYTES:
        raise Unusable(archive, "is cut short: {} of {} bytes".format(len(content), ARCHIVE_BYTES))
    if hashlib.sha256(content).hexdigest() != ARCHIVE_SHA256:
        raise Unusable(archive, "is not the CIFAR-10 of its author: it has another SHA-256")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as files:
        return [files.extractfile("{}/{}".format(INSIDE, name)).read() for name in wanted]


def content_of(path):
    """Return the bytes of a file; raises Unusable."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (IOError, OSError) as error:
        raise Unusable(path, "cannot be read: {}".format(error.strerror))  # noqa: B904 - 2.7 has no from


def decoded(content):
    """Return pictures and classes of one batch, a pickle of Python 2 whose sum was looked at."""
    import numpy as np

    options = {} if sys.version_info[0] == 2 else {"encoding": "latin-1"}
    batch = pickle.loads(content, **options)  # noqa: S301 - it is the author's very file
    rows = batch["data"].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return rows.astype("float32") / 255, np.array(batch["labels"])


def joined(batches, number):
    """Return the first pictures of several batches, and their classes."""
    import numpy as np

    return tuple(np.concatenate(parts)[:number] for parts in zip(*batches))  # noqa: B905 - 2.7 has no strict


# ---------------------------------------------------------------- made ones


def made(number, tests, why):
    """Return pictures of stripes: a class is their direction, one of five, and whether they are wide."""
    names = tuple("{} {} deg".format(width, 36 * turn) for width in ("wide", "narrow") for turn in range(5))
    return Pictures(stripes(number, 1), stripes(tests, 2), names, "made", "made pictures: {}".format(why))


def stripes(number, seed):
    """Return pictures and classes; place, colour and noise differ: no single pixel tells the class."""
    import numpy as np

    random = np.random.RandomState(seed)
    classes = random.randint(len(NAMES), size=number)
    turn, waves = np.pi * (classes % 5) / 5, np.where(classes < 5, 3, 6)  # noqa: PLR2004 - see made
    across, down = np.meshgrid(*[np.linspace(0, 1, SIDE)] * 2)
    along = tall(np.cos(turn)) * across + tall(np.sin(turn)) * down
    waving = np.cos(2 * np.pi * (tall(waves) * along + tall(random.uniform(size=number))))
    colours = random.uniform(0.05, 0.2, size=(number, 1, 1, 3))
    noise = random.normal(scale=0.35, size=(number, SIDE, SIDE, 3))
    return (0.5 + waving[..., None] * colours + noise).clip(0, 1).astype("float32"), classes


def tall(row):
    """Return one number a picture in the shape that meets all its points."""
    return row.reshape(-1, 1, 1)
