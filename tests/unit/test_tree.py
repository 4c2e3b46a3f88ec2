#!/usr/bin/env python3
"""scripts/tree.sh keeps a build tree that is as it is wanted, and makes it anew when the sources were moved, the compiler or the options are
others, or nobody wrote down what they were."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Instead of meson, as far as tree.sh looks; FAIL: it cannot.
MESON = """#!/bin/sh
mkdir -p "$2"
[ -z "${FAIL:-}" ] || exit 1
touch "$2/build.ninja"
"""


def main(tmp):
    def tree(sources, *options, fail=""):
        env = {**os.environ, "PATH": f"{tmp}/bin:{os.environ['PATH']}", "FAIL": fail}
        return subprocess.run([f"{tmp}/{sources}/scripts/tree.sh", "build/x", *options], env=env, capture_output=True, text=True, check=False)

    def check(what, done, says, status=0):
        if done.returncode != status or (done.stderr != "") != says:
            sys.exit(f"FAILED: {what}: status {done.returncode}: {done.stdout}{done.stderr}")
        if (status == 0) != os.path.exists(f"{tmp}/{done.args[0].split('/')[-3]}/build/x/build.ninja"):
            sys.exit(f"FAILED: {what}: {'no' if status == 0 else 'a'} tree")

    os.makedirs(f"{tmp}/bin")
    with open(f"{tmp}/bin/meson", "w", encoding="utf-8") as f:
        f.write(MESON)
    os.chmod(f"{tmp}/bin/meson", 0o755)
    os.makedirs(f"{tmp}/one/scripts")
    shutil.copy(f"{ROOT}/scripts/tree.sh", f"{tmp}/one/scripts")

    mark = f"{tmp}/one/build/x/object"
    check("new", tree("one", "cc", "-Da=1"), False)
    for what, options in (("other options", ["cc", "-Da=2"]), ("another compiler", ["gcc", "-Da=2"]), ("fewer options", ["gcc"])):
        open(mark, "w", encoding="utf-8").close()
        check(f"{what}", tree("one", *options), True)
        if os.path.exists(mark):
            sys.exit(f"FAILED: {what}: the tree was kept")
        open(mark, "w", encoding="utf-8").close()
        check(f"{what} again", tree("one", *options), False)
        if not os.path.exists(mark):
            sys.exit(f"FAILED: {what} again: the tree was made anew")
    os.rename(f"{tmp}/one", f"{tmp}/two")
    check("moved", tree("two", "gcc"), True)
    check("no meson", tree("two", "cc", fail="1"), True, status=1)
    check("after that", tree("two", "cc"), False)
    os.unlink(f"{tmp}/two/build/x.options")
    check("not written down", tree("two", "cc"), True)


with tempfile.TemporaryDirectory(prefix="zstack-tree-") as directory:
    main(directory)
