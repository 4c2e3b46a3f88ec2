"""UDP with the kernel as the peer, both families: echo by reference, datagrams in fragments, groups in both directions, errors."""
import socket
import struct

import peer
from peer import labs

PORT = 7900
GROUP4, GROUP6 = "239.1.2.3", "ff02::1234"
SERVER_IP6, CLIENT_IP6 = "2001:db8:77::2", "2001:db8:77::1"
SMALL, LARGE = (1, 100, 1452, 1472), (1473, 4000, 9000, 60_000)
IPV6 = ["[port0]", f"addr6={SERVER_IP6}", "prefix_len=64"]
# The kernel puts IPv4 fragments together for the sockets of af_packet, whose ring has no room for the whole.
NO_RING = ["rx_buffers=8192", "frag_memory=4m", "[vdev0]", f"devargs=net_pcap0,iface={labs.STACK_IF}"]


def enable_ipv6(lab):
    lab.call("kernel", "sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{labs.CLIENT_IF}/disable_ipv6")
    lab.call("kernel", "ip", "addr", "add", CLIENT_IP6 + "/64", "dev", labs.CLIENT_IF, "nodad")


def kernel_socket(lab, family, timeout=2.0):
    with lab.on("kernel"):
        s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(timeout)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return s


def address(family):
    return (labs.SERVER_IP, PORT) if family == socket.AF_INET else (SERVER_IP6, PORT)


def exchange(s, to, data, tries=5):
    """The answer to a datagram, which may be lost: neighbours that are looked for keep few packets."""
    for _ in range(tries):
        s.sendto(data, to)
        try:
            while True:
                answer, source = s.recvfrom(70_000)
                if answer == data:
                    return source
        except socket.timeout:
            pass
    raise peer.Failure(f"no echo of {len(data)} bytes from {to}")


def wait_ready(lab, server):
    server.wait_output(f"udp_echo: port {PORT}")
    for family in (socket.AF_INET, socket.AF_INET6):
        with kernel_socket(lab, family, timeout=0.5) as s:
            exchange(s, address(family), b"ready?", tries=40)


def echo(lab, family, sizes):
    with kernel_socket(lab, family) as s:
        for size in sizes:
            source = exchange(s, address(family), peer.pattern(size, size))
            peer.expect(source[:2] == address(family), f"the answer came from {source}")
        s.connect(address(family))
        for i in range(500):
            data = peer.pattern(200 + i, i)
            s.send(data)
            peer.expect(s.recv(70_000) == data, f"datagram {i} came back changed")


def group4(lab, sizes):
    with kernel_socket(lab, socket.AF_INET) as s, kernel_socket(lab, socket.AF_INET) as listener:
        nif = socket.inet_aton(labs.CLIENT_IP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((GROUP4, PORT))
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP4) + nif)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, nif)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        for size in sizes:
            s.sendto(peer.pattern(size), (GROUP4, PORT))
            data, source = listener.recvfrom(70_000)
            peer.expect(data == peer.pattern(size), f"{len(data)} bytes to the group instead of {size}")
            peer.expect(source == (labs.SERVER_IP, PORT), f"the group was sent to from {source}")


def group6(lab, sizes):
    with kernel_socket(lab, socket.AF_INET6) as s, kernel_socket(lab, socket.AF_INET6) as listener:
        with lab.on("kernel"):
            index = socket.if_nametoindex(labs.CLIENT_IF)
        group = socket.inet_pton(socket.AF_INET6, GROUP6)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((GROUP6, PORT, 0, index))
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("@I", index))
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        for size in sizes:
            s.sendto(peer.pattern(size), (GROUP6, PORT))
            data, source = listener.recvfrom(70_000)
            peer.expect(data == peer.pattern(size), f"{len(data)} bytes to the group instead of {size}")
            # link-local, unless that address is still being tested for duplicates
            peer.expect(source[0].startswith("fe80:") or source[:2] == (SERVER_IP6, PORT), f"the group was sent to from {source}")


def closed_port(lab, family):
    with kernel_socket(lab, family) as s:
        s.connect((address(family)[0], PORT + 1))
        s.send(b"x")
        try:
            s.recv(10)
        except ConnectionRefusedError:
            return
    raise peer.Failure("a closed port answered")


def serve(lab, sizes, zstack):
    with peer.program(lab, "examples/udp_echo", str(PORT), GROUP4, GROUP6 + "%1", zstack=zstack) as server:
        wait_ready(lab, server)
        for family in (socket.AF_INET, socket.AF_INET6):
            echo(lab, family, sizes)
            closed_port(lab, family)
        group4(lab, sizes[:3])
        group6(lab, sizes[:3])
    return server.counters


def test(lab):
    enable_ipv6(lab)
    peer.expect_no_copies(serve(lab, SMALL, IPV6))
    counters = serve(lab, LARGE, NO_RING + IPV6)
    copied = {n: v for n, v in counters.items() if n.startswith("copy.") and n != "copy.port_bytes" and v}
    peer.expect(not copied, f"not by the device, which takes no chains: {copied}")
    for name in ("ip.reassembled", "ip.fragmented"):
        peer.expect(counters.get(name, 0) >= 2 * len(LARGE), f"counters: {counters}")


socket.setdefaulttimeout(30)
peer.main(test)
