"""What the end-to-end tests share: the server under test, kernel-side sockets, content, skips."""
import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import socketserver
import struct
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.environ.get("ZSTACK_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("ZSTACK_BUILD") or os.path.join(ROOT, "build/dev")
SOAK = int(os.environ.get("ZSTACK_SOAK", "1"))
sys.path.insert(0, os.path.join(ROOT, "scripts"))

import lab as labs  # noqa: E402

BASE = 7000
ECHO, COPY, SINK, SOURCE, WRAP, LAZY, DISCARD = range(BASE, BASE + 7)
PATTERN_LEN = 65521
PATTERN = bytes((j * 7 + (j >> 8) * 13 + 1) & 0xFF for j in range(PATTERN_LEN))


NOBODY = 65534
PR_SET_DUMPABLE = 4


class Failure(Exception):
    """What was expected and what came instead."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def pattern(n, start=0):
    start %= PATTERN_LEN
    return (PATTERN * ((start + n) // PATTERN_LEN + 1))[start:start + n]


server_address = labs.SERVER_IP  # what connect() and those who use it talk to


def sockaddr(lab, address, port):
    """For socket calls; a zone, as in fe80::1%eth0, is one of the kernel's side."""
    if "%" not in address:
        return (address, port)
    address, zone = address.split("%")
    with lab.on("kernel"):
        return (address, port, 0, socket.if_nametoindex(zone))


def connect(lab, port, timeout=30, rcvbuf=None, address=None):
    address = address or server_address
    with lab.on("kernel"):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(timeout)
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.connect(sockaddr(lab, address, port))
    return s


def read_all(s):
    parts = []
    while True:
        part = s.recv(1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)


def check_pattern(data, want):
    expect(len(data) == want, f"{len(data)} bytes instead of {want}")
    if data != pattern(want):
        at = next(i for i in range(want) if data[i] != PATTERN[i % PATTERN_LEN])
        raise Failure(f"byte {at} of {want} differs")


def upload(lab, total, port=SINK, chunk=1 << 20):
    """Sends the pattern to a sink, which must answer with its length and hash."""
    digest = hashlib.sha256()
    s = connect(lab, port, timeout=120)
    for start in range(0, total, chunk):
        part = pattern(min(chunk, total - start), start)
        digest.update(part)
        s.sendall(part)
    s.shutdown(socket.SHUT_WR)
    answer = read_all(s).decode()
    s.close()
    expect(answer == f"{total} {digest.hexdigest()}\n", f"sink answered {answer!r} for {total} bytes {digest.hexdigest()}")


def download(lab, total, port=SOURCE, style="close", timeout=120):
    s = connect(lab, port, timeout=timeout)
    s.sendall(f"{total} {style}\n".encode())
    data = read_all(s)
    s.close()
    check_pattern(data, total)


def echo(lab, total, port=ECHO, chunk=1 << 18):
    """Sends and receives at once; what comes back must be what was sent."""
    s = connect(lab, port, timeout=120)
    problems = []

    def send():
        try:
            for start in range(0, total, chunk):
                s.sendall(pattern(min(chunk, total - start), start))
            s.shutdown(socket.SHUT_WR)
        except OSError as e:
            problems.append(e)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        data = read_all(s)
    finally:
        sender.join()
        s.close()
    expect(not problems, f"sending: {problems}")
    check_pattern(data, total)


def cksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def kernel_pings(lab, address, size):
    """Echo requests of the kernel's, until one is answered; of ICMPv6 it fills in the checksum."""
    v6 = ":" in address
    payload = pattern(size)
    head = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, 7, size)
    if not v6:
        head = struct.pack("!BBHHH", 8, 0, cksum(head + payload), 7, size)
    with lab.on("kernel"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, 58 if v6 else 1)
    with s:
        s.settimeout(1)
        for _ in range(10):
            s.sendto(head + payload, (address, 0))
            try:
                while True:
                    data = s.recv(1 << 16)
                    data = data if v6 else data[20:]
                    if data[0] == (129 if v6 else 0) and data[4:8] == head[4:8]:
                        expect(data[8:] == payload, f"{address} answers with other bytes")
                        return
            except socket.timeout:
                pass
    raise Failure(f"{address} does not answer")


