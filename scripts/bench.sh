#!/bin/sh
# make bench: cycles of the stack alone (bench/core), then the demo's table. A short form for one question:
#     make bench BENCH=core SIZE=64 [CONNS=1] [VARIANT=copying] [ONLY=rr|bulk|open|memory] [REPS=31] [MTU=9000]
#     make bench BENCH=demo
# Not part of the whole, since it takes half an hour: goodput under loss beside the kernel's.
#     make bench BENCH=loss [LOSS_ARGS="--seeds 5 --losses 1"]
set -eu
cd "$(dirname "$0")/.."

what=${BENCH:-all}
case $what in
all | core | demo | loss) ;;
*)
    echo "bench.sh: BENCH is all, core, demo or loss, not '$what'" >&2
    exit 2
    ;;
esac
if [ "$what" = loss ]; then
    scripts/setup.sh test
    scripts/build.sh dev tests/e2e/zserver tools/impair
    # shellcheck disable=SC2086 # several words
    exec python3 -B bench/loss.py ${LOSS_ARGS:-}
fi
scripts/setup.sh build
scripts/build.sh release

run_core() {
    mkdir -p build/bench
    set -- --csv build/bench/core.csv
    [ -z "${SIZE:-}" ] || set -- "$@" --size "$SIZE"
    [ -z "${CONNS:-}" ] || set -- "$@" --conns "$CONNS"
    [ -z "${VARIANT:-}" ] || set -- "$@" --variant "$VARIANT"
    [ -z "${REPS:-}" ] || set -- "$@" --reps "$REPS"
    [ -z "${MTU:-}" ] || set -- "$@" --mtu "$MTU"
    only=${ONLY:-}
    [ -n "$only" ] || [ -z "${SIZE:-}${CONNS:-}${VARIANT:-}" ] || only=rr
    [ -z "$only" ] || set -- "$@" --only "$only"
    echo "bench: the stack alone (about 20 s in all; build/bench/core.csv)" >&2
    build/release/bench/core "$@"
}

[ "$what" = demo ] || run_core
[ "$what" = core ] || scripts/demo.sh
