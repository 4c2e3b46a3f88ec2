#!/usr/bin/env python3
"""Documents stay true: paths, functions and counters that they name exist, links lead somewhere, every design page is short.

usage: check_docs.py [SOURCE_ROOT]     prints file:line and what is missing; exit status 1
       check_docs.py --self-test
"""
import glob
import os
import re
import sys
import tempfile

TOP = ("src", "include", "tests", "tools", "examples", "docs", "scripts", "bench")
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PATH = re.compile(r"^(?:%s)(?:/[\w.*-]+)*/?$" % "|".join(TOP))
FUNCTION = re.compile(r"^(?:tcp|ip|eth|arp|neigh|nd|mcast|igmp|mld|udp|pkt|sndq|rcvq|sent|port|stack|sock|api|wrap|release|conf|z|ff)_[a-z0-9_]*[a-z0-9]$")
COUNTER = re.compile(r"^(?:%s)\.[a-z][a-z0-9_]+$" % "|".join(
    ("port", "copy", "loop", "drop", "pkt", "loan", "wrap", "arp", "nd", "igmp", "mld", "mcast", "icmp", "udp", "tcp", "sock", "api")))
DESIGN_LINES = 60
GENERATED = ("build",)


def sources(root):
    text = []
    for top in ("src", "include", "tests", "scripts", "examples"):
        for path in glob.glob(os.path.join(root, top, "**", "*.[ch]"), recursive=True):
            with open(path, encoding="utf-8", errors="replace") as f:
                text.append(f.read())
    return "\n".join(text)


def documents(root):
    found = glob.glob(os.path.join(root, "*.md")) + glob.glob(os.path.join(root, "docs", "**", "*.md"), recursive=True)
    return sorted(found)


def exists(root, base, path):
    if path.split("/")[0] in GENERATED:
        return True
    return any(glob.glob(os.path.join(start, path)) for start in (root, base))


def check(root):
    problems = []
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", sources(root)))
    counters = os.path.join(root, "src/base/counters.h")
    names = set()
    if os.path.exists(counters):
        with open(counters, encoding="utf-8") as f:
            names = set(re.findall(r'"([a-z]+\.[a-z0-9_]+)"', f.read()))
    for path in documents(root):
        rel = os.path.relpath(path, root)
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
        if rel.startswith("docs/design/") and len(lines) > DESIGN_LINES:
            problems.append(f"{rel}: {len(lines)} lines; a decision is at most {DESIGN_LINES}")
        fenced = False
        for number, line in enumerate(lines, 1):
            if line.startswith("```"):
                fenced = not fenced
            if fenced or line.startswith(("    ", "\t")):
                continue
            for word in CODE.findall(line):
                if PATH.match(word) and not exists(root, os.path.dirname(path), word):
                    problems.append(f"{rel}:{number}: no {word}")
                elif FUNCTION.match(word) and word not in words:
                    problems.append(f"{rel}:{number}: nothing is called {word}")
                elif COUNTER.match(word) and names and word not in names and "." in word and not word.endswith((".c", ".h", ".md")):
                    problems.append(f"{rel}:{number}: no counter {word}")
            for word in LINK.findall(line):
                if "://" not in word and not word.startswith("mailto:") and not exists(root, os.path.dirname(path), word):
                    problems.append(f"{rel}:{number}: link to {word} leads nowhere")
    return problems


def self_test():
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "docs/design"))
        os.makedirs(os.path.join(root, "src/base"))
        with open(os.path.join(root, "src/base/counters.h"), "w", encoding="utf-8") as f:
            f.write('X(A, "copy.a_bytes", "x")\nvoid tcp_there(void);\n')
        with open(os.path.join(root, "docs/A.md"), "w", encoding="utf-8") as f:
            f.write("`src/base/counters.h` `tcp_there` `copy.a_bytes` [x](design)\n"
                    "`src/gone.c`\n`tcp_gone`\n`copy.gone`\n[x](gone.md)\n```\n`src/fenced.c`\n```\n")
        with open(os.path.join(root, "docs/design/long.md"), "w", encoding="utf-8") as f:
            f.write("x\n" * (DESIGN_LINES + 1))
        found = check(root)
        want = ["A.md:2:", "A.md:3:", "A.md:4:", "A.md:5:", "long.md:"]
        if len(found) != len(want) or any(w not in p for w, p in zip(want, found)):
            print("self-test: found", found)
            return 1
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    problems = check(root)
    print("\n".join(problems) if problems else "documents: all names exist")
    return 1 if problems else 0


sys.exit(main())
