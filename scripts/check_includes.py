#!/usr/bin/env python3
"""Who may include whom (docs/ARCHITECTURE.md, "Who may call whom"). Prints file:line and the rule; exit status 1 on a breach.

usage: check_includes.py [--fix] [SOURCE_ROOT]     --fix adds a missing #include "base/poison.h"
       check_includes.py --self-test               breaks every rule once and expects to be told

Only direct includes are looked at, and only what an include can show: a call that needs no header of its own is caught by
base/poison.h at compile time.
"""
import os
import re
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# Device, core and clock headers: src/port only.
DEVICE = {
    "rte_ethdev.h", "rte_ethdev_core.h", "rte_ethdev_driver.h", "rte_bus.h", "rte_bus_pci.h", "rte_bus_vdev.h", "rte_dev.h",
    "rte_lcore.h", "rte_launch.h", "rte_per_lcore.h", "rte_cycles.h", "rte_time.h", "rte_timer.h", "rte_alarm.h",
    "rte_interrupts.h", "rte_epoll.h", "rte_pause.h", "rte_power_intrinsics.h", "x86intrin.h", "sys/timerfd.h",
}

# The way up. A file may include its own layer, the one above, and those below.
LAYER = {"link": 2, "ip": 3, "udp": 4, "tcp": 4, "sock": 5, "api": 6}
LAYER_NAME = {rank: " or ".join("src/" + d for d, r in LAYER.items() if r == rank) for rank in set(LAYER.values())}

# What an input file needs of the layer below it: the types of its arguments, and the output calls of its replies.
FACE_BELOW = {"link/netif.h", "ip/ip.h", "ip/icmp_err.h", "ip/ip_state.h"}

# Mechanisms take their own struct only, never struct z_stack.
MECHANISM_DIRS = {"base", "wire", "buf"}
MECHANISM_FILES = {
    "tcp/rate", "tcp/rtt", "tcp/cc", "tcp/cc_reno", "tcp/cc_cubic", "tcp/cc_dctcp", "tcp/cc_bbr", "tcp/cc_bbr_model",
    "tcp/cc_bbr_probe", "tcp/sent", "tcp/sack", "tcp/rack", "tcp/prr", "tcp/undo", "tcp/table",
    "link/neigh", "ip/route", "ip/pmtu", "sock/idset", "pkt/txq",
}
NOT_MECHANISM = {"buf/wrap"}  # release callbacks are queued on the stack
STACK = {"core/stack.h"}

# May look at anything, or has to do with devices and clocks.
NO_POISON_DIRS = {"port", "api", "mon"}
POISON = "base/poison.h"


def includes(path):
    """(line, name, quoted) of every include."""
    with open(path, encoding="utf-8") as f:
        for number, text in enumerate(f, 1):
            m = INCLUDE.match(text)
            if m:
                yield number, m.group(2), m.group(1) == '"'


def is_input(name):
    return name == "input.c" or name.endswith("_input.c")


def is_output(name):
    return name == "output.c" or name.endswith("_output.c")


def check_one(rel, number, name, quoted, say):
    folder, file = rel.split("/", 1)
    stem = rel.rsplit(".", 1)[0]
    target = name.split("/")[0] if quoted and "/" in name else None

    if name in DEVICE and folder != "port":
        say(number, f"<{name}>: only src/port may include device, core and clock headers")
    if target == "mon" and folder not in ("mon", "api"):
        say(number, f'"{name}": only src/api may include src/mon')
    if target == "api" and folder != "api":
        say(number, f'"{name}": nothing but src/api may include src/api')
    if folder in ("base", "wire"):
        allowed = {"base"} if folder == "base" else {"base", "wire"}
        if target is not None and target not in allowed:
            say(number, f'"{name}": src/{folder} may include {" and ".join("src/" + a for a in sorted(allowed))} only')
        if name.startswith("rte_"):
            say(number, f"<{name}>: src/{folder} knows nothing of DPDK")
    if name in STACK and stem not in NOT_MECHANISM and (folder in MECHANISM_DIRS or stem in MECHANISM_FILES):
        say(number, f'"{name}": a mechanism takes its own struct only')
    if folder == "port" and target not in (None, "base", "wire", "pkt", "port") and name != "buf/wrap.h":  # it says what it copied
        say(number, f'"{name}": src/port may include src/base, src/wire, src/pkt and buf/wrap.h only')
    rank, target_rank = LAYER.get(folder), LAYER.get(target)
    if rank is None or target_rank is None or folder == "api":
        return
    if target_rank > rank + 1:
        say(number, f'"{name}": more than one layer above src/{folder} (above it is {LAYER_NAME[rank + 1]})')
    if target_rank == rank and target != folder:
        say(number, f'"{name}": src/{folder} and src/{target} do not know each other')
    if is_input(file) and target_rank < rank and name not in FACE_BELOW:
        say(number, f'"{name}": an input file does not include the layer below, but for {", ".join(sorted(FACE_BELOW))}')
    if is_output(file) and target_rank > rank and name != "sock/sock.h":
        say(number, f'"{name}": an output file does not include a layer above, but for the notices of sock/sock.h')
    if is_output(file) and target_rank < rank - 1:
        say(number, f'"{name}": an output file includes only the layer directly below')


