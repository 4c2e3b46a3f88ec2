#!/bin/sh
# Usage: install.sh PREFIX [DESTDIR]
set -eu
cd "$(dirname "$0")/.."

prefix=${1:-/usr/local}
destdir=${2:-}
scripts/setup.sh build
scripts/build.sh release
meson configure build/release --prefix="$prefix" --libdir=lib >/dev/null
ninja -C build/release >>build/release.log 2>&1
DESTDIR=$destdir meson install -C build/release --no-rebuild --quiet
if [ -z "$destdir" ] && [ "$(id -u)" = 0 ]; then
    /sbin/ldconfig
fi
echo "installed in $destdir$prefix"
