#!/bin/sh
# Every man page of a z_* call has an example, and each example compiles. Usage: check_man_examples.sh SOURCE_DIR [CC...]
set -eu
src=$1
shift
[ $# -gt 0 ] || set -- cc
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0
pages=0
for page in "$src"/docs/man/z_*.3; do
    if grep -q '^\.so ' "$page"; then # a second name
        target=$src/docs/man/$(sed -n 's|^\.so man3/||p' "$page")
        [ -f "$target" ] || { echo "$page: names no page: $target"; bad=1; }
        continue
    fi
    pages=$((pages + 1))
    sed -n '/^\.EX$/,/^\.EE$/{/^\.E[XE]$/d;s/\\-/-/g;s/\\e/\\/g;p}' "$page" >"$tmp/example.c"
    [ -s "$tmp/example.c" ] || { echo "$page: has no example"; bad=1; continue; }
    "$@" -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -I"$src/include/zstack" "$tmp/example.c" || { echo "$page: its example does not compile"; bad=1; }
done
# every call has a page
for name in $(sed -n 's/^[a-z].*[ *]\(z_[a-z_]*\)(.*/\1/p' "$src/include/zstack/z_api.h" | sort -u); do
    [ -f "$src/docs/man/$name.3" ] || { echo "$name: has no man page"; bad=1; }
done
[ "$pages" -gt 0 ] || { echo "no pages found"; bad=1; }
exit $bad
