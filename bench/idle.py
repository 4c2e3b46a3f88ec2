#!/usr/bin/env python3
"""What polling costs with little to do, and what sleeping costs instead: `polling` in config.ini, on each kind of port.

For each port and policy: CPU time of a server that nobody asks anything; the round trip of requests so far apart that each is the first one
after a silence; the highest rate; CPU time and latency at a tenth of it. The server is the HTTP example with bodies of 64 bytes. Clients: on
tap and af_packet wrk and bench/kload.c on the kernel's sockets, on the other ports zload, which polls always. A repetition goes through
all policies of a port before the next begins. Beside each lone request runs what bounds it: a program that only wakes up (bench/wake.c), on the
same cores and at the same intervals. Results: bench/results/idle.csv and idle.md.
"""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

import link as links
import results

sys.path.insert(0, os.path.join(results.ROOT, "scripts"))

import arguments  # noqa: E402
import hugepages  # noqa: E402
import httplab  # noqa: E402
import lab as labs  # noqa: E402

BUILD = os.environ.get("ZSTACK_BUILD") or os.path.join(results.ROOT, "build/release")
SIZE = 64
LONELY_RATE = 20  # requests per second: one in 50 ms
SETTLE = 3        # seconds: neighbours are found, addresses announced, clients have begun
POLICIES = ("always", "balanced", "saving")
COLUMNS = ["port", "policy", "repetition", "quiet_cpu", "lonely_p50_us", "lonely_p99_us", "lonely_cpu", "wake_p50_us", "wake_p99_us",
           "highest", "tenth", "tenth_p50_us", "tenth_p99_us", "tenth_cpu"]


def cpu_seconds(pid):
    """Of all threads."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def cpu_share(pid, seconds):
    """Of one core, over the next seconds."""
    cpu, begin = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - cpu) / (time.monotonic() - begin)


class Side:
    """Where and how servers and clients run."""

    def __init__(self, tmp, huge, connections):
        cores = sorted(os.sched_getaffinity(0))
        self.tmp, self.huge = tmp, huge
        self.server_core, self.client_core = cores[0], cores[1 % len(cores)]
        self.connections = connections


def wake_up(side, seconds):
    """Of a program that does nothing else: p50 and p99 in microseconds."""
    argv = [os.path.join(BUILD, "bench/wake"), f"{side.server_core}", f"{side.client_core}", f"{seconds}", f"{1000 // LONELY_RATE}"]
    r = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    return r["p50_us"], r["p99_us"]


class KernelPort:
    """The server on a port to the kernel of this machine; clients on the kernel's sockets."""

    def __init__(self, side, lab, device):
        self.side, self.lab, self.device = side, lab, device

    @contextlib.contextmanager
    def server(self, policy):
        server = httplab.Server(self.lab, os.path.join(BUILD, "examples"), self.side.tmp, "zero-copy", SIZE, self.side.server_core, self.device,
                                self.side.huge, zstack=[f"polling={policy}"])
        try:
            yield server
            server.stop()
        finally:
            server.process.kill()
            server.process.wait()

    def quiet(self, policy, seconds):
        with self.server(policy) as server:
            time.sleep(SETTLE)
            return cpu_share(server.process.pid, seconds)

    def highest(self, policy, seconds):
        with self.server(policy) as server:
            return httplab.wrk(server, self.side.connections, seconds, self.side.client_core)[0]

    def load(self, policy, connections, rate, seconds):
        with self.server(policy) as server:
            client = self.lab.popen("kernel", os.path.join(BUILD, "bench/kload"), server.address, httplab.PORT, SIZE, connections, f"{rate:.0f}",
                                    seconds, core=self.side.client_core, stdout=subprocess.PIPE)
            time.sleep(0.5)  # connections are open
            cpu = cpu_share(server.process.pid, seconds - 0.5)
            out, _ = client.communicate(timeout=30)
            if client.returncode != 0:
                raise links.Failed(f"kload on {self.device}: status {client.returncode}")
            r = json.loads(out)
            return r["p50_us"], r["p99_us"], cpu


