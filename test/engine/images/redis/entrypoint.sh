#!/bin/sh
# As the official image: options or a .conf file alone mean redis-server; root is dropped; /data becomes redis's.
set -eu
case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . ! -user redis -exec chown redis:redis '{}' +
  exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi

# Debian's redis refuses other hosts as long as there is no password; the official one does not, unless told to.
if [ "${1:-}" = redis-server ]; then
  case " $* " in
    *' --protected-mode '* | *' --version '* | *' -v '* | *' --help '* | *' -h '* | *' --test-memory '*) ;;
    *)
      if ! { [ -f "${2:-}" ] && grep -qi '^[[:space:]]*protected-mode[[:space:]]' "$2"; }; then set -- "$@" --protected-mode no; fi
      ;;
  esac
fi
exec "$@"
