"""Make the tables of the GPU half of the match from the measured facts.

Usage: python -m tools.import_gpu_facts FACTS_FOLDER   (with cuda, drivers, cpu and builds .json)

What the facts say in prose is turned into ranges and systems; a sentence that is not known here, and a
verdict that the rules of the program would not give, end the import.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from packaging.version import Version

from tfup.match.gpu import kernels
from tfup.match.gpu.drivers import Owner, needed_driver
from tfup.match.gpu.tables import CardRow, CudaRow, CudnnRow, DefectRow, PluginRow, ToolkitRow, toolkits
from tfup.tables import save

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GPU_FAMILIES = ("linux_x86_64", "windows_amd64", "macos_x86_64")
ONLY_MINOR = {"6": "6.0"}  # cuDNN 6 had no other minor release
NEWER = "GPU newer than CUDA"
WORDS = {
    "native": "native",
    "mixed": "mixed",
    "PTX only": "jit",
    "broken": "broken",
    "unsupported": "none",
}
"""The verdicts of the facts, by their first words, and ours."""

DRIVER_FACTS: dict[kernels.Verdict, str] = {
    "native": "native_kernels_minimum",
    "jit": "ptx_compile_minimum",
}

DEFECTS: dict[str, dict[str, Any]] = {
    "libcusolver.so.11 is not found": {
        "id": "pip-cusolver-not-found",
        "kind": "libraries-not-found",
        "route": "the libraries of NVIDIA's packages are put on the loader's path inside the environment",
    },
    "cuBLAS, cuDNN, cuFFT, cuSOLVER and cuSPARSE are not found": {
        "id": "pip-libraries-not-found",
        "kind": "libraries-not-found",
        "route": "the libraries of NVIDIA's packages are put on the loader's path inside the environment",
    },
    "tensorrt-libs==8.6.1 is not on the index": {
        "id": "and-cuda-tensorrt-gone",
        "kind": "extra-unresolvable",
        "route": "NVIDIA's packages are pinned without the extra, and TensorRT is never installed",
    },
    "tensorrt==8.5.3.1, which has no wheel for Python 3.11": {
        "id": "and-cuda-tensorrt-python",
        "kind": "extra-unresolvable",
        "python": ">=3.11",
        "route": "NVIDIA's packages are pinned without the extra, and TensorRT is never installed",
    },
    "takes cuDNN 9.11 or newer": {
        "id": "and-cuda-cudnn-too-new",
        "kind": "cudnn-too-new",
        "capabilities": "<7.5",
        "route": "NVIDIA's packages are pinned at the versions that the release was built with",
    },
    "carry PTX only for sm_90a": {
        "id": "blackwell-invalid-ptx",
        "kind": "kernels-broken",
        "capabilities": ">9.0",
        "route": "another release is chosen for such a card",
    },
    "XLA (jit_compile) still fails there": {
        "id": "blackwell-without-xla",
        "kind": "xla-fails",
        "capabilities": ">=10.0",
        "route": "the plan says so: what is not compiled by XLA runs",
    },
    "GPU wheels hold code for 3.7 only": {
        "id": "code-for-one-card-only",
        "kind": "kernels-missing",
        "route": "the plan says which card compiles everything at first use",
    },
    "no code for 5.0": {
        "id": "no-code-for-first-maxwell",
        "kind": "kernels-missing",
        "capabilities": "==5.0",
        "route": "another release is chosen for such a card",
    },
    "build_info.py says CUDA 10, the loader asks for": {
        "id": "build-info-cuda",
        "kind": "name-wrong-inside",
        "route": "the table holds what the loader asks for",
    },
    "build_info.py names cudart64_112.dll": {
        "id": "build-info-cudart",
        "kind": "name-wrong-inside",
        "route": "the table holds the file that TensorFlow opens",
    },
    "the WHEEL file inside says cp35": {
        "id": "wheel-file-cp35",
        "kind": "name-wrong-inside",
        "python": "==3.6",
        "route": "nothing is to be done: a warning at import, and it works",
    },
}
"""What is to be added to each fault of the facts, by words of its sentence."""


def main(folder: Path) -> None:
    """Write the tables, the drivers first: the verdicts are checked with them."""
    facts = {name: read(folder, name) for name in ("cuda", "drivers", "cpu", "builds")}
    date, cuda = facts["cuda"]["_about"]["date"], facts["cuda"]
    write(
        "gpu/toolkits.json",
        date,
        facts["drivers"]["_about"]["drivers_source"],
        toolkit_rows(facts["drivers"]),
    )
    write("gpu/cards.json", date, facts["drivers"]["_about"]["gpu_source"], card_rows(facts["drivers"]))
    write("gpu/cudnn.json", date, "machine code lists of NVIDIA's packages", cudnn_rows(cuda["_about"]))
    write("gpu/plugins.json", date, "each row names its own", plugin_rows(facts["cpu"], facts["builds"]))
    write("gpu/gpu_defects.json", date, "each row names its own", defect_rows(cuda["known_defects"]))
    rows = list(cuda_rows(cuda["releases"]))
    toolkits.cache_clear()
    for row in rows:
        compare(row, cuda["releases"][row.version][row.family])
    write(
        "gpu/gpu_builds.json",
        date,
        "the wheels of the index, opened and read; each row names its wheel",
        rows,
    )


def read(folder: Path, name: str) -> dict[str, Any]:
    """Return one file of facts."""
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return content


def write(name: str, date: str, source: str, rows: Iterable[msgspec.Struct]) -> None:
    """Write one table, checked against the type of its rows."""
    checked = [msgspec.convert(msgspec.to_builtins(row), type(row)) for row in rows]
    about = {"generated": date, "source": source, "made_by": "tools/import_gpu_facts.py"}
    save(name, about, checked)
    print(name, len(checked), "rows")


# ---------------------------------------------------------------- builds


def cuda_rows(releases: dict[str, Any]) -> Iterator[CudaRow]:
    """Yield the GPU parts, newest release first."""
    for version in sorted(releases, key=Version, reverse=True):
        for family in GPU_FAMILIES:
            entry = releases[version].get(family, {})
            if entry.get("gpu"):
                yield cuda_row(version, family, entry, releases)


def cuda_row(version: str, family: Any, entry: dict[str, Any], releases: dict[str, Any]) -> CudaRow:  # noqa: ANN401 (a literal, checked when written)
    """Return the row of one GPU part."""
    compute, libraries = entry.get("compute", {}), entry.get("libraries", {})
    headers = compute.get("ptx_headers", [])
    cuda = minor(entry["cuda"]["version"])
    return CudaRow(
        version=version,
        family=family,
        projects=entry["packages"],
        cuda=cuda,
        cudnn=built_for(version, entry, releases),
        sonames=[name for name in libraries.get("sonames", []) if "(" not in name],
        linked=bool(libraries.get("hard_linked")),
        images=compute.get("images_with_machine_code", 0),
        sass=compute.get("sass", {}),
        ptx=list(compute.get("ptx", {})),
        ptx_exact={
            capability_of(header["target"]): header["count"]
            for header in headers
            if header["target"].endswith("a")
        },
        ptx_cuda=max((header["compiled_from_cuda"] for header in headers), key=Version, default=cuda),
        pip=package_make(cuda) if family == "linux_x86_64" else None,
        derived=list(derived(entry)),
        source=compute.get("source", "") or entry["cuda"]["source"][0],
    )


def derived(entry: dict[str, Any]) -> Iterator[Any]:
    """Yield what was not read out of the wheel itself, nor is documented of the release."""
    if "." not in entry["cudnn"]["documented"] or "source" in entry["cudnn"]:
        yield "cudnn"
    if "not scanned" in entry.get("compute", {}).get("source", "not scanned"):
        yield "kernels"
    if "derived" in entry.get("libraries", {}).get("source", ""):
        yield "sonames"


def package_make(cuda: str) -> Any:  # noqa: ANN401 (a literal, checked when written)
    """Return the make of NVIDIA's packages for a CUDA.

    None before 11.1, where cuSOLVER became libcusolver.so.11: the packages have no older one.
    """
    return f"cu{Version(cuda).major}" if Version(cuda) > Version("11.0") else None


def built_for(version: str, entry: dict[str, Any], releases: dict[str, Any]) -> str:
    """Return the lowest cuDNN minor that a build takes.

    Where only the major is documented: with a machine's cuDNN the newest build is taken whose documented
    minor is not above it, so that a build needs the least minor documented at or after it; and where none
    is documented, the earliest minor release for that CUDA, which needs the first minor of the major.
    """
    documented: str = ONLY_MINOR.get(entry["cudnn"]["documented"], entry["cudnn"]["documented"])
    if "." in documented:
        return documented
    kin = [other for other in releases if cuda_of(releases[other]) == cuda_of(releases[version])]
    if minor(version) == minor(min(kin, key=Version)):
        return f"{documented}.0"
    later = [text for other in kin if Version(other) >= Version(version) for text in minors(releases[other])]
    return min(later, key=Version)


def cuda_of(release: dict[str, Any]) -> str | None:
    """Return the CUDA of a release; it has one for all systems."""
    return next((entry["cuda"]["version"] for entry in release.values() if entry.get("gpu")), None)


def minors(release: dict[str, Any]) -> list[str]:
    """Return the cuDNN minors that are documented of a release on any system."""
    texts = [entry["cudnn"]["documented"] for entry in release.values() if entry.get("gpu")]
    return [text for text in texts if "." in text]


def minor(version: str) -> str:
    """Return the minor of a version: 12.5 of 12.5.1."""
    return ".".join(version.split(".")[:2])


def capability_of(target: str) -> str:
    """Return the capability of a compiler's target.

    >>> capability_of("sm_90a"), capability_of("sm_120")
    ('9.0', '12.0')
    """
    digits = re.sub(r"\D", "", target)
    return f"{digits[:-1]}.{digits[-1]}"


# ---------------------------------------------------------------- the rest


def toolkit_rows(facts: dict[str, Any]) -> Iterator[ToolkitRow]:
    """Yield the toolkits of which a driver is known."""
    for cuda, entry in facts["toolkits"].items():
        exact = drivers(entry["exact_minimum"])
        if exact:
            yield ToolkitRow(
                cuda=cuda,
                exact=exact,
                compatible=drivers(entry["minor_version_compat_minimum"] or {}),
                capabilities=(entry["compute_capability"]["min"], entry["compute_capability"]["max"]),
                source=entry["compute_capability"]["source"],
            )


def drivers(entry: dict[str, Any]) -> Any:  # noqa: ANN401 (checked when written)
    """Return the drivers that are known, by system."""
    return {system: entry[system] for system in ("linux", "windows") if entry.get(system)}


def card_rows(facts: dict[str, Any]) -> Iterator[CardRow]:
    """Yield the cards by capability, with the last branch of the driver for them."""
    last = facts["last_driver_branch"]
    for capability, entry in facts["compute_capability_gpus"].items():
        branch = next(
            branch for text, branch in last["table"].items() if capability in capabilities(text, facts)
        )
        yield CardRow(
            capability=capability,
            architecture=entry["architecture"],
            names=entry["examples"],
            last_driver={
                system: re.match(r"\d+", text)[0]  # type: ignore[index]
                for system, text in branch.items()
                if text
            },
            source=last["source"] if any(branch.values()) else "",
        )


def capabilities(text: str, facts: dict[str, Any]) -> list[str]:
    """Return the capabilities that the title of a driver's branch means."""
    known: list[str] = list(facts["compute_capability_gpus"])
    inside = re.search(r"\((.*)\)", text)[1]  # type: ignore[index]
    if inside.endswith("+"):
        return [one for one in known if Version(one) >= Version(inside[:-1])]
    parts = [part.strip() for part in inside.split(",")]
    majors = [part.removesuffix(".x") for part in parts if part.endswith(".x")]
    upto = [part for part in parts if not part.endswith(".x")]  # "7.0" stands for Volta, Tegra's 7.2 too
    volta = [one for one in known for part in upto if one.split(".")[0] == part.split(".")[0] and one < "7.5"]
    return [one for one in known if one.split(".")[0] in majors] + volta


