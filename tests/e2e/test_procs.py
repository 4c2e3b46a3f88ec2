"""F-Stack's model: a process for each core, of which one may die. usage: test_procs.py DEVICE"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import dev_lib as dev
import peer
from peer import Failure, expect, labs

PORT = 7000
CONTROL, LONE = PORT + 1, PORT + 2

# devargs of the device, or None: a TAP device of our own. Of these DPDK's tap alone serves other processes.
DEVICES = {
    "af_packet": f"net_af_packet0,iface={labs.STACK_IF},qdisc_bypass=1",
    "tap": None,
    "dpdk_tap": "net_tap0,iface=ztap0",
}
HUGEPAGES = 120
DIED = "zstack: the process with --proc-id=1 has died"


class Setup:
    def __init__(self, lab, device):
        self.lab = lab
        self.device = device
        on_link = device == "af_packet"
        self.address = labs.SERVER_IP if on_link else "10.78.0.2"
        self.kernel = labs.CLIENT_IP if on_link else "10.78.0.1"
        self.port = [f"addr={self.address}", f"netmask={dev.MASK}"]
        if device == "tap":
            self.port += ["tap=ztap0", f"tap_addr={self.kernel}/24"]
        if not on_link:
            lab.sides["kernel"] = lab.sides["stack"]
        self.prefix = f"test-procs-{os.getpid()}-{device}-{time.monotonic_ns()}"

    def config(self, tmp):
        path = os.path.join(tmp, "config.ini")
        mask = format(sum(1 << c for c in dev.CORES[:2]), "x")
        devices = [DEVICES[self.device]] if DEVICES[self.device] else []
        return dev.config(path, devices, [self.port], dpdk=[f"lcore_mask={mask}", f"file_prefix={self.prefix}"], no_huge=False)

    def clean(self):
        shutil.rmtree(f"/var/run/dpdk/container-{self.prefix}", ignore_errors=True)
        for name in os.listdir("/dev/hugepages"):
            if name.startswith(f"container-{self.prefix}map_"):
                os.unlink(os.path.join("/dev/hugepages", name))

    @contextlib.contextmanager
    def run(self, *argv):
        """yield start(number): a process, which is there when it returns."""
        with dev.runs(self.lab) as runs:
            config = self.config(runs.tmp)

            def start(number):
                name = f"{os.path.basename(argv[0])}{number}-{time.monotonic_ns()}"
                run = Process(self.lab, runs.tmp, name, argv, config, number)
                runs.add(run)
                return run

            try:
                yield start
            finally:
                runs.kill()
                self.clean()

    def up(self, run):
        if self.device == "dpdk_tap":
            end = time.monotonic() + 10
            while not os.path.exists("/sys/class/net/ztap0") and time.monotonic() < end:
                expect(run.process.poll() is None, f"status {run.process.poll()}")
                time.sleep(0.05)
            self.lab.call("kernel", "ip", "addr", "add", f"{self.kernel}/24", "dev", "ztap0")
            self.lab.call("kernel", "ip", "link", "set", "ztap0", "up")

    def connect(self, port, timeout=20):
        return peer.connect(self.lab, port, timeout=timeout, address=self.address)

    def greeted(self, port=CONTROL, timeout=20):
        """A connection, and the core that serves it."""
        s = self.connect(port, timeout)
        greeting = s.makefile("rb").readline()
        expect(re.fullmatch(rb"core \d\n", greeting), f"greeted with {greeting!r}")
        return s, int(greeting[5:])

    def wait_cores(self, cores, timeout=10):
        """Until connections go to exactly these cores."""
        end = time.monotonic() + timeout
        while True:
            found = {self.try_greeted() for _ in range(12)}
            if found == cores:
                return
            expect(time.monotonic() < end, f"connections go to cores {found}, not {cores}")

    def try_greeted(self):
        try:
            s, core = self.greeted(timeout=2)
            s.close()
            return core
        except (OSError, Failure):
            return None


class Process(dev.Run):
    def __init__(self, lab, tmp, name, argv, conf, number):
        self.number = number
        kind = "secondary" if number else "primary"
        super().__init__(lab, tmp, name, argv, conf, options=[f"--proc-type={kind}", f"--proc-id={number}"])

    def die(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def column(run, name):
    """The values of one counter as a process prints them: total, core, core."""
    found = re.search(rf"^{re.escape(name)}\s+(\d+)\s+(\d+)\s+(\d+) ", run.text, re.M)
    return [int(v) for v in found.groups()] if found else [0, 0, 0]


def echo_all(setup, n, total):
    problems = []

    def one(i):
        try:
            dev.roundtrip(setup.lab, setup.address, PORT, total + i)
        except (Failure, OSError) as e:
            problems.append(e)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(not problems, f"{len(problems)} of {n} echoes: {problems[:1]}")


def test_contents(setup):
    """Bulk by content while both serve; connections of before the second came go on at the first."""
    with setup.run("tests/e2e/zcores", str(PORT)) as start:
        first = start(0)
        setup.up(first)
        dev.wait_tcp(setup.lab, first, setup.address, PORT)
        held = [setup.connect(PORT) for _ in range(20)]
        second = start(1)
        setup.wait_cores({0, 1})
        for s in held:
            s.sendall(b"still here")
            expect(s.recv(100) == b"still here", "a connection that was there before did not echo")
        echo_all(setup, 12, 1_000_000)
        for _ in range(20):
            s, core = setup.greeted(LONE)
            expect(core == 0, "the lone listener is core 0's")
            s.close()
        for s in held:
            s.sendall(b"still here")
            expect(s.recv(100) == b"still here", "a connection that was there before did not echo")
            s.close()
        time.sleep(0.3)  # the connections end
        second.stop()
        setup.wait_cores({0})
        first.stop()
    for name in ("tcp.opens_passive", "tcp.segments_rx", "port.tx_packets"):
        total, *each = column(first, name)
        expect(min(each) > 0 and sum(each) == total, f"{name}: {total} = {each}")
    expect(not column(first, "steer.processes_died")[0], "nobody died")
    expect(not column(first, "drop.steer_full")[0], "frames were lost between the processes")
    expect(bool(column(first, "steer.relayed")[1]) == (setup.device != "dpdk_tap"), "who sends what the second process has to send")
    for run in (first, second):
        dev.no_payload_copies(run)


def test_death(setup):
    """The second dies under load, three times, and comes again: the first serves on, says so, and loses none of its own connections."""
    with setup.run("tests/e2e/zcores", str(PORT)) as start:
        first = start(0)
        setup.up(first)
        dev.wait_tcp(setup.lab, first, setup.address, PORT)
        held = [setup.connect(PORT) for _ in range(10)]
        stop = threading.Event()
        echoed, problems = [0], []

        def load():
            text = peer.pattern(20_000)
            while not stop.is_set():
                with contextlib.suppress(OSError, Failure), setup.connect(PORT, timeout=2) as s:
                    for _ in range(20):
                        s.sendall(text)
                        got = b""
                        while len(got) < len(text):
                            part = s.recv(100_000)
                            expect(part, "closed")
                            got += part
                        if got != text:
                            problems.append("the echo is another text")
                    echoed[0] += 1

        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            for times in range(1, 4):
                second = start(1)
                setup.wait_cores({0, 1})
                time.sleep(0.5)  # under load
                second.die()
                end = time.monotonic() + 5
                while first.output().count(DIED) < times:
                    expect(time.monotonic() < end, "the first has not told of the death")
                    time.sleep(0.02)
                setup.wait_cores({0})
        finally:
            stop.set()
            for t in threads:
                t.join()
        expect(not problems, f"{problems[:1]}")
        expect(echoed[0] > 10, f"{echoed[0]} connections only")
        echo_all(setup, 4, 300_000)
        for s in held:
            s.sendall(b"still here")
            expect(s.recv(100) == b"still here", "a connection of the first did not survive")
            s.close()
        first.stop()
    expect(first.counters.get("steer.processes_died") == 3, f"{first.counters.get('steer.processes_died')} deaths")


def expect_error(setup, config, text, *options):
    program = os.path.join(peer.BUILD, "tests/e2e/zcores")
    p = setup.lab.popen("stack", program, "--conf", config, *options, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out, _ = p.communicate(timeout=30)
    expect(p.returncode == 1 and text in out, f"{options}: status {p.returncode}, {out!r}")


def test_errors(setup):
    with setup.run("tests/e2e/zcores", str(PORT)) as start, dev.runs(setup.lab) as runs:
        config = setup.config(runs.tmp)
        expect_error(setup, config, "start the one with --proc-type=primary first", "--proc-type=secondary", "--proc-id=1")
        first = start(0)
        setup.up(first)
        dev.wait_tcp(setup.lab, first, setup.address, PORT)
        expect_error(setup, config, "--proc-id: found 2, but lcore_mask has 2 cores", "--proc-type=secondary", "--proc-id=2")
        start(1)
        setup.wait_cores({0, 1})
        expect_error(setup, config, "--proc-id: found 1, but that process is running already", "--proc-type=secondary", "--proc-id=1")
        setup.wait_cores({0, 1})


def free_hugepages():
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", encoding="utf-8") as f:
            return int(f.read())
    except OSError:
        return 0


def test(lab):
    for one in (test_contents, test_death, test_errors):
        print(one.__name__, flush=True)
        one(Setup(lab, sys.argv[1]))


if len(dev.CORES) < 2:
    peer.skip("one core only")
if not os.path.isdir("/dev/hugepages") or not os.access("/dev/hugepages", os.W_OK) or free_hugepages() < HUGEPAGES:
    peer.skip(f"processes share hugepages: {HUGEPAGES} free ones of 2 MB are needed, mounted on /dev/hugepages")
peer.main(test)
