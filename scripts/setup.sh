#!/bin/sh
# Installs what is missing, with apt. Usage: setup.sh build|demo|bench|sim|test|fuzz|coverage|all
# Looks first; a machine that has everything is left alone, and root is needed only when something is missing.
set -eu
cd "$(dirname "$0")/.."

need=${1:-build}
missing=

want_command() { # command package
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

want_module() { # pkg-config module, package
    if ! command -v pkg-config >/dev/null 2>&1 || ! pkg-config --exists "$1"; then
        missing="$missing $2"
    fi
}

want_file() { # file package
    [ -e "$1" ] || missing="$missing $2"
}

PATH=$PATH:/usr/sbin:/sbin
want_command cc gcc
want_file /usr/include/stdio.h libc6-dev
want_command pkg-config pkg-config
want_command meson meson
want_command ninja ninja-build
want_command python3 python3
want_module libdpdk libdpdk-dev

case $need in
demo | bench | test | all)
    want_command ip iproute2
    want_command ethtool ethtool
    want_command curl curl
    want_command wrk wrk
    ;;
esac
case $need in
sim | test | fuzz | coverage | all)
    want_module cmocka libcmocka-dev
    ;;
esac
case $need in
test | all)
    want_command iperf3 iperf3
    want_command nc netcat-openbsd
    want_command tcpdump tcpdump
    ;;
esac
case $need in
bench) want_command gnuplot gnuplot-nox ;;
coverage) want_command gcovr gcovr ;;
test | fuzz | all)
    want_command clang clang
    ;;
esac

# A dot every few seconds; ends with this script, however that ends.
dots() {
    while sleep 2 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        printf . >&2
    done
}

# apt-get in the foreground, so that Ctrl-C reaches it; its output is shown only when it fails.
apt_quiet() {
    log=$(mktemp)
    status=0
    dots &
    watcher=$!
    DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 </dev/null || status=$?
    kill "$watcher" 2>/dev/null || true
    if [ "$status" != 0 ]; then
        echo " failed:" >&2
        tail -n 15 "$log" >&2
    fi
    rm -f "$log"
    return "$status"
}

install_packages() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: this machine has no apt-get; install by hand what provides:$*" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "setup: missing packages; run as root: apt-get install $*" >&2
        exit 1
    fi
    printf 'setup: installing %s ' "$*" >&2
    apt_quiet update || exit 1
    apt_quiet install -y --no-install-recommends "$@" || exit 1
    echo " done" >&2
}

# shellcheck disable=SC2086 # the list is split on purpose
[ -z "$missing" ] || install_packages $missing

# The fuzzer and sanitizer runtimes are a package of their own, named after the version of clang.
case $need in
test | fuzz | all)
    major=$(clang -dumpversion | cut -d. -f1)
    if [ ! -e "$(clang -print-file-name=lib/linux/libclang_rt.fuzzer-"$(uname -m)".a)" ]; then
        install_packages "libclang-rt-$major-dev"
    fi
    ;;
esac

# What only one test, or one row of the benchmarks, needs is left out where it cannot be had.
want_optional() { # command package
    if ! command -v "$1" >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        printf 'setup: installing %s ' "$2" >&2
        if apt_quiet install -y --no-install-recommends "$2"; then
            echo " done" >&2
        fi
    fi
}

case $need in
bench) want_optional dpdk-testpmd dpdk-dev ;;
test | all) want_optional tshark tshark ;;
esac
