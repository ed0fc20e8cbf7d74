# shellcheck shell=sh
# From nothing to a Python with pinned packages; start.sh and tests/run.sh read this file after setting $root, the clone.
# uv makes the environment. What is fetched must have a hash that this clone knows, and lands in our cache folder.

# shellcheck source-path=SCRIPTDIR source=errors.sh
. "$root/installers/unix/errors.sh"
# shellcheck source-path=SCRIPTDIR source=settings.sh
. "$root/installers/unix/settings.sh"
# shellcheck source-path=SCRIPTDIR source=uv.sh
. "$root/installers/unix/uv.sh"

# environment FILE: sets $python to the interpreter of a private environment with just what the requirements FILE pins.
# Its folder is named after the content of FILE and appears complete or not at all; the file `made` is its last one, and
# names the lists of what was installed. start.py, which compares them, removes it from a damaged environment.
environment() {
    find_cache
    digest=$(cksum <"$1" 2>/dev/null || sha256sum <"$1") # busybox may lack the one, macOS the other
    place=$cache/environment-${digest%% *}
    python=$place/bin/python
    { [ -x "$python" ] && [ -e "$place/made" ]; } || make_environment "$1"
}

find_cache() { # as tfup itself does
    cache=
    case ${HOME:-} in (/*) cache=$HOME/.cache/tfup ;; esac
    case ${XDG_CACHE_HOME:-} in (/*) cache=$XDG_CACHE_HOME/tfup ;; esac
    case ${TFUP_CACHE_DIR:-} in
        ('') ;;
        (/*) cache=$TFUP_CACHE_DIR ;;
        (*) cache=$PWD/$TFUP_CACHE_DIR ;;
    esac
    [ -n "$cache" ] || use_temporary_cache
}

use_temporary_cache() { # anyone could have made that folder first
    cache=${TMPDIR:-/tmp}/tfup-$(id -u)
    mkdir -m 700 "$cache" 2>/dev/null ||
        [ -n "$(find "$cache" -prune -type d -user "$(id -u)" ! -perm -020 ! -perm -002)" ] || cache_is_unusable
}

# ---------------------------------------------------------------- the environment

make_environment() {
    echo "tfup: preparing what it needs itself (once)" >&2
    root=$(CDPATH='' cd -- "$root" && pwd)
    open_workshop
    find_uv
    python_range=$(wanted 's/^requires-python = "\(.*\)"/\1/p')
    if ! by "$uv" venv --relocatable --python "$python_range" new; then
        need python "$python_range" "none, and none could be fetched"
        give_up no-python "tfup has no Python to run on." \
            "UV_PYTHON_INSTALL_MIRROR=ADDRESS ./install.sh  (a mirror of uv's Pythons; or install Python $python_range)"
    fi
    # a wheel of uv that is here already need not be fetched again, if it fits
    [ ! -d "$workshop/wheels" ] || by "$uv" pip install --python new/bin/python --no-index --find-links wheels \
        --no-deps --require-hashes -r "$root/requirements/uv.txt" || :
    # what damaged the environment has damaged uv's cache, too, where that has the same files under other names
    { [ "${TFUP_START:-}" = again ] && sync_libraries "${1##*/}" --no-cache; } || sync_libraries "${1##*/}" ||
        give_up no-libraries "The libraries that tfup is made of could not be installed." "cat $(typed "$log")"
    settle
    close_workshop
    rm -f "$log"
}

sync_libraries() { # FILE [OPTION]
    # shellcheck disable=SC2046 # one option or none
    by "$uv" pip sync --python new/bin/python $(no_index) --require-hashes --only-binary :all: "$root/requirements/$1" ${2+"$2"}
}

# Renames the environment to its place. It is in use already if another run was quicker; then that one stays.
settle() {
    "$workshop/new/bin/python" -I -c '
import glob, os, sys
new, old, place = sys.argv[1:]
records = glob.glob("lib/*/site-packages/*.dist-info/RECORD", root_dir=new)
with open(os.path.join(new, "made"), "w", encoding="utf-8") as made:
    made.writelines(record + "\n" for record in records)
whole = os.access(os.path.join(place, "bin", "python"), os.X_OK) and os.path.exists(os.path.join(place, "made"))
if not whole:
    if os.path.lexists(place):  # its interpreter was uninstalled, or it was deleted in part
        os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        if not os.path.isdir(place):
            raise
' "$workshop/new" "$workshop/old" "$place" 2>>"$log" || cache_is_unusable
}

open_workshop() { # a folder of this run alone; the log outlives it if something fails
    { mkdir -p "$cache" && tag_cache; } 2>/dev/null || cache_is_unusable
    find "$cache"/workshop-* -prune -mtime +0 -exec rm -rf {} + 2>/dev/null || : # those of runs that were killed
    workshop=$(mktemp -d "$cache/workshop-XXXXXX" 2>/dev/null) || cache_is_unusable
    log=$cache/bootstrap-${workshop##*-}.log
    : >"$log"
    trap close_workshop EXIT
    trap interrupted HUP INT TERM
}

tag_cache() { # folders.py says what it means, and has the same text
    [ -n "$(ls -A "$cache")" ] || printf '%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' \
        '# The cache of tfup, which makes it anew as needed; it is removed by: tfup clean' >"$cache/CACHEDIR.TAG"
}

close_workshop() {
    rm -rf "$workshop"
    trap - EXIT HUP INT TERM
}

wanted() { # prints what the sed program finds in pyproject.toml
    sed -n "$1" "$root/pyproject.toml"
}

cache_is_unusable() {
    need folder "one that can be written" "$cache"
    give_up unusable-cache "The folder for what tfup itself needs cannot be written." "TFUP_CACHE_DIR=FOLDER ./install.sh"
}

interrupted() {
    code=6
    give_up interrupted "Stopped before tfup could start; nothing was changed." "./install.sh (the same command) goes on"
}
