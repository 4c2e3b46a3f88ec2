#!/bin/sh
# Instructions of the stack alone, counted by callgrind: per request and endpoint, and by function.
# Usage: instructions.sh [--size BYTES] [--conns N] [--variant NAME] [--requests N] …, as bench/core; default: 64 bytes, 1 connection.
# LINES functions are listed (30). BUILD names another tree's bench/core.
set -eu
cd "$(dirname "$0")/.."

core=${BUILD:-build/release}/bench/core
out=$(mktemp)
trap 'rm -f "$out" "$out.log"' EXIT
if ! command -v valgrind >/dev/null 2>&1; then
    echo "instructions.sh: valgrind is missing: apt-get install valgrind" >&2
    exit 1
fi
[ -n "${BUILD:-}" ] || scripts/build.sh release bench/core
[ $# -gt 0 ] || set -- --size 64 --conns 1
if ! valgrind --tool=callgrind --callgrind-out-file="$out" '--toggle-collect=counted*' "$core" "$@" --count >"$out.log" 2>&1; then
    cat "$out.log" >&2
    exit 1
fi
grep '^counted' "$out.log"
requests=$(awk '/^counted/ { n += $2 } END { print n }' "$out.log")
awk -v n="$requests" '/Collected/ { printf "%.1f instructions per request and endpoint\n", $4 / (2 * n) }' "$out.log"
callgrind_annotate "$out" | awk -v n="$requests" -v lines="${LINES:-30}" '
    $1 ~ /^[0-9,]+$/ && /:/ && k < lines {
        count = $1; gsub(",", "", count); sub(/^[^:]*:/, ""); sub(/ \[.*/, "")
        printf "%8.1f  %s\n", count / (2 * n), $0; k++
    }'
