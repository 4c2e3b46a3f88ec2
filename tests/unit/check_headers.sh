#!/bin/sh
# Each public header compiles alone, and all together, in C and C++. Usage: check_headers.sh SOURCE_DIR CC CXX_OR_EMPTY
set -eu
src=$1
cc=$2
cxx=$3
set -- $(pkg-config --cflags libdpdk | sed 's/-I/-isystem/g')
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for header in "$src"/include/zstack/*.h; do
    { echo "#include \"$(basename "$header")\""; echo "extern int nothing;"; } >"$tmp/one.c"
    cat "$tmp/one.c" >>"$tmp/all.c"
    "$cc" -std=gnu11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$@" -I"$src/include/zstack" "$tmp/one.c"
    cp "$tmp/one.c" "$tmp/one.cc"
    [ -z "$cxx" ] || "$cxx" -std=gnu++17 -Wall -Wextra -Werror -fsyntax-only "$@" -I"$src/include/zstack" "$tmp/one.cc"
done
# an application's own names stay its own
cat >>"$tmp/all.c" <<'END'
static int tcp_input(void) { return 1; }
struct sock { int mine; };
enum { MIN = 1, CTR_COUNT };
int main(void) { struct sock s = {MIN + CTR_COUNT}; return tcp_input() + s.mine; }
END
"$cc" -std=gnu11 -Wall -Wextra -Werror -fsyntax-only "$@" -I"$src/include/zstack" "$tmp/all.c"
