"""A peer made of raw packets, and the program whose socket calls it asks for (zdut)."""
import itertools
import os
import queue
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import traceback

import packets_ip
import peer
from packets_ip import checksum
from peer import labs

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
O_NONBLOCK = os.O_NONBLOCK
PEER_MAC = b"\x02\x00\x00\x00\x00\x77"
SO_TIMESTAMPNS = 35
PATIENCE = 10  # seconds for what must come; that it comes in time is measured
NAMES = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "A"), (URG, "U"), (64, "E"), (128, "C"))


def flags_text(flags):
    return "".join(c for bit, c in NAMES if flags & bit)


def flags_of(text):
    return sum(bit for bit, c in NAMES if c in text)


class Segment:
    """at: when the kernel had it, in seconds; how long this program took to look at it makes no difference."""

    def __init__(self, ip, p, at):
        tcp = p.payload
        peer.expect(checksum(ip.pseudo(p.src, p.dst, 6, len(tcp)) + tcp) == 0, "a wrong TCP checksum")
        self.ip, self.packet, self.at = p, p.packet, at
        self.sport, self.dport, self.seq, self.ack, offset, self.flags, self.window = struct.unpack("!HHIIBBH", tcp[:16])
        peer.expect(offset & 15 == 0, "reserved bits are set")
        self.options, self.data = tcp[20:(offset >> 4) * 4], tcp[(offset >> 4) * 4:]

    def __str__(self):
        return f"[{flags_text(self.flags)}] seq {self.seq} ack {self.ack} win {self.window} len {len(self.data)}"


