"""What a request under wrk costs the server on ports of the stack, and where: a profile of its process (perf, the CPU clock), its CPU time
and the counters of turns. A part of bench/kernel.py.

While the client is the bound most turns of the loop find nothing. What they are made of, reading the clock and pausing (core_run, api_idle), is
a part of its own, "turns". What else of the stack they run costs the same with and without traffic: its price is measured on the server at
rest, and times their number under load it is taken off the stack's part.
"""
import json
import os
import re
import shutil
import subprocess
import time

import httplab
import lab as labs
import results

SIZE, CONNECTIONS = 64, 50
PORTS = ("tap", "af_packet", "af_xdp")
PARTS = ("kernel", "driver", "turns", "stack")
COLUMNS = ["port", "repetition", "requests_per_second", *PARTS, "idle_turns", "idle_turn", "stack_without_idle"]
DRIVER = re.compile(r"librte_net_|libxdp|libbpf")
TURNS = re.compile(r"(core_run|api_idle)\b")  # of src/api: the loop itself
CALLS = re.compile(r"sendto|recv|poll|readv|writev|asynccancel")  # of the C library: the driver's way into the kernel


class Cost:
    def __init__(self, b, build):
        self.b, self.build = b, build
        gaps = subprocess.run([os.path.join(build, "bench/gaps"), str(b.server_core), "0.01"], stdout=subprocess.PIPE, check=True)
        self.tsc_hz = json.loads(gaps.stdout)["tsc_hz"]
        self.csv = results.Csv("cost.csv", COLUMNS)
        self.ports = []
        if not self.perf_works():
            print("kernel.py: no perf here, or none that may look, so no shares of kernel, driver and stack (package linux-perf)", flush=True)
        else:
            self.ports = [p for p in PORTS if f"zero-copy, {p}" in b.o.variants]

    def perf_works(self):
        argv = ["perf", "record", "-q", "-e", "cpu-clock", "-o", os.path.join(self.b.tmp, "perf.data"), "--", "true"]
        return shutil.which("perf") is not None and subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                                                   check=False).returncode == 0

    def count(self):
        return self.b.o.repetitions * len(self.ports)

    def profile(self, server, seconds):
        """A perf that looks at the server for that long."""
        data = os.path.join(self.b.tmp, "perf.data")
        return data, self.b.lab.popen("kernel", "perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-p", server.process.pid, "-o", data,
                                      "--", "sleep", seconds, core=self.b.client_core)

    def shares(self, data):
        """Of the parts, in what the server was seen doing."""
        out = self.b.lab.call("kernel", "perf", "report", "-i", data, "--sort", "dso,symbol", "--stdio", "-q", timeout=120)
        found = dict.fromkeys(PARTS, 0.0)
        for percent, dso, symbol in re.findall(r"^\s*([\d.]+)%\s+(\S+)\s+\[.\]\s+(\S+)", out, re.M):
            driver = DRIVER.search(dso) or ("libc" in dso and CALLS.search(symbol))
            part = "kernel" if dso.startswith(("[kernel", "[guest")) else "driver" if driver else "turns" if TURNS.match(symbol) else "stack"
            found[part] += float(percent)
        total = sum(found.values())
        if total < 90:
            raise labs.LabError("cannot read the output of perf report:\n" + out)
        return {part: share / total for part, share in found.items()}

    def seen(self, server, act):
        """Shares of the parts and cycles while act() runs; cycles and idle turns from before to after, when counters are printed; its result."""
        begin, before = server.cpu_seconds(), server.counters()
        data, perf = self.profile(server, self.b.o.seconds)
        cpu = server.cpu_seconds()
        result = act()
        end = server.cpu_seconds()
        turns = server.counters()["loop.idle_polls"] - before.get("loop.idle_polls", 0)
        if perf.wait(30) != 0:
            raise labs.LabError("perf record does not work here")
        return self.shares(data), (end - cpu) * self.tsc_hz, (end - begin) * self.tsc_hz, turns, result

    def measure(self, port, repetition):
        b = self.b
        server = httplab.Server(b.lab, os.path.join(self.build, "examples"), b.tmp, "zero-copy", SIZE, b.server_core, port, b.huge,
                                zstack=("polling=always",))
        server.check_body()
        share, _, whole, turns, _ = self.seen(server, lambda: time.sleep(b.o.seconds))
        turn = whole / turns
        idle_turn = share["stack"] * turn
        share, cycles, whole, turns, wrk = self.seen(server, lambda: httplab.wrk(server, CONNECTIONS, b.o.seconds, b.client_core))
        server.stop()
        requests = wrk[0] * b.o.seconds
        idle_turns = (turns - (whole - cycles) / turn) / requests  # without those while nothing was asked
        row = {part: share[part] * cycles / requests for part in PARTS}
        row["stack_without_idle"] = row["stack"] - idle_turns * idle_turn
        self.csv.add(port=port, repetition=repetition, requests_per_second=wrk[0], **row, idle_turns=idle_turns, idle_turn=idle_turn)
        b.tell(f"cost, {port}: {wrk[0]:.0f} requests/s, cycles each: " + ", ".join(f"{part} {row[part]:.0f}" for part in PARTS)
               + f"; stack without idle turns {row['stack_without_idle']:.0f}")

    def run(self):
        self.b.lab.offloads(False)
        for repetition in range(1, self.b.o.repetitions + 1):
            for port in self.ports:
                self.measure(port, repetition)

    def report(self):
        rows = [[port, *(results.spread(self.csv.values(c, port=port), "{:.2f}" if c == "idle_turns" else "{:.0f}") for c in COLUMNS[2:])]
                for port in self.ports]
        if rows:
            results.save("cost.md", f"# Cycles of the server per request under wrk\n\n{results.machine()}\n\n{SIZE} B, {CONNECTIONS} connections, "
                         "`polling=always`; CPU time of the process times the rate of the time-stamp counter, divided as perf's samples are. Turns: "
                         "the loop, its clock and its pauses; stack: stack, HTTP and the C library. Median (quartiles).\n\n"
                         + results.markdown(["port", "requests/s", *PARTS, "idle turns per request", "stack cycles of one",
                                             "stack without idle turns"], rows))
