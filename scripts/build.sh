#!/bin/sh
# Configures and builds one tree under build/. Usage: build.sh release|dev|asan|clang|coverage|fuzz [ninja targets]
# TRAIN=no: a release tree is not waited for until its compiler has seen requests go by (train.sh).
set -eu
cd "$(dirname "$0")/.."

kind=${1:-release}
[ $# -eq 0 ] || shift
dir=build/$kind
compiler=${CC:-cc}
case $kind in
# What is installed, the examples and the benchmark: no test, so that nothing but DPDK is needed.
release)
    options="--buildtype=release -Dtests=false -Dprofile=true"
    export CCACHE_DISABLE=1 # it takes objects of other counts for these
    ;;
dev) options="--buildtype=debugoptimized" ;;
asan) options="--buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false" ;;
clang)
    options="--buildtype=debugoptimized"
    compiler=clang
    ;;
coverage) options="--buildtype=debug -Doptimization=1 -Db_coverage=true" ;;
fuzz)
    options="--buildtype=debugoptimized -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false"
    compiler=clang
    ;;
*)
    echo "build.sh: unknown kind '$kind'" >&2
    exit 1
    ;;
esac

log=build/$kind.log
mkdir -p build
# shellcheck disable=SC2086 # options are split on purpose
if ! scripts/tree.sh "$dir" "$compiler" $options >"$log"; then
    cat "$log" >&2
    exit 1
fi
# How far the build is whose log is $1, every few seconds; ends with this script, however that ends.
progress() {
    seconds=0
    shown=
    while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 1))
        [ "$((seconds % 8))" = 0 ] || continue
        now=$(sed -n 's|^\[\([0-9]*/[0-9]*\)\].*|\1|p' "$1" | tail -n 1)
        [ "$now" = "$shown" ] || printf '%s ' "$now" >&2
        shown=$now
    done
}
if [ "$kind" = release ] && [ "${TRAIN:-yes}" != no ] && ! "$compiler" --version | grep -q clang; then
    printf 'build: build/train, whose counts make %s faster ' "$dir" >&2
    : >build/train.log
    progress build/train.log &
    watcher=$!
    if scripts/train.sh "$dir" >build/train.log 2>&1; then
        echo "done" >&2
    else
        echo "failed, see build/train.log; $dir is built without it" >&2
    fi
    kill "$watcher" 2>/dev/null || true
fi
# Of that tree only the fuzzers are wanted.
if [ "$kind" = fuzz ] && [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # one word per target
    set -- $(ninja -C "$dir" -t targets all | sed -n 's|^\(tests/fuzz/fuzz_[a-z0-9_]*\): .*LINKER.*|\1|p')
fi
printf 'build: %s ' "$dir" >&2
: >"$log"
progress "$log" &
watcher=$!
trap 'kill "$watcher" 2>/dev/null || true' EXIT
if ! ninja -C "$dir" "$@" >"$log" 2>&1; then
    echo "failed" >&2
    grep -E -A12 'error:|ERROR|FAILED' "$log" | head -n 80 >&2 || tail -n 40 "$log" >&2
    exit 1
fi
echo "done" >&2
