"""Losses: timeouts, tail loss probes, RACK, what TCP_INFO says, and for how long a silent peer is waited for."""
import errno
import socket
import struct
import time

from peer import expect

TCP = socket.IPPROTO_TCP
RTT = 0.1  # as the handshake makes it seem: the first timeout is then 0.3 s, a probe's 0.2 s
CA_OPEN, CA_RECOVERY, CA_LOSS = 0, 3, 4
USER_TIMEOUT = 18
KEEPIDLE, KEEPINTVL = 4, 5


def retransmission_gaps(b):
    """Each is twice the one before (RFC 6298 5.5); half of that is allowed for what delays the first of two."""
    c, fd = b.accepted()
    b.dut.ok("send", fd, 0, text="sample")
    last = c.expect("PA", b"sample", why="data")
    for gap in (0.2, 0.4, 0.8, 1.6):
        s = c.expect("PA", b"sample", seq=last.seq, why="again")
        expect(s.at - last.at > gap / 2, f"{s.at - last.at} s after the one before, {gap} expected")
        last = s
    c.send("A")
    b.dut.ok("send", fd, 0, text="more")
    c.expect("PA", b"more", why="after the ACK")
    b.dut.ok("close", fd)


def information(b):
    """Of a connection without loss, and after a timeout."""
    c, fd = b.accepted(rtt=RTT)
    i = b.dut.info(fd)
    expect(i["state"] == 1 and i["ca"] == CA_OPEN and i["reord"] == 0 and i["cwnd"] > 1, f"{i}")
    expect(i["rtt"] >= RTT * 0.5e6 and i["rttvar"] > 0 and i["rto"] >= i["rtt"] + 4 * i["rttvar"] - 1000, f"{i}")
    b.dut.ok("send", fd, 0, text="sample")
    s = c.expect("PA", b"sample", why="data")
    again = c.expect("PA", b"sample", seq=s.seq, why="again")
    expect(again.at - s.at > i["rto"] / 2e6, f"{again.at - s.at} s after the first, the timeout was {i['rto']} us")
    j = b.dut.info(fd)
    expect(j["ca"] == CA_LOSS and j["cwnd"] == 1 and j["rto"] >= 2 * i["rto"], f"{j} after {i}")
    b.dut.ok("close", fd)


def with_sack(b):
    return b.accepted(options=b"\4\2", rtt=RTT)


def sack(c, una, *blocks):
    blocks = b"".join(struct.pack("!II", start & 0xffffffff, end & 0xffffffff) for start, end in blocks)
    c.send("A", ack=una, options=bytes((1, 1, 5, 2 + len(blocks))) + blocks)


def flight(b, c, fd, n):
    """n segments of the MSS leave; their numbers, and that of what follows."""
    seqs = [c.ack + i * c.mss for i in range(n + 1)]
    b.dut.ok("fill", fd, n * c.mss)
    for seq in seqs[:-1]:
        s = c.skip_to(seq=seq, why="a flight")
        expect(len(s.data) == c.mss, f"{s}")
    return seqs, s.at


def probe_of_a_lost_flight(b):
    """RFC 8985 7: the last segment once more, after two round trips."""
    c, fd = with_sack(b)
    seqs, at = flight(b, c, fd, 5)
    s = c.skip_to(seq=seqs[4], why="the probe")
    expect(s.at - at > RTT, f"the probe came after {s.at - at} s")
    b.dut.ok("close", fd)


def probe_of_a_lost_tail(b):
    c, fd = with_sack(b)
    seqs, at = flight(b, c, fd, 10)
    c.send("A", ack=seqs[6])
    s = c.skip_to(seq=seqs[9], why="the probe")
    expect(s.at - at > RTT, f"the probe came after {s.at - at} s")
    b.dut.ok("close", fd)


def sack_shows_the_loss(b):
    """The first is lost because the second arrived; the third, sent long before the repair of the first, because that arrived."""
    c, fd = with_sack(b)
    seqs, _ = flight(b, c, fd, 3)
    time.sleep(RTT)
    sack(c, seqs[0], (seqs[1], seqs[2]))
    c.skip_to(seq=seqs[0], why="the first again")
    time.sleep(RTT)
    c.send("A", ack=seqs[2])
    c.skip_to(seq=seqs[2], why="the third again")
    b.dut.ok("close", fd)


def without_reordering(b):
    c, fd = with_sack(b)
    seqs, _ = flight(b, c, fd, 4)
    time.sleep(RTT)
    sack(c, seqs[0], (seqs[2], seqs[4]))
    c.skip_to(seq=seqs[0], why="the first again")
    c.skip_to(seq=seqs[1], why="the second again")
    b.dut.ok("close", fd)


