#!/bin/sh
# Lints and tests, bringing all that they need: ./tests/run.sh [--quick | --all] [ARGUMENTS OF PYTEST]
# --quick leaves out what asks the network or installs real programs, --all adds what takes minutes.
set -eu

lint() { # every linter speaks, whatever the one before it said
    status=0
    "$tools/ruff" check --quiet . || status=1
    "$tools/ruff" format --quiet --diff . || status=1
    "$python" -m mypy --no-error-summary || status=1
    find . -name .git -prune -o \( -name '*.sh' -o -name '*.command' -o -path './.ci/*' -o -path './installers/windows/build' \) -exec "$tools/shellcheck" --external-sources {} + || status=1
    return "$status"
}

main() {
    CDPATH='' cd -- "$(dirname "$0")/.."
    root=.
    # shellcheck source-path=SCRIPTDIR/.. source=installers/unix/bootstrap.sh
    . ./installers/unix/bootstrap.sh
    environment requirements/dev.txt
    tools=${python%/*}
    export RUFF_CACHE_DIR="$cache/ruff" MYPY_CACHE_DIR="$cache/mypy" HYPOTHESIS_STORAGE_DIRECTORY="$cache/hypothesis"

    which='not slow'
    case ${1:-} in
        (--quick) which='not network and not real and not slow' && shift ;;
        (--all) which='' && shift ;;
    esac
    verdict=0
    lint || verdict=$?
    "$python" -X pycache_prefix="$cache/bytecode" -m pytest -o cache_dir="$cache/pytest" -n auto --dist loadfile -m "$which" "$@" || verdict=$?
    exit "$verdict"
}

main "$@"
