"""
The library as a peer sees it that is made of raw packets: socket calls through ff_*, segments on the wire, real time. Both families beside
each other, or one: test_packets.py GROUP [4|6] [TEST...]
"""
import sys

import packets
import packets_close
import packets_data
import packets_events
import packets_ip
import packets_ipv6
import packets_loss
import packets_open
import packets_udp
import packets_window

GROUPS = {"open": packets_open, "data": packets_data, "loss": packets_loss, "window": packets_window, "close": packets_close,
          "ipv6": packets_ipv6, "events": packets_events, "udp": packets_udp}


def chosen(group=None, *names):
    """What the arguments ask for; an unknown name, which would test nothing, is an error."""
    if group not in GROUPS:
        found = "missing" if group is None else f"found {group!r}"
        sys.exit(f"test_packets.py: group: {found}, expected one of {', '.join(GROUPS)}")
    families = packets_ip.FAMILIES.values()
    if names and names[0] in packets_ip.FAMILIES:
        families, names = [packets_ip.FAMILIES[names[0]]], names[1:]
    known = [t.__name__ for t in GROUPS[group].TESTS if getattr(t, "family", None) in (None, *families)]
    for name in names:
        if name not in known:
            sys.exit(f"test_packets.py {group}: test: found {name!r}, expected one of {', '.join(known)}")
    return GROUPS[group].TESTS, families, names


if __name__ == "__main__":
    packets.main(*chosen(*sys.argv[1:]))
