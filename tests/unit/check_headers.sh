#!/bin/sh
# Each public header compiles alone, and all together, in C and C++. Usage: check_headers.sh SOURCE_DIR CXX_OR_EMPTY CC...
set -eu
src=$1
cxx=$2
shift 2
# What follows is the C compiler, perhaps behind ccache.
dpdk=$(pkg-config --cflags libdpdk | sed 's/-I/-isystem/g')
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for header in "$src"/include/zstack/*.h; do
    { echo "#include \"$(basename "$header")\""; echo "extern int nothing;"; } >"$tmp/one.c"
    cat "$tmp/one.c" >>"$tmp/all.c"
    "$@" -std=gnu11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $dpdk -I"$src/include/zstack" "$tmp/one.c"
    cp "$tmp/one.c" "$tmp/one.cc"
    [ -z "$cxx" ] || "$cxx" -std=gnu++17 -Wall -Wextra -Werror -fsyntax-only $dpdk -I"$src/include/zstack" "$tmp/one.cc"
done
# an application's own names stay its own
cat >>"$tmp/all.c" <<'END'
static int tcp_input(void) { return 1; }
struct sock { int mine; };
enum { MIN = 1, CTR_COUNT };
int main(void) { struct sock s = {MIN + CTR_COUNT}; return tcp_input() + s.mine; }
END
"$@" -std=gnu11 -Wall -Wextra -Werror -fsyntax-only $dpdk -I"$src/include/zstack" "$tmp/all.c"
