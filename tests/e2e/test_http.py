"""curl and wrk (200 keep-alive connections) against the HTTP examples; pipelined and split requests."""
import contextlib
import re

import peer
from peer import labs

PORT = 80


def body(n):
    return "".join(chr(ord("a") + i % 26) for i in range(n))


def curl(lab, size):
    got = lab.call("kernel", "curl", "-sS", "--max-time", "20", f"http://{labs.SERVER_IP}/", f"http://{labs.SERVER_IP}/")
    peer.expect(got == body(size) * 2, f"curl got {len(got)} bytes, not twice the body of {size}")


def raw(lab, size):
    """Three requests in one segment, one request in many, then Connection: close."""
    request = b"GET / HTTP/1.1\r\nHost: z\r\n\r\n"
    s = peer.connect(lab, PORT)
    s.sendall(request * 3)
    for i in range(len(request)):
        s.sendall(request[i:i + 1])
    s.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    data = peer.read_all(s).decode()
    peer.expect(data.count("HTTP/1.1 200 OK") == 5, f"{data.count('HTTP/1.1 200 OK')} responses, 5 expected")
    peer.expect(data.count(body(size)) >= 5, "a body is damaged")
    s = peer.connect(lab, PORT)
    s.sendall(b"x" * 10000)  # no end of a request within the limit: refused, by a reset when bytes are left unread
    with contextlib.suppress(ConnectionResetError):
        peer.expect(peer.read_all(s) == b"", "an endless request must be refused")


def wrk(lab, seconds, connections):
    out = lab.call("kernel", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://{labs.SERVER_IP}:80/",
                   timeout=seconds + 60)
    problems = re.search(r"Socket errors.*|Non-2xx.*", out)
    peer.expect(not problems, f"wrk: {problems and problems[0]}")
    rate = float(re.search(r"Requests/sec:\s*([\d.]+)", out)[1])
    peer.expect(rate > 100, f"wrk: only {rate} requests/s")
    print(f"{connections} connections: {rate:.0f} requests/s")


def test(lab):
    for program, sizes in (("http", (1, 64, 1024, 4096, 8192, 60000)), ("http_epoll", (64, 8192)), ("http_copy", (64, 8192))):
        for size in sizes:
            with peer.program(lab, f"examples/{program}", str(size), str(PORT), port=PORT) as server:
                curl(lab, size)
                raw(lab, size)
                if size in (64, 8192):
                    wrk(lab, 3 * peer.SOAK, 200)
            if program == "http":
                peer.expect_no_copies(server.counters)


peer.main(test, commands=("ip", "ethtool", "curl", "wrk"))
