#!/usr/bin/env python3
"""A dispatcher that plays a host of its own (ghost.c) beside the stack, with the kernel as peer of both: what it answers, sends, diverts and
drops, while a connection of the stack is at work. usage: test_dispatch.py af_packet|tap"""
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dev_lib as dev  # noqa: E402
import peer  # noqa: E402
from peer import Failure, expect, labs  # noqa: E402

TAP = [f"tap={labs.TAP_IF}", f"tap_addr={labs.TAP_CLIENT_IP}/24"]
DATAGRAMS = 300  # more than a turn receives


def udp(lab, address, port):
    with lab.on("kernel"):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((address, port))
    s.settimeout(1)
    return s


def echoed_twice(lab, ghost):
    """Datagrams may be lost where a ring is full; another attempt has another content."""
    with udp(lab, ghost, 7) as s:
        for attempt in range(20):
            data = peer.pattern(400, attempt)
            s.send(data)
            try:
                while True:
                    if s.recv(2000) == 2 * data:
                        return
            except socket.timeout:
                pass
    raise Failure("no datagram comes back twice as long")


def send_many(s):
    for _ in range(DATAGRAMS):
        s.send(b"many")


def refused(lab, address, port):
    """The error for a datagram that the stack gets."""
    with udp(lab, address, port) as s:
        for _ in range(20):
            try:
                s.send(b"anybody there?")
                s.recv(100)
            except ConnectionRefusedError:
                return
            except socket.timeout:
                pass
    raise Failure(f"no error for a datagram to {address} port {port}")


def neighbours(lab):
    return {words[0]: words[words.index("lladdr") + 1] for line in lab.call("kernel", "ip", "neigh").splitlines()
            if "lladdr" in (words := line.split())}


def haunt(lab, ghost, server):
    peer.kernel_pings(lab, ghost, 56)
    peer.kernel_pings(lab, ghost, 1400)
    peer.kernel_pings(lab, server, 1400)
    known = neighbours(lab)
    expect(known.get(ghost) == known.get(server) is not None, f"neighbours: {known}")
    echoed_twice(lab, ghost)
    with udp(lab, ghost, 9) as dropped, udp(lab, ghost, 80) as diverted:
        send_many(dropped)
        send_many(diverted)
        refused(lab, server, 10)
        peer.kernel_pings(lab, ghost, 0)
        expect(dropped.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, "somebody spoke about a datagram that was dropped")


def transfers(lab, server, problems):
    try:
        dev.roundtrip(lab, server, peer.ECHO, 32 * dev.MB)
    except (Failure, OSError) as e:
        problems.append(e)


def test(lab):
    tap = sys.argv[1] == "tap"
    if tap and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        peer.skip("no /dev/net/tun here")
    server = labs.TAP_SERVER_IP if tap else labs.SERVER_IP
    ghost = server.rsplit(".", 1)[0] + ".99"
    if tap:
        lab.sides["kernel"] = lab.sides["stack"]
    port0 = [f"addr={server}", f"netmask={dev.MASK}", *(TAP if tap else [])]
    with dev.runs(lab) as start:
        run = start("zserver", ["tests/e2e/zserver", str(peer.BASE), "ghost"], [] if tap else [labs.DEVARGS["af_packet"]], [port0])
        dev.wait_tcp(lab, run, server, peer.ECHO)
        haunt(lab, ghost, server)
        problems = []
        work = threading.Thread(target=transfers, args=(lab, server, problems))
        work.start()
        rounds = 0
        while work.is_alive() or rounds == 0:
            haunt(lab, ghost, server)
            rounds += 1
        work.join()
        expect(not problems, f"the connection: {problems}")
        run.stop()
    c = run.counters
    print(f"    {rounds} rounds beside the transfer", flush=True)
    expect(c["dispatch.answered"] >= 2 and c["drop.dispatched"] >= DATAGRAMS and c["drop.udp_no_port"] > 1, f"counters: {c}")
    bad = [n for n in ("drop.dispatch_bad", "drop.ip_cksum", "drop.udp_cksum", "drop.tcp_cksum") if c.get(n)]
    expect(not bad, f"{bad}: {c}")


if len(sys.argv) != 2 or sys.argv[1] not in ("af_packet", "tap"):
    sys.exit(__doc__)
peer.main(test)
