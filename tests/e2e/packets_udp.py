"""Datagrams and ICMP: what is delivered, what is answered, what errors do to sockets."""
import errno
import select
import socket
import struct

from packets_ip import FRAGMENT, UDP, V4, V6, checksum, fragment, icmp, only
from peer import expect

DGRAM = socket.SOCK_DGRAM
# Those of the codes that another try would not mend: a connected socket is told (icmp(7)).
HARD = {V4: (2, 3, 6, 7, 8, 9, 10, 13, 14, 15), V6: (1, 4, 5, 6)}
TIME_EXCEEDED = {V4: 11, V6: 3}
ECHO, ECHO_REPLY = {V4: 8, V6: 128}, {V4: 0, V6: 129}
DATA = b"Sample.Data"


class Flow:
    """Datagrams between a port of ours and one of the stack's."""
    ports = iter(range(30000, 40000))

    def __init__(self, b, port):
        self.b, self.ip, self.wire, self.port, self.ours = b, b.ip, b.wire, port, next(Flow.ports)

    def build(self, data, length=None, cksum=None, src=None, dst=None):
        """cksum: None the right one; a number is added to it, "none" leaves it out."""
        head = struct.pack("!HHHH", self.ours, self.port, 8 + len(data) if length is None else length, 0)
        pseudo = self.ip.pseudo(src or self.ip.peer, dst or self.ip.stack, UDP, 8 + len(data) if length is None else length)
        right = checksum(pseudo + head + data[:max((length or 8 + len(data)) - 8, 0)]) or 0xffff
        value = 0 if cksum == "none" else (right + (cksum or 0)) & 0xffff
        return head[:6] + struct.pack("!H", value) + data

    def send(self, data, **kw):
        self.wire.send(UDP, self.build(data, **kw), src=kw.get("src"), dst=kw.get("dst"))

    def take(self, why):
        """The next datagram of the stack to us: (packet, data)."""
        while True:
            p = self.wire.packet(UDP, why=why)
            sport, dport, length, _ = struct.unpack("!HHHH", p.payload[:8])
            if (sport, dport) == (self.port, self.ours):
                expect(checksum(self.ip.pseudo(p.src, p.dst, UDP, len(p.payload)) + p.payload) == 0, f"{why}: a wrong checksum")
                expect(length == len(p.payload), f"{why}: length {length}")
                return p, p.payload[8:]


def bound(b, connected=False):
    fd, port = b.bound(DGRAM)
    b.dut.ok("setfl", fd, 0o4000)
    f = Flow(b, port)
    if connected:
        b.dut.ok("connect", fd, f.ours, text=b.ip.peer)
    return f, fd


def got(b, fd, want, why):
    expect(int(b.dut.ok("poll", fd, select.POLLIN, 5000)) & select.POLLIN, f"{why}: nothing came")
    ret, err, text, _ = b.dut.call("recv", fd, 1 << 16, 0)
    expect(ret == len(want) and bytes.fromhex(text) == want[:4096], f"{why}: recv: {ret}, errno {err}, {text[:60]}")


def empty(b, fd, why):
    ret, err, text, _ = b.dut.call("recv", fd, 1 << 16, 0)
    expect((ret, err) == (-1, errno.EAGAIN), f"{why}: recv: {ret}, errno {err}, {text[:60]}")


def datagrams(b):
    """Whole, empty and padded ones are delivered; damaged ones, and over IPv6 those without a checksum, are not, and have no answer."""
    f, fd = bound(b)
    for data in (DATA, b"", b"x", bytes(1400)):
        f.send(data)
        got(b, fd, data, f"{len(data)} bytes")
    f.send(DATA, length=8 + 5)  # what is longer than the length says is padding
    got(b, fd, DATA[:5], "padded")
    for bad in ({"cksum": 1}, {"cksum": 0x8000}, {"length": 7}, {"length": 0}, {"length": 8 + len(DATA) + 1}, {"length": 65535}):
        f.send(DATA, **bad)
    f.send(DATA, cksum="none")
    if b.ip is V4:
        got(b, fd, DATA, "without a checksum")
    f.send(b"last")
    got(b, fd, b"last", "after bad ones")
    expect(b.wire.queue(b.ip.icmp_proto, None).empty(), "a bad datagram was answered")
    b.dut.ok("close", fd)


def sources_that_are_none(b):
    """From a group, nobody, everybody, or this host (MUST of RFC 1122 3.2.1.3 and RFC 4291 2.7): dropped in silence."""
    f, fd = bound(b)
    for src in {V4: ("224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0"), V6: ("ff02::1", "::1", "::")}[b.ip]:
        f.send(DATA, src=src)
    closed = Flow(b, f.port + 20000)
    closed.send(DATA, src={V4: "224.0.0.1", V6: "ff02::1"}[b.ip])
    f.send(b"last")
    got(b, fd, b"last", "a good one")
    expect(b.wire.queue(b.ip.icmp_proto, None).empty(), "an answer")
    b.dut.ok("close", fd)


