#!/bin/sh
# Replays one seed in every simulation, or runs their whole grids. Usage: sim.sh [SEED]
# SIM_PCAP=FILE writes what was on the wire, for tshark.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh sim
scripts/build.sh dev
if [ $# -eq 0 ] || [ -z "$1" ]; then
    exec meson test -C build/dev --no-rebuild --print-errorlogs --suite sim
fi
status=0
for program in build/dev/tests/sim/test_*; do
    [ -f "$program" ] || continue
    echo "sim: $program $1"
    "$program" "$1" || status=1
done
exit "$status"
