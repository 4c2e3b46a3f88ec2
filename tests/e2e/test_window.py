"""Zero windows: a stopped and continued client, and a server that reads late."""
import hashlib
import os
import signal
import subprocess
import time

import peer
from peer import labs

TOTAL = 20_000_000


def stopped_client(lab):
    """nc is stopped in the middle of a download for longer than several probes, then goes on."""
    client = lab.popen("kernel", "nc", labs.SERVER_IP, str(peer.SOURCE), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    client.stdin.write(f"{TOTAL} close\n".encode())
    client.stdin.close()
    first = client.stdout.read(100000)
    os.kill(client.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(client.pid, signal.SIGCONT)
    data = first + client.stdout.read()
    client.wait(30)
    peer.check_pattern(data, TOTAL)


def late_reader(lab):
    """The server's window closes and opens again; nothing is lost."""
    started = time.monotonic()
    peer.upload(lab, TOTAL, port=peer.LAZY)
    peer.expect(time.monotonic() - started > 1.4, "the server did not wait before it read")


def never_reads(lab):
    """A client that never reads: the server keeps its queue bounded and serves others."""
    s = peer.connect(lab, peer.SOURCE, rcvbuf=4096)
    s.sendall(f"{TOTAL} close\n".encode())
    time.sleep(1)
    peer.download(lab, 1_000_000)
    digest = hashlib.sha256(peer.read_all(s)).hexdigest()
    peer.expect(digest == hashlib.sha256(peer.pattern(TOTAL)).hexdigest(), "content after the wait")
    s.close()


def test(lab):
    with peer.server(lab) as server:
        stopped_client(lab)
        late_reader(lab)
        never_reads(lab)
    peer.expect(server.counters.get("tcp.persist_probes", 0) > 0, "no zero-window probe was sent")
    peer.expect(server.counters.get("tcp.zero_window_tx", 0) > 0, "the late reader's window never closed")


peer.main(test, commands=("ip", "ethtool", "nc"))
