#!/bin/sh
# Sets up a build tree, unless it is there: of these sources, by this compiler, with these options. One of which that is not true, because
# the sources were moved or what is wanted has changed, is made anew. Usage: tree.sh DIR COMPILER [meson's options]
set -eu
cd "$(dirname "$0")/.."

dir=$1
compiler=$2
shift 2
wanted="$PWD: $compiler $*"
if [ -e "$dir/build.ninja" ]; then
    [ "$(cat "$dir.options" 2>/dev/null)" != "$wanted" ] || exit 0
    echo "build: $dir was set up elsewhere or with other options, and is made anew" >&2
fi
rm -rf "$dir"
CC=$compiler meson setup "$dir" "$@" 2>&1
echo "$wanted" >"$dir.options"
