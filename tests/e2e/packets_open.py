"""Handshakes: what completes one, what ends one, and the backlog."""
import errno
import select
import socket

from peer import expect


def acknowledgements_in_syn_received(b):
    """Only the ACK of SND.NXT completes the handshake; others are answered by a reset (RFC 9293 3.10.7.4), and the embryo stays."""
    for offset, good in ((0, True), (1, False), (-1, False), (100000, False)):
        lfd, port = b.listener()
        c = b.conn(port)
        c.send("S")
        c.expect("SA", why="SYN")
        c.send("A", ack=c.ack + offset)
        if good:
            fd = b.dut.ok("accept", lfd)
            c.data(b"x")
            b.dut.ok("close", fd)
        else:
            c.expect("R", b"", seq=c.ack + offset, why=f"ACK {offset} off")
            b.dut.ok("setfl", lfd, 0o4000)
            expect(b.dut.call("accept", lfd)[1] == errno.EAGAIN, "accept")
        b.dut.ok("close", lfd)


def reset_in_syn_received(b):
    """A passive opener goes back to LISTEN silently: then an ACK is reset, a SYN answered."""
    lfd, port = b.listener()
    c = b.conn(port)
    c.send("S")
    c.expect("SA", why="SYN")
    c.send("R")
    c.send("A")
    c.expect("R", why="ACK to LISTEN")
    c.seq += 1000
    c.handshake()
    b.dut.ok("close", b.dut.ok("accept", lfd))
    b.dut.ok("close", lfd)


def reset_in_syn_sent(b):
    """ACKs our SYN: refused, and no answer to what comes later but a reset. Does not: ignored."""
    c, fd = b.connecting()
    c.send("RA", ack=c.ack + 1)
    c.send("RA")
    expect(b.dut.ok("poll", fd, select.POLLOUT, 5000) != "0", "poll")
    expect(b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR) == str(errno.ECONNREFUSED), "SO_ERROR")
    c.send("A")
    c.expect("R", why="ACK to CLOSED")
    b.dut.ok("close", fd)


def simultaneous_open_then_reset(b):
    """The SYN is answered by SYN,ACK; a reset ends it as refused."""
    c, fd = b.connecting()
    c.send("S")
    c.expect("SA", why="simultaneous open")
    c.send("RA")
    expect(b.dut.ok("poll", fd, select.POLLOUT, 5000) != "0", "poll")
    expect(b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR) == str(errno.ECONNREFUSED), "SO_ERROR")
    c.send("A")
    c.expect("R", why="ACK to CLOSED")
    b.dut.ok("close", fd)


def simultaneous_open(b):
    c, fd = b.connecting()
    syn = c.seq
    c.send("S")
    c.expect("SA", ack=c.seq, why="simultaneous open")
    c.send("SA", seq=syn)
    c.expect("A", b"", ack=c.seq, why="SYN,ACK")
    b.dut.ok("poll", fd, select.POLLOUT, 5000)
    expect(b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR) == "0", "SO_ERROR")
    c.data(b"hello")
    b.dut.ok("close", fd)


def unreachable_in_syn_sent(b):
    """Every kind fails the connect at once with its errno, and nothing is left: the SYN is not repeated, a SYN,ACK is reset."""
    for code, want in b.ip.unreachable.items():
        c, fd = b.connecting()
        c.unreachable(code, c.syn)
        expect(int(b.dut.ok("poll", fd, select.POLLOUT, 5000)) & select.POLLOUT, f"code {code}: poll")
        got = b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR)
        expect(got == str(want), f"code {code}: errno {got}, {want} expected")
        if code == 1:
            c.silent(1.2, "a SYN again")
            c.send("SA")
            c.expect("R", why="SYN,ACK to what is gone")
        b.dut.ok("close", fd)


