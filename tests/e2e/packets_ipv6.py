"""What only IPv6 has: extension headers, fragments of segments, ICMPv6 errors, the pseudo header, flow labels, zones."""
import errno
import select
import socket
import struct

from packets_ip import DESTINATION, FRAGMENT, HOP_BY_HOP, ICMP6, ROUTING, TCP, UDP, V6
from packets_ip import checksum, extension, fragment, icmp, only, option, routing
from peer import expect

TOO_BIG, TIME_EXCEEDED, PARAM_PROBLEM = 2, 3, 4
SKIP, DROP, TELL, TELL_UNICAST = 0x1e, 0x5e, 0x9e, 0xde  # the two high bits of an unknown option's type (RFC 8200 4.2)


def read(b, fd, want):
    got = bytes.fromhex(b.dut.ok("recv", fd, 1 << 16, 0))
    expect(got == want, f"{got[:60]!r} read, {want[:60]!r} expected")


def problem(b, code, pointer, why):
    """A parameter problem, and that it is well formed: of the packet whose first bytes it quotes."""
    p = b.wire.packet(ICMP6, why=why)
    kind, got, _, at = struct.unpack("!BBHI", p.payload[:8])
    expect(checksum(V6.pseudo(p.src, p.dst, ICMP6, len(p.payload)) + p.payload) == 0, f"{why}: a wrong checksum")
    expect((kind, got, at) == (PARAM_PROBLEM, code, pointer), f"{why}: type {kind} code {got} at {at}, code {code} at {pointer} expected")
    expect(p.src == V6.stack and p.payload[16:32] == V6.address(V6.peer), f"{why}: quotes something else")


def headers_before_tcp(b):
    """Handshake, data and FIN behind headers in any order; what is not known is skipped when its type says so."""
    chains = ((HOP_BY_HOP, lambda n: extension(n)), (DESTINATION, lambda n: extension(n, option(SKIP, b"abcd"))),
              (HOP_BY_HOP, lambda n: extension(DESTINATION, option(5, b"\0\0")) + extension(n)),
              (ROUTING, lambda n: routing(n, 0, 0)), (ROUTING, lambda n: routing(DESTINATION, 99, 0) + extension(n)),
              (DESTINATION, lambda n: extension(ROUTING) + routing(DESTINATION, 4, 0, 2) + extension(n)),
              (FRAGMENT, lambda n: fragment(n, 0, 0, 1)))
    for first, chain in chains:
        lfd, port = b.listener()
        c = b.conn(port)
        b.wire.send(first, chain(TCP) + c.build("S"))
        c.expect("SA", why=f"SYN behind {first}")
        b.wire.send(first, chain(TCP) + c.build("A"))
        fd = b.dut.ok("accept", lfd)
        b.wire.send(first, chain(TCP) + c.build("PA", b"text"))
        c.expect("A", ack=c.seq, why=f"text behind {first}")
        read(b, fd, b"text")
        b.wire.send(first, chain(TCP) + c.build("FA"))
        c.expect("A", ack=c.seq, why=f"FIN behind {first}")
        b.dut.ok("close", fd)
        b.dut.ok("close", lfd)


def headers_that_are_refused(b):
    """Each by its parameter problem, without an effect on the connection, which goes on."""
    c, fd = b.accepted()
    tcp = c.build("PA", b"lost", seq=c.seq)
    for why, first, body, code, pointer in (
            ("routing header type 0", ROUTING, routing(TCP, 0, 1) + tcp, 0, 42),
            ("unknown routing header", ROUTING, routing(TCP, 99, 1) + tcp, 0, 42),
            ("option 10", DESTINATION, extension(TCP, option(TELL, b"ab")) + tcp, 2, 42),
            ("option 11", HOP_BY_HOP, extension(TCP, option(1, b"\0\0"), option(TELL_UNICAST, b"ab")) + tcp, 2, 46),
            ("hop-by-hop that is not first", DESTINATION, extension(HOP_BY_HOP) + extension(TCP) + tcp, 1, 40),
            ("an unknown header", 253, extension(TCP) + tcp, 1, 6),
            ("an unknown header behind one", DESTINATION, extension(253) + tcp, 1, 40)):
        b.wire.send(first, body)
        problem(b, code, pointer, why)
    b.wire.send(DESTINATION, extension(TCP, option(DROP, b"ab")) + tcp)
    b.wire.send(59, tcp)  # no next header: what follows is nothing
    c.data(b"kept")
    read(b, fd, b"kept")
    expect(b.wire.queue(ICMP6, None).empty(), "option 01 is dropped silently")
    b.dut.ok("close", fd)


