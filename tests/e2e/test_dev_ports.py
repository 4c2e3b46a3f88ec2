"""Two ports in one process, several addresses on each; and a device whose transmit ring is full again and again."""
import socket
import threading

import dev_lib as dev
import peer
from peer import expect, labs

SECOND, SECOND_PEER = "10.78.0.2", "10.78.0.1"
VIPS = ["10.77.0.3", "10.77.0.4"], ["10.78.0.7"]


def second_link(lab):
    lab.call("stack", "ip", "link", "add", "zs1", "type", "veth", "peer", "name", "zc1", "netns", f"/proc/self/fd/{lab.sides['kernel']}")
    for side, name in (("stack", "zs1"), ("kernel", "zc1")):
        lab.call(side, "ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        lab.call(side, "ip", "link", "set", name, "up")
    lab.call("kernel", "ip", "addr", "add", SECOND_PEER + "/24", "dev", "zc1")


def test_ports(lab):
    second_link(lab)
    devices = [f"net_af_packet{i},iface=zs{i},qdisc_bypass=1" for i in (0, 1)]
    ports = [[f"addr={addr}", f"netmask={dev.MASK}", f"vip_addr={';'.join(vips)}"] for addr, vips in ((labs.SERVER_IP, VIPS[0]), (SECOND, VIPS[1]))]
    addresses = [labs.SERVER_IP, SECOND, *VIPS[0], *VIPS[1]]
    with dev.runs(lab) as start:
        run = start("zserver", ["tests/e2e/zserver", str(peer.BASE)], devices, ports)
        dev.wait_tcp(lab, run, labs.SERVER_IP, peer.ECHO)
        for address in addresses:
            dev.roundtrip(lab, address, peer.ECHO, dev.MB)
            dev.fetch(lab, address, peer.SOURCE, dev.MB)
        # all at once, over both ports
        problems = []

        def one(address):
            try:
                dev.roundtrip(lab, address, peer.ECHO, 4 * dev.MB)
            except (peer.Failure, OSError) as e:
                problems.append(f"{address}: {e}")

        threads = [threading.Thread(target=one, args=(a,)) for a in addresses]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        expect(not problems, problems)
        # An address that nobody has stays unanswered: no port of ours may speak for it.
        try:
            peer.connect(lab, peer.ECHO, timeout=1, address="10.77.0.9").close()
            raise peer.Failure("10.77.0.9 is not ours but answers")
        except (socket.timeout, OSError):
            pass
        for address in VIPS[0]:
            answer = lab.call("kernel", "ip", "neigh", "show", address)
            expect("lladdr" in answer, f"{address} has no link address: {answer!r}")
        run.stop()
        dev.no_payload_copies(run)


def test(lab):
    test_ports(lab)


peer.main(test)
