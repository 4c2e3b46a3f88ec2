"""Shared by the device tests: configurations with any devices and ports, programs on them, what each must deliver."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import peer
from peer import BUILD, Failure, expect, labs

MB = 1 << 20
CORES = sorted(os.sched_getaffinity(0))
MASK = "255.255.255.0"


def config(path, devices, ports, core=0, zstack=(), dpdk=(), no_huge=True):
    """ports: one list of lines, or one address, per port."""
    lines = ["[dpdk]", f"lcore_mask={1 << CORES[core % len(CORES)]:x}", f"port_list={','.join(map(str, range(len(ports))))}"]
    lines += ["no_huge=1"] * no_huge + ["log_level=4", *dpdk]
    for i, device in enumerate(devices):
        lines += [f"[vdev{i}]", f"devargs={device}"]
    for i, port in enumerate(ports):
        lines += [f"[port{i}]"] + ([f"addr={port}", f"netmask={MASK}"] if isinstance(port, str) else list(port))
    lines += ["[zstack]", "rx_buffers=4096", "app_buffers_2k=2048", "app_buffers_9k=512", "app_buffers_64k=128", "conn_memory=64m", *zstack]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return path


class Run:
    """A program on the stack, with its output in a file."""

    def __init__(self, lab, tmp, name, argv, conf, options=()):
        self.lab = lab
        self.name = name
        self.log = os.path.join(tmp, name + ".log")
        self.counters = {}
        self.text = ""
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = lab.popen("stack", os.path.join(BUILD, argv[0]), "--conf", conf, *options, "--", *argv[1:], stdout=out, stderr=out,
                                     stdin=subprocess.DEVNULL)

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_output(self, text, timeout=15):
        end = time.monotonic() + timeout
        while text not in self.output():
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failure(f"{self.name}: no {text!r} (status {self.process.poll()})")
            time.sleep(0.02)

    def wait(self, timeout):
        """Until it ends by itself; it must end well."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name}: no end within {timeout} s") from None
        expect(status == 0, f"{self.name}: exit status {status}")
        self.text = self.output()
        self.counters = {n: int(v) for n, v in re.findall(r"^\s*([a-z]+\.[a-z_0-9]+)[\s:=]+(\d+)", self.text, re.M)}
        expect(self.counters, f"{self.name} printed no counters")
        self.show()
        return self

    def show(self):
        """The zero-copy numbers, and what a device did not like."""
        consumed = ("drop.arp_done", "drop.icmp_done", "drop.tcp_pure_ack")
        found = {n: v for n, v in self.counters.items() if v and n.startswith(("copy.", "drop.", "port.", "tcp.retransmits"))
                 and n not in consumed}
        print(f"    {self.name}: " + ", ".join(f"{n} {v}" for n, v in sorted(found.items())) + "; payload copied: "
              + str(sum(v for n, v in found.items() if n.startswith("copy."))) + " bytes", flush=True)

    def stop(self, timeout=20):
        if self.process.poll() is None:
            self.process.send_signal(2)
        return self.wait(timeout)


@contextlib.contextmanager
def runs(lab):
    """yield start(name, argv, devices, ports, …); shows the logs when the block fails, and leaves nothing behind."""
    tmp = tempfile.mkdtemp(prefix="zstack-dev-")
    started = []

    def start(name, argv, devices, ports, options=(), **kw):
        run = Run(lab, tmp, name, argv, config(os.path.join(tmp, name + ".ini"), devices, ports, core=len(started), **kw), options)
        started.append(run)
        return run

    def kill():
        for run in started:
            if run.process.poll() is None:
                run.process.kill()
            run.process.wait()

    start.tmp, start.add, start.kill = tmp, started.append, kill
    try:
        yield start
    except BaseException:
        for run in started:
            if run.process.poll() is None:
                run.process.send_signal(signal.SIGUSR1)  # its counters; zclient just ends
        time.sleep(0.3)
        for run in started:
            print(f"--- output of {run.name}, status {run.process.poll()}")
            print(run.output()[-6000:])
        raise
    finally:
        kill()
        shutil.rmtree(tmp)


