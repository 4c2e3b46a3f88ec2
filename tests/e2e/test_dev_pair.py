"""Devices between two processes of the stack: memif, virtio_user and vhost. usage: test_dev_pair.py NAME"""
import os
import sys
import time

import dev_lib as dev
import peer
from peer import expect

SERVER, CLIENT = "10.79.0.2", "10.79.0.1"
MODES = ["echo", "copy", "sink", "source", "wrap"]


def pair(lab, server_dev, client_dev, total=8 * dev.MB, server_first=True, ready=None, modes=MODES, force=(), **kw):
    """zserver on one device, zclient on the other; returns both runs after they ended. force: who of them has force_offload."""
    with dev.runs(lab) as start:
        tmp = start.tmp
        devices = {"zserver": (server_dev, SERVER, ["tests/e2e/zserver", str(peer.BASE)]),
                   "zclient": (client_dev, CLIENT, ["tests/e2e/zclient", SERVER, str(peer.BASE), str(total), *modes])}
        found = {}
        for name in ("zserver", "zclient") if server_first else ("zclient", "zserver"):
            device, address, argv = devices[name]
            port = [f"addr={address}", f"netmask={dev.MASK}", f"force_offload={int(name in force)}"]
            found[name] = start(name, argv, [device.format(tmp=tmp)], [port], **kw)
            if ready and len(found) == 1:
                end = time.monotonic() + 15
                while not os.path.exists(ready.format(tmp=tmp)):
                    expect(found[name].process.poll() is None and time.monotonic() < end, f"{name} made no socket")
                    time.sleep(0.02)
        client = found["zclient"].wait(90)
        server = found["zserver"].stop()
        for mode in modes:
            expect(f"{mode}: {total} bytes are right" in client.text, f"mode {mode}")
        return server, client


def released(client):
    """The line about wrapped memory: counts equal, acknowledged."""
    line = next(x for x in client.text.splitlines() if x.startswith("wrapped "))
    words = line.split()
    expect(words[1] == words[3], f"not all came back: {line}")
    expect("acked" in words and "aborted" not in words, line)
    return words


def test_memif(lab):
    """The role "server" of memif makes the socket and so starts first; the device copies, the stack does not."""
    socket = "socket={tmp}/m.sock,socket-abstract=no"
    server, client = pair(lab, "net_memif0,role=server,id=0," + socket, "net_memif0,role=client,id=0," + socket, ready="{tmp}/m.sock")
    expect("copied" not in released(client), "memif takes application memory as it is")
    dev.no_payload_copies(server)
    dev.no_payload_copies(client)


def test_vhost(lab):
    """The vhost end must be there first. virtio_user loses frames from application memory: they are copied, and counted."""
    for skip in ((), ("tx_csum_offload_skip=1",)):
        print(f"  tx_csum_offload_skip={len(skip)}", flush=True)
        server, client = pair(lab, "net_vhost0,iface={tmp}/v.sock,queues=1", "net_virtio_user0,path={tmp}/v.sock,queues=1,queue_size=256",
                              ready="{tmp}/v.sock", dpdk=skip)
        expect("copied" in released(client), "copied memory must say so in the release flags")
        expect(client.counters.get("copy.port_bytes", 0) >= 8 * dev.MB, "the copies of wrapped memory were not counted")
        dev.no_payload_copies(server)
        dev.no_payload_copies(client, ports=False)


def test_virtio_server(lab):
    """The other way round: the server on virtio_user, the client on vhost."""
    server, client = pair(lab, "net_virtio_user0,path={tmp}/v.sock,queues=1,queue_size=256", "net_vhost0,iface={tmp}/v.sock,queues=1",
                          server_first=False, ready="{tmp}/v.sock")
    expect("copied" not in released(client), "vhost takes application memory as it is")
    dev.no_payload_copies(server)
    dev.no_payload_copies(client)


