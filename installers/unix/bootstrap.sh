# shellcheck shell=sh disable=SC2030,SC2031 # what a subshell sets is meant for it alone
# From nothing to a Python with pinned packages; start.sh and tests/run.sh read this file after setting $root, the clone.
# uv makes the environment: the one on PATH, else fetched by name through pip, else as a wheel from the person's own index.
# What is fetched must have a hash that requirements/ knows, and lands in our cache folder; nothing else is written.

needs='' code=4 log='' # what an error will say

# environment FILE: sets $python to the interpreter of a private environment with just what the requirements FILE pins.
# Its folder is named after the content of FILE and appears complete or not at all: if it is there, it is right.
environment() {
    find_cache
    digest=$(cksum <"$1" 2>/dev/null || sha256sum <"$1") # busybox may lack the one, macOS the other
    place=$cache/environment-${digest%% *}
    python=$place/bin/python
    [ -x "$python" ] || make_environment "$1"
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
    mkdir -m 700 "$cache" 2>/dev/null || [ -n "$(find "$cache" -prune -type d -user "$(id -u)")" ] || cache_is_unusable
}

# ---------------------------------------------------------------- the environment

make_environment() {
    echo "tfup: preparing what it needs itself (once)" >&2
    root=$(CDPATH='' cd -- "$root" && pwd)
    open_workshop
    find_uv
    python_range=$(wanted 's/^requires-python = "\(.*\)"/\1/p')
    if ! by_uv venv --relocatable --python "$python_range" new; then
        need python "$python_range" "none, and none could be fetched"
        give_up no-python "tfup has no Python to run on." \
            "UV_PYTHON_INSTALL_MIRROR=ADDRESS ./install.sh  (a mirror of uv's Pythons; or install Python $python_range)"
    fi
    by_uv pip sync --python new/bin/python --require-hashes --only-binary :all: "$root/requirements/${1##*/}" ||
        give_up no-libraries "The libraries that tfup is made of could not be installed." "cat '$log'"
    settle
    close_workshop
    rm -f "$log"
}

# Renames the environment to its place. It is in use already if another run was quicker; then that one stays.
settle() {
    "$workshop/new/bin/python" -I -c '
import os, sys
new, old, place = sys.argv[1:]
if not os.access(os.path.join(place, "bin", "python"), os.X_OK):
    if os.path.lexists(place):  # its interpreter was uninstalled
        os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        if not os.path.isdir(place):
            raise
' "$workshop/new" "$workshop/old" "$place" 2>>"$log" || cache_is_unusable
}

open_workshop() { # a folder of this run alone; the log outlives it if something fails
    mkdir -p "$cache" 2>/dev/null || cache_is_unusable
    find "$cache"/workshop-* -prune -mtime +0 -exec rm -rf {} + 2>/dev/null || : # those of runs that were killed
    workshop=$(mktemp -d "$cache/workshop-XXXXXX" 2>/dev/null) || cache_is_unusable
    log=$cache/bootstrap-${workshop##*-}.log
    : >"$log"
    trap close_workshop EXIT
    trap 'exit 6' HUP INT TERM
}

close_workshop() {
    rm -rf "$workshop"
    trap - EXIT HUP INT TERM
}

# ---------------------------------------------------------------- uv

find_uv() {
    pinned=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' "$root/requirements/uv.txt")
    oldest=$(wanted 's/^ *"uv>=\([0-9.]*\)".*/\1/p')
    uv=$(command -v uv) && fits "$uv" && return
    need uv "$oldest or newer on PATH" "$("${uv:-uv}" --version 2>/dev/null || :)"
    uv=$cache/uv-$pinned
    fits "$uv" && return
    uv_by_pip || uv_by_wheel || give_up no-uv "uv, which installs everything for tfup, could not be had." \
        "TFUP_INDEX_URL=ADDRESS ./install.sh  (your package index; or install uv: https://github.com/astral-sh/uv/releases)"
    chmod 755 "$workshop/uv"
    mv -f "$workshop/uv" "$uv"
}

fits() { # does this uv start, and is it new enough?
    version=$("$1" --version 2>/dev/null) || return 1
    echo "$version" | awk -v oldest="$oldest" '{
        split($2, found, "."); split(oldest, least, ".")
        for (i = 1; i <= 3; i++) if (found[i] + 0 != least[i] + 0) exit found[i] + 0 < least[i] + 0
    }'
}

