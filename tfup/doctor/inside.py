# Python 2.7 must parse it:
# ruff: noqa: E402, PTH111, T201
# mypy: disable-error-code="arg-type, attr-defined, union-attr, unreachable"
"""Run by the Python of an environment: it prints where it looks for modules, as one line of JSON.

Python 2.7 to the newest, standard library only, no function, no f-string, no annotation. It imports
nothing that is installed, and the line begins with a marker, for start-up hooks may print too.
"""

import sys

# "" is the current folder, where a stranger's json.py may lie.
sys.path[:] = [folder for folder in sys.path if folder]

import json
import os
import platform
import site

home = os.path.expanduser("~")
user_site = getattr(site, "getusersitepackages", lambda: None)()
implementation = "pypy" if hasattr(sys, "pypy_version_info") else platform.python_implementation().lower()
flags = getattr(sys, "abiflags", "")

answer = {
    "executable": sys.executable,
    "version": ".".join(str(number) for number in sys.version_info[:3]),
    "implementation": implementation,
    "bits": 64 if sys.maxsize > 2**32 else 32,
    "free_threaded": "free-threading" in sys.version or "t" in flags,
    "machine": platform.machine(),
    "system": platform.system(),
    "platform": sys.platform,
    "os_name": os.name,
    "prefix": sys.prefix,
    "path": list(sys.path),
    "user_site": user_site if getattr(site, "ENABLE_USER_SITE", False) else None,
}

# Paths are bytes on POSIX: whatever the locale makes of them, we read them as UTF-8.
if hasattr(os, "fsencode"):
    for name in ("executable", "prefix", "user_site"):
        answer[name] = answer[name] and os.fsencode(answer[name]).decode("utf-8", "replace")
    answer["path"] = [os.fsencode(folder).decode("utf-8", "replace") for folder in answer["path"]]

if __name__ == "__main__":
    print("\ntfup-inside: " + json.dumps(answer))
