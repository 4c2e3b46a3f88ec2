"""What the stack sends is read by tcpdump and tshark without complaint: no bad checksum, nothing malformed."""
import os
import shutil
import tempfile
import time

import peer
from peer import labs

COMPLAINTS = ("_ws.malformed || _ws.expert.severity == error || ip.checksum.status == Bad || tcp.checksum.status == Bad"
              " || icmp.checksum.status == Bad || arp.duplicate-address-detected")


def traffic(lab):
    with peer.server(lab):
        for n in (0, 1, 1447, 100_000):
            peer.echo(lab, n)
            peer.upload(lab, n)
            peer.download(lab, n)
        peer.download(lab, 100_000, port=peer.WRAP)
        peer.download(lab, 100_000, style="half")
        try:
            peer.connect(lab, 9)
        except ConnectionRefusedError:
            pass


def capture(lab, file):
    dump = lab.popen("kernel", "tcpdump", "-Z", "root", "-q", "-U", "-n", "-s", "0", "-B", "16384", "-i", labs.CLIENT_IF, "-w", file,
                     stderr=-3)
    time.sleep(1)
    traffic(lab)
    time.sleep(0.5)
    labs.stop(dump)


def read_with_tcpdump(lab, file):
    text = lab.call("kernel", "tcpdump", "-Z", "root", "-n", "-vv", "-r", file, "src", "host", labs.SERVER_IP)
    peer.expect(text.count("\n") > 300, "the capture has too few packets of the server")
    bad = [line for line in text.splitlines() if "incorrect" in line or " bad " in line or "[|" in line]
    peer.expect(not bad, f"tcpdump complains: {bad[:3]}")


def read_with_tshark(lab, file):
    checks = [x for o in ("ip.check_checksum", "tcp.check_checksum") for x in ("-o", o + ":TRUE")]
    text = lab.call("kernel", "tshark", "-n", *checks, "-r", file, "-Y", f"eth.src != 00:00:00:00:00:00 && ip.src == {labs.SERVER_IP} && ({COMPLAINTS})",
                    env={**os.environ, "HOME": os.path.dirname(file)})
    peer.expect(not text.strip(), "tshark complains:\n" + "\n".join(text.splitlines()[:5]))


def test(lab):
    tmp = tempfile.mkdtemp(prefix="zstack-e2e-")
    try:
        file = os.path.join(tmp, "run.pcap")
        capture(lab, file)
        read_with_tcpdump(lab, file)
        if shutil.which("tshark"):
            read_with_tshark(lab, file)
        else:
            print("no tshark here: read with tcpdump only")
    finally:
        shutil.rmtree(tmp)


peer.main(test, commands=("ip", "ethtool", "tcpdump"))
