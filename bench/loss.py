#!/usr/bin/env python3
"""Goodput of one bulk connection through the impairment box: the stack as sender beside the kernel as sender.

Every run is a fresh pair of networks (scripts/lab.py): sender - box - kernel receiver. The box has a rate, a delay and
a queue of one bandwidth-delay product, and loses data frames at random by seed. For each loss rate and seed the stack
and the kernel send at the same time, each through a box of its own, so that what else the machine does hits both alike.
Prints medians with quartiles and the ratio of the medians; CSV and the table go to bench/results/.
"""
import concurrent.futures
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.environ.get("ZSTACK_SOURCE") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("ZSTACK_BUILD") or os.path.join(ROOT, "build/dev")
sys.path.insert(0, os.path.join(ROOT, "scripts"))

import arguments  # noqa: E402
import lab as labs  # noqa: E402
import results as bench_results  # noqa: E402

PORT = 7000
SOURCE = PORT + 3  # tests/e2e/zserver.c
FRAME = 1514


def start_box(lab, o):
    rate = o.mbit * 1_000_000
    queue = max(int(rate / 8 * o.rtt_ms / 1000 / FRAME), 16)
    half = f"{o.rtt_ms / 2}ms"
    box = lab.popen("box", f"{BUILD}/tools/impair", "--a", labs.BOX_STACK_IF, "--b", labs.BOX_CLIENT_IF,
                    "--delay", half, "--rate", f"{o.mbit}mbit", "--queue", queue, "--ab-loss", f"{o.loss}%",
                    "--seed", o.seed, "--seconds", o.seconds + 30, stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    if box.poll() is not None:
        raise labs.LabError(f"the impairment box ended with status {box.returncode}")
    return box


def receive(s, seconds):
    """Bytes that arrive within the time."""
    got, end = 0, time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            n = len(s.recv(1 << 20))
        except TimeoutError:
            break
        if n == 0:
            raise labs.LabError("the sender closed")
        got += n
    return got


@contextlib.contextmanager
def stack_sender(lab, o):
    tmp = tempfile.mkdtemp(prefix="zstack-bench-")
    config = labs.write_config(os.path.join(tmp, "config.ini"), core=o.core, dpdk=("idle_sleep=20",),
                               zstack=(f"congestion_control={o.cc}",) if o.cc else ())
    with open(os.path.join(tmp, "log"), "w", encoding="utf-8") as log:
        server = lab.popen("stack", f"{BUILD}/tests/e2e/zserver", "--conf", config, "--", PORT, stdout=log, stderr=log)
    labs.wait_port(lab, server, SOURCE)
    with lab.on("kernel"):
        s = socket.create_connection((labs.SERVER_IP, SOURCE), timeout=10)
    s.sendall(f"{1 << 40} reset\n".encode())
    yield s
    s.close()
    labs.stop(server)
    if o.log:
        with open(os.path.join(tmp, "log"), encoding="utf-8") as f:
            sys.stderr.write(f.read())
    subprocess.run(["rm", "-r", tmp], check=True)


def kernel_sends(lab):
    """In a process of its own: the parent must not share an interpreter with the receiver."""
    with lab.on("stack"):
        listener = socket.create_server((labs.SERVER_IP, SOURCE))
    child = os.fork()
    if child:
        listener.close()
        return child
    s, _ = listener.accept()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    block = bytes(1 << 18)
    with contextlib.suppress(OSError):
        while True:
            s.sendall(block)
    os._exit(0)


@contextlib.contextmanager
def kernel_sender(lab, _):
    lab.kernel_server(True)
    child = kernel_sends(lab)
    with lab.on("kernel"):
        s = socket.create_connection((labs.SERVER_IP, SOURCE), timeout=10)
    yield s
    s.close()
    os.kill(child, 9)
    os.waitpid(child, 0)


def one(o):
    def inside():
        lab = labs.Lab(box=True)
        start_box(lab, o)
        if o.one == "stack":
            lab.kernel_server(False)
        with (stack_sender if o.one == "stack" else kernel_sender)(lab, o) as s:
            got = receive(s, o.seconds)
        print(got, flush=True)
        lab.close()
        return 0

    return labs.in_lab(inside)


def run(o, who, loss, seed):
    argv = [sys.executable, "-B", os.path.abspath(__file__), "--one", who, "--loss", str(loss), "--seed", str(seed),
            "--seconds", str(o.seconds), "--mbit", str(o.mbit), "--rtt-ms", str(o.rtt_ms), "--cc", o.cc,
            "--core", str(seed % os.cpu_count())]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=o.seconds + 120)
    if done.returncode != 0:
        raise labs.LabError(f"{who}, loss {loss} %, seed {seed}: status {done.returncode}")
    return int(done.stdout) * 8 / o.seconds / 1e6


