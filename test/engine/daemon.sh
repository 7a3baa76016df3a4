# Sourced by up.sh: the engine from Debian's packages, installed and started.
# shellcheck shell=bash disable=SC2154  # variables of common.sh

policy_file=/usr/sbin/policy-rc.d
policy_mark='# made by arbdeck test/engine/up.sh; it removes it again'

# Packages must not start their services here. A policy of somebody else's is left alone.
forbid_service_starts() {
  [[ -e $policy_file ]] && return
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy_file"
  chmod 755 "$policy_file"
}

allow_service_starts() {
  if [[ -w $policy_file ]] && grep -qxF "$policy_mark" "$policy_file"; then rm -f "$policy_file"; fi
}

require_debian_root() {
  [[ $EUID == 0 ]] || fail "$1" 'that needs root' 'Run as root, or start Docker yourself and set ARBDECK_IMAGE_* to images of your own'
  # shellcheck source=/dev/null
  [[ $(. /etc/os-release 2>/dev/null && echo "${ID:-}") == debian ]] ||
    fail "$1" 'this script knows Debian only' 'Start Docker yourself; where a registry can be reached, the official images do and this script is not needed'
}

# require_space FOLDER MEBIBYTES
require_space() {
  local folder=$1 free
  until [[ -d $folder ]]; do folder=$(dirname "$folder"); done
  free=$(df --output=avail -m "$folder" | tail -n 1)
  ((free >= $2)) || fail 'the disk is too full' "$1 has ${free// /} MiB free and $2 are needed" 'Free some and run again'
}

apt_is_fresh=
refresh_apt() {
  [[ -n $apt_is_fresh ]] && return
  # Not fatal: a broken third-party source is none of our business, and the lists may be there already.
  apt-get -q update >"$logs/apt-update.log" 2>&1 </dev/null || say "apt-get update complained; going on ($logs/apt-update.log)"
  apt_is_fresh=yes
}

# install PACKAGE...
install() {
  local log=$logs/apt-install.log why
  require_space /var/cache/apt 700
  forbid_service_starts
  dpkg --configure -a >"$log" 2>&1 </dev/null || true # an interrupted run may have left some half done
  refresh_apt
  if ! DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confold install --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; then
    why=$(grep -h -m 1 '^E:' "$log" || true)
    why+=$(grep -h -m 1 '^W: Failed to fetch' "$logs/apt-update.log" | sed 's/^W:/;/' || true)
    fail "could not install $*" "${why:-apt-get failed}" "Check apt's sources and the network, then run again (log: $log)"
  fi
  allow_service_starts
}

install_engine() {
  require_debian_root "no engine answers at $DOCKER_HOST, and installing one"
  command -v dockerd >/dev/null && command -v docker >/dev/null && return
  local packages=(docker.io) # both commands on Debian 12; later releases have the client apart
  refresh_apt
  [[ $(apt-cache policy docker-cli 2>/dev/null) == *Candidate:\ [0-9]* ]] && packages+=(docker-cli)
  command -v mmdebstrap >/dev/null || packages+=(mmdebstrap)
  say "installing ${packages[*]}"
  install "${packages[@]}"
  did+=('installed the engine')
}

# Compose for the tests of compose/: what is there already, else Debian's. Without root or Debian these tests are left out.
install_compose() {
  command -v docker-compose >/dev/null && return
  docker compose version >/dev/null 2>&1 && return
  [[ $EUID == 0 && $(. /etc/os-release 2>/dev/null && echo "${ID:-}") == debian ]] || return 0
  say 'installing docker-compose'
  install docker-compose
  did+=('installed docker-compose')
}

# A pid file whose process is gone, a zombie or something else by now keeps dockerd from starting: it goes.
clear_stale_pid_file() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  is_alive "$pid" "$2" || rm -f "$1"
}

# A dockerd of somebody else's that runs but does not answer here gets a while to start.
wait_for_foreign_daemon() {
  local pid
  pid=$(cat /var/run/docker.pid 2>/dev/null) && is_alive "$pid" dockerd || return 0
  wait_for_engine 20 "$pid" || ! is_alive "$pid" dockerd ||
    fail 'no engine answers' "a dockerd (pid $pid) runs but does not answer at $DOCKER_HOST" \
      'Set DOCKER_HOST to its socket, or stop it and run again'
}

# wait_for_engine SECONDS PID: until it answers, the process is gone or the time is up.
wait_for_engine() {
  local until=$((SECONDS + $1))
  until engine_answers; do
    is_alive "$2" dockerd && ((SECONDS < until)) || return 1
    sleep 0.1
  done
}

# dockerd as a session of its own, with none of our descriptors: it outlives this script, its terminal and its lock.
spawn_dockerd() {
  mv -f "$daemon_log" "$daemon_log.1" 2>/dev/null || true
  rm -f "$pid_file"
  # shellcheck disable=SC2016  # for the inner shell
  setsid --fork bash -c '
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd < 3)) || eval "exec $fd>&-"
    done
    cd / && umask 022
    stat=$(cat /proc/$$/stat) && stat=${stat##*) } && set -- "$1" "$2" $stat
    echo "$$ ${22} $2" >"$1.new" && mv "$1.new" "$1" || exit 1
    exec dockerd --host "$2"
  ' dockerd "$pid_file" "$DOCKER_HOST" >"$daemon_log" 2>&1 </dev/null
  local tries=60 # the pid file, then exec: until then the process is a bash
  until our_daemon >/dev/null || ((tries-- == 0)); do sleep 0.05; done
}

start_daemon() {
  local pid why
  [[ $DOCKER_HOST == unix://* ]] ||
    fail "no engine answers at $DOCKER_HOST" 'only one on a local socket can be started here' 'Start that engine, or unset DOCKER_HOST'
  require_space /var/lib/docker 3000
  if pid=$(our_daemon); then
    [[ $(cut -d' ' -f3- "$pid_file") == "$DOCKER_HOST" ]] || fail "no engine answers at $DOCKER_HOST" \
      "the dockerd of an earlier run (pid $pid) listens at $(cut -d' ' -f3- "$pid_file")" 'Set DOCKER_HOST to that, or run down.sh first'
    say "waiting for the dockerd of an earlier run (pid $pid)"
    wait_for_engine 60 "$pid" && return
  fi
  wait_for_foreign_daemon
  engine_answers && return
  say 'starting dockerd'
  did+=('started dockerd')
  local _ # the first try can meet the containerd of a dockerd that was killed this instant
  for _ in 1 2; do
    clear_stale_pid_file /var/run/docker.pid dockerd
    clear_stale_pid_file /var/run/docker/containerd/containerd.pid containerd
    spawn_dockerd
    pid=$(our_daemon) && wait_for_engine 60 "$pid" && return
    our_daemon >/dev/null && break
  done
  why=$(grep -E '^failed|level=fatal' "$daemon_log" | tail -n 1 || true)
  [[ -n $why ]] || why=$(tail -n 3 "$daemon_log" | tr '\n' ' ')
  fail 'dockerd does not answer' "${why:-it wrote nothing}" "See $daemon_log, mend that and run again"
}
