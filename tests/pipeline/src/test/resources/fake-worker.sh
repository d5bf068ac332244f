#!/bin/sh
# Stands in for the worker: plans $FAKE_TARGETS (NAME:AGENT:EXIT CODE …), and leaves files as the real one does.
case $1 in
--version) echo "profileapp $FAKE_VERSION (extras: ${FAKE_EXTRAS-report, store, postgres})" ;;
plan)
    echo "fake plan <$*>" >&2
    if [ -n "${FAKE_PLAN_ERROR:-}" ]; then
        echo "profileapp: $FAKE_PLAN_ERROR" >&2
        exit 3
    fi
    printf '{"version":1,"files":["%s"],"targets":[' "${2##*/}"
    comma=
    for target in $FAKE_TARGETS; do
        rest=${target#*:}
        printf '%s{"name":"%s","agent":"%s","budgets":{"a":"b"},"services":[{"secrets":[%s]}]}' \
            "$comma" "${target%%:*}" "${rest%%:*}" "${FAKE_SECRETS:-}"
        comma=,
    done
    printf ']}\n'
    ;;
run)
    image='' names='' file=$2 from=''
    while [ $# -gt 0 ]; do
        case $1 in
        --image) image=$2 ;;
        --load | --build) from=$2 ;;
        --target) names="$names $2" ;;
        esac
        shift
    done
    echo "fake commit=<${GIT_COMMIT:-}>"
    echo "fake run image=<$image> wheels=<${PROFILEAPP_WHEELS:-}> file=<$file>"
    [ -z "${FAKE_SECRETS:-}" ] || echo "fake key=<${PROFILEAPP_SECRET_the_key:-}>" | tee key.txt
    echo "fake targets <${names# }>"
    echo "fake login=<${PROFILEAPP_REGISTRY:-} ${PROFILEAPP_REGISTRY_USER:-} ${PROFILEAPP_REGISTRY_PASSWORD:-}>"
    if [ -f "$from" ]; then
        echo "fake image from <$from>"
    elif [ -n "$from" ]; then
        echo "fake image from <$from> <$(cd "$from" && find . -type f | sort | tr '\n' ' ')>"
        mkdir -p profile && echo built >profile/build.log
    fi
    for name in $names; do
        folder=profile/$name
        mkdir -p "$folder"
        echo "<testsuite name='app'><testcase name='run' classname='app.$name'/></testsuite>" >"$folder/junit.xml"
    done
    if [ "${FAKE_SLEEP:-}" = "$name" ]; then
        trap 'sleep 1; echo aborted >"$folder/run.json"; exit 143' TERM
        : >"$FAKE_STARTED"
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1; done
    fi
    for name in $names; do echo finished >"profile/$name/run.json"; done
    for target in $FAKE_TARGETS; do
        [ "${target%%:*}" = "$name" ] && exit "${target##*:}"
    done
    ;;
config)
    [ "$FAKE_DB" = "$PROFILEAPP_DB" ] || exit 4
    echo "# $3 over $4"
    ;;
baseline)
    shift
    echo "fake baseline <$*>"
    [ -f profile/gpu/run.json ] || exit 3
    case $* in *--against*) ;; *) [ "$FAKE_DB" = "$PROFILEAPP_DB" ] || exit 4 ;; esac
    echo "<testsuite name='app'><testcase name='baseline fps mean' classname='app.gpu'/></testsuite>" \
        >profile/baseline.xml
    exit "${FAKE_HELD:-0}"
    ;;
store)
    echo "fake store $2: $(ls "$2")"
    [ "$FAKE_DB" = "$PROFILEAPP_DB" ] || { echo "profileapp: cannot be reached" >&2; exit 4; }
    ;;
report)
    [ -z "${FAKE_NO_REPORT:-}" ] || exit 4
    for folder in profile/*/; do [ -f "$folder/junit.xml" ] || exit 3; done
    echo '<!doctype html>' >profile/index.html
    echo "<testsuite name='app'><testcase name='report' classname='app.gpu'/></testsuite>" >profile/attachments.xml
    printf '%s' '{"summary":"fake summary <b>","description":"fake summary &lt;b&gt;","verdict":"over budget",'
    echo '"report":"profile/index.html","exit_code":0}'
    ;;
esac
exit 0