def unreachable_for_a_blocking_connect(b):
    fd, port = b.bound()
    c = b.conn(port)
    tag = b.dut.start("connect", fd, c.sport, text=b.ip.peer)
    syn = c.expect("S", why="SYN")
    c.unreachable(1, syn)
    ret, err, _, _ = b.dut.result(tag)
    expect((ret, err) == (-1, b.ip.unreachable[1]), f"connect: {ret}, errno {err}")
    b.dut.ok("close", fd)


def unreachable_when_established(b):
    """The connection stays; the next send() says why, the one after that sends."""
    for code, want in b.ip.unreachable.items():
        c, fd = b.accepted()
        b.dut.ok("send", fd, 0, text="hello")
        s = c.expect("PA", b"hello", why="data")
        c.unreachable(code, s)
        c.settle()
        ret, err, _, _ = b.dut.call("send", fd, 0, text="world")
        expect((ret, err) == (-1, want), f"code {code}: send: {ret}, errno {err}")
        b.dut.ok("send", fd, 0, text="again")
        c.send("A")
        c.drain()
        c.send("A", b"answer")
        expect(bytes.fromhex(b.dut.ok("recv", fd, 100, 0)) == b"answer", "recv")
        b.dut.ok("close", fd)


def send_in_syn_sent(b):
    """Waits for the connection: the data goes as soon as it is there."""
    c, fd = b.connecting(blocking=True)
    tag = b.dut.start("send", fd, 0, text="sample")
    b.dut.waits(tag)
    expect(b.dut.pending(tag), "send does not wait")
    c.silent(0.05, "data before the handshake")
    c.send("SA")
    s = c.expect(None, why="handshake")
    if not s.data:
        s = c.expect(None, why="data")
    expect(s.flags == 0x18 and s.data == b"sample", f"{s}")
    expect(b.dut.result(tag)[0] == 6, "send")
    c.send("A")
    c.data(b"sample")
    b.dut.ok("close", fd)


def recv_in_syn_sent(b):
    c, fd = b.connecting()
    expect(b.dut.call("recv", fd, 10, 0)[1] == errno.EAGAIN, "recv without waiting")
    b.dut.ok("setfl", fd, 0)
    tag = b.dut.start("recv", fd, 10, 0)
    b.dut.waits(tag)
    expect(b.dut.pending(tag), "recv does not wait")
    c.send("SA")
    c.expect("A", b"", why="handshake")
    c.data(b"sample")
    ret, err, text, _ = b.dut.result(tag)
    expect(bytes.fromhex(text) == b"sample", f"recv: {ret}, errno {err}")
    b.dut.ok("close", fd)


def calls_in_syn_sent_when_refused(b):
    for call, args, text in (("send", (0,), "sample"), ("recv", (10, 0), "-")):
        c, fd = b.connecting(blocking=True)
        tag = b.dut.start(call, fd, *args, text=text)
        b.dut.waits(tag)
        expect(b.dut.pending(tag), f"{call} does not wait")
        c.send("RA")
        ret, err, _, _ = b.dut.result(tag)
        expect((ret, err) == (-1, errno.ECONNREFUSED), f"{call}: {ret}, errno {err}")
        b.dut.ok("close", fd)


def backlog(b):
    """More SYNs than the backlog get SYN,ACK; with a full accept queue neither ACKs nor SYNs are heard; later they are."""
    n = 10
    lfd, port = b.listener(n)
    b.dut.ok("setfl", lfd, 0o4000)
    early = [b.conn(port) for _ in range(n)]
    for c in early:
        c.send("S")
        c.expect("SA", why="SYN within the backlog")
    cookies = [b.conn(port) for _ in range(n + 1)]
    for c in cookies:
        c.send("S")
        c.expect("SA", why="SYN beyond the backlog")
        c.data(b"x", "A")
    for c in early:
        c.send("A")
    for c in early:
        c.expect("SA", seq=c.ack - 1, why="the ACK was dropped")
    late = b.conn(port)
    late.send("S")
    cookies[0].settle()
    late.silent(0, "a SYN with the accept queue full")
    for _ in cookies:
        fd = b.dut.ok("accept", lfd)
        expect(bytes.fromhex(b.dut.ok("recv", fd, 10, 0)) == b"x", "recv")
        b.dut.ok("close", fd)
    for c in cookies:
        c.expect("FA", why="closed")
        c.send("A")
    for i, c in enumerate(early):
        c.drain()
        if i % 2 == 0:
            c.send("A")
        else:
            c.data(b"x", "A")
    more = [b.conn(port) for _ in range(2)]
    for c in more:
        c.send("S")
        c.expect("SA", why="room again")
    b.dut.ok("shutdown", lfd, socket.SHUT_RD)
    for c in early:
        c.expect("RA", why="the listener stopped")
    for c in more:
        c.silent(0.1, "half open when the listener stopped")
    b.dut.ok("close", lfd)


