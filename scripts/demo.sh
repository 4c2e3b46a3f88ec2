#!/bin/sh
# make demo: the HTTP example on Z-stack, with copying calls, and on the kernel, driven by curl and wrk.
# DEMO_SECONDS (per run), DEMO_SIZES, DEMO_CONNECTIONS and DEMO_VARIANTS change what is run; DEMO_DEVICE=af_packet the device.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh demo
scripts/build.sh release examples/http examples/http_copy examples/http_kernel
exec python3 scripts/demo.py build/release/examples build/demo
