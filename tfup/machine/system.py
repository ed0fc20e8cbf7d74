"""Which system this is: name, version, processor family, C library, container, WSL."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from tfup.machine.fact import Fact, Facts
from tfup.machine.windows import read_distributions, read_runtimes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tfup.machine.probe import Probe

NAMES = {"linux": "linux", "darwin": "macos", "win32": "windows", "cygwin": "windows", "msys": "windows"}

ARCHITECTURES = {
    "x86_64": "x86_64", "amd64": "x86_64", "x64": "x86_64",
    "aarch64": "aarch64", "arm64": "aarch64",
    "i386": "i686", "i486": "i686", "i586": "i686", "i686": "i686", "x86": "i686",
}  # fmt: skip


def name_system(probe: Probe) -> str:
    """Return linux, macos or windows; another system by Python's name for it."""
    platform = str(probe.ask("platform"))
    return NAMES.get(platform, platform)


def name_architecture(machine: str) -> str:
    """Return the one name that we use for a processor family.

    >>> name_architecture("AMD64"), name_architecture("arm64"), name_architecture("riscv64")
    ('x86_64', 'aarch64', 'riscv64')
    """
    return ARCHITECTURES.get(machine.lower(), machine.lower())


def read_system(probe: Probe) -> Facts:
    """Read everything that is said under "system", and the container."""
    system = name_system(probe)
    facts = SYSTEMS.get(system, read_other)(probe)
    rosetta = facts.get("system.rosetta", Fact(None, "")).value
    arch = Fact("aarch64", "sysctl.proc_translated") if rosetta else read_architecture(probe)
    return facts | {"system.os": Fact(system, "sys.platform"), "system.arch": arch}


def read_architecture(probe: Probe) -> Fact:
    """Read the processor's family, as the programs here see it."""
    machine = probe.ask("machine_type")
    if not machine:
        return Fact(None, "uname does not say")
    name = name_architecture(str(machine))
    if is_narrow(probe, name):
        return Fact(NARROW[name], f"uname says {machine}, but only programs of 32 bits run here")
    return Fact(name, "uname")


NARROW = {"x86_64": "i686", "aarch64": "armv7l"}
LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}


def is_narrow(probe: Probe, machine: str) -> bool:
    """Tell whether a kernel of 64 bits carries a Linux of 32, as on many a Raspberry Pi."""
    of_32 = name_system(probe) == "linux" and probe.ask("bits") == 32  # noqa: PLR2004 (a width, not magic)
    return of_32 and machine in LOADERS and not probe.glob(LOADERS[machine])


# ---------------------------------------------------------------- Linux


def read_linux(probe: Probe) -> Facts:
    """Read the distribution, the C library, and what Linux runs in."""
    return {
        **read_distribution(probe),
        **read_libc(probe),
        "system.wsl": read_wsl(probe),
        "system.rosetta": Fact(value=False, note="only macOS has it"),
        "container": read_container(probe),
        **dict.fromkeys(("long_paths", "wsl"), Fact(None, "only Windows asks")),
    }


def read_distribution(probe: Probe) -> Facts:
    """Read name and version of the distribution."""
    for path, (parse, *starts) in RELEASE_FILES.items():
        text = str(probe.ask("lines", path, *starts) or "")
        if text:
            name, version = parse(text)
            missing = f"{path} does not say"
            return {
                "system.name": Fact(name, path if name else missing),
                "system.version": Fact(version, path if version else missing),
            }
    reason = "none of " + ", ".join(RELEASE_FILES)
    return {"system.name": Fact(None, reason), "system.version": Fact(None, reason)}


def parse_os_release(text: str) -> tuple[str | None, str | None]:
    r"""Return name and version; a rolling distribution has no version.

    >>> parse_os_release('NAME="Ubuntu"\nVERSION_ID="16.04"\n')
    ('Ubuntu', '16.04')
    >>> parse_os_release("NAME='Arch Linux'\n# rolling")
    ('Arch Linux', None)
    """
    pairs = re.findall(r"^(NAME|VERSION_ID)=(.*)$", text, re.MULTILINE)
    values = {name: _unquote(value) for name, value in pairs}
    return values.get("NAME"), values.get("VERSION_ID")


def _unquote(value: str) -> str:
    try:
        return "".join(shlex.split(value.strip()))
    except ValueError:
        return value.strip().strip("\"'")


def parse_redhat_release(text: str) -> tuple[str | None, str | None]:
    r"""Return name and version of the Red Hats before 7, which have no os-release.

    >>> parse_redhat_release("CentOS release 6.10 (Final)\n")
    ('CentOS', '6.10')
    """
    found = re.match(r"(.+?)\s+(?:Linux\s+)?release\s+([\d.]+)", text)
    return (found[1], found[2]) if found else (None, None)


RELEASE_FILES: dict[str, tuple[Callable[[str], tuple[str | None, str | None]], str, str]] = {
    "/etc/os-release": (parse_os_release, "NAME=", "VERSION_ID="),
    "/usr/lib/os-release": (parse_os_release, "NAME=", "VERSION_ID="),
    "/etc/redhat-release": (parse_redhat_release, "Red Hat", "CentOS"),
}


