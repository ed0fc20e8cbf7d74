#!/bin/sh
# What "Install TensorFlow.command" hands over to: runs install.sh as a person would in a terminal, and keeps the window open.
set -eu

main() {
    case $0 in
        (*/*) root=${0%/*}/../.. ;;
        (*) root=../.. ;;
    esac
    [ $# != 0 ] || cd "$root" # the Finder starts us in the home folder, which is no project; from the clone it is ~/tensorflow
    [ $# != 0 ] || root=.
    trap : INT # Ctrl-C ends what is running; the report of that stays on the screen
    code=0
    "$root/install.sh" "$@" || code=$?
    [ $# != 0 ] || wait_for_person
    exit "$code"
}

wait_for_person() { # where there is one
    [ -t 0 ] || return 0
    printf '\nPress Return to close this window. '
    read -r _ || :
}

main "$@"
