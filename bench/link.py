#!/usr/bin/env python3
"""Server and zload in two processes on two cores, over memif and over virtio_user <-> vhost; testpmd on the same links as the ceiling.

Per link and workload: full load in the closed loop, then, with most connections, half of it in the open loop (latency counts from the
intended time; the median of five windows). Runs are interleaved: a repetition goes through all links and workloads. Content is checked, by samples. Results:
bench/results/link.csv, link.md and figures.
"""
import contextlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import results

sys.path.insert(0, os.path.join(results.ROOT, "scripts"))

import arguments  # noqa: E402
import hugepages  # noqa: E402
import lab as labs  # noqa: E402

BUILD = os.environ.get("ZSTACK_BUILD") or os.path.join(results.ROOT, "build/release")
SERVER, CLIENT = "10.79.0.2", "10.79.0.1"
LATENCIES = ("p50_us", "p90_us", "p99_us", "p99_9_us")
COLUMNS = ["link", "workload", "connections", "load", "repetition", "requests_per_second", "gbit_per_second", *LATENCIES,
           "server_cycles", "client_cycles", "client_busy", "client_batch", "server_idle_polls", "server_tso", "stolen", "unsent"]


class Link:
    """Devices of the server, which makes the socket and is there first, and of the client."""

    def __init__(self, server, client, server_port=(), frame=(1514,)):
        self.server, self.client, self.server_port = server, client, server_port
        self.frame = frame  # of the ceiling one way: its pieces


LINKS = {
    "memif": Link("net_memif0,role=server,id=0,socket={tmp}/link.sock,socket-abstract=no",
                  "net_memif0,role=client,id=0,socket={tmp}/link.sock,socket-abstract=no"),
    "vhost": Link("net_vhost0,iface={tmp}/link.sock,queues=1", "net_virtio_user0,path={tmp}/link.sock,queues=1,queue_size=256"),
    "vhost, TSO": Link("net_vhost0,iface={tmp}/link.sock,queues=1,tso=1", "net_virtio_user0,path={tmp}/link.sock,queues=1,queue_size=256",
                       server_port=("force_offload=1",), frame=(2048,) * 31),
}
# What is run: server, its arguments, zload's.
WORKLOADS = {
    "echo 64 B": ("examples/echo", ["7"], ["--size", "64", f"echo://{SERVER}"]),
    "HTTP 64 B": ("examples/http", ["64", "80"], ["--content", "alphabet", f"http://{SERVER}/"]),
    "bulk": ("examples/http", ["65000", "80"], ["--content", "alphabet", "--depth", "16", f"http://{SERVER}/"]),
}


class Failed(Exception):
    """A run did not work; the text says why."""


