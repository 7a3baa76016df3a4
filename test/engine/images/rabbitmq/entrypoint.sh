#!/bin/sh
# As the official image: root is dropped, the data folder becomes rabbitmq's, the server reads RABBITMQ_DEFAULT_* itself.
set -eu
data=/var/lib/rabbitmq
cookie=$data/.erlang.cookie

case ${1:-} in
  rabbitmq*)
    if [ "$(id -u)" = 0 ]; then
      if [ "$1" = rabbitmq-server ]; then find "$data" ! -user rabbitmq -exec chown rabbitmq:rabbitmq '{}' +; fi
      exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$0" "$@"
    fi
    ;;
esac

# The cookie comes first: a health command run as root before the server's own start would make one that it cannot read.
if [ "${1:-}" = rabbitmq-server ]; then
  umask 077
  [ -s "$cookie" ] || od -An -N 20 -t x1 /dev/urandom | tr -d ' \n' >"$cookie"
  if [ -O "$cookie" ]; then chmod 600 "$cookie"; fi
  umask 022
fi
exec "$@"
