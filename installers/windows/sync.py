"""Installs into the environment that runs this just what the pins ask for, as pip and uv are configured.

tfup's own translation of pip's settings is asked, in its file alone: its libraries are not there yet.
Where there is what tfup-setup.exe carried, nothing else is looked at.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def main(uv: str, root: Path, pins: Path) -> int:
    """Return the exit code of uv; the copy of the pins says that all is done."""
    carried, fetched = root / "carried", Path("wheels")
    if carried.is_dir():
        source = ["--no-index", "--find-links", str(carried)]
    else:
        source = ["--find-links", str(fetched)] if fetched.is_dir() else []
    command = [
        uv,
        "pip",
        "sync",
        "--python",
        sys.executable,
        *source,
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]
    code = subprocess.run([*command, str(pins)], env=settings(root), check=False).returncode
    if code == 0:
        shutil.copyfile(pins, Path(sys.prefix, "requirements.txt"))
    return code


def settings(root: Path) -> dict[str, str]:
    """Return the environment for uv: the person's, with pip's settings in uv's words."""
    file = root / "tfup" / "managers" / "index_settings.py"
    spec = spec_from_file_location("settings", file) if file.is_file() else None
    if spec is None or spec.loader is None:
        return dict(os.environ)
    sys.path.insert(0, str(root))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    environment: dict[str, str] = module.uv_environment(os.environ)
    return environment


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
