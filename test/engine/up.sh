#!/usr/bin/env bash
# A Docker engine and local images for the tests, on a Debian machine that has neither. See README.md.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
source "$here/daemon.sh"
source "$here/images.sh"
source "$here/env-file.sh"

did=()

clean_up() {
  trap - EXIT INT TERM HUP
  stop_jobs
  rm -rf --one-file-system "$work" 2>/dev/null || true # the next run does it again
  allow_service_starts
}

name_images
take_lock
trap clean_up EXIT
trap 'say interrupted; exit 130' INT
trap 'say interrupted; exit 143' TERM HUP
allow_service_starts # left by a run that was killed

if ! engine_answers; then
  install_engine
  start_daemon
fi
install_compose
make_missing_images
write_env_file

if pid=$(our_daemon); then whose="dockerd $pid, started by this script"; else whose='not started by this script: down.sh leaves it alone'; fi
summary=$(printf '%s, ' "${did[@]:-everything was there}")
say "ready at $DOCKER_HOST ($whose): ${summary%, }, in $(elapsed)"