def closed_port(b):
    """Port unreachable with what it is about; never about an error, a group, or from a source that is none."""
    f = Flow(b, 29999)
    f.send(DATA)
    p = b.wire.packet(b.ip.icmp_proto, why="a closed port")
    expect(p.payload[:2] == bytes((b.ip.unreachable_type, b.ip.port_code)), f"{p.payload[:8]}")
    cover = b.ip.pseudo(p.src, p.dst, b.ip.icmp_proto, len(p.payload)) if b.ip is V6 else b""
    expect(checksum(cover + p.payload) == 0, "a wrong checksum")
    quote = p.payload[8:]
    expect(quote[b.ip.head:b.ip.head + 8] == f.build(DATA)[:8] and quote[b.ip.head + 8:] == DATA, "quotes something else")
    for dst in {V4: ("224.0.0.1", "10.77.0.255", "255.255.255.255"), V6: ("ff02::1",)}[b.ip]:
        f.send(DATA, dst=dst)
    about = b.ip.packet(b.ip.stack, b.ip.peer, b.ip.icmp_proto, icmp(b.ip, b.ip.stack, b.ip.peer, b.ip.unreachable_type, 0, bytes(40)))
    b.wire.send(b.ip.icmp_proto, icmp(b.ip, b.ip.peer, b.ip.stack, b.ip.unreachable_type, 0, about))
    f.send(b"again")
    p = b.wire.packet(b.ip.icmp_proto, why="a closed port")
    expect(p.payload.endswith(b"again"), f"an answer to something else: {p.payload[:60]}")


def errors_of_connected_sockets(b):
    """Hard ones are told once, by whichever call is next; soft ones, and those that somebody made up, by none."""
    calls = (("getsockopt", (socket.SOL_SOCKET, socket.SO_ERROR), "-"), ("recv", (100, 0), "-"), ("send", (0,), "x"))
    f, fd = bound(b, connected=True)
    cases = [(b.ip.unreachable_type, code, want) for code, want in b.ip.unreachable.items()] + [(TIME_EXCEEDED[b.ip], 0, 0)]
    for kind, code, want in cases:
        for call, args, text in calls:
            why = f"type {kind} code {code}: {call}"
            b.dut.ok("send", fd, 0, text="hello")
            p, _ = f.take(why)
            b.wire.send(b.ip.icmp_proto, icmp(b.ip, b.ip.peer, b.ip.stack, kind, code, p.packet))
            f.send(b"behind")
            hard = kind == b.ip.unreachable_type and code in HARD[b.ip]
            mask = int(b.dut.ok("poll", fd, select.POLLIN, 5000))
            expect(bool(mask & select.POLLERR) == hard, f"{why}: poll says {mask:#x}")
            ret, err, extra, _ = b.dut.call(call, fd, *args, text=text)
            if call == "getsockopt":
                expect(extra == str(want if hard else 0), f"{why}: SO_ERROR {extra}")
            elif hard:
                expect((ret, err) == (-1, want), f"{why}: {ret}, errno {err}, {want} expected")
            else:
                expect(ret > 0, f"{why}: {ret}, errno {err}")
            if not (call == "recv" and not hard):
                got(b, fd, b"behind", why)
            expect(b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR) == "0", f"{why}: told twice")
            if call == "send" and not hard:
                f.take(why)
    b.dut.ok("close", fd)


def errors_of_others(b):
    """Nobody is told: the socket is not connected, or the quote is of another port, another peer, or half a header, or the sum is wrong."""
    f, fd = bound(b)
    kind, code = b.ip.unreachable_type, b.ip.port_code
    b.dut.ok("sendto", fd, f.ours, 5, text=b.ip.peer)
    p, _ = f.take("a datagram")
    b.wire.send(b.ip.icmp_proto, icmp(b.ip, b.ip.peer, b.ip.stack, kind, code, p.packet))
    f.send(DATA)
    got(b, fd, DATA, "unconnected")
    b.dut.ok("close", fd)
    f, fd = bound(b, connected=True)
    b.dut.ok("send", fd, 0, text="hello")
    p, _ = f.take("a datagram")
    at = b.ip.head
    for quote in (p.packet[:at] + struct.pack("!HH", f.port, f.ours + 1) + p.packet[at + 4:],
                  p.packet[:at] + struct.pack("!HH", f.port + 1, f.ours) + p.packet[at + 4:], p.packet[:at + 7], p.packet[:at - 1]):
        b.wire.send(b.ip.icmp_proto, icmp(b.ip, b.ip.peer, b.ip.stack, kind, code, quote))
    bad = bytearray(icmp(b.ip, b.ip.peer, b.ip.stack, kind, code, p.packet))
    bad[3] ^= 1
    b.wire.send(b.ip.icmp_proto, bytes(bad))
    f.send(DATA)
    got(b, fd, DATA, "other quotes")
    Flow(b, f.port).send(b"stranger")  # for whom there is no socket
    b.wire.packet(b.ip.icmp_proto, why="from a stranger")
    f.send(b"friend")
    got(b, fd, b"friend", "connected: only from there")
    b.dut.ok("close", fd)


