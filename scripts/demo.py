#!/usr/bin/env python3
"""Runs the demo. Usage: demo.py DIRECTORY_OF_EXAMPLES OUTPUT_DIRECTORY (see demo.sh)"""
import csv
import os
import re
import signal
import sys
import time

import hugepages
import lab as labs

PORT = 80
VARIANTS = {
    "zero-copy": "z_read and z_write: no payload byte is copied by the stack",
    "copying": "the same server with ff_read and ff_write",
    "kernel": "the same server on the kernel's sockets and epoll",
}
PROGRAMS = {"zero-copy": "http", "copying": "http_copy", "kernel": "http_kernel"}
DEVICES = {
    "tap": "Z-stack has a TAP device of its own, the kernel's server a veth pair, both with checksum and segmentation offload.",
    "af_packet": "All variants use the same veth pair, with segmentation and checksum offload off.",
}
COLUMNS = ["body", "connections", "variant", "requests/s", "p50", "p99", "CPU server", "CPU machine", "copied"]


def words(name, default):
    return os.environ.get(name, default).replace(",", " ").split()


class Server:
    """One variant at one body size, on the stack side's core."""

    def __init__(self, lab, plan, variant, size):
        self.lab, self.variant, self.size = lab, variant, size
        self.log = os.path.join(plan.output, f"{variant}-{size}.log")
        program = os.path.join(plan.examples, PROGRAMS[variant])
        kernel = variant == "kernel"
        tap = plan.device == "tap" and not kernel
        self.address = labs.TAP_SERVER_IP if tap else labs.SERVER_IP
        lab.kernel_server(kernel)
        argv = [program, str(size), str(PORT)] if kernel else [program, "--conf", plan.config, "--", str(size), str(PORT)]
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = lab.popen("kernel" if tap else "stack", *argv, core=plan.server_core, stdout=out, stderr=out)
        try:
            labs.wait_port(lab, self.process, PORT, address=self.address)
        except labs.LabError as e:
            raise labs.LabError(f"{e}; its output:\n{self.output()}") from None

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def copied_bytes(self):
        """Payload bytes copied so far, from the counters that SIGUSR1 prints; None for the kernel, which does not say."""
        if self.variant == "kernel":
            return None
        before = len(self.output())
        self.process.send_signal(signal.SIGUSR1)
        text, size = "", -1
        for _ in range(40):
            time.sleep(0.05)
            text = self.output()[before:]
            if len(text) == size and text.endswith("\n"):
                break
            size = len(text)
        counters = re.findall(r"^\s*copy\.(\w+)[\s:=]+(\d+)", text, re.M)
        return sum(int(value) for _, value in counters)

    def check_body(self):
        body = self.lab.call("kernel", "curl", "-s", "-S", "--max-time", "10", f"http://{self.address}:{PORT}/")
        expected = "".join(chr(ord("a") + i % 26) for i in range(self.size))
        if body != expected:
            raise labs.LabError(f"curl: the body is not what the server was told to send ({len(body)} of {self.size} bytes)")

    def stop(self):
        status = labs.stop(self.process)
        if status != 0:
            raise labs.LabError(f"{PROGRAMS[self.variant]} ended with status {status}; its output:\n{self.output()}")


def machine_seconds():
    with open("/proc/stat", encoding="utf-8") as f:
        fields = [int(x) for x in f.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def run_wrk(lab, plan, server, connections):
    cpu, machine, copied, start = server.cpu_seconds(), machine_seconds(), server.copied_bytes(), time.monotonic()
    out = lab.call("kernel", "wrk", "-t1", f"-c{connections}", f"-d{plan.seconds}s", "--latency",
                   f"http://{server.address}:{PORT}/", core=plan.client_core, timeout=plan.seconds + 30)
    elapsed = time.monotonic() - start
    rate = re.search(r"Requests/sec:\s*([\d.]+)", out)
    p50, p99 = re.search(r"^\s+50%\s+(\S+)", out, re.M), re.search(r"^\s+99%\s+(\S+)", out, re.M)
    if not (rate and p50 and p99):
        raise labs.LabError("cannot read the output of wrk:\n" + out)
    errors = re.search(r"Socket errors: (.*)", out)
    row = {
        "body": server.size, "connections": connections, "variant": server.variant,
        "requests/s": round(float(rate[1])), "p50": p50[1], "p99": p99[1],
        "CPU server": f"{100 * (server.cpu_seconds() - cpu) / elapsed:.0f}%",
        "CPU machine": f"{100 * (machine_seconds() - machine) / elapsed:.0f}%",
        "copied": "not counted" if copied is None else server.copied_bytes() - copied,
    }
    return row, errors and errors[1]


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


def choose_device():
    device = os.environ.get("DEMO_DEVICE", "tap")
    if device not in DEVICES:
        raise labs.LabError(f"DEMO_DEVICE is {' or '.join(DEVICES)}, not {device!r}")
    if device == "tap" and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        print("demo: no /dev/net/tun here (modprobe tun): af_packet over a veth pair instead")
        device = "af_packet"
    return device


class Plan:
    def __init__(self, examples, output):
        self.examples, self.output = examples, output
        self.seconds = int(os.environ.get("DEMO_SECONDS", "3"))
        self.sizes = [int(x) for x in words("DEMO_SIZES", "64 1024 4096 8192")]
        self.connections = [int(x) for x in words("DEMO_CONNECTIONS", "1 50 100 200")]
        self.variants = words("DEMO_VARIANTS", " ".join(VARIANTS))
        cores = sorted(os.sched_getaffinity(0))
        self.server_core, self.client_core = cores[0], cores[1 % len(cores)]
        if len(cores) == 1:
            print("demo: only one core: server and client share it, so the numbers mean little")
        self.device = choose_device()
        self.config = ""

    def runs(self):
        return len(self.sizes) * len(self.connections) * len(self.variants)


def run_all(lab, plan, rows):
    number = 0
    for size in plan.sizes:
        for variant in plan.variants:
            server = Server(lab, plan, variant, size)
            server.check_body()
            for connections in plan.connections:
                number += 1
                row, errors = run_wrk(lab, plan, server, connections)
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
    print(f"{DEVICES[plan.device]}\n"
          f"The server is on core {plan.server_core}, wrk on core {plan.client_core}. CPU in percent of one core; the kernel's part of the "
          "device work is in the\nmachine's CPU.\n"
          f"Also in {plan.output}/results.csv and results.md.")


def main():
    try:
        plan = Plan(sys.argv[1], sys.argv[2])
        os.makedirs(plan.output, exist_ok=True)
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
        plan.config = labs.write_config(os.path.join(plan.output, "config.ini"), huge=huge, core=plan.server_core, device=plan.device)
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
