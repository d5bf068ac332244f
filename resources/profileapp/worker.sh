#!/bin/sh
# Finds the profileapp worker on this agent, or makes it, and becomes it.
#
#   worker.sh ARGUMENTS…     as of `profileapp`
#
# The worker's version is the one in the file VERSION beside this script. In this order: a `profileapp` of that version
# on PATH; an environment made by an earlier build; one made now, from PROFILEAPP_WHEELS (a folder) or PROFILEAPP_INDEX
# (an index's URL; left out, pip's own). PROFILEAPP_EXTRAS names extras, such as `report`. Environments are kept in
# ${PROFILEAPP_HOME:-${XDG_CACHE_HOME:-~/.cache}/profileapp}; those not used for 30 days are removed.
set -u

main() {
    version=$(cat "$(dirname "$0")/VERSION") || fail "the file VERSION beside $0 is missing"
    case $version in
    '' | *[!0-9A-Za-z.+-]*) fail "the file VERSION beside $0 holds no version" ;;
    esac
    extras=${PROFILEAPP_EXTRAS:-}
    case $extras in
    *[!a-z,]*) fail "PROFILEAPP_EXTRAS '$extras': must be names of extras, such as report" ;;
    esac

    if is_preinstalled; then
        exec profileapp "$@"
    fi
    home=${PROFILEAPP_HOME:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/profileapp}
    mkdir -p "$home/locks" || fail "$home cannot be written; set PROFILEAPP_HOME"
    name=worker-$version${extras:+-$(printf %s "$extras" | tr , -)}
    # Shared while the worker runs (it inherits the open file), exclusive while the environment is made or removed.
    exec 8>"$home/locks/$name"
    flock -s 8 || fail "$home/locks/$name cannot be locked"
    if ! is_whole "$home/$name"; then
        flock 8
        # Another build may have made it while we waited.
        is_whole "$home/$name" || make_environment "$home/$name"
        flock -s 8
    fi
    touch "$home/$name/used"
    prune
    exec "$home/$name/bin/python" -m profileapp "$@"
}

fail() {
    echo "profileapp: $*" >&2
    exit 4
}

is_preinstalled() {
    command -v profileapp >/dev/null 2>&1 || return 1
    # `profileapp 0.1.0 (extras: gpu, report)`
    said=$(profileapp --version 2>/dev/null) || return 1
    case $said in
    "profileapp $version (extras: "*) ;;
    *) return 1 ;;
    esac
    case $extras in
    *report*) case $said in *report*) ;; *) return 1 ;; esac ;;
    esac
}

is_whole() {
    [ -f "$1/complete" ] && [ -x "$1/bin/python" ]
}

make_environment() {
    rm -rf "$1"
    echo "profileapp: making the worker's environment in $1" >&2
    make_venv "$1"
    requirement=profileapp${extras:+[$extras]}==$version
    if [ -n "${PROFILEAPP_WHEELS:-}" ]; then
        [ -d "$PROFILEAPP_WHEELS" ] || fail "PROFILEAPP_WHEELS '$PROFILEAPP_WHEELS': no such folder on this agent"
        # A folder that holds all there is to install needs no network; where it holds the worker alone, an index helps.
        install "$1" --no-index --find-links "$PROFILEAPP_WHEELS" "$requirement" 2>/dev/null ||
            install "$1" --find-links "$PROFILEAPP_WHEELS" "$requirement" ||
            fail "$requirement cannot be installed from $PROFILEAPP_WHEELS"
    elif [ -n "${PROFILEAPP_INDEX:-}" ]; then
        install "$1" --index-url "$PROFILEAPP_INDEX" "$requirement" ||
            fail "$requirement cannot be installed from $PROFILEAPP_INDEX"
    else
        install "$1" "$requirement" ||
            fail "$requirement cannot be installed; set PROFILEAPP_INDEX or PROFILEAPP_WHEELS, or install it on the agent"
    fi
    : >"$1/complete"
}

make_venv() {
    for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null &&
            "$python" -m venv "$1"; then
            return
        fi
    done
    # Older JetPacks come with an older Python; uv brings a newer one along.
    command -v uv >/dev/null 2>&1 && uv venv --quiet --seed --python '>=3.10' "$1" && return
    fail "needs Python 3.10 or later with its venv module (apt-get install python3-venv), or uv, on this agent"
}

install() {
    environment=$1
    shift
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@" >&2
}

prune() {
    for old in "$home"/worker-*/used; do
        folder=${old%/used}
        if [ -n "$(find "$old" -mtime +30 2>/dev/null)" ]; then
            # Not one that is in use, nor one that somebody is making.
            (flock -n 7 && rm -rf "$folder") 7>"$home/locks/${folder##*/}"
        fi
    done
}

main "$@"
