#!/usr/bin/env python3
"""What is wrong in the variables of `make bench` and `make demo` is one line that says what was found and what is expected, with status 1,
before anything is built."""
import argparse
import contextlib
import fcntl
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts"))
sys.dont_write_bytecode = True

import arguments as a  # noqa: E402

REFUSED = (
    ("scripts/bench.sh", {"BENCH": "nosuch"}, "BENCH is all, core"),
    ("scripts/bench.sh", {"PORT": "memif"}, "PORT='memif': make bench as a whole does not take it; choose BENCH=idle"),
    ("scripts/bench.sh", {"BENCH": "core", "PORT": "memif"}, "PORT='memif': BENCH=core does not take it; choose BENCH=idle"),
    ("scripts/bench.sh", {"BENCH": "core", "TIME": "3"}, "BENCH=core does not take it; choose BENCH=link, kernel or idle"),
    ("scripts/bench.sh", {"BENCH": "cores", "REPS": "3"}, "BENCH=cores does not take it"),
    ("scripts/bench.sh", {"BENCH": "loss", "CONNS": "3"}, "BENCH=loss does not take it"),
    ("scripts/bench.sh", {"BENCH": "link", "LOSS_ARGS": "--seeds 1"}, "choose BENCH=loss"),
    ("scripts/bench.sh", {"BENCH": "core", "SIZE": "0"}, "SIZE: found '0', expected a whole number from 1 to 65280"),
    ("scripts/bench.sh", {"BENCH": "core", "ONLY": "x"}, "ONLY: found 'x', expected one of 'rr', 'cold'"),
    ("scripts/bench.sh", {"BENCH": "core", "VARIANT": "zero"}, "VARIANT: found 'zero', expected one of 'zero-copy', 'zero-copy, fresh'"),
    ("scripts/install.sh rel/path", {}, "PREFIX: found 'rel/path', expected an absolute path"),
    ("scripts/install.sh /usr pkg", {}, "DESTDIR: found 'pkg', expected an absolute path"),
    ("scripts/sim.sh abc", {}, "SEED: found 'abc', expected a whole number"),
    ("tests/e2e/test_packets.py", {}, "group: missing, expected one of open, data"),
    ("tests/e2e/test_packets.py nonsense", {}, "group: found 'nonsense', expected one of open, data"),
    ("tests/e2e/test_packets.py loss nonsense", {}, "test: found 'nonsense', expected one of "),
    ("tests/e2e/test_packets.py ipv6 4 headers_before_tcp", {}, "test: found 'headers_before_tcp', expected one of "),
    ("bench/link.py --connections x", {}, "link.py: CONNS (--connections): found 'x', expected a whole number from 1 to 20000"),
    ("bench/link.py --seconds -1", {}, "link.py: TIME (--seconds)"),
    ("bench/link.py --seconds=-1", {}, "found '-1', expected a number from 0.1 to 600"),
    ("bench/link.py --links memif;x", {}, "LINK (--links): found 'x', expected one of 'memif', 'vhost', 'vhost, TSO'"),
    ("bench/link.py --repetitions 0", {}, "REPS (--repetitions): found '0', expected a whole number from 1 to 1000"),
    ("bench/kernel.py --sizes x", {}, "kernel.py: SIZE (--sizes): found 'x', expected a whole number from 0 to 65280"),
    ("bench/kernel.py --sizes 64,999999", {}, "found '999999'"),
    ("bench/kernel.py --seconds 0", {}, "TIME (--seconds): found '0'"),
    ("bench/kernel.py --variants x", {}, "VARIANT (--variants): found 'x'"),
    ("bench/kernel.py --parts http,x", {}, "ONLY (--parts): found 'x'"),
    ("bench/idle.py --connections 0", {}, "idle.py: CONNS (--connections): found '0'"),
    ("bench/idle.py --ports nosuch", {}, "PORT (--ports): found 'nosuch'"),
    ("bench/loss.py --seeds 0", {}, "loss.py: LOSS_ARGS (--seeds): found '0'"),
    ("bench/loss.py --nosuch", {}, "loss.py: unrecognized arguments: --nosuch"),
    ("scripts/demo.py", {"DEMO_SECONDS": "abc"}, "demo: DEMO_SECONDS: found 'abc', expected a whole number from 1 to 600"),
    ("scripts/demo.py", {"DEMO_SECONDS": "0"}, "found '0'"),
    ("scripts/demo.py", {"DEMO_CONNECTIONS": "1 x"}, "demo: DEMO_CONNECTIONS: found 'x'"),
    ("scripts/demo.py", {"DEMO_SIZES": ","}, "demo: DEMO_SIZES: found"),
    ("scripts/demo.py", {"DEMO_VARIANTS": "zerocopy"}, "DEMO_VARIANTS: found 'zerocopy', expected one of 'zero-copy'"),
    ("scripts/demo.py", {"DEMO_DEVICE": "x"}, "DEMO_DEVICE: found 'x'"),
)
TAKEN = (
    ("bench/link.py --links memif;vhost --connections 1,100 --seconds 0.5 --repetitions 5", {}),
    ("bench/kernel.py --sizes 64,8192 --parts bulk --seconds 3", {}),
    ("bench/idle.py --ports tap,memif --policies always,balanced", {}),
    ("bench/loss.py --seeds 5 --losses 0,1", {}),
    ("scripts/demo.py", {"DEMO_SECONDS": "1", "DEMO_SIZES": "64 1024", "DEMO_CONNECTIONS": "1,50"}),
)
OURS = ("BENCH", "SIZE", "CONNS", "VARIANT", "ONLY", "REPS", "MTU", "LINK", "WORKLOAD", "TIME", "PORT", "POLICY", "LOSS_ARGS")


