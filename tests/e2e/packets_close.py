"""The end: FIN, linger, FIN-WAIT-2, CLOSING, TIME-WAIT."""
import errno
import socket
import time

from peer import expect

TCP = socket.IPPROTO_TCP
LINGER2 = 8
LINGER_S = 1
DATA = b"Sample.Data"


def fin_is_retransmitted(b):
    """In FIN-WAIT-1, and in CLOSING."""
    for flags in ("A", "FA"):
        c, fd = b.accepted()
        b.dut.ok("send", fd, 0, text=DATA.decode())
        c.expect("PA", DATA, why="data")
        c.send("A")
        b.dut.ok("shutdown", fd, socket.SHUT_WR)
        fin = c.expect("FA", b"", why="shutdown")
        c.send(flags, ack=fin.seq)
        if flags == "FA":
            c.skip_to("A", b"", ack=c.seq, why="FIN")
        s = c.expect("FA", b"", seq=fin.seq, ack=c.seq, why=f"the FIN again, after [{flags}]")
        expect(s.at - fin.at > 0.1, f"the FIN again after {s.at - fin.at} s")
        c.send("A")
        c.settle()
        b.dut.ok("close", fd)


def outside_the_window_in_closing(b):
    """Every kind of segment is answered with the right number."""
    for offset in (0, 1, 2):
        for flags, data in (("S", b""), ("SA", b""), ("A", b""), ("FA", b""), ("A", b"abc123")):
            c, fd = b.accepted()
            b.dut.ok("shutdown", fd, socket.SHUT_WR)
            fin = c.expect("FA", b"", why="shutdown")
            c.send("FA", ack=fin.seq)
            c.skip_to("A", b"", ack=c.seq, why="FIN")
            c.send(flags, data, seq=c.seq + c.synack.window + offset, ack=fin.seq)
            c.skip_to("A", b"", seq=c.ack, ack=c.seq, why=f"[{flags}] at {offset}")
            c.send("A")
            b.dut.ok("close", fd)


def linger_zero(b):
    c, fd = b.accepted()
    b.dut.ok("linger", fd, 1, 0)
    b.dut.ok("close", fd)
    c.expect("RA", b"", seq=c.ack, why="close")
    c.reset(why="closed")


def linger_off(b):
    c, fd = b.accepted()
    b.dut.ok("linger", fd, 0, LINGER_S)
    b.dut.ok("close", fd)
    c.expect("FA", b"", why="close")
    c.send("A")
    c.settle()


def close_waits(b, fd, on, what):
    started = time.monotonic()
    ret, err, _, at = b.dut.call("close", fd)
    expect(ret == 0, f"{what}: close: {ret}, errno {err}")
    took = at - started
    expect(took >= LINGER_S if on else took < LINGER_S, f"{what}, linger {on}: close took {took} s")


def linger(b):
    """For as long as nothing is acknowledged: with and without text, with and without shutdown()."""
    for on in (0, 1):
        for text in (False, True):
            for shutdown in (False, True):
                what = f"text {text}, shutdown {shutdown}"
                c, fd = b.accepted()
                b.dut.ok("linger", fd, on, LINGER_S)
                if text:
                    b.dut.ok("send", fd, 0, text=DATA.decode())
                    c.expect("PA", DATA, why=what)
                if shutdown:
                    b.dut.ok("shutdown", fd, socket.SHUT_RDWR)
                    c.expect("FA", b"", why=what)
                close_waits(b, fd, on, what)
                if not shutdown:
                    c.skip_to("FA", why=what)
                c.send("A")
                c.settle()


def linger_ends_with_the_ack(b):
    c, fd = b.accepted()
    b.dut.ok("linger", fd, 1, 30)
    tag = b.dut.start("close", fd)
    c.expect("FA", b"", why="close")
    c.send("A")
    expect(b.dut.result(tag)[0] == 0, "close")


