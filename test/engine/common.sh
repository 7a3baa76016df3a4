# Sourced by up.sh and down.sh: where things are, how to speak, whose daemon it is.
# shellcheck shell=bash disable=SC2034  # the variables are for the files that source this one

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
repo=$(cd -- "$here/../.." && pwd -P)
state=${XDG_STATE_HOME:-${HOME:-/root}/.local/state}/arbdeck-test-engine
pid_file=$state/dockerd.pid # "<pid> <start time of that process, in clock ticks since boot> <DOCKER_HOST>"
daemon_log=$state/dockerd.log
logs=$state/logs
work=$state/work

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
unset DOCKER_CONTEXT
export DOCKER_HOST=${DOCKER_HOST:-unix:///var/run/docker.sock}
started_at=$EPOCHREALTIME
exec 3>&2 # the person's terminal, also from jobs whose output goes to a log

say() { printf 'engine: %s\n' "$*" >&3; }

# fail WHAT WHY REMEDY
fail() {
  say "error: $1: $2. $3"
  exit 1
}

elapsed() { awk -v from="$started_at" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }'; }

# One run at a time. A second one waits; so does one whose killed predecessor still has children at work,
# because they inherit the descriptor. dockerd must not: see start_daemon.
take_lock() {
  mkdir -p "$state" "$logs" || fail 'no state folder' "cannot create $state" 'Set XDG_STATE_HOME to a folder that can be written'
  exec 9>"$state/lock"
  flock -n 9 && return
  say 'another run is at work; waiting for it'
  flock -w 1200 9 || fail 'gave up waiting' "another run has held $state/lock for 20 minutes" "See who with: fuser $state/lock"
}

# Does an engine answer at DOCKER_HOST? A client in PATH or a socket file proves nothing.
engine_answers() {
  if [[ $DOCKER_HOST == unix://* ]] && command -v curl >/dev/null; then
    curl -sf --max-time 5 --noproxy '*' --unix-socket "${DOCKER_HOST#unix://}" http://engine/_ping >/dev/null 2>&1
  else
    command -v docker >/dev/null && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
  fi
}

# process_fields PID: its state and its start time. With the start time a pid names one process for good.
process_fields() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  awk '{ print $1, $20 }' <<<"${stat##*) }"
}

# is_alive PID NAME: that program, and not a zombie that nobody has collected yet.
is_alive() {
  [[ $1 =~ ^[0-9]+$ && $(cat "/proc/$1/comm" 2>/dev/null) == "$2" && $(process_fields "$1") != [ZX]* ]]
}

# Prints the pid of the dockerd that up.sh started, if that very process still runs.
our_daemon() {
  local pid start _
  [[ -s $pid_file ]] && read -r pid start _ <"$pid_file" || return 1
  is_alive "$pid" dockerd && [[ $(process_fields "$pid") == *" $start" ]] || return 1
  echo "$pid"
}
