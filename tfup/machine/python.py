"""The interpreters that are here: looked for in every usual place, and asked, not guessed.

Whatever a candidate is (a link, a virtual environment, a wrapper), what counts is the interpreter
that it leads to; and that one counts once.
"""

from __future__ import annotations

import re
from functools import partial
from glob import escape
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import ValidationError, convert
from packaging.version import Version

from tfup.machine.concurrency import run_together
from tfup.machine.fact import Fact, Facts, list_facts
from tfup.machine.interpreters import Answer, is_interpreter
from tfup.machine.system import NARROW, name_architecture, name_system
from tfup.machine.windows import find_runtimes
from tfup.model import Interpreter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tfup.machine.probe import Probe

ALL_SECONDS = 25.0
ASKED = "PATH and the usual folders, each asked"

# The shims of pyenv, asdf and mise change with the folder; the Store's stubs open the Store.
_SHIM = re.compile(r"[/\\](?:shims|WindowsApps)[/\\]", re.IGNORECASE)

_STORE = re.compile(r"[/\\]WindowsApps[/\\]", re.IGNORECASE)

CONDA = ("anaconda3", "miniconda3", "miniforge3", "mambaforge", "micromamba")
PYTHONS = "py[pt][hy]*"  # python and pypy, of any version

PLACES = {
    "linux": (
        f"/usr/bin/{PYTHONS}", f"/usr/local/bin/{PYTHONS}", f"/usr/local/python*/bin/{PYTHONS}",
        f"/opt/*/bin/{PYTHONS}", f"/opt/python/*/bin/{PYTHONS}", f"/opt/rh/*/*/usr/bin/{PYTHONS}",
        "/usr/libexec/platform-python",
        f"{{home}}/.local/bin/{PYTHONS}", "{pyenv}/versions/*/bin/python", "{uv}/*/bin/python3",
        "{home}/.local/share/mise/installs/python/*/bin/python", "{home}/.asdf/installs/python/*/bin/python",
        *(f"{root}/{conda}{rest}" for root in ("{home}", "/opt") for conda in CONDA for rest in
          ("/bin/python", "/envs/*/bin/python")),
        "/opt/conda/bin/python", "/opt/conda/envs/*/bin/python",
    ),
    "macos": (
        "/usr/bin/python3", "/usr/bin/python2.7", f"/usr/local/bin/{PYTHONS}", f"/opt/homebrew/bin/{PYTHONS}",
        "/Library/Frameworks/Python.framework/Versions/*/bin/python3",
        "/Library/Frameworks/Python.framework/Versions/2.7/bin/python2.7",
        *(f"{brew}/opt/python@*/bin/python3.*" for brew in ("/usr/local", "/opt/homebrew")),
        f"/opt/local/bin/{PYTHONS}",
        f"{{home}}/.local/bin/{PYTHONS}", "{pyenv}/versions/*/bin/python", "{uv}/*/bin/python3",
        "{home}/.local/share/mise/installs/python/*/bin/python", "{home}/.asdf/installs/python/*/bin/python",
        *(f"{root}/{conda}{rest}" for root in ("{home}", "{home}/opt", "/opt") for conda in CONDA for rest in
          ("/bin/python", "/envs/*/bin/python")),
        *(f"{brew}/Caskroom/{conda}/base{rest}" for brew in ("/usr/local", "/opt/homebrew")
          for conda in ("miniconda", "miniforge") for rest in ("/bin/python", "/envs/*/bin/python")),
    ),
    "windows": (
        r"C:\Python*\python.exe", r"{programs}\Python*\python.exe", r"{programs32}\Python*\python.exe",
        r"{local}\Programs\Python\*\python.exe", r"{local}\Python\*\python.exe",
        r"{pyenv}\versions\*\python.exe", r"{uv}\*\python.exe", r"{home}\scoop\apps\python*\*\python.exe",
        *(f"{root}\\{conda}{rest}" for root in ("{home}", "{local}", r"C:\ProgramData", "C:")
          for conda in CONDA for rest in (r"\python.exe", r"\envs\*\python.exe")),
    ),
}  # fmt: skip

MANAGERS = (
    ("uv", r"[/\\]uv[/\\]python[/\\]"),
    ("pyenv", r"[/\\]\.pyenv[/\\]|[/\\]pyenv-win[/\\]"),
    ("homebrew", r"/Cellar/|/homebrew/|/linuxbrew/|/usr/local/opt/python@"),
    ("macports", r"^/opt/local/"),
    ("mise", r"/mise/installs/"),
    ("asdf", r"/\.asdf/"),
    ("scoop", r"\\scoop\\apps\\"),
    ("python.org", r"^/Library/Frameworks/Python\.framework/|\\Programs\\Python\\|\\Python\\pythoncore-"),
    ("system", r"^/usr/bin/|^/bin/|^/usr/libexec/|^/System/|^/Library/Developer/|^/Applications/Xcode"),
)
"""Who takes care of an interpreter, by its path; the first that fits."""


