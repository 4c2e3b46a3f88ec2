#!/usr/bin/env python3
"""Runs the demo. Usage: demo.py --check | DIRECTORY_OF_EXAMPLES OUTPUT_DIRECTORY (see demo.sh)"""
import csv
import os
import sys
import time

import arguments
import httplab
import hugepages
import lab as labs
from httplab import VARIANTS

DEVICES = {
    "tap": "Z-stack makes a TAP device of its own; the kernel's server is at the other end of a veth pair. Both with checksum and\n"
           "segmentation offload",
    "af_packet": "All variants use the same veth pair with segmentation and checksum offload off",
}
COLUMNS = ["body", "connections", "variant", "requests/s", "p50", "p99", "CPU server", "CPU machine", "copied"]


def given(name, kind, default):
    return arguments.variable("demo", name, kind, default)


def listed(kind):
    return arguments.several(kind, ", ")


def readings(server):
    """CPU seconds of server and machine, and the time of the clock, of one moment."""
    return server.cpu_seconds(), httplab.machine_seconds()[0], time.monotonic()


def run_wrk(plan, server, connections):
    copied = server.copied_bytes()  # waits for the server's answer
    before = readings(server)
    rate, p50_us, p99_us, errors = httplab.wrk(server, connections, plan.seconds, plan.client_core)
    cpu, machine, elapsed = (b - a for a, b in zip(before, readings(server)))
    row = {
        "body": server.size, "connections": connections, "variant": server.variant,
        "requests/s": round(rate), "p50": f"{p50_us:.0f} us", "p99": f"{p99_us:.0f} us",
        "CPU server": f"{100 * cpu / elapsed:.0f}%",
        "CPU machine": f"{100 * machine / elapsed:.0f}%",
        "copied": "not counted" if copied is None else server.copied_bytes() - copied,
    }
    return row, errors


def table(rows):
    cells = [COLUMNS] + [[str(row[c]) for c in COLUMNS] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = ["| " + " | ".join(c.rjust(w) for c, w in zip(line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 1) + ":" for w in widths) + "|")
    return "\n".join(lines)


def save(plan, rows):
    with open(os.path.join(plan.output, "results.csv"), "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with open(os.path.join(plan.output, "results.md"), "w", encoding="utf-8") as f:
        f.write(table(rows) + "\n")


class Plan:
    def __init__(self):
        self.examples = self.output = None
        self.seconds = given("DEMO_SECONDS", arguments.whole(1, 600), "3")
        self.sizes = given("DEMO_SIZES", listed(arguments.whole(0, httplab.BODY_MAX)), "64,1024,4096,8192")
        self.connections = given("DEMO_CONNECTIONS", listed(arguments.whole(1, 10000)), "1,50,100,200")
        self.variants = given("DEMO_VARIANTS", listed(arguments.name(*VARIANTS)), ",".join(VARIANTS))
        self.device = given("DEMO_DEVICE", arguments.name(*DEVICES), "tap")
        self.huge = False

    def prepare(self, examples, output):
        self.examples, self.output = examples, output
        os.makedirs(output, exist_ok=True)
        cores = sorted(os.sched_getaffinity(0))
        self.server_core, self.client_core = cores[0], cores[1 % len(cores)]
        if len(cores) == 1:
            print("demo: only one core: server and client share it, so the numbers mean little")
        if self.device == "tap" and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            print("demo: no /dev/net/tun here (modprobe tun): af_packet over a veth pair instead")
            self.device = "af_packet"

    def runs(self):
        return len(self.sizes) * len(self.connections) * len(self.variants)


def run_all(lab, plan, rows):
    number = 0
    for size in plan.sizes:
        for variant in plan.variants:
            server = httplab.Server(lab, plan.examples, plan.output, variant, size, plan.server_core, plan.device,
                                    plan.huge)
            server.check_body()
            for connections in plan.connections:
                number += 1
                row, errors = run_wrk(plan, server, connections)
                rows.append(row)
                print(f"[{number}/{plan.runs()}] {size} B, {connections} connection{'s'[connections == 1:]}, {variant}: "
                      f"{row['requests/s']} requests/s, p50 {row['p50']}, p99 {row['p99']}"
                      + (f"; wrk reports errors: {errors}" if errors else ""), flush=True)
            server.stop()


def report(plan, rows):
    order = {v: i for i, v in enumerate(plan.variants)}
    rows.sort(key=lambda r: (r["body"], r["connections"], order[r["variant"]]))
    save(plan, rows)
    print("\n" + table(rows) + "\n")
    for variant in plan.variants:
        print(f"{variant}: {VARIANTS[variant]}")
    print(f"{DEVICES[plan.device]},\n"
          f"the server on core {plan.server_core}, wrk on core {plan.client_core}. CPU in percent of one core; the kernel's part of the "
          "device work is in\nthe machine's CPU.\n"
          f"Also in {plan.output}/results.csv and results.md.")


def main():
    try:
        plan = Plan()
        if sys.argv[1:] == ["--check"]:
            return
        plan.prepare(sys.argv[1], sys.argv[2])
        huge = hugepages.Reserve(512)
        with huge:
            print(f"demo: {plan.runs()} runs of {plan.seconds} s; memory: {huge}", flush=True)
            sys.exit(labs.in_lab(lambda: inside(plan, huge.ready)))
    except (OSError, labs.LabError) as e:
        sys.exit(f"demo: {e}")


def inside(plan, huge):
    rows = []
    status = 0
    try:
        lab = labs.Lab(offload=plan.device == "tap")
        plan.huge = huge
        run_all(lab, plan, rows)
    except labs.LabError as e:
        print(f"demo: {e}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        status = 130
    if rows:
        report(plan, rows)
    return status


main()