uv_by_pip() {
    pip_python=$(find_pip)
    [ -n "$pip_python" ] || { need python "3.8 or newer, with pip" ""; return 1; }
    # --target needs no venv module and touches no managed Python, whatever PEP 668 says of it; -E: no PYTHON* variable
    by env PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$pip_python" -E -m pip install --quiet --no-input \
        --target pip --require-hashes --only-binary :all: --no-deps -r "$root/requirements/uv.txt" &&
        mv "$workshop/pip/bin/uv" "$workshop/uv" && return
    need pip "uv $pinned from the package index" "no such file"
    return 1
}

find_pip() ( # prints the first Python with pip on PATH or in pyenv that uv's wheel admits: 3.8 or newer
    path=$PATH$(pyenv_path)
    IFS=:
    for folder in $path; do
        for candidate in "$folder"/python3 "$folder"/python3.[0-9] "$folder"/python3.[0-9][0-9] "$folder"/python; do
            if "$candidate" -E -c 'import sys, pip; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1; then
                echo "$candidate"
                return
            fi
        done
    done
)

uv_by_wheel() {
    index=$(index_url)
    [ -n "$index" ] || { need index "an address in TFUP_INDEX_URL or pip.conf" ""; return 1; }
    command -v curl >/dev/null || command -v wget >/dev/null || { need program "curl or wget" ""; return 1; }
    by fetch "$index/uv/" page || { network_fails "a page for uv"; return 1; }
    link=$(wheel_link <"$workshop/page")
    [ -n "$link" ] || { need index "uv $pinned for $(uname -s) $(uname -m)" ""; return 1; }
    by fetch "$(absolute "$link")" wheel || { network_fails "the wheel of uv"; return 1; }
    hash=$(sha256 "$workshop/wheel")
    grep -q "sha256:$hash" "$root/requirements/uv.txt" || { need sha256 "one of requirements/uv.txt" "$hash"; return 1; }
    unpack "$workshop/wheel" >"$workshop/uv" 2>>"$log"
}

wheel_link() { # prints the link to the wheel for this system; those for musl are static and run on any Linux
    case $(uname -s) in
        (Darwin) system=macosx ;;
        (*) system=musllinux ;;
    esac
    tr '>' '\n' | sed -n "s/.*href=[\"']\([^\"'#]*uv-$pinned-[^\"'#]*${system}_[0-9_]*_$(uname -m)\.whl\).*/\1/p" | head -n 1
}