def read_pythons(probe: Probe) -> Facts:
    """Find the interpreters, the newest first."""
    paths = [path for path in _list_paths(probe) if is_interpreter(path)]
    answers = interview_all(probe, find_candidates(probe, paths))
    private = f"{probe.ask('cache')}"
    found = {
        answer.executable: describe(answer, probe)
        for answer in answers.values()
        if answer and not is_inside(answer.executable, private)
    }
    silent = dict.fromkeys((path for path, answer in answers.items() if not answer), "it gave no answer")
    reasons = tell_stubs(probe, paths) | silent
    items = [(python, ASKED) for python in sorted(found.values(), key=_rank)]
    return list_facts("pythons", items, ASKED) | {
        f"pythons[{path}]": Fact(None, reason) for path, reason in reasons.items()
    }


def is_inside(path: str, folder: str) -> bool:
    r"""Tell whether a path lies in a folder: an interpreter in our cache goes with `tfup clean`.

    >>> is_inside("/home/user/.cache/tfup/python/bin/python3", "/home/user/.cache/tfup")
    True
    >>> is_inside("/usr/bin/python3", "None"), is_inside(r"C:\tfup2\python.exe", r"C:\tfup")
    (False, False)
    """
    return path.startswith((f"{folder}/", f"{folder}\\"))


def _rank(python: Interpreter) -> tuple[tuple[int, ...], str]:
    version = Version(python.version)
    newest_first = tuple(-number for number in version.release)
    return (*newest_first, int(version.is_prerelease)), python.path


# ---------------------------------------------------------------- where they may be


def find_candidates(probe: Probe, paths: Iterable[str]) -> list[str]:
    """Return the real paths of all that may be an interpreter, sorted."""
    real = {probe.ask("real_path", path) or path for path in paths if not _SHIM.search(path)}
    return sorted(path for path in map(str, real) if not _SHIM.search(path) and not _is_stub(probe, path))


def tell_stubs(probe: Probe, paths: Iterable[str]) -> dict[str, str]:
    """Say of the names that lead to no interpreter of use where they lead."""
    apples = "Apple's stub, which asks to install the developer tools: xcode-select --install"
    told = {path: apples for path in paths if _is_stub(probe, path)}
    from_store = [path for path in paths if _STORE.search(path)]
    return told | (dict.fromkeys(from_store, tell_store(probe)) if from_store else {})


def tell_store(probe: Probe) -> str:
    """Say what the names of the Microsoft Store are: stubs of no bytes, until its Python is installed."""
    store = escape(probe.variable("LOCALAPPDATA") or "") + r"\Microsoft\WindowsApps"
    if probe.glob(rf"{store}\PythonSoftwareFoundation.Python.*"):
        return "of the Microsoft Store, which redirects folders and lengthens paths: another is taken"
    return "a stub that opens the Microsoft Store"


def _list_paths(probe: Probe) -> Iterable[str]:
    own = probe.ask("own_interpreter")
    yield from [str(own)] if own else []
    for question in ("interpreters_on_path", "registered_interpreters"):
        paths = probe.ask(question)
        yield from paths if isinstance(paths, list) else []
    if name_system(probe) == "windows":
        yield from ask_launcher(probe)
    for pattern in list_patterns(probe):
        yield from probe.glob(pattern)


def ask_launcher(probe: Probe) -> list[str]:
    """Return the interpreters that the launcher of Windows knows."""
    programs = probe.ask("programs", "py")
    launcher = programs[0] if isinstance(programs, list) and programs else None
    return parse_launcher(probe.run(launcher, "-0p") or "") if launcher else []


def parse_launcher(text: str) -> list[str]:
    r"""Return the interpreters of `py -0p`; old and new launchers put the star of the default elsewhere.

    >>> parse_launcher(" -V:3.12 *     C:\\Python312\\python.exe\n -3.7-64     C:\\My Py\\python.exe *\n")
    ['C:\\Python312\\python.exe', 'C:\\My Py\\python.exe']
    """
    return re.findall(r"^\s*-\S+ +(?:\* +)?(\S.*?\.exe)(?: +\*)?\s*$", text, re.MULTILINE)


def list_patterns(probe: Probe) -> list[str]:
    """Return the patterns of the places where this system may keep interpreters."""
    system = name_system(probe)
    folders = {name: escape(folder) for name, folder in list_folders(probe, system).items()}
    places = [place.format_map(folders) for place in PLACES.get(system, PLACES["linux"])]
    program = r"\python.exe" if system == "windows" else "/bin/python"
    return places + [escape(folder) + program for folder in list_conda_environments(probe)]


