# shellcheck shell=sh
# To be read by scripts that measure (. scripts/alone.sh): one at a time in a tree, for they use the same cores and write the same files.
# The lock is the descriptor's, and with it that of the programs that the script starts: it goes with the last of them.
mkdir -p build
exec 9>>build/bench.lock
if ! flock -n 9; then
    echo "${0##*/}: make bench or make demo runs in this directory already: wait for its end, or stop it" >&2
    exit 1
fi