def quartiles(v):
    return statistics.quantiles(v, n=4) if len(v) > 1 else [v[0]] * 3


def table(o, results, losses):
    lines = [f"{o.mbit} Mb/s, {o.rtt_ms} ms, queue of one bandwidth-delay product, {o.seconds} s, Mb/s of goodput: median (quartiles)",
             "", "| loss | seeds | Z-stack | kernel CUBIC | ratio |", "|---:|---:|---:|---:|---:|"]
    for loss in losses:
        cells = []
        for who in ("stack", "kernel"):
            q = quartiles([mbit for w, l, _, mbit in results if w == who and l == loss])
            cells.append(q)
        text = [f"{q[1]:.1f} ({q[0]:.1f}-{q[2]:.1f})" for q in cells]
        n = sum(1 for w, l, _, _ in results if w == "stack" and l == loss)
        lines.append(f"| {loss} % | {n} | {text[0]} | {text[1]} | {cells[0][1] / cells[1][1]:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    p = arguments.Parser(__doc__)
    p.take("--losses", "LOSS_ARGS", arguments.several(arguments.number(0, 99)), "0.1,1,5", "percent, separated by commas")
    p.take("--seeds", "LOSS_ARGS", arguments.whole(1, 1000), "20")
    p.take("--seconds", "LOSS_ARGS", arguments.number(1, 600), "30")
    p.take("--mbit", "LOSS_ARGS", arguments.whole(1, 100000), "1000")
    p.take("--rtt-ms", "LOSS_ARGS", arguments.number(0.1, 10000), "10")
    p.take("--parallel", "LOSS_ARGS", arguments.whole(1, 64), "1", "pairs at the same time")
    p.take("--cc", "LOSS_ARGS", arguments.name("cubic", "reno", "bbr", "dctcp"), "cubic", "congestion control of the stack")
    p.add_argument("--one", choices=("stack", "kernel"), help="one run only: prints the bytes received")
    p.take("--loss", "LOSS_ARGS", arguments.number(0, 99), "1")
    p.take("--seed", "LOSS_ARGS", arguments.whole(0, 1 << 32), "1")
    p.take("--core", "LOSS_ARGS", arguments.whole(0, 1023), "0")
    p.add_argument("--log", action="store_true", help="with --one stack: the counters, to standard error")
    o = p.read()
    if o.one:
        return one(o)
    losses = o.losses
    jobs = [(who, loss, seed) for loss in losses for seed in range(1, o.seeds + 1) for who in ("stack", "kernel")]
    results = []
    with concurrent.futures.ThreadPoolExecutor(2 * o.parallel) as pool:
        running = {pool.submit(run, o, *job): job for job in jobs}
        for f in concurrent.futures.as_completed(running):
            who, loss, seed = running[f]
            results.append((who, loss, seed, f.result()))
            print(f"{len(results)}/{len(jobs)} loss {loss} % seed {seed} {who}: {f.result():.1f} Mb/s", file=sys.stderr, flush=True)
    with open(bench_results.path("loss.csv"), "w", encoding="utf-8") as f:
        f.write("sender,loss_percent,seed,mbit\n")
        f.writelines(f"{w},{l},{s},{m:.3f}\n" for w, l, s, m in sorted(results))
    text = table(o, results, losses)
    with open(bench_results.path("loss.md"), "w", encoding="utf-8") as f:
        f.write(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (labs.LabError, subprocess.TimeoutExpired) as e:
        print(f"loss.py: {e}", file=sys.stderr)
        sys.exit(1)