def cudnn_rows(about: dict[str, Any]) -> Iterator[CudnnRow]:
    """Yield the releases of cuDNN whose machine code was read: a library without code for a card is none."""
    for version, packages in about["cudnn_check"].items():
        for file, libraries in packages.items():
            oldest = [min(map(code_of, filter(is_code, codes)), key=Version) for codes in libraries.values()]
            yield CudnnRow(version, max(oldest, key=Version), file)


def is_code(text: str) -> bool:
    """Tell whether an entry is machine code."""
    return text.startswith("sass_")


def code_of(text: str) -> str:
    """Return the capability of an entry such as sass_90."""
    return capability_of(text.removeprefix("sass_"))


def plugin_rows(cpu: dict[str, Any], builds: dict[str, Any]) -> Iterator[PluginRow]:
    """Yield Apple's plug-in for each minor release, from the first that stands beside today's `six`."""
    apple, releases = cpu["apple"], builds["projects"]["tensorflow-metal"]["releases"]
    doubt = "threads such as tensorflow/tensorflow#81987 say that it does not load from 2.18 on"
    for tensorflow, pair in apple["metal_pairs"].items():
        version = max((one for one in releases if minor(one) == minor(pair)), key=Version)
        if "six (~=1.15.0)" in releases[version]["requires_dist"]["macos_arm64"]:
            continue
        yield PluginRow(
            accelerator="metal",
            project="tensorflow-metal",
            version=version,
            tensorflow=f"=={tensorflow}.*",
            family="macos_arm64",
            system="12.1",
            wheels=[
                (wheel["file"], wheel["sha256"], wheel["size"])
                for wheel in releases[version]["platforms"]["macos_arm64"]["wheels"]
            ],
            doubt=doubt if Version(tensorflow) >= Version("2.18") else "",
            source=apple["metal_source"],
        )
    yield PluginRow(
        accelerator="directml",
        project="tensorflow-directml-plugin",
        version=max(builds["projects"]["tensorflow-directml-plugin"]["releases"], key=Version),
        tensorflow="==2.10.0",
        family="windows_amd64",
        system="10",
        wheels=[],
        doubt="a development release, given up in 2023",
        source=cpu["directml"]["source"],
    )


