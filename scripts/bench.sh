#!/bin/sh
# make bench: cycles of the stack alone (bench/core), server and client in two processes (bench/link.py), and beside the kernel under wrk
# (bench/kernel.py), in less than 20 minutes. Tables, CSV and figures are in bench/results/. A short form for one question, whose results are
# in bench/results/question/:
#     make bench BENCH=core SIZE=64 [CONNS=1] [VARIANT=copying] [ONLY=rr|cold|size|bulk|open|many] [REPS=31] [MTU=9000]
#     make bench BENCH=cores
#     make bench BENCH=link [LINK=memif] [WORKLOAD="echo 64 B"] [CONNS=1,100] [REPS=3] [TIME=1.5]
#     make bench BENCH=kernel SIZE=64 [CONNS=1,50] [VARIANT="zero-copy, tap;kernel"] [ONLY=http|cpu|bulk|cost|ping] [REPS=3] [TIME=1]
#     make bench BENCH=demo
# Not part of the whole, for the time that they take: a server with little to do (15 minutes), goodput under loss (half an hour).
#     make bench BENCH=idle [PORT=tap,memif] [POLICY=always,balanced] [CONNS=50] [REPS=3] [TIME=2]
#     make bench BENCH=loss [LOSS_ARGS="--seeds 5 --losses 1"]
set -eu
cd "$(dirname "$0")/.."

what=${BENCH:-all}
case $what in
all) parts="core cores link kernel" ;;
core | cores | link | kernel | idle) parts=$what ;;
demo) exec scripts/demo.sh ;;
loss)
    scripts/setup.sh test
    scripts/build.sh dev tests/e2e/zserver tools/impair
    # shellcheck disable=SC2086 # several words
    exec python3 -B bench/loss.py ${LOSS_ARGS:-}
    ;;
*)
    echo "bench.sh: BENCH is all, core, cores, link, kernel, idle, demo or loss, not '$what'" >&2
    exit 1
    ;;
esac
scripts/setup.sh bench
scripts/build.sh release
# The answer to one question does not replace the results of a whole run.
results=bench/results
[ -z "${SIZE:-}${CONNS:-}${VARIANT:-}${ONLY:-}${REPS:-}${MTU:-}${LINK:-}${WORKLOAD:-}${TIME:-}${PORT:-}${POLICY:-}" ] || results=bench/results/question
mkdir -p "$results"
export ZSTACK_RESULTS="$PWD/$results"

run_core() {
    set -- --csv "$results/core.csv"
    [ -z "${SIZE:-}" ] || set -- "$@" --size "$SIZE"
    [ -z "${CONNS:-}" ] || set -- "$@" --conns "$CONNS"
    [ -z "${VARIANT:-}" ] || set -- "$@" --variant "$VARIANT"
    [ -z "${REPS:-}" ] || set -- "$@" --reps "$REPS"
    [ -z "${MTU:-}" ] || set -- "$@" --mtu "$MTU"
    only=${ONLY:-}
    [ -n "$only" ] || [ -z "${SIZE:-}${CONNS:-}${VARIANT:-}" ] || only=rr
    [ -z "$only" ] || set -- "$@" --only "$only"
    build/release/bench/core "$@" && python3 -B bench/results.py "$results/core.csv"
}

run_cores() {
    if [ "$(nproc)" -lt 2 ]; then
        echo "cores: two cores are needed; left out"
    else
        build/release/bench/cores
    fi
}

run_link() {
    set --
    [ -z "${LINK:-}" ] || set -- "$@" --links "$LINK"
    [ -z "${WORKLOAD:-}" ] || set -- "$@" --workloads "$WORKLOAD"
    [ -z "${CONNS:-}" ] || set -- "$@" --connections "$CONNS"
    [ -z "${REPS:-}" ] || set -- "$@" --repetitions "$REPS"
    [ -z "${TIME:-}" ] || set -- "$@" --seconds "$TIME"
    python3 -B bench/link.py "$@"
}

# A question about certain sizes, connections or variants is one about requests under wrk.
run_kernel() {
    set --
    only=${ONLY:-}
    [ -n "$only" ] || [ -z "${SIZE:-}${CONNS:-}${VARIANT:-}" ] || only=http
    [ -z "$only" ] || set -- "$@" --parts "$only"
    [ -z "${SIZE:-}" ] || set -- "$@" --sizes "$SIZE"
    [ -z "${CONNS:-}" ] || set -- "$@" --connections "$CONNS"
    [ -z "${VARIANT:-}" ] || set -- "$@" --variants "$VARIANT"
    [ -z "${REPS:-}" ] || set -- "$@" --repetitions "$REPS"
    [ -z "${TIME:-}" ] || set -- "$@" --seconds "$TIME"
    python3 -B bench/kernel.py "$@"
}

run_idle() {
    set --
    [ -z "${PORT:-}" ] || set -- "$@" --ports "$PORT"
    [ -z "${POLICY:-}" ] || set -- "$@" --policies "$POLICY"
    [ -z "${REPS:-}" ] || set -- "$@" --repetitions "$REPS"
    [ -z "${TIME:-}" ] || set -- "$@" --seconds "$TIME"
    [ -z "${CONNS:-}" ] || set -- "$@" --connections "$CONNS"
    python3 -B bench/idle.py "$@"
}

status=0
begin=$(date +%s)
for part in $parts; do
    echo "bench: $part ($(($(date +%s) - begin)) s so far)" >&2
    if ! "run_$part"; then
        echo "bench: $part failed" >&2
        status=1
    fi
done
echo "bench: $(($(date +%s) - begin)) s; results are in $results/" >&2
exit $status