def fails_to_start(lab, words, port, device=None, prefix=(), **kw):
    """examples/echo must end with status 1, and its last line be one sentence that has these words."""
    with tempfile.TemporaryDirectory(prefix="zstack-start-") as tmp:
        os.chmod(tmp, 0o755)
        conf = config(os.path.join(tmp, "config.ini"), [device] if device else [], [port], **kw)
        run = lab.popen("stack", *prefix, os.path.join(BUILD, "examples/echo"), "--conf", conf, "--", "7", stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, text=True)
        try:
            out, _ = run.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            run.kill()
            raise Failure(f"started, instead of an error with {words}") from None
    said = [line for line in out.splitlines() if line.startswith("zstack: ") and "warning" not in line]
    expect(run.returncode == 1, f"status {run.returncode} of {words}:\n{out}")
    expect(len(said) == 1 and out.rstrip().endswith(said[0]), f"not one sentence at the end:\n{out}")
    for word in words:
        expect(word in said[0], f"no {word!r} in: {said[0]}")
    print("   ", said[0], flush=True)


def wait_tcp(lab, run, address, port, timeout=30):
    end = time.monotonic() + timeout
    while True:
        expect(run.process.poll() is None, f"{run.name} ended with status {run.process.poll()}")
        try:
            peer.connect(lab, port, timeout=1, address=address).close()
            return
        except OSError:
            expect(time.monotonic() < end, f"{run.name} does not answer on {address} port {port}")
            time.sleep(0.05)


def roundtrip(lab, address, port, total):
    """Sends and receives at once; the echo must be what was sent."""
    s = peer.connect(lab, port, timeout=60, address=address)
    problems = []

    def send():
        try:
            s.sendall(peer.pattern(total))
            s.shutdown(socket.SHUT_WR)
        except OSError as e:
            problems.append(e)

    t = threading.Thread(target=send)
    t.start()
    try:
        data = peer.read_all(s)
    finally:
        t.join()
        s.close()
    expect(not problems, f"sending: {problems}")
    peer.check_pattern(data, total)


def fetch(lab, address, port, total, timeout=60):
    s = peer.connect(lab, port, timeout=timeout, address=address)
    s.sendall(f"{total} close\n".encode())
    data = peer.read_all(s)
    s.close()
    peer.check_pattern(data, total)


def kernel_transfers(lab, address=labs.SERVER_IP, total=8 * MB, parallel=8):
    """The kernel as peer: both ways with content check, through references, copies and wrapped memory; then many at once."""
    if address == labs.SERVER_IP:
        peer.upload(lab, total)
    fetch(lab, address, peer.SOURCE, total)
    fetch(lab, address, peer.WRAP, total)
    roundtrip(lab, address, peer.ECHO, total // 2)
    roundtrip(lab, address, peer.COPY, total // 4)
    problems = []

    def one():
        try:
            roundtrip(lab, address, peer.ECHO, 300_000)
        except (Failure, OSError) as e:
            problems.append(e)

    threads = [threading.Thread(target=one) for _ in range(parallel)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(not problems, f"{len(problems)} of {parallel} parallel echoes: {problems[:1]}")


def http(lab, run, address, sizes=(64, 20000)):
    """run is examples/http on port 80: keep-alive requests whose bodies are whole and alike."""
    s = peer.connect(lab, 80, timeout=20, address=address)
    f = s.makefile("rb")
    bodies = set()
    for _ in range(50):
        s.sendall(b"GET / HTTP/1.1\r\nHost: z\r\n\r\n")
        expect(b" 200 " in f.readline(), "no 200")
        length = 0
        while (line := f.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        expect(length in sizes, f"a body of {length} bytes")
        bodies.add(f.read(length))
    expect(len(bodies) == 1 and len(next(iter(bodies))) in sizes, "bodies differ")
    s.close()


def no_payload_copies(run, ports=True):
    """COPY mode's own copies aside, nothing moved payload; ports=False: except for the port's linearising."""
    bad = {n: v for n, v in run.counters.items() if n.startswith("copy.") and v and n != "copy.api_bytes"
           and (ports or n != "copy.port_bytes")}
    expect(not bad, f"{run.name} copied payload: {bad}")
