#!/bin/sh
# After the packages: /data, and no Debian configuration (it binds to 127.0.0.1).
set -eu
rm -rf "$1/etc/redis" "$1/var/lib/redis"
install -d -m 755 -o 999 -g 999 "$1/data"
install -m 755 "$(dirname "$0")/entrypoint.sh" "$1/usr/local/bin/docker-entrypoint.sh"
