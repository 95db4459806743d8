#!/bin/sh
# Installs what building and testing need from the system's package manager; does nothing when all
# is there.
#
# Only Debian-like systems (apt) are served; on others the list is printed. redis-server is a
# reference for the tests, not a service to run: its start is forbidden while it installs.
set -eu

packages="build-essential clang libclang-rt-dev llvm clang-format libuv1-dev libjemalloc-dev
    libcmocka-dev libxxhash-dev liblzf-dev libmicrohttpd-dev libsystemd-dev libhiredis-dev
    libssl-dev liblua5.1-0-dev redis-server redis-tools python3 python3-redis
    e2fsprogs util-linux"

# What each package is wanted for: a file or a command. Looking is much faster than asking the
# package manager, and is content with what was installed in another way.
have_header() { echo "#include <$1>" | cc -E -x c - >/dev/null 2>&1; }
have_command() { command -v "$1" >/dev/null 2>&1; }
have_runtime()
{
    dir=$(clang -print-runtime-dir 2>/dev/null) || return 1
    ls "$dir"/libclang_rt.fuzzer*.a "$dir"/../linux/libclang_rt.fuzzer*.a 2>/dev/null | grep -q .
}
have_python() { python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

have()
{
    case $1 in
    build-essential) have_command cc && have_command make && have_command ar ;;
    clang | clang-format | redis-server) have_command "$1" ;;
    libclang-rt-dev) have_runtime ;;
    llvm) have_command llvm-symbolizer ;;
    libuv1-dev) have_header uv.h ;;
    libjemalloc-dev) have_header jemalloc/jemalloc.h ;;
    libcmocka-dev) ls /usr/include/cmocka.h /usr/local/include/cmocka.h 2>/dev/null | grep -q . ;;
    libxxhash-dev) have_header xxhash.h ;;
    liblzf-dev) ls /usr/include/lzf.h /usr/include/liblzf/lzf.h 2>/dev/null | grep -q . ;;
    libmicrohttpd-dev) have_header microhttpd.h ;;
    libsystemd-dev) have_header systemd/sd-daemon.h ;;
    libhiredis-dev) have_header hiredis/hiredis.h ;;
    libssl-dev) have_header openssl/ssl.h ;;
    liblua5.1-0-dev) have_header lua5.1/lua.h ;;
    redis-tools) have_command redis-cli && have_command redis-benchmark ;;
    python3) have_python ;;
    python3-redis) /usr/bin/python3 -c 'import redis' 2>/dev/null ;;
    e2fsprogs) PATH=$PATH:/usr/sbin:/sbin have_command mkfs.ext4 ;;
    util-linux) have_command taskset ;;
    *) return 1 ;;
    esac
}

missing=
for package in $packages; do
    have "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! have_command apt-get; then
    echo "deps: missing:$missing" >&2
    echo "deps: no apt-get here; install the equivalents of these Debian packages by hand" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
    have_command sudo || { echo "deps: need root or sudo to install:$missing" >&2; exit 1; }
    as_root=sudo
fi

# A policy that refuses to start services while packages are set up; one that is there already is
# left alone.
policy=/usr/sbin/policy-rc.d
made_policy=
restore() { [ -z "$made_policy" ] || $as_root rm -f "$policy"; }
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    made_policy=yes
    trap restore EXIT
    trap 'exit 1' INT TERM HUP
fi

echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the list is words
$as_root apt-get install -y --no-install-recommends $missing || {
    $as_root apt-get update
    $as_root apt-get install -y --no-install-recommends $missing
}

# A policy of the machine's own may have let the service start: stop it if this run brought it.
case $missing in
*redis-server*)
    [ -n "$made_policy" ] || $as_root service redis-server stop >/dev/null 2>&1 || true
    ;;
esac

for package in $packages; do
    have "$package" && continue
    echo "deps: $package is still not usable after installing it" >&2
    exit 1
done
