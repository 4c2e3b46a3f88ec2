#!/bin/sh
# The long forms: ZSTACK_SOAK multiplies seeds, sizes and durations in the tests that know it. SOAK=20 by default.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh test
scripts/build.sh dev
export ZSTACK_SOAK="${SOAK:-20}"
status=0
meson test -C build/dev --no-rebuild --print-errorlogs --timeout-multiplier "$((ZSTACK_SOAK * 2))" || status=$?
python3 scripts/test_report.py tests/skip.list build/dev/meson-logs/testlog.json || status=1
exit "$status"