def large_frames(run, sent=True, received=True):
    """Frames of several segments went and came, or did not."""
    for counter, wanted in (("port.tx_tso", sent), ("port.rx_lro", received)):
        expect((run.counters.get(counter, 0) > 0) == wanted, f"{run.name}: {counter} {run.counters.get(counter, 0)}")
    print(f"    {run.name}: {run.counters.get('tcp.segments_tx', 0)} segments in {run.counters.get('port.tx_packets', 0)} frames, "
          f"{run.counters.get('tcp.segments_rx', 0)} in {run.counters.get('port.rx_packets', 0)}", flush=True)


VHOST_TSO = "net_vhost0,iface={tmp}/v.sock,queues=1,tso=1"
USER = "net_virtio_user0,path={tmp}/v.sock,queues=1,queue_size=256"


def test_tso(lab):
    """Whole frames of 64 KB both ways, with the server at either end. vhost does not offer what it carries."""
    for vhost, user in (("zserver", "zclient"), ("zclient", "zserver")):
        device = {vhost: VHOST_TSO, user: USER}
        server, client = pair(lab, device["zserver"], device["zclient"], ready="{tmp}/v.sock", server_first=vhost == "zserver", force=(vhost,),
                              total=32 * dev.MB)
        for run in (server, client):
            large_frames(run)
            dev.no_payload_copies(run, ports=run.name == vhost)


def test_tso_off(lab):
    """What the keys forbid does not happen, though the devices would; checksums in software serve as well. lro=0 binds only its own end."""
    no_sums = ("tx_csum_offload_skip=1",)
    for dpdk, zstack, large in ((("tso=0",), (), False), (no_sums, (), False), (no_sums, ("rx_csum_offload_skip=1",), False), ((), ("lro=0",), None)):
        print(f"  {' '.join(dpdk + zstack)}", flush=True)
        server, client = pair(lab, VHOST_TSO, USER, ready="{tmp}/v.sock", force=("zserver",), dpdk=dpdk, zstack=zstack, modes=["echo", "source"])
        for run in (server, client) if large is not None else ():
            large_frames(run, sent=large, received=large)


def test_events(lab):
    """Requests with silences in between: each wakes the server, asleep on either device, by the device's event, and little else does."""
    vhost, user, requests = "net_vhost0,iface={tmp}/v.sock,queues=1", USER, 100
    for name, devices in (("vhost", (vhost, user)), ("virtio_user", (user, vhost))):
        with dev.runs(lab) as start:
            tmp, found = start.tmp, {}
            ends = [("zserver", devices[0], SERVER, ["tests/e2e/zserver", str(peer.BASE)], {}),
                    ("zload", devices[1], CLIENT, ["tools/zload", f"echo://{SERVER}:{peer.BASE}"],
                     {"options": ["--counters", "--wait", "15", "--rate", "50", "--requests", str(requests)], "zstack": ["polling=always"]})]
            for end, device, address, argv, more in ends if name == "vhost" else ends[::-1]:
                found[end] = start(end, argv, [device.format(tmp=tmp)], [address], **more)
                if len(found) == 1:
                    deadline = time.monotonic() + 15
                    while not os.path.exists(f"{tmp}/v.sock"):
                        expect(found[end].process.poll() is None and time.monotonic() < deadline, f"{end} made no socket")
                        time.sleep(0.02)
            found["zload"].wait(60)
            woken = found["zserver"].stop().counters.get("loop.woken_event", 0)
            print(f"  {name}: {woken} sleeps ended by an event", flush=True)
            expect(requests * 0.7 <= woken <= requests * 5, f"{name}: {woken} of the server's sleeps were ended by an event, for {requests} requests")


def test_ring(lab):
    """net_ring within one process, its ends joined: what is sent comes back. The stack talks to its own address."""
    with dev.runs(lab) as start:
        run = start("zserver", ["tests/e2e/zserver", str(peer.BASE)], ["net_ring0"], [SERVER])
        run.wait_output("fork: child refused")
        time.sleep(1)
        run.stop()
        expect(run.counters.get("port.rx_packets", 0) > 0, "its own announcement did not come back")


def main():
    peer.main(globals()["test_" + sys.argv[1]])


main()
