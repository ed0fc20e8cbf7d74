"""Which conda program is taken, what it is told, and what its failures mean, as people sent them in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfup.errors import IndexUnreachable, InstallFailed, TfupError, Unresolvable, WrongFile
from tfup.machine.live import Live
from tfup.machine.probe import Answers, Recording
from tfup.machine.tools import read_tool
from tfup.managers import conda_programs
from tfup.managers.conda_failures import explain
from tfup.managers.conda_programs import Program
from tfup.match.search import match
from tfup.model import Cpu, Interpreter, Machine, Match, System, Wish

INFORMATION = json.dumps({"platform": "linux-64", "conda_version": "24.1.0"})


def program(path: Path, says: str = INFORMATION) -> str:
    """Write a program that answers `info --json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nprintf '%s' '{says}'\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def found(home: Path, **variables: str) -> Program:
    """Return the program that a person with this home and nothing else has."""
    return conda_programs.find(Live({"HOME": str(home), "PATH": str(home / "path")} | variables), home)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("path/conda", "conda"),
        ("path/pixi", "pixi"),
        ("miniforge3/bin/conda", "conda"),
        ("anaconda3/bin/conda", "conda"),
        ("mambaforge/bin/mamba", "mamba"),
        (".local/bin/micromamba", "micromamba"),
        ("bin/micromamba", "micromamba"),
        (".pixi/bin/pixi", "pixi"),
    ],
)
def test_a_program_is_found_where_its_installer_put_it(tmp_path: Path, place: str, name: str) -> None:
    """On the PATH, and in the folders that a shell would know of if it had been asked."""
    path = program(tmp_path / place)

    assert Program(name, path) == found(tmp_path)


@pytest.mark.parametrize(
    ("variable", "file", "name"),
    [
        ("CONDA_EXE", "conda", "conda"),
        ("MAMBA_EXE", "mamba", "mamba"),
        ("MAMBA_EXE", "micromamba", "micromamba"),
    ],
)
def test_a_function_of_the_shell_is_followed(tmp_path: Path, variable: str, file: str, name: str) -> None:
    """Activation leaves a variable with the path; MAMBA_EXE may be either of two."""
    path = program(tmp_path / "elsewhere" / file)

    assert Program(name, path) == found(tmp_path, **{variable: path})


def test_the_path_goes_before_the_usual_folders(tmp_path: Path) -> None:
    """Who has micromamba at hand means it, whatever an installer left in the home once."""
    program(tmp_path / "anaconda3" / "bin" / "conda")
    path = program(tmp_path / "path" / "micromamba")

    assert Program("micromamba", path) == found(tmp_path)


def test_what_only_has_the_name_is_passed_over(tmp_path: Path) -> None:
    """An answer that is not theirs, or none at all."""
    program(tmp_path / "path" / "conda", "usage: conda")
    program(tmp_path / "path" / "mamba", "{}")
    path = program(tmp_path / "path" / "pixi")

    assert Program("pixi", path) == found(tmp_path)


def test_none_at_all_is_told_with_what_to_type(tmp_path: Path) -> None:
    """Nothing is installed behind the person's back."""
    with pytest.raises(InstallFailed) as caught:
        conda_programs.find(Recording(Answers()), tmp_path)

    assert ("tfup install --manager pipenv", "conda, mamba, micromamba or pixi") == (
        caught.value.hint,
        caught.value.needs[0].needs.partition(", on")[0],
    )


def test_windows_has_folders_of_its_own() -> None:
    """Miniforge for one user, and micromamba where its script puts it."""
    home = r"C:\Users\ann"
    conda, micromamba = (
        rf"{home}\miniforge3\Scripts\conda.exe",
        rf"{home}\AppData\Local\micromamba\micromamba.exe",
    )
    answers = Answers(
        ask={"platform": "win32", "home": home},
        glob={conda: [conda], micromamba: [micromamba]},
        run={f"{conda} --version": "conda 24.9.2", f"{micromamba} --version": "2.0.5"},
    )

    assert ("24.9.2", "2.0.5") == tuple(
        read_tool(Recording(answers), name, None, deep=True).value for name in ("conda", "micromamba")
    )


def test_conda_keeps_its_settings_and_loses_those_of_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONDA_… and proxies reach it, PYTHONPATH and an active venv do not; what it would ask is answered."""
    for name in ("CONDA_CHANNEL_ALIAS", "https_proxy", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "x")

    variables = conda_programs.environment()

    assert {"CONDA_CHANNEL_ALIAS", "https_proxy"} <= variables.keys()
    assert {"PYTHONPATH", "VIRTUAL_ENV"}.isdisjoint(variables)
    assert "true" == variables["CONDA_ALWAYS_YES"] == variables["MAMBA_ALWAYS_YES"]


def test_what_activates_is_the_words_of_the_program() -> None:
    """A prefix with a space in it is quoted."""
    prefix = Path("/a b/.venv")

    assert "micromamba activate '/a b/.venv'" == conda_programs.activation("micromamba", prefix)
    assert "pixi shell --manifest-path '/a b/.venv/pixi.toml'" == conda_programs.activation("pixi", prefix)


# ---------------------------------------------------------------- the plan

LINUX = System("linux", "Debian GNU/Linux", "12", "x86_64", "glibc", "2.36")
OLD_PYTHON = Interpreter("/usr/bin/python3.6", "3.6.9", abi="cp36m", bits=64, arch="x86_64")


def planned(*requirements: str, python: str | None = None) -> Match:
    """Return what is matched for conda on a machine that has one old Python."""
    machine = Machine(system=LINUX, cpu=Cpu(features=("avx", "avx2", "fma")), pythons=(OLD_PYTHON,))
    return match(machine, Wish(requirements, python=python, manager="conda"))


@pytest.mark.parametrize(
    ("wish", "python", "expected"),
    [
        ("tensorflow==1.15.*", None, ("1.15.5", "3.7", "obtain", None)),
        ("tensorflow==1.4.1", "2.7", ("1.4.1", "2.7", "obtain", None)),
        ("tensorflow==2.10.1", "3.10.13", ("2.10.1", "3.10.13", "obtain", None)),
    ],
)
def test_conda_brings_the_python_whatever_is_here(
    wish: str, python: str | None, expected: tuple[str | None, ...]
) -> None:
    """Those that uv cannot fetch, too; the Pythons of the machine are not used."""
    choice = planned(wish, python=python).choice

    assert choice
    assert expected == (choice.version, choice.python, choice.python_from, choice.python_path)


def test_a_python_that_conda_lacks_is_the_obstacle() -> None:
    """What would help is another manager: a Python of the person's own would not be used."""
    nearest = planned("tensorflow==1.4.1", python="3.4").nearest

    assert nearest
    assert [("python", "CPython 3.4 from conda", "choose another manager or Python")] == [
        (one.name, one.needs, one.remedy) for one in nearest.obstacles
    ]


# ---------------------------------------------------------------- failures

CONDA_CONFLICT = """\
Channels:
 - conda-forge
Platform: linux-64
Collecting package metadata (repodata.json): ...working... done
Solving environment: ...working... failed

LibMambaUnsatisfiableError: Encountered problems while solving:
  - nothing provides __cuda needed by pytorch-1.13.0-cuda112py310he33e0d6_200
"""  # mamba-org/provision-with-micromamba#107, in conda's own frame
MAMBA_CONFLICT = """\
warning  libmamba The specification of the environment does not seem solvable in your current setup.
error    libmamba Could not solve for environment specs
    The following packages are incompatible
    ├─ cuda-version 12.2**  is installable and it requires
    │  └─ cudatoolkit 12.2|12.2.* , which can be installed;
    └─ cudatoolkit is not installable because it conflicts with any installable versions previously reported.
"""  # torchmd/torchmd-net#249
PIXI_CONFLICT = """\
Error:   \u00d7 failed to solve requirements of environment 'default' for platform 'linux-64'
  ├─▶   \u00d7 failed to solve the environment
  │
  ╰─▶ Cannot solve the request because of: No candidates were found for build *.
"""  # Deltares/Ribasim#1763 and RoboStack/ros-kilted#77
OLD_CONDA = """\
Collecting package metadata (repodata.json): ...working... done
Solving environment: ...working... failed

ResolvePackageNotFound:
  - python=3.99
"""
CHANNEL_GONE = """\
Collecting package metadata (repodata.json): ...working... failed

UnavailableInvalidChannel: HTTP 404 NOT FOUND for channel conda-forge <https://mirror.example/conda-forge>

The channel is not accessible or is invalid.

You will need to adjust your conda configuration to proceed.
"""  # conda/conda#13823
MAMBA_GONE = """\
critical libmamba Multiple errors occured:
    Multi-download failed. Reason: Transfer finalized, status: 404 [https://mirror.example/noarch/repodata.json]
    Subdir https://mirror.example/noarch not loaded!
"""  # mamba-org/mamba#2203
NO_NETWORK = """\
Collecting package metadata (current_repodata.json): failed

CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://mirror.example/conda-forge/linux-64/current_repodata.json>
Elapsed: -

An HTTP error occurred when trying to retrieve this URL.
HTTP errors are often intermittent, and a simple retry will get you on your way.
"""  # Archiconda/build-tools#31
NO_HOST = """\
critical libmamba Multiple errors occured:
    Download error (6) Couldn't resolve host name [https://mirror.example/bioconda/linux-64/repodata.json.zst]
"""  # mamba-org/mamba#3536
CERTIFICATE = """\
CondaSSLError: Encountered an SSL error. Most likely a certificate verification issue.

Exception: HTTPSConnectionPool(host='mirror.example', port=443): Max retries exceeded (Caused by SSLError(
SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed')))
"""
TERMS = """\
CondaToSNonInteractiveError: Terms of Service have not been accepted for the following channels. Please accept or remove them before proceeding:
    - https://channels.example/pkgs/main
    - https://channels.example/pkgs/r

To accept these channels' Terms of Service, run the following commands:
"""  # noqa: E501 - a single line there, too; from Anaconda's page on its terms
NOT_WRITABLE = """\
NoWritablePkgsDirError: No writeable pkgs directories configured.
  - /opt/conda/pkgs
"""
FULL = "NoSpaceLeftError: No space left on devices.\n"
CHECKSUM = """\
ChecksumMismatchError: Conda detected a mismatch between the expected content and downloaded content
for url 'https://mirror.example/conda-forge/linux-64/python-3.13.5-hec9711d_102_cp313.conda'.
"""


@pytest.mark.parametrize(
    ("text", "name", "error", "words", "hint"),
    [
        (CONDA_CONFLICT, "conda", Unresolvable, "nothing provides __cuda", "tfup detect"),
        (MAMBA_CONFLICT, "mamba", Unresolvable, "cuda-version 12.2**", "mamba config list"),
        (PIXI_CONFLICT, "pixi", Unresolvable, "No candidates were found", "pixi config list"),
        (OLD_CONDA, "conda", Unresolvable, "python=3.99", "conda config --show"),
        (CHANNEL_GONE, "conda", IndexUnreachable, "for channel conda-forge", "conda config --show channels"),
        (MAMBA_GONE, "micromamba", IndexUnreachable, "status: 404", "micromamba config list"),
        (NO_NETWORK, "conda", IndexUnreachable, "HTTP 000 CONNECTION FAILED", "conda config --show"),
        (NO_HOST, "mamba", IndexUnreachable, "Couldn't resolve host name", "mamba config list"),
        (CERTIFICATE, "conda", IndexUnreachable, "CondaSSLError", "ssl_verify"),
        (TERMS, "conda", InstallFailed, "pkgs/main, ", "conda tos accept"),
        (NOT_WRITABLE, "conda", InstallFailed, "NoWritablePkgsDirError", "conda info"),
        (FULL, "micromamba", InstallFailed, "a full disk", "micromamba clean --all"),
        (CHECKSUM, "conda", WrongFile, "mismatch", "conda config --show"),
        ("Segmentation fault\n", "pixi", InstallFailed, "Segmentation fault", "tfup doctor"),
    ],
)
def test_what_a_program_says_becomes_an_error_to_act_upon(
    text: str, name: str, error: type[TfupError], words: str, hint: str
) -> None:
    """Its kind, the line that tells why, and one command; whole sentences, and no decoration."""
    told = explain(text, name, log="log.txt")

    assert (error, "log.txt") == (type(told), told.log)
    assert words in str(told.needs[0].found)
    assert hint in str(told.hint)
    assert told.sentence.endswith(".")
    assert {"├", "╰", "\u00d7", "libmamba"}.isdisjoint(str(told.needs[0].found).split())


def test_a_token_in_the_address_of_a_channel_is_hidden() -> None:
    """Private channels carry their password in the path."""
    text = NO_NETWORK.replace("mirror.example/", "joe:pass@mirror.example/t/xy-1234/")

    assert {"xy-1234", "joe", "pass"}.isdisjoint(
        str(explain(text, "conda").needs[0].found).replace("/", " ").split()
    )


def test_offline_what_is_missing_is_missing_in_the_cache() -> None:
    """No advice about channels where none was asked."""
    told = explain(OLD_CONDA, "conda", offline=True)

    assert (IndexUnreachable, "tfup install --manager conda") == (type(told), told.hint)
