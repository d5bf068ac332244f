#!/bin/sh
# Finds or installs the profileapp worker on this agent, and execs it.
#
#   worker.sh ARGUMENTS…     the arguments of `profileapp`
#
# The worker's version is in the file VERSION next to this script. Tried in this order: a `profileapp` of that version on
# PATH; an environment created by an earlier build; a new one, installed from PROFILEAPP_WHEELS (a folder) or
# PROFILEAPP_INDEX (an index's URL; default: pip's own). PROFILEAPP_EXTRAS lists required extras, such as `report`;
# those in PROFILEAPP_OPTIONAL_EXTRAS may be missing.
#
# Environments are stored in ${PROFILEAPP_HOME:-${XDG_CACHE_HOME:-~/.cache}/profileapp}, one for each combination of
# requirement, wheels and Python. Each is a separate folder that never changes once its file `complete` exists, so builds
# with different wheels neither replace each other's environment nor wait for each other. A worker holds a shared lock on
# its environment; only a removal takes that lock exclusively, without waiting. Environments are removed if unused for 30
# days, or for 3 days if another one of the same version has newer content.
#
# The current folder belongs to the app: no file in it may decide what is installed or run. Python runs isolated (-I), so
# that it does not import the app's yaml.py; installers run in a folder of our own, without the build's PYTHON… variables;
# uv reads no settings (--no-config); relative entries of PATH are ignored.
set -u

# The exit code of this shell itself is not a verdict: dash exits with 2 if it cannot open a file. The worker, which
# replaces this shell, has its own exit codes.
trap 'exit 4' EXIT

main() {
    keep_absolute_path
    version=$(cat "$(dirname "$0")/VERSION" 2>/dev/null) || fail "the file VERSION beside $0 is missing"
    case $version in
    '' | *[!0-9A-Za-z.+-]*) fail "the file VERSION beside $0 holds no version" ;;
    esac
    extras=$(checked_extras PROFILEAPP_EXTRAS "${PROFILEAPP_EXTRAS:-}") || exit
    optional=$(checked_extras PROFILEAPP_OPTIONAL_EXTRAS "${PROFILEAPP_OPTIONAL_EXTRAS:-}") || exit
    # Ours must not shadow an administrator's py-spy, which may have the capability to inspect other processes.
    if command -v py-spy >/dev/null; then optional=$(without functions "$optional"); fi

    needed=$extras
    extras=${extras}${extras:+${optional:+,}}$optional
    if is_preinstalled; then
        preinstalled "$@"
    fi
    open_home
    if ! prepare; then
        [ -n "$optional" ] || exit
        echo "profileapp: going on without what is optional: $optional" >&2
        extras=$needed optional=
        if is_preinstalled; then
            preinstalled "$@"
        fi
        prepare || exit
    fi
    touch "$environment"
    prune
    exec "$environment/bin/python" -I -m profileapp "$@"
}

fail() {
    echo "profileapp: $*" >&2
    exit 4
}

# checked_extras VARIABLE VALUE
checked_extras() {
    case $2 in
    *[!a-z0-9,]*) fail "$1 '$2': must be names of extras, such as report" ;;
    esac
    printf %s "$2"
}

# without EXTRA LIST
without() {
    printf ',%s,' "$2" | sed "s/,$1,/,/; s/^,//; s/,\$//"
}

# A relative or empty entry is one of the app's folders. ("*" is not expanded: set -f.)
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

# Execs the profileapp on PATH. A Python script is not isolated by default: the build's PYTHONPATH would precede its own
# modules. An isolated Python does not see a `pip install --user`, which is therefore called directly.
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

# Runs an installer in a folder of our own, without the build's PYTHON… variables.
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

# Finds or creates the environment for `extras`; false, after printing the reason, if neither is possible.
prepare() {
    requirement=profileapp${extras:+[$extras]}==$version
    # Homes may be shared by agents of several kinds.
    family=worker-$version${extras:+-$(printf %s "$extras" | tr , -)}-$(uname -m)
    name=$family-$(content)
    if find_environment; then return; fi

    touch "$home/locks/making-$name" 2>/dev/null || fail "$home/locks/making-$name cannot be written; set PROFILEAPP_HOME"
    exec 7<>"$home/locks/making-$name"
    if ! flock -n 7; then
        echo "profileapp: waiting for another build that makes the worker's environment" >&2
        flock -w 1800 7 ||
            fail "another build has been making the worker's environment for half an hour; it holds $home/locks/making-$name"
    fi
    # Another build may have created it while we waited. (In a subshell, so that `fail` ends only that.)
    { find_environment || { (make_environment) && find_environment; }; } && made=yes || made=
    # A build must not wait for a run.
    exec 7>&-
    [ -n "$made" ]
}

