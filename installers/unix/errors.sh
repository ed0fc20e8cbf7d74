# shellcheck shell=sh
# The one form of an error: text on stderr, or, if $json says so, the document of tfup/data/schemas/error.json on stdout.

needs='' json_needs='' json_found='' json='' code=4 log=''

need() { # NAME NEEDS FOUND; each name once
    needs="$needs$(printf '  %-8s needs %-40s found %s' "$1" "$2" "${3:-nothing}")
"
    json_needs="$json_needs, $(json_text "$1"): $(json_text "$2")"
    json_found="$json_found, $(json_text "$1"): $(json_text "$3")"
}

forget_needs() { # those of what came to be in the end
    needs='' json_needs='' json_found='' code=4
}

give_up() { # REFERENCE SENTENCE HINT; 5 says that it is the network's fault, 4 that it is not
    keep_log
    if [ -n "$json" ]; then
        printf '{"schema": 1, "error": {"reference": %s, "sentence": %s, "needs": {%s}, "found": {%s}, "hint": %s, ' \
            "$(json_text "$1")" "$(json_text "$2")" "${json_needs#, }" "${json_found#, }" "$(json_text "$3")"
        printf '"exit_code": %s, "log": %s}}\n' "$code" "$(json_text "$log")"
    else
        printf 'error: %s\n%s\n%s' "$1" "$2" "$needs" >&2
        [ -z "$log" ] || echo "log: $log" >&2
        echo "hint: $3" >&2
    fi
    exit "$code"
}

typed() { # prints a word as it is typed, whatever is in it
    printf "'%s'" "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")"
}

keep_log() { # if it says anything, without credentials; and lets it say whose fault it was
    if [ ! -s "$log" ]; then
        rm -f "$log"
        log=''
        return
    fi
    sed 's|://[^/@ ]*@|://***@|g' "$log" >"$log.clean" && mv -f "$log.clean" "$log"
    [ "$code" != 4 ] ||
        ! grep -qiE 'connection|dns error|timed out|certificate|sending request|failed to fetch|no matching dist' "$log" || code=5
}

json_text() { # prints a text as JSON writes it, null for none
    [ -n "$1" ] || { printf null; return; }
    printf '"%s"' "$(printf '%s\n' "$1" | tr '\t' ' ' | sed 's/["\\]/\\&/g; $!s/$/\\n/' | tr -d '\000-\037')"
}