@contextlib.contextmanager
def kernel_server(lab, port, handler):
    """A server on the kernel's side; handler is one of socketserver's."""
    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        request_queue_size = 256

    with lab.on("kernel"):
        server = Server((labs.CLIENT_IP, port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Program:
    """A program on the stack, with a config.ini of its own; ends in order when its block does."""

    def __init__(self, lab, tmp, argv, zstack=(), port=None, core=None, port0=(), dpdk=()):
        self.lab = lab
        self.log = os.path.join(tmp, "program.log")
        cores = sorted(os.sched_getaffinity(0))
        config = labs.write_config(os.path.join(tmp, "config.ini"), core=cores[0] if core is None else core, zstack=zstack,
                                   port0=port0, dpdk=dpdk)
        program = os.path.join(BUILD, argv[0])
        with open(self.log, "w", encoding="utf-8") as out:
            self.process = lab.popen("stack", program, "--conf", config, "--", *argv[1:], stdout=out, stderr=out)
        self.counters = {}
        self.text = ""
        if port:
            try:
                labs.wait_port(lab, self.process, port)
            except labs.LabError as e:
                raise Failure(f"{e}\n{self.output()}") from None

    def output(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_output(self, text, timeout=10, count=1):
        end = time.monotonic() + timeout
        while self.output().count(text) < count:
            if time.monotonic() > end:
                raise Failure(f"no {text!r} (x{count}) within {timeout} s in:\n{self.output()}")
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(15)
        except Exception:
            self.process.kill()
            self.process.wait()
            raise Failure(f"no end within 15 s of SIGINT:\n{self.output()}") from None
        expect(status == 0, f"exit status {status}:\n{self.output()}")
        self.text = self.output()
        found = re.findall(r"^\s*([a-z]+\.[a-z_0-9]+)[\s:=]+(\d+)", self.text, re.M)
        self.counters = {name: int(value) for name, value in found}


@contextlib.contextmanager
def program(lab, *argv, zstack=(), port=None, port0=(), core=None, dpdk=()):
    tmp = tempfile.mkdtemp(prefix="zstack-e2e-")
    try:
        p = Program(lab, tmp, argv, zstack, port, core=core, port0=port0, dpdk=dpdk)
        try:
            yield p
        except BaseException:
            if p.process.poll() is None:
                p.process.kill()
                p.process.wait()
            print(f"--- output of {argv[0]}, status {p.process.returncode}")
            print(p.output())
            raise
        p.stop()
    finally:
        shutil.rmtree(tmp)


def server(lab, zstack=(), port0=()):
    return program(lab, "tests/e2e/zserver", str(BASE), zstack=zstack, port=ECHO, port0=port0)


def expect_no_copies(counters):
    """Of a run in which only z_* calls moved payload."""
    expect(counters, "the program printed no counters")
    copied = {n: v for n, v in counters.items() if n.startswith("copy.") and v}
    expect(not copied, f"payload was copied: {copied}")


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def become_nobody():
    """Goes on as another user in a child. Everything must be readable to others; where the tree is not, there is nothing to test."""
    tmp = tempfile.mkdtemp(prefix="zstack-e2e-")
    os.chown(tmp, NOBODY, NOBODY)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        shutil.rmtree(tmp)
        sys.exit(os.waitstatus_to_exitcode(status))
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    labs.libc.prctl(PR_SET_DUMPABLE, 1)  # or /proc/self stays root's
    os.environ.update(HOME=tmp, TMPDIR=tmp)
    tempfile.tempdir = tmp
    for path in (BUILD + "/tests/e2e/zserver", ROOT + "/scripts/lab.py"):
        if not os.access(path, os.R_OK):
            skip(f"other users cannot read {path}")


def main(test, box=False, commands=("ip", "ethtool")):
    """Runs test(lab) in a lab. 77 where that cannot be made, with the reason as the last line."""
    for command in commands:
        if not shutil.which(command):
            skip(f"no {command} here")

    def inside():
        try:
            lab = labs.Lab(box=box)
        except labs.LabError as e:
            print(f"skipped: {e}")
            return 77
        try:
            started = time.monotonic()
            test(lab)
            print(f"ok, {time.monotonic() - started:.1f} s")
            return 0
        except (Failure, labs.LabError, OSError) as e:
            traceback.print_exc(file=sys.stdout)
            print(f"FAILED: {type(e).__name__}: {e}")
            return 1

    try:
        status = labs.in_lab(inside)
    except labs.LabError as e:
        skip(str(e))
    sys.exit(status)
