"""Stands in for curl.exe of Windows, as far as our scripts use it."""

import argparse
import re
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

parser = argparse.ArgumentParser()
for flag in (
    "--fail",
    "--silent",
    "--show-error",
    "--location",
    "--netrc-optional",
    "--progress-bar",
    "--ssl-no-revoke",
):
    parser.add_argument(flag, action="store_true")
for option in ("--config", "--output", "--retry", "--connect-timeout", "--cacert", "--proxy"):
    parser.add_argument(option)
options = parser.parse_args()

address = re.search(r'url = "(.*)"', Path(options.config).read_text(encoding="utf-8"))[1]
trust = ssl.create_default_context(cafile=options.cacert or "/etc/ssl/certs/ca-certificates.crt")
try:
    with urllib.request.urlopen(address, timeout=60, context=trust) as answer:  # noqa: S310 - as curl does
        Path(options.output).write_bytes(answer.read())
except urllib.error.HTTPError as error:
    sys.exit(f"curl: (22) The requested URL returned error: {error.code}")
except OSError as error:
    sys.stderr.write(f"curl: (7) Failed to connect: {error}\n")
    sys.exit(7)
