# Sourced by up.sh: the local images, from Debian's packages and this machine's Node. No registry, and no network in a container.
# shellcheck shell=bash disable=SC2154,SC2016  # variables of common.sh; $ in words for mmdebstrap and apt

suite=bookworm
label=arbdeck.test-engine.recipe
declare -A tags recipes job_pids

name_images() {
  command -v node >/dev/null || fail 'no node' 'the node image is made from this machine'\''s node and there is none in PATH' 'Install Node 20'
  read -r node_major node_binary < <(node -p 'process.versions.node.split(".")[0] + " " + process.execPath')
  tags=(
    [debian]=arbdeck-local/debian:$suite [node]=arbdeck-local/node:$node_major
    [redis]=arbdeck-local/redis:7 [rabbitmq]=arbdeck-local/rabbitmq:3 [postgres]=arbdeck-local/postgres:15
  )
  local name
  for name in "${!tags[@]}"; do recipes[$name]=$(recipe "$name"); done
}

# What the image is made of, as one hash: a change here or there makes a new image.
recipe() {
  {
    cd "$here/images" && cat ../images.sh debian/* "$1"/*
    [[ $1 != node ]] || stat -Lc '%n %s %Y' "$node_binary"
  } | sha256sum | cut -c1-16
}

is_current() {
  [[ $(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "${tags[$1]}" 2>/dev/null) == "${recipes[$1]}" ]]
}

# Debian's sources as this machine's apt has them, for the suite of the images.
debian_sources() {
  refresh_apt
  local host_suite
  host_suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) main' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
    sed "s/ ${host_suite:-$suite}/ $suite/" | grep -E " $suite(-updates|-security)? main$" | sort -u
}

# bootstrap NAME ARGUMENT...: makes $work/NAME.tar with mmdebstrap. It runs in a mount namespace of its own,
# in memory where there is plenty (half the time of a slow disk), so that whatever ends it, nothing stays mounted.
bootstrap() {
  local name=$1 args=() acquire=$work/$1.apt.conf available
  shift
  mkdir -p "$work/$name"
  # This machine's proxies, certificates and the like are for the download only: strip.sh takes them out of the root.
  apt-config dump Acquire | grep -vE '""|::(IndexTargets|Changelogs|CompressionTypes)' >"$acquire" || true
  while read -r line; do args+=("--include=$line"); done < <(grep . "$here/images/$name/packages")
  if [[ -x $here/images/$name/finish.sh ]]; then args+=(--customize-hook="'$here/images/$name/finish.sh' \"\$1\""); fi
  available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024 / 1024) }' /proc/meminfo)
  unshare --mount --propagation private bash -euc '
    export TMPDIR=$1
    (($2 < 8)) || mount -t tmpfs -o mode=755,size=3g arbdeck "$TMPDIR" || true
    shift 2
    exec mmdebstrap "$@"
  ' bootstrap "$work/$name" "$available" --mode=root --format=tar --aptopt="$acquire" --dpkgopt=force-unsafe-io \
    "${args[@]}" "$@" --customize-hook="'$here/images/debian/strip.sh' \"\$1\"" "$suite" "$work/$name.tar" "$work/sources.list"
}

# import NAME: the image gets its name last, when it is whole, so that nothing half-made can pass for it.
import() {
  local root=arbdeck-local/root:$1
  docker import --change "LABEL $label=root" "$work/$1.tar" "$root"
  docker build --label "$label=${recipes[$1]}" --build-arg "ROOT=$root" --tag "${tags[$1]}" - <"$here/images/$1/Dockerfile"
  docker rmi --no-prune "$root"
  rm -f "$work/$1.tar"
}

make_debian() {
  bootstrap debian --variant=minbase --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr
  import debian
}

# A service: the base image's root and the service's packages on top.
make_service() {
  bootstrap "$1" --variant=custom --setup-hook="tar -C \"\$1\" -xf '$work/base.tar'" \
    --setup-hook="'$here/images/$1/prepare.sh' \"\$1\""
  import "$1"
}

export_base() {
  docker rm -f arbdeck-test-engine-export >/dev/null 2>&1 || true
  docker create --name arbdeck-test-engine-export "${tags[debian]}" true >/dev/null
  docker export --output "$work/base.tar" arbdeck-test-engine-export
  docker rm arbdeck-test-engine-export >/dev/null
}

# This machine's node and the libraries it needs; also those that anvil needs, and glibc's own for names and DNS. No shell.
make_node() {
  local root=$work/node library
  local glibc
  glibc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
  printf '2.35\n%s\n' "$glibc" | sort -CV || { echo "E: anvil needs glibc 2.35 and this machine has $glibc"; return 1; }
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64,local/bin} "$root"/{etc,tmp,root,home/node,var/tmp,proc,sys,dev}
  ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
  {
    ldd "$node_binary" | grep -oE '/[^ ]+'
    ldconfig -p | awk -v arch="$(uname -m)" '/lib(gcc_s|stdc\+\+|dl|rt|m|pthread|resolv|util|nss_dns|nss_files)\.so\./ && /x86-64|AArch64/ { print $NF }'
  } | sort -u | while read -r library; do cp -L --parents "$library" "$root"; done
  cp -L "$node_binary" "$root/usr/local/bin/node"
  cp "$here"/images/node/{passwd,group,nsswitch.conf} "$root/etc/"
  chmod 1777 "$root/tmp" "$root/var/tmp"
  chmod 700 "$root/root" && chown 1000:1000 "$root/home/node"
  tar --numeric-owner -C "$root" -cf "$work/node.tar" .
  rm -rf "$root"
  import node
}

# start_job NAME COMMAND...: in the background, in a process group of its own, so that stop_jobs reaches all of it.
start_job() {
  local name=$1
  shift
  say "making ${tags[$name]}"
  set -m
  ("$@") >"$logs/$name.log" 2>&1 </dev/null &
  job_pids[$name]=$!
  set +m
}

# Ends the jobs and all their children; those that mmdebstrap leaves behind are given 3 s.
stop_jobs() {
  local pid tries=30
  for pid in "${job_pids[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  for pid in "${job_pids[@]}"; do
    wait "$pid" 2>/dev/null || true
    while kill -0 -- "-$pid" 2>/dev/null && ((tries-- > 0)); do sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
  job_pids=()
}

wait_jobs() {
  local name why
  for name in "$@"; do
    if ! wait "${job_pids[$name]}"; then
      why=$(grep -hE '^E: |No space|rror' "$logs/$name.log" | head -n 1 || true)
      [[ -n $why ]] || why=$(tail -n 1 "$logs/$name.log")
      fail "could not make ${tags[$name]}" "${why:-it said nothing}" "See $logs/$name.log, mend that and run again"
    fi
    unset "job_pids[$name]"
    did+=("made ${tags[$name]}")
  done
}

make_missing_images() {
  local name missing=() services=()
  for name in debian node rabbitmq postgres redis; do is_current "$name" || missing+=("$name"); done
  ((${#missing[@]})) || return 0
  require_debian_root "the image ${tags[${missing[0]}]} is missing, and making it"
  command -v mmdebstrap >/dev/null || install mmdebstrap
  require_space "$state" 2500
  rm -rf --one-file-system "$work"
  mkdir -p "$work"
  # Left by a run that was killed; what they become then, nameless, the prune below removes.
  docker image ls --format '{{.Repository}}:{{.Tag}}' arbdeck-local/root | xargs -r docker rmi --no-prune >/dev/null
  debian_sources >"$work/sources.list" ||
    fail 'no Debian mirror' "apt's sources name none with the suite $suite" 'Add one to /etc/apt/sources.list and run again'
  for name in "${missing[@]}"; do
    case $name in
      debian) start_job debian make_debian ;;
      node) start_job node make_node ;;
      *) services+=("$name") ;;
    esac
  done
  if [[ -v job_pids[debian] ]]; then wait_jobs debian; fi
  if ((${#services[@]})); then
    export_base
    for name in "${services[@]}"; do start_job "$name" make_service "$name"; done
  fi
  wait_jobs "${!job_pids[@]}"
  docker image prune --force --filter "label=$label" >/dev/null # replaced, or left half-made
}