# A digest of the content of an environment. Another wheel of the same version, which a library under development has for
# every commit, is another worker; a dependency's wheel is identified by its name. An index's password may change.
content() {
    {
        printf '%s\n' "$requirement" "$(command -v python3)" "$(python_version | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')"
        if has_worker_wheel; then
            (cd "$PROFILEAPP_WHEELS" && cat "profileapp-$version-"*.whl && printf '%s\n' *.whl)
        else
            printf '%s\n' "${PROFILEAPP_INDEX:-}" | sed 's,//[^/@]*@,//,'
        fi
    } | sha256sum | cut -c 1-16
}

has_worker_wheel() {
    for wheel in "${PROFILEAPP_WHEELS:-}/profileapp-$version-"*.whl; do
        if [ -f "$wheel" ]; then return; fi
    done
    return 1
}

# The version of the agent's python3, such as 3.11.2; nothing if there is none.
python_version() {
    apart python3 -V 2>/dev/null | sed -n 's/^Python //p'
}

# If there is no source to install from, or the folder of wheels is gone, use the most recently used environment of the
# version.
find_environment() {
    for candidate in "$home/$name".*; do
        if is_whole "$candidate"; then return; fi
    done
    if has_worker_wheel; then return 1; fi
    if [ -z "${PROFILEAPP_WHEELS:-}" ] && [ -n "${PROFILEAPP_INDEX:-}" ]; then return 1; fi
    # shellcheck disable=SC2045  # the names are ours, without spaces
    for candidate in $(cd "$home" && ls -td "$family-"*.* 2>/dev/null); do
        if is_whole "$home/$candidate"; then return; fi
    done
    return 1
}

# is_whole ENVIRONMENT: uses it, with its shared lock, if it works. A new system Python or an interrupted removal leaves
# one that only looks complete.
is_whole() {
    environment=$1
    [ -f "$environment/complete" ] || return
    use "$home/locks/${environment##*/}"
    # After taking the lock, since a removal first deletes the mark.
    flock -n -s 8 && [ -f "$environment/complete" ] && "$environment/bin/python" -I -c 'import profileapp' 2>/dev/null
}

# use LOCK: the worker, which replaces this shell, inherits the open file.
use() {
    touch "$1" 2>/dev/null || fail "$1 cannot be written; set PROFILEAPP_HOME"
    exec 8<>"$1"
}

