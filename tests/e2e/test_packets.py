"""The library as a peer sees it that is made of raw packets: socket calls through ff_*, segments on the wire, real time."""
import sys

import packets
import packets_close
import packets_data
import packets_loss
import packets_open
import packets_window

GROUPS = {"open": packets_open, "data": packets_data, "loss": packets_loss, "window": packets_window, "close": packets_close}


if __name__ == "__main__":
    packets.main(GROUPS[sys.argv[1]].TESTS, sys.argv[2:])