def list_folders(probe: Probe, system: str) -> dict[str, str]:
    """Return the folders that a person may have moved."""
    home = str(probe.ask("home") or "/nonexistent")
    windows = system == "windows"
    data = probe.variable("APPDATA") if windows else probe.variable("XDG_DATA_HOME") or f"{home}/.local/share"
    uv = rf"{data}\uv\python" if windows else f"{data}/uv/python"
    pyenv = rf"{home}\.pyenv\pyenv-win" if windows else f"{home}/.pyenv"
    return {
        "home": home,
        "pyenv": (probe.variable("PYENV_ROOT") or pyenv).rstrip("/\\"),
        "uv": probe.variable("UV_PYTHON_INSTALL_DIR") or uv,
        "local": probe.variable("LOCALAPPDATA") or rf"{home}\AppData\Local",
        "programs": probe.variable("PROGRAMFILES") or r"C:\Program Files",
        "programs32": probe.variable("PROGRAMFILES(X86)") or r"C:\Program Files (x86)",
    }


def list_conda_environments(probe: Probe) -> list[str]:
    """Return the environments that conda keeps a list of, and the one that is active."""
    listed = (probe.read(f"{probe.ask('home')}/.conda/environments.txt") or "").split("\n")
    active = probe.variable("CONDA_PREFIX") or ""
    return sorted({folder.strip() for folder in (*listed, active) if folder.strip()})


def _is_stub(probe: Probe, path: str) -> bool:
    """Tell whether macOS would open a dialog instead: its /usr/bin/python3 needs the developer tools."""
    is_apples = name_system(probe) == "macos" and path.startswith("/usr/bin/python3")
    return is_apples and probe.run("/usr/bin/xcode-select", "-p") is None


# ---------------------------------------------------------------- what they say


def interview_all(probe: Probe, paths: Iterable[str]) -> dict[str, Answer | None]:
    """Ask each, and the interpreters behind virtual environments and wrappers too; by real path."""
    answers: dict[str, Answer | None] = {}
    todo = set(paths)
    while todo:
        answers |= _interview_some(probe, sorted(todo))
        behind = {behind_of(path, answer, probe) for path, answer in answers.items() if answer}
        todo = {path for path in behind if path} - set(answers)
    direct = (path for path, answer in answers.items() if not answer or not behind_of(path, answer, probe))
    return {path: answers[path] for path in sorted(direct)}


def _interview_some(probe: Probe, paths: list[str]) -> dict[str, Answer | None]:
    answers = run_together([partial(interview, probe, path) for path in paths], ALL_SECONDS)
    return dict(zip(paths, answers, strict=True))


def interview(probe: Probe, path: str) -> Answer | None:
    """Return the answer of one interpreter, None where it has none or a senseless one."""
    try:
        answer = convert(probe.ask("python", path), Answer | None)
        return answer if answer and Version(answer.version) else None
    except (ValidationError, ValueError):
        return None


def behind_of(path: str, answer: Answer, probe: Probe) -> str | None:
    """Return the interpreter that this one leads to, None if it is one itself."""
    if answer.prefix != answer.base_prefix:
        return find_base(answer, probe)
    real = probe.ask("real_path", answer.executable)
    return str(real) if real and real != path else None


def find_base(answer: Answer, probe: Probe) -> str | None:
    """Return the interpreter that a virtual environment was made from."""
    minor = ".".join(answer.version.split(".")[:2])
    usual = f"{answer.base_prefix}/bin/python{minor}", f"{answer.base_prefix}\\python.exe"
    paths = (probe.ask("real_path", path) for path in (answer.base_executable, *usual) if path)
    return next((str(path) for path in paths if path and path != answer.executable), None)


def describe(answer: Answer, probe: Probe) -> Interpreter:
    """Put an answer into our words."""
    return Interpreter(
        path=answer.executable,
        version=answer.version,
        implementation=answer.implementation,
        bits=answer.bits,
        arch=name_process(answer.machine, answer.bits),
        abi=answer.abi,
        free_threaded=answer.free_threaded,
        managed_by=name_manager(answer, probe),
        runtimes=read_beside(answer.executable, probe),
    )


def read_beside(executable: str, probe: Probe) -> dict[str, str]:
    """Return the C++ runtimes that an interpreter of Windows brings."""
    return find_runtimes(probe, executable.rpartition("\\")[0]) if name_system(probe) == "windows" else {}


def name_process(machine: str, bits: int) -> str:
    """Return the architecture that the interpreter was built for; the kernel may be of 64 bits, and it of 32.

    >>> name_process("x86_64", 32), name_process("win-amd64", 64), name_process("win32", 32)
    ('i686', 'x86_64', 'i686')
    """
    machine = "x86" if machine == "win32" else machine.removeprefix("win-")
    name = name_architecture(machine)
    return NARROW.get(name, name) if bits == 32 else name  # noqa: PLR2004 (a width, not magic)


def name_manager(answer: Answer, probe: Probe) -> str | None:
    """Return who takes care of an interpreter; conda by its own mark, the others by their folders."""
    if answer.conda:
        return "conda"
    folders = list_folders(probe, name_system(probe))
    moved = (name for name in ("uv", "pyenv") if answer.executable.startswith(folders[name]))
    usual = (name for name, pattern in MANAGERS if re.search(pattern, answer.executable))
    return next(chain(moved, usual), None)
