#!/bin/sh
# Before the packages: the user with the number that the official image has.
set -eu
chroot "$1" groupadd --system --gid 999 rabbitmq
chroot "$1" useradd --system --uid 999 --gid rabbitmq --home-dir /var/lib/rabbitmq --no-create-home rabbitmq
