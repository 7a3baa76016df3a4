#!/bin/sh
# Takes out of the root $1 what an image does not need, and what must not be in one: this machine's apt settings.
set -eu
for folder in doc man info locale lintian; do
  [ ! -d "$1/usr/share/$folder" ] || find "$1/usr/share/$folder" ! -type d -delete # packages expect the folders
done
find "$1/var/log" -type f -delete
rm -rf "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old "$1"/var/lib/apt/lists/* "$1"/etc/apt/apt.conf.d/99mmdebstrap \
  "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1/.dockerenv"
