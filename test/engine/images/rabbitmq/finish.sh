#!/bin/sh
# After the packages: no cookie and no data of this machine's in the image, guest from anywhere as in the official one.
set -eu
rm -rf "$1/var/lib/rabbitmq" "$1"/etc/rabbitmq/*
install -d -m 755 -o 999 -g 999 "$1/var/lib/rabbitmq" "$1/var/log/rabbitmq" "$1/etc/rabbitmq" "$1/etc/rabbitmq/conf.d"
printf 'loopback_users.guest = false\nlog.console = true\n' >"$1/etc/rabbitmq/conf.d/10-defaults.conf"
chown 999:999 "$1/etc/rabbitmq/conf.d/10-defaults.conf"
install -m 755 "$(dirname "$0")/entrypoint.sh" "$1/usr/local/bin/docker-entrypoint.sh"
