#!/bin/sh
# Finds the profileapp worker on this agent, or makes it, and becomes it.
#
#   worker.sh ARGUMENTS…     as of `profileapp`
#
# The worker's version is the one in the file VERSION beside this script. In this order: a `profileapp` of that version
# on PATH; an environment made by an earlier build; one made now, from PROFILEAPP_WHEELS (a folder) or PROFILEAPP_INDEX
# (an index's URL; left out, pip's own). PROFILEAPP_EXTRAS names extras, such as `report`. Environments are kept in
# ${PROFILEAPP_HOME:-${XDG_CACHE_HOME:-~/.cache}/profileapp}; those not used for 30 days are removed.
#
# The folder we are in is the app's: no file of it decides what is installed or run. Python runs isolated (-I), as its
# yaml.py is none of ours; what installs is called in a folder of our own, without the build's PYTHON… variables; uv reads
# no settings (--no-config); a PATH that names folders relative to this one is read without them.
set -u

# What this shell ends with by itself is no verdict: dash has 2 for a file that it cannot open. The worker, which it
# becomes, has exit codes of its own.
trap 'exit 4' EXIT

main() {
    keep_absolute_path
    version=$(cat "$(dirname "$0")/VERSION" 2>/dev/null) || fail "the file VERSION beside $0 is missing"
    case $version in
    '' | *[!0-9A-Za-z.+-]*) fail "the file VERSION beside $0 holds no version" ;;
    esac
    extras=${PROFILEAPP_EXTRAS:-}
    case $extras in
    *[!a-z,]*) fail "PROFILEAPP_EXTRAS '$extras': must be names of extras, such as report" ;;
    esac

    if is_preinstalled; then
        preinstalled "$@"
    fi
    open_home
    # Homes may be shared by agents of several kinds.
    name=worker-$version${extras:+-$(printf %s "$extras" | tr , -)}-$(uname -m)
    environment=$home/$name
    touch "$home/locks/$name" 2>/dev/null || fail "$home/locks/$name cannot be written; set PROFILEAPP_HOME"
    # Shared while the worker runs (it inherits the open file), exclusive while the environment is made or removed.
    exec 8<>"$home/locks/$name"
    lock -s
    if ! is_whole; then
        lock -x
        # Another build may have made it while we waited.
        is_whole || make_environment
        lock -s
    fi
    touch "$environment"
    prune
    exec "$environment/bin/python" -I -m profileapp "$@"
}

fail() {
    echo "profileapp: $*" >&2
    exit 4
}

# An entry that is relative, or empty, is a folder of the app's. ("*" splits no pattern: set -f.)
keep_absolute_path() {
    set -f
    old_ifs=$IFS
    IFS=:
    kept=
    for entry in $PATH; do
        case $entry in
        /*) kept=${kept:+$kept:}$entry ;;
        esac
    done
    IFS=$old_ifs
    set +f
    PATH=$kept
    export PATH
}

is_preinstalled() {
    program=$(command -v profileapp) || return 1
    # `profileapp 0.1.0 (extras: gpu, report)`, or `(extras: none)`
    found=$(preinstalled --version 2>/dev/null)
    case $found in
    "profileapp $version (extras: "*) ;;
    *)
        echo "profileapp: $program is not version $version, and is left alone" >&2
        return 1
        ;;
    esac
    installed=", ${found#*(extras: }"
    for extra in $(printf %s "$extras" | tr , ' '); do
        case $installed in
        *", $extra,"* | *", $extra)"*) ;;
        *) return 1 ;;
        esac
    done
}

# Becomes the profileapp on PATH. A script of Python's is not isolated by itself: a PYTHONPATH of the build's would come
# before its own modules. A `pip install --user` is seen by no isolated Python, and is called as it is.
preinstalled() {
    interpreter=
    IFS= read -r first <"$program" 2>/dev/null || first=
    case $first in
    '#!/'*' '*) ;;
    '#!/'*/python*) interpreter=${first#"#!"} ;;
    esac
    if [ -n "$interpreter" ] && "$interpreter" -I -c 'import profileapp' 2>/dev/null; then
        exec "$interpreter" -I -m profileapp "$@"
    fi
    unset PYTHONPATH PYTHONHOME PYTHONSTARTUP
    exec "$program" "$@"
}

# Calls a program that installs: in a folder of our own, without the build's PYTHON… variables.
apart() (
    cd "$home" || exit
    for variable in $(env | sed -n 's/^\(PYTHON[A-Z0-9_]*\)=.*/\1/p'); do unset "$variable"; done
    exec "$@"
)