def echoes(b):
    """Whatever the size, odd ones too, also when it comes in pieces; not with a wrong sum."""
    for size in (0, 1, 7, 56, 1400):
        body = bytes(i % 251 for i in range(size))
        ask = icmp(b.ip, b.ip.peer, b.ip.stack, ECHO[b.ip], 0, body, 0x12340000 + size)
        bad = bytearray(ask)
        bad[3] ^= 1
        b.wire.send(b.ip.icmp_proto, bytes(bad))
        b.wire.send(b.ip.icmp_proto, ask)
        p = b.wire.packet(b.ip.icmp_proto, why=f"an echo of {size}")
        want = icmp(b.ip, b.ip.stack, b.ip.peer, ECHO_REPLY[b.ip], 0, body, 0x12340000 + size)
        expect((p.src, p.payload) == (b.ip.stack, want), f"{size}: {p.src} {p.payload[:40]}")


def pieces(b, f, data, cuts, ident):
    """A datagram in fragments that end at these offsets (multiples of eight)."""
    whole = f.build(data)
    ends = list(cuts) + [len(whole)]
    for start, end in zip([0] + ends, ends):
        more, part = int(end < len(whole)), whole[start:end]
        if b.ip is V6:
            yield b.ip.packet(b.ip.peer, b.ip.stack, FRAGMENT, fragment(UDP, start, more, ident) + part)
        else:
            head = bytearray(b.ip.packet(b.ip.peer, b.ip.stack, UDP, part)[:20])
            head[4:8] = struct.pack("!HH", ident, more << 13 | start // 8)
            head[10:12] = b"\0\0"
            head[10:12] = struct.pack("!H", checksum(bytes(head)))
            yield bytes(head) + part


def fragments(b):
    """Any order, twice the same; pieces that overlap make nothing of it (RFC 5722, and RFC 815's holes are not refilled)."""
    f, fd = bound(b)
    data = bytes(i % 251 for i in range(600))
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (0, 0, 1, 2), (2, 1, 1, 0))
    for i, order in enumerate(orders):
        parts = list(pieces(b, f, data, (200, 400), 500 + i))
        for at in order:
            b.wire.raw(parts[at])
        got(b, fd, data, f"pieces {order}")
    parts, other = list(pieces(b, f, data, (200, 400), 600)), list(pieces(b, f, data, (104, 304), 600))
    for packet in (parts[0], other[1], parts[1], parts[2]):
        b.wire.raw(packet)
    f.send(b"last")
    got(b, fd, b"last", "overlapping pieces are not delivered")
    empty(b, fd, "overlapping pieces")
    b.dut.ok("close", fd)


def option(kind, data):
    return bytes((kind, 2 + len(data))) + data


@only(V4)
def ip_options(b):
    """What asks for nothing is passed over, a source route is refused (RFC 7126 4.3)."""
    f, fd = bound(b)

    def send(options, data):
        head = bytearray(b.ip.packet(b.ip.peer, b.ip.stack, UDP, f.build(data))[:20])
        head[0] = 0x45 + len(options) // 4
        head[2:4] = struct.pack("!H", 20 + len(options) + 8 + len(data))
        head[10:12] = b"\0\0"
        head[10:12] = struct.pack("!H", checksum(bytes(head) + options))
        b.wire.raw(bytes(head) + options + f.build(data))

    for options in (b"\1\1\1\0", option(148, b"\0\0"), option(7, b"\4" + bytes(4)) + b"\0", option(0x99, b"ab") + bytes(4),
                    option(30, b"ab")):
        send(options, DATA)
        got(b, fd, DATA, f"option {options[0]}")
    for options in (option(131, b"\4" + socket.inet_aton(V4.stack)) + b"\0", option(137, b"\4" + socket.inet_aton(V4.stack)) + b"\0",
                    b"\x94\1\0\0", b"\x94\x0d\0\0"):
        send(options, b"refused")
    f.send(b"last")
    got(b, fd, b"last", "after source routes and options of impossible length")
    b.dut.ok("close", fd)


TESTS = [datagrams, sources_that_are_none, closed_port, errors_of_connected_sockets, errors_of_others, echoes, fragments, ip_options]