def check_file(root, rel, fix):
    """Messages of one file."""
    path = os.path.join(root, "src", rel)
    found = []
    lines = list(includes(path))

    def say(number, text):
        found.append(f"src/{rel}:{number}: {text}")

    for number, name, quoted in lines:
        check_one(rel, number, name, quoted, say)
    if re.search(r"input.*output|output.*input", os.path.basename(rel)):
        say(1, "no file is both input and output")
    if rel.endswith(".h"):
        say_poison = [n for n, name, _ in lines if name == POISON]
        if say_poison:
            say(say_poison[0], f'"{POISON}": not in a header, it would poison what comes after')
    elif rel.split("/")[0] not in NO_POISON_DIRS:
        if not any(name == POISON for _, name, _ in lines):
            if fix and lines:
                add_poison(path, lines[-1][0])
            else:
                say(lines[-1][0] if lines else 1, f'#include "{POISON}" is missing (after the last include; --fix adds it)')
        elif lines[-1][1] != POISON:
            say(lines[-1][0], f'"{lines[-1][1]}": "{POISON}" must be the last include')
    return found


def add_poison(path, after):
    with open(path, encoding="utf-8") as f:
        text = f.read().split("\n")
    text[after:after] = ["", f'#include "{POISON}"']
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(text))


def check_tree(root, fix=False):
    found = []
    base = os.path.join(root, "src")
    for folder, dirs, files in os.walk(base):
        dirs.sort()
        for file in sorted(files):
            rel = os.path.relpath(os.path.join(folder, file), base)
            if file.endswith((".c", ".h")) and "/" in rel:
                found += check_file(root, rel, fix)
    return found


SELF_TEST = [  # file, its includes, part of the message (None: fine)
    ("tcp/input.c", ["sock/sock.h", "ip/ip.h", "core/stack.h", POISON], None),
    ("tcp/conn.c", ["rte_ethdev.h", POISON], "only src/port may include device"),
    ("port/ethdev.c", ["rte_ethdev.h", "pkt/pkt.h"], None),
    ("port/ethdev.c", ["tcp/tcp.h"], "src/port may include src/base"),
    ("tcp/conn.c", ["mon/mon.h", POISON], "only src/api may include src/mon"),
    ("api/init.c", ["mon/mon.h"], None),
    ("sock/sock.c", ["api/api.h", POISON], "nothing but src/api"),
    ("base/wheel.c", ["wire/eth.h", POISON], "src/base may include src/base only"),
    ("wire/eth.c", ["rte_mbuf.h", POISON], "knows nothing of DPDK"),
    ("tcp/rtt.c", ["core/stack.h", POISON], "a mechanism takes its own struct"),
    ("buf/sndq.h", ["core/stack.h"], "a mechanism takes its own struct"),
    ("buf/wrap.c", ["core/stack.h", POISON], None),
    ("link/eth_input.c", ["tcp/tcp.h", POISON], "more than one layer above src/link"),
    ("tcp/conn.c", ["udp/udp.h", POISON], "do not know each other"),
    ("ip/ip_input.c", ["link/eth.h", POISON], "an input file does not include the layer below"),
    ("ip/ip_output.c", ["tcp/tcp.h", POISON], "an output file does not include a layer above"),
    ("tcp/output.c", ["link/eth.h", POISON], "only the layer directly below"),
    ("ip/input_output.c", [POISON], "no file is both"),
    ("tcp/conn.c", ["tcp/conn.h"], "is missing"),
    ("tcp/conn.c", [POISON, "tcp/conn.h"], "must be the last include"),
    ("tcp/conn.h", [POISON], "not in a header"),
]


def self_test():
    for rel, names, expected in SELF_TEST:
        with tempfile.TemporaryDirectory() as root:
            path = os.path.join(root, "src", rel)
            os.makedirs(os.path.dirname(path))
            with open(path, "w", encoding="utf-8") as f:
                f.writelines(f"#include <{n}>\n" if n.startswith("rte_") else f'#include "{n}"\n' for n in names)
            found = check_tree(root)
            if (expected is None and found) or (expected is not None and not (len(found) == 1 and expected in found[0])):
                sys.exit(f"self-test: {rel} {names}: expected {expected}, found {found}")
            if expected == "is missing" and (check_tree(root, fix=True) or check_tree(root)):
                sys.exit("self-test: --fix did not help")
    print(f"{len(SELF_TEST)} cases passed")


def main():
    args = sys.argv[1:]
    if args == ["--self-test"]:
        self_test()
        return 0
    fix = "--fix" in args
    roots = [a for a in args if a != "--fix"]
    if len(roots) > 1 or any(a.startswith("-") for a in roots):
        sys.exit(__doc__.strip())
    found = check_tree(roots[0] if roots else os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."), fix)
    print("\n".join(found) if found else "all includes are as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
