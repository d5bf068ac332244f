#!/usr/bin/env bash
# Runs the pipeline tests: the real Jenkinsfile, vars/ and resources/ under Jenkins' Groovy, CPS and sandbox.
#   run.sh [fast]     fast: without the tests that start containers
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$here"
if [ "${1:-}" = fast ]; then
    exec mvn -q -B -ntp test -DexcludedGroups=e2e
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$root/.venv/bin/python
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$work/wheels" "$root"
export PROFILEAPP_TEST_WHEELS="$work/wheels"
export PROFILEAPP_TEST_HOME="$work/home"
export PROFILEAPP_TEST_IMAGE="profileapp/object-counter:test"
"$root/examples/objectcounter/build.sh" "$PROFILEAPP_TEST_IMAGE" >/dev/null
mvn -q -B -ntp test
