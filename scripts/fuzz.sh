#!/bin/sh
# make fuzz: every fuzzer for FUZZ_SECONDS (60) each, over the committed corpus and on from there.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh fuzz
scripts/build.sh fuzz
exec tests/fuzz/run.sh "${FUZZ_SECONDS:-60}" build/fuzz
