#!/usr/bin/env python3
"""The HTTP example on this stack and on the kernel's sockets under wrk: throughput and latency against connections, by size of the
response, CPU use against load; bulk on one connection, what a request costs and where, and round trips beside testpmd's.

Ports of the stack: tap (the own TAP device, with offloads), af_packet and af_xdp over a veth pair. The kernel's server has its own veth
pair with all offloads on, and CUBIC. For each size a repetition goes through all variants, so that what else the machine does hits all.
Results: bench/results/{kernel,cpu,bulk,cost,ping}.{csv,md} and figures.
"""
import json
import os
import sys
import tempfile
import time

import results

sys.path.insert(0, os.path.join(results.ROOT, "scripts"))

import arguments  # noqa: E402
import hugepages  # noqa: E402
import httplab  # noqa: E402
import kernel_bulk  # noqa: E402
import kernel_cost  # noqa: E402
import kernel_ping  # noqa: E402
import lab as labs  # noqa: E402

BUILD = os.environ.get("ZSTACK_BUILD") or os.path.join(results.ROOT, "build/release")
VARIANTS = {
    "zero-copy, tap": ("zero-copy", "tap"),
    "copying, tap": ("copying", "tap"),
    "zero-copy, af_packet": ("zero-copy", "af_packet"),
    "copying, af_packet": ("copying", "af_packet"),
    "zero-copy, af_xdp": ("zero-copy", "af_xdp"),
    "kernel": ("kernel", None),
}
PARTS = ("http", "cpu", "bulk", "cost", "ping")
USUAL = ("zero-copy, tap", "copying, tap", "zero-copy, af_packet", "zero-copy, af_xdp", "kernel")
LOADED = ("zero-copy, tap", "zero-copy, af_packet", "kernel")  # of the CPU against load
FIGURES = {64: "figure5", 1024: "figure6", 4096: "figure7", 8192: "figure8"}
FRACTIONS = (0.1, 0.2, 0.4, 0.6, 0.8)
LOAD_SIZE, LOAD_CONNECTIONS = 64, 50
COLUMNS = ["size", "connections", "variant", "repetition", "requests_per_second", "p50_us", "p99_us", "server_cpu", "server_us_per_request",
           "machine_cpu", "stolen", "errors"]
CPU_COLUMNS = ["variant", "fraction", "repetition", "offered", "requests_per_second", "p50_us", "p99_us", "server_cpu", "machine_cpu",
               "interrupts", "client_cpu", "unsent"]


def bytes_name(n):
    return f"{n // 1024} KB" if n % 1024 == 0 else f"{n} B"


