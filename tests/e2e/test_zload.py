"""zload against this stack's servers over memif, and over a veth pair against kernel servers that misbehave on purpose."""
import contextlib
import csv
import io
import json
import os
import re
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time

import dev_lib as dev
import peer
from peer import BUILD, expect, labs

SERVER, CLIENT = "10.79.0.2", "10.79.0.1"
SERVER6, CLIENT6, CLIENT6_MORE = "fd79::2", "fd79::1", "fd79::1:1"
ZLOAD = os.path.join(BUILD, "tools/zload")
BODY = bytes(ord("a") + i % 26 for i in range(3000))
WRONG_EVERY = 5


class Zload:
    """Runs zload to its end: status, out, err."""

    def __init__(self, lab, conf, *argv, timeout=60, interrupt_at=None):
        child = lab.popen("stack", ZLOAD, "--conf", conf, *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          text=True)
        if interrupt_at is not None:
            time.sleep(interrupt_at)
            child.send_signal(signal.SIGINT)
        try:
            self.out, self.err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            raise peer.Failure(f"zload {' '.join(map(str, argv))}: no end; {child.communicate()}") from None
        self.status = child.returncode
        self.line = f"zload {' '.join(map(str, argv))}: status {self.status}\n{self.out}\n{self.err}"

    def json(self):
        r = json.loads(self.out)
        print(f"  {r['target']}: {r['requests']} requests, {r['requests_per_second']:.0f}/s, p50 {r['p50_us']} us, p99 {r['p99_us']} us, "
              f"errors {({k: v for k, v in r['errors'].items() if v})}", flush=True)
        sane(r, self.line)
        for w in r["windows"]:
            sane(w, self.line)
        expect(sum(w["requests"] for w in r["windows"]) == r["requests"], "windows add up to all: " + self.line)
        return r

    def good(self):
        """Ended well, without errors."""
        expect(self.status == 0, self.line)
        r = self.json()
        expect(r["errors"]["all"] == 0 and r["first_error"] == "" and r["requests"] > 0, self.line)
        return r


def sane(r, line):
    names = ["min_us", "p50_us", "p90_us", "p99_us", "p99_9_us", "p99_99_us", "max_us"]
    values = [r[n] for n in names]
    expect(values == sorted(values), "percentiles grow: " + line)
    expect(r["seconds"] > 0 and abs(r["requests_per_second"] * r["seconds"] - r["requests"]) < 0.01 * r["requests"] + 1, "rate: " + line)
    expect(0 <= r["client_busy"] <= 1 and (r["stolen"] is None or 0 <= r["stolen"] <= 1), "shares: " + line)


def port(address, address6):
    return [f"addr={address}", f"netmask={dev.MASK}", f"addr6={address6}", *([f"vip_addr6={CLIENT6_MORE}"] if address == CLIENT else [])]


def over_memif(lab, target, server, *argv, pid=False, **kw):
    """zload against an example. A new server each time, whose end is not looked at: memif may not survive that its peer goes."""
    with dev.runs(lab) as start:
        device = "net_memif0,role={role},id=0,socket={tmp}/m.sock,socket-abstract=no"
        run = start("server", server, [device.format(role="server", tmp=start.tmp)], [port(SERVER, SERVER6)])
        end = time.monotonic() + 15
        while not os.path.exists(start.tmp + "/m.sock"):
            expect(run.process.poll() is None and time.monotonic() < end, "the server made no socket")
            time.sleep(0.02)
        conf = dev.config(os.path.join(start.tmp, "zload.ini"), [device.format(role="client", tmp=start.tmp)], [port(CLIENT, CLIENT6)], core=1)
        done = Zload(lab, conf, target, "--warmup", "200ms", "--check", 1, *argv, *(("--server-pid", run.process.pid) if pid else ()), **kw)
        return done


def test_echo(lab):
    def zload(*argv, **kw):
        return over_memif(lab, f"echo://{SERVER}", ["examples/echo", "7"], "--format", "json", "--duration", 1, *argv, **kw)

    r = zload("--connections", 50, "--depth", 4, "--windows", 4, pid=True).good()
    expect(len(r["windows"]) == 4 and r["server_cpu_seconds"] > 0 and r["client_cpu_seconds"] > 0, str(r))
    expect(r["received_mb_per_second"] > 0 and r["tsc_hz"] > 1e8, str(r))
    for size in (1, 1448, 1449, 65280):
        r = zload("--connections", 3, "--depth", 3, "--size", size, "--duration", "500ms").good()
        expect(abs(r["received_mb_per_second"] * 1e6 - r["requests_per_second"] * size)
               < 0.05 * r["requests_per_second"] * size + 20 * size, str(r))
    r = zload("--connections", 10, "--short", "--reset").good()
    expect(r["requests"] > 10 and abs(r["opened"] - r["requests"]) <= 2 * 10, f"a connection each, but for those at the ends: {r}")
    # An open loop: what was due is in the results, or said to be missing; some of it was due before they began.
    r = zload("--connections", 20, "--rate", 2000, "--duration", 2).good()
    due = 2000 * r["seconds"]
    expect(due - 20 <= r["requests"] + r["unsent"] + r["unanswered"] <= due + 0.2 * 2000 + 20, f"{due} were due: {r}")