def fragments_of(c, text, *cuts, ident=77, **kw):
    """The pieces of a segment, cut at these offsets (multiples of eight)."""
    whole = c.build("PA", text, **kw)
    ends = list(cuts) + [len(whole)]
    return [fragment(TCP, start, int(end < len(whole)), ident) + whole[start:end] for start, end in zip([0] + ends, ends)]


def fragmented_segments(b):
    """A segment is whole in any order of its pieces, with one of them twice; pieces that overlap make nothing of it (RFC 5722)."""
    c, fd = b.accepted()
    text = bytes(range(200))
    for ident, order in ((1, (0, 1, 2)), (2, (2, 1, 0)), (3, (1, 2, 0)), (4, (1, 1, 2, 0))):
        pieces = fragments_of(c, text, 24, 104, ident=ident)
        for i in order:
            b.wire.send(FRAGMENT, pieces[i])
        c.expect("A", b"", ack=c.seq, why=f"pieces {order}")
        read(b, fd, text)
    pieces = fragments_of(c, text, 104, seq=c.seq)
    over = fragments_of(c, text, 48, 152, seq=c.seq)
    for piece in (pieces[0], over[1], pieces[1]):
        b.wire.send(FRAGMENT, piece)
    b.wire.send(FRAGMENT, fragment(TCP, 0, 0, 77) + c.build("PA", b"an atom"))  # a whole packet, whatever waits (RFC 6946)
    c.expect("A", b"", ack=c.seq, why="the atomic fragment, and not what overlapped")
    read(b, fd, b"an atom")
    b.dut.ok("close", fd)


def fragments_that_are_refused(b):
    """A length that is no multiple of eight, a packet that would be too large, a first piece without all headers (RFC 7112)."""
    c, fd = b.accepted()
    tcp = c.build("PA", bytes(100), seq=c.seq)
    b.wire.send(FRAGMENT, fragment(TCP, 0, 1, 5) + tcp[:30])
    problem(b, 0, 4, "no multiple of eight")
    b.wire.send(FRAGMENT, fragment(TCP, 65528, 0, 6) + tcp[:16])
    problem(b, 0, 42, "above 65535")
    b.wire.send(FRAGMENT, fragment(DESTINATION, 0, 1, 7) + extension(TCP, option(SKIP, bytes(12)))[:8])
    problem(b, 3, 0, "headers in the second piece")
    b.wire.send(FRAGMENT, fragment(TCP, 0, 1, 8) + tcp[:16])
    problem(b, 3, 0, "a part of TCP's header")
    c.data(b"kept")
    read(b, fd, b"kept")
    b.dut.ok("close", fd)


def wrong_pseudo_header(b):
    """A checksum over other addresses, another length, another protocol, or no pseudo header at all: dropped without an answer."""
    c, fd = b.accepted()
    good = c.build("PA", b"lost", seq=c.seq)
    bare = good[:16] + b"\0\0" + good[18:]
    for cover in (b"", V6.pseudo("fd77::78", V6.stack, TCP, len(bare)), V6.pseudo(V6.peer, "fd77::3", TCP, len(bare)),
                  V6.pseudo(V6.peer, V6.stack, TCP, len(bare) + 1), V6.pseudo(V6.peer, V6.stack, UDP, len(bare))):
        b.wire.send(TCP, bare[:16] + struct.pack("!H", checksum(cover + bare)) + bare[18:])
    c.data(b"kept")
    read(b, fd, b"kept")
    b.dut.ok("close", fd)


