#!/usr/bin/env python3
"""The impairment box between veth ends: numbered raw frames for each kind of damage, then iperf3 across it.

usage: test_impair.py IMPAIR     Exit 77: no permission for network namespaces, or no iproute2.
"""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

ETHERTYPE = 0x88B5  # IEEE 802: local experimental
SKIP = 77


def reenter():
    """Into a network namespace of our own; as root that of a new user namespace when that is all we get."""
    if os.environ.get("IMPAIR_TEST_INSIDE"):
        return
    os.environ["IMPAIR_TEST_INSIDE"] = "1"
    for tool in ("ip", "unshare"):
        if not shutil.which(tool):
            print(f"skipped: {tool} is not installed")
            sys.exit(SKIP)
    for flags in (["-n"], ["-Urn"]):
        if subprocess.run(["unshare", *flags, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0:
            os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])
    print("skipped: no permission to make a network namespace (root, or user namespaces allowed)")
    sys.exit(SKIP)


def run(*cmd):
    subprocess.run(cmd, check=True, stdout=subprocess.DEVNULL)


def make_veth(a, b):
    run("ip", "link", "add", a, "type", "veth", "peer", "name", b)
    for name in (a, b):
        run("ip", "link", "set", name, "addrgenmode", "none")  # no IPv6 chatter: it would take part in the dice
        run("ip", "link", "set", name, "up")


class Box:
    """A running impair; stop() gives the statistics of a->b and b->a as dictionaries."""

    def __init__(self, *options):
        self.proc = subprocess.Popen([sys.argv[1], "--a", "a1", "--b", "b1", *options], stdout=subprocess.PIPE, text=True)
        line = self.proc.stdout.readline()
        assert line == "impair: forwarding between a1 and b1\n", line

    def rest(self):
        """What it prints until it ends. (communicate() would lose what readline() has buffered.)"""
        out = self.proc.stdout.read()
        assert self.proc.wait(timeout=10) == 0, self.proc.returncode
        return out

    @staticmethod
    def parse(line):
        found = {k.strip(): int(v) for k, v in re.findall(r"(lost|queue full|reordered|duplicated|corrupted|oversize|on the way|send errors) (\d+)", line)}
        found["received"], found["forwarded"] = (int(n) for n in re.findall(r"(?:received|forwarded) (\d+) frames", line))
        return found

    def stop(self, sig=signal.SIGTERM):
        self.proc.send_signal(sig)
        out = self.rest()
        lines = out.splitlines()
        assert len(lines) == 2 and lines[0].startswith("a1->b1: ") and lines[1].startswith("b1->a1: "), out
        return [self.parse(line) for line in lines]


