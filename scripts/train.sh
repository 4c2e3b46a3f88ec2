#!/bin/sh
# Tells the compiler which way requests go: bench/core is built with counters in build/train, run, and what it counted is put where the
# objects of the tree TREE are made. Without this step TREE is as right, and slower (docs/PERFORMANCE.md). Usage: train.sh TREE
set -eu
cd "$(dirname "$0")/.."

tree=$1
train=build/train
scripts/tree.sh $train "${CC:-cc}" --buildtype=release -Dtests=false -Db_pgo=generate
ninja -C $train bench/core
# What is asked of servers: small messages and large ones, one connection and many, frames that the port cuts and merges and others, ports
# without offloads, connections that come and go.
run() {
    echo "train: core $*"
    timeout 120 $train/bench/core "$@"
}
if [ ! -e $train/trained ] || [ $train/bench/core -nt $train/trained ] || [ scripts/train.sh -nt $train/trained ]; then
    find $train -name '*.gcda' -delete
    run --only rr --reps 1 --requests 1000 --size 64
    run --only rr --reps 1 --requests 1000 --size 64 --conns 1000
    run --only rr --reps 1 --requests 200 --size 65000
    run --only rr --reps 1 --requests 1000 --size 8192 --conns 10 --tso 0 --gro 1
    run --only rr --reps 1 --requests 1000 --size 64 --copy 1
    run --only rr --reps 1 --requests 200 --size 8192 --conns 10 --copy 1
    run --only rr --reps 1 --requests 1000 --size 64 --copy 2
    run --only bulk --reps 1
    run --only open --reps 1 --requests 40000
    touch $train/trained
fi
# What was compiled without counts, or when other things were run, is compiled again.
(cd $train && find src -name '*.gcda') | while read -r file; do
    mkdir -p "$tree/${file%/*}"
    [ "$tree/$file" -nt scripts/train.sh ] || rm -f "$tree/${file%.gcda}.o"
    cp $train/"$file" "$tree/$file"
done