def test_http(lab):
    def zload(*argv, **kw):
        return over_memif(lab, f"http://{SERVER}/", ["examples/http", "3000", "80"], *argv, **kw)

    done = zload("--connections", 20, "--depth", 2, "--content", "alphabet", "--format", "csv", "--duration", 1, "--windows", 2)
    expect(done.status == 0, done.line)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    expect([r["window"] for r in rows] == ["1", "2", "all"], done.line)
    expect(all(None not in r and None not in r.values() for r in rows), "as many fields as names: " + done.line)
    expect(int(rows[2]["requests"]) > 10 and rows[2]["errors"] == rows[2]["error_content"] == "0", done.line)
    r = zload("--requests", 500, "--duration", 60, "--format", "json").good()
    expect(500 <= r["requests"] and r["seconds"] < 50, str(r))
    r = zload("--short", "--connections", 5, "--duration", "500ms", "--format", "json").good()
    expect(r["requests"] > 5 and abs(r["opened"] - r["requests"]) <= 2 * 5, f"a connection each, but for those at the ends: {r}")
    six = over_memif(lab, f"http://[{SERVER6}]/", ["examples/http", "3000", "80"], "--local", f"{CLIENT6},{CLIENT6_MORE}", "--connections", 4,
                     "--duration", "500ms", "--format", "json")
    six.good()
    zload("--connections", 300, "--ramp", "500ms", "--duration", "500ms", "--format", "json").good()
    done = zload("--expect", 3001, "--duration", "300ms", "--format", "json")
    expect(done.status == 2 and done.json()["errors"]["length"] > 0, done.line)
    text = zload("--duration", "500ms", "--windows", 2, "--counters")
    expect(text.status == 0 and "errors       none" in text.out and "median" in text.out, text.line)
    expect("port.rx_packets" in text.err, "--counters: " + text.line)
    stopped = zload("--duration", 60, "--format", "json", "--progress", interrupt_at=4)
    expect(stopped.good()["seconds"] < 10 and "measuring: 1 connections" in stopped.err, stopped.line)


class Script(socketserver.BaseRequestHandler):
    """An HTTP server that does to every fifth request on a connection what the path says."""

    def handle(self):
        with contextlib.suppress(OSError):
            self.serve()

    def serve(self):
        data, n = b"", 0
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            while b"\r\n\r\n" not in data:
                part = self.request.recv(65536)
                if not part:
                    return
                data += part
            head, data = data.split(b"\r\n\r\n", 1)
            n += 1
            behaviour = head.split()[1].decode().strip("/")
            if not self.answer(behaviour if n % WRONG_EVERY == 0 or behaviour == "endless" else "right"):
                return

    def answer(self, behaviour):
        status, body, fields, more = "200 OK", bytearray(BODY), f"Content-Length: {len(BODY)}\r\n", True
        if behaviour == "content":
            body[2999] ^= 1
        elif behaviour == "length":
            body, fields = body[:100], "Content-Length: 100\r\n"
        elif behaviour == "status":
            status = "500 No"
        elif behaviour == "close":
            return False
        elif behaviour == "half":
            body, more = body[:1500], False
        elif behaviour == "reset":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()
            return False
        elif behaviour == "stall":
            time.sleep(0.6)
            return False
        elif behaviour == "garbage":
            status = "x"
        elif behaviour == "chunked":
            fields = "Transfer-Encoding: chunked\r\n"
        elif behaviour == "unasked":
            body += b"more"
        elif behaviour == "bye":
            fields, more = fields + "Connection: close\r\n", False
        elif behaviour == "endless":
            fields, more = "", False
        head = f"HTTP/1.1 {status}\r\n{fields}\r\n".encode()
        if behaviour == "pieces":
            for i in range(len(head)):
                self.request.sendall(head[i:i + 1])
            head = b""
        self.request.sendall(head + body)
        return more


class Stutter(socketserver.BaseRequestHandler):
    """An echo server all of whose connections stand still for a third of every second."""

    def handle(self):
        with contextlib.suppress(OSError):
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := self.request.recv(65536):
                phase = time.monotonic() % 1
                if phase < 0.33:
                    time.sleep(0.33 - phase)
                self.request.sendall(data)


class Liar(socketserver.BaseRequestHandler):
    """An echo server that swaps two messages in a while."""

    def handle(self):
        with contextlib.suppress(OSError):
            n = 0
            while data := self.request.recv(64, socket.MSG_WAITALL):
                n += 1
                self.request.sendall(data if n % WRONG_EVERY else data[::-1])


class Mute(socketserver.BaseRequestHandler):
    """An echo server that answers one message, whoever sends it, and no other."""
    once = threading.Lock()

    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(64, socket.MSG_WAITALL):
                if self.once.acquire(blocking=False):
                    self.request.sendall(data)


