"""Every order of ending: half-close both ways, resets both ways, a killed client, exit with data queued, fork."""
import os
import signal
import socket
import struct
import subprocess
import time

import peer
from peer import labs

HARD = struct.pack("ii", 1, 0)


def client_half_close(lab, server):
    """nc -N ends its direction and still gets the answer."""
    answer = lab.call("kernel", "nc", "-N", labs.SERVER_IP, str(peer.SINK), input_text="0123456789" * 1000)
    peer.expect(answer.startswith("10000 "), f"nc got {answer!r}")
    server.wait_output("sink received 10000 sent")


def server_half_close(lab, server):
    """The server ends its direction; the client's direction still works."""
    s = peer.connect(lab, peer.SOURCE)
    s.sendall(b"100000 half\n")
    peer.check_pattern(peer.read_all(s), 100000)
    s.sendall(b"x" * 300000)
    s.close()
    server.wait_output("discard received 300012 sent 100000: eof")


def client_reset(lab, server):
    s = peer.connect(lab, peer.ECHO)
    s.sendall(b"x" * 100)
    peer.expect(s.recv(100, socket.MSG_WAITALL) == b"x" * 100, "echo")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
    s.close()
    server.wait_output("echo received 100 sent 100: read: ECONNRESET")


def client_reset_in_transfer(lab, server):
    s = peer.connect(lab, peer.SOURCE)
    s.sendall(b"1000000000 close\n")
    s.recv(100000, socket.MSG_WAITALL)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD)
    s.close()
    server.wait_output("write: ", count=1)


def client_close_with_unread_data(lab, server):
    """The kernel answers later data with a reset."""
    s = peer.connect(lab, peer.SOURCE)
    s.sendall(b"1000000000 close\n")
    time.sleep(0.2)
    s.close()
    server.wait_output("write: ", count=2)


def server_reset(lab, _server):
    s = peer.connect(lab, peer.SOURCE)
    s.sendall(b"1 reset\n")
    try:
        data = peer.read_all(s)
        raise peer.Failure(f"an end of file instead of a reset, after {len(data)} bytes")
    except ConnectionResetError:
        pass


def killed_client(lab, server):
    """SIGKILL in the middle of a transfer: the kernel ends the connection, the server notices."""
    client = lab.popen("kernel", "nc", labs.SERVER_IP, str(peer.SOURCE), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    client.stdin.write(b"1000000000000 close\n")
    client.stdin.flush()
    time.sleep(0.3)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    server.wait_output("write: ", count=3)


def refused(lab, _server):
    try:
        peer.connect(lab, 9, timeout=5)
        raise peer.Failure("a connection to a port without a listener")
    except ConnectionRefusedError:
        pass


def exit_delivers(lab):
    """What was written before the end of the program arrives. A window's worth is queued when it exits."""
    for total in (1, 1000, 50_000):
        with peer.server(lab):
            s = peer.connect(lab, peer.SOURCE)
            s.sendall(f"{total} exit\n".encode())
            time.sleep(0.3)
            peer.check_pattern(peer.read_all(s), total)


def test(lab):
    with peer.server(lab) as server:
        server.wait_output("fork: child refused")
        for one in (client_half_close, server_half_close, client_reset, client_reset_in_transfer, client_close_with_unread_data,
                    server_reset, killed_client, refused):
            print(one.__name__, flush=True)
            one(lab, server)
        peer.echo(lab, 100000)  # after all that it still serves
    print("exit_delivers", flush=True)
    exit_delivers(lab)


peer.main(test, commands=("ip", "ethtool", "nc"))
