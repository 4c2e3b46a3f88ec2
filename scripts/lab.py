"""A network of two or three namespaces for the demo and the end-to-end tests.

    stack side (veth zs0) ---------------- kernel side (veth zc0, 10.77.0.1)
    stack side (zs0) --- (zb0) box (zb1) --- kernel side (zc0)

in_lab() runs a function in fresh network, mount and process namespaces (and a user namespace when it is not root).
Whatever it starts there dies with it, and the links vanish with the namespaces: nothing is left behind, however it
ends. The stack's own address is 10.77.0.2; the kernel of the stack side has it only in kernel_server().

A program that makes a TAP device of its own needs no veth: it runs on the kernel side, which gets the interface zt0 with 10.78.0.1, and is
itself 10.78.0.2 (write_config with device="tap").
"""
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import traceback

SERVER_IP = "10.77.0.2"
SERVER_IP6, CLIENT_IP6 = "fd77::2", "fd77::1"
CLIENT_IP = "10.77.0.1"
STACK_IF, CLIENT_IF = "zs0", "zc0"
TAP_IF, TAP_SERVER_IP, TAP_CLIENT_IP = "zt0", "10.78.0.2", "10.78.0.1"
BOX_STACK_IF, BOX_CLIENT_IF = "zb0", "zb1"

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


class LabError(Exception):
    """The lab cannot be made here; the text says why."""


def check(ret, what):
    if ret != 0:
        raise LabError(f"{what}: {os.strerror(ctypes.get_errno())}")


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def unshare_all():
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS
    if uid != 0:
        flags |= CLONE_NEWUSER
    check(libc.unshare(flags), "cannot make namespaces (needs root, or user namespaces enabled)")
    if uid != 0:
        write_file("/proc/self/setgroups", "deny")
        write_file("/proc/self/uid_map", f"0 {uid} 1")
        write_file("/proc/self/gid_map", f"0 {gid} 1")


def mount_own_view():
    """/proc and /sys of the new namespaces; a container may refuse, then process times stay unknown."""
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    libc.mount(b"proc", b"/proc", b"proc", flags, None)
    libc.mount(b"sysfs", b"/sys", b"sysfs", flags, None)


def forward_signals(child):
    def forward(_number, _frame):
        os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    # The terminal sends Ctrl-C to the child as well.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def in_lab(function):
    """Runs function() in a new process inside the namespaces; returns its result as an exit status."""
    sys.stdout.flush()
    try:
        unshare_all()
    except OSError as e:
        raise LabError(f"cannot set up the user namespace: {e}") from None
    child = os.fork()
    if child:
        forward_signals(child)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    mount_own_view()
    status = 1
    try:
        status = function()
    except BaseException:  # the process must not return into the caller's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


