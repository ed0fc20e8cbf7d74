#!/bin/sh
# Locks the versions and hashes of everything that tfup and its tests are made of: ./tools/lock_requirements.sh [--upgrade]
# The files carry no address, so that each person's own index serves them.
set -eu

lock() { # SOURCE, and more arguments of `uv pip compile`
    "${python%/*}/uv" pip compile --quiet --universal --python-version 3.10 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}

main() {
    CDPATH='' cd -- "$(dirname "$0")/.."
    root=.
    # shellcheck source-path=SCRIPTDIR/.. source=installers/unix/bootstrap.sh
    . ./installers/unix/bootstrap.sh
    environment requirements/tfup.txt
    lock pyproject.toml --output-file requirements/tfup.txt "$@"
    lock pyproject.toml --group dev --constraints requirements/tfup.txt --output-file requirements/dev.txt "$@"
    echo uv | lock - --constraints requirements/tfup.txt --output-file requirements/uv.txt
}

main "$@"
