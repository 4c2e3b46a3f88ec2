"""The kernel as peer through the impairment box, both directions: loss with reordering and duplication. Usage: test_loss.py PERCENT BYTES"""
import sys
import time

import peer
from peer import labs


def impair(lab, *options):
    box = lab.popen("box", f"{peer.BUILD}/tools/impair", "--a", labs.BOX_STACK_IF, "--b", labs.BOX_CLIENT_IF, *options)
    time.sleep(0.5)
    peer.expect(box.poll() is None, f"the impairment box ended with status {box.returncode}")
    return box


def test(lab):
    percent, total = sys.argv[1], int(sys.argv[2]) * peer.SOAK
    box = impair(lab, "--loss", f"{percent}%", "--delay", "2ms", "--jitter", "1ms", "--reorder", "5%", "--dup", "1%",
                 "--queue", "1000", "--seed", "7", "--seconds", "600")
    with peer.server(lab) as server:
        for name, transfer in (("upload", peer.upload), ("download", peer.download), ("echo", peer.echo)):
            started = time.monotonic()
            transfer(lab, total if name != "echo" else total // 4)
            print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)
        for _ in range(20):  # handshakes and closes are lost too
            peer.echo(lab, 1000)
    labs.stop(box)
    peer.expect(server.counters.get("tcp.retransmits", 0) > 0, "nothing was retransmitted: was anything lost?")
    peer.expect(server.counters.get("tcp.out_of_order", 0) > 0, "nothing arrived out of order")
    peer.expect_no_copies(server.counters)


peer.main(test, box=True)
