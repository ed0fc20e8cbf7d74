# shellcheck shell=sh disable=SC2034,SC2154 # bootstrap.sh, which reads this file, has the rest
# Sets $uv to a program that is new enough: the one on PATH or fetched before, else by name through pip, else its wheel from
# the indexes that the person configured, else from uv's own release page.

find_uv() {
    pinned=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' "$root/requirements/uv.txt")
    oldest=$(wanted 's/^ *"uv>=\([0-9.]*\)".*/\1/p')
    uv=$(command -v uv) && fits "$uv" && return
    on_path=$("${uv:-uv}" --version 2>/dev/null || :)
    uv=$cache/uv-$pinned
    fits "$uv" && return
    need uv "$oldest or newer on PATH" "$on_path"
    uv_by_pip || uv_by_wheel || uv_by_release || give_up no-uv "uv, which installs everything for tfup, could not be had." \
        "TFUP_INDEX_URL=ADDRESS ./install.sh  (your package index; or install uv: https://github.com/astral-sh/uv/releases)"
    chmod 755 "$workshop/uv"
    mv -f "$workshop/uv" "$uv"
    forget_needs
}

fits() { # does this uv start, and is it new enough?
    version=$("$1" --version 2>/dev/null) || return 1
    echo "$version" | awk -v oldest="$oldest" '{
        split($2, found, "."); split(oldest, least, ".")
        for (i = 1; i <= 3; i++) if (found[i] + 0 != least[i] + 0) exit found[i] + 0 < least[i] + 0
    }'
}

# ---------------------------------------------------------------- by pip

