#!/bin/sh
# What ./install.sh hands over to: runs tfup of this clone in its private environment, made on the first run.
set -eu

main() {
    if is_translated; then
        exec arch -arm64 sh "$0" "$@"
    fi
    case $0 in
        (*/*) root=${0%/*}/../.. ;;
        (*) root=../.. ;;
    esac
    # shellcheck source-path=SCRIPTDIR source=bootstrap.sh
    . "$root/installers/unix/bootstrap.sh"
    for word; do
        # shellcheck disable=SC2034 # errors.sh asks for it
        [ "$word" != --json ] || json=yes
    done
    environment "$root/requirements/tfup.txt"
    export TFUP_START="${TFUP_START:-first}" # start.py may send us back here, once
    # -I: no PYTHON* variable, no folder of the person's and no user site changes what tfup imports
    exec "$python" -I "$root/installers/start.py" "$@"
}

# A terminal for Intel on an Apple processor (Rosetta) would bring a Python for Intel, in which TensorFlow dies.
is_translated() {
    [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]
}

main "$@"
