"""Segments in established connections: what is acceptable, what is answered, how data is cut."""
import errno
import socket
import struct
import time

from packets_ip import V4, only
from peer import expect

TCP = socket.IPPROTO_TCP
MTU_DISCOVER = 10
SYN_DATA = b"abc123"


def acceptable_by_window(b):
    """
    Flags by offsets beyond the window's right edge: what is outside is answered with the number that is expected (RFC 9293
    3.10.7.4); not what no TCP sends, nor an ACK from the edge itself, which a peer that filled the window sends, nor at once the
    same again. That nothing answers shows the next answer.
    """
    for flags, data in (("S", b""), ("SA", b""), ("A", b""), ("F", b""), ("A", SYN_DATA)):
        for offset in (0, 1, 2):
            c, fd = b.accepted()
            seq = c.seq
            for again in range(2):
                c.send(flags, data, seq=seq + c.synack.window + offset)
                if flags == "F" or (flags, data, offset) == ("A", b"", 0) or (again and not data):
                    continue
                c.expect("A", b"", ack=seq, seq=c.ack, why=f"[{flags}] {len(data)} B at {offset}")
            c.data(b"x")
            b.dut.ok("close", fd)


def syn_in_the_window(b):
    """A challenge (RFC 5961 4.2); a reset that is not exact too (3.2), an exact one counts."""
    c, fd = b.accepted()
    c.send("S", seq=c.seq + 10)
    c.expect("A", b"", ack=c.seq, why="SYN")
    c.send("R", seq=c.seq + 10)
    c.expect("A", b"", ack=c.seq, why="RST in the window")
    c.send("R", seq=c.seq + 100000)  # outside: no answer
    c.data(b"x")
    expect(bytes.fromhex(b.dut.ok("recv", fd, 10, 0)) == b"x", "recv")
    c.send("R")
    ret, err, _, _ = b.dut.call("recv", fd, 10, 0)
    expect((ret, err) == (-1, errno.ECONNRESET), f"recv: {ret}, errno {err}")
    expect(b.dut.call("recv", fd, 10, 0)[0] == 0, "the error is told once")
    ret, err, _, _ = b.dut.call("send", fd, 0, text="x")
    expect((ret, err) == (-1, errno.EPIPE), f"send: {ret}, errno {err}")
    b.dut.ok("close", fd)


def repeated_outside_the_window(b):
    """The same segment without text is answered again after half a second."""
    c, fd = b.accepted()
    for again in range(2):
        c.send("S", seq=c.seq + c.synack.window + 5)
        c.expect("A", b"", ack=c.seq, why=f"time {again + 1}")
        time.sleep(0.6)
    b.dut.ok("close", fd)


def unacceptable(c, what, offset, window):
    """Six bytes whose sequence number, or acknowledgement, cannot be."""
    if what == "seq":
        c.send("PA", b"sample", seq=c.seq + window + offset)
    else:
        c.send("PA", b"sample", seq=c.seq, ack=c.ack + offset)


def unacceptable_when_established(b):
    for what, offset in (("seq", 0), ("seq", 1), ("seq", 2), ("ack", 1), ("ack", 2)):
        c, fd = b.accepted()
        window = c.data(SYN_DATA).window
        unacceptable(c, what, offset, window)
        c.expect("A", b"", seq=c.ack, ack=c.seq, why=f"{what} {offset} off")
        c.data(b"more")
        expect(bytes.fromhex(b.dut.ok("recv", fd, 100, 0)) == SYN_DATA + b"more", "what was unacceptable is not read")
        b.dut.ok("close", fd)


def unacceptable_in_passive_close(b):
    for what, offset in (("seq", 1), ("seq", 2), ("ack", 1), ("ack", 2)):
        c, fd = b.accepted()
        c.send("FA")
        window = c.expect("A", b"", why="FIN", ack=c.seq).window
        unacceptable(c, what, offset, window)
        c.expect("A", b"", seq=c.ack, ack=c.seq, why=f"{what} {offset} off in CLOSE-WAIT")
        b.dut.ok("close", fd)
        c.expect("FA", why="close")
        c.send("A")
        c.send("A", b"sample")
        c.expect("R", why="data to CLOSED")


