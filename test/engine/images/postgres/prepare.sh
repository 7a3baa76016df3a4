#!/bin/sh
# Before the packages: the user with the number that the official image has, and no cluster made by the package.
set -eu
chroot "$1" groupadd --system --gid 999 postgres
chroot "$1" useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql --no-create-home --shell /bin/bash postgres
mkdir -p "$1/etc/postgresql-common"
echo 'create_main_cluster = false' >"$1/etc/postgresql-common/createcluster.conf"
