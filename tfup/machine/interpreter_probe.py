# Python 2.7 must parse it:
# ruff: noqa: E402, PLR2004, PTH112, PTH118, T201, UP031
# mypy: disable-error-code="arg-type, attr-defined, unreachable"
"""Run by an interpreter that we know nothing about: it prints what it is, as one line of JSON.

Python 2.7 to the newest, standard library only, no function, no f-string, no annotation.
The line begins with a marker, for start-up hooks may print too.
"""

import sys

# "" is the current folder, where a stranger's json.py may lie.
sys.path[:] = [folder for folder in sys.path if folder]

import json
import os
import sysconfig

major, minor, micro, level, serial = sys.version_info[:5]
flags = getattr(sys, "abiflags", None)
stage = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(level)
pypy = hasattr(sys, "pypy_version_info")
bits = 64 if sys.maxsize > 2**32 else 32
free = "free-threading" in sys.version or "t" in (flags or "")

if pypy:
    abi = "_".join((sysconfig.get_config_var("SOABI") or "").split("-")[:2])
elif major == 2:
    # CPython 2.7 has no flags of its own: it is "m" with its own allocator, "u" with wide characters.
    pymalloc = sysconfig.get_config_var("WITH_PYMALLOC") in (1, None)
    abi = "cp%d%d%s%s" % (major, minor, "m" if pymalloc else "", "u" if sys.maxunicode > 0xFFFF else "")
elif flags is None:
    # Windows before 3.14 has no flags either; "m" was dropped with 3.8.
    abi = "cp%d%d%s" % (major, minor, "t" if free else "m" if minor < 8 else "")
else:
    abi = "cp%d%d%s" % (major, minor, flags)

answer = {
    "executable": sys.executable,
    "version": "%d.%d.%d" % (major, minor, micro) + ("%s%d" % (stage, serial) if stage else ""),
    "implementation": "pypy" if pypy else getattr(getattr(sys, "implementation", None), "name", "cpython"),
    "bits": bits,
    "machine": os.uname()[4] if hasattr(os, "uname") else sysconfig.get_platform(),
    "abi": abi or None,
    "free_threaded": free,
    "prefix": sys.prefix,
    # Old virtualenvs say real_prefix, venv and newer virtualenvs base_prefix.
    "base_prefix": getattr(sys, "real_prefix", None) or getattr(sys, "base_prefix", sys.prefix),
    "base_executable": getattr(sys, "_base_executable", None),
}
answer["conda"] = os.path.isdir(os.path.join(answer["base_prefix"], "conda-meta"))

# Paths are bytes on POSIX: whatever the locale makes of them, we read them as UTF-8.
for name in ("executable", "prefix", "base_prefix", "base_executable"):
    path = answer[name]
    if path and hasattr(os, "fsencode"):
        path = os.fsencode(path)
    answer[name] = path.decode("utf-8", "replace") if isinstance(path, bytes) else path

if __name__ == "__main__":
    print("\ntfup-interview: " + json.dumps(answer))