uv_by_pip() {
    pip_python=$(find_pip)
    [ -n "$pip_python" ] || { need python "3.8 or newer, with pip" ""; return 1; }
    # -E: no PYTHON* variable
    by env PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$pip_python" -E -m pip download --quiet --no-input \
        --dest wheels --require-hashes --only-binary :all: --no-deps -r "$root/requirements/uv.txt" &&
        unpack "$workshop"/wheels/uv-*.whl && return
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

# ---------------------------------------------------------------- by its wheel

uv_by_wheel() {
    places=$(as_configured places_of uv)
    [ -n "$places" ] || { need index "an address in TFUP_INDEX_URL or pip.conf" ""; return 1; }
    found=''
    for source in $places; do
        if wheel_from "$source"; then
            hash=$(sha256 "$wheel")
            grep -q "sha256:$hash" "$root/requirements/uv.txt" && unpack "$wheel" && return
            found="sha256 $hash"
        fi
    done
    need index "uv $pinned as in requirements/uv.txt" "$found"
    return 1
}

wheel_from() { # sets $wheel to the one from a page with links to it, or from a folder; else $found says why not
    folder=$(local_path "$1")
    if [ -n "$folder" ]; then
        wheel=$(find "$folder/" -name "uv-$pinned-*$(wheel_system)*_$(uname -m).whl" 2>/dev/null | sed -n 1p)
        [ -n "$wheel" ]
    elif can_fetch; then
        by fetch "$1" page || { found="no answer" code=5; return 1; }
        link=$(wheel_link <"$workshop/page")
        wheel=$workshop/wheels/${link##*/}
        [ -n "$link" ] && mkdir -p "$workshop/wheels" && by fetch "$(absolute "$link" "$1")" "$wheel"
    else
        found="no curl or wget"
        return 1
    fi
}

wheel_system() { # those for musl are static and run on any Linux; the other one can also go into the environment
    case $(uname -s)-$(getconf GNU_LIBC_VERSION 2>/dev/null) in
        (Darwin*) echo macosx ;;
        (*glibc\ 2.1[0-6]* | *glibc\ 2.[0-9]) echo musllinux ;;
        (*glibc*) echo manylinux ;;
        (*) echo musllinux ;;
    esac
}

wheel_link() { # prints the link to the wheel for this system that a page has
    tr '>' '\n' |
        sed -n "s/.*href=[\"']\([^\"'#]*uv-$pinned-[^\"'#]*$(wheel_system)[^\"'#]*_$(uname -m)\.whl\).*/\1/p" | sed -n 1p
}

absolute() { # LINK PAGE: prints the link of a page as an address; where it leads to the same host, so do the credentials
    host=$(echo "$2" | sed 's|^\([a-z]*://[^/]*\).*|\1|')
    bare=$(echo "$host" | sed 's|//.*@|//|')
    case $1 in
        ("$bare"/*) echo "$host${1#"$bare"}" ;;
        (*://*) echo "$1" ;;
        (/*) echo "$host$1" ;;
        (*) echo "${2%/*}/$1" ;;
    esac
}

# unpack WHEEL: puts the program uv that is in it into the workshop. There may be no unzip, but the data of a member of a zip, between the
# head of a .gz and its own checksum and size, is a .gz; so gzip unpacks it and checks it.
unpack() (
    size=$(($(wc -c <"$1")))
    # shellcheck disable=SC2046 # words are wanted: length and offset of the directory; then length, offset and tail of the member
    set -- "$1" $(bytes "$1" $((size - 10)) 8 | awk '{ print u(1), u(5) } '"$little_endian")
    # shellcheck disable=SC2046
    set -- "$1" $(bytes "$1" "$3" "$2" | tr -s ' \n' '  ' | awk "$find_member $little_endian")
    # shellcheck disable=SC2046
    set -- "$1" "$2" "$3" "$4" $(bytes "$1" $(($3 + 26)) 4 | awk '{ print $1 + 256 * $2 + $3 + 256 * $4 }')
    { printf '\037\213\010\000\000\000\000\000\000\003' && part "$1" $(($3 + 30 + $5)) "$2" && printf '%b' "$4"; } |
        gzip -dc >"$workshop/uv" 2>>"$log"
)

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

# ---------------------------------------------------------------- from its release page

uv_by_release() {
    can_fetch || { need release "curl or wget" ""; return 1; }
    case $(uname -s) in
        (Darwin) name=uv-$(release_arch)-apple-darwin ;;
        (*) name=uv-$(release_arch)-unknown-linux-musl ;;
    esac
    line=$(grep "/$name.tar.gz\$" "$root/installers/unix/uv-release.sha256") || { need release "$name.tar.gz" ""; return 1; }
    by fetch "${TFUP_UV_RELEASES:-https://github.com/astral-sh/uv/releases/download}/${line##* }" archive ||
        { need release "${line##* }" "no answer"; code=5; return 1; }
    hash=$(sha256 "$workshop/archive")
    [ "$hash" = "${line%% *}" ] || { need release "sha256 ${line%% *}" "$hash"; return 1; }
    gzip -dc "$workshop/archive" 2>>"$log" | tar -xOf - "$name/uv" >"$workshop/uv" 2>>"$log"
}

release_arch() { # prints the processor as the names of the archives have it
    uname -m | sed 's/^arm64$/aarch64/'
}

# ---------------------------------------------------------------- what both need

can_fetch() {
    command -v curl >/dev/null || command -v wget >/dev/null
}

fetch() { # ADDRESS FILE; curl is told on its stdin, for a list of processes shows to everybody what is on its command line
    if command -v curl >/dev/null; then
        printf 'url = "%s"\n' "$1" | curl --config - --fail --silent --show-error --location --netrc-optional --retry 2 \
            --connect-timeout 20 --output "$2"
    else
        case $(wget --help 2>&1) in # busybox may be made without -T, and then crashes on it
            (*-T*) wget -q -T 30 -O "$2" "$1" ;;
            (*) wget -q -O "$2" "$1" ;;
        esac
    fi
}

sha256() {
    { sha256sum "$1" 2>/dev/null || shasum -a 256 "$1" 2>/dev/null || openssl dgst -sha256 -r "$1"; } | cut -c 1-64
}
