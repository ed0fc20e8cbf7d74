"""`python -m tfup` is `tfup`."""

import sys

from tfup.cli import main

if __name__ == "__main__":
    sys.exit(main())
