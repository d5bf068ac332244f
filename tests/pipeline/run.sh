#!/usr/bin/env bash
# Runs the pipeline tests: the real Jenkinsfile, vars/ and resources/ under Jenkins' Groovy, CPS and sandbox.
#   run.sh          everything but the bench
#   run.sh fast     without the tests that start containers
# run.sh bench    only the benchmark of transfers between agents and controller and of overhead
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$here"

run_tests() {
    rm -rf target/surefire-reports
    mvn -q -B -ntp test "$@"
    # Maven's quiet mode does not report passed tests.
    sed -nE 's/^(Tests run: .*), Time.*-- in (.*)/\2: \1/p' target/surefire-reports/*.txt
}

case ${1:-} in
    fast)
        run_tests -DexcludedGroups=e2e,bench
        exit
        ;;
    bench)
        mvn -q -B -ntp test -Dgroups=bench -Dtest='*Bench'
        exit
        ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$root/.venv/bin/python
# Do not wait for unreachable registries: by default they are retried for two minutes.
export PROFILEAPP_RETRY_TIMEOUT=1
# Files of setuptools from an earlier commit would get into the wheel.
rm -rf "$root/build/lib" "$root"/build/bdist.*
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$work/wheels" "$root"
export PROFILEAPP_TEST_WHEELS="$work/wheels"
export PROFILEAPP_TEST_HOME="$work/home"
export PROFILEAPP_TEST_IMAGE="profileapp/object-counter:test"
"$root/examples/objectcounter/build.sh" "$PROFILEAPP_TEST_IMAGE" >/dev/null
run_tests -DexcludedGroups=bench