def unacceptable_in_active_close(b):
    for what, offset in (("seq", 0), ("seq", 1), ("seq", 2), ("ack", 1), ("ack", 2)):
        c, fd = b.accepted()
        b.dut.ok("shutdown", fd, socket.SHUT_WR)
        window = c.expect("FA", b"", why="shutdown").window
        c.send("A")
        unacceptable(c, what, offset, window)
        c.expect("A", b"", seq=c.ack, ack=c.seq, why=f"{what} {offset} off in FIN-WAIT-2")
        c.send("FA")
        c.expect("A", b"", ack=c.seq, why="FIN")
        unacceptable(c, what, offset, window)
        c.expect("A", b"", seq=c.ack, ack=c.seq, why=f"{what} {offset} off in TIME-WAIT")
        b.dut.ok("close", fd)


def unacceptable_in_simultaneous_close(b):
    for what, offset in (("seq", 0), ("seq", 1), ("seq", 2), ("ack", 1), ("ack", 2)):
        c, fd = b.accepted()
        b.dut.ok("shutdown", fd, socket.SHUT_WR)
        fin = c.expect("FA", b"", why="shutdown")
        c.send("FA", ack=fin.seq)
        c.skip_to("A", b"", ack=c.seq, why="FIN: CLOSING")
        unacceptable(c, what, offset, fin.window)
        c.skip_to("A", b"", seq=c.ack, ack=c.seq, why=f"{what} {offset} off in CLOSING")
        c.send("A")
        b.dut.ok("close", fd)


def stamp(val, ecr):
    return struct.pack("!BBBBII", 1, 1, 8, 10, val, ecr)


def stamp_of(segment):
    at = segment.options.index(b"\x08\x0a") + 2
    return struct.unpack("!II", segment.options[at:at + 8])


def old_timestamps(b):
    """PAWS (RFC 7323 5.3): answered and dropped; the answer echoes the last good one."""
    lfd, port = b.listener()
    c = b.conn(port)
    c.send("S", options=stamp(100000, 0))
    ours, echo = stamp_of(c.expect("SA", why="SYN"))
    expect(echo == 100000, f"TSecr {echo} of the SYN,ACK")
    c.send("A", options=stamp(100000, ours))
    fd = b.dut.ok("accept", lfd)
    val, echo = stamp_of(c.data(b"one", options=stamp(100010, ours)))
    expect(echo == 100010 and val >= ours, f"TSecr {echo}, TSval {val} after {ours}")
    c.send("PA", b"bad", seq=c.seq, options=stamp(100009, val))
    again, echo = stamp_of(c.expect("A", b"", ack=c.seq, why="old timestamp"))
    expect(echo == 100010 and again >= val, f"TSecr {echo}, TSval {again} after {val}")
    c.data(b"two", options=stamp(100010, val))
    expect(bytes.fromhex(b.dut.ok("recv", fd, 100, 0)) == b"onetwo", "recv")
    b.dut.ok("close", fd)
    b.dut.ok("close", lfd)


def cork(b):
    """Small writes become segments of the MSS; the rest goes after its time, or at once when it fills the window."""
    mss = 536
    c, fd = b.accepted(options=struct.pack("!BBH", 2, 4, mss), nodelay=False)
    b.dut.ok("setsockopt", fd, TCP, socket.TCP_CORK, 1)
    b.dut.together(("fill", fd, 11), ("fill", fd, 11), ("fill", fd, mss + 1))
    c.expect("A", b"x" * mss, why="a full one")
    c.send("A")
    c.expect("PA", b"x" * 23, why="the rest")
    c.send("A", window=22)
    c.settle()
    b.dut.together(("fill", fd, 11), ("fill", fd, 11))
    c.expect("PA", b"x" * 22, why="as much as the window")
    c.send("A")
    c.settle()
    b.dut.together(("fill", fd, 5), ("fill", fd, 5), ("setsockopt", fd, TCP, socket.TCP_CORK, 0))
    c.expect("PA", b"x" * 10, why="uncorked")
    c.send("A")
    b.dut.ok("close", fd)