# ---------------------------------------------------------------- faults


def defect_rows(facts: list[dict[str, Any]]) -> Iterator[DefectRow]:
    """Yield the faults, one row for each range that a fact names."""
    for fact in facts:
        words = [words for words in DEFECTS if words in fact["what"]]
        if len(words) != 1:
            sys.exit(f"not one known fault: {fact['what']}")
        for text in merge(fact["releases"]):
            yield DefectRow(
                **DEFECTS[words[0]],
                **where(text, fact.get("os")),
                what=fact["what"],
                source=fact["evidence"],
            )


def merge(releases: list[str]) -> list[str]:
    """Join releases that stand alone into one text."""
    plain = [text for text in releases if re.fullmatch(r"[\d.]+", text)]
    return [*([", ".join(plain)] if plain else []), *(text for text in releases if text not in plain)]


def where(text: str, os: str | None) -> dict[str, Any]:
    """Return project, range and systems of a text about releases.

    >>> where("2.5 to 2.10 (Windows)", None)
    {'project': None, 'tensorflow': '>=2.5,<2.11', 'families': ['windows_amd64']}
    >>> where("2.2.x (Linux)", None)["tensorflow"]
    '==2.2.*'
    """
    found = re.fullmatch(
        r"(?:(?P<project>tensorflow-gpu) )?(?P<range>[\d.x, ]+?(?: to [\d.]+)?)(?:, cp\d+)?"
        r"(?:, (?P<system>Linux|Windows))?(?: \((?P<place>Linux|Windows)[^)]*\))?",
        text,
    )
    if not found:
        sys.exit(f"not a range of releases: {text}")
    system = found["system"] or found["place"]
    families = [os] if os else [name for name in GPU_FAMILIES[:2] if name.startswith((system or "").lower())]
    return {"project": found["project"], "tensorflow": range_of(found["range"]), "families": families}


