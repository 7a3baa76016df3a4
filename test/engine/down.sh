#!/usr/bin/env bash
# Stops the dockerd that up.sh started, and nothing else. See README.md.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

take_lock
if ! pid=$(our_daemon); then
  rm -f "$pid_file"
  say 'nothing to stop: no dockerd that up.sh started is running'
  exit 0
fi
DOCKER_HOST=$(cut -d' ' -f3- "$pid_file")
running=$(timeout 10 docker ps --quiet 2>/dev/null | grep -c .) || [[ $running == 0 ]] || running='an unknown number of'
kill -TERM "$pid"
tries=600 # of 0.1 s: dockerd gives containers 15 s, then kills them
while our_daemon >/dev/null; do
  ((tries-- > 0)) || fail "dockerd (pid $pid) has not stopped" 'it was told to a minute ago' "See $daemon_log; kill -9 $pid if it must go"
  sleep 0.1
done
rm -f "$pid_file"
say "stopped dockerd (pid $pid) and with it $running running containers; images and volumes are kept; in $(elapsed)"
