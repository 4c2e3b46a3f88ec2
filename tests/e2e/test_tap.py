"""A TAP port of our own: the kernel as peer through an interface that the program makes. usage: test_tap.py [unprivileged] [TEST...]"""
import os
import subprocess
import sys
import tempfile
import time

import dev_lib as dev
import peer
from peer import BUILD, expect, labs

NAME = "ztap0"
KERNEL, STACK, KERNEL6, STACK6 = "10.78.0.1", "10.78.0.2", "fd78::1", "fd78::2"


def port(name=NAME, addr=STACK, more=(f"tap_addr={KERNEL}/24;{KERNEL6}/64", f"addr6={STACK6}")):
    return [f"tap={name}", f"addr={addr}", f"netmask={dev.MASK}", *more]


def interfaces(lab):
    return lab.call("stack", "ip", "-o", "link")


def expect_large_frames(run):
    """Both ends handed over more than a wire takes, and nobody summed in vain or copied."""
    c = run.counters
    mean = {way: c[f"port.{way}_bytes"] / c[f"port.{way}_packets"] for way in ("rx", "tx")}
    print(f"    {c.get('port.tx_tso', 0)} frames sent to be cut, {c.get('port.rx_lro', 0)} received merged; on average "
          f"{mean['tx']:.0f} and {mean['rx']:.0f} bytes", flush=True)
    expect(c.get("port.tx_tso", 0) > 0 and c.get("port.rx_lro", 0) > 0, "no segmentation offload")
    expect(mean["tx"] > 10000 and mean["rx"] > 5000, "frames are small")
    bad = [n for n in ("drop.tcp_cksum", "drop.ip_cksum", "port.tx_refused", "port.tx_oversize", "port.tx_linearized") if c.get(n)]
    expect(not bad, f"{bad}: {c}")
    dev.no_payload_copies(run)


def zserver(lab, start, **kw):
    run = start("zserver", ["tests/e2e/zserver", str(peer.BASE)], [], [port()], **kw)
    dev.wait_tcp(lab, run, STACK, peer.ECHO)
    return run


def test_transfers(lab):
    """Both families, content-checked, through references, copies and wrapped memory; the interface comes and goes with the program."""
    expect(NAME not in interfaces(lab), f"{NAME} is there before")
    with dev.runs(lab) as start:
        run = zserver(lab, start)
        expect(f"{NAME}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500" in interfaces(lab), interfaces(lab))
        for address in (STACK, STACK6):
            dev.kernel_transfers(lab, address, 16 * dev.MB)
        run.stop()
    expect_large_frames(run)
    expect("released 0" not in run.text, "wrapped memory did not come back")
    expect(NAME not in interfaces(lab), f"{NAME} is there afterwards")


def test_without_offloads(lab):
    """Keys turn them off: sums in software, no frame longer than the MTU."""
    for keys in ({"dpdk": ["tx_csum_offload_skip=1"], "zstack": ["rx_csum_offload_skip=1"]}, {"dpdk": ["tso=0"], "zstack": ["lro=0"]}):
        print(f"  {keys}", flush=True)
        with dev.runs(lab) as start:
            run = zserver(lab, start, **keys)
            dev.kernel_transfers(lab, STACK, 4 * dev.MB)
            run.stop()
        dev.no_payload_copies(run)
        expect(not run.counters.get("port.tx_tso") and not run.counters.get("port.rx_lro"), f"still offloads: {run.counters}")
        expect(not run.counters.get("drop.tcp_cksum"), "bad checksums")


