#!/bin/sh
# ./install.sh ARGUMENTS is exactly `tfup ARGUMENTS`; without any, it installs the newest TensorFlow that fits this machine.
# All that happens here: find this clone, through links too, and hand over to installers/unix/start.sh.
set -eu

folder_of() { # sets $folder to the one that holds the file $1
    case $1 in
        (*/*) folder=${1%/*}/ ;;
        (*) folder=./ ;;
    esac
}

main() {
    file=$0
    folder_of "$file"
    while [ -L "$file" ]; do
        target=$(readlink "$file")
        case $target in
            (/*) file=$target ;;
            (*) file=$folder$target ;;
        esac
        folder_of "$file"
    done
    exec sh "${folder}installers/unix/start.sh" "$@"
}

main "$@"
