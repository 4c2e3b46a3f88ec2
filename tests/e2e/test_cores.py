"""Two cores in one process (thread_mode) behind one device queue, two, and a tap. usage: test_cores.py DEVICE"""
import contextlib
import re
import socket
import sys
import threading
import time

import dev_lib as dev
import peer
from peer import Failure, expect, labs

PORT = 7000
CONTROL, LONE = PORT + 1, PORT + 2
CLIENT_PORT = PORT + 100  # the kernel still sends to PORT what it has left of the connections before
CLIENTS = 200

DEVICES = {  # devargs of the device, or None: a tap
    "af_packet": f"net_af_packet0,iface={labs.STACK_IF},qdisc_bypass=1",
    "af_packet_2": f"net_af_packet0,iface={labs.STACK_IF},qdisc_bypass=1,qpairs=2",
    "tap": None,
}
# The kernel spreads flows over af_packet's queues, as does tap: what came to the wrong core is given to the other.
KEYS = ["thread_mode=1", "lcore_mask=" + format(sum(1 << c for c in dev.CORES[:2]), "x")]


class Setup:
    def __init__(self, lab, device):
        self.lab = lab
        tap = DEVICES[device] is None
        self.devices = [] if tap else [DEVICES[device]]
        self.address = "10.78.0.2" if tap else labs.SERVER_IP
        self.kernel = "10.78.0.1" if tap else labs.CLIENT_IP
        self.port = [f"addr={self.address}", f"netmask={dev.MASK}"] + (["tap=ztap0", f"tap_addr={self.kernel}/24"] if tap else [])
        if tap:
            lab.sides["kernel"] = lab.sides["stack"]

    @contextlib.contextmanager
    def run(self, *argv):
        with dev.runs(self.lab) as start:
            run = start(argv[0].split("/")[-1], list(argv), self.devices, [self.port], dpdk=KEYS)
            yield run
            run.stop()
            dev.no_payload_copies(run) if argv[0] == "examples/http" else None

    def connect(self, port, timeout=20):
        return peer.connect(self.lab, port, timeout=timeout, address=self.address)

    def control(self, core, port=CONTROL):
        """A control connection that is served by this core; the kernel's ports choose."""
        for _ in range(100):
            s = self.connect(port)
            f = s.makefile("rw", newline="\n")
            if f.readline() == f"core {core}\n":
                return s, f
            s.close()
        raise Failure(f"no connection of a hundred came to core {core}")


def command(control, line):
    control[1].write(line + "\n")
    control[1].flush()
    expect(control[1].readline() == "ok\n", f"no answer to {line!r}")


def cores_of(run, name):
    """The values of one counter: total, core, core."""
    found = re.search(rf"^{re.escape(name)}\s+(\d+)\s+(\d+)\s+(\d+) ", run.text, re.M)
    return [int(v) for v in found.groups()] if found else [0, 0, 0]


