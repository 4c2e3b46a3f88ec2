#!/usr/bin/env python3
"""Which cache lines of a connection (struct tcp_conn, src/tcp/conn.h) the segments of each kind touch: every load and store
of bench/core is traced (valgrind --tool=lackey). Usage: lines.py [REQUESTS], default 60. BUILD names a build tree that is not
optimised across files, so that functions are where their names say (default build/dev).
"""
import bisect
import collections
import os
import re
import shutil
import subprocess
import sys

CORE = os.path.join(os.environ.get("BUILD", "build/dev"), "bench/core")
LINE = 64
CONN_LINES = 13

# A segment begins with the call of one of these, and ends with one of the others.
BEGIN = {"tcp_input": "in", "tcp_output": "out"}
END = {"eth_input", "netif_flush", "port_rx", "stack_turn", "z_read", "z_write", "ff_read", "ff_write", "ff_kevent", "tcp_timer",
       "tcp_output_pending", "stack_flush"}
# What it is can be told from the functions that it runs through.
MARKS = {"rcvq_append": "data", "sent_ack": "ack", "sent_add": "data"}


def symbols(binary):
    out = subprocess.run(["nm", "-n", binary], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return [(int(r[0], 16), r[2].split(".")[0]) for r in rows if len(r) == 3 and r[1] in "tT"]


class Trace:
    def __init__(self, syms, workload):
        self.starts = [s[0] for s in syms]
        self.names = [s[1] for s in syms]
        self.home = dict((n, a) for a, n in syms)
        self.workload = workload
        self.slide = None
        self.conns = []
        self.on = False
        self.kind, self.marks, self.lines, self.frames = None, set(), collections.defaultdict(set), 0
        self.seen = collections.defaultdict(collections.Counter)
        self.function = ""

    def place(self, text):
        at = int(text.split()[-1], 16)
        if text.startswith("counted"):
            self.counted = text.split("(")[0]
            self.slide = at - self.home[self.counted]
        else:
            self.conns.append(at)

    def flush(self):
        if self.kind == "in" and self.marks:
            what = {"data": "data in", "ack": "acknowledgement in"}.get("+".join(sorted(self.marks)), "both in one")
        elif self.kind == "out" and self.frames:
            what = "data out, a turn with " + ("one segment" if self.frames == 1 else "several")
            what = what if "data" in self.marks else "acknowledgement out"
        else:
            what = None
        touched = max(self.lines.values(), key=len, default=set())
        if what and touched:
            self.seen[what][tuple(sorted(touched))] += 1
        self.kind, self.marks, self.lines, self.frames = None, set(), collections.defaultdict(set), 0

    def instruction(self, pc):
        i = bisect.bisect_right(self.starts, pc - self.slide) - 1
        name = self.names[i] if i >= 0 else ""
        if not self.on:
            self.on = name == self.counted
            return
        if name == self.function:
            return
        self.function = name
        entered = pc - self.slide == self.starts[i]
        if entered and (name in BEGIN or name in END):
            self.flush()
            self.kind = BEGIN.get(name)
        if entered and name in MARKS:
            self.marks.add(MARKS[name])
        if entered and name == "tcp_send_frame":
            self.frames += 1

    def access(self, at):
        if self.kind is None:
            return
        for conn in self.conns:
            if conn <= at < conn + CONN_LINES * LINE:
                self.lines[conn].add((at - conn) // LINE)


def lines_from(stream, mark):
    """What comes before the first mark is long, and nothing of it is wanted."""
    seen = b""
    while mark not in seen:
        more = stream.read(1 << 20)
        if not more:
            return
        seen = seen[-len(mark):] + more
    seen = seen[seen.index(mark) + 1:]
    while True:
        *whole, seen = seen.split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        more = stream.read(1 << 20)
        if not more:
            return
        seen += more


def trace(workload, *options):
    args = [CORE, *options, "--mtu", "1500", "--tso", "0", "--gro", "0", "--count"]
    t = Trace(symbols(CORE), workload)
    run = subprocess.Popen(["valgrind", "--tool=lackey", "--trace-mem=yes", *args], stderr=subprocess.STDOUT, stdout=subprocess.PIPE)
    for line in lines_from(run.stdout, b"\ncounted"):
        if re.match(r"(counted\w*\(\)|connection) at ", line):
            t.place(line)
        elif line.startswith("I "):
            t.instruction(int(line[3:].split(",")[0], 16))
        elif t.on and line[1:2] in "LSM" and line[2:3] == " ":
            t.access(int(line[3:].split(",")[0], 16))
    if run.wait() != 0 or not t.seen:
        sys.exit(f"lines.py: {' '.join(args)} ended with status {run.returncode} and {len(t.seen)} kinds of segments")
    return t


def main():
    if shutil.which("valgrind") is None:
        sys.exit("lines.py: valgrind is missing: apt-get install valgrind")
    if not os.path.exists(CORE):
        sys.exit(f"lines.py: {CORE} is missing: scripts/build.sh dev")
    requests = sys.argv[1] if len(sys.argv) > 1 else "60"
    runs = [("64 bytes and an answer", "--only", "rr", "--size", "64", "--conns", "1", "--variant", "zero-copy, fresh", "--requests", requests),
            ("bulk one way", "--only", "bulk")]
    print("| workload | segment | lines, most often | which | share | all, mean |\n|---|---|---|---|---|---|")
    for run in runs:
        t = trace(*run)
        for what, seen in sorted(t.seen.items()):
            (lines, n), total = seen.most_common(1)[0], seen.total()
            mean = sum(len(k) * v for k, v in seen.items()) / total
            print(f"| {t.workload} | {what} | {len(lines)} | {' '.join(map(str, lines))} | {100 * n // total} % of {total} | {mean:.1f} |")


if __name__ == "__main__":
    main()
