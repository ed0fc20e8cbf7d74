#!/bin/sh
# Locks the versions and hashes of all that tfup, its tests and the sdists it installs are made with:
# ./tools/lock_requirements.sh [--upgrade]
# The files carry no address, so that each person's own index serves them.
set -eu

lock() { # OLDEST PYTHON, SOURCE, and more arguments of `uv pip compile`
    "${python%/*}/uv" pip compile --quiet --universal --generate-hashes --python-version "$@" \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links
}

main() {
    CDPATH='' cd -- "$(dirname "$0")/.."
    root=.
    # shellcheck source-path=SCRIPTDIR/.. source=installers/unix/bootstrap.sh
    . ./installers/unix/bootstrap.sh
    environment requirements/tfup.txt
    lock 3.10 pyproject.toml --output-file requirements/tfup.txt "$@"
    lock 3.10 pyproject.toml --group dev --constraints requirements/tfup.txt --output-file requirements/dev.txt "$@"
    echo virtualenv==20.15.1 | lock 3.10 - --output-file tfup/data/builds/virtualenv.txt # the last that makes environments of 2.7
    echo uv | lock 3.10 - --constraints requirements/tfup.txt --output-file requirements/uv.txt
    # setuptools 58 gave up use_2to3, with which the sdists of 2012 still turn themselves into Python 3
    printf 'setuptools<58 ; python_version < "3.7"\nsetuptools ; python_version >= "3.7"\nwheel\n' |
        lock 3.6 - --fork-strategy requires-python --output-file tfup/data/builds/builders.txt "$@"
}

main "$@"
