"""Install two generations of a tiny project in turn, with uv, until killed: `FOLDER`."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from tests.loopback_index import pin
from tfup.managers import uv
from tfup.managers.transaction import set_aside, transaction

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    requirements = folder / "requirements.txt"
    for version in itertools.cycle(["1.0", "2.0"]):
        with transaction(folder):
            requirements.write_text(pin("sunny", version), encoding="utf-8")
            set_aside(folder)
            uv.sync(uv.make_venv(sys.executable, folder / ".venv"), requirements)
        sys.stdout.write("installed\n")
        sys.stdout.flush()
