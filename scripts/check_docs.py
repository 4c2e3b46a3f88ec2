#!/usr/bin/env python3
"""Documents stay true: paths, functions and counters that they name exist, links lead somewhere, every design page is short.
In docs/rfc each row of a table names functions that its files have, and tests that exist; the index there names every page.

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

# docs/rfc: columns "where" and "test", and how a page says which files its test names are short for.
CELL = re.compile(r"(?<!\\)\|")
WHERE = re.compile(r"`?((?:src|include|tests|scripts)/[\w./-]*\w)`?|`(\w+)`")
TEST_DIR = re.compile(r"`?tests/(\w+)/test_<file>\.c`?")
TEST_ALIAS = re.compile(r"`?\b(\w+)`?(?:,\s|\s)(?:and\s`?(\w+)`?\s)?(?:is|are)\s`(tests/\w+/\w+\.\w+)`(?:\sand\s`(tests/\w+/\w+\.\w+)`)?")
TEST = re.compile(r"^`?(tests/[\w/]+\.\w+|\w+)`?(?::\s*(\w+))?(?:$|\s\(|\sover\s|\.)")
GENERATED = ("build/", "bench/results/")


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
    if (path.rstrip("/") + "/").startswith(GENERATED):
        return True
    return any(glob.glob(os.path.join(start, path)) for start in (root, base))


def read(root, path):
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def has_word(text, word):
    return re.search(r"\b%s\b" % re.escape(word), text) is not None


def test_files(page):
    """Directories of `tests/DIR/test_<file>.c`, and the names that stand for one file."""
    text = " ".join(page.split())
    alias = {}
    for one, two, path, path2 in TEST_ALIAS.findall(text):
        if two and path2:
            alias[one], alias[two] = path, path2
        else:
            alias[two or one] = path
    return TEST_DIR.findall(text), alias


def find_test(root, dirs, alias, name):
    if "/" in name:
        return [name] if os.path.exists(os.path.join(root, name)) else []
    if name in alias:
        return [alias[name]]
    return [p for p in (f"tests/{d}/test_{name}.c" for d in dirs) if os.path.exists(os.path.join(root, p))]


def check_where(root, cell, keys):
    """Functions stand behind the file that has them; a config key may stand anywhere."""
    text = name = None
    for path, word in WHERE.findall(cell):
        if path:
            name, text = path, read(root, path)
            if not text:
                yield f"no file {path}"
        elif f'"{word}"' in keys:
            continue
        elif text is None:
            yield f"{word}: in which file?"
        elif not has_word(text, word):
            yield f"no {word} in {name}"


def check_tests(root, dirs, alias, cell):
    for item in filter(None, (x.strip() for x in re.split(r"[,;]", cell))):
        match = TEST.match(item)
        if not match:
            if not item.startswith("every "):
                yield f"is no test: {item}"
            continue
        files = find_test(root, dirs, alias, match[1])
        if not files:
            yield f"no file of tests for {match[1]}"
        elif match[2] and not any(has_word(read(root, f), match[2]) for f in files):
            yield f"no test {match[2]} in {' or '.join(files)}"


def check_rfc(root, rel, lines, keys):
    """Rows of the tables of one page of docs/rfc."""
    dirs, alias = test_files("\n".join(lines))
    head = []
    for number, line in enumerate(lines, 1):
        if not line.startswith("|"):
            head = []
            continue
        cells = [c.strip() for c in CELL.split(line)[1:-1]]
        if not head:
            head = cells
            continue
        if set(line) <= set("|-: "):
            continue
        if len(cells) != len(head):
            yield f"{rel}:{number}: {len(cells)} cells of {len(head)}"
            continue
        row = dict(zip(head, cells))
        for problem in check_where(root, row.get("where", ""), keys):
            yield f"{rel}:{number}: {problem}"
        for problem in check_tests(root, dirs, alias, row.get("test", "")):
            yield f"{rel}:{number}: {problem}"


def check(root):
    problems = []
    keys = read(root, "src/core/conf_keys.c")
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
        if rel.startswith("docs/rfc/"):
            problems.extend(check_rfc(root, rel, lines, keys))
            index = os.path.join(os.path.dirname(rel), "README.md")
            if rel != index and f"({os.path.basename(rel)})" not in read(root, index):
                problems.append(f"{index}: does not name {os.path.basename(rel)}")
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
        os.makedirs(os.path.join(root, "docs/rfc"))
        os.makedirs(os.path.join(root, "tests/unit"))
        with open(os.path.join(root, "tests/unit/test_x.c"), "w", encoding="utf-8") as f:
            f.write("static void there(void)\n")
        with open(os.path.join(root, "docs/rfc/1.md"), "w", encoding="utf-8") as f:
            f.write("Tests are `tests/unit/test_<file>.c`; y is `tests/unit/test_x.c`.\n\n| what | where | test |\n|---|---|---|\n"
                    "| a | src/base/counters.h `tcp_there` | x:there, y:there |\n"
                    "| b | src/base/counters.h `missing` | x:there |\n| c | `tcp_there` | x |\n| d | | x:missing |\n| e | | z:there |\n"
                    "| f | | see there |\n| g | x |\n")
        found = check(root)
        want = ["A.md:2:", "A.md:3:", "A.md:4:", "A.md:5:", "long.md:"] + [f"1.md:{n}:" for n in range(6, 12)] + ["README.md"]
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
