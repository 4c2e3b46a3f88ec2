"""SYNs from random sources while 100 connections work: none of them notices, and no connection block is spent. Usage: test_flood.py PER_SECOND COUNT"""
import re
import sys
import time

import peer
from peer import labs

PORT = 80
CONNECTIONS = 100


def wrk(lab, seconds):
    out = lab.call("kernel", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://{labs.SERVER_IP}:{PORT}/", timeout=seconds + 60)
    problems = re.search(r"Socket errors.*|Non-2xx.*", out)
    peer.expect(not problems, f"wrk: {problems and problems[0]}")
    return float(re.search(r"Requests/sec:\s*([\d.]+)", out)[1])


def stack_mac(lab):
    neighbours = lab.call("kernel", "ip", "neigh", "show", labs.SERVER_IP, "dev", labs.CLIENT_IF)
    return re.search(r"lladdr ([0-9a-f:]+)", neighbours)[1]


def test(lab):
    per_second, count = int(sys.argv[1]), int(sys.argv[2]) * peer.SOAK
    seconds = max(count // per_second, 2)
    with peer.program(lab, "examples/http", "64", str(PORT), port=PORT) as server:
        quiet = wrk(lab, seconds)
        flood = lab.popen("kernel", f"{peer.BUILD}/tests/e2e/synflood", labs.CLIENT_IF, stack_mac(lab), labs.SERVER_IP, PORT, per_second,
                          count, 1, stdout=-1, text=True)
        started = time.monotonic()
        flooded = wrk(lab, seconds)
        out, _ = flood.communicate(timeout=seconds + 60)
        peer.expect(flood.returncode == 0 and out.startswith(f"sent {count}"), f"synflood: {out!r}")
        print(f"{out.strip()}; {time.monotonic() - started:.1f} s: {quiet:.0f} requests/s before, {flooded:.0f} during: {flooded / quiet:.2f}")
    opened = server.counters.get("tcp.opens_passive", 0)
    peer.expect(opened < 10 * CONNECTIONS, f"{opened} connections were opened: the flood was taken for clients")
    peer.expect_no_copies(server.counters)


peer.main(test, commands=("ip", "ethtool", "wrk"))