class Link:
    """The kernel's end of the link, which both families share."""

    def __init__(self, lab, families):
        self.wires, self.stop = [Wire(self, ip) for ip in families], threading.Event()
        with lab.on("kernel"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.socket.bind((labs.CLIENT_IF, 0))
        self.neighbour = packets_ip.Neighbour(self.frame, PEER_MAC)
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.thread.start()

    def _receive(self):
        while not self.stop.is_set():
            if not select.select([self.socket], [], [], 0.1)[0]:
                continue
            frame, ancillary, _, address = self.socket.recvmsg(65536, 64)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if frame[12:14] == b"\x08\x06":
                self.neighbour.arp(frame)
            for wire in self.wires:
                if frame[12:14] == wire.ip.ethertype:
                    seconds, ns = struct.unpack("ll", ancillary[0][2])
                    wire.receive(frame, wire.ip.parse(frame[14:]), seconds + ns / 1e9)

    def frame(self, mac, ethertype, packet):
        self.socket.send(mac + PEER_MAC + ethertype + packet)

    def close(self):
        self.stop.set()
        self.thread.join()
        self.socket.close()


class Wire:
    """
    One family of it. Segments for each peer port wait in a queue of their own; other packets for us by their protocol, but for what finds
    neighbours.
    """

    def __init__(self, link, ip):
        self.link, self.ip, self.queues = link, ip, {}

    def receive(self, frame, p, at):
        if p.proto == packets_ip.ICMP6 and p.payload[0] in (135, 136):
            self.link.neighbour.discovery(frame, p)
        elif p.proto == packets_ip.TCP:
            s = Segment(self.ip, p, at)
            self.queue(s.dport, s.sport).put(s)
        elif frame[:6] == PEER_MAC:
            self.queue(p.proto, None).put(p)

    def queue(self, ours, theirs):
        return self.queues.setdefault((ours, theirs), queue.Queue())

    def packet(self, proto, timeout=PATIENCE, why=""):
        """The next one that is no TCP."""
        try:
            return self.queue(proto, None).get(timeout=timeout)
        except queue.Empty:
            raise peer.Failure(f"{why}: no packet of protocol {proto} within {timeout} s") from None

    def send(self, proto, payload, src=None, dst=None, **kw):
        self.raw(self.ip.packet(src or self.ip.peer, dst or self.ip.stack, proto, payload, **kw))

    def raw(self, packet):
        self.link.frame(self.link.neighbour.stack_mac, self.ip.ethertype, packet)


class Dut:
    """Socket calls of the program; each returns (ret, errno, text)."""

    def __init__(self, process):
        self.process, self.tags, self.orders, self.answers, self.changed = process, itertools.count(1), {}, {}, threading.Condition()
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        for line in self.process.stdout:
            part = line.split(" ", 3)
            if len(part) < 4:
                continue
            with self.changed:
                self.answers[part[0]] = (int(part[1]), int(part[2]), part[3].strip(), time.monotonic())
                self.changed.notify_all()

    def start(self, call, *numbers, text="-"):
        """In a thread of its own: it may wait, and the other family's calls go on."""
        tag = f"&{next(self.tags)}"
        self.order([(tag, call, numbers, text)])
        return tag

    def order(self, calls):
        with self.changed:
            for tag, call, numbers, _ in calls:
                self.orders[tag] = f"{call} {numbers}"
            self.process.stdin.write("".join(" ".join([tag, call, text] + [str(int(n)) for n in numbers]) + "\n"
                                             for tag, call, numbers, text in calls))
            self.process.stdin.flush()

    def result(self, tag, timeout=PATIENCE):
        with self.changed:
            peer.expect(self.changed.wait_for(lambda: tag in self.answers, timeout), f"{self.orders[tag]} does not return")
            return self.answers[tag]

    def waits(self, tag):
        """Until the call that was started, a send, a recv or one for events, waits."""
        self.ok("waits", text=tag)

    def pending(self, tag):
        return tag not in self.answers

    def call(self, call, *numbers, text="-", timeout=PATIENCE):
        return self.result(self.start(call, *numbers, text=text), timeout)

    def ok(self, call, *numbers, text="-"):
        ret, errno, extra, _ = self.call(call, *numbers, text=text)
        peer.expect(ret >= 0, f"{call} {numbers}: errno {errno}")
        return extra if call in ("getsockopt", "poll", "tcpinfo", "recv", "epoll", "kevent") else ret

    def together(self, *calls):
        """One after the other, without a pause in between."""
        tags = [str(next(self.tags)) for _ in calls]
        self.order([(tag, call[0], call[1:], "-") for tag, call in zip(tags, calls)])
        for tag in tags:
            peer.expect(self.result(tag)[0] >= 0, f"{self.orders[tag]}: errno {self.answers[tag][1]}")

    def info(self, fd):
        names = ("len", "state", "ca", "rto", "rtt", "rttvar", "cwnd", "reord")
        return dict(zip(names, (int(x) for x in self.ok("tcpinfo", fd).split())))


class Conn:
    """One connection, seen from the peer: seq is the next number that we send, ack the next that we expect."""
    ports = itertools.count(20000)

    def __init__(self, wire, dut, their_port, our_port=None):
        self.wire, self.dut, self.dport, self.ip = wire, dut, their_port, wire.ip
        self.ours, self.theirs, self.mss = wire.ip.peer, wire.ip.stack, wire.ip.mss
        self.sport = our_port or next(Conn.ports)
        self.seq, self.ack, self.window, self.options, self.synack = 1000000 + 7919 * self.sport, 0, 65535, b"", None

    def build(self, flags, data=b"", seq=None, ack=None, window=None, options=b"", urp=0, reserved=0):
        """Sequence number, acknowledgement and window are the right ones unless given; seq moves on only when it was not given."""
        flags = flags_of(flags)
        options += b"\1" * (-len(options) % 4)
        head = struct.pack("!HHIIBBHHH", self.sport, self.dport, (self.seq if seq is None else seq) & 0xffffffff,
                           (self.ack if ack is None else ack) & 0xffffffff if flags & ACK else 0, (5 + len(options) // 4) << 4 | reserved, flags,
                           self.window if window is None else window, 0, urp) + options
        pseudo = self.ip.pseudo(self.ours, self.theirs, 6, len(head) + len(data))
        head = head[:16] + struct.pack("!H", checksum(pseudo + head + data)) + head[18:]
        if seq is None:
            self.seq = (self.seq + len(data) + bool(flags & (SYN | FIN))) & 0xffffffff
        return head + data

    def send(self, flags, data=b"", **kw):
        self.wire.send(6, self.build(flags, data, **kw), src=self.ours, dst=self.theirs)

    def icmp(self, kind, code, about, word=0, quote=None):
        """About a segment that came: its IP header and 8 bytes are enough for who checks."""
        quote = about.packet[:self.ip.head + 8] if quote is None else quote
        message = packets_ip.icmp(self.ip, self.ours, self.theirs, kind, code, quote, word)
        self.wire.send(self.ip.icmp_proto, message, src=self.ours, dst=self.theirs)

    def unreachable(self, code, about):
        self.icmp(self.ip.unreachable_type, code, about)

    def expect(self, flags=None, data=None, seq=None, ack=None, timeout=PATIENCE, why=""):
        """The next segment, which must come in time and be like that; what it says is taken note of."""
        try:
            s = self.wire.queue(self.sport, self.dport).get(timeout=timeout)
        except queue.Empty:
            raise peer.Failure(f"{why}: no segment within {timeout} s, [{flags}] expected") from None
        peer.expect(flags is None or s.flags == flags_of(flags), f"{why}: {s}, [{flags}] expected")
        peer.expect(data is None or s.data == data, f"{why}: {s}: {s.data[:40]!r}, {data[:40] if data is not None else None!r} expected")
        peer.expect(seq is None or s.seq == seq & 0xffffffff, f"{why}: {s}, seq {seq} expected")
        peer.expect(ack is None or s.ack == ack & 0xffffffff, f"{why}: {s}, ack {ack} expected")
        self.note(s)
        return s

    def note(self, s):
        """What we expect next; a keepalive, or something again, changes nothing."""
        end = (s.seq + len(s.data) + bool(s.flags & (SYN | FIN))) & 0xffffffff
        if not s.flags & RST and (s.flags & SYN or (end - self.ack) & 0xffffffff < 1 << 31):
            self.ack = end

    def skip_to(self, flags=None, data=None, seq=None, ack=None, why=""):
        """The next segment of this kind, whatever comes before it: timers of the stack may have sent something again."""
        end = time.monotonic() + PATIENCE
        while True:
            s = self.expect(timeout=max(end - time.monotonic(), 0.01), why=f"{why}: [{flags}] seq {seq} ack {ack}")
            if ((flags is None or s.flags == flags_of(flags)) and (data is None or s.data == data) and
                    (seq is None or s.seq == seq & 0xffffffff) and (ack is None or s.ack == ack & 0xffffffff)):
                return s

    def settle(self):
        """
        Everything sent so far has been taken: text received before is answered at once, in every synchronized state, and changes nothing.
        What came meanwhile is forgotten.
        """
        self.send("A", b"\0", seq=self.seq - 1)
        self.skip_to("A", b"", ack=self.seq, why="ACK of old text")

    def reset(self, ack=None, why=""):
        """Asks until a reset answers: nothing is left of the connection."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.send("A", ack=ack)
            try:
                while self.expect(timeout=0.1, why=why).flags & RST == 0:
                    pass
                return
            except peer.Failure:
                pass
        raise peer.Failure(f"{why}: the connection is still there")

    def silent(self, seconds, why=""):
        """Nothing leaves by itself. After something was sent, what answers the next segment shows that nothing answered that one."""
        try:
            s = self.wire.queue(self.sport, self.dport).get(timeout=seconds)
        except queue.Empty:
            return
        raise peer.Failure(f"{why}: nothing expected, but {s}")

    def drain(self):
        q = self.wire.queue(self.sport, self.dport)
        while not q.empty():
            self.note(q.get())

    def handshake(self, options=b"", window=None, rtt=0):
        self.send("S", options=options, window=window)
        self.synack = self.expect("SA", why="handshake")
        time.sleep(rtt)
        self.send("A", window=window)
        return self.synack

    def data(self, data, flags="PA", **kw):
        self.send(flags, data, **kw)
        return self.expect("A", b"", why="ACK of data", ack=self.seq)


class Bench:
    """The program, the wire, and what most tests begin with."""
    ports = itertools.count(9000)

    def __init__(self, lab, dut, wire):
        self.lab, self.dut, self.wire, self.ip = lab, dut, wire, wire.ip

    def descriptor(self, kind=socket.SOCK_STREAM):
        return self.dut.ok("socket", self.ip.domain, kind)

    def bound(self, kind=socket.SOCK_STREAM):
        """(descriptor, port): of a port that nobody has had."""
        fd, port = self.descriptor(kind), next(Bench.ports)
        self.dut.ok("bind", fd, port, text=self.ip.any)
        return fd, port

    def listener(self, backlog=1):
        fd, port = self.bound()
        self.dut.ok("listen", fd, backlog)
        return fd, port

    def conn(self, port):
        return Conn(self.wire, self.dut, port)

    def accepted(self, options=b"", window=None, nodelay=True, rtt=0):
        """(connection, descriptor); the listener is closed. rtt: seconds that the handshake seems to take."""
        lfd, port = self.listener()
        c = self.conn(port)
        if window is not None:
            c.window = window
        c.handshake(options, rtt=rtt)
        fd = self.dut.ok("accept", lfd)
        self.dut.ok("close", lfd)
        if nodelay:
            self.dut.ok("setsockopt", fd, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return c, fd

    def connecting(self, blocking=False, to=None):
        """(connection, descriptor) in SYN-SENT, the SYN taken. to: another of the peer's addresses, as connect() wants it."""
        fd, port = self.bound()
        c = self.conn(port)
        self.dut.ok("setfl", fd, O_NONBLOCK)
        ret, errno, _, _ = self.dut.call("connect", fd, c.sport, text=to or self.ip.peer)
        peer.expect((ret, errno) == (-1, 115), f"connect: {ret}, errno {errno}")  # EINPROGRESS
        c.syn = c.expect("S", b"", why="SYN")
        if blocking:
            self.dut.ok("setfl", fd, 0)
        return c, fd

    def connected(self):
        c, fd = self.connecting(blocking=True)
        c.send("SA")
        c.expect("A", b"", why="handshake")
        return c, fd


def run_all(bench, tests, names, failed):
    for test in tests:
        if getattr(test, "family", bench.ip) is not bench.ip or (names and test.__name__ not in names):
            continue
        started, what = time.monotonic(), f"{bench.ip.name} {test.__name__}"
        try:
            test(bench)
            print(f"{what}: ok, {time.monotonic() - started:.1f} s", flush=True)
        except Exception as e:  # a thread: whatever it is must be told
            failed.append(what)
            print(f"{what}: FAILED: {e if isinstance(e, peer.Failure) else traceback.format_exc()}", flush=True)


def main(tests, families, names):
    """Runs them all, or those named, over each family, the families beside each other; says of each how it ended."""
    def run(lab):
        tmp = tempfile.mkdtemp(prefix="zstack-e2e-")
        config = peer.labs.write_config(os.path.join(tmp, "config.ini"), core=sorted(os.sched_getaffinity(0))[0], zstack=("poll_thread=1",),
                                        port0=("addr6=" + packets_ip.V6.stack,))
        log = open(os.path.join(tmp, "log"), "w+", encoding="utf-8")
        process = lab.popen("stack", os.path.join(peer.BUILD, "tests/e2e/zdut"), "--conf", config, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=log, text=True)
        link, failed = Link(lab, families), []
        try:
            for line in process.stdout:
                if line == "ready\n":
                    break
            dut, threads = Dut(process), []
            for wire in link.wires:
                link.neighbour.resolve(wire.ip)
                threads.append(threading.Thread(target=run_all, args=(Bench(lab, dut, wire), tests, names, failed)))
                threads[-1].start()
            for thread in threads:
                thread.join()
            process.stdin.close()
            status = process.wait(15)
            if status != 0 or failed:
                log.seek(0)
                print(log.read())
            peer.expect(status == 0, f"exit status {status}")
            peer.expect(not failed, f"{len(failed)} failed: {', '.join(failed)}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            link.close()
            log.close()
            shutil.rmtree(tmp)

    peer.main(run)
