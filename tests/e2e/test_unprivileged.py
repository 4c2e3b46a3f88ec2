"""Without root: the lab, the stack without hugepages and a client, in a user namespace."""
import os

import peer


def test(lab):
    with peer.server(lab) as server:
        peer.echo(lab, 1_000_000)
        peer.upload(lab, 1_000_000)
    peer.expect_no_copies(server.counters)


if os.geteuid() == 0:
    peer.become_nobody()
peer.main(test)
