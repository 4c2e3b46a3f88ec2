#!/bin/sh
# Runs a test once per seed of a list. Usage: run_seeds.sh PROGRAM LIST
set -eu
for seed in $(sed 's/#.*//' "$2"); do
    "$1" "$seed"
done
