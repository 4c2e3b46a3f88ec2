"""IPv6 with the kernel as the peer: ping, transfers by hash, curl, both families on one socket, errors; a capture without complaint."""
import ipaddress
import os
import shutil
import socket
import tempfile
import time

import peer
from peer import labs

TOTAL = 100_000_000 * peer.SOAK
PORT0 = ("addr6=" + labs.SERVER_IP6, "prefix_len=64", "gateway6=" + labs.CLIENT_IP6)
COMPLAINTS = ("_ws.malformed || _ws.expert.severity == error || tcp.checksum.status == Bad || udp.checksum.status == Bad"
              " || icmpv6.checksum.status == Bad")


def link_local(mac):
    """The address that an interface makes of its own (RFC 4291 appendix A), in the client's zone."""
    b = [int(x, 16) for x in mac.split(":")]
    b = [b[0] ^ 2, b[1], b[2], 0xff, 0xfe, *b[3:]]
    return "fe80::" + ":".join(f"{b[i]:02x}{b[i + 1]:02x}" for i in range(0, 8, 2)) + "%" + labs.CLIENT_IF


def server_mac(lab):
    for line in lab.call("kernel", "ip", "-6", "neigh", "show", labs.SERVER_IP6).splitlines():
        words = line.split()
        if "lladdr" in words:
            return words[words.index("lladdr") + 1]
    raise peer.Failure("the kernel knows no link address of the stack")


def wait_address(lab):
    """Until duplicate address detection is over (RFC 4862 section 5.4)."""
    end = time.monotonic() + 10
    while True:
        try:
            peer.connect(lab, peer.ECHO, timeout=1, address=labs.SERVER_IP6).close()
            return
        except OSError as e:
            if time.monotonic() > end:
                raise peer.Failure(f"no answer at {labs.SERVER_IP6}: {e}") from None


def ping(lab, address, size=56):
    """An echo request (RFC 4443 section 4.1); the kernel fills the checksum in, cuts it and puts the answer together."""
    with lab.on("kernel"):
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
    s.settimeout(5)
    to = peer.sockaddr(lab, address, 0)
    text = peer.pattern(size)
    s.sendto(b"\x80\0\0\0zs\0\x01" + text, to)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        answer, sender = s.recvfrom(65536)
        if answer[0] == 129 and answer[4:8] == b"zs\0\x01":
            peer.expect(answer[8:] == text, f"{address}: the answer has {len(answer) - 8} bytes, not those {size} that were sent")
            peer.expect(ipaddress.ip_address(sender[0].split("%")[0]) == ipaddress.ip_address(to[0]), f"{sender[0]} answered for {address}")
            s.close()
            return
    raise peer.Failure(f"no answer of {address} to {size} bytes")


def refused(lab):
    try:
        peer.connect(lab, 9, address=labs.SERVER_IP6)
        raise peer.Failure("a closed port accepted")
    except ConnectionRefusedError:
        pass
    with lab.on("kernel"):
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((labs.SERVER_IP6, 9))
    s.send(b"anybody?")
    try:
        s.recv(10)
        raise peer.Failure("a closed UDP port answered")
    except ConnectionRefusedError:  # ICMPv6, port unreachable
        s.close()


def conversations(lab):
    wait_address(lab)
    ping(lab, labs.SERVER_IP6)
    ping(lab, labs.SERVER_IP6, 1452)
    ping(lab, labs.SERVER_IP6, 4000)  # in fragments, both ways
    local = link_local(server_mac(lab))
    ping(lab, local)
    refused(lab)
    for peer.server_address in (labs.SERVER_IP6, local, labs.SERVER_IP):
        for n in (0, 1, 1428, 1_000_000):
            peer.echo(lab, n)
            peer.download(lab, n)
            peer.upload(lab, n)
    peer.server_address = labs.SERVER_IP6


def bulk(lab):
    peer.upload(lab, TOTAL)
    peer.download(lab, TOTAL, port=peer.WRAP)


def read_capture(lab, file):
    text = lab.call("kernel", "tcpdump", "-Z", "root", "-n", "-vv", "-r", file, "ip6")
    peer.expect(text.count("\n") > 300, "the capture has too few packets")
    bad = [line for line in text.splitlines() if "incorrect" in line or " bad " in line or "[|" in line]
    peer.expect(not bad, f"tcpdump complains: {bad[:3]}")
    if not shutil.which("tshark"):
        print("no tshark here: read with tcpdump only")
        return
    checks = [x for o in ("tcp.check_checksum", "udp.check_checksum") for x in ("-o", o + ":TRUE")]
    text = lab.call("kernel", "tshark", "-n", "--disable-protocol", "gryphon", *checks, "-r", file, "-Y", f"ipv6.src != {labs.CLIENT_IP6} && ipv6 && ({COMPLAINTS})",
                    env={**os.environ, "HOME": os.path.dirname(file)})
    peer.expect(not text.strip(), "tshark complains:\n" + "\n".join(text.splitlines()[:5]))


def curl(lab):
    with peer.program(lab, "examples/http", "80", port=80, port0=PORT0):
        end = time.monotonic() + 10
        while True:
            try:
                body = lab.call("kernel", "curl", "-g", "-s", "-S", "--max-time", "5", f"http://[{labs.SERVER_IP6}]/")
                break
            except labs.LabError:
                if time.monotonic() > end:
                    raise
        peer.expect(len(body) > 0, "curl got nothing")


def test(lab):
    tmp = tempfile.mkdtemp(prefix="zstack-e2e-")
    lab.kernel_ip6()
    try:
        file = os.path.join(tmp, "run.pcap")
        dump = lab.popen("kernel", "tcpdump", "-Z", "root", "-q", "-U", "-n", "-s", "0", "-B", "16384", "-i", labs.CLIENT_IF, "-w", file, stderr=-3)
        time.sleep(1)
        with peer.server(lab, port0=PORT0) as p:
            conversations(lab)
            time.sleep(0.5)
            labs.stop(dump)
            bulk(lab)
        peer.expect(p.counters.get("copy.stack_bytes", 0) == 0, f"payload was copied: {p.counters}")
        read_capture(lab, file)
        if shutil.which("curl"):
            curl(lab)
        else:
            print("no curl here")
    finally:
        shutil.rmtree(tmp)


peer.main(test, commands=("ip", "ethtool", "tcpdump"))