def linger_zero_after_shutdown(b):
    c, fd = b.accepted()
    b.dut.ok("linger", fd, 1, 0)
    b.dut.ok("shutdown", fd, socket.SHUT_RDWR)
    c.expect("FA", b"", why="shutdown")
    b.dut.ok("close", fd)
    c.expect("RA", b"", why="close")
    c.reset(why="closed")


def linger_without_a_connection(b):
    fd = b.descriptor()
    b.dut.ok("linger", fd, 1, 30)
    b.dut.ok("close", fd)


def fin_wait_2_ends(b):
    """TCP_LINGER2 says when after close(); without it there is time; with the descriptor open there is no end."""
    short, fd = b.accepted()
    b.dut.ok("settimeval", fd, TCP, LINGER2, 1)
    b.dut.ok("close", fd)
    default, fd = b.accepted()
    b.dut.ok("close", fd)
    kept, kept_fd = b.accepted()
    b.dut.ok("setsockopt", kept_fd, TCP, LINGER2, 1)
    b.dut.ok("shutdown", kept_fd, socket.SHUT_WR)
    for c in (short, default, kept):
        c.expect("FA", b"", why="FIN")
        c.send("A")
    time.sleep(1)
    short.reset(why="TCP_LINGER2")
    for c in (default, kept):
        c.settle()
    kept.data(DATA)
    expect(bytes.fromhex(b.dut.ok("recv", kept_fd, 100, 0)) == DATA, "recv")
    b.dut.ok("close", kept_fd)


def reset_in_fin_wait_2(b):
    c, fd = b.accepted()
    b.dut.ok("shutdown", fd, socket.SHUT_WR)
    c.expect("FA", b"", why="shutdown")
    c.send("A")
    c.send("R")
    ret, err, _, _ = b.dut.call("recv", fd, 10, 0)
    expect((ret, err) == (-1, errno.ECONNRESET), f"recv: {ret}, errno {err}")
    c.reset(why="reset")
    b.dut.ok("close", fd)


def reset_in_time_wait(b):
    """It ends nothing (RFC 1337): the FIN again is acknowledged again."""
    c, fd = b.accepted()
    b.dut.ok("close", fd)
    c.expect("FA", b"", why="close")
    c.send("A")
    c.send("FA")
    c.expect("A", b"", ack=c.seq, why="FIN")
    c.send("R")
    c.send("FA", seq=c.seq - 1)
    c.expect("A", b"", ack=c.seq, why="the FIN again")


def text_after_close(b):
    """Nobody reads it any more: the peer is told by a reset."""
    c, fd = b.accepted()
    b.dut.ok("close", fd)
    c.expect("FA", b"", why="close")
    c.send("PA", DATA)
    c.expect("RA", b"", ack=c.seq - len(DATA), why="text")


def close_with_unread_text(b):
    """RFC 9293 3.6.1: data is lost, and a reset says so."""
    c, fd = b.accepted()
    c.data(DATA)
    b.dut.ok("close", fd)
    c.expect("RA", b"", seq=c.ack, why="close")


def half_closed(b):
    """After the peer's FIN we send on, and end in LAST-ACK."""
    c, fd = b.accepted()
    c.send("FA")
    c.expect("A", b"", ack=c.seq, why="FIN")
    expect(b.dut.call("recv", fd, 10, 0)[0] == 0, "recv")
    b.dut.ok("send", fd, 0, text=DATA.decode())
    c.expect("PA", DATA, ack=c.seq, why="data in CLOSE-WAIT")
    c.send("A")
    b.dut.ok("close", fd)
    c.expect("FA", b"", why="close")
    c.send("A")
    c.reset(why="CLOSED")


TESTS = [fin_is_retransmitted, outside_the_window_in_closing, linger_zero, linger_off, linger, linger_ends_with_the_ack,
         linger_zero_after_shutdown, linger_without_a_connection, fin_wait_2_ends, reset_in_fin_wait_2, reset_in_time_wait,
         text_after_close, close_with_unread_text, half_closed]
