#!/usr/bin/env python3
"""Neighbour discovery with the kernel as neighbour and a router made of raw frames: autoconfiguration, default route, duplicate
addresses, a neighbour that vanishes, reports of groups."""
import ipaddress
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer  # noqa: E402
from peer import expect  # noqa: E402
from lab import CLIENT_IF  # noqa: E402

PREFIX = "2001:db8:1::"
KERNEL = PREFIX + "1"
FAR = "2001:db8:2::1"  # of the kernel too, but not on the link
GHOST = PREFIX + "dead"  # nobody, or the test itself
GHOST_MAC = b"\x02\x00\x00\x00\xde\xad"
RS, RA, NS, NA, MLD2 = 133, 134, 135, 136, 143
KEYS = ("ipv6=1", "ip6_secret=000102030405060708090a0b0c0d0e0f", "nd_delay_ms=200")


def pack(address):
    return ipaddress.IPv6Address(address).packed


def text(packed):
    return str(ipaddress.IPv6Address(packed))


def cksum(src, dst, payload):
    data = src + dst + struct.pack("!I3xB", len(payload), 58) + payload + b"\0" * (len(payload) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Message:
    """An ICMPv6 message seen on the link."""

    def __init__(self, frame):
        self.eth_dst, self.eth_src = frame[0:6], frame[6:12]
        self.src, self.dst, self.hops = text(frame[22:38]), text(frame[38:54]), frame[21]
        at = 54
        if frame[20] == 0:  # hop-by-hop
            at += 8 + 8 * frame[55]
        elif frame[20] != 58:
            at = len(frame)
        self.body = frame[at:14 + 40 + struct.unpack("!H", frame[18:20])[0]]
        self.type = self.body[0] if self.body else None
        self.target = text(self.body[8:24]) if self.type in (NS, NA) else None


class Link:
    """The kernel's end of the link, below its IP."""

    def __init__(self, lab):
        with lab.on("kernel"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.bind((CLIENT_IF, 3))
        self.socket.setblocking(False)
        self.mac = self.socket.getsockname()[4]
        self.seen = []

    def read(self, timeout):
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            frame, address = self.socket.recvfrom(65536)
            if address[2] != socket.PACKET_OUTGOING and frame[12:14] == b"\x86\xdd":
                m = Message(frame)
                self.seen.append(m)
                return m

    def wait(self, what, condition, timeout=15):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            m = self.read(end - time.monotonic())
            if m and condition(m):
                return m
        raise peer.Failure(f"no {what} within {timeout} s; seen: {[(x.type, x.src, x.target) for x in self.seen[-20:]]}")

    def send(self, eth_dst, src, dst, body, hops=255, eth_src=None):
        src, dst = pack(src), pack(dst)
        body = body[:2] + struct.pack("!H", cksum(src, dst, body[:2] + b"\0\0" + body[4:])) + body[4:]
        ip = struct.pack("!IHBB", 6 << 28, len(body), 58, hops) + src + dst
        self.socket.send(eth_dst + (eth_src or self.mac) + b"\x86\xdd" + ip + body)

    def advertise_router(self, src, valid=3600, reachable_ms=1000):
        body = struct.pack("!BBHBBHII", RA, 0, 0, 64, 0, 1800, reachable_ms, 0)
        body += b"\x01\x01" + self.mac
        body += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, valid, valid, 0) + pack(PREFIX)
        self.send(b"\x33\x33\0\0\0\1", src, "ff02::1", body)


def prepare(lab):
    """IPv6 on the kernel's end; its link-local address."""
    for key, value in (("accept_dad", 0), ("accept_ra", 0), ("router_solicitations", 0), ("disable_ipv6", 0)):
        lab.call("kernel", "sh", "-c", f"echo {value} >/proc/sys/net/ipv6/conf/{CLIENT_IF}/{key}")
    lab.call("kernel", "ip", "-6", "addr", "add", KERNEL + "/64", "dev", CLIENT_IF, "nodad")
    lab.call("kernel", "ip", "-6", "addr", "add", FAR + "/128", "dev", "lo", "nodad")
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for line in lab.call("kernel", "ip", "-6", "-o", "addr", "show", "dev", CLIENT_IF, "scope", "link").splitlines():
            if "tentative" not in line:
                return line.split("inet6 ")[1].split("/")[0]
        time.sleep(0.05)
    raise peer.Failure("the kernel has no link-local address")


def ping(lab, dst, src, timeout=10):
    with lab.on("kernel"):
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    s.bind((src, 0))
    s.settimeout(1)
    end = time.monotonic() + timeout
    seq = 0
    while time.monotonic() < end:
        seq += 1
        s.sendto(struct.pack("!BBHHH", 128, 0, 0, 77, seq) + b"ping", (dst, 0))
        try:
            while True:
                answer, address = s.recvfrom(2048)
                if answer[0] == 129 and answer[4:6] == b"\0\x4d" and address[0] == dst:
                    s.close()
                    return
        except socket.timeout:
            pass
    raise peer.Failure(f"no answer to pings from {src} to {dst}")


def autoconfigure(link, router):
    """The stack asks for a router and is sent an advertisement. Returns the address that it forms."""
    solicit = link.wait("router solicitation", lambda m: m.type == RS)
    expect(solicit.src.startswith("fe80") and solicit.dst == "ff02::2" and solicit.hops == 255, f"from {solicit.src} to {solicit.dst}")
    link.advertise_router(router)
    return link.wait("test of the formed address", is_test).target


def is_test(m):
    """Of a global address (RFC 4862 section 5.4.2)."""
    return m.type == NS and m.src == "::" and m.target.startswith(PREFIX[:-1]) and m.dst.startswith("ff02::1:ff")


def wait_usable(link, address):
    link.wait(f"announcement of {address}", lambda m: m.type == NA and m.target == address)


def reports(link, address):
    """Groups of the report of MLDv2 that are the address's solicited-node one."""
    group = pack("ff02::1:ff00:0")[:13] + pack(address)[13:]
    return [m for m in link.seen if m.type == MLD2 and m.dst == "ff02::16" and m.hops == 1 and group in m.body]


def vanishing_neighbour(link, address):
    """The test is the neighbour: it answers one solicitation and then no more."""
    stack_mac = next(m.eth_src for m in link.seen if m.type == NS)
    echo = struct.pack("!BBHHH", 128, 0, 0, 1, 1)
    link.send(stack_mac, GHOST, address, echo, hops=64, eth_src=GHOST_MAC)
    asked = link.wait("question for the neighbour", lambda m: m.type == NS and m.target == GHOST)
    advert = struct.pack("!BBHI", NA, 0, 0, 0x60000000) + pack(GHOST) + b"\x02\x01" + GHOST_MAC
    link.send(stack_mac, GHOST, asked.src, advert, eth_src=GHOST_MAC)
    link.wait("answer to the ping", lambda m: m.type == 129 and m.dst == GHOST)
    time.sleep(2)  # reachable for 1.5 s at most, as the router said
    link.send(stack_mac, GHOST, address, echo, hops=64, eth_src=GHOST_MAC)
    link.wait("answer to the second ping", lambda m: m.type == 129 and m.dst == GHOST)
    link.wait("unicast probe", lambda m: m.type == NS and m.target == GHOST and m.eth_dst == GHOST_MAC)
    link.wait("question to all", lambda m: m.type == NS and m.target == GHOST and m.eth_dst[0] == 0x33)


def test(lab):
    router = prepare(lab)
    with peer.server(lab, zstack=KEYS) as p:
        link = Link(lab)
        formed = autoconfigure(link, router)
        wait_usable(link, formed)
        ping(lab, formed, KERNEL)
        ping(lab, formed, FAR)  # back by the default route
        expect(reports(link, formed), "no MLDv2 report of the solicited-node group")
        vanishing_neighbour(link, formed)
    expect(p.counters.get("nd.addresses_formed") == 1, f"counters: {p.counters}")
    expect(not p.counters.get("nd.duplicates"), "a duplicate that there is not")

    # the same secret, the same address (RFC 7217): which the kernel has now
    lab.call("kernel", "ip", "-6", "addr", "add", formed + "/64", "dev", CLIENT_IF, "nodad")
    with peer.server(lab, zstack=KEYS) as p:
        link = Link(lab)
        again = autoconfigure(link, router)
        expect(again == formed, f"formed {again}, before {formed}")
        second = link.wait("test of another", lambda m: is_test(m) and m.target != formed)
        wait_usable(link, second.target)
        ping(lab, second.target, KERNEL)
    expect(p.counters.get("nd.duplicates") == 1, f"counters: {p.counters}")
    expect("address in use" in p.text and formed in p.text, f"nobody was told:\n{p.text}")


if __name__ == "__main__":
    peer.main(test)
