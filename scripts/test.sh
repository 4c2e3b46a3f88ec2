#!/bin/sh
# Every test: all suites in an ordinary build, unit, script, sim and regress again under ASan and UBSan, and the fuzzers
# over their committed corpus. The last line is "N passed, N failed, N skipped". Usage: test.sh [dev|asan|fuzz ...]
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh test
status=0
logs=
[ $# -gt 0 ] || set -- dev asan fuzz
for tree in "$@"; do
    scripts/build.sh "$tree"
    suites=
    case $tree in
    asan) suites="--no-suite e2e" ;;
    fuzz) suites="--suite fuzz" ;;
    esac
    rm -f "build/$tree/meson-logs/testlog.json"
    echo "test: build/$tree" >&2
    # shellcheck disable=SC2086 # several words on purpose
    meson test -C "build/$tree" --no-rebuild --print-errorlogs $suites || status=$?
    logs="$logs build/$tree/meson-logs/testlog.json"
done
# meson's status only says that something failed; the report counts, and judges skips.
# shellcheck disable=SC2086
python3 scripts/test_report.py tests/skip.list $logs || status=1
exit "$status"