def with_reordering(b):
    """The order of the SACKs shows reordering, the DSACK that the repair was in vain: now more time passes before the first is lost."""
    c, fd = with_sack(b)
    seqs, _ = flight(b, c, fd, 4)
    time.sleep(RTT)
    for first in (3, 2, 1):
        sack(c, seqs[0], (seqs[first], seqs[4]))
    sack(c, seqs[4], (seqs[0], seqs[2]))
    c.settle()
    expect(b.dut.info(fd)["reord"] > 0, "no reordering seen")
    seqs, _ = flight(b, c, fd, 4)
    time.sleep(RTT)
    sack(c, seqs[0], (seqs[1], seqs[4]))
    c.skip_to(seq=seqs[0], why="the first again")
    b.dut.ok("close", fd)


def lost_retransmission(b):
    """Found by time, in the same recovery, without a timeout."""
    c, fd = with_sack(b)
    seqs, _ = flight(b, c, fd, 5)
    time.sleep(RTT)
    sack(c, seqs[0], (seqs[1], seqs[5]))
    c.skip_to(seq=seqs[0], why="the first again")
    b.dut.ok("fill", fd, c.mss)
    c.skip_to(seq=seqs[5], why="the sixth")
    time.sleep(RTT)
    sack(c, seqs[0], (seqs[1], seqs[5] + c.mss))
    c.skip_to(seq=seqs[0], why="the first once more")
    expect(b.dut.info(fd)["ca"] == CA_RECOVERY, f"{b.dut.info(fd)}")
    b.dut.ok("close", fd)


def user_timeouts(b):
    """Text, or a FIN, that is acknowledged after a second: too late for the timeout of half a second only (RFC 5482)."""
    cases = []
    for limit_ms in (0, 30000, 500):
        for what in ("text", "FIN"):
            c, fd = b.accepted()
            if limit_ms > 0:
                b.dut.ok("setsockopt", fd, TCP, USER_TIMEOUT, limit_ms)
            if what == "text":
                b.dut.ok("fill", fd, 100)
                first = c.expect("PA", b"x" * 100, why=what)
            else:
                b.dut.ok("close", fd)
                first = c.expect("FA", b"", why=what)
            cases.append((c, fd, what, limit_ms, first))
    time.sleep(1)
    for c, fd, what, limit_ms, first in cases:
        why = f"{what}, {limit_ms} ms"
        if limit_ms == 500:
            c.reset(ack=first.seq, why=why)
            if what == "text":
                ret, err, _, _ = b.dut.call("recv", fd, 10, 0)
                expect((ret, err) == (-1, errno.ETIMEDOUT), f"{why}: recv: {ret}, errno {err}")
        else:
            c.drain()
            c.send("A")
            c.settle()
        if what == "text":
            b.dut.ok("close", fd)


def user_timeout_of_keepalives(b):
    """Nothing in flight: only keepalive asks, and the user timeout then says for how long."""
    idle, idle_fd = b.accepted()
    dead, dead_fd = b.accepted()
    alive, alive_fd = b.accepted()
    for fd in (idle_fd, dead_fd, alive_fd):
        b.dut.ok("setsockopt", fd, TCP, USER_TIMEOUT, 1500)
    for fd in (dead_fd, alive_fd):
        for name in (KEEPIDLE, KEEPINTVL):
            b.dut.ok("setsockopt", fd, TCP, name, 1)
        b.dut.ok("setsockopt", fd, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    tag = b.dut.start("recv", dead_fd, 10, 0)
    dead.expect("A", b"", seq=dead.ack - 1, why="keepalive")
    alive.expect("A", b"", seq=alive.ack - 1, why="keepalive")
    alive.send("A")
    ret, err, _, _ = b.dut.result(tag)
    expect((ret, err) == (-1, errno.ETIMEDOUT), f"recv: {ret}, errno {err}")
    dead.reset(why="timed out")
    alive.drain()
    for c in (idle, alive):
        c.send("PA", b"here")
        c.skip_to("A", b"", ack=c.seq, why="still there")
    for fd in (idle_fd, dead_fd, alive_fd):
        b.dut.ok("close", fd)


TESTS = [retransmission_gaps, information, probe_of_a_lost_flight, probe_of_a_lost_tail, sack_shows_the_loss, without_reordering,
         with_reordering, lost_retransmission, user_timeouts, user_timeout_of_keepalives]