absolute() { # prints the link of the index's page for uv as an address
    case $1 in
        (*://*) echo "$1" ;;
        (/*) echo "$(echo "$index" | sed 's|^\([a-z]*://[^/]*\).*|\1|')$1" ;;
        (*) echo "$index/uv/$1" ;;
    esac
}

fetch() { # ADDRESS FILE
    if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --retry 2 --connect-timeout 20 --output "$2" "$1"
    else
        wget -q -T 30 -O "$2" "$1"
    fi
}

sha256() {
    { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1" 2>/dev/null || openssl dgst -sha256 -r "$1"; } | cut -c 1-64
}

# unpack WHEEL: prints the program uv that is in it. There may be no unzip, but the data of a member of a zip, between the
# head of a .gz and its own checksum and size, is a .gz; so gzip unpacks it and checks it.
unpack() {
    size=$(($(wc -c <"$1")))
    # shellcheck disable=SC2046 # words are wanted: length and offset of the directory; then length, offset and tail of the member
    set -- "$1" $(bytes "$1" $((size - 10)) 8 | awk '{ print u(1), u(5) } '"$little_endian")
    # shellcheck disable=SC2046
    set -- "$1" $(bytes "$1" "$3" "$2" | tr -s ' \n' '  ' | awk "$find_member $little_endian")
    # shellcheck disable=SC2046
    set -- "$1" "$2" "$3" "$4" $(bytes "$1" $(($3 + 26)) 4 | awk '{ print $1 + 256 * $2 + $3 + 256 * $4 }')
    { printf '\037\213\010\000\000\000\000\000\000\003' && part "$1" $(($3 + 30 + $5)) "$2" && printf '%b' "$4"; } | gzip -dc
}

# awk: the number in four bytes, which are fields from p on
# shellcheck disable=SC2016
little_endian='function u(p) { return $p + 256 * ($(p + 1) + 256 * ($(p + 2) + 256 * $(p + 3))) }'

# awk: goes through the directory, an entry of 46 bytes, name, extra and comment for each member
# shellcheck disable=SC2016
find_member='{
    for (p = 1; p < NF; p += 46 + long + $(p + 30) + 256 * $(p + 31) + $(p + 32) + 256 * $(p + 33)) {
        long = $(p + 28) + 256 * $(p + 29)
        name = ""
        for (i = p + 46; i < p + 46 + long; i++) name = name sprintf("%c", $i + 0)
        if (name !~ /\/scripts\/uv$/) continue
        for (i = 16; i < 28; i++) if (i < 20 || i > 23) tail = tail sprintf("\\0%03o", $(p + i))
        print u(p + 20), u(p + 42), tail
    }
}'

part() { # FILE OFFSET LENGTH
    tail -c "+$(($2 + 1))" "$1" | head -c "$3"
}

bytes() { # FILE OFFSET LENGTH, as numbers
    part "$@" | od -An -v -tu1
}

# ---------------------------------------------------------------- the person's settings

by_uv() { by "$uv" "$@"; }

by() ( # runs a command in the workshop, away from the settings of any project
    # what another environment wants of uv, or what would leave the hashes unchecked
    unset UV_NO_VERIFY_HASHES UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE_NEWER UV_NO_BINARY UV_SYSTEM_PYTHON UV_PYTHON UV_WORKING_DIR
    index=$(index_url)
    if [ -n "$index" ]; then
        unset UV_INDEX_URL
        export UV_DEFAULT_INDEX="$index" PIP_INDEX_URL="$index"
    fi
    certificates=${SSL_CERT_FILE:-$(pip_setting cert)}
    [ -z "$certificates" ] || export SSL_CERT_FILE="$certificates" CURL_CA_BUNDLE="${CURL_CA_BUNDLE:-$certificates}"
    proxy=$(pip_setting proxy)
    [ -z "$proxy" ] || [ "$proxy" != "${proxy#*://}" ] || proxy=http://$proxy
    [ -z "$proxy" ] || export https_proxy="${https_proxy:-$proxy}" http_proxy="${http_proxy:-$proxy}"
    PATH=$PATH$(pyenv_path) # uv overlooks what lies behind a shim that is not active
    cd "$workshop" || exit 4
    "$@" >>"$log" 2>&1
)

index_url() {
    url=${TFUP_INDEX_URL:-${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-$(pip_setting index-url)}}}
    echo "${url%/}"
}

pip_setting() ( # prints pip's option NAME, from its variable or the first configuration file that has it
    variable=PIP_$(echo "$1" | tr 'a-z-' 'A-Z_')
    eval "value=\${$variable:-}"
    for file in "${PIP_CONFIG_FILE:-}" "${XDG_CONFIG_HOME:-${HOME:-}/.config}/pip/pip.conf" "${HOME:-}/.pip/pip.conf" \
        /etc/xdg/pip/pip.conf /etc/pip.conf; do
        [ -n "$value" ] || value=$(sed -n "s/^$1 *[=:] *//p" "$file" 2>/dev/null | head -n 1)
    done
    echo "$value"
)

pyenv_path() { # prints the folders of pyenv's Pythons, each after a colon
    pyenv=$(command -v pyenv || :)
    for folder in "${PYENV_ROOT:-}" "${pyenv%/*/*}" "${HOME:-}/.pyenv"; do
        for bin in "$folder"/versions/*/bin; do
            [ ! -d "$bin" ] || printf ':%s' "$bin"
        done
    done
}

wanted() { # prints what the sed program finds in pyproject.toml
    sed -n "$1" "$root/pyproject.toml"
}

# ---------------------------------------------------------------- the one form of an error

need() { # NAME NEEDS FOUND
    needs="$needs$(printf '  %-8s needs %-40s found %s' "$1" "$2" "${3:-nothing}")
"
}

network_fails() { # WHAT
    need index "$1" "no answer"
    code=5
}

give_up() { # REFERENCE SENTENCE HINT; 5 says that it is the network's fault, 4 that it is not
    printf 'error: %s\n%s\n%s' "$1" "$2" "$needs" >&2
    if [ -s "$log" ]; then
        echo "log: $log" >&2
        ! grep -qiE 'connection|dns error|timed out|certificate|sending request|failed to fetch|no matching dist' "$log" || code=5
    else
        rm -f "$log"
    fi
    echo "hint: $3" >&2
    exit "$code"
}

cache_is_unusable() {
    need folder "one that can be written" "$cache"
    give_up unusable-cache "The folder for what tfup itself needs cannot be written." "TFUP_CACHE_DIR=FOLDER ./install.sh"
}
