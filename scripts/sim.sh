#!/bin/sh
# Replays one seed of the simulator, or runs its whole grid. Usage: sim.sh [SEED]
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh build
scripts/build.sh dev
if [ $# -gt 0 ] && [ -n "$1" ]; then
    export SEED="$1"
fi
exec meson test -C build/dev --no-rebuild --print-errorlogs --suite sim --verbose
