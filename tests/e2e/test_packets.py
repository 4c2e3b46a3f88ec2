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


if __name__ == "__main__":
    group, *names = sys.argv[1:]
    families = [packets_ip.FAMILIES[names.pop(0)]] if names and names[0] in packets_ip.FAMILIES else packets_ip.FAMILIES.values()
    packets.main(GROUPS[group].TESTS, families, names)
