"""10 000 short connections: the client closes first, then the server closes first."""
import socket
import threading

import peer

TOTAL = 10_000 * peer.SOAK
THREADS = 8


def client_first(lab):
    with peer.connect(lab, peer.ECHO) as s:
        s.sendall(b"hello\n")
        answer = s.recv(100)
        peer.expect(answer == b"hello\n", f"echo answered {answer!r}")


def server_first(lab):
    with peer.connect(lab, peer.SOURCE) as s:
        s.sendall(b"10 close\n")
        peer.check_pattern(peer.read_all(s), 10)


def many(lab, one, count):
    problems = []

    def work():
        try:
            for _ in range(count // THREADS):
                one(lab)
        except (OSError, peer.Failure) as e:
            problems.append(e)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    peer.expect(not problems, f"{one.__name__}: {problems}")


def test(lab):
    with peer.server(lab) as server:
        many(lab, client_first, TOTAL // 2)
        many(lab, server_first, TOTAL // 2)
        server.wait_output(": close", count=TOTAL // 2 // THREADS * THREADS)
    accepted = server.counters.get("tcp.opens_passive", 0)
    peer.expect(accepted >= TOTAL, f"{accepted} connections accepted, at least {TOTAL} expected")
    peer.expect_no_copies(server.counters)


socket.setdefaulttimeout(30)
peer.main(test)