# What a behaviour of every fifth response is counted as; None: it is no error.
COUNTED = {
    "right": None, "pieces": None, "bye": None, "endless": None, "content": "content", "length": "length", "status": "status",
    "close": "closed", "half": "closed", "reset": "reset", "stall": "timeout", "garbage": "response", "chunked": "response",
    "unasked": "response",
}


def test_misbehaviour(lab):
    with tempfile.TemporaryDirectory(prefix="zstack-zload-") as tmp, peer.kernel_server(lab, 80, Script), peer.kernel_server(lab, 7, Stutter), \
            peer.kernel_server(lab, 8, Liar), peer.kernel_server(lab, 9, Mute):
        conf = labs.write_config(os.path.join(tmp, "config.ini"), core=dev.CORES[-1])

        def zload(target, *argv, **kw):
            return Zload(lab, conf, target, "--format", "json", "--warmup", 0, "--check", 1, *argv, **kw)

        for behaviour, kind in COUNTED.items():
            done = zload(f"http://{labs.CLIENT_IP}/{behaviour}", "--requests", 4 * WRONG_EVERY, "--duration", 20,
                         *(("--timeout", "300ms") if behaviour == "stall" else ()))
            r = done.json()
            expect(r["requests"] >= 4 * WRONG_EVERY, f"{behaviour}: it goes on after errors: {done.line}")
            if kind is None:
                expect(done.status == 0 and r["errors"]["all"] == 0, f"{behaviour}: {done.line}")
            else:
                expect(done.status == 2 and r["errors"][kind] >= 2 and r["errors"]["all"] == r["errors"][kind], f"{behaviour}: {done.line}")
                expect(r["first_error"].startswith("connection 0: "), f"{behaviour}: {done.line}")
        # The first body of the server is the measure, unless another is asked for.
        r = zload(f"http://{labs.CLIENT_IP}/", "--requests", 5, "--content", "alphabet").good()
        done = zload(f"http://{labs.CLIENT_IP}/content", "--requests", 20, "--check", 0)
        expect(done.status == 0, "--check 0 does not look: " + done.line)
        done = zload(f"echo://{labs.CLIENT_IP}:8", "--requests", 20)
        expect(done.status == 2 and done.json()["errors"]["content"] >= 2, "a wrong echo: " + done.line)
        done = Zload(lab, conf, f"echo://{labs.CLIENT_IP}:9", "--warmup", "1s", "--duration", "300ms", "--connections", 3)
        expect(done.status == 2 and "not answered 3 requests" in done.out, done.line)
        for says in ("latency us   n/a", ", n/a cycles a request", "errors       none in what was answered"):
            expect(says in done.out, f"no {says!r}: {done.line}")
        # Requests that were due while the server stood still count with the time that they had to wait.
        closed = zload(f"echo://{labs.CLIENT_IP}", "--connections", 4, "--duration", 3).good()
        opened = zload(f"echo://{labs.CLIENT_IP}", "--connections", 4, "--duration", 3, "--rate", 100).good()
        expect(opened["p90_us"] > 60e3, f"a fifth waits for more than 100 ms: {opened}")
        expect(closed["p90_us"] < opened["p90_us"], f"the closed loop hides it: {closed}")


def test_refusals(lab):
    """Nobody there, and words that make no sense: one line that says so."""
    with tempfile.TemporaryDirectory(prefix="zstack-zload-") as tmp:
        conf = labs.write_config(os.path.join(tmp, "config.ini"), core=dev.CORES[-1])
        for target, argv, status, says in (
                (f"echo://{labs.CLIENT_IP}", ("--wait", 1), 2, "does not answer within 1 s: Connection refused"),
                ("echo://10.77.0.99", ("--wait", "500ms"), 2, "does not answer within 0.5 s"),
                (f"echo://{labs.CLIENT_IP}", ("--wait", "200ms", "--local", "10.77.0.77"), 2, "--local: an address cannot be used after 0.2 s"),
                (f"echo://{labs.CLIENT_IP}", ("--size", 0), 1, '--size: found "0", expected bytes from 1 to 65280'),
                (f"http://{labs.CLIENT_IP}", ("--connections", "x"), 1, '--connections: found "x"'),
                (f"http://{labs.CLIENT_IP}", ("--body", 60000, "--header", "A: " + "b" * 900, *(("--header", "A: " + "b" * 900) * 6)), 1,
                 "the request has"),
        ):
            done = Zload(lab, conf, target, *argv)
            expect(done.status == status and done.out == "", done.line)
            lines = [x for x in done.err.splitlines() if x.startswith("zload: ")]
            expect(len(lines) == 1 and says in lines[0], done.line)
            print(f"  {lines[0]}", flush=True)
        done = Zload(lab, tmp + "/missing.ini", f"http://{labs.CLIENT_IP}")
        expect(done.status == 1 and re.search(r"missing\.ini", done.err), done.line)
        done = Zload(lab, conf, "--help")
        expect(done.status == 0 and done.out.startswith("usage: zload"), done.line)


def test(lab):
    for one in (test_echo, test_http, test_misbehaviour, test_refusals):
        print(one.__name__, flush=True)
        one(lab)


peer.main(test)