def cookies(b):
    """Beyond the backlog of one: the right ACK opens the connection, a wrong one is reset."""
    lfd, port = b.listener(1)
    half = [b.conn(port) for _ in range(3)]
    for c in half:
        c.send("S")
        c.expect("SA", why="SYN")
    c = b.conn(port)
    c.send("S")
    c.expect("SA", why="SYN")
    c.send("A", ack=c.ack - 1)
    c.expect("R", why="ACK of no cookie")
    c.send("PA", b"sample")
    c.expect("A", ack=c.seq, why="ACK of the cookie")
    fd = b.dut.ok("accept", lfd)
    expect(bytes.fromhex(b.dut.ok("recv", fd, 10, 0)) == b"sample", "recv")
    b.dut.ok("close", fd)
    b.dut.ok("close", lfd)


def close_before_accept(b):
    lfd, port = b.listener()
    c = b.conn(port)
    c.handshake()
    c.settle()
    b.dut.ok("close", lfd)
    c.expect("RA", b"", seq=c.ack, why="closed before accept")


def window_of_the_last_ack_is_unsigned(b):
    """A SYN with a window of zero, and 0x8000 and more with the ACK: data goes at once, it is no probe."""
    for window in (0x8000, 0xffff, 0x8765):
        lfd, port = b.listener()
        c = b.conn(port)
        c.send("S", window=0)
        c.expect("SA", why="SYN")
        c.send("A", window=window)
        fd = b.dut.ok("accept", lfd)
        b.dut.ok("send", fd, 0, text="sample")
        c.expect("PA", b"sample", why="data")
        b.dut.ok("close", fd)
        b.dut.ok("close", lfd)


def reserved_bits(b):
    """Ignored, and never sent (every segment): a SYN that offers AccECN (RFC 9768 3.1.2) gets the answer of classic ECN."""
    for flags, answer, reserved in (("SEC", "SAE", 1), ("S", "SA", 1), ("SE", "SA", 15), ("SEC", "SAE", 15)):
        lfd, port = b.listener()
        c = b.conn(port)
        c.send(flags, reserved=reserved)
        c.expect(answer, why=f"[{flags}] with reserved bits {reserved}")
        c.send("A", reserved=reserved)
        fd = b.dut.ok("accept", lfd)
        c.data(b"text", reserved=reserved)
        expect(bytes.fromhex(b.dut.ok("recv", fd, 10, 0)) == b"text", "recv")
        c.send("FA", reserved=reserved)
        c.expect("A", b"", ack=c.seq, why="FIN")
        b.dut.ok("close", fd)
        b.dut.ok("close", lfd)


TESTS = [acknowledgements_in_syn_received, reset_in_syn_received, reset_in_syn_sent, simultaneous_open, simultaneous_open_then_reset,
         unreachable_in_syn_sent, unreachable_for_a_blocking_connect, unreachable_when_established, send_in_syn_sent, recv_in_syn_sent,
         calls_in_syn_sent_when_refused, backlog, cookies, close_before_accept, window_of_the_last_ack_is_unsigned,
         reserved_bits]
