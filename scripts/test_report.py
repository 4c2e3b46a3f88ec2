#!/usr/bin/env python3
"""Adds up meson's test logs. Usage: test_report.py SKIP_LIST LOG...

Prints failed and skipped tests, then "N passed, N failed, N skipped" as the last line. Under CI=true a skipped test
that is not on the list fails the run: what silently stops being tested is found there.
"""
import json
import os
import sys


def read_skip_list(path):
    with open(path, encoding="utf-8") as f:
        lines = (line.split("#", 1)[0].split() for line in f)
        return {words[0] for words in lines if words}


def read_results(paths):
    for path in paths:
        tree = path.split("/")[1]
        try:
            with open(path, encoding="utf-8") as f:
                for line in f:
                    entry = json.loads(line)
                    yield tree, entry["name"].split(" / ")[-1], entry
        except FileNotFoundError:
            yield tree, "(no test log)", {"result": "ERROR"}


def main():
    allowed = read_skip_list(sys.argv[1])
    strict = os.environ.get("CI") == "true"
    passed = failed = skipped = unlisted = 0
    for tree, name, entry in read_results(sys.argv[2:]):
        result = entry["result"]
        if result in ("OK", "EXPECTEDFAIL"):
            passed += 1
        elif result == "SKIP":
            skipped += 1
            lines = [line for line in (entry.get("stdout") or "").splitlines() if line.strip()]
            print(f"skipped: {tree}: {name}: {lines[-1] if lines else 'no reason given'}")
            if strict and name not in allowed:
                print(f"skipped and not in {sys.argv[1]}: {name}")
                unlisted += 1
        else:
            failed += 1
            print(f"failed ({result.lower()}): {tree}: {name}")
    print(f"{passed} passed, {failed + unlisted} failed, {skipped - unlisted} skipped")
    return 1 if failed or unlisted or not passed else 0


sys.exit(main())
