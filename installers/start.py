"""Starts tfup from this clone with the libraries of the private environment that runs this file.

The clone may be read-only, so that what Python compiles goes beside that environment, into our cache folder.
TFUP_START says how start.sh came here: `first`, or `again` when the environment was made anew just now.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STAMP = os.path.join(sys.prefix, "made")
UNIX = os.path.join(HERE, "unix", "start.sh")


def start() -> int:
    """Run tfup and return its exit code; a damaged environment is made anew before, but not twice."""
    first = os.environ.pop("TFUP_START", "") == "first"
    if first and not is_whole():
        make_anew()
    try:
        from tfup.cli import main
    except ImportError as error:
        if first and not str(error.name).startswith("tfup"):  # else it is a fault of ours, which would stay
            make_anew()
        raise
    return main()


def is_whole() -> bool:
    """Tell whether every package that the stamp names is whole: 4 ms for 800 files."""
    try:
        with open(STAMP, encoding="utf-8") as stamp:
            records = stamp.read().splitlines()
        return bool(records) and all(map(has_all, records))
    except (OSError, ValueError):
        return False


def has_all(record: str) -> bool:
    """Tell whether the files that a package's RECORD lists are there, with their sizes: NAME,HASH,SIZE."""
    packages = os.path.dirname(os.path.dirname(os.path.join(sys.prefix, record)))
    with open(os.path.join(sys.prefix, record), encoding="utf-8") as lines:
        rows = [line.rstrip("\n").rsplit(",", 2) for line in lines]
    sizes = {os.path.join(packages, name.strip('"')): size for name, _, size in rows if size}
    return bool(sizes) and all(os.path.getsize(file) == int(size) for file, size in sizes.items())


def make_anew() -> None:
    """Remove the stamp, for the shell to make it anew; one that may not be changed stays."""
    try:
        os.remove(STAMP)
    except FileNotFoundError:
        pass  # another start was quicker
    except OSError:
        return
    os.environ["TFUP_START"] = "again"
    os.execvp("sh", ["sh", UNIX, *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    sys.pycache_prefix = os.path.join(os.path.dirname(sys.prefix), "bytecode")
    sys.dont_write_bytecode = False
    sys.path.insert(0, os.path.dirname(HERE))
    sys.exit(start())
