#!/bin/sh
# Usage: install.sh PREFIX [DESTDIR]
set -eu
cd "$(dirname "$0")/.."

prefix=${1:-/usr/local}
destdir=${2:-}
for place in "PREFIX:$prefix" ${destdir:+"DESTDIR:$destdir"}; do
    case ${place#*:} in
    /*) ;;
    *)
        echo "install.sh: ${place%%:*}: found '${place#*:}', expected an absolute path like /usr/local" >&2
        exit 1
        ;;
    esac
done
scripts/setup.sh build
scripts/build.sh release
if ! { meson configure build/release --prefix="$prefix" --libdir=lib && ninja -C build/release; } >build/release.log 2>&1; then
    tail -n 20 build/release.log >&2
    exit 1
fi
DESTDIR=$destdir meson install -C build/release --no-rebuild --quiet
if [ -z "$destdir" ] && [ "$(id -u)" = 0 ]; then
    /sbin/ldconfig
fi
echo "installed in $destdir$prefix"
