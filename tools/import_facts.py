"""Make the table of builds from the measured facts: wheels of the index joined with what their binaries need.

Usage: python -m tools.import_facts FACTS_FOLDER   (the folder with builds.json and cpu.json)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from packaging.version import Version

from tfup.tables import BuildRow, save, wheel_name

PROJECTS = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-gpu",
    "tensorflow-intel",
    "tensorflow-macos",
    "tensorflow-cpu-aws",
)
FAMILIES = ("linux_aarch64", "linux_x86_64", "macos_arm64", "macos_x86_64", "windows_amd64")
AVX_LEVELS = ("AVX", "mixed")  # "mixed" could not be decided by sampling; an abort is worse than caution


def main(folder: Path) -> None:
    """Write the table."""
    builds = json.loads((folder / "builds.json").read_text(encoding="utf-8"))
    needs = json.loads((folder / "cpu.json").read_text(encoding="utf-8"))["releases"]
    rows = [row for project in PROJECTS for row in project_rows(project, builds["projects"][project], needs)]
    save("builds/builds.json", about(builds["_about"]), rows)
    print(len(rows), "rows,", sum(len(row.wheels) for row in rows), "wheels")


def about(source: dict[str, Any]) -> dict[str, Any]:
    """Return where the table comes from."""
    return {
        "generated": source["generated"],
        "source": "file lists of the package index; the binaries of the wheels: CPU level by disassembly, "
        "glibc and macOS floors by their version tables",
        "made_by": "tools/import_facts.py",
    }


def project_rows(project: str, releases: dict[str, Any], needs: dict[str, Any]) -> list[BuildRow]:
    """Return the rows of one project, newest release first."""
    versions = sorted(releases["releases"], key=Version, reverse=True)
    return [
        build_row(project, version, family, releases["releases"][version], needs)
        for version in versions
        for family in sorted(releases["releases"][version]["platforms"])
        if family in FAMILIES
    ]


def build_row(
    project: str, version: str, family: str, release: dict[str, Any], needs: dict[str, Any]
) -> BuildRow:
    """Join the wheels of one system with the measured needs of their binaries."""
    own = needs.get(project, {}).get(version, {}).get(family, {})
    wheels = release["platforms"][family]["wheels"]
    for wheel in wheels:  # the program makes the names of files from the parts
        if wheel["file"] != wheel_name(project, version, wheel["python"], wheel["abi"], wheel["tag"]):
            sys.exit(f"{wheel['file']} is not named after its parts")
    stub = own.get("stub", {})
    carrier = stub.get("installs")
    measured = measured_of(carrier, family, needs) if carrier else own
    return BuildRow(
        project=project,
        version=version,
        family=family,
        wheels=[(w["python"], w["abi"], w["tag"], w["sha256"], w["size"]) for w in wheels],
        yanked=bool(release["yanked"]),
        glibc=measured.get("glibc_minimum"),
        macos=max(measured.get("macos_minimum_in_binaries") or [None]),
        cpu=["avx"] if measured.get("cpu", {}).get("needs") in AVX_LEVELS else [],
        vc_runtime=[dll for dll in measured.get("vc_runtime", "").split(",") if dll],
        carried_by=carrier,
        carrier_lacks=list_lacking(f"{project}=={version}", wheels, stub),
    )


def measured_of(requirement: str, family: str, needs: dict[str, Any]) -> dict[str, Any]:
    """Return what was measured of the release that an empty wheel pulls in: its needs are the needs."""
    project, version = requirement.split("==")
    measured: dict[str, Any] = needs[project][version][family]
    return measured


def list_lacking(release: str, wheels: list[dict[str, Any]], stub: dict[str, Any]) -> list[str]:
    """Return the Pythons for which an empty wheel pulls in nothing; one that names itself has none at all."""
    if stub.get("installs") == release:
        return [wheel["python"] for wheel in wheels]
    lacking: list[str] = stub.get("missing_python", [])
    return lacking


if __name__ == "__main__":
    main(Path(sys.argv[1]))
