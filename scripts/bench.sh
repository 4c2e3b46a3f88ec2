#!/bin/sh
# make bench: cycles per request of the core alone, then the demo's table.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh demo
scripts/build.sh release
meson test -C build/release --no-rebuild --benchmark --verbose
exec scripts/demo.sh
