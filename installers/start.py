"""Starts tfup from this clone with the libraries of the private environment that runs this file.

The clone may be read-only, so that what Python compiles goes beside that environment, into our cache folder.
"""

import os.path
import sys

sys.pycache_prefix = os.path.join(os.path.dirname(sys.prefix), "bytecode")  # noqa: PTH118, PTH120 (pathlib costs 3 ms)
sys.dont_write_bytecode = False
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120

from tfup.cli import main  # noqa: E402 (the path comes first)

if __name__ == "__main__":
    sys.exit(main())
