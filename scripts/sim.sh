#!/bin/sh
# Replays one seed in every simulation, or runs their whole grids. Usage: sim.sh [SEED]
# SIM_PCAP=FILE writes what was on the wire, for tshark.
set -eu
cd "$(dirname "$0")/.."

case ${1:-0} in
*[!0-9]*)
    echo "sim.sh: SEED: found '$1', expected a whole number like 4711" >&2
    exit 1
    ;;
esac
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