def packet_too_big(b):
    """1400: smaller segments, at once. Ignored: below 1280 (RFC 8201 4), and about a segment that was not sent, or is smaller."""
    c, fd = b.accepted(options=struct.pack("!BBH", 2, 4, 1440))
    for why, mtu, off, size in (("below 1280", 1279, 0, 1440), ("zero", 0, 0, 1440), ("of another segment", 1300, -100000, 1440),
                                ("larger than the packet", 1501, 0, 1440), ("1400", 1400, 0, 1340)):
        b.dut.ok("fill", fd, 1440)
        s = c.expect(None, why=why)
        expect(len(s.data) == 1440, f"{why}: {s}")
        quote = s.packet[:44] + struct.pack("!I", (s.seq + off) & 0xffffffff) + s.packet[48:60]
        c.icmp(TOO_BIG, 0, s, word=mtu, quote=quote)
        if size < 1440:
            parts = c.expect(None, seq=s.seq, why=why), c.expect(None, why=why)
            expect([len(p.data) for p in parts] == [size, 1440 - size], f"{why}: {parts[0]}, {parts[1]}")
        else:
            c.settle()
        c.send("A", ack=s.seq + 1440)
    c.settle()
    b.dut.ok("fill", fd, 1440)
    expect(len(c.expect(None, why="later").data) == 1340, "the path's MTU is remembered")
    b.dut.ok("close", fd)


def icmp_errors_end_nothing(b):
    """An established connection: time exceeded and parameter problem (MUST-56), hop limit or reassembly; the next call sends."""
    c, fd = b.accepted()
    for kind, code in ((TIME_EXCEEDED, 0), (TIME_EXCEEDED, 1), (PARAM_PROBLEM, 0), (PARAM_PROBLEM, 1), (PARAM_PROBLEM, 2), (100, 0)):
        b.dut.ok("send", fd, 0, text="hello")
        s = c.expect("PA", b"hello", why="data")
        c.icmp(kind, code, s, word=40)
        c.settle()
        b.dut.ok("send", fd, 0, text="again")
        c.skip_to("PA", b"again", why=f"type {kind} code {code}")
        c.send("A")
    b.dut.ok("close", fd)


def icmp_errors_of_strangers(b):
    """
    An attempt to connect goes on: the quoted sequence number is another, or the port, or the address, or the quote too short, or the
    checksum is wrong; so does it when the hop limit was exceeded. The same about the SYN as it was ends it.
    """
    c, fd = b.connecting()
    quote = c.syn.packet[:60]
    wrong = [quote[:44] + struct.pack("!I", c.syn.seq + d & 0xffffffff) + quote[48:] for d in (1, -1, 100000)]
    wrong += [quote[:40] + struct.pack("!H", c.dport + 1) + quote[42:], quote[:24] + V6.address("fd77::78") + quote[40:], quote[:47],
              quote[:8] + V6.address("fd77::3") + quote[24:]]
    for q in wrong:
        c.icmp(1, 4, c.syn, quote=q)
    message = bytearray(icmp(V6, V6.peer, V6.stack, 1, 4, quote))
    message[2] ^= 1
    b.wire.send(ICMP6, bytes(message))
    c.icmp(TIME_EXCEEDED, 0, c.syn)
    c.icmp(PARAM_PROBLEM, 1, c.syn)
    c.send("SA", ack=c.ack + 1000)
    c.expect("R", why="still in SYN-SENT")
    expect(b.dut.ok("poll", fd, select.POLLOUT, 0) == "0", "connect goes on")
    c.icmp(1, 4, c.syn, quote=quote)
    expect(b.dut.ok("poll", fd, select.POLLOUT, 5000) != "0", "poll")
    expect(b.dut.ok("getsockopt", fd, socket.SOL_SOCKET, socket.SO_ERROR) == str(errno.ECONNREFUSED), "SO_ERROR")
    b.dut.ok("close", fd)


