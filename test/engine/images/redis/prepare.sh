#!/bin/sh
# Before the packages: the user with the number that the official image has.
set -eu
chroot "$1" groupadd --system --gid 999 redis
chroot "$1" useradd --system --uid 999 --gid redis --home-dir /data --no-create-home redis
