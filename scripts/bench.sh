#!/bin/sh
# make bench: cycles of the stack alone (bench/core), server and client in two processes (bench/link.py), and beside the kernel under wrk
# (bench/kernel.py), in less than 20 minutes, or otherwise with REPS and TIME. Tables, CSV and figures are in bench/results/; with any
# variable but BENCH it is one question, whose results are in bench/results/question/:
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
all) parts="core cores link kernel" takes="REPS TIME" ;;
core) parts=core takes="SIZE CONNS VARIANT ONLY REPS MTU" ;;
cores) parts=cores takes='' ;;
link) parts=link takes="LINK WORKLOAD CONNS REPS TIME" ;;
kernel) parts=kernel takes="SIZE CONNS VARIANT ONLY REPS TIME" ;;
idle) parts=idle takes="PORT POLICY CONNS REPS TIME" ;;
loss) parts=loss takes=LOSS_ARGS ;;
demo) parts='' takes='' ;;
*)
    echo "bench.sh: BENCH is all, core, cores, link, kernel, idle, demo or loss, not '$what'" >&2
    exit 1
    ;;
esac

# variable value benchmarks: refuses a value that this BENCH would ignore, and names those that take it.
only_for() {
    [ -n "$2" ] || return 0
    case " $takes " in
    *" $1 "*) question=yes ;;
    *)
        echo "bench.sh: $1='$2': ${BENCH:+BENCH=}${BENCH:-make bench as a whole} does not take it; choose BENCH=$3" >&2
        exit 1
        ;;
    esac
}
question=
only_for SIZE "${SIZE:-}" "core or kernel"
only_for CONNS "${CONNS:-}" "core, link, kernel or idle"
only_for VARIANT "${VARIANT:-}" "core or kernel"
only_for ONLY "${ONLY:-}" "core or kernel"
only_for REPS "${REPS:-}" "core, link, kernel or idle"
only_for MTU "${MTU:-}" core
only_for LINK "${LINK:-}" link
only_for WORKLOAD "${WORKLOAD:-}" link
only_for TIME "${TIME:-}" "link, kernel or idle"
only_for PORT "${PORT:-}" idle
only_for POLICY "${POLICY:-}" idle
only_for LOSS_ARGS "${LOSS_ARGS:-}" loss

[ "$what" != demo ] || exec scripts/demo.sh
# The answer to one question does not replace the results of a whole run.
results=bench/results${question:+/question}

# variable value low high
whole() {
    case $2 in
    '' | *[!0-9]* | ??????????*) ;;
    *) [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ] || return 0 ;;
    esac
    echo "bench.sh: $1: found '$2', expected a whole number from $3 to $4" >&2
    return 1
}

# variable value name...
one_of() {
    variable=$1
    value=$2
    shift 2
    expected=
    for name; do
        [ "$value" != "$name" ] || return 0
        expected="$expected${expected:+, }'$name'"
    done
    echo "bench.sh: $variable: found '$value', expected one of $expected" >&2
    return 1
}

# Each with --check: nothing but whether the variables have values that the benchmark knows, before anything is built.
run_core() {
    if [ "${1:-}" = --check ]; then
        whole SIZE "${SIZE:-64}" 1 65280 && whole CONNS "${CONNS:-1}" 1 1000000 && whole REPS "${REPS:-31}" 1 199 &&
            whole MTU "${MTU:-1500}" 576 9000 && one_of ONLY "${ONLY:-rr}" rr cold size bulk open many &&
            one_of VARIANT "${VARIANT:-copying}" zero-copy 'zero-copy, fresh' 'zero-copy, echo' copying
        return
    fi
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
    [ "${1:-}" != --check ] || return 0
    if [ "$(nproc)" -lt 2 ]; then
        echo "cores: two cores are needed; left out"
        [ "$what" != cores ]
    else
        build/release/bench/cores "$results/cores.csv" && python3 -B bench/results.py "$results/cores.csv"
    fi
}

run_link() {
    [ -z "${LINK:-}" ] || set -- "$@" --links "$LINK"
    [ -z "${WORKLOAD:-}" ] || set -- "$@" --workloads "$WORKLOAD"
    [ -z "${CONNS:-}" ] || set -- "$@" --connections "$CONNS"
    [ -z "${REPS:-}" ] || set -- "$@" --repetitions "$REPS"
    [ -z "${TIME:-}" ] || set -- "$@" --seconds "$TIME"
    python3 -B bench/link.py "$@"
}

# A question about certain sizes, connections or variants is one about requests under wrk.
run_kernel() {
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
    [ -z "${PORT:-}" ] || set -- "$@" --ports "$PORT"
    [ -z "${POLICY:-}" ] || set -- "$@" --policies "$POLICY"
    [ -z "${REPS:-}" ] || set -- "$@" --repetitions "$REPS"
    [ -z "${TIME:-}" ] || set -- "$@" --seconds "$TIME"
    [ -z "${CONNS:-}" ] || set -- "$@" --connections "$CONNS"
    python3 -B bench/idle.py "$@"
}

run_loss() {
    # shellcheck disable=SC2086 # several words
    python3 -B bench/loss.py "$@" ${LOSS_ARGS:-}
}

case $parts in
core*) run_core --check ;; # for which nothing needs to be installed
esac
. scripts/alone.sh
need=bench
[ "$what" != loss ] || need='test'
scripts/setup.sh "$need"
for part in $parts; do
    "run_$part" --check
done
if [ "$what" = loss ]; then
    scripts/build.sh dev tests/e2e/zserver tools/impair
else
    scripts/build.sh release
fi
mkdir -p "$results"
export ZSTACK_RESULTS="$PWD/$results"

failed=
begin=$(date +%s)
for part in $parts; do
    echo "bench: $part ($(($(date +%s) - begin)) s so far)" >&2
    "run_$part" || failed="$failed $part"
done
if [ -n "$failed" ]; then
    echo "bench: $(($(date +%s) - begin)) s; failed:$failed" >&2
    exit 1
fi
echo "bench: $(($(date +%s) - begin)) s; results are in $results/" >&2