def test_contents(setup):
    """Bulk and short, all echoed by content; both cores work."""
    with setup.run("tests/e2e/zcores", str(PORT)) as run:
        dev.wait_tcp(setup.lab, run, setup.address, PORT)
        problems = []

        def one(total):
            try:
                dev.roundtrip(setup.lab, setup.address, PORT, total)
            except (Failure, OSError) as e:
                problems.append(e)

        threads = [threading.Thread(target=one, args=(1_000_000 + i,)) for i in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        expect(not problems, f"{len(problems)} of 12 echoes: {problems[:1]}")
        # who listens on one core only is found from wherever the packets come
        for _ in range(20):
            s = setup.connect(LONE)
            expect(s.recv(10) == b"core 0\n", "the lone listener is core 0's")
            s.close()
    for name in ("tcp.opens_passive", "tcp.segments_rx", "port.rx_packets", "port.tx_packets"):
        total, *each = cores_of(run, name)
        expect(min(each) > 0 and sum(each) == total, f"{name}: {total} = {each}")
    expect(cores_of(run, "steer.handed_over")[0] > 0, "nothing was handed to the lone listener")
    expect(not cores_of(run, "drop.steer_full")[0], "frames were lost between the cores")


def test_listener_closes(setup):
    """Under load each core's listener closes and opens again, in turns: not one connection fails, and those it has go on."""
    with setup.run("tests/e2e/zcores", str(PORT)) as run:
        dev.wait_tcp(setup.lab, run, setup.address, PORT)
        controls = [setup.control(core) for core in (0, 1)]
        held = [setup.connect(PORT) for _ in range(10)]
        done, problems = [0], []
        stop = threading.Event()

        def load(n):
            text = f"client {n} ".encode() * 10
            while not stop.is_set() and not problems:
                try:
                    s = setup.connect(PORT)
                    s.sendall(text)
                    got = b""
                    while len(got) < len(text):
                        part = s.recv(1000)
                        expect(part, f"closed after {len(got)} bytes")
                        got += part
                    expect(got == text, "the echo is another text")
                    s.close()
                    done[0] += 1
                except (Failure, OSError) as e:
                    problems.append(e)

        threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for _ in range(10 * peer.SOAK):
            for core in (0, 1):
                time.sleep(0.1)
                command(controls[core], "close")
                time.sleep(0.1)
                command(controls[core], "listen")
        stop.set()
        for t in threads:
            t.join()
        expect(not problems, f"after {done[0]} connections: {problems[:1]}")
        expect(done[0] > 200, f"only {done[0]} connections")
        print(f"    {done[0]} connections while listeners came and went")
        for s in held:
            s.sendall(b"still here")
            expect(s.recv(100) == b"still here", "a connection that was there before did not echo")
            s.close()
    expect(cores_of(run, "tcp.forwarded")[0] == 0, f"claims are left: {cores_of(run, 'tcp.forwarded')}")
    expect(cores_of(run, "steer.handed_over")[0] > 100, "nothing was handed over")


def echo_server(lab, address, stop):
    with lab.on("kernel"):
        s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, CLIENT_PORT))
    s.listen(1000)
    s.settimeout(0.2)

    def one(c):
        with c, contextlib.suppress(OSError):
            c.settimeout(10)
            while data := c.recv(1000):
                c.sendall(data)

    with s:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()


def test_clients(setup):
    """Each core connects to the kernel many times; the answers come to it by themselves."""
    stop = threading.Event()
    with setup.run("tests/e2e/zcores", str(CLIENT_PORT), setup.kernel, str(CLIENTS)) as run:
        server = threading.Thread(target=echo_server, args=(setup.lab, setup.kernel if DEVICES[sys.argv[1]] else "0.0.0.0", stop))
        server.start()
        try:
            for core in (0, 1):
                run.wait_output(f"core {core}: {CLIENTS} echoed, 0 failed", timeout=40)
        finally:
            stop.set()
            server.join()
    expect(cores_of(run, "steer.handed_over")[0] == 0, "answers came to the wrong core")
    expect(cores_of(run, "tcp.opens_active") == [2 * CLIENTS, CLIENTS, CLIENTS], f"{cores_of(run, 'tcp.opens_active')}")
    expect(cores_of(run, "tcp.ports_passed")[0] < 20 * CLIENTS, f"ports passed: {cores_of(run, 'tcp.ports_passed')}")


def test_http(setup):
    """curl's and wrk's view of the example."""
    with setup.run("examples/http", "20000", "80") as run:
        dev.wait_tcp(setup.lab, run, setup.address, 80)
        dev.http(setup.lab, run, setup.address, sizes=(20000,))
        out = setup.lab.call("kernel", "wrk", "-t1", "-c64", f"-d{3 * peer.SOAK}s", f"http://{setup.address}:80/", timeout=60)
        problems = re.search(r"Socket errors.*|Non-2xx.*", out)
        expect(not problems, f"wrk: {problems and problems[0]}")
        print("    wrk:", re.search(r"Requests/sec:\s*([\d.]+)", out)[0])
    expect(min(cores_of(run, "tcp.opens_passive")) > 0, "a core has served nobody")


def test(lab):
    if len(dev.CORES) < 2:
        peer.skip("one core only")
    setup = Setup(lab, sys.argv[1])
    for one in (test_contents, test_listener_closes, test_clients, test_http):
        print(one.__name__, flush=True)
        one(setup)


peer.main(test, commands=("ip", "ethtool", "curl", "wrk"))