class Bench:
    def __init__(self, lab, o, tmp, huge):
        self.lab, self.o, self.tmp, self.huge = lab, o, tmp, huge
        cores = sorted(os.sched_getaffinity(0))
        self.server_core, self.client_core = cores[0], cores[1 % len(cores)]
        self.csv = results.Csv("kernel.csv", COLUMNS)
        self.cpu = results.Csv("cpu.csv", CPU_COLUMNS)
        self.left_out = {}
        parts = {"bulk": kernel_bulk.Bulk, "cost": kernel_cost.Cost, "ping": kernel_ping.Ping}
        self.parts = [parts[name](self, BUILD) for name in parts if name in o.parts]
        self.done = 0
        self.all = sum(part.count() for part in self.parts)
        if "http" in o.parts:
            self.all += o.repetitions * len(o.variants) * len(o.sizes) * len(o.connections)
        if "cpu" in o.parts:
            self.all += o.repetitions * sum(v in LOADED for v in o.variants) * len(FRACTIONS)

    def tell(self, text):
        self.done += 1
        print(f"[{self.done}/{self.all}] {text}", flush=True)

    def server(self, name, size):
        """A server that answers rightly; None when its port cannot be had here, which is said once."""
        variant, device = VARIANTS[name]
        if name in self.left_out:
            return None
        self.lab.offloads(variant == "kernel")
        try:
            server = httplab.Server(self.lab, os.path.join(BUILD, "examples"), self.tmp, variant, size, self.server_core, device, self.huge)
        except labs.LabError as e:
            if self.csv.select(variant=name):
                raise
            self.left_out[name] = str(e).strip().splitlines()[-1]
            print(f"kernel.py: without {name}: {self.left_out[name]}", flush=True)
            return None
        server.check_body()
        return server

    def throughput(self, server, name, connections, repetition):
        cpu, machine, start = server.cpu_seconds(), httplab.machine_seconds(), time.monotonic()
        rate, p50_us, p99_us, errors = httplab.wrk(server, connections, self.o.seconds, self.client_core)
        took = time.monotonic() - start
        after = httplab.machine_seconds()
        cpu = (server.cpu_seconds() - cpu) / took
        self.csv.add(size=server.size, connections=connections, variant=name, repetition=repetition, requests_per_second=rate, p50_us=p50_us,
                     p99_us=p99_us, server_cpu=cpu, server_us_per_request=cpu / rate * 1e6 if rate else None,
                     machine_cpu=(after[0] - machine[0]) / took, stolen=(after[2] - machine[2]) / took, errors=errors or "")
        self.tell(f"{bytes_name(server.size)}, {connections} connections, {name}: {rate:.0f} requests/s, p50 {p50_us:.0f} us, "
                  f"p99 {p99_us:.0f} us" + (f"; wrk reports: {errors}" if errors else ""))

    def all_throughput(self):
        for size in self.o.sizes:
            for repetition in range(1, self.o.repetitions + 1):
                for name in self.o.variants:
                    server = self.server(name, size)
                    for connections in self.o.connections if server else ():
                        self.throughput(server, name, connections, repetition)
                    if server:
                        server.stop()

    def highest(self, name):
        """Of the measured ones with that size and connections, or measured now."""
        rates = self.csv.values("requests_per_second", variant=name, size=LOAD_SIZE, connections=LOAD_CONNECTIONS)
        if not rates:
            server = self.server(name, LOAD_SIZE)
            if server is None:
                return None
            rates = [httplab.wrk(server, LOAD_CONNECTIONS, self.o.seconds, self.client_core)[0]]
            server.stop()
        return results.quartiles(rates)[1]

    def load(self, server, name, fraction, offered, repetition):
        seconds = self.o.seconds
        cpu, machine, start = server.cpu_seconds(), httplab.machine_seconds(), time.monotonic()
        out = self.lab.call("kernel", os.path.join(BUILD, "bench/kload"), server.address, httplab.PORT, server.size, LOAD_CONNECTIONS,
                            f"{offered:.0f}", seconds, core=self.client_core, timeout=seconds + 30)
        took = time.monotonic() - start
        after = httplab.machine_seconds()
        r = json.loads(out)
        self.cpu.add(variant=name, fraction=fraction, repetition=repetition, offered=offered, requests_per_second=r["requests_per_second"],
                     p50_us=r["p50_us"], p99_us=r["p99_us"], server_cpu=(server.cpu_seconds() - cpu) / took,
                     machine_cpu=(after[0] - machine[0]) / took, interrupts=(after[1] - machine[1]) / took,
                     client_cpu=r["cpu_seconds"] / seconds, unsent=r["unsent"])
        self.tell(f"CPU, {name}, {offered:.0f} requests/s: server {100 * self.cpu.rows[-1]['server_cpu']:.0f} %, p99 {r['p99_us']:.0f} us")

    def all_loads(self):
        names = [v for v in self.o.variants if v in LOADED]
        highest = {name: self.highest(name) for name in names}
        for repetition in range(1, self.o.repetitions + 1):
            for name in names:
                server = self.server(name, LOAD_SIZE) if highest[name] else None
                for fraction in FRACTIONS if server else ():
                    self.load(server, name, fraction, highest[name] * fraction, repetition)
                if server:
                    server.stop()

    # results --------------------------------------------------------------------------------------------------------

    def ratio(self, column, name, size, connections):
        """To the kernel's value, within each repetition."""
        found = []
        for repetition in range(1, self.o.repetitions + 1):
            pair = [self.csv.values(column, size=size, connections=connections, variant=v, repetition=repetition) for v in (name, "kernel")]
            if all(pair) and pair[0][0] and pair[1][0]:
                found.append(pair[0][0] / pair[1][0])
        return results.spread(found, "{:.2f}") if found else ""

    def report_throughput(self):
        rows = []
        for size in self.o.sizes:
            for connections in self.o.connections:
                for name in self.o.variants:
                    want = {"size": size, "connections": connections, "variant": name}
                    if not self.csv.select(**want):
                        continue
                    cells = [results.spread(self.csv.values(c, **want)) for c in ("requests_per_second", "p50_us", "p99_us")]
                    cpu = [f"{100 * results.quartiles(self.csv.values(c, **want))[1]:.0f} %" for c in ("server_cpu", "machine_cpu", "stolen")]
                    failed = sum(1 for e in self.csv.values("errors", **want) if e)
                    cost = [x for x in self.csv.values("server_us_per_request", **want) if x]
                    rows.append([bytes_name(size), connections, name, *cells, self.ratio("requests_per_second", name, size, connections), *cpu,
                                 results.spread(cost, "{:.2f}") if cost else "",
                                 self.ratio("server_us_per_request", name, size, connections), failed or ""])
        results.save("kernel.md", f"# HTTP under wrk\n\n{results.machine()}\n\n`wrk -t1`, median (quartiles) of {self.o.repetitions} "
                     f"repetitions of {self.o.seconds} s. CPU in percent of one core; a stack that polls uses all of it. Ratios to the kernel are "
                     "taken within each repetition.\n\n"
                     + results.markdown(["body", "connections", "variant", "requests/s", "p50 us", "p99 us", "to the kernel", "server CPU",
                                         "machine CPU", "stolen", "server us/request", "to the kernel", "runs with errors"], rows)
                     + "".join(f"\nWithout {name}: {why}\n" for name, why in self.left_out.items()))

    def report_cpu(self):
        rows = []
        for name in dict.fromkeys(self.cpu.values("variant")):
            for fraction in FRACTIONS:
                want = {"variant": name, "fraction": fraction}
                cells = [results.spread(self.cpu.values(c, **want)) for c in ("offered", "requests_per_second", "p50_us", "p99_us")]
                cpu = [results.spread([100 * x for x in self.cpu.values(c, **want)], "{:.0f} %")
                       for c in ("server_cpu", "machine_cpu", "interrupts", "client_cpu")]
                rows.append([name, f"{fraction:g}", *cells, *cpu])
        results.save("cpu.md", f"# CPU use against load\n\n{results.machine()}\n\n{LOAD_SIZE} B, {LOAD_CONNECTIONS} connections, open loop "
                     "(`bench/kload.c`) at fractions of the variant's highest rate under wrk. Percent of one core; what runs in interrupts "
                     "is, as far as the kernel says so, part of the process that it interrupted.\n\n"
                     + results.markdown(["variant", "fraction", "offered", "requests/s", "p50 us", "p99 us", "server", "machine",
                                         "interrupts", "client"], rows))

    def curve(self, column, scale=1, **want):
        return [(c, tuple(x * scale for x in results.quartiles(v))) for c in self.o.connections
                if (v := self.csv.values(column, connections=c, **want))]

    def figures(self):
        for size in self.o.sizes:
            names = [v for v in self.o.variants if self.csv.select(size=size, variant=v)]
            panels = [results.Panel(title, "connections", unit, {n: self.curve(column, scale, size=size, variant=n) for n in names}, options)
                      for title, unit, column, scale, options in (
                          ("throughput", "1000 requests/s", "requests_per_second", 1e-3, ()),
                          ("p50", "us", "p50_us", 1, results.LOG), ("p99", "us", "p99_us", 1, results.LOG))]
            if names:
                name = bytes_name(size)
                results.figure(f"{FIGURES.get(size, 'figure')}-{name.replace(' ', '')}", f"HTTP responses of {name} under wrk", panels)
        names = dict.fromkeys(self.cpu.values("variant"))
        if not names:
            return
        panels = []
        for title, column in (("server process", "server_cpu"), ("machine, client included", "machine_cpu")):
            curves = {n: [(results.quartiles(self.cpu.values("offered", variant=n, fraction=f))[1] / 1000,
                           tuple(100 * x for x in results.quartiles(self.cpu.values(column, variant=n, fraction=f)))) for f in FRACTIONS]
                      for n in names}
            panels.append(results.Panel(title, "1000 requests/s", "% of a core", curves))
        results.figure("figure9-cpu", f"CPU use against load, {LOAD_SIZE} B, {LOAD_CONNECTIONS} connections", panels)


