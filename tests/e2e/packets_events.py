"""What poll, epoll and kqueue say in the states of a connection: Linux' bits, FreeBSD's flags."""
import errno
import select
import socket

from packets_ip import V6
from peer import expect

IN, PRI, OUT, ERR, HUP, RDHUP = (getattr(select, "EPOLL" + n) for n in ("IN", "PRI", "OUT", "ERR", "HUP", "RDHUP"))
ALL = IN | PRI | OUT | RDHUP
BITS = ((IN, "IN"), (PRI, "PRI"), (OUT, "OUT"), (ERR, "ERR"), (HUP, "HUP"), (RDHUP, "RDHUP"))
READ, WRITE, EV_EOF, EV_ERROR = -1, -2, 0x8000, 0x4000
TCP = socket.IPPROTO_TCP
DATA = b"Sample.Data"


def bits(mask):
    return "|".join(n for bit, n in BITS if mask & bit) or "0"


def told(b, fd, what, mask, read=None, write=None):
    """
    Of one descriptor: poll and epoll by their bits; kqueue by what its filters say, None for nothing, or (end of file, error) or (end of
    file, error, data).
    """
    got = int(b.dut.ok("epoll", fd, ALL, 0))
    expect(got == mask, f"{what}: epoll says {bits(got)}, {bits(mask)} expected")
    got = int(b.dut.ok("poll", fd, ALL, 0))
    expect(got == mask, f"{what}: poll says {bits(got)}, {bits(mask)} expected")
    for name, number, want in (("READ", READ, read), ("WRITE", WRITE, write)):
        text = b.dut.ok("kevent", fd, number, 0)
        got = None
        if text:
            flags, fflags, data = (int(x) for x in text.split())
            expect(flags & EV_ERROR == 0 or flags & EV_EOF, f"{what}: {name} {text}")
            got = (bool(flags & EV_EOF), fflags, data)
        expect(got == want or (got and want and got[:len(want)] == want), f"{what}: {name} says {got}, {want} expected")


def before_a_connection(b):
    fd = b.descriptor()
    told(b, fd, "a new socket", OUT | HUP)
    b.dut.ok("close", fd)
    lfd, port = b.listener()
    told(b, lfd, "a listener", 0)
    c = b.conn(port)
    c.handshake()
    expect(b.dut.ok("poll", lfd, IN, 5000) == str(IN), "poll of a listener")
    told(b, lfd, "a listener with a connection", IN, read=(False, 0, 1))
    b.dut.ok("close", b.dut.ok("accept", lfd))
    b.dut.ok("close", lfd)
    c, fd = b.connecting()
    told(b, fd, "SYN-SENT", 0)
    c.send("SA")
    c.expect("A", b"", why="handshake")
    told(b, fd, "connected", OUT, write=(False, 0))
    b.dut.ok("close", fd)


def refused(b):
    """The error stays until it is taken; what follows are the ends of both directions."""
    c, fd = b.connecting()
    c.send("RA")
    b.dut.ok("poll", fd, OUT, 5000)
    told(b, fd, "refused", IN | OUT | ERR | HUP | RDHUP, read=(True, errno.ECONNREFUSED), write=(True, errno.ECONNREFUSED))
    expect(b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR) == str(errno.ECONNREFUSED), "SO_ERROR")
    told(b, fd, "refused, told", IN | OUT | HUP | RDHUP, read=(True, 0), write=(True, 0))
    b.dut.ok("close", fd)


def text_and_urgent_text(b):
    c, fd = b.accepted()
    told(b, fd, "established", OUT, write=(False, 0))
    c.data(DATA)
    told(b, fd, "text", IN | OUT, read=(False, 0, len(DATA)), write=(False, 0))
    b.dut.ok("recv", fd, 5, 0)
    told(b, fd, "part of it read", IN | OUT, read=(False, 0, len(DATA) - 5), write=(False, 0))
    b.dut.ok("recv", fd, 100, 0)
    told(b, fd, "read", OUT, write=(False, 0))
    c.data(b"u", flags="PAU", urp=1)
    told(b, fd, "urgent text", OUT | PRI, write=(False, 0))
    expect(bytes.fromhex(b.dut.ok("recv", fd, 1, socket.MSG_OOB)) == b"u", "MSG_OOB")
    told(b, fd, "urgent text read", OUT, write=(False, 0))
    b.dut.ok("close", fd)


def peer_finishes(b):
    """With text and without: the end of file is told at once, by kqueue with what is left to read."""
    c, fd = b.accepted()
    c.data(DATA, flags="FPA")
    told(b, fd, "text and FIN", IN | OUT | RDHUP, read=(True, 0, len(DATA)), write=(False, 0))
    b.dut.ok("recv", fd, 100, 0)
    told(b, fd, "FIN", IN | OUT | RDHUP, read=(True, 0, 0), write=(False, 0))
    b.dut.ok("shutdown", fd, socket.SHUT_WR)
    c.expect("FA", why="shutdown")
    told(b, fd, "LAST-ACK", IN | OUT | HUP | RDHUP, read=(True, 0, 0), write=(True, 0))
    c.send("A")
    c.reset(why="CLOSED")
    told(b, fd, "closed", IN | OUT | HUP | RDHUP, read=(True, 0, 0), write=(True, 0))
    b.dut.ok("close", fd)


