# shellcheck shell=sh disable=SC2154 # bootstrap.sh, which reads this file, has the rest
# The person's index, certificates and proxy: what pip knows, uv, curl and wget must be told. UV_* and uv.toml win over pip,
# and TFUP_INDEX_URL is the one index where it is set. tfup/managers/index_settings.py says the same once tfup runs.

by() ( # runs a command as the person configured it; what it says goes into the log
    as_configured "$@" >>"$log" 2>&1
)

as_configured() ( # runs a command in the workshop, away from the settings of any project
    # what another environment wants of uv, or what would leave the hashes unchecked
    unset UV_NO_VERIFY_HASHES UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE_NEWER UV_NO_BINARY UV_SYSTEM_PYTHON UV_PYTHON UV_WORKING_DIR
    tell_indexes
    say SSL_CERT_FILE "$(pip_setting cert)"
    say CURL_CA_BUNDLE "${SSL_CERT_FILE:-}"
    proxy=$(pip_setting proxy)
    [ -z "$proxy" ] || [ "$proxy" != "${proxy#*://}" ] || proxy=http://$proxy
    say https_proxy "$proxy"
    say http_proxy "$proxy"
    PATH=$PATH$(pyenv_path) # uv overlooks what lies behind a shim that is not active
    cd "$workshop" || exit 4
    "$@"
)

tell_indexes() {
    if [ -n "${TFUP_INDEX_URL:-}" ]; then
        unset UV_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS
        UV_DEFAULT_INDEX=$TFUP_INDEX_URL
    elif ! uv_settings | grep -qE '^ *(\[\[index\]\]|((extra-)?index-url|index|find-links|no-index) *=)'; then
        say UV_DEFAULT_INDEX "${UV_INDEX_URL:-$(pip_setting index-url)}"
        # shellcheck disable=SC2046 # each word is a place
        say UV_FIND_LINKS "$(present_links $(pip_setting find-links))"
        if [ -z "${UV_INDEX:-}${UV_EXTRA_INDEX_URL:-}" ]; then
            # shellcheck disable=SC2046
            say UV_INDEX "$(present_indexes $(pip_setting extra-index-url))"
            # pip takes the best of all indexes; uv would stop at the first that knows the name
            [ -z "${UV_INDEX:-}" ] || say UV_INDEX_STRATEGY unsafe-best-match
        fi
    fi
    [ -n "${UV_DEFAULT_INDEX:-}" ] || return 0
    unset UV_INDEX_URL
    export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX%/}"
    PIP_INDEX_URL=$(address_of "$UV_DEFAULT_INDEX")
    export PIP_INDEX_URL
}

no_index() { # prints uv's option if pip is told to use no index, but the places to find links at alone
    case $(pip_setting no-index) in
        ([1tTyY]* | on) echo --no-index ;;
    esac
}

say() { # VARIABLE VALUE: exports it, unless the person has said otherwise, or there is nothing to say
    eval "[ -n \"\${$1:-}\" ]" || [ -z "$2" ] || export "$1=$2"
}

present_links() { # prints those places that are not missing, with commas between: uv, unlike pip, stops there
    comma=''
    for place; do
        path=$(local_path "$place")
        [ -z "$path" ] || [ -e "$path" ] || continue
        printf '%s' "$comma${path:-$place}"
        comma=,
    done
}

present_indexes() { # prints those indexes that are remote, or folders with projects in them
    space=''
    for place; do
        path=$(local_path "$place")
        [ -z "$path" ] || ls -d "$path"/*/ >/dev/null 2>&1 || continue
        printf '%s' "$space$place"
        space=' '
    done
}

local_path() { # prints the path of a place on this machine, nothing for a remote one
    case $1 in
        (file://*) echo "${1#file://}" ;;
        (*://*) ;;
        (\~/*) echo "${HOME:-}/${1#\~/}" ;;
        (/*) echo "$1" ;;
        (*) echo "$PWD/$1" ;;
    esac
}

address_of() { # prints the address of an index that uv may write as NAME=ADDRESS
    echo "$1" | sed 's/^[A-Za-z0-9._-]*=//'
}

# places_of PROJECT: prints where its files may be, the pages of the indexes and the places to find links at
places_of() {
    for index in ${UV_DEFAULT_INDEX:-} ${UV_INDEX:-} ${UV_EXTRA_INDEX_URL:-} $(uv_settings |
        sed -n -e 's/^ *index-url *= *"\(.*\)".*/\1/p' -e 's/^ *url *= *"\(.*\)".*/\1/p'); do
        index=$(address_of "$index")
        echo "${index%/}/$1/"
    done
    echo "${UV_FIND_LINKS:-}" | tr ',' '\n'
}

uv_settings() { # prints what uv.toml says, for the machine and for the user
    if [ -n "${UV_CONFIG_FILE:-}" ]; then
        cat "$UV_CONFIG_FILE"
    elif [ -z "${UV_NO_CONFIG:-}" ]; then
        cat /etc/uv/uv.toml /etc/xdg/uv/uv.toml "${XDG_CONFIG_HOME:-${HOME:-}/.config}/uv/uv.toml"
    fi 2>/dev/null || :
}

pip_setting() { # prints pip's option NAME as words, from its variable or the first configuration file that has it
    variable=PIP_$(echo "$1" | tr 'a-z-' 'A-Z_')
    eval "value=\${$variable:-}"
    [ -n "$value" ] || value=$(pip_files | while read -r file; do
        [ ! -r "$file" ] || awk -v option="$1" "$pip_option" "$file"
    done | sed -n 1p)
    echo "$value"
}

pip_files() { # prints where pip's settings may be, the place that wins first
    named=${PIP_CONFIG_FILE:-}
    [ "$named" != /dev/null ] || return 0
    if [ -f "$named" ]; then
        echo "$named"
    else
        printf '%s\n' "${XDG_CONFIG_HOME:-${HOME:-}/.config}/pip/pip.conf" "${HOME:-}/.pip/pip.conf"
    fi
    printf '%s\n' /etc/pip.conf /etc/xdg/pip/pip.conf
}

# awk: the value of an option in one line, of [install] rather than [global]; lines that begin with a space continue a value
# shellcheck disable=SC2016
pip_option='
    /^[ \t]*([#;]|$)/ { next }
    /^\[/ { section = $0; next }
    /^[ \t]/ { if (ours) value[section] = value[section] " " $0; next }
    {
        name = $0
        sub(/[ \t]*[=:].*/, "", name)
        gsub("_", "-", name)
        ours = tolower(name) == option
        if (ours) { sub(/^[^=:]*[=:]/, ""); value[section] = $0 }
    }
    END {
        found = value["[install]"] ? value["[install]"] : value["[global]"]
        gsub(/[ \t\r]+/, " ", found)
        sub(/^ /, "", found)
        sub(/ $/, "", found)
        if (found) print found
    }
'

pyenv_path() { # prints the folders of pyenv's Pythons, each after a colon
    pyenv=$(command -v pyenv || :)
    for folder in "${PYENV_ROOT:-}" "${pyenv%/*/*}" "${HOME:-}/.pyenv"; do
        for bin in "$folder"/versions/*/bin; do
            [ ! -d "$bin" ] || printf ':%s' "$bin"
        done
    done
}
