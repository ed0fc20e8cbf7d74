"""Make data/pythons.json: the final CPython minors that the pinned uv can fetch, by system.

Usage: python -m tools.update_pythons
"""

from __future__ import annotations

import json
import subprocess

from uv import find_uv_bin

from tfup.tables import DATA, PythonRow, render

FAMILIES = {
    ("linux", "aarch64", "gnu"): "linux_aarch64",
    ("linux", "x86_64", "gnu"): "linux_x86_64",
    ("macos", "aarch64", "none"): "macos_arm64",
    ("macos", "x86_64", "none"): "macos_x86_64",
    ("windows", "x86_64", "none"): "windows_amd64",
}
COMMAND = (
    find_uv_bin(),
    "python",
    "list",
    "--only-downloads",
    "--all-platforms",
    "--all-arches",
    "--output-format",
    "json",
)


def main() -> None:
    """Ask uv and write the table."""
    listed = json.loads(subprocess.run(COMMAND, check=True, capture_output=True, text=True).stdout)
    found = {
        (FAMILIES[key["os"], key["arch"], key["libc"]], key["version_parts"]["minor"])
        for key in listed
        if (key["os"], key["arch"], key["libc"]) in FAMILIES
        and key["implementation"] == "cpython"
        and key["variant"] == "default"
        and key["version"].replace(".", "").isdigit()
    }
    rows = [PythonRow(python_tag=f"cp3{minor}", family=family) for family, minor in sorted(found)]
    version = subprocess.run(
        [COMMAND[0], "--version"], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    about = {"source": f"uv {version} python list --only-downloads", "made_by": "tools/update_pythons.py"}
    (DATA / "pythons.json").write_text(render(about, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
