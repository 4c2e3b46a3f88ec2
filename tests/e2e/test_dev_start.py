"""What a program says when it cannot start: one sentence with the remedy, status 1. And two programs on one host."""
import contextlib
import os
import shutil
import socket
import tempfile
import time

import dev_lib as dev
import peer
from peer import BUILD, expect, labs

AF_PACKET = f"net_af_packet0,iface={labs.STACK_IF},qdisc_bypass=1"


def fails(lab, words, device=AF_PACKET, port=labs.SERVER_IP, **kw):
    dev.fails_to_start(lab, words, port, device, **kw)


def test_config(lab):
    fails(lab, ["config.ini:", "[port0] addr", 'found "10.0.0.300"', "expected an IPv4 address"], port="10.0.0.300")


def test_no_hugepages(lab):
    if int(next(x.split()[1] for x in open("/proc/meminfo", encoding="ascii") if x.startswith("HugePages_Free"))) != 0:
        print("    (hugepages are there: not tested)")
        return
    fails(lab, ["no free hugepages", "no_huge=1", "vm.nr_hugepages"], no_huge=False)


def test_no_permission(lab):
    if os.geteuid() != 0 or open("/proc/self/uid_map", encoding="ascii").read().split()[2] == "1":
        print("    (needs a second user: not tested)")
        return
    fails(lab, ["could not be created", "needs root", "CAP_NET_RAW"],
          prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "XDG_RUNTIME_DIR=/tmp"])


def test_interface_missing(lab):
    fails(lab, ["net_af_packet0", 'no network interface "nosuch0"'], device="net_af_packet0,iface=nosuch0")


def test_driver_missing(lab):
    fails(lab, ["net_nosuch0", "no driver", "devargs="], device="net_nosuch0")


def test_port_missing(lab):
    fails(lab, ["no DPDK port 0", "devargs="], device=None, dpdk=["extra_eal_args=--no-pci"])


def test_nic_missing(lab):
    fails(lab, ["allow=0000:99:1f.7", "dpdk-devbind.py --status"], device=None, dpdk=["allow=99:1f.7"])


def test_nic_unknown(lab):
    fails(lab, ["allow=foo: no bus", "0000:03:00.0", "dpdk-devbind.py --status"], device=None, dpdk=["allow=foo"])


def test_directory_of_another(lab):
    """Where processes meet; a program that is alone starts without."""
    if os.geteuid() != 0 or open("/proc/self/uid_map", encoding="ascii").read().split()[2] == "1":
        print("    (needs a second user: not tested)")
        return
    with tempfile.TemporaryDirectory(prefix="zstack-start-") as home:
        os.chmod(home, 0o755)
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"RUNTIME_DIRECTORY={home}"]
        fails(lab, [f"DPDK cannot write in {home}/dpdk", "RUNTIME_DIRECTORY"], prefix=prefix, dpdk=["file_prefix=x"])
        os.mkdir(home + "/dpdk", 0o700)
        fails(lab, [f"DPDK cannot write in {home}/dpdk", "RUNTIME_DIRECTORY"], prefix=prefix, dpdk=["file_prefix=x"])
        fails(lab, ["device net_af_packet0 could not be created", "needs root"], prefix=prefix)


def test_memory(lab):
    """The remedy is a number that suffices: what is asked for, and what others have."""
    meminfo = dict(x.split(":") for x in open("/proc/meminfo", encoding="ascii"))
    if os.geteuid() != 0 or meminfo["Hugepagesize"].split()[0] != "2048":
        print("    (needs root, and hugepages of 2 MB: not tested)")
        return
    fails(lab, ["hugepages", "memory=" if int(meminfo["HugePages_Free"]) else "no free", "vm.nr_hugepages=200"], no_huge=False,
          dpdk=["memory=4000000"])


def test_second_primary(lab):
    """Two primary processes of one file_prefix."""
    name = f"zstack-test-{os.urandom(4).hex()}"
    prefix = f"file_prefix={name}"
    with contextlib.ExitStack() as stack:
        home = "/var/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp")
        stack.callback(shutil.rmtree, f"{home}/dpdk/container-{name}", ignore_errors=True)
        start = stack.enter_context(dev.runs(lab))
        one = start("one", ["examples/echo", "7"], [AF_PACKET], [labs.SERVER_IP], dpdk=[prefix])
        dev.wait_tcp(lab, one, labs.SERVER_IP, 7)
        fails(lab, ["primary one of this file_prefix already", "another file_prefix=", "--proc-type=secondary"], dpdk=[prefix])
        one.stop()