def raw(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
    s.bind((name, ETHERTYPE))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    return s


def frame(n, size=60):
    head = b"\xff" * 6 + b"\x02\0\0\0\0\1" + struct.pack("!HI", ETHERTYPE, n)
    return head + bytes((n + i) & 0xFF for i in range(size - len(head)))


def exchange(count, size=60, wait=0.5, sender="a0", receiver="b0"):
    """Sends numbered frames; returns what arrived as (number, intact, seconds since it was sent)."""
    tx, rx = raw(sender), raw(receiver)
    rx.settimeout(wait)
    sent, got = [], []

    def take():
        data = rx.recv(65536)
        n = struct.unpack("!I", data[14:18])[0]
        ok = n < count and data == frame(n, size)
        got.append((n, ok, time.monotonic() - sent[n] if ok else 0))

    for n in range(count):
        sent.append(time.monotonic())
        tx.send(frame(n, size))
        if n % 32 == 31:  # in step with the box: neither socket overflows
            time.sleep(0.0005)
    try:
        while True:
            take()
    except TimeoutError:
        pass
    tx.close()
    rx.close()
    return got


def numbers(got):
    return [n for n, _, _ in got]


def test_plain():
    box = Box()
    got = exchange(2000)
    assert numbers(got) == list(range(2000)) and all(ok for _, ok, _ in got)
    back = exchange(100, sender="b0", receiver="a0")
    assert numbers(back) == list(range(100))
    ab, ba = box.stop(signal.SIGINT)
    assert ab["received"] == ab["forwarded"] == 2000 and ba["received"] == ba["forwarded"] == 100, (ab, ba)


def test_loss_is_repeatable():
    lost = []
    for seed in ("7", "7", "8"):
        box = Box("--ab-loss", "10%", "--seed", seed)
        got = set(numbers(exchange(3000)))
        back = exchange(200, sender="b0", receiver="a0")
        ab, _ = box.stop()
        lost.append(set(range(3000)) - got)
        assert ab["lost"] == len(lost[-1]), (ab, len(lost[-1]))
        assert 200 <= ab["lost"] <= 400, ab  # 300 expected, standard deviation 16
        assert len(back) == 200
    assert lost[0] == lost[1] != lost[2]


def test_delay_and_jitter():
    box = Box("--delay=30ms", "--jitter=10ms")
    got = exchange(300)
    box.stop()
    assert numbers(got) == list(range(300))  # jitter keeps the order
    box = Box("--delay", "30ms")
    got = exchange(20)
    box.stop()
    assert min(d for _, _, d in got) >= 0.030, got[0]


def test_reorder():
    box = Box("--reorder", "5%", "--reorder-delay", "5ms")
    got = exchange(2000)
    ab, _ = box.stop()
    seen = numbers(got)
    assert sorted(seen) == list(range(2000))
    late = sum(1 for i in range(1, len(seen)) if seen[i] < max(seen[max(0, i - 200) : i]))
    assert 50 <= ab["reordered"] <= 150, ab
    assert 30 <= late <= ab["reordered"], (late, ab)


def test_dup_and_corrupt():
    box = Box("--dup", "10%", "--corrupt", "10%")
    got = exchange(2000)
    ab, _ = box.stop()
    bad = sum(1 for _, ok, _ in got if not ok)
    assert len(got) == 2000 + ab["duplicated"] and 130 <= ab["duplicated"] <= 270, (len(got), ab)
    assert bad == ab["corrupted"] and 130 <= bad <= 270, (bad, ab)


def test_rate_and_queue():
    box = Box("--rate", "10mbit", "--queue", "100")
    start = time.monotonic()
    got = exchange(400, size=1250)  # 1 ms each at this rate
    ab, _ = box.stop()
    took = max(d for _, ok, d in got)
    assert ab["queue full"] == 400 - len(got) > 0, (ab, len(got))
    assert 0.08 <= took, took  # a full queue is 100 ms
    assert time.monotonic() - start < 5


def test_oversize():
    for name in ("a0", "a1"):
        run("ip", "link", "set", name, "mtu", "3000")
    box = Box()
    got = exchange(10, size=1514)
    big = exchange(10, size=2000)
    ab, _ = box.stop()
    for name in ("a0", "a1"):
        run("ip", "link", "set", name, "mtu", "1500")
    assert len(got) == 10 and len(big) == 0 and ab["oversize"] == 10, (len(got), len(big), ab)


def test_usr1_and_seconds():
    box = Box("--seconds", "1")
    box.proc.send_signal(signal.SIGUSR1)
    assert box.proc.stdout.readline().startswith("a1->b1: received 0 frames")
    start = time.monotonic()
    assert len(box.rest().splitlines()) == 3  # the other direction, and both at the end
    assert 0.5 < time.monotonic() - start < 3


def test_mistakes():
    for options, message in (
        (["--a", "a1"], "--a IF and --b IF are needed"),
        (["--a", "a1", "--b", "none"], "none: no such interface"),
        (["--a", "a1", "--b", "a1"], "expected two interfaces"),
        (["--a", "a1", "--b", "b1", "--loss", "101%"], "expected a percentage"),
        (["--a", "a1", "--b", "b1", "--delay", "5"], "expected a time"),
        (["--a", "a1", "--b", "b1", "--rate", "5"], "expected a rate"),
        (["--a", "a1", "--b", "b1", "--ab-lost", "5%"], "unknown option --ab-lost"),
        (["--a", "a1", "--b"], "--b: needs a value"),
    ):
        r = subprocess.run([sys.argv[1], *options], capture_output=True, text=True, timeout=10)
        assert r.returncode == 1 and message in r.stderr and r.stderr.count("\n") == 1, (options, r)
    assert "--reorder" in subprocess.run([sys.argv[1], "--help"], capture_output=True, text=True, check=True).stdout


class Host:
    """A network namespace at a far end."""

    def __init__(self, dev, addr):
        self.proc = subprocess.Popen(["unshare", "-n", "sleep", "120"])
        for _ in range(200):
            if os.readlink(f"/proc/{self.proc.pid}/ns/net") != os.readlink("/proc/self/ns/net"):
                break
            time.sleep(0.01)
        run("ip", "link", "set", dev, "netns", str(self.proc.pid))
        self.run("ip", "addr", "add", addr, "dev", dev)
        self.run("ip", "link", "set", dev, "up")
        self.run("ethtool", "-K", dev, "tso", "off", "gso", "off", "tx", "off")

    def cmd(self, *cmd):
        return ["nsenter", "-t", str(self.proc.pid), "-n", *cmd]

    def run(self, *cmd):
        subprocess.run(self.cmd(*cmd), check=True, stdout=subprocess.DEVNULL)


def test_iperf3():
    if not all(shutil.which(tool) for tool in ("iperf3", "ethtool", "nsenter")):
        print("  without iperf3, ethtool and nsenter: not run")
        return
    hosts = [Host("a0", "10.99.0.1/24"), Host("b0", "10.99.0.2/24")]
    server = subprocess.Popen(hosts[1].cmd("iperf3", "-s", "-1"), stdout=subprocess.DEVNULL)
    try:
        box = Box("--loss", "1%", "--delay", "1ms", "--reorder", "1%", "--rate", "200mbit", "--seed", "3")
        time.sleep(0.3)
        out = subprocess.run(hosts[0].cmd("iperf3", "-c", "10.99.0.2", "-t", "2", "-J"), capture_output=True, text=True, timeout=30)
        ab, ba = box.stop()
        assert out.returncode == 0, out.stdout + out.stderr
        assert ab["lost"] > 0 and ab["reordered"] > 0 and ab["oversize"] == ba["oversize"] == 0, (ab, ba)
        rate = float(re.findall(r'"bits_per_second":\s*([0-9.e+]+)', out.stdout)[-1])
        assert 1e5 < rate < 210e6, rate
    finally:
        for proc in [server] + [h.proc for h in hosts]:
            proc.terminate()
            proc.wait()


def main():
    reenter()
    make_veth("a0", "a1")
    make_veth("b0", "b1")
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            start = time.monotonic()
            test()
            print(f"ok {name} {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
