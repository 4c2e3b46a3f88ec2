"""Without root: the lab, the stack without hugepages and a client, in a user namespace."""
import os
import shutil
import sys
import tempfile

import peer

NOBODY = 65534
PR_SET_DUMPABLE = 4


def test(lab):
    with peer.server(lab) as server:
        peer.echo(lab, 1_000_000)
        peer.upload(lab, 1_000_000)
    peer.expect_no_copies(server.counters)


def become_nobody():
    """Everything this needs must be readable to others; where the tree is not, there is nothing to test."""
    tmp = tempfile.mkdtemp(prefix="zstack-e2e-")
    os.chown(tmp, NOBODY, NOBODY)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        shutil.rmtree(tmp)
        sys.exit(os.waitstatus_to_exitcode(status))
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    peer.labs.libc.prctl(PR_SET_DUMPABLE, 1)  # or /proc/self stays root's
    os.environ.update(HOME=tmp, TMPDIR=tmp)
    tempfile.tempdir = tmp
    for path in (peer.BUILD + "/tests/e2e/zserver", peer.ROOT + "/scripts/lab.py"):
        if not os.access(path, os.R_OK):
            peer.skip(f"other users cannot read {path}")


if os.geteuid() == 0:
    become_nobody()
peer.main(test)