def range_of(text: str) -> str:
    """Return the range that some releases are.

    >>> range_of("1.15.x"), range_of("2.14.0, 2.14.1"), range_of("1.0.1 to 1.4.1")
    ('==1.15.*', '>=2.14.0,<=2.14.1', '>=1.0.1,<=1.4.1')
    """
    if text.endswith(".x"):
        return f"=={text[:-1]}*"
    ends = re.split(r" to |, ", text)
    if len(ends) == 1:
        return f"=={text}"
    last = ends[-1] if ends[-1].count(".") > 1 else ""
    major, after = ends[-1].split(".")[:2]
    return f">={ends[0]},{f'<={last}' if last else f'<{major}.{int(after) + 1}'}"


# ---------------------------------------------------------------- the program agrees with the facts


def compare(row: CudaRow, entry: dict[str, Any]) -> None:
    """End the import where the rules of the program say other than the facts."""
    compute = entry.get("compute", {})
    for capability, text in compute.get("by_capability", {}).items():
        ours = kernels.judge(row, kernels.number_of(capability))
        theirs = next(verdict for words, verdict in WORDS.items() if text.startswith(words))
        if (ours.verdict, ours.newer_than_cuda) != (theirs, NEWER in text):
            sys.exit(f"{row.version} {row.family} {capability}: {text}, but we say {ours}")
        share = re.search(r"(\d+)%", text)
        if share and int(share[1]) != ours.percent:
            sys.exit(f"{row.version} {row.family} {capability}: {text}, but we say {ours}")
    system: Owner = "windows" if row.family.startswith("windows") else "linux"
    for verdict, key in DRIVER_FACTS.items():
        theirs, mine = entry.get("driver", {}).get(key), needed_driver(row, verdict, system)
        if theirs and mine != theirs:
            sys.exit(f"{row.version} {row.family}: {verdict} {theirs}, but we say {mine}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
