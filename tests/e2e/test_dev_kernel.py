"""Devices whose peer is the kernel: af_packet (also jumbo), af_xdp, tap, pcap. usage: test_dev_kernel.py DEVICE"""
import sys
import time

import dev_lib as dev
import peer
from peer import expect, labs

AF_PACKET = f"net_af_packet0,iface={labs.STACK_IF},qdisc_bypass=1"


def link_mtu(lab, mtu):
    lab.call("stack", "ip", "link", "set", labs.STACK_IF, "mtu", str(mtu))
    lab.call("kernel", "ip", "link", "set", labs.CLIENT_IF, "mtu", str(mtu))


def serve(lab, device, port=labs.SERVER_IP, total=8 * dev.MB, address=labs.SERVER_IP, before=None, **kw):
    """The server under transfers, then the HTTP example; returns the server's counters."""
    with dev.runs(lab) as start:
        run = start("zserver", ["tests/e2e/zserver", str(peer.BASE)], [device], [port], **kw)
        if before:
            before(run)
        dev.wait_tcp(lab, run, address, peer.ECHO)
        dev.kernel_transfers(lab, address, total)
        run.stop()
    with dev.runs(lab) as start:
        web = start("http", ["examples/http", "20000", "80"], [device], [port], **kw)
        if before:
            before(web)
        dev.wait_tcp(lab, web, address, 80)
        dev.http(lab, web, address)
        web.stop()
    return run


def test_af_packet(lab):
    run = serve(lab, AF_PACKET)
    dev.no_payload_copies(run)
    expect("released 0" not in run.text, "wrapped memory did not come back")


def test_af_packet_jumbo(lab):
    link_mtu(lab, 9000)
    device = AF_PACKET + ",framesz=16384,blocksz=16384,framecnt=256"
    run = serve(lab, device, [f"addr={labs.SERVER_IP}", f"netmask={dev.MASK}", "mtu=9000"], total=16 * dev.MB)
    dev.no_payload_copies(run)
    mean = run.counters["port.tx_bytes"] / run.counters["port.tx_packets"]
    expect(mean > 3000, f"frames of {mean:.0f} bytes on average: no jumbo frames")


def test_af_xdp(lab):
    # A veth hands plain frames to XDP without zero copy; busy polling would make it three times slower.
    device = f"net_af_xdp0,iface={labs.STACK_IF},busy_budget=0"
    run = serve(lab, device)
    expect(run.counters.get("port.tx_linearized", 0) > 0, "af_xdp takes plain buffers only: frames must have been linearised")
    dev.no_payload_copies(run, ports=False)
    expect(run.counters["copy.port_bytes"] > 0, "the port's copies were not counted")


def test_tap(lab):
    def up(run):
        """The kernel's end of the device comes with it. It lives on the stack's side."""
        end = time.monotonic() + 15
        while True:
            try:
                lab.call("stack", "ip", "addr", "replace", "10.78.0.1/24", "dev", "ztap0")
                break
            except labs.LabError:
                expect(run.process.poll() is None, f"{run.name} ended with status {run.process.poll()}")
                expect(time.monotonic() < end, "no interface ztap0")
                time.sleep(0.05)
        lab.call("stack", "ip", "link", "set", "ztap0", "up")
        lab.call("stack", "ip", "neigh", "flush", "dev", "ztap0")

    # Sockets of this test are made on the kernel's side: here that is the stack's.
    lab.sides["kernel"], kernel = lab.sides["stack"], lab.sides["kernel"]
    for skip in ((), ("tx_csum_offload_skip=1",)):
        print(f"  tx_csum_offload_skip={len(skip)}", flush=True)
        run = serve(lab, "net_tap0,iface=ztap0", "10.78.0.2", total=4 * dev.MB, address="10.78.0.2", before=up, dpdk=skip)
        dev.no_payload_copies(run)
    lab.sides["kernel"] = kernel


def test_pcap(lab):
    run = serve(lab, f"net_pcap0,iface={labs.STACK_IF}", total=dev.MB)
    dev.no_payload_copies(run, ports=False)  # the driver does not offer chains
    expect(run.counters["copy.port_bytes"] > 0, "the port's copies were not counted")


def main():
    name = sys.argv[1]
    peer.main(globals()["test_" + name])


main()
