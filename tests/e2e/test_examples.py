"""The other examples against kernel programs: echo, client, proxy (content, back-pressure, half-close, reset)."""
import contextlib
import hashlib
import os
import re
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time

import peer
from peer import labs

TOTAL = 20_000_000


class EchoHandler(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(1 << 16):
                self.request.sendall(data)


class SlowSink(socketserver.BaseRequestHandler):
    """Reads late, to the end, then answers with the hash."""

    def handle(self):
        time.sleep(1)
        digest = hashlib.sha256(peer.read_all(self.request))
        self.request.sendall(digest.hexdigest().encode())


class Resetter(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(100)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()  # before socketserver makes a FIN of it


def echo(lab):
    with peer.program(lab, "examples/echo", "7", port=7) as server:
        for n in (0, 1, 1460, 1_000_000, TOTAL):
            peer.echo(lab, n, port=7)
    peer.expect_no_copies(server.counters)


def client(lab):
    for size in (1, 64, 1024, 60000):
        with peer.kernel_server(lab, 7, EchoHandler):
            with peer.program(lab, "examples/client", labs.CLIENT_IP, "7", str(size), "10", "1") as run:
                run.process.wait(20)
        peer.expect_no_copies(run.counters)
        line = run.text.splitlines()[0]
        found = re.search(r"(\d+) requests/s, p50 (\d+) us.* (\d+) responses, (\d+) errors", run.text)
        peer.expect(found and int(found[3]) > 100 and found[4] == "0", f"client printed {line!r}")
        print(found[0])
    # Nobody listens: a clear end, not a hang.
    with contextlib.suppress(peer.Failure):
        with peer.program(lab, "examples/client", labs.CLIENT_IP, "7", "64", "1", "5") as run:
            status = run.process.wait(20)
            peer.expect(status == 1 and "refused" in run.output(), f"status {status}: {run.output()!r}")


def arguments(lab):
    """What is not understood ends the program with status 1 and a sentence; the stack's options are taken in each form."""
    echo_program = os.path.join(peer.BUILD, "examples/echo")
    with tempfile.TemporaryDirectory(prefix="zstack-e2e-") as tmp:
        conf = labs.write_config(os.path.join(tmp, "config.ini"), core=min(os.sched_getaffinity(0)))
        for argv, says in (((conf, "8080"), 'unexpected argument "8080": own arguments follow --'),
                           ((conf, "--port=7", "--", "7"), 'unexpected argument "--port=7": own arguments follow --'),
                           *(((conf, "--", port), f'port: found "{port}", expected 1 to 65535') for port in ("99999", "abc", "0", "7x", "")),
                           ((conf, "--proc-type", "primary", "--proc-id=0", "--", "0"), 'port: found "0", expected 1 to 65535')):
            run = lab.popen("stack", echo_program, "-c", *argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                out, _ = run.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                raise peer.Failure(f"echo {argv}: started") from None
            peer.expect(run.returncode == 1 and out.splitlines()[-1:] == [f"echo: {says}"], f"echo {argv}: status {run.returncode}: {out!r}")


def proxy(lab):
    with peer.program(lab, "examples/proxy", labs.CLIENT_IP, "7", "8080", zstack=(), port=8080) as server:
        with peer.kernel_server(lab, 7, EchoHandler):
            for n in (0, 1, 1460, 100_000, TOTAL):
                peer.echo(lab, n, port=8080)
            threads = [threading.Thread(target=peer.echo, args=(lab, 200_000, 8080)) for _ in range(50)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        with peer.kernel_server(lab, 7, SlowSink):
            s = peer.connect(lab, 8080)
            s.sendall(peer.pattern(TOTAL))
            s.shutdown(socket.SHUT_WR)
            answer = peer.read_all(s).decode()
            peer.expect(answer == hashlib.sha256(peer.pattern(TOTAL)).hexdigest(), f"through the slow reader: {answer!r}")
        with peer.kernel_server(lab, 7, Resetter):
            s = peer.connect(lab, 8080)
            s.sendall(b"x")
            try:
                peer.expect(peer.read_all(s) == b"", "data from nowhere")
                raise peer.Failure("a reset of the upstream must reach the client as a reset")
            except ConnectionResetError:
                pass
        try:  # nobody upstream: the reset may come before connect() has returned
            s = peer.connect(lab, 8080)
            peer.expect(peer.read_all(s) == b"", "data from nowhere")
        except ConnectionResetError:
            pass
    peer.expect_no_copies(server.counters)


def test(lab):
    for one in (echo, client, arguments, proxy):
        print(one.__name__, flush=True)
        one(lab)


peer.main(test)