open_home() {
    command -v flock >/dev/null 2>&1 || fail "needs flock (of util-linux) on this agent"
    [ -n "${PROFILEAPP_HOME:-}${XDG_CACHE_HOME:-}${HOME:-}" ] || fail "HOME is not set; set it, or PROFILEAPP_HOME"
    home=${PROFILEAPP_HOME:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/profileapp}
    case $home in
    /*) ;;
    *) fail "PROFILEAPP_HOME '$home': must be an absolute path" ;;
    esac
    mkdir -p "$home/locks" 2>/dev/null || fail "$home cannot be written; set PROFILEAPP_HOME"
}

# Takes the environment's lock, -s or -x. What is held is let go first: two that both held -s would wait for ever for
# each other's end where a lock is changed in one go, as over NFS.
lock() {
    flock -u 8
    if ! flock -n "$1" 8; then
        echo "profileapp: waiting for another build that makes the worker's environment" >&2
        flock "$1" 8 || fail "$home/locks/$name cannot be locked"
    fi
}

# A system's new Python, or a removal cut short, leaves an environment that only looks whole. Another wheel of the same
# version, as a library in the making has one for every commit, is another worker.
is_whole() {
    [ -f "$environment/complete" ] && "$environment/bin/python" -I -c 'import profileapp' 2>/dev/null || return 1
    sum=$(wheel_sum)
    [ -z "$sum" ] || [ "$sum" = "$(cat "$environment/complete")" ]
}

# Checksum and size of the worker's wheel; nothing where there is none to compare with.
wheel_sum() {
    for wheel in "${PROFILEAPP_WHEELS:-}/profileapp-$version-"*.whl; do
        if [ -f "$wheel" ]; then cksum <"$wheel" && return; fi
    done
}

make_environment() {
    echo "profileapp: making the worker's environment in $environment" >&2
    requirement=profileapp${extras:+[$extras]}==$version
    check_source
    make_venv
    install "$environment" "$requirement" || fail "$requirement cannot be installed from $(source_name)"
    # Written elsewhere first: a full disk leaves no mark that only looks like one.
    { wheel_sum >"$environment/complete.new" && mv "$environment/complete.new" "$environment/complete"; } ||
        fail "$environment cannot be written"
}

check_source() {
    case ${PROFILEAPP_WHEELS:-} in
    '') ;;
    /*) [ -d "$PROFILEAPP_WHEELS" ] || fail "PROFILEAPP_WHEELS '$PROFILEAPP_WHEELS': no such folder on this agent" ;;
    *) fail "PROFILEAPP_WHEELS '$PROFILEAPP_WHEELS': must be an absolute path" ;;
    esac
}

# Without the index's URL, which may hold a password.
source_name() {
    if [ -n "${PROFILEAPP_WHEELS:-}" ]; then
        echo "the folder $PROFILEAPP_WHEELS"
    elif [ -n "${PROFILEAPP_INDEX:-}" ]; then
        echo "the index that PROFILEAPP_INDEX names"
    else
        echo "pip's index; set PROFILEAPP_INDEX or PROFILEAPP_WHEELS, or install it on the agent"
    fi
}

make_venv() {
    for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        rm -rf "$environment"
        if apart "$python" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null &&
            apart "$python" -I -m venv "$environment" >&2; then
            return
        fi
    done
    # Older JetPacks come with an older Python; uv brings a newer one along.
    rm -rf "$environment"
    uv=$(find_uv) && apart "$uv" --no-config venv --quiet --seed --python '>=3.10' "$environment" >&2 && return
    fail "needs Python 3.10 or later with its venv module (apt-get install python3-venv), or uv, on this agent"
}

# Prints the path of uv, which is installed beside the environments where the agent has none.
find_uv() {
    command -v uv && return
    (
        flock 7
        [ -x "$home/uv/bin/uv" ] ||
            { apart python3 -I -m venv --clear "$home/uv" && install "$home/uv" uv; } >/dev/null 2>&1
    ) 7<>"$home/locks/uv" || return 1
    echo "$home/uv/bin/uv"
}

# install ENVIRONMENT REQUIREMENT
install() {
    if [ -n "${PROFILEAPP_WHEELS:-}" ]; then
        # A folder that holds all there is to install needs no network; where it holds the worker alone, an index helps.
        pip "$1" --no-index --find-links "$PROFILEAPP_WHEELS" "$2" 2>/dev/null ||
            pip "$1" --find-links "$PROFILEAPP_WHEELS" "$2"
    elif [ -n "${PROFILEAPP_INDEX:-}" ]; then
        pip "$1" --index-url "$PROFILEAPP_INDEX" "$2"
    else
        pip "$1" "$2"
    fi
}

pip() {
    (
        in=$1
        shift
        apart "$in/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-input "$@" >&2
    )
}

prune() {
    for old in "$home"/worker-*; do
        if [ -n "$(find "$old" -prune -mtime +30 2>/dev/null)" ]; then
            # Not one that is in use, nor one that somebody is making.
            (flock -n 7 && rm -f "$old/complete" && rm -rf "$old") 7<>"$home/locks/${old##*/}"
        fi
    done
}

main "$@"