def window_around_the_segment(b):
    """A window smaller than, as large as and larger than what is sent; the ACK goes with the data."""
    text = "Sample.Data"
    for window, first, second in ((10, 10, 1), (11, 11, 11), (12, 11, 11)):
        c, fd = b.accepted(window=window)
        b.dut.ok("send", fd, 0, text=text)
        c.expect("PA", text[:first].encode(), why=f"window {window}: first")
        if first == len(text):
            b.dut.ok("send", fd, 0, text=text)
        c.send("PA", b"0123456789a")
        got = c.expect("PA", None, ack=c.seq, why=f"window {window}: second")
        expect(len(got.data) == second, f"window {window}: {got}")
        b.dut.ok("close", fd)


def shrunk_receive_buffer(b):
    """SO_RCVBUF made smaller than the window that was offered: all of that is taken, then it is closed (RFC 9293 SHLD-14)."""
    c, fd = b.accepted()
    b.dut.ok("setsockopt", fd, socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    size = c.synack.window
    expect(size > 4 * 8192, f"a window of {size}")
    text = bytes(i % 251 for i in range(size))
    for at in range(0, size, 1400):
        c.send("PA", text[at:at + 1400])
        got = c.expect("A", b"", ack=c.seq, why="inside the window")
        expect(got.window == max(size - at - 1400, 0), f"{at} bytes: {got}")
    ret, _, got, _ = b.dut.call("recv", fd, size, 0)
    expect(ret == size, f"{ret} bytes of {size}")
    expect(bytes.fromhex(got) == text[:len(got) // 2], "what is read is not what was sent")
    b.dut.ok("close", fd)


def reset_is_told_to_every_call(b):
    """ECONNRESET once, then end of file and EPIPE; SO_ERROR is empty then."""
    c, fd = b.accepted()
    tag = b.dut.start("recv", fd, 10, 0)
    c.send("RA")
    ret, err, _, _ = b.dut.result(tag)
    expect((ret, err) == (-1, errno.ECONNRESET), f"recv: {ret}, errno {err}")
    expect(b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR) == "0", "SO_ERROR")
    b.dut.ok("close", fd)


def flags_without_ack(b):
    """A synchronized connection drops what has no ACK bit (RFC 9293 3.10.7.4, fifth step), without an answer."""
    c, fd = b.accepted()
    for flags in ("", "F", "P", "U", "PU"):
        c.send(flags, b"lost", seq=c.seq)
    c.data(b"kept")
    expect(bytes.fromhex(b.dut.ok("recv", fd, 10, 0)) == b"kept", "recv")
    b.dut.ok("close", fd)


@only(V4)
def identification(b):
    """Without path MTU discovery every packet may be cut, and has an identification of its own: repeated text, too (RFC 6864 4.2)."""
    for discover in (0, 1):
        c, fd = b.accepted()
        b.dut.ok("setsockopt", fd, socket.IPPROTO_IP, MTU_DISCOVER, discover)
        seen = []
        for size in (10, 1400):
            b.dut.ok("fill", fd, size)
            for _ in range(-(-size // 536)):
                seen.append(c.expect(None, why="data"))
            seen.append(c.expect(None, why="again"))
            c.send("A")
        for s in seen:
            expect(s.ip.df == (discover != 0), f"discovery {discover}: DF is {s.ip.df}")
        ids = {s.ip.ident for s in seen}
        expect(discover or len(ids) == len(seen), f"{len(ids)} identifications of {len(seen)} packets")
        b.dut.ok("close", fd)


TESTS = [acceptable_by_window, syn_in_the_window, repeated_outside_the_window, unacceptable_when_established, unacceptable_in_passive_close,
         unacceptable_in_active_close, unacceptable_in_simultaneous_close, old_timestamps, cork, window_around_the_segment,
         identification, shrunk_receive_buffer, reset_is_told_to_every_call, flags_without_ack]
