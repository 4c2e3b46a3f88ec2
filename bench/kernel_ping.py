"""The floor of latency on a veth pair through af_packet: testpmd that answers pings (icmpecho) under bench/kping, beside the HTTP example on
the stack under wrk with one connection. A part of bench/kernel.py."""
import json
import os
import shutil
import subprocess
import time

import httplab
import lab as labs
import results

COLUMNS = ["what", "repetition", "p50_us", "p99_us"]
FLOOR, HTTP = "testpmd icmpecho, ping", "stack, wrk, one connection"
SIZE = 64


class Ping:
    def __init__(self, b, build):
        self.b, self.build = b, build
        self.csv = results.Csv("ping.csv", COLUMNS)
        self.there = shutil.which("dpdk-testpmd") is not None
        if not self.there:
            print("kernel.py: no dpdk-testpmd here, so no floor of latency (package dpdk-dev)", flush=True)

    def count(self):
        return 3 * self.b.o.repetitions if self.there else 0

    def add(self, what, repetition, p50_us, p99_us):
        self.csv.add(what=what, repetition=repetition, p50_us=p50_us, p99_us=p99_us)
        self.b.tell(f"{what}: p50 {p50_us:.1f} us, p99 {p99_us:.1f} us")

    def testpmd(self, repetition):
        b = self.b
        b.lab.kernel_server(False)
        memory = ["--in-memory", "-m", "128"] if b.huge else ["--no-huge", "-m", "256"]
        with open(os.path.join(b.tmp, "testpmd.log"), "w", encoding="utf-8") as log:
            child = b.lab.popen("stack", "dpdk-testpmd", "--lcores", f"0@{b.server_core},1@{b.server_core}", "--no-pci", "--no-shconf",
                                "--no-telemetry", "--log-level=1", *memory, "--vdev", labs.DEVARGS["af_packet"], "--",
                                "--forward-mode=icmpecho", "--total-num-mbufs=16384", core=b.server_core, stdin=subprocess.PIPE, stdout=log,
                                stderr=log)
        limit = time.monotonic() + 15
        while True:
            try:
                r = json.loads(b.lab.call("kernel", os.path.join(self.build, "bench/kping"), labs.SERVER_IP, b.o.seconds, core=b.client_core,
                                          timeout=b.o.seconds + 30))
                break
            except labs.LabError:
                if child.poll() is not None or time.monotonic() > limit:
                    raise
        child.kill()
        child.wait()
        child.stdin.close()
        self.add(FLOOR, repetition, r["p50_us"], r["p99_us"])

    def stack(self, repetition):
        b = self.b
        server = httplab.Server(b.lab, os.path.join(self.build, "examples"), b.tmp, "zero-copy", SIZE, b.server_core, "af_packet", b.huge)
        server.check_body()
        _, p50_us, p99_us, _ = httplab.wrk(server, 1, b.o.seconds, b.client_core)
        r = json.loads(b.lab.call("kernel", os.path.join(self.build, "bench/kping"), labs.SERVER_IP, b.o.seconds, core=b.client_core,
                                  timeout=b.o.seconds + 30))
        server.stop()
        self.add("stack, ping", repetition, r["p50_us"], r["p99_us"])
        self.add(HTTP, repetition, p50_us, p99_us)

    def run(self):
        self.b.lab.offloads(False)
        for repetition in range(1, self.b.o.repetitions + 1) if self.there else ():
            self.testpmd(repetition)
            self.stack(repetition)

    def report(self):
        rows = [[what, *(results.spread(self.csv.values(c, what=what), "{:.1f}") for c in COLUMNS[2:])]
                for what in dict.fromkeys(self.csv.values("what"))]
        pairs = zip(self.csv.values("p50_us", what=HTTP), self.csv.values("p50_us", what=FLOOR))
        if self.there:
            rows.append(["wrk more than testpmd, within a repetition", results.spread([a - b for a, b in pairs], "{:.1f}"), ""])
            results.save("ping.md", f"# Round trips over a veth pair through af_packet\n\n{results.machine()}\n\nOne at a time; HTTP bodies of "
                         f"{SIZE} B. Median (quartiles) of {self.b.o.repetitions} repetitions of {self.b.o.seconds} s.\n\n"
                         + results.markdown(["what", "p50 us", "p99 us"], rows))
