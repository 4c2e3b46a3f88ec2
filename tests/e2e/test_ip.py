"""Fragments of both families and VLANs, with the kernel as the peer: large datagrams and echoes, a VLAN device."""
import hashlib
import os
import socket
import struct
import time

import peer
from packets_ip import checksum
from peer import labs

PORT = 5300
SERVER_IP6, CLIENT_IP6 = "2001:db8:77::2", "2001:db8:77::1"
VLAN, VLAN_SERVER, VLAN_CLIENT = 7, "10.78.0.2", "10.78.0.1"
# Not af_packet: the kernel puts IPv4 fragments together for its sockets, and cuts what is longer than a ring's frame.
CONFIG = ["rx_buffers=8192", "frag_memory=4m", "[vdev0]", f"devargs=net_pcap0,iface={labs.STACK_IF}",
          "[port0]", f"addr6={SERVER_IP6}", "prefix_len=64"]
VLAN_CONFIG = ["[dpdk]", f"vlan_filter={VLAN}", f"[vlan{VLAN}]", "portid=0", f"addr={VLAN_SERVER}", "netmask=255.255.255.0"]


def ping(lab, address, size):
    """An echo request with size bytes, which the kernel cuts; the answer must be whole and the same."""
    v6 = ":" in address
    payload = peer.pattern(size)
    head = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, os.getpid() & 0xffff, size)
    if not v6:  # of ICMPv6 the kernel fills it in
        head = struct.pack("!BBHHH", 8, 0, checksum(head + payload), os.getpid() & 0xffff, size)
    with lab.on("kernel"):
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, 58 if v6 else 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.settimeout(1)
    try:
        for _ in range(10):  # the first ones may wait for a neighbour, with less room than they need
            s.sendto(head + payload, (address, 0))
            end = time.monotonic() + 1
            while time.monotonic() < end:
                try:
                    data = s.recv(1 << 17)
                except socket.timeout:
                    break
                answer = data if v6 else data[20:]
                if answer[0] == (129 if v6 else 0) and answer[4:8] == head[4:8]:
                    peer.expect(answer[8:] == payload, f"{address} answers {len(answer) - 8} of {size} bytes, or others")
                    return
        raise peer.Failure(f"{address} does not answer an echo request of {size} bytes")
    finally:
        s.close()


def datagram(lab, address, size):
    payload = peer.pattern(size)
    with lab.on("kernel"):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    try:
        for _ in range(5):
            s.sendto(payload, (address, PORT))
            try:
                answer = s.recv(1000).decode()
            except socket.timeout:
                continue
            peer.expect(answer == f"{size} {hashlib.sha256(payload).hexdigest()}", f"{size} bytes arrived as {answer!r}")
            return
        raise peer.Failure(f"no answer to a datagram of {size} bytes")
    finally:
        s.close()


def udp_server(lab, extra):
    return peer.program(lab, "tests/e2e/zudp", str(PORT), zstack=CONFIG + extra)


def fragments(lab):
    lab.call("kernel", "sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{labs.CLIENT_IF}/disable_ipv6")
    lab.call("kernel", "ip", "-6", "addr", "add", CLIENT_IP6 + "/64", "dev", labs.CLIENT_IF, "nodad")
    with udp_server(lab, []) as server:
        server.wait_output("ready")
        for size in (1, 1472, 1473, 5000, 60000, 65507):
            datagram(lab, labs.SERVER_IP, size)
        for address in (labs.SERVER_IP, SERVER_IP6):
            for size in (56, 2000, 60000):
                ping(lab, address, size)
    peer.expect(server.counters["ip.reassembled"] >= 8, f"counters: {server.counters}")
    peer.expect(server.counters["ip.fragmented"] >= 4, f"counters: {server.counters}")
    peer.expect(server.counters.get("copy.stack_bytes", 0) == 0, "an echo was copied")


class Tagged:
    """A host on the VLAN that needs no VLAN device: tagged frames through a packet socket."""

    def __init__(self, lab):
        with lab.on("kernel"):
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.s.bind((labs.CLIENT_IF, 0))
        self.s.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the kernel takes tags off
        self.s.settimeout(0.5)
        self.mac = self.s.getsockname()[4]

    def ask(self, dst, kind, payload, wanted, vid=VLAN):
        """Sends until an answer of this VLAN is wanted(payload); None when none comes."""
        for _ in range(6):
            self.s.send(dst + self.mac + struct.pack("!HHH", 0x8100, vid, kind) + payload)
            try:
                while True:
                    data, aux, _, _ = self.s.recvmsg(2048, 64)
                    tci = struct.unpack_from("=H", aux[0][2], 16)[0] if aux else 0
                    if data[12:14] == b"\x81\x00":
                        tci, data = struct.unpack_from("!H", data, 14)[0], data[:12] + data[16:]
                    if tci == VLAN and data[12:14] == struct.pack("!H", kind) and wanted(data[14:]):
                        return data
            except socket.timeout:
                pass
        return None


def vlan_frames(lab):
    host = Tagged(lab)
    client, server = (socket.inet_aton(a) for a in (VLAN_CLIENT, VLAN_SERVER))
    arp = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + host.mac + client + bytes(6) + server
    answer = host.ask(b"\xff" * 6, 0x806, arp, lambda p: p[6:8] == b"\0\2" and p[14:18] == server)
    peer.expect(answer, "no ARP answer on the VLAN")
    mac = answer[6:12]
    echo = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + b"seven"
    echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(echo), 1, 0, 64, 1, 0) + client + server
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    answer = host.ask(mac, 0x800, ip + echo, lambda p: p[12:20] == server + client and p[20] == 0)
    peer.expect(answer and b"seven" in answer, "no echo on the VLAN")
    peer.expect(checksum(answer[14:34]) == 0, "the header checksum of a tagged packet is wrong")
    peer.expect(host.ask(mac, 0x800, ip + echo, lambda p: p[20] == 0, vid=VLAN + 1) is None, "an unknown VLAN was answered")
    host.s.close()


def vlan_device(lab):
    """A VLAN device of the kernel, where it has them."""
    device = f"{labs.CLIENT_IF}.{VLAN}"
    try:
        lab.call("kernel", "ip", "link", "add", "link", labs.CLIENT_IF, "name", device, "type", "vlan", "id", str(VLAN))
    except labs.LabError as e:
        print(f"no VLAN device: {e}")
        return
    lab.call("kernel", "ip", "addr", "add", VLAN_CLIENT + "/24", "dev", device)
    lab.call("kernel", "ip", "link", "set", device, "up")
    for size in (1, 1472, 60000):
        datagram(lab, VLAN_SERVER, size)
    ping(lab, VLAN_SERVER, 20000)


def vlan(lab):
    with udp_server(lab, VLAN_CONFIG) as server:
        server.wait_output("ready")
        vlan_frames(lab)
        vlan_device(lab)
    peer.expect(server.counters["drop.vlan_unknown"] >= 6, f"counters: {server.counters}")


def test(lab):
    fragments(lab)
    vlan(lab)


peer.main(test)