def flow_labels(b):
    """One for every packet of a connection (RFC 6437 3), repeated ones too; others for others."""
    labels = []
    for _ in range(4):
        c, fd = b.accepted()
        seen = [c.synack.ip.flow]
        b.dut.ok("fill", fd, 3000)
        for _ in range(4):  # three segments, and one again
            seen.append(c.expect(None, why="data").ip.flow)
        c.drain()
        c.send("A")
        b.dut.ok("close", fd)
        seen.append(c.skip_to("FA", why="close").ip.flow)
        expect(len(set(seen)) == 1 and seen[0] != 0, f"labels {seen} of one connection")
        labels.append(seen[0])
    expect(len(set(labels)) == len(labels), f"labels {labels} of connections")


def stack_link_local(b):
    mac = bytearray(b.wire.link.neighbour.stack_mac)
    mac[0] ^= 2
    return socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + mac[:3] + b"\xff\xfe" + mac[3:])


def link_local_connections(b):
    """Accepted like any; connect() wants the zone (RFC 4007), and the SYN has a link-local source."""
    lfd, port = b.listener()
    c = b.conn(port)
    c.ours, c.theirs = "fe80::77", stack_link_local(b)
    s = c.handshake()
    expect((s.ip.src, s.ip.dst) == (c.theirs, c.ours), f"{s.ip.src} -> {s.ip.dst}")
    fd = b.dut.ok("accept", lfd)
    c.data(b"text")
    read(b, fd, b"text")
    b.dut.ok("close", fd)
    b.dut.ok("close", lfd)
    c, fd = b.connecting(to="fe80::77%1")
    expect((c.syn.ip.src, c.syn.ip.dst) == (stack_link_local(b), "fe80::77"), f"{c.syn.ip.src} -> {c.syn.ip.dst}")
    c.ours, c.theirs = c.syn.ip.dst, c.syn.ip.src
    c.send("SA")
    c.expect("A", b"", why="handshake")
    c.data(b"text")
    b.dut.ok("close", fd)
    fd, _ = b.bound()
    ret, err, _, _ = b.dut.call("connect", fd, 7, text="fe80::77")
    expect((ret, err) == (-1, errno.EINVAL), f"connect without a zone: {ret}, errno {err}")
    b.dut.ok("close", fd)


def addresses_that_no_wire_carries(b):
    """SYNs from and to what is nobody's address get no answer (MUST-57, MUST-63), neither of TCP nor of ICMP."""
    lfd, port = b.listener()
    for src, dst in (("ff02::1", V6.stack), ("::", V6.stack), ("::1", V6.stack), ("::ffff:10.77.0.77", V6.stack), (V6.peer, "ff02::1"),
                     (V6.peer, "fd77::99"), (V6.stack, V6.stack)):
        c = b.conn(port)
        c.ours, c.theirs = src, dst
        c.send("S")
    c = b.conn(port)
    c.handshake()
    for (_, theirs), answers in list(b.wire.queues.items()):
        expect(theirs != port or answers.empty(), "a segment")
    expect(b.wire.queue(ICMP6, None).empty(), "an ICMPv6 message")
    b.dut.ok("close", b.dut.ok("accept", lfd))
    b.dut.ok("close", lfd)


TESTS = [only(V6)(t) for t in (headers_before_tcp, headers_that_are_refused, fragmented_segments, fragments_that_are_refused,
                               wrong_pseudo_header, packet_too_big, icmp_errors_end_nothing, icmp_errors_of_strangers, flow_labels,
                               link_local_connections, addresses_that_no_wire_carries)]