def test_forwarded(lab):
    """The kernel passes frames on to a link without offloads: it cuts ours and finishes their sums, so what we left undone must be right;
    what comes back has sums that nobody vouches for."""
    lab.call("stack", "ip", "addr", "add", "10.77.0.9/24", "dev", labs.STACK_IF)
    lab.call("stack", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    lab.call("stack", "sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{labs.STACK_IF}/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")
    lab.call("stack", "ip", "addr", "add", "fd77::9/64", "dev", labs.STACK_IF, "nodad")
    with kernel_side(lab):
        lab.kernel_ip6()
        lab.call("kernel", "ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.9")
        lab.call("kernel", "ip", "route", "add", "fd78::/64", "via", "fd77::9")
        with dev.runs(lab) as start:
            run = start("zserver", ["tests/e2e/zserver", str(peer.BASE)], [], [port() + [f"gateway={KERNEL}", f"gateway6={KERNEL6}"]])
            for address in (STACK, STACK6):
                dev.wait_tcp(lab, run, address, peer.ECHO)
                before = bad_sums(lab)
                dev.kernel_transfers(lab, address, 4 * dev.MB)
                expect(bad_sums(lab) == before, "the client received bad checksums")
            run.stop()
        expect(run.counters.get("port.tx_tso", 0) > 0, "no segmentation offload")
        expect(not run.counters.get("drop.tcp_cksum"), "bad checksums")
        dev.no_payload_copies(run)
    lab.call("stack", "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
    lab.call("stack", "ip", "addr", "flush", "dev", labs.STACK_IF)


def bad_sums(lab):
    lines = [x.split() for x in lab.call("kernel", "cat", "/proc/net/snmp").splitlines() if x.startswith("Tcp:")]
    return int(dict(zip(*lines))["InCsumErrors"])


def test_jumbo(lab):
    with dev.runs(lab) as start:
        run = start("zserver", ["tests/e2e/zserver", str(peer.BASE)], [], [port() + ["mtu=9000"]])
        dev.wait_tcp(lab, run, STACK, peer.ECHO)
        expect(f"{NAME}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9000" in interfaces(lab), interfaces(lab))
        dev.kernel_transfers(lab, STACK, 16 * dev.MB)
        run.stop()
    dev.no_payload_copies(run)
    mean = run.counters["port.tx_bytes"] / run.counters["port.tx_packets"]
    expect(mean > 3000, f"frames of {mean:.0f} bytes on average: no jumbo frames")


def test_http(lab):
    with dev.runs(lab) as start:
        web = start("http", ["examples/http", "20000", "80"], [], [port()])
        dev.wait_tcp(lab, web, STACK, 80)
        for address in (STACK, STACK6):
            dev.http(lab, web, address)
        for _ in range(300):  # a connection per request
            s = peer.connect(lab, 80, timeout=20, address=STACK)
            s.sendall(b"GET / HTTP/1.1\r\nHost: z\r\nConnection: close\r\n\r\n")
            data = peer.read_all(s)
            s.close()
            expect(data.startswith(b"HTTP/1.1 200 ") and len(data.partition(b"\r\n\r\n")[2]) == 20000, data[:200])
        web.stop()
    dev.no_payload_copies(web)


def test_down_and_up(lab):
    """A transfer outlives its interface's absence; the program says once what is the matter."""
    with dev.runs(lab) as start:
        run = zserver(lab, start)
        total = 64 * dev.MB
        s = peer.connect(lab, peer.SOURCE, timeout=60, address=STACK)
        s.sendall(f"{total} close\n".encode())
        data = s.recv(4096)
        lab.call("stack", "ip", "link", "set", NAME, "down")
        run.wait_output("is down or was removed: run ip link set INTERFACE up")
        lab.call("stack", "ip", "link", "set", NAME, "up")
        data += peer.read_all(s)
        s.close()
        peer.check_pattern(data, total)
        dev.kernel_transfers(lab, STACK, 2 * dev.MB)
        run.stop()
    expect(run.counters["port.tx_link_down"] > 0, "no frame was lost")
    expect(run.text.count("is down or was removed") == 1, "said more than once")
    dev.no_payload_copies(run)


def cpu_seconds(run):
    with open(f"/proc/{run.process.pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_sleep_and_removal(lab):
    """Sleeping until a frame comes costs little and answers at once. Without its interface the program neither spins nor dies."""
    with dev.runs(lab) as start:
        run = zserver(lab, start, dpdk=["idle_sleep=100000"])
        s = peer.connect(lab, peer.ECHO, address=STACK)
        begin, worst = cpu_seconds(run), 0
        for _ in range(20):
            time.sleep(0.05)
            t = time.monotonic()
            s.sendall(b"x")
            expect(s.recv(1) == b"x", "no echo")
            worst = max(worst, time.monotonic() - t)
        s.close()
        used = cpu_seconds(run) - begin
        print(f"    {used:.2f} s of CPU for a second of 20 echoes, the slowest after {1000 * worst:.1f} ms", flush=True)
        expect(worst < 0.09, "the receive event did not end the sleep")  # idle_sleep alone would be 100 ms
        expect(used < 0.5, "no sleep")
        lab.call("stack", "ip", "link", "del", NAME)
        begin = cpu_seconds(run)
        time.sleep(1)
        expect(cpu_seconds(run) - begin < 0.5, "spins without its interface")
        run.stop()


def test_restart(lab):
    """Killed, and at once there again; two programs, and a name that is taken."""
    for _ in range(3):
        with dev.runs(lab) as start:
            run = zserver(lab, start)
            dev.roundtrip(lab, STACK, peer.ECHO, 100_000)
            run.process.kill()
            run.process.wait()
    with dev.runs(lab) as start:
        one = zserver(lab, start)
        two = start("two", ["tests/e2e/zserver", str(peer.BASE)], [], [port("ztap1", "10.79.0.2", ["tap_addr=10.79.0.1/24"])])
        dev.wait_tcp(lab, two, "10.79.0.2", peer.ECHO)
        dev.roundtrip(lab, STACK, peer.ECHO, dev.MB)
        dev.roundtrip(lab, "10.79.0.2", peer.ECHO, dev.MB)
        dev.fails_to_start(lab, [f"tap={NAME}", "in use by another program", "another subnet"], port())
        one.stop()
        dev.roundtrip(lab, "10.79.0.2", peer.ECHO, dev.MB)
        two.stop()


def test_mixed(lab):
    """DPDK's ports keep their numbers, whichever place the tap has."""
    second = [f"addr={labs.SERVER_IP}", f"netmask={dev.MASK}"]
    for first, ports in (("tap", {1: port(), 0: second}), ("af_packet", {0: second, 7: port()})):
        print(f"  {first} first", flush=True)
        with dev.runs(lab) as start:
            conf = dev.config(os.path.join(start.tmp, "mixed.ini"), [f"net_af_packet0,iface={labs.STACK_IF},qdisc_bypass=1"], [])
            with open(conf, encoding="utf-8") as f:
                text = f.read().replace("port_list=\n", f"port_list={','.join(map(str, ports))}\n")
            with open(conf, "w", encoding="utf-8") as f:
                f.write(text + "".join("\n".join([f"[port{n}]", *lines, ""]) for n, lines in ports.items()))
            run = dev.Run(lab, start.tmp, "mixed", ["tests/e2e/zserver", str(peer.BASE)], conf)
            try:
                dev.wait_tcp(lab, run, STACK, peer.ECHO)
                dev.roundtrip(lab, STACK, peer.ECHO, dev.MB)
                with kernel_side(lab):
                    dev.wait_tcp(lab, run, labs.SERVER_IP, peer.ECHO)
                    dev.roundtrip(lab, labs.SERVER_IP, peer.ECHO, dev.MB)
                run.stop()
            finally:
                if run.process.poll() is None:
                    run.process.kill()
                run.process.wait()
            dev.no_payload_copies(run)


def as_nobody():
    """Programs as another user, without capabilities; None where there is none."""
    if os.geteuid() != 0 or open("/proc/self/uid_map", encoding="utf-8").read().split()[2] == "1":
        return None
    return ["setpriv", f"--reuid={peer.NOBODY}", f"--regid={peer.NOBODY}", "--clear-groups", "env", "XDG_RUNTIME_DIR=/tmp"]


def test_errors(lab):
    dev.fails_to_start(lab, ["[port0] tap", 'found "a_name_of_16_chr"', "at most 15"], port("a_name_of_16_chr"))
    dev.fails_to_start(lab, [f"tap={labs.STACK_IF}", "there is an interface", "no tap device", "ip link del"], port(labs.STACK_IF))
    lab.call("stack", "ip", "tuntap", "add", "ztun0", "mode", "tun")
    dev.fails_to_start(lab, ["tap=ztun0", "no tap device"], port("ztun0"))
    lab.call("stack", "ip", "link", "del", "ztun0")
    dev.fails_to_start(lab, ["[port0] tap_addr", "expected addresses like"], port(more=["tap_addr=10.78.0.1"]))
    prefix = as_nobody()
    if prefix:
        dev.fails_to_start(lab, [f"tap={NAME}", "no permission", f"ip tuntap add {NAME} mode tap user"], port(), prefix=prefix)
    else:
        print("    (no permission: needs a second user, not tested)")
    # The lab has a mount namespace of its own.
    peer.labs.check(peer.labs.libc.mount(b"none", b"/dev/net", b"tmpfs", 0, None), "cannot cover /dev/net")
    try:
        dev.fails_to_start(lab, [f"tap={NAME}", "there is no /dev/net/tun", "modprobe tun"], port())
    finally:
        peer.labs.libc.umount(b"/dev/net")


def test_owned(lab):
    """Root makes the interface, a user without capabilities runs the program, and the interface stays."""
    prefix = as_nobody()
    if not prefix:
        print("    (needs a second user: not tested)")
        return
    lab.call("stack", "ip", "tuntap", "add", NAME, "mode", "tap", "user", str(peer.NOBODY))
    lab.call("stack", "ip", "addr", "add", KERNEL + "/24", "dev", NAME)
    lab.call("stack", "ip", "link", "set", NAME, "up")
    with tempfile.TemporaryDirectory(prefix="zstack-tap-") as tmp:
        os.chmod(tmp, 0o755)
        conf = dev.config(os.path.join(tmp, "config.ini"), [], [port(more=())])
        run = lab.popen("stack", *prefix, os.path.join(BUILD, "tests/e2e/zserver"), "--conf", conf, "--", str(peer.BASE),
                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            run.name = "zserver"
            end = time.monotonic() + 20
            while True:
                expect(run.poll() is None, f"ended with {run.returncode}: {run.stderr.read() if run.poll() is not None else ''}")
                try:
                    peer.connect(lab, peer.ECHO, timeout=1, address=STACK).close()
                    break
                except OSError:
                    expect(time.monotonic() < end, "does not answer")
                    time.sleep(0.05)
            dev.roundtrip(lab, STACK, peer.ECHO, dev.MB)
        finally:
            if run.poll() is None:
                run.send_signal(2)
            try:
                run.wait(20)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                raise
    expect(run.returncode == 0, f"status {run.returncode}")
    expect(NAME in interfaces(lab), "an interface of the administrator's is gone")
    lab.call("stack", "ip", "link", "del", NAME)


class kernel_side:
    """Within it sockets are made where the veth's other end is; otherwise in the stack's namespace, where the TAP interface is."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        self.lab.sides["kernel"], self.lab.veth_side = self.lab.veth_side, self.lab.sides["kernel"]

    __exit__ = lambda self, *_: self.__enter__()


def test(lab):
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        peer.skip("no /dev/net/tun here")
    lab.veth_side, lab.sides["kernel"] = lab.sides["kernel"], lab.sides["stack"]
    names = [n for n in sys.argv[1:] if n != "unprivileged"] or [n[5:] for n in globals() if n.startswith("test_")]
    for name in names:
        print(name, flush=True)
        globals()["test_" + name](lab)


if "unprivileged" in sys.argv and os.geteuid() == 0:
    peer.become_nobody()
peer.main(test)
