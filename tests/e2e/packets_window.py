"""Windows: the peer's, which closes, shrinks and opens, and ours, which the application opens."""
import errno
import socket
import time

from peer import expect

TCP = socket.IPPROTO_TCP
USER_TIMEOUT = 18
TEXT = "Sample.Data"
DATA = TEXT.encode()


def exchanged(b):
    """A connection on which both ends have sent and acknowledged, as (connection, descriptor)."""
    c, fd = b.accepted()
    b.dut.ok("send", fd, 0, text=TEXT)
    c.expect("PA", DATA, why="data")
    c.data(DATA)
    return c, fd


def window_closes(b):
    """Ours reaches zero while nobody reads, whatever the size of segments; reading opens it, and that is told."""
    for size in (64, 512, 1024):
        c, fd = b.accepted()
        window = c.data(bytes(size)).window
        b.dut.ok("recv", fd, size, 0)
        left = 10 * 65536 // size
        while window > 0:
            expect(left > 0, f"{size} B: still {window}")
            left -= 1
            c.send("PA", bytes(size))
            s = c.expect("A", b"", why=f"{size} B")
            expect((c.seq - s.ack) & 0xffffffff <= size, f"{size} B: {s}")
            c.seq, window = s.ack, s.window  # what did not fit is not taken
        while b.dut.call("recv", fd, 1 << 20, socket.MSG_DONTWAIT)[0] > 0:
            pass
        s = c.expect("A", b"", ack=c.seq, why=f"{size} B: the window opens")
        expect(s.window > 1024, f"{size} B: {s}")
        while not c.wire.queue(c.sport, c.dport).empty():
            c.expect("A", b"", ack=c.seq, why=f"{size} B: the window opens further")
        c.data(b"more")
        b.dut.ok("close", fd)


def window_stays_open(b):
    """It is never zero when the application reads."""
    for size in (64, 512, 1024):
        c, fd = b.accepted()
        for _ in range(65536 // size + 2):
            s = c.data(bytes(size))
            expect(s.window > 0, f"{size} B: {s}")
            b.dut.ok("recv", fd, size, 0)
        b.dut.ok("close", fd)


def window_shrinks(b):
    """Below what is in flight: what is repeated is within the window (SHLD-16), nothing new goes, and all of it arrives in the end."""
    c, fd = b.accepted()
    first = c.ack
    for i in range(5):
        b.dut.ok("send", fd, 0, text=TEXT)
        c.skip_to("PA", DATA, seq=first + 11 * i, why="a flight")
    c.send("A", ack=first + 11, window=11)
    c.settle()
    b.dut.ok("send", fd, 0, text=TEXT)
    for _ in range(2):
        s = c.expect(None, DATA, why="again")
        expect(s.seq == first + 11, f"{s}")
    c.send("A", ack=first + 55)
    c.skip_to("PA", DATA, seq=first + 55, why="the window is open")
    b.dut.ok("close", fd)


def window_shrinks_to_zero(b):
    c, fd = b.accepted()
    first = c.ack
    for i in range(2):
        b.dut.ok("send", fd, 0, text=TEXT)
        c.skip_to("PA", DATA, seq=first + 11 * i, why="a flight")
    c.send("A", ack=first, window=0)
    s = c.expect(None, None, seq=first, why="asks")
    c.send("A", ack=first + len(s.data), window=0)
    c.settle()
    c.send("A", ack=first + 22)
    b.dut.ok("send", fd, 0, text=TEXT)
    c.skip_to("PA", DATA, seq=first + 22, why="the window is open")
    b.dut.ok("close", fd)


def zero_window_probe(b):
    """One octet, after the retransmission timeout and when there is something to send only (MUST-36, SHLD-29)."""
    c, fd = exchanged(b)
    c.send("A", window=0)
    c.silent(0.5, "nothing to send")
    una = c.ack
    started = time.time()
    b.dut.ok("send", fd, 0, text=TEXT)
    s = c.expect("PA", DATA[:1], seq=una, why="the probe")
    expect(s.at - started > 0.15, f"the probe came after {s.at - started} s")
    c.send("A", ack=una, seq=c.seq - 1, window=0)  # as who answers a keepalive: old, and answered itself
    c.skip_to("A", b"", seq=una, ack=c.seq, why="old")
    c.send("A", ack=una)
    c.skip_to("PA", DATA, seq=una, why="the window is open")
    b.dut.ok("close", fd)


def zero_window_probe_taken(b):
    """The octet of the probe is acknowledged; the rest follows when the window opens."""
    c, fd = exchanged(b)
    c.send("A", window=0)
    c.settle()
    una = c.ack
    b.dut.ok("send", fd, 0, text=TEXT)
    c.expect("PA", DATA[:1], seq=una, why="the probe")
    c.send("A", ack=una + 1)
    c.skip_to("PA", DATA[1:], seq=una + 1, why="the rest")
    b.dut.ok("close", fd)


def zero_window_probe_gaps(b):
    """Each is twice the one before (SHLD-30), for as long as they are answered (MUST-37)."""
    c, fd = exchanged(b)
    c.send("A", window=0)
    c.settle()
    una = c.ack
    b.dut.ok("send", fd, 0, text=TEXT)
    last = None
    for gap in (0.2, 0.4, 0.8, 1.6):
        s = c.expect("PA", DATA[:1], seq=una, why="a probe")
        expect(last is None or s.at - last > gap / 2, f"a probe after {s.at - (last or 0)} s, {gap} expected")
        last = s.at
        c.send("A", ack=una, window=0)
    c.send("A", ack=una)
    c.skip_to("PA", DATA, seq=una, why="the window is open")
    b.dut.ok("close", fd)


def zero_window_probe_user_timeout(b):
    """Probes that nobody answers end the connection when the user timeout says so."""
    c, fd = exchanged(b)
    c.send("A", window=0)
    b.dut.ok("send", fd, 0, text=TEXT)
    s = c.expect("PA", DATA[:1], why="the probe")
    b.dut.ok("setsockopt", fd, TCP, USER_TIMEOUT, 300)
    c.send("A", ack=s.seq, window=0)
    b.dut.ok("send", fd, 0, text=TEXT)
    expect(len(bytes.fromhex(b.dut.ok("recv", fd, 100, 0))) == 11, "recv")
    ret, err, _, _ = b.dut.call("recv", fd, 10, 0)
    expect((ret, err) == (-1, errno.ETIMEDOUT), f"recv: {ret}, errno {err}")
    c.reset(ack=s.seq, why="timed out")
    b.dut.ok("close", fd)


TESTS = [window_closes, window_stays_open, window_shrinks, window_shrinks_to_zero, zero_window_probe, zero_window_probe_taken,
         zero_window_probe_gaps, zero_window_probe_user_timeout]
