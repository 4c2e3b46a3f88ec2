"""Bulk on one connection beside the kernel, each way: bench/kbulk on the kernel's sockets to and from the stack (bench/zbulk at the own TAP
device) and to and from the kernel's server over the veth pair with all offloads. A part of bench/kernel.py."""
import json
import os
import time

import httplab
import lab as labs
import results

COLUMNS = ["direction", "variant", "repetition", "gbit_per_second", "server_cpu", "machine_cpu", "stolen"]
VARIANTS = ("tap", "kernel")
DIRECTIONS = {"to": "to the server", "from": "from the server"}
SINK_PORT = 5001


class Server:
    def __init__(self, lab, build, tmp, variant, core, huge):
        self.log = os.path.join(tmp, f"bulk-{variant}.log")
        tap = variant == "tap"
        self.address = labs.TAP_SERVER_IP if tap else labs.SERVER_IP
        lab.offloads(not tap)
        lab.kernel_server(not tap)
        if tap:
            argv = [os.path.join(build, "bench/zbulk"), "--conf",
                    labs.write_config(os.path.join(tmp, "config.ini"), huge=huge, core=core, device="tap")]
        else:
            argv = [os.path.join(build, "bench/kbulk"), "serve"]
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = lab.popen("kernel" if tap else "stack", *argv, core=core, stdout=out, stderr=out)
        labs.wait_port(lab, self.process, SINK_PORT, address=self.address)
        if tap:
            lab.call("kernel", "ip", "route", "change", "10.78.0.0/24", "dev", labs.TAP_IF, "congctl", "cubic")

    def stop(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                raise labs.LabError(f"{self.process.args[0]} ended with status {self.process.returncode}: {f.read()}")
        self.process.terminate()
        self.process.wait()


class Bulk:
    def __init__(self, b, build):
        self.b, self.build = b, build
        self.csv = results.Csv("bulk.csv", COLUMNS)

    def count(self):
        return self.b.o.repetitions * len(VARIANTS) * len(DIRECTIONS)

    def measure(self, server, variant, direction, repetition):
        b = self.b
        cpu, machine, start = sum(httplab.process_seconds(server.process.pid)), httplab.machine_seconds(), time.monotonic()
        r = json.loads(b.lab.call("kernel", os.path.join(self.build, "bench/kbulk"), direction, server.address, b.o.seconds,
                                  core=b.client_core, timeout=b.o.seconds + 30))
        took, after = time.monotonic() - start, httplab.machine_seconds()
        self.csv.add(direction=direction, variant=variant, repetition=repetition, gbit_per_second=r["gbit_per_second"],
                     server_cpu=(sum(httplab.process_seconds(server.process.pid)) - cpu) / took,
                     machine_cpu=(after[0] - machine[0]) / took, stolen=(after[2] - machine[2]) / took)
        b.tell(f"bulk, {variant}, {DIRECTIONS[direction]}: {r['gbit_per_second']:.1f} Gb/s")

    def run(self):
        for repetition in range(1, self.b.o.repetitions + 1):
            for variant in VARIANTS:
                server = Server(self.b.lab, self.build, self.b.tmp, variant, self.b.server_core, self.b.huge)
                for direction in DIRECTIONS:
                    self.measure(server, variant, direction, repetition)
                server.stop()

    def ratios(self, direction):
        """To the kernel's rate, within each repetition."""
        both = [self.csv.values("gbit_per_second", direction=direction, variant=v) for v in VARIANTS]
        return [tap / kernel for tap, kernel in zip(*both)]

    def report(self):
        rows = []
        for direction, title in DIRECTIONS.items():
            for variant in VARIANTS:
                want = {"direction": direction, "variant": variant}
                cpu = [results.spread([100 * x for x in self.csv.values(c, **want)], "{:.0f} %") for c in ("server_cpu", "machine_cpu", "stolen")]
                rows.append([title, variant, results.spread(self.csv.values("gbit_per_second", **want), "{:.1f}"),
                             results.spread(self.ratios(direction), "{:.2f}") if variant == "tap" else "", *cpu])
        results.save("bulk.md", f"# Bulk on one connection beside the kernel\n\n{results.machine()}\n\n`bench/kbulk`, median (quartiles) of "
                     f"{self.b.o.repetitions} repetitions of {self.b.o.seconds} s; contents are checked by samples. Percent of one core.\n\n"
                     + results.markdown(["direction", "server", "Gb/s", "to the kernel", "server CPU", "machine CPU", "stolen"], rows))