class LinkPort:
    """The server and zload at the two ends of a link, which is made anew for each run."""

    def __init__(self, side, server, client, client_first=False):
        self.side, self.devices, self.client_first = side, (server, client), client_first

    def config(self, tmp, end, core, address, policy):
        memory = ["memory=160", "extra_eal_args=--in-memory --single-file-segments"] if self.side.huge else []
        return labs.write_config(os.path.join(tmp, f"{end}.ini"), huge=self.side.huge, core=core, device=self.devices[end].format(tmp=tmp),
                                 address=address, gateway=None, dpdk=["log_level=4", *memory], zstack=[f"polling={policy}"])

    @contextlib.contextmanager
    def ends(self, policy, program, *argv):
        """The two processes: the server, and a program at the other end."""
        side, running = self.side, []
        tmp = tempfile.mkdtemp(dir=side.tmp)
        commands = [
            ([os.path.join(BUILD, "examples/http"), "--conf", self.config(tmp, 0, side.server_core, links.SERVER, policy), "--", SIZE,
              httplab.PORT], side.server_core),
            ([os.path.join(BUILD, program), "--conf", self.config(tmp, 1, side.client_core, links.CLIENT, "always"), *argv], side.client_core)]
        with open(os.path.join(tmp, "log"), "w", encoding="utf-8") as log:
            try:
                for argv, core in reversed(commands) if self.client_first else commands:
                    running.append(links.start(argv, core, stdout=subprocess.PIPE if argv is commands[1][0] else log, stderr=log))
                    links.wait_file(os.path.join(tmp, "link.sock"), running[0], argv[0])
                yield running[::-1] if self.client_first else running
            finally:
                for child in running:
                    child.kill()
                    child.wait()

    def zload(self, policy, seconds, *args):
        url = f"http://{links.SERVER}:{httplab.PORT}/"
        with self.ends(policy, "tools/zload", "--format", "json", "--wait", "15", "--warmup", "1", "--duration", f"{seconds + SETTLE}", *args,
                       url) as (server, client):
            time.sleep(SETTLE)
            cpu = cpu_share(server.pid, seconds)
            out, _ = client.communicate(timeout=60)
            if client.returncode != 0:
                raise links.Failed(f"zload: {out.decode().strip()}")
            return json.loads(out), cpu

    def quiet(self, policy, seconds):
        with self.ends(policy, "examples/http", "--", SIZE, httplab.PORT) as (server, _):
            time.sleep(SETTLE)
            return cpu_share(server.pid, seconds)

    def highest(self, policy, seconds):
        return self.zload(policy, seconds, "--connections", f"{self.side.connections}")[0]["requests_per_second"]

    def load(self, policy, connections, rate, seconds):
        r, cpu = self.zload(policy, seconds, "--connections", f"{connections}", "--rate", f"{rate:.0f}")
        return r["p50_us"], r["p99_us"], cpu


VHOST = "net_vhost0,iface={tmp}/link.sock,queues=1"
VIRTIO_USER = "net_virtio_user0,path={tmp}/link.sock,queues=1,queue_size=256"
MEMIF = "net_memif0,role={role},id=0,socket={{tmp}}/link.sock,socket-abstract=no"
PORTS = {
    "tap": lambda side, lab: KernelPort(side, lab, "tap"),
    "af_packet": lambda side, lab: KernelPort(side, lab, "af_packet"),
    "memif": lambda side, lab: LinkPort(side, MEMIF.format(role="server"), MEMIF.format(role="client")),
    "vhost": lambda side, lab: LinkPort(side, VHOST, VIRTIO_USER),
    "virtio_user": lambda side, lab: LinkPort(side, VIRTIO_USER, VHOST, client_first=True),
}


def measure(o, side, table, name, port):
    highest = None
    for repetition in range(1, o.repetitions + 1):
        for policy in o.policies:
            row = {"port": name, "policy": policy, "repetition": repetition, "quiet_cpu": port.quiet(policy, o.seconds)}
            lonely = port.load(policy, 1, LONELY_RATE, max(5, o.seconds))
            row.update(zip(("wake_p50_us", "wake_p99_us"), wake_up(side, max(5, o.seconds))))
            row["highest"] = port.highest(policy, o.seconds)
            highest = highest or row["highest"]
            tenth = port.load(policy, o.connections, highest / 10, o.seconds)
            row.update(tenth=highest / 10)
            for load, values in (("lonely", lonely), ("tenth", tenth)):
                row.update(zip((f"{load}_p50_us", f"{load}_p99_us", f"{load}_cpu"), values))
            table.add(**row)
            print(f"{name}, {policy}: no traffic {100 * row['quiet_cpu']:.2f} %, first packets p50 {lonely[0]:.0f} us, p99 {lonely[1]:.0f} us, "
                  f"a bare wake-up p50 {row['wake_p50_us']:.0f} us, p99 {row['wake_p99_us']:.0f} us, "
                  f"highest {row['highest']:.0f}/s, a tenth {100 * tenth[2]:.1f} %, p99 {tenth[1]:.0f} us", flush=True)


