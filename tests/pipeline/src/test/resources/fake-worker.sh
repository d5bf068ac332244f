#!/bin/sh
# A fake worker: plans $FAKE_TARGETS (NAME:AGENT:EXIT CODE …) and writes the same files as the real one.

# The worker's outcome for an exit code, for one target or for all.
outcome() {
    case $1 in
    0) result=SUCCESS message='' ;;
    1) result=$PROFILEAPP_ON_BUDGET message='a budget is violated' ;;
    2) result=$PROFILEAPP_ON_APP_FAILURE message='the app failed' ;;
    3) result=fail message='the configuration is wrong' ;;
    4) result=fail message='the agent could not measure' ;;
    *) result=fail message='the run was aborted' ;;
    esac
    case $result in
    unstable) result=UNSTABLE ;;
    fail) result=FAILURE ;;
    ignore) result=SUCCESS ;;
    esac
}

out=${PROFILEAPP_OUT:-}
case $1 in
--version) echo "profileapp $FAKE_VERSION (extras: ${FAKE_EXTRAS-report, store, postgres})" ;;
plan)
    [ "${PROFILEAPP_IMAGE_ARCHIVE:-}${PROFILEAPP_BUILD:-}" = '' ] ||
        echo "fake plan archive=<$PROFILEAPP_IMAGE_ARCHIVE> build=<$PROFILEAPP_BUILD> workspace=<$PROFILEAPP_WORKSPACE>" >&2
    if [ -n "${FAKE_PLAN_ERROR:-}" ]; then
        echo "profileapp: $FAKE_PLAN_ERROR" >&2
        exit 3
    fi
    files=${PROFILEAPP_CONFIG##*/}
    [ "$PROFILEAPP_RUNTIME" = docker ] || files='**'
    [ -z "${FAKE_DATASET:-}" ] || files="$files\",\"$FAKE_DATASET/**"
    printf '{"version":1,"app":{"name":"app"},"files":["%s"],"targets":[' "$files"
    comma='' groups=''
    for target in $FAKE_TARGETS; do
        name=${target%%:*} rest=${target#*:}
        printf '%s{"name":"%s"}' "$comma" "$name"
        comma=,
        agent=${rest%%:*}
        agent=${agent:-$PROFILEAPP_PLAN_AGENT}
        group=$(printf '{"name":"%s","agent":"%s","targets":["%s"],"secrets":[%s],"extras":[%s]}' \
            "$name" "$agent" "$name" "${FAKE_SECRETS:-}" "${FAKE_GROUP_EXTRAS:-}")
        groups=${groups:+$groups,}$group
    done
    [ "$PROFILEAPP_PLAN_GROUP_BY_AGENT" = 0 ] || groups=$FAKE_GROUPS
    printf '],"groups":[%s]}\n' "$groups"
    ;;
run)
    file=$PROFILEAPP_CONFIG names=$(echo "$PROFILEAPP_TARGETS" | tr '\n' ' ') from=$PROFILEAPP_IMAGE_ARCHIVE$PROFILEAPP_BUILD
    names=${names% }
    echo "fake commit=<${GIT_COMMIT:-}> branch=<${BRANCH_NAME:-} ${GIT_BRANCH:-}>"
    echo "fake run image=<$PROFILEAPP_IMAGE> wheels=<${PROFILEAPP_WHEELS:-}> file=<$file>"
    [ -z "${FAKE_SECRETS:-}" ] || echo "fake key=<${PROFILEAPP_SECRET_the_key:-}>" | tee key.txt
    echo "fake targets <$names>"
    echo "fake extras <${PROFILEAPP_OPTIONAL_EXTRAS:-}>"
    echo "fake login=<${PROFILEAPP_REGISTRY:-} ${PROFILEAPP_REGISTRY_USER:-} ${PROFILEAPP_REGISTRY_PASSWORD:-}>"
    echo "fake files <$(cd files && find . -type f | sort | tr '\n' ' ')>"
    if [ -f "$from" ]; then
        echo "fake image from <$from>"
    elif [ -n "$from" ]; then
        echo "fake image from <$from> <$(cd "$from" && find . -type f | sort | tr '\n' ' ')>"
        echo built >"$out/build.log"
    fi
    [ -z "${FAKE_DIES:-}" ] || exit 2
    for name in $names; do
        folder=$out/$name
        mkdir -p "$folder"
        echo "<testsuite name='app'><testcase name='run' classname='app.$name'/></testsuite>" >"$folder/junit.xml"
        [ -z "${FAKE_METRICS_MIB:-}" ] || head -c "${FAKE_METRICS_MIB}M" /dev/zero >"$folder/metrics.ndjson"
        echo sample >>"$folder/metrics.ndjson"
        # A worker that is killed leaves none.
        [ -n "${FAKE_NO_DIGEST:-}" ] || head -c "${FAKE_DIGEST_KIB:-1}K" /dev/zero >"$folder/digest.json"
    done
    if [ "${FAKE_SLEEP:-}" = "$name" ]; then
        trap 'sleep 1; echo aborted >"$folder/run.json"; exit 143' TERM
        : >"$FAKE_STARTED"
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1; done
    fi
    worst=0
    for target in $FAKE_TARGETS; do
        case " $names " in
        *" ${target%%:*} "*)
            code=${target##*:}
            # With a config or agent error nothing is measured.
            if [ "$code" = 3 ] || [ "$code" = 4 ]; then rm -r "${out:?}/${target%%:*}"; else echo finished >"$out/${target%%:*}/run.json"; fi
            [ "$code" = 0 ] || worst=$code
            ;;
        esac
    done
    outcome "$worst"
    printf '{"version":1,"result":"%s","message":"%s%s","exit_code":%s,"targets":{}}' \
        "$result" "${message:+$names: }" "$message" "$worst" >"$out/outcome.json"
    exit "$worst"
    ;;
config)
    [ "$FAKE_DB" = "$PROFILEAPP_DB" ] || exit 4
    echo "# $3 over $4"
    ;;
