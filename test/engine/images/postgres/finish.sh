#!/bin/sh
# After the packages: listen on all addresses, and no JIT compiler (half the image; postgres goes without when it is absent).
set -eu
find "$1/usr/lib" \( -name 'libLLVM*' -o -name 'llvmjit*' -o -name 'libz3.so*' \) ! -type d -delete
rm -rf "$1/usr/lib/postgresql/15/lib/bitcode"
sed -i "s/^#*listen_addresses = 'localhost'/listen_addresses = '*'/" "$1/usr/share/postgresql/15/postgresql.conf.sample"
grep -q "^listen_addresses = '\*'" "$1/usr/share/postgresql/15/postgresql.conf.sample"
install -d -m 777 -o 999 -g 999 "$1/var/lib/postgresql/data"
install -d -m 3777 -o 999 -g 999 "$1/var/run/postgresql"
install -d -m 755 "$1/docker-entrypoint-initdb.d"
install -m 755 "$(dirname "$0")/entrypoint.sh" "$1/usr/local/bin/docker-entrypoint.sh"
