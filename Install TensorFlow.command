#!/bin/sh
# Double-click this file on a Mac: it installs the newest TensorFlow that fits, in the folder tensorflow of your home, and proves that
# it works. In a terminal its arguments are those of tfup:  ./Install\ TensorFlow.command plan keras==2.2.4
set -eu

main() {
    case $0 in
        (*/*) folder=${0%/*} ;;
        (*) folder=. ;;
    esac
    if [ ! -f "$folder/installers/macos/double-click.sh" ]; then
        printf 'error: not-whole\nThis file is alone: the folder "installers" is not beside it.\n' >&2
        echo "hint: unpack the whole archive, and double-click the file in the new folder" >&2
        exit 4
    fi
    exec sh "$folder/installers/macos/double-click.sh" "$@"
}

main "$@"
