#!/usr/bin/env python3
"""Paths that the documents name must exist: links, and code spans that look like a path of the tree. Usage: check_docs.py ROOT"""
import glob
import os
import re
import sys

TREE = ("src/", "tests/", "include/", "examples/", "scripts/", "docs/", "tools/", "bench/", ".ci/")


def named_paths(text):
    text = re.sub(r"^( {4}|\t).*$|```.*?```", "", text, flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in link:
            yield link
    for span in re.findall(r"`([^`\n]+)`", text):
        if span.startswith(TREE) and re.fullmatch(r"[\w./-]+", span):
            yield span


def main():
    root = sys.argv[1]
    missing = []
    pages = [os.path.join(root, "README.md")] + glob.glob(os.path.join(root, "docs/**/*.md"), recursive=True)
    for page in pages:
        with open(page, encoding="utf-8") as f:
            for path in named_paths(f.read()):
                if not any(os.path.exists(os.path.join(base, path)) for base in (root, os.path.dirname(page))):
                    missing.append(f"{os.path.relpath(page, root)}: {path}")
    print("\n".join(f"no such file: {m}" for m in missing) or f"{len(pages)} pages")
    return 1 if missing else 0


sys.exit(main())
