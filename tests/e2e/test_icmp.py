#!/usr/bin/env python3
"""Sockets of ICMP with the kernel as peer, pings both ways while both are at it; and what a router, the kernel, says of packets."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer  # noqa: E402
from peer import expect, labs  # noqa: E402

SERVER_IP6, CLIENT_IP6 = "2001:db8:77::2", "2001:db8:77::1"
PORT0 = [f"addr6={SERVER_IP6}", "prefix_len=64", f"gateway6={CLIENT_IP6}"]
# Not af_packet: the kernel puts IPv4 fragments together for its sockets, and cuts what is longer than a ring's frame.
DEVICE = ["rx_buffers=8192", "dad_transmits=0", "frag_memory=4m", "[vdev0]", f"devargs=net_pcap0,iface={labs.STACK_IF}", "[port0]"]
FAR4, FAR6 = "10.99.0.1", "2001:db8:99::1"


def stack_pings(lab, *argv):
    """The output of a ping through the stack."""
    with peer.program(lab, "examples/ping", *argv, zstack=DEVICE + PORT0) as p:
        p.wait_output("sent,", timeout=60)
    return p.text


def both_ways(lab):
    for raw in ([], ["raw"]):
        for address, family in ((labs.CLIENT_IP, 4), (CLIENT_IP6, 6)):
            for size in (0, 56, 1400, 8000):
                text = stack_pings(lab, *raw, address, "3", str(size))
                replies = re.findall(rf"(\d+) bytes from {address}: seq=(\d+) hops=64", text)
                expect([(str(size + 8), str(i)) for i in (1, 2, 3)] == replies, f"{raw} {address} {size}: {text}")
    # a socket that hears all leaves the answers to the stack
    lab.call("kernel", "ip", "route", "add", "blackhole", FAR4)
    with peer.program(lab, "examples/ping", "raw", FAR4, "5", "56", zstack=DEVICE + PORT0) as p:
        peer.kernel_pings(lab, labs.SERVER_IP, 56)
        peer.kernel_pings(lab, SERVER_IP6, 3000)
        p.wait_output("5 sent, 0 answered", timeout=60)
    lab.call("kernel", "ip", "route", "del", "blackhole", FAR4)


def routers(lab):
    """The kernel as a router that refuses, has no way, and counts hops."""
    cases = [
        (4, "unreachable", "No route to host", 3, 1), (4, "prohibit", "No route to host", 3, 13), (4, "throw", "Network is unreachable", 3, 0),
        (6, "unreachable", "Network is unreachable", 1, 0), (6, "prohibit", "Permission denied", 1, 1),
    ]
    lab.call("kernel", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding;"
             "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit")
    for family, kind, error, kind_number, code in cases:
        address = FAR4 if family == 4 else FAR6
        net = address + ("/32" if family == 4 else "/128")
        lab.call("kernel", "ip", f"-{family}", "route", "add", kind, net)
        count = 2 if kind == "unreachable" else 1  # the kernel tells a host of five refused packets, then of one a second (ip_error)
        text = stack_pings(lab, address, str(count))
        reporter = labs.CLIENT_IP if family == 4 else CLIENT_IP6
        want = f"from {reporter}: {error} (type {kind_number} code {code} info 0)"
        expect(text.count(want) == count, f"{kind}: no {want!r} ({count}) in: {text}")
        lab.call("kernel", "ip", f"-{family}", "route", "del", kind, net)
    for family, address in ((4, FAR4), (6, FAR6)):
        lab.call("kernel", "ip", f"-{family}", "route", "add", address + ("/32" if family == 4 else "/128"), "dev", labs.CLIENT_IF)
        text = stack_pings(lab, address, "1", "56", "1")
        reporter = labs.CLIENT_IP if family == 4 else CLIENT_IP6
        want = f"from {reporter}: No route to host (type {11 if family == 4 else 3} code 0 info 0)"
        expect(want in text, f"hops: no {want!r} in: {text}")


def nobody(lab):
    """A neighbour that does not exist: told by the stack itself."""
    text = stack_pings(lab, "10.77.0.99", "4")
    expect(f"from {labs.SERVER_IP}: No route to host (type 3 code 1 info 0)" in text, f"nobody: {text}")


def test(lab):
    lab.call("kernel", "sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{labs.CLIENT_IF}/disable_ipv6")
    lab.call("kernel", "ip", "addr", "add", CLIENT_IP6 + "/64", "dev", labs.CLIENT_IF, "nodad")
    both_ways(lab)
    routers(lab)
    nobody(lab)


peer.main(test)
