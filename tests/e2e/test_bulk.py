"""100 MB each way against the kernel with content check, and back and forth; no payload byte may be copied by z_*."""
import peer

TOTAL = 100_000_000 * peer.SOAK


def zero_copy(lab):
    with peer.server(lab) as server:
        peer.upload(lab, TOTAL)
        peer.download(lab, TOTAL)
        peer.download(lab, TOTAL // 4, port=peer.WRAP)
        peer.echo(lab, TOTAL // 2)
    peer.expect_no_copies(server.counters)
    wrapped = [line for line in server.text.splitlines() if line.startswith("wrapped ")]
    words = wrapped[0].split()
    peer.expect(words[1] == words[3] and int(words[1]) > 0, f"every wrapped buffer must be released once: {wrapped[0]}")


def copying(lab):
    with peer.server(lab) as server:
        peer.echo(lab, TOTAL // 10, port=peer.COPY)
    api = server.counters.get("copy.api_bytes", 0)
    peer.expect(api >= TOTAL // 10, f"the copying calls count what they copy: copy.api_bytes is {api}")


def small_writes(lab):
    """Odd sizes around every boundary, both ways."""
    with peer.server(lab):
        for n in (1, 2, 1447, 1448, 1449, 1460, 1461, 2896, 65280, 65281, 65536):
            peer.echo(lab, n)
            peer.echo(lab, n, port=peer.COPY)
            peer.upload(lab, n)
            peer.download(lab, n)
            peer.download(lab, n, port=peer.WRAP)
        peer.upload(lab, 0)
        peer.download(lab, 0)
        peer.upload(lab, 3000, chunk=1)


def test(lab):
    small_writes(lab)
    copying(lab)
    zero_copy(lab)


peer.main(test)