def read_libc(probe: Probe) -> Facts:
    """Read name and version of the C library: from itself, else from `ldd`, as musl has only that."""
    source = "confstr(CS_GNU_LIBC_VERSION)"
    found = parse_libc(str(probe.ask("libc")))
    if not found:
        source = "ldd --version"
        # musl's ldd speaks on the error channel, and then fails
        found = parse_libc(probe.run("sh", "-c", "ldd --version 2>&1 || true") or "")
    name, version = found or (None, None)
    note = source if found else "neither confstr nor ldd tells"
    return {"system.libc": Fact(name, note), "system.libc_version": Fact(version, note)}


def parse_libc(text: str) -> tuple[str, str] | None:
    r"""Return name and version of the C library.

    >>> parse_libc("glibc 2.36")
    ('glibc', '2.36')
    >>> parse_libc("ldd (Ubuntu GLIBC 2.23-0ubuntu11.3) 2.23\nCopyright (C) 2016 …")
    ('glibc', '2.23')
    >>> parse_libc("musl libc (x86_64)\nVersion 1.2.4_git20230717\nDynamic Program Loader")
    ('musl', '1.2.4')
    >>> parse_libc("sh: ldd: not found") is None
    True
    """
    musl = re.search(r"musl libc.*?Version (\d+(?:\.\d+)+)", text, re.DOTALL)
    if musl:
        return "musl", musl[1]
    glibc = re.search(r"^(?:glibc|ldd \(.*\)) (\d+\.\d+)", text)
    return ("glibc", glibc[1]) if glibc else None


def read_wsl(probe: Probe) -> Fact:
    """Read which Windows Subsystem for Linux this is; 0 is none."""
    path = "/proc/sys/kernel/osrelease"
    text = probe.read(path)
    return Fact(parse_wsl(text), path) if text else Fact(None, f"no {path}")


def parse_wsl(release: str) -> int:
    r"""Return 1 or 2 for WSL, 0 for a Linux of its own.

    >>> [parse_wsl(text) for text in ("5.15.90.1-microsoft-standard-WSL2", "4.4.0-19041-Microsoft", "6.1.0")]
    [2, 1, 0]
    """
    if "microsoft" not in release.lower():
        return 0
    return 2 if "standard" in release or "WSL2" in release else 1


CONTAINER_FILES = {
    "/.dockerenv": "docker",
    "/run/.containerenv": "podman",
    "/.singularity.d": "singularity",
}
CONTAINER_VARIABLES = {
    "KUBERNETES_SERVICE_HOST": "kubernetes",
    "APPTAINER_CONTAINER": "apptainer",
    "SINGULARITY_CONTAINER": "singularity",
}


def read_container(probe: Probe) -> Fact:
    """Read which kind of container we are in."""
    signs = [Fact(kind, name) for name, kind in CONTAINER_VARIABLES.items() if probe.variable(name)]
    signs += [Fact(kind, path) for path, kind in CONTAINER_FILES.items() if probe.glob(path)]
    signs += [Fact(parse_cgroup(probe.read("/proc/1/cgroup") or ""), "/proc/1/cgroup")]
    signs += [Fact(probe.variable("container"), "variable container")]
    return next((sign for sign in signs if sign.value), Fact(None, "no sign of one"))


def parse_cgroup(text: str) -> str | None:
    r"""Return the kind of container that the control groups of process 1 tell of.

    >>> parse_cgroup("4:memory:/docker/0f1e\n0::/init.scope"), parse_cgroup("0::/")
    ('docker', None)
    """
    found = re.search(r"[:/.-](docker|kubepods|lxc|libpod)[/.-]", text)
    return {"kubepods": "kubernetes", "libpod": "podman"}.get(found[1], found[1]) if found else None


# ---------------------------------------------------------------- macOS, Windows and others


def read_macos(probe: Probe) -> Facts:
    """Read macOS's version, and whether Rosetta translates us."""
    translated = probe.run("sysctl", "-n", "sysctl.proc_translated")
    return {
        "system.name": Fact("macOS", "sys.platform"),
        "system.version": _fact(probe.ask("release"), "platform.mac_ver"),
        # Intel Macs do not know the question.
        "system.rosetta": Fact((translated or "0").strip() == "1", "sysctl.proc_translated"),
        **_have_no_libc("macOS"),
    }


def read_windows(probe: Probe) -> Facts:
    """Read Windows' version, and what only Windows has."""
    return {
        "system.name": Fact("Windows", "sys.platform"),
        "system.version": _fact(probe.ask("release"), "platform.version"),
        "system.rosetta": Fact(value=False, note="only macOS has it"),
        "long_paths": _fact(probe.ask("long_paths"), "registry: LongPathsEnabled"),
        "wsl": read_distributions(probe),
        **read_runtimes(probe),
        **_have_no_libc("Windows"),
    }


def read_other(_: Probe) -> Facts:
    """Say of a system that no build is made for what can be said."""
    return {"system.name": Fact(None, "tfup does not know this system")}


def _have_no_libc(system: str) -> Facts:
    reason = f"{system} has its own C library, without a choice"
    foreign = () if system == "Windows" else ("long_paths", "wsl")
    return {
        "system.libc": Fact(None, reason),
        "system.libc_version": Fact(None, reason),
        "system.wsl": Fact(0, "sys.platform"),
        "container": Fact(None, "only looked for on Linux"),
        **dict.fromkeys(foreign, Fact(None, "only Windows asks")),
    }


def _fact(value: object, source: str) -> Fact:
    return Fact(value, source) if value is not None else Fact(None, f"{source} does not say")


SYSTEMS = {"linux": read_linux, "macos": read_macos, "windows": read_windows}
