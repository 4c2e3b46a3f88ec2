#!/bin/sh
# Joins the objects of an archive into one and makes its internal symbols local, so that a function of an application
# with the same name cannot replace ours. Usage: prelink.sh OBJCOPY DIR OUTPUT ARCHIVE COMPILER...
set -eu
objcopy=$1
dir=$2
output=$3
archive=$4
shift 4

mkdir -p "$dir"
"$@" -r -nostdlib -o "$dir/libzstack.o" -Wl,--whole-archive "$archive" -Wl,--no-whole-archive
"$objcopy" --localize-hidden "$dir/libzstack.o"
rm -f "$output"
ar rcs "$output" "$dir/libzstack.o"
