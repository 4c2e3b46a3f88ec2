#!/bin/sh
# make coverage: which lines and branches of src/ the tests without a network reach (unit, script, sim, regress).
# Prints the table per file; build/coverage/report/index.html shows the lines. COVERAGE_E2E=1 adds the end-to-end tests.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh coverage
scripts/build.sh coverage
find build/coverage -name '*.gcda' -delete
set -- --suite unit --suite script --suite sim --suite regress
[ -z "${COVERAGE_E2E:-}" ] || set -- "$@" --suite e2e
status=0
meson test -C build/coverage --no-rebuild --print-errorlogs --timeout-multiplier 4 "$@" || status=$?
mkdir -p build/coverage/report
gcovr --root . --filter src/ --object-directory build/coverage --exclude-unreachable-branches \
    --html-details build/coverage/report/index.html --txt build/coverage/report/coverage.txt
cat build/coverage/report/coverage.txt
exit "$status"
