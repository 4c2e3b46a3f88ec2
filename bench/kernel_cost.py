"""What a request under wrk costs the server on ports of the stack, and where: from the counters of busy time, and as perf sees it. A part
of bench/kernel.py.

The counters: time of turns that had something to do, and of that time in calls of the ports (time_ports=1), so that the rest is stack,
application and sums made in software, exactly, pauses of the machine included. While the client is the bound most turns of the loop find
nothing; they are not in it. A profile (perf, the CPU clock) in a run of its own divides all of the process's CPU time: there stack is what
idle turns run of it, too, and what they are made of, reading the clock and pausing (core_run, api_idle), is a part of its own, "turns".
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
EXACT = ("busy_turns", "port_calls", "stack_and_application")
COLUMNS = ["port", "repetition", "requests_per_second", *EXACT, "profiled_requests_per_second", *PARTS]
DRIVER = re.compile(r"librte_net_|libxdp|libbpf")
TURNS = re.compile(r"(core_run|api_idle)\b")  # of src/api: the loop itself
CALLS = re.compile(r"sendto|recv|poll|readv|write|asynccancel")  # of the C library: the driver's way into the kernel


class Cost:
    def __init__(self, b, build):
        self.b, self.build = b, build
        gaps = subprocess.run([os.path.join(build, "bench/gaps"), str(b.server_core), "0.01"], stdout=subprocess.PIPE, check=True)
        self.tsc_hz = json.loads(gaps.stdout)["tsc_hz"]
        self.csv = results.Csv("cost.csv", COLUMNS)
        self.ports = [p for p in PORTS if f"zero-copy, {p}" in b.o.variants]
        self.perf = self.perf_works()
        if self.ports and not self.perf:
            print("kernel.py: no perf here, or none that may look, so no shares of kernel, driver and stack (package linux-perf)", flush=True)

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

    def server(self, port, *keys):
        b = self.b
        server = httplab.Server(b.lab, os.path.join(self.build, "examples"), b.tmp, "zero-copy", SIZE, b.server_core, port, b.huge,
                                zstack=("polling=always", *keys))
        server.check_body()
        return server

    def wrk(self, server):
        """Requests per second."""
        return httplab.wrk(server, CONNECTIONS, self.b.o.seconds, self.b.client_core)[0]

    def counted(self, port):
        """Of a run without a profile."""
        server = self.server(port, "time_ports=1")
        before = server.counters()
        rate = self.wrk(server)
        after = server.counters()
        server.stop()
        # each response is a segment, and hardly anything else is: wrk's own time is not quite what it was told
        turns, busy, calls, requests = (after[c] - before.get(c, 0)
                                        for c in ("loop.busy_turns", "loop.busy_ns", "loop.busy_port_ns", "tcp.segments_tx"))
        cycles = self.tsc_hz / 1e9
        return rate, {"busy_turns": turns / requests, "port_calls": calls * cycles / requests,
                      "stack_and_application": (busy - calls) * cycles / requests}

    def profiled(self, port):
        server = self.server(port)
        data, perf = self.profile(server, self.b.o.seconds)
        cpu = server.cpu_seconds()
        rate = self.wrk(server)
        cycles = (server.cpu_seconds() - cpu) * self.tsc_hz
        if perf.wait(30) != 0:
            raise labs.LabError("perf record does not work here")
        server.stop()
        return rate, {part: share * cycles / (rate * self.b.o.seconds) for part, share in self.shares(data).items()}

    def measure(self, port, repetition):
        rate, exact = self.counted(port)
        profiled_rate, parts = self.profiled(port) if self.perf else (None, dict.fromkeys(PARTS))
        self.csv.add(port=port, repetition=repetition, requests_per_second=rate, **exact, profiled_requests_per_second=profiled_rate, **parts)
        self.b.tell(f"cost, {port}: {rate:.0f} requests/s, each {exact['busy_turns']:.2f} turns and cycles: port {exact['port_calls']:.0f}, stack "
                    f"and application {exact['stack_and_application']:.0f}"
                    + ("; profile: " + ", ".join(f"{part} {parts[part]:.0f}" for part in PARTS) if self.perf else ""))

    def run(self):
        self.b.lab.offloads(False)
        for repetition in range(1, self.b.o.repetitions + 1):
            for port in self.ports:
                self.measure(port, repetition)

    def report(self):
        shown = COLUMNS[2:] if self.perf else COLUMNS[2:2 + 1 + len(EXACT)]
        rows = [[port, *(results.spread(self.csv.values(c, port=port), "{:.2f}" if c == "busy_turns" else "{:.0f}") for c in shown)]
                for port in self.ports]
        if rows:
            results.save("cost.md", f"# Cycles of the server per request under wrk\n\n{results.machine()}\n\n{SIZE} B, {CONNECTIONS} connections, "
                         "`polling=always`, cycles of the time-stamp counter. Busy turns, port calls, stack and application: counters of the server "
                         "(loop.busy_turns, loop.busy_ns, loop.busy_port_ns), without turns that found nothing. The rest in a run of its own: CPU "
                         "time of the process, divided as perf's samples are; turns: the loop, its clock and its pauses; stack: stack, HTTP and the "
                         "C library, idle turns included. Median (quartiles).\n\n"
                         + results.markdown(["port", *(c.replace("_", " ") for c in shown)], rows))