def test_mtu(lab):
    def mtu(n):
        return [f"addr={labs.SERVER_IP}", f"netmask={dev.MASK}", f"mtu={n}"]

    fails(lab, ["MTU 9000", "at most 2002", "framesz="], port=mtu(9000))
    jumbo = AF_PACKET + ",framesz=16384,blocksz=16384,framecnt=128"
    fails(lab, ["MTU 9000", "interface zs0 has (1500)", "ip link set zs0 mtu 9000"], device=jumbo, port=mtu(9000))
    fails(lab, ["MTU 5000", "at most 3498"], device=f"net_af_xdp0,iface={labs.STACK_IF},busy_budget=0", port=mtu(5000))
    fails(lab, ["MTU 9000", "at most 1500"], device="net_tap0,iface=ztap1", port=mtu(9000))
    fails(lab, ["mtu", 'found "100"', "from 576"], port=mtu(100))


def test_address_in_use(lab):
    """Another host of the network has the address: the kernel's side, here."""
    lab.call("kernel", "ip", "addr", "add", labs.SERVER_IP + "/32", "dev", labs.CLIENT_IF)
    try:
        with dev.runs(lab) as start:
            run = start("echo", ["examples/echo", "7"], [AF_PACKET], [labs.SERVER_IP])
            with lab.on("kernel"):
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((labs.SERVER_IP, 0))
            end = time.monotonic() + 15
            while "address in use: another host" not in run.output():
                expect(run.process.poll() is None and time.monotonic() < end, "the conflict was not told")
                with contextlib.suppress(OSError):
                    s.sendto(b"x", ("10.77.0.9", 9))  # the kernel asks for 10.77.0.9 with our address
                time.sleep(0.2)
            s.close()
            run.stop()
            expect(run.text.count("address in use") == 1, "said more than once")
    finally:
        lab.call("kernel", "ip", "addr", "del", labs.SERVER_IP + "/32", "dev", labs.CLIENT_IF)


def test_unfinished_checksums(lab):
    """A peer that leaves checksums to a device that is none looks dead: the program says what to do."""
    lab.call("kernel", "ethtool", "-K", labs.CLIENT_IF, "tx", "on")
    try:
        with dev.runs(lab) as start:
            run = start("echo", ["examples/echo", "7"], [AF_PACKET], [labs.SERVER_IP])
            started = []
            for _ in range(20):
                with lab.on("kernel"):
                    s = socket.socket()
                s.setblocking(False)  # the SYN and its repetitions
                s.connect_ex((labs.SERVER_IP, 7))
                started.append(s)
            run.wait_output("bad checksums", timeout=30)
            run.stop()
    finally:
        lab.call("kernel", "ethtool", "-K", labs.CLIENT_IF, "tx", "off", "tso", "off", "gso", "off")


def test_two_programs(lab):
    """Neither has a file_prefix. Both serve at once, each on its own device, and end in order."""
    with dev.runs(lab) as start:
        lab.call("stack", "ip", "link", "add", "zs1", "type", "veth", "peer", "name", "zc1", "netns",
                 f"/proc/self/fd/{lab.sides['kernel']}")
        for side, name in (("stack", "zs1"), ("kernel", "zc1")):
            lab.call(side, "ethtool", "-K", name, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            lab.call(side, "ip", "link", "set", name, "up")
        lab.call("kernel", "ip", "addr", "add", "10.78.0.1/24", "dev", "zc1")
        one = start("one", ["tests/e2e/zserver", str(peer.BASE)], [AF_PACKET], [labs.SERVER_IP])
        two = start("two", ["tests/e2e/zserver", str(peer.BASE)], ["net_af_packet0,iface=zs1,qdisc_bypass=1"], ["10.78.0.2"])
        dev.wait_tcp(lab, one, labs.SERVER_IP, peer.ECHO)
        dev.wait_tcp(lab, two, "10.78.0.2", peer.ECHO)
        dev.roundtrip(lab, labs.SERVER_IP, peer.ECHO, 2 * dev.MB)
        dev.roundtrip(lab, "10.78.0.2", peer.ECHO, 2 * dev.MB)
        one.stop()
        dev.roundtrip(lab, "10.78.0.2", peer.ECHO, dev.MB)
        two.stop()


def test(lab):
    for name, one in list(globals().items()):
        if name.startswith("test_"):
            print(name[5:], flush=True)
            one(lab)


peer.main(test)