def start(argv, core, **kw):
    """A program that ends when this one does."""
    def prepare():
        labs.libc.prctl(labs.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.sched_setaffinity(0, {core})

    return subprocess.Popen([str(a) for a in argv], preexec_fn=prepare, stdin=kw.pop("stdin", subprocess.DEVNULL), bufsize=0, **kw)


def wait_file(path, child, what):
    end = time.monotonic() + 15
    while not os.path.exists(path):
        if child.poll() is not None or time.monotonic() > end:
            raise Failed(f"{what} made no socket")
        time.sleep(0.02)


class Bench:
    def __init__(self, o, huge):
        self.o, self.huge = o, huge
        cores = sorted(os.sched_getaffinity(0))
        self.server_core, self.client_core = cores[0], cores[1 % len(cores)]
        self.csv = results.Csv("link.csv", COLUMNS)
        self.done, self.all = 0, 0
        self.pauses = ""

    @contextlib.contextmanager
    def pair(self, link, program, arguments):
        """The server, and the command of a client to come, on a fresh link."""
        tmp = tempfile.mkdtemp(prefix="zstack-link-")
        server = None
        try:
            # a vhost end maps what virtio_user has, in few pieces: all at the start, in one file
            memory = ["memory=160", "extra_eal_args=--in-memory --single-file-segments"] if self.huge else []
            devices = {"server": (link.server, self.server_core, SERVER, link.server_port),
                       "client": (link.client, self.client_core, CLIENT, ())}
            conf = {name: labs.write_config(os.path.join(tmp, name + ".ini"), huge=self.huge, core=core, device=device.format(tmp=tmp),
                                            address=address, gateway=None, dpdk=["log_level=4", *memory], port0=port0,
                                            zstack=["polling=always"] if name == "client" else [])
                    for name, (device, core, address, port0) in devices.items()}
            with open(os.path.join(tmp, "server.log"), "w", encoding="utf-8") as log:
                server = start([os.path.join(BUILD, program), "--conf", conf["server"], "--", *arguments], self.server_core,
                               stdout=log, stderr=log)
            wait_file(os.path.join(tmp, "link.sock"), server, program)
            yield server, [os.path.join(BUILD, "tools/zload"), "--conf", conf["client"]], os.path.join(tmp, "server.log")
        finally:
            if server is not None:
                server.kill()
                server.wait()
            shutil.rmtree(tmp)

    def run(self, link_name, workload, connections, rate=None):
        """zload's results, and the server's counters."""
        o = self.o
        program, arguments, target = WORKLOADS[workload]
        windows = ["--windows", "5", "--duration", f"{5 * min(o.seconds, 1)}", "--rate", f"{rate:.0f}"] if rate else ["--duration", f"{o.seconds}"]
        with self.pair(LINKS[link_name], program, arguments) as (server, zload, log):
            done = start([*zload, "--format", "json", "--connections", connections, "--warmup", "0.5", "--server-pid", server.pid, *windows,
                          *target], self.client_core, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                out, err = done.communicate(timeout=60 + 5 * o.seconds)
            except subprocess.TimeoutExpired:
                done.kill()
                done.communicate()
                raise Failed(f"{link_name}, {workload}: zload does not end") from None
            if done.returncode != 0:
                raise Failed(f"{link_name}, {workload}, {connections} connections: {(err.strip() or out.strip()).decode()}")
            return json.loads(out), server_counters(server, log)

    def measure(self, link_name, workload, connections, load, repetition, rate=None):
        r, counters = self.run(link_name, workload, connections, rate)
        w = r["windows"]
        latency = {name: results.quartiles(x[name] for x in w)[1] for name in LATENCIES}
        self.csv.add(link=link_name, workload=workload, connections=connections, load=load, repetition=repetition,
                     requests_per_second=r["requests_per_second"], gbit_per_second=r["received_mb_per_second"] * 8 / 1000,
                     **latency, server_cycles=r["server_cycles_per_request"], client_cycles=r["client_cycles_per_request"],
                     client_busy=r["client_busy"], client_batch=r["client_batch"], server_idle_polls=share(counters, "loop.idle_polls", "loop.polls"),
                     server_tso=share(counters, "port.tx_tso", "port.tx_packets"), stolen=r["stolen"], unsent=r["unsent"])
        self.tell(f"{link_name}, {workload}, {connections} connections, {load} load: {r['requests_per_second']:.0f} requests/s, "
                  f"p50 {latency['p50_us']:.1f} us, p90 {latency['p90_us']:.1f} us, p99 {latency['p99_us']:.1f} us, client busy "
                  f"{100 * r['client_busy']:.0f} %, stolen {100 * (r['stolen'] or 0):.1f} %")

    def tell(self, text):
        self.done += 1
        print(f"[{self.done}/{self.all}] {text}", flush=True)

    def gaps(self):
        """Of both cores: what the machine does to a program that only looks at the clock."""
        found = []
        for core in (self.server_core, self.client_core):
            r = json.loads(subprocess.run([os.path.join(BUILD, "bench/gaps"), str(core), "1"], stdout=subprocess.PIPE, check=True).stdout)
            found.append(f"core {core} {r['percent']:.2f} % of the time in {r['per_second']:.0f} pauses a second, the longest "
                         f"{r['longest_us']:.0f} us")
        return "; ".join(found)

    # testpmd ------------------------------------------------------------------------------------------------------

    def testpmd(self, link_name):
        """Frames per second that come back (64 B, one end forwards), and that arrive one way (large ones); and the bytes of each."""
        frame = LINKS[link_name].frame
        large = ["--tx-offloads=0x8000"] if len(frame) > 1 else []  # RTE_ETH_TX_OFFLOAD_MULTI_SEGS
        return {"echo": (self.frames(link_name, ["--forward-mode=io"], ["--forward-mode=flowgen", "--txpkts=64"]), 64),
                "one way": (self.frames(link_name, ["--forward-mode=txonly", "--txpkts=" + ",".join(map(str, frame)), *large],
                                        ["--forward-mode=rxonly"]), sum(frame))}

    def frames(self, link_name, server_args, client_args):
        link = LINKS[link_name]
        with contextlib.ExitStack() as stack:
            tmp = tempfile.mkdtemp(prefix="zstack-testpmd-")
            stack.callback(shutil.rmtree, tmp)
            ends = []
            for name, device, core, args in (("server", link.server, self.server_core, server_args),
                                             ("client", link.client, self.client_core, client_args)):
                prefix = f"zl{os.getpid()}{name}"
                stack.callback(remove_runtime, prefix)
                memory = ["--in-memory", "-m", "128", "--single-file-segments"] if self.huge else ["--no-huge", "-m", "256"]
                ends.append(start(["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{core},1@{core}", "--no-pci", "--no-shconf", "--no-telemetry",
                                   "--log-level=1", f"--file-prefix={prefix}", *memory, "--vdev", device.format(tmp=tmp), "--", "-i",
                                   "--total-num-mbufs=16384", *args], core, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT))
                stack.callback(end, ends[-1])
                if name == "server":
                    wait_file(os.path.join(tmp, "link.sock"), ends[0], "testpmd")
            wait_link(ends[1])
            say(ends[0], "start")
            say(ends[1], "start")
            time.sleep(0.5)
            say(ends[1], "clear port stats all")
            begin = time.monotonic()
            time.sleep(self.o.seconds)
            say(ends[1], "show port stats 0")
            took = time.monotonic() - begin
            return int(read_until(ends[1], r"RX-packets: (\d+)")[1]) / took


def remove_runtime(prefix):
    """The directory that EAL made for a program with this --file-prefix, and that one which is killed leaves."""
    home = "/var/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp")
    shutil.rmtree(os.path.join(home, "dpdk", prefix), ignore_errors=True)


def say(child, line):
    child.stdin.write(line.encode() + b"\n")


def read_until(child, pattern, seconds=20):
    """What matches in a line to come."""
    limit = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while selector.select(max(limit - time.monotonic(), 0)):
            line = child.stdout.readline().decode(errors="replace")
            match = re.search(pattern, line)
            if match:
                return match
            if not line:
                break
    raise Failed(f"testpmd did not say {pattern!r}")


def wait_link(child):
    for _ in range(50):
        say(child, "show port info 0")
        if read_until(child, r"Link status: (\w+)")[1] == "up":
            return
        time.sleep(0.1)
    raise Failed("testpmd: the link does not come up")


def end(child):
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()


def server_counters(server, log):
    """What SIGUSR1 prints: of the whole life of the server, so a little more than the measurement."""
    server.send_signal(signal.SIGUSR1)
    limit = time.monotonic() + 2
    while time.monotonic() < limit:
        with open(log, encoding="utf-8", errors="replace") as f:
            found = dict(re.findall(r"^([a-z]+\.\w+)\s+(\d+)", f.read(), re.M))
        if "tcp.segments_tx" in found: # late in the list
            return {name: int(value) for name, value in found.items()}
        time.sleep(0.05)
    raise Failed("the server printed no counters")


def share(counters, part, whole):
    return counters.get(part, 0) / counters[whole] if counters.get(whole) else None


def plan(o):
    """(workload, connections) at full load, and at half of it."""
    full = [(w, c) for w in o.workloads for c in ((1,) if w == "bulk" else o.connections)]
    return full, [(w, max(o.connections)) for w in o.workloads if w != "bulk"]


def run_all(b):
    o = b.o
    has_testpmd = shutil.which("dpdk-testpmd") is not None
    if not has_testpmd:
        print("link.py: no dpdk-testpmd here, so no ceilings (package dpdk-dev)", flush=True)
    full, half = plan(o)
    b.all = o.repetitions * len(o.links) * (len(full) + len(half) + 2 * has_testpmd)
    for repetition in range(1, o.repetitions + 1):
        for link in o.links:
            if has_testpmd:
                for name, (rate, size) in b.testpmd(link).items():
                    b.csv.add(link=link, workload=f"testpmd {name}, {size} B", connections=0, load="full", repetition=repetition,
                              requests_per_second=rate, gbit_per_second=rate * size * 8 / 1e9)
                    b.tell(f"{link}, testpmd {name}, {size} B: {rate / 1e6:.3f} million frames/s")
            for workload, connections in full:
                b.measure(link, workload, connections, "full", repetition)
    for repetition in range(1, o.repetitions + 1):
        for link in o.links:
            for workload, connections in half:
                highest = results.quartiles(b.csv.values("requests_per_second", link=link, workload=workload, connections=connections,
                                                         load="full"))[1]
                b.measure(link, workload, connections, "half", repetition, rate=highest / 2)


def report(b):
    rows = []
    for link in b.o.links:
        for workload, connections, load in dict.fromkeys((r["workload"], r["connections"], r["load"]) for r in b.csv.select(link=link)):
            want = {"link": link, "workload": workload, "connections": connections, "load": load}

            def cell(column, form="{:.1f}", scale=1, want=want):
                values = [v * scale for r in b.csv.select(**want) if (v := r.get(column)) is not None]
                return results.spread(values, form) if values else ""

            rows.append([link, workload, connections or "", load, cell("requests_per_second", "{:.0f}"), cell("gbit_per_second", "{:.2f}"),
                         *(cell(name) for name in LATENCIES), cell("server_cycles", "{:.0f}"), cell("client_cycles", "{:.0f}"),
                         cell("client_busy", "{:.0f} %", 100), cell("client_batch"), cell("server_tso", "{:.0f} %", 100), cell("stolen", "{:.1f} %", 100)])
    head = ["link", "workload", "connections", "load", "requests/s", "Gb/s", "p50 us", "p90 us", "p99 us", "p99.9 us", "server cycles", "client cycles",
            "client busy", "client batch", "TSO", "stolen"]
    results.save("link.md", f"# Server and zload in two processes\n\n{results.machine()}\n\nMedian (quartiles) of {b.o.repetitions} "
                 f"repetitions of {b.o.seconds:g} s; at half load each value is the median of five windows. Requests of testpmd are frames. "
                 "Cycles per request are CPU time times the rate of the time-stamp counter; both sides poll. TSO: the share of the server's "
                 f"frames that were longer than a segment.\n\nPauses above 5 us of a loop that only reads the clock (`bench/gaps.c`), before "
                 f"the start: {b.pauses}.\n\n"
                 + results.markdown(head, rows))


def main():
    p = arguments.Parser(__doc__)
    p.take("--links", "LINK", arguments.several(arguments.name(*LINKS), ";"), ";".join(LINKS), "separated by semicolons")
    p.take("--workloads", "WORKLOAD", arguments.several(arguments.name(*WORKLOADS), ";"), ";".join(WORKLOADS), "the same")
    p.take("--connections", "CONNS", arguments.several(arguments.whole(1, 20000)), "1,100", "separated by commas")
    p.take("--repetitions", "REPS", arguments.whole(1, 1000), "3")
    p.take("--seconds", "TIME", arguments.number(0.1, 600), "1.5", "of each run")
    o = p.read()
    with hugepages.Reserve(512) as huge:
        b = Bench(o, huge.ready)
        print(f"link.py: server on core {b.server_core}, zload on core {b.client_core}; memory: {huge}", flush=True)
        b.pauses = b.gaps()
        print(f"link.py: pauses above 5 us: {b.pauses}", flush=True)
        run_all(b)
    report(b)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, OSError) as e:
        sys.exit(f"link.py: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