def run(line, variables):
    env = {k: v for k, v in os.environ.items() if k not in OURS and not k.startswith("DEMO_")}
    program, *more = line.split()
    argv = [os.path.join(ROOT, program), *more]
    if program.endswith(".py"):
        argv = [sys.executable, "-B", *argv]
    if program.endswith(".py") and not program.startswith("tests/"):
        argv.append("--check")
    done = subprocess.run(argv, env={**env, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def check(what, good):
    if not good:
        sys.exit(f"FAILED: {what}")


def kinds():
    def refuses(kind, *texts):
        for text in texts:
            try:
                value = kind(text)
            except argparse.ArgumentTypeError as e:
                check(f"{text!r}: {e}", f"found {text!r}" in str(e))
            else:
                check(f"{text!r} gave {value!r}", False)

    whole, number, one = a.whole(1, 20), a.number(0.5, 2), a.name("a b", "c")
    refuses(whole, "0", "21", "-1", "x", "", "1.5", "+1", "0x3", "1_0", "²")
    refuses(number, "0.4", "2.1", "nan", "inf", "x", "")
    refuses(one, "a", "")
    refuses(a.several(whole), "", ",")
    check("whole", [whole(x) for x in ("1", " 20 ")] == [1, 20])
    check("number", [number(x) for x in ("0.5", "2")] == [0.5, 2])
    check("several", a.several(whole, ", ")("1,2 3, 4") == [1, 2, 3, 4] and a.several(one, ";")("a b; c") == ["a b", "c"])


def core_names():
    """scripts/bench.sh refuses what bench/core would only refuse when it is built: it knows the same names."""
    with open(os.path.join(ROOT, "scripts/bench.sh"), encoding="utf-8") as f:
        known = f.read()
    for file, array in (("bench/core.c", "parts"), ("bench/app.c", "way_names")):
        with open(os.path.join(ROOT, file), encoding="utf-8") as f:
            names = re.findall('"([^"]*)"', re.search(array + r"\[\w*\] = \{(.*?)\};", f.read(), re.S)[1])
        listed = " ".join(f"'{n}'" if " " in n else n for n in names)
        check(f"names of {file}: {listed}", names and f" {listed}" in known)


def one_at_a_time():
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    with open(os.path.join(ROOT, "build/bench.lock"), "a", encoding="utf-8") as lock:
        with contextlib.suppress(BlockingIOError):  # somebody measures
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for script in ("scripts/bench.sh", "scripts/demo.sh"):
            status, out = run(script, {})
            check(f"a second {script}: status {status}: {out}", status == 1 and "runs in this directory already" in out and out.count("\n") == 1)


def main():
    kinds()
    core_names()
    one_at_a_time()
    for line, variables, text in REFUSED:
        status, out = run(line, variables)
        check(f"{line} {variables}: status {status}: {out}", status == 1 and text in out and out.count("\n") == 1)
    for line, variables in TAKEN:
        status, out = run(line, variables)
        check(f"{line} {variables}: status {status}: {out}", status == 0 and out == "")


main()