class Lab:
    """The namespaces and links. Commands run on a side; so do sockets made inside `with lab.on(side)`. offload: the links keep it."""

    def __init__(self, box=False, offload=False):
        self.offload = offload
        self.sides = {"stack": self._own_netns()}
        names = ["kernel"] + (["box"] if box else [])
        for name in names:
            check(libc.unshare(CLONE_NEWNET), "cannot make a network namespace")
            self.sides[name] = self._own_netns()
        self.children = []
        self._go("stack")
        self._links(box)

    @staticmethod
    def _own_netns():
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def _go(self, side):
        check(libc.setns(self.sides[side], CLONE_NEWNET), f"cannot move to side {side}")

    def on(self, side):
        """Context: this thread makes its sockets on that side."""
        lab = self

        class Visit:
            def __enter__(self):
                self.home = lab._own_netns()
                lab._go(side)

            def __exit__(self, *_):
                check(libc.setns(self.home, CLONE_NEWNET), "cannot return")
                os.close(self.home)

        return Visit()

    def _links(self, box):
        if box:
            self._pair(STACK_IF, "stack", BOX_STACK_IF, "box")
            self._pair(BOX_CLIENT_IF, "box", CLIENT_IF, "kernel")
        else:
            self._pair(STACK_IF, "stack", CLIENT_IF, "kernel")
        self.call("kernel", "ip", "addr", "add", CLIENT_IP + "/24", "dev", CLIENT_IF)
        self.call("kernel", "ip", "route", "change", "10.77.0.0/24", "dev", CLIENT_IF, "congctl", "cubic")

    def _pair(self, left, left_side, right, right_side):
        self.call(left_side, "ip", "link", "add", "name", left, "type", "veth", "peer", "name", right,
                  "netns", f"/proc/self/fd/{self.sides[right_side]}")
        for side, name in ((left_side, left), (right_side, right)):
            # A stack that checks checksums, and a wire of MTU-sized frames, need the offloads of the pair off.
            if not self.offload:
                self.set_offload(side, name, False)
            # The only neighbour here is the peer: no IPv6 chatter in captures.
            self.call(side, "sh", "-c", f"echo 1 >/proc/sys/net/ipv6/conf/{name}/disable_ipv6 2>/dev/null || true")
            self.call(side, "ip", "link", "set", name, "up")
            self.call(side, "ip", "link", "set", "lo", "up")

    def set_offload(self, side, name, on):
        state = "on" if on else "off"
        self.call(side, "ethtool", "-K", name, "tx", state, "tso", state, "gso", state, "gro", state)

    def offloads(self, on):
        """Of both ends of the pair, later on."""
        self.set_offload("stack", STACK_IF, on)
        self.set_offload("kernel", CLIENT_IF, on)

    def kernel_ip6(self):
        """IPv6 on the kernel's side: CLIENT_IP6/64 and a link-local address, usable at once."""
        self.call("kernel", "sh", "-c", f"cd /proc/sys/net/ipv6/conf/{CLIENT_IF} && echo 0 >accept_dad && echo 0 >disable_ipv6")
        self.call("kernel", "ip", "addr", "add", CLIENT_IP6 + "/64", "dev", CLIENT_IF, "nodad")

    def kernel_server(self, present):
        """Gives the stack side's kernel the server address, or takes it away again (when the stack has it)."""
        self.call("stack", "ip", "addr", "flush", "dev", STACK_IF)
        if present:
            self.call("stack", "ip", "addr", "add", SERVER_IP + "/24", "dev", STACK_IF)
            self.call("stack", "ip", "route", "change", "10.77.0.0/24", "dev", STACK_IF, "congctl", "cubic")
        self.call("kernel", "ip", "neigh", "flush", "dev", CLIENT_IF)

    def popen(self, side, *argv, core=None, **kw):
        netns = self.sides[side]

        def prepare():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            libc.setns(netns, CLONE_NEWNET)
            if core is not None:
                os.sched_setaffinity(0, {core})

        child = subprocess.Popen([str(a) for a in argv], preexec_fn=prepare, pass_fds=list(self.sides.values()), **kw)
        self.children.append(child)
        return child

    def call(self, side, *argv, timeout=60, input_text=None, **kw):
        """Runs to the end; returns standard output; raises LabError with the error text when it fails."""
        if input_text is not None:
            kw["stdin"] = subprocess.PIPE
        child = self.popen(side, *argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
        try:
            out, err = child.communicate(input_text, timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise LabError(f"{' '.join(map(str, argv))}: no end after {timeout} s") from None
        if child.returncode != 0:
            raise LabError(f"{' '.join(map(str, argv))}: {(err or out).strip()}")
        return out

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()


def stop(child, timeout=10):
    """Asks a program to end as Ctrl-C does and waits for it; returns its exit status."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise LabError(f"{child.args[0]} did not end within {timeout} s of SIGINT") from None
    return child.returncode


def wait_port(lab, child, port, timeout=15, address=SERVER_IP):
    """Waits until the server answers on the port."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if child.poll() is not None:
            raise LabError(f"{child.args[0]} ended with status {child.returncode} before it served")
        with lab.on("kernel"):
            s = socket.socket()
        s.settimeout(0.5)
        try:
            s.connect((address, port))
            return
        except OSError:
            time.sleep(0.05)
        finally:
            s.close()
    raise LabError(f"{child.args[0]} does not answer on port {port} after {timeout} s")


DEVARGS = {"af_packet": f"net_af_packet0,iface={STACK_IF},qdisc_bypass=1", "af_xdp": f"net_af_xdp0,iface={STACK_IF},busy_budget=0"}


def device_lines(device, address, gateway):
    """The device and its address: of a stack on the stack side, with device="tap" of one on the kernel side; or any devargs."""
    if device == "tap":
        return ["[port0]", f"tap={TAP_IF}", f"tap_addr={TAP_CLIENT_IP}/24", f"addr={TAP_SERVER_IP}", "netmask=255.255.255.0"]
    return ["[vdev0]", f"devargs={DEVARGS.get(device, device)}", "[port0]", f"addr={address}", "netmask=255.255.255.0",
            *([f"gateway={gateway}"] if gateway else [])]


def write_config(path, huge=False, core=0, zstack=(), dpdk=(), port0=(), device="af_packet", address=SERVER_IP, gateway=CLIENT_IP):
    """config.ini of a stack with one port."""
    mask = sum(1 << c for c in core) if isinstance(core, (list, tuple)) else 1 << core
    lines = ["[dpdk]", f"lcore_mask={mask:x}", "port_list=0", "promiscuous=1"]
    if huge:
        lines += ["no_huge=0", "extra_eal_args=--in-memory"]
    else:
        lines += ["no_huge=1", "extra_eal_args=--no-shconf"]
    lines += [*dpdk, *device_lines(device, address, gateway), *port0]
    if zstack:
        lines += ["[zstack]", *zstack]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return path