baseline)
    echo "fake baseline <$2 $PROFILEAPP_BASELINE since=$PROFILEAPP_SINCE against=$PROFILEAPP_AGAINST>"
    [ -f "$2/gpu/run.json" ] || exit 3
    [ -n "$PROFILEAPP_AGAINST" ] || [ "$FAKE_DB" = "$PROFILEAPP_DB" ] || exit 4
    if [ "${FAKE_WORSE:-0}" -gt 1 ]; then
        printf '{"version":1,"result":"UNSTABLE","message":"%s","exit_code":%s,"targets":{}}' \
            'the numbers could not be compared with earlier runs: gone' "$FAKE_WORSE" >"$2/baseline-outcome.json"
        exit "$FAKE_WORSE"
    fi
    printf '{"version":1,"result":"SUCCESS","message":"","exit_code":%s,"targets":{}}' "${FAKE_WORSE:-0}" >"$2/baseline-outcome.json"
    echo "<testsuite name='app'><testcase name='baseline fps mean' classname='app.gpu'/></testsuite>" >"$2/baseline.xml"
    exit "${FAKE_WORSE:-0}"
    ;;
store)
    echo "fake store $2 of <$PROFILEAPP_OWN_APP> claims=<$PROFILEAPP_CLAIM_APP>: $(ls "$2")"
    [ "$FAKE_DB" = "$PROFILEAPP_DB" ] || { echo "profileapp: cannot be reached" >&2; exit 4; }
    ;;
report)
    [ -z "${FAKE_NO_REPORT:-}" ] || exit 4
    for folder in "$2"/*/; do
        [ -f "$folder/junit.xml" ] || exit 3
        [ -f "$folder/metrics.ndjson" ] || [ -f "$folder/digest.json" ] || exit 3
    done
    echo "fake report of <$(cd "$2" && find . -name metrics.ndjson -o -name digest.json | sort | tr '\n' ' ')>" >&2
    echo '<!doctype html>' >"$2/index.html"
    echo "<testsuite name='app'><testcase name='report' classname='app.gpu'/></testsuite>" >"$2/attachments.xml"
    [ -z "${FAKE_PLOT:-}" ] || { mkdir -p "$2/plot" && echo 'gpu,cpu' >"$2/plot/fps.csv"; }
    worst=${FAKE_WORSE:-0}
    [ "$worst" -le 1 ] || worst=0
    outcome "$worst"
    printf '{"version":1,"result":"%s","message":"%s","exit_code":%s,"targets":{}}' \
        "$result" "${message:+gpu: a number is worse than on main}" "$worst" >"$2/outcome.json"
    printf '%s' '{"summary":"fake summary <b>","description":"fake summary &lt;b&gt;","verdict":"over budget",'
    echo '"report":"profile/index.html","exit_code":0}'
    ;;
esac
exit 0
