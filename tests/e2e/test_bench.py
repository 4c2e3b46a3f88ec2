"""The benchmarks run: each for a moment, on one question, with results that are complete and from somewhere. usage: test_bench.py link|kernel|idle"""
import csv
import os
import shutil
import subprocess
import sys
import tempfile

import peer
from peer import BUILD, expect

SOURCE = os.environ.get("ZSTACK_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(results, script, *argv):
    env = {**os.environ, "ZSTACK_BUILD": BUILD, "ZSTACK_SOURCE": SOURCE, "ZSTACK_RESULTS": results}
    done = subprocess.run([sys.executable, "-B", os.path.join(SOURCE, "bench", script), *argv], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=150, env=env, check=False)
    print(done.stdout, flush=True)
    expect(done.returncode == 0, f"{script}: status {done.returncode}")
    return done.stdout


def table(results, name):
    with open(os.path.join(results, name), newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    expect(rows and all("commit" in r["machine"] and None not in r.values() and None not in r for r in rows), f"{name}: {rows}")
    return rows


def figures(results, *names):
    for name in names if shutil.which("gnuplot") else ():
        for extension, begin in (("svg", b"<?xml"), ("png", b"\x89PNG")):
            with open(os.path.join(results, f"{name}.{extension}"), "rb") as f:
                expect(f.read().startswith(begin), f"{name}.{extension}")


def link(results):
    run(results, "link.py", "--repetitions", "2", "--seconds", "1", "--links", "memif", "--workloads", "echo 64 B", "--connections", "2")
    rows = [r for r in table(results, "link.csv") if r["workload"] == "echo 64 B"]
    expect([(r["load"], r["repetition"]) for r in rows] == [("full", "1"), ("full", "2"), ("half", "1"), ("half", "2")], f"{rows}")
    expect(all(float(r["requests_per_second"]) > 0 and float(r["p99_us"]) > 0 for r in rows), f"{rows}")


def kernel(results):
    run(results, "kernel.py", "--repetitions", "1", "--sizes", "64", "--connections", "2", "--variants", "zero-copy, tap;kernel")
    rows = table(results, "kernel.csv")
    expect([r["variant"] for r in rows] == ["zero-copy, tap", "kernel"], f"{rows}")
    expect(all(float(r["requests_per_second"]) > 0 and not r["errors"] for r in rows), f"{rows}")
    rows = table(results, "cpu.csv")
    expect(len(rows) == 10 and all(float(r["requests_per_second"]) > 0 for r in rows), f"{rows}")
    figures(results, "figure5-64B", "figure9-cpu")
    rows = table(results, "bulk.csv")
    expect([r["direction"] + " " + r["variant"] for r in rows] == ["to tap", "from tap", "to kernel", "from kernel"], f"{rows}")
    expect(all(float(r["gbit_per_second"]) > 0.1 for r in rows), f"{rows}")
    if os.path.exists(os.path.join(results, "cost.md")):  # only where perf may look
        rows = table(results, "cost.csv")
        expect([r["port"] for r in rows] == ["tap"] and float(rows[0]["kernel"]) > float(rows[0]["driver"]) > 0, f"{rows}")
    if shutil.which("dpdk-testpmd"):
        rows = table(results, "ping.csv")
        expect(len(rows) == 3 and all(0 < float(r["p50_us"]) <= float(r["p99_us"]) for r in rows), f"{rows}")


def idle(results):
    run(results, "idle.py", "--repetitions", "1", "--seconds", "1", "--ports", "tap", "--policies", "always,balanced")
    rows = table(results, "idle.csv")
    expect([r["policy"] for r in rows] == ["always", "balanced"] and all(float(r["highest"]) > 0 for r in rows), f"{rows}")
    expect(0 < float(rows[1]["quiet_cpu"]) < float(rows[0]["quiet_cpu"]) / 2, f"{rows}")
    with open(os.path.join(results, "idle.md"), encoding="utf-8") as f:
        expect("| tap | balanced |" in f.read(), "no table")


def main():
    for command in ("ip", "ethtool", "wrk", "curl"):
        if not shutil.which(command):
            peer.skip(f"no {command} here")
    with tempfile.TemporaryDirectory(prefix="zstack-bench-") as results:
        try:
            {"link": link, "kernel": kernel, "idle": idle}[sys.argv[1]](results)
        except peer.Failure as e:
            print(f"FAILED: {e}")
            return 1
    return 0


sys.exit(main())
