#!/bin/sh
# make demo: the HTTP example on Z-stack, with copying calls, and on the kernel, driven by curl and wrk over a TAP device and a veth pair.
# DEMO_SECONDS (per run), DEMO_SIZES, DEMO_CONNECTIONS, DEMO_VARIANTS and DEMO_DEVICE (tap, af_packet) change what is run.
set -eu
cd "$(dirname "$0")/.."

. scripts/alone.sh
scripts/setup.sh demo
python3 -B scripts/demo.py --check
# The first packet is not kept waiting for what makes later ones faster.
TRAIN=no scripts/build.sh release examples/http examples/http_copy examples/http_kernel
exec python3 scripts/demo.py build/release/examples build/demo
