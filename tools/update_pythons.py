"""Make data/builds/pythons.json: the final CPython releases that the pinned uv can fetch, by system.

Usage: python -m tools.update_pythons
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from uv import find_uv_bin

from tfup.tables import PythonRow, save

FAMILIES = {
    ("linux", "aarch64", "gnu"): "linux_aarch64",
    ("linux", "x86_64", "gnu"): "linux_x86_64",
    ("macos", "aarch64", "none"): "macos_arm64",
    ("macos", "x86_64", "none"): "macos_x86_64",
    ("windows", "x86_64", "none"): "windows_amd64",
}
# repo astral-sh/python-build-standalone, cpython-unix/targets.yml; uv's page "Platform support"
OLDEST = {
    "linux_aarch64": "2.17",
    "linux_x86_64": "2.17",
    "macos_arm64": "11.0",
    "macos_x86_64": "10.15",
    "windows_amd64": "10",
}
"""The oldest glibc, macOS or Windows that they start on."""
COMMAND = (
    find_uv_bin(),
    "python",
    "list",
    "--only-downloads",
    "--all-versions",
    "--all-platforms",
    "--all-arches",
    "--output-format",
    "json",
)


def main() -> None:
    """Ask uv and write the table."""
    listed = json.loads(subprocess.run(COMMAND, check=True, capture_output=True, text=True).stdout)
    found: dict[tuple[str, int], set[int]] = {}
    for family, parts in list_final(listed):
        found.setdefault((family, parts["minor"]), set()).add(parts["patch"])
    rows = [
        PythonRow(f"cp3{minor}", family, OLDEST[family], sorted(patches))
        for (family, minor), patches in sorted(found.items())
    ]
    version = subprocess.run(
        [COMMAND[0], "--version"], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    source = f"uv {version} python list --only-downloads --all-versions"
    save("builds/pythons.json", {"source": source, "made_by": "tools/update_pythons.py"}, rows)


def list_final(listed: list[dict[str, Any]]) -> list[tuple[str, dict[str, int]]]:
    """Return system and version of each final CPython of the ordinary kind."""
    return [
        (FAMILIES[key["os"], key["arch"], key["libc"]], key["version_parts"])
        for key in listed
        if (key["os"], key["arch"], key["libc"]) in FAMILIES
        and key["implementation"] == "cpython"
        and key["variant"] == "default"
        and key["version"].replace(".", "").isdigit()
    ]


if __name__ == "__main__":
    main()