make_environment() {
    check_source
    # The remaining ones with this content are unusable. Delete their marks; pruning removes the rest.
    for broken in "$home/$name".*; do rm -f "$broken/complete"; done
    # The lock first, so that the folder never exists without it.
    lock_file=$(mktemp "$home/locks/$name.XXXXXX" 2>/dev/null) || fail "$home/locks cannot be written; set PROFILEAPP_HOME"
    environment=$home/${lock_file##*/}
    use "$lock_file"
    flock -n -s 8
    echo "profileapp: making the worker's environment in $environment" >&2
    make_venv
    install "$environment" "$requirement" || fail "$requirement cannot be installed from $(source_name)$(source_advice)"
    "$environment/bin/python" -I -c 'import profileapp' || fail "$requirement from $(source_name) cannot be imported"
    [ "$name" = "$family-$(content)" ] || fail "the wheels in $PROFILEAPP_WHEELS changed while they were installed; build again"
    # Written elsewhere first, so that a full disk cannot leave an incomplete mark.
    { echo "$requirement" >"$environment/complete.new" && mv "$environment/complete.new" "$environment/complete"; } ||
        fail "$environment cannot be written"
}

check_source() {
    case ${PROFILEAPP_WHEELS:-} in
    '') ;;
    /*) [ -d "$PROFILEAPP_WHEELS" ] || fail "PROFILEAPP_WHEELS '$PROFILEAPP_WHEELS': no such folder on this agent" ;;
    *) fail "PROFILEAPP_WHEELS '$PROFILEAPP_WHEELS': must be an absolute path" ;;
    esac
}

# Without the index's URL, which may contain a password.
source_name() {
    if [ -n "${PROFILEAPP_WHEELS:-}" ]; then
        echo "the folder $PROFILEAPP_WHEELS"
    elif [ -n "${PROFILEAPP_INDEX:-}" ]; then
        echo "the index that PROFILEAPP_INDEX names"
    else
        echo "pip's index"
    fi
}

source_advice() {
    if [ -z "${PROFILEAPP_WHEELS:-}${PROFILEAPP_INDEX:-}" ]; then
        echo "; set PROFILEAPP_INDEX or PROFILEAPP_WHEELS, or install it on the agent"
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
    # Older JetPacks have an older Python; uv installs a newer one.
    rm -rf "$environment"
    if find_uv; then
        said=$(with_our_source apart "$uv" --no-config venv --quiet --seed --python '>=3.10' "$environment" 2>&1) && return
        printf '%s\n' "$said" | sed 's,//[^/@ ]*@,//,g' >&2
        problem="uv could not bring one ($(printf %s "$said" | one_line)); where it cannot reach its Python builds, \
UV_PYTHON_INSTALL_MIRROR names a mirror"
    fi
    fail "needs Python 3.10 or later with its venv module (apt-get install python3-venv), or uv; this agent has \
$(python_here), and $problem"
}

python_here() {
    here=$(python_version)
    if [ -z "$here" ]; then
        echo 'no python3'
    elif apart python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        echo "Python $here without the venv module"
    else
        echo "Python $here"
    fi
}

# The first line of a program's output that contains "error", else the last; without passwords in URLs.
one_line() {
    # shellcheck disable=SC2016  # the $ is sed's last line
    sed -n -e 's,//[^/@ ]*@,//,g' -e '/^[Ee][Rr][Rr][Oo][Rr]/{p;q;}' -e '/./h' -e '${x;p;}'
}

# Finds uv, or installs it next to the environments if the agent has none; `problem` is the reason if that fails.
find_uv() {
    uv=$(command -v uv) && return
    uv=$home/uv/bin/uv
    exec 6<>"$home/locks/uv"
    if ! flock -w 1800 6; then
        problem="another build has been installing uv for half an hour"
    elif [ -x "$uv" ]; then
        problem=
    elif ! apart python3 -I -m venv --clear "$home/uv" >/dev/null 2>&1; then
        problem="no virtual environment can be made to install uv in"
    elif ! said=$(install "$home/uv" uv 2>&1); then
        problem="uv cannot be installed from $(source_name) ($(printf %s "$said" | one_line))"
    else
        problem=
    fi
    exec 6>&-
    [ -z "$problem" ]
}

# uv installs pip into an environment from the same source as the worker.
with_our_source() (
    if [ -n "${PROFILEAPP_WHEELS:-}" ]; then export UV_FIND_LINKS="$PROFILEAPP_WHEELS"; fi
    if [ -n "${PROFILEAPP_INDEX:-}" ]; then export UV_INDEX_URL="$PROFILEAPP_INDEX"; fi
    "$@"
)

# install ENVIRONMENT REQUIREMENT
install() {
    if [ -n "${PROFILEAPP_WHEELS:-}" ]; then
        # A folder with all requirements needs no network; with only the worker, an index provides the rest.
        pip "$1" --no-index --find-links "$PROFILEAPP_WHEELS" "$2" 2>/dev/null ||
            pip "$1" --find-links "$PROFILEAPP_WHEELS" "$2"
    elif [ -n "${PROFILEAPP_INDEX:-}" ]; then
        # In an environment variable, which only this user can read: it may contain a password.
        (export PIP_INDEX_URL="$PROFILEAPP_INDEX" && pip "$1" "$2")
    else
        pip "$1" "$2"
    fi
}

pip() {
    (
        in=$1
        shift
        # An agent without a network does not wait long for what it can do without.
        [ -z "$optional" ] || export PIP_RETRIES="${PIP_RETRIES:-1}"
        apart "$in/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-input "$@" >&2
    )
}

prune() {
    for old in "$home"/worker-*; do
        base=${old##*/}
        if [ ! -f "$old/complete" ]; then
            # Its creator, if still running, holds its lock.
            days=
        else
            case $base in
            "$family"-*) days=+2 ;;
            *) days=+30 ;;
            esac
        fi
        if [ -d "$old" ] && { [ -z "$days" ] || [ -n "$(find "$old" -prune -mtime "$days" 2>/dev/null)" ]; }; then
            (flock -n -x 7 && rm -f "$old/complete" && rm -rf "$old" && forget_locks "$base") 7<>"$home/locks/$base"
        fi
    done
}

# Only those whose names are never reused.
forget_locks() {
    case $1 in
    *-????????????????.??????) rm -f "$home/locks/$1" "$home/locks/making-${1%.*}" ;;
    esac
}

main "$@"