def we_finish(b):
    for how, mask, read, write in ((socket.SHUT_WR, OUT, None, (True, 0)), (socket.SHUT_RD, IN | OUT | RDHUP, (True, 0, 0), (False, 0)),
                                   (socket.SHUT_RDWR, IN | OUT | HUP | RDHUP, (True, 0, 0), (True, 0))):
        c, fd = b.accepted()
        b.dut.ok("shutdown", fd, how)
        told(b, fd, f"shutdown({how})", mask, read, write)
        if how != socket.SHUT_RD:
            c.expect("FA", why="shutdown")
            c.send("A")
            c.settle()
            told(b, fd, f"FIN-WAIT-2 after shutdown({how})", mask, read, write)
            c.send("FA")
            c.expect("A", b"", ack=c.seq, why="FIN")
            told(b, fd, f"TIME-WAIT after shutdown({how})", IN | OUT | HUP | RDHUP, (True, 0, 0), (True, 0))
        b.dut.ok("close", fd)


def hangup_is_told_to_who_waits(b):
    """A wait for nothing but EPOLLHUP ends when the second direction does, whichever that is, and by whom."""
    c, fd = b.accepted()
    tag = b.dut.start("epoll", fd, 0, 5000)
    b.dut.waits(tag)
    c.send("FA")
    c.expect("A", b"", ack=c.seq, why="FIN")
    expect(b.dut.pending(tag), "half closed is no hangup")
    b.dut.ok("shutdown", fd, socket.SHUT_WR)
    expect(b.dut.result(tag)[2] == str(HUP), "FIN and shutdown(SHUT_WR)")
    b.dut.ok("close", fd)
    c, fd = b.accepted()
    tag = b.dut.start("epoll", fd, 0, 5000)
    b.dut.waits(tag)
    b.dut.ok("shutdown", fd, socket.SHUT_WR)
    c.expect("FA", why="shutdown")
    c.send("A")
    expect(b.dut.pending(tag), "half closed is no hangup")
    c.send("FA")
    expect(b.dut.result(tag)[2] == str(HUP), "shutdown(SHUT_WR) and FIN")
    b.dut.ok("close", fd)
    c, fd = b.accepted()
    tag = b.dut.start("epoll", fd, 0, 5000)
    b.dut.waits(tag)
    b.dut.ok("shutdown", fd, socket.SHUT_RD)
    b.dut.ok("shutdown", fd, socket.SHUT_WR)
    expect(b.dut.result(tag)[2] == str(HUP), "shutdown() of one, then the other")
    b.dut.ok("close", fd)


def reset(b):
    """With what had come before: that can be read before the error is told, by Linux' rule after it."""
    c, fd = b.accepted()
    c.data(DATA)
    c.send("RA")
    b.dut.ok("poll", fd, HUP, 5000)
    told(b, fd, "reset", IN | OUT | ERR | HUP | RDHUP, read=(True, errno.ECONNRESET, len(DATA)), write=(True, errno.ECONNRESET))
    expect(b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR) == str(errno.ECONNRESET), "SO_ERROR")
    told(b, fd, "reset, told", IN | OUT | HUP | RDHUP, read=(True, 0, len(DATA)), write=(True, 0))
    b.dut.ok("close", fd)
    c, fd = b.accepted()
    c.send("FA")
    c.expect("A", ack=c.seq, why="FIN")
    c.send("R")
    b.dut.ok("poll", fd, HUP, 5000)
    told(b, fd, "reset after FIN", IN | OUT | ERR | HUP | RDHUP, read=(True, errno.EPIPE, 0), write=(True, errno.EPIPE))
    b.dut.ok("close", fd)


def full_and_free(b):
    """Not writable with a full queue; again when a third of it is acknowledged, or sooner."""
    c, fd = b.accepted()
    b.dut.ok("setsockopt", fd, socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    b.dut.ok("setfl", fd, 0o4000)
    while b.dut.call("fill", fd, 4096)[0] > 0:
        pass
    expect(b.dut.call("fill", fd, 1)[1] == errno.EAGAIN, "send")
    told(b, fd, "full", 0)
    tag = b.dut.start("epoll", fd, OUT, 5000)
    c.drain()
    c.send("A")
    c.settle()
    c.send("A")
    expect(b.dut.result(tag)[2] == str(OUT), "epoll")
    told(b, fd, "free", OUT, write=(False, 0))
    b.dut.ok("close", fd)


def unreachable_is_no_event(b):
    """A soft error is told by the next call; poll() says nothing of it, and who has asked for errors (IP_RECVERR) learns at once."""
    c, fd = b.accepted()
    b.dut.ok("send", fd, 0, text="hello")
    s = c.expect("PA", b"hello", why="data")
    c.unreachable(1, s)
    c.settle()
    told(b, fd, "a soft error", OUT, write=(False, 0))
    level, name = (socket.IPPROTO_IPV6, 25) if b.ip is V6 else (socket.IPPROTO_IP, 11)
    b.dut.ok("setsockopt", fd, level, name, 1)
    c.unreachable(1, s)
    c.settle()
    told(b, fd, "an error that was asked for", IN | OUT | ERR, read=(False, 0), write=(False, 0))
    ret, err, _, _ = b.dut.call("recv", fd, 10, 0)
    expect((ret, err) == (-1, b.ip.unreachable[1]), f"recv: {ret}, errno {err}")
    b.dut.ok("close", fd)


TESTS = [before_a_connection, refused, text_and_urgent_text, peer_finishes, we_finish, hangup_is_told_to_who_waits, reset, full_and_free,
         unreachable_is_no_event]
