#!/usr/bin/env python3
"""Conflicts over IPv4 addresses (RFC 5227), with the kernel as the other host: found at the start, told, and not used if asked so."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer  # noqa: E402
from peer import expect, labs  # noqa: E402

TWICE = "10.77.0.77"  # the kernel's, and in our configuration
FREE = "10.77.0.78"


def uses(lab):
    """The addresses that the stack answers for, as the kernel finds out."""
    lab.call("kernel", "ip", "neigh", "flush", "dev", labs.CLIENT_IF)
    found = []
    for address in (labs.SERVER_IP, FREE):
        try:
            peer.connect(lab, peer.ECHO, timeout=2, address=address).close()
            found.append(address)
        except OSError:
            pass
    return found


def kept_and_told(lab):
    """By default an address is used at once, and the conflict found by the test is told."""
    with peer.server(lab, port0=[f"vip_addr={TWICE};{FREE}"]) as p:
        expect(uses(lab) == [labs.SERVER_IP, FREE], "the addresses are not there at once")
        p.wait_output("address in use: another host on the network answers", timeout=10)
    expect(p.counters.get("arp.conflict", 0) >= 1 and p.counters.get("arp.duplicate", 0) == 0, f"counters: {p.counters}")


def tested_first(lab):
    """With arp_probe=2 an address is used some seconds later, and not at all while another host has it."""
    started = time.monotonic()
    with peer.server(lab, zstack=["arp_probe=2"], port0=[f"vip_addr={TWICE};{FREE}"]) as p:
        took = time.monotonic() - started
        expect(4 <= took <= 12, f"the address was there after {took:.1f} s")
        time.sleep(1.5)  # each address waits for a time of its own
        expect(uses(lab) == [labs.SERVER_IP, FREE], "the free addresses are not used")
        p.wait_output("address in use: another host on the network has an address of this program, which is not used")
    expect(p.counters.get("arp.duplicate", 0) == 1 and p.counters.get("arp.conflict", 0) == 0, f"counters: {p.counters}")


def test(lab):
    lab.call("kernel", "ip", "addr", "add", TWICE + "/24", "dev", labs.CLIENT_IF)
    kept_and_told(lab)
    tested_first(lab)


peer.main(test)