def added(table, column, name, policy):
    """To the value of polling=always, within each repetition."""
    pairs = zip(table.values(column, port=name, policy=policy), table.values(column, port=name, policy="always"))
    return [a - b for a, b in pairs] if policy != "always" else []


def to_wake(table, column, name, policy):
    """What is added, as a multiple of a bare wake-up in the same repetition."""
    bare = table.values(f"wake_{column}", port=name, policy=policy)
    return [a / b for a, b in zip(added(table, f"lonely_{column}", name, policy), bare)]


def ratio(table, name, policy):
    pairs = zip(table.values("highest", port=name, policy=policy), table.values("highest", port=name, policy="always"))
    return [a / b for a, b in pairs] if policy != "always" else []


def report(o, table):
    rows = []
    for name in dict.fromkeys(table.values("port")):
        for policy in o.policies:
            def cell(column, form="{:.0f}", scale=1, want={"port": name, "policy": policy}):
                return results.spread([scale * v for v in table.values(column, **want)], form)

            wakes = [cell(c) for c in ("wake_p50_us", "wake_p99_us")]
            parts = [results.spread(v, "{:.1f}") if (v := to_wake(table, c, name, policy)) else "" for c in ("p50_us", "p99_us")]
            late = [results.spread(v, "{:+.0f}") if (v := added(table, c, name, policy)) else "" for c in ("lonely_p50_us", "lonely_p99_us")]
            share = results.spread(r, "{:.3f}") if (r := ratio(table, name, policy)) else ""
            rows.append([name, policy, cell("quiet_cpu", "{:.2f}", 100), cell("lonely_p50_us"), cell("lonely_p99_us"), *late, *wakes, *parts,
                         cell("highest"), share, cell("tenth", "{:.0f}"), cell("tenth_cpu", "{:.1f}", 100), cell("tenth_p99_us")])
    results.save("idle.md", f"# Little to do\n\n{results.machine()}\n\nMedian (quartiles) of {o.repetitions} repetitions of {o.seconds} s, "
                 f"{o.connections} connections; "
                 "differences and ratios to polling=always are taken within each repetition. CPU in percent of one core, all threads of the "
                 "server. First packets: HTTP requests on one connection, 50 ms apart, latency from the intended time.\n\n"
                 + results.markdown(["port", "polling", "CPU, no traffic", "first packet p50 us", "p99 us", "added p50", "added p99",
                                     "bare wake-up p50 us", "p99 us", "added to it p50", "p99", "highest rate", "to always",
                                     "a tenth", "CPU at a tenth", "p99 us"], rows))


def main():
    p = arguments.Parser(__doc__)
    p.take("--ports", "PORT", arguments.several(arguments.name(*PORTS)), ",".join(PORTS), "separated by commas")
    p.take("--policies", "POLICY", arguments.several(arguments.name(*POLICIES)), ",".join(POLICIES), "the same")
    p.take("--connections", "CONNS", arguments.whole(1, 10000), "50")
    p.take("--repetitions", "REPS", arguments.whole(1, 1000), "3")
    p.take("--seconds", "TIME", arguments.whole(1, 600), "2", "of each run")
    o = p.read()

    def inside():
        with hugepages.Reserve(512) as huge, tempfile.TemporaryDirectory(prefix="zstack-idle-") as tmp:
            table = results.Csv("idle.csv", COLUMNS)
            side, lab = Side(tmp, huge.ready, o.connections), labs.Lab()
            for name in o.ports:
                measure(o, side, table, name, PORTS[name](side, lab))
            report(o, table)
        return 0

    return labs.in_lab(inside)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (links.Failed, labs.LabError, OSError) as e:
        sys.exit(f"idle.py: {e}")
