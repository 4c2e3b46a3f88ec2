#!/bin/sh
# Builds every libFuzzer target (fuzz_* of the build directory) with clang, ASan and UBSan, and runs each over its committed
# corpus and on from there for a bounded time. One line per target; exit status 1 when one of them failed.
#
#   tests/fuzz/run.sh [seconds-per-target [build-directory]]     0 seconds: the corpus only
#
# What a run finds is kept in <build-directory>/corpus/<target>. To bring it into the committed corpus, minimised:
#   build-fuzz/tests/fuzz/fuzz_tcp -merge=1 tests/fuzz/corpus/fuzz_tcp build-fuzz/corpus/fuzz_tcp
set -u

seconds=${1:-20}
src=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
build=${2:-$src/build-fuzz}
case $seconds in
'' | *[!0-9]*)
    echo "usage: $0 [seconds-per-target [build-directory]]" >&2
    exit 2
    ;;
esac

clang=$(command -v clang || command -v clang-14) || {
    echo "$0: clang is not installed (apt install clang)" >&2
    exit 1
}
if [ ! -f "$build/build.ninja" ]; then
    CC=$clang meson setup "$build" "$src" -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
        -Ddefault_library=static >"$build.log" 2>&1 || {
        tail -20 "$build.log" >&2
        exit 1
    }
fi
build=$(cd "$build" && pwd) || exit 1
# Only the fuzzers: the rest of the tree is built in other directories.
targets=$(ninja -C "$build" -t targets all | sed -n 's|^\(tests/fuzz/fuzz_[a-z0-9_]*\): .*LINKER.*|\1|p')
if [ -z "$targets" ]; then
    echo "$0: no targets in $build: was it set up with clang and -Dfuzz=true?" >&2
    exit 1
fi
ninja -C "$build" -j2 $targets >"$build/fuzz-build.log" 2>&1 || {
    tail -30 "$build/fuzz-build.log" >&2
    exit 1
}

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
failed=0
for t in $targets; do
    name=${t##*/}
    log=$build/$name.log
    found=$build/corpus/$name
    committed=$src/tests/fuzz/corpus/$name
    mkdir -p "$found" "$committed"
    options="-artifact_prefix=$build/$name- -print_final_stats=1 -timeout=10 -rss_limit_mb=2048"
    printf '%-14s ' "$name"
    if [ "$seconds" -eq 0 ]; then
        "$build/$t" $options -runs=0 "$committed" >"$log" 2>&1
    else
        "$build/$t" $options -max_total_time="$seconds" "$found" "$committed" >"$log" 2>&1
    fi
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ "$status" -eq 0 ]; then
        echo "ok      ${runs:-0} executions in $seconds s, $(ls "$committed" | wc -l) inputs committed"
    else
        failed=1
        echo "FAILED  exit status $status; end of $log:"
        grep -E 'ERROR|SUMMARY|impossible|runtime error|Test unit written' "$log" | tail -8
        artifact=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
        [ -z "$artifact" ] || echo "replay: $build/$t $artifact"
    fi
done
exit $failed