def inside(o, huge):
    status = 0
    with tempfile.TemporaryDirectory(prefix="zstack-kernel-") as tmp:
        lab = labs.Lab()
        b = Bench(lab, o, tmp, huge)
        try:
            if "http" in o.parts:
                b.all_throughput()
            if "cpu" in o.parts:
                b.all_loads()
            for part in b.parts:
                part.run()
        except labs.LabError as e:
            print(f"kernel.py: {e}", file=sys.stderr, flush=True)
            status = 1
        except KeyboardInterrupt:
            status = 130
        lab.close()
        if b.csv.rows:
            b.report_throughput()
        if b.cpu.rows and status == 0:
            b.report_cpu()
        for part in b.parts if status == 0 else ():
            part.report()
        b.figures()
    return status


def main():
    p = arguments.Parser(__doc__)
    p.take("--sizes", "SIZE", arguments.several(arguments.whole(0, httplab.BODY_MAX)), "64,1024,4096,8192,65000", "bytes of a body")
    p.take("--connections", "CONNS", arguments.several(arguments.whole(1, 10000)), "1,10,50,100,200", "separated by commas")
    p.take("--variants", "VARIANT", arguments.several(arguments.name(*VARIANTS), ";"), ";".join(USUAL),
           "separated by semicolons; all: " + "; ".join(VARIANTS))
    p.take("--repetitions", "REPS", arguments.whole(1, 1000), "3")
    p.take("--seconds", "TIME", arguments.whole(1, 600), "1", "of each run of wrk")
    p.take("--parts", "ONLY", arguments.several(arguments.name(*PARTS)), ",".join(PARTS), "what is measured")
    o = p.read()
    with hugepages.Reserve(512) as huge:
        print(f"kernel.py: servers on core {sorted(os.sched_getaffinity(0))[0]}; memory: {huge}", flush=True)
        return labs.in_lab(lambda: inside(o, huge.ready))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (labs.LabError, OSError) as e:
        sys.exit(f"kernel.py: {e}")
