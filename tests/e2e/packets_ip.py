"""The two families as a peer of raw packets writes and reads them. What differs in a test is asked of b.ip, one of V4 and V6."""
import errno
import socket
import struct
import threading

import peer
from peer import labs

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Packet:
    """What came: df and ident of IPv4 only, flow (the label) of IPv6 only."""

    def __init__(self, packet, src, dst, proto, at, hops, tos, df=None, ident=None, flow=None):
        self.packet, self.src, self.dst, self.proto, self.payload = packet, src, dst, proto, packet[at:]
        self.hops, self.tos, self.df, self.ident, self.flow = hops, tos, df, ident, flow


class V4:
    """Of destination unreachable 4, a packet that is too large, is another matter."""
    name, domain, any, ethertype = "IPv4", socket.AF_INET, "0.0.0.0", b"\x08\x00"
    peer, stack = "10.77.0.77", labs.SERVER_IP  # the peer's is nobody's but ours: the kernel does not answer for it
    mss, head, icmp_proto, unreachable_type, port_code = 536, 20, ICMP, 3, 3
    unreachable = {0: errno.ENETUNREACH, 1: errno.EHOSTUNREACH, 2: errno.ENOPROTOOPT, 3: errno.ECONNREFUSED, 5: errno.EOPNOTSUPP,
                   6: errno.ENETUNREACH, 7: errno.EHOSTDOWN, 8: errno.ENONET, 9: errno.ENETUNREACH, 10: errno.EHOSTUNREACH,
                   11: errno.ENETUNREACH, 12: errno.EHOSTUNREACH, 13: errno.EHOSTUNREACH, 14: errno.EHOSTUNREACH, 15: errno.EHOSTUNREACH}

    @staticmethod
    def pseudo(src, dst, proto, size):
        return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, proto, size)

    @staticmethod
    def packet(src, dst, proto, payload, tos=0):
        head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), 1, 0x4000, 64, proto, 0)
        head += socket.inet_aton(src) + socket.inet_aton(dst)
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload

    @staticmethod
    def parse(packet):
        size, ident, frag, hops, proto = struct.unpack("!HHHBB", packet[2:10])
        return Packet(packet[:size], socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), proto, (packet[0] & 15) * 4,
                      hops, packet[1], bool(frag & 0x4000), ident)


class V6:
    name, domain, any, ethertype = "IPv6", socket.AF_INET6, "::", b"\x86\xdd"
    peer, stack = "fd77::77", labs.SERVER_IP6
    mss, head, icmp_proto, unreachable_type, port_code = 1220, 40, ICMP6, 1, 4
    unreachable = {0: errno.ENETUNREACH, 1: errno.EACCES, 2: errno.EHOSTUNREACH, 3: errno.EHOSTUNREACH, 4: errno.ECONNREFUSED,
                   5: errno.EACCES, 6: errno.EACCES}

    @staticmethod
    def address(text):
        return socket.inet_pton(socket.AF_INET6, text)

    @staticmethod
    def pseudo(src, dst, proto, size):
        return V6.address(src) + V6.address(dst) + struct.pack("!II", size, proto)

    @staticmethod
    def packet(src, dst, proto, payload, tos=0, hops=64):
        return struct.pack("!IHBB", 6 << 28 | tos << 20 | 0x12345, len(payload), proto, hops) + V6.address(src) + V6.address(dst) + payload

    @staticmethod
    def parse(packet):
        word, size, proto, hops = struct.unpack("!IHBB", packet[:8])
        src, dst = (socket.inet_ntop(socket.AF_INET6, packet[at:at + 16]) for at in (8, 24))
        return Packet(packet[:40 + size], src, dst, proto, 40, hops, word >> 20 & 255, flow=word & 0xfffff)


FAMILIES = {"4": V4, "6": V6}


def only(family):
    """Of a test: the other family has nothing like it."""
    def mark(test):
        test.family = family
        return test
    return mark


def icmp(ip, src, dst, kind, code, body, word=0):
    """A message with its checksum, which covers a pseudo header in one family."""
    text = struct.pack("!BBHI", kind, code, 0, word) + body
    cover = ip.pseudo(src, dst, ICMP6, len(text)) if ip is V6 else b""
    return text[:2] + struct.pack("!H", checksum(cover + text)) + text[4:]


def option(kind, data=b""):
    return bytes((kind, len(data))) + data


def extension(following, *options):
    """A hop-by-hop or destination header of these options (b"" for none), padded to eight bytes."""
    text = b"".join(options)
    pad = -(len(text) + 2) % 8
    text += b"" if pad == 0 else b"\0" if pad == 1 else option(1, bytes(pad - 2))
    return bytes((following, (len(text) + 2) // 8 - 1)) + text


def routing(following, kind, left, addresses=1):
    return struct.pack("!BBBBI", following, 2 * addresses, kind, left, 0) + V6.address(V6.stack) * addresses


def fragment(following, offset, more, ident):
    return struct.pack("!BBHI", following, 0, offset | more, ident)


class Neighbour:
    """The peer's link: answers for its addresses, asks for the stack's."""
    ours6 = (V6.peer, "fe80::77")

    def __init__(self, send, mac):
        self.send, self.mac, self.stack_mac, self.told = send, mac, None, {V4: threading.Event(), V6: threading.Event()}

    def arp(self, frame):
        ours = socket.inet_aton(V4.peer)
        if frame[38:42] != ours:
            return
        self.learn(V4, frame[22:28])
        if frame[20:22] == b"\0\1":
            self.send(frame[6:12], b"\x08\x06", frame[14:20] + b"\0\2" + self.mac + ours + frame[22:32])

    def discovery(self, frame, p):
        """A solicitation for one of ours, or the advertisement that we asked for (RFC 4861 section 4)."""
        kind, target = p.payload[0], p.payload[8:24]
        if kind == 136 and target == V6.address(V6.stack):
            self.learn(V6, frame[6:12])
        if kind == 135 and target in (V6.address(a) for a in self.ours6):
            src = socket.inet_ntop(socket.AF_INET6, target)
            message = icmp(V6, src, p.src, 136, 0, target + b"\2\1" + self.mac, 0x60000000)
            self.send(frame[6:12], V6.ethertype, V6.packet(src, p.src, ICMP6, message, hops=255))

    def learn(self, ip, mac):
        self.stack_mac = mac
        self.told[ip].set()

    def ask(self, ip):
        if ip is V4:
            self.send(b"\xff" * 6, b"\x08\x06", b"\0\1\x08\0\6\4\0\1" + self.mac + socket.inet_aton(V4.peer) + bytes(6) +
                      socket.inet_aton(V4.stack))
        else:
            target = V6.address(V6.stack)
            group = socket.inet_ntop(socket.AF_INET6, V6.address("ff02::1:ff00:0")[:13] + target[13:])
            message = icmp(V6, V6.peer, group, 135, 0, target + b"\1\1" + self.mac)
            self.send(b"\x33\x33\xff" + target[13:], V6.ethertype, V6.packet(V6.peer, group, ICMP6, message, hops=255))

    def resolve(self, ip):
        """Until the stack has told its link address; it has ours then, too. Of IPv6 an address is tested before it is used."""
        for _ in range(100):
            self.ask(ip)
            if self.told[ip].wait(0.1):
                return
        raise peer.Failure(f"the stack does not answer for its {ip.name} address")
