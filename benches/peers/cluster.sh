#!/usr/bin/env bash
# Throw-away PostgreSQL cluster for the comparison.
#   cluster.sh up   DIR [PORT]   initdb and start (PORT empty or 0: a free one is picked)
#   cluster.sh stop DIR          stop it (by its own pid file), keep DIR
#   cluster.sh down DIR          stop it and delete DIR
#   cluster.sh env  DIR          print PGHOST, PGPORT, PGUSER, PGBIN as exports
# Environment: PGBIN (server programs), PGOSUSER (account used when run as root), WAL_LEVEL,
# SYNC_COMMIT, FSYNC, SHARED_BUFFERS, MAX_WAL_SIZE, MAX_WAL_SENDERS, EXTRA_CONF (more lines for the
# configuration file). Trust authentication, on loopback and on a socket inside DIR: for
# measurements only.
set -euo pipefail
usage='cluster.sh up|stop|down|env DIR [PORT]'
cmd=${1:?$usage}
dir=${2:?$usage}
port=${3:-0}

if [ -z "${PGBIN:-}" ]; then
  PGBIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  [ -d "$PGBIN" ] || PGBIN=$(pg_config --bindir)
fi

if [ "$(id -u)" = 0 ]; then
  account=${PGOSUSER:-$(id -un postgres 2>/dev/null || echo nobody)}
  as() { setpriv --reuid "$account" --regid "$(id -g "$account")" --clear-groups env HOME="$dir" "$@"; }
else
  account=$(id -un)
  as() { "$@"; }
fi

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

case $cmd in
up)
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  chmod 755 "$dir"
  if [ -z "$port" ] || [ "$port" = 0 ]; then port=$(free_port); fi
  mkdir -p "$dir/sock" "$dir/data"
  chmod 700 "$dir/data"
  chmod 777 "$dir/sock"
  if [ "$(id -u)" = 0 ]; then chown "$account" "$dir" "$dir/data" "$dir/sock"; fi
  if [ ! -s "$dir/data/PG_VERSION" ]; then
    (cd "$dir" && as "$PGBIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1) ||
      { cat "$dir/initdb.log" >&2; exit 1; }
    cat >>"$dir/data/postgresql.conf" <<C
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir/sock'
shared_buffers = ${SHARED_BUFFERS:-1GB}
max_wal_size = ${MAX_WAL_SIZE:-8GB}
min_wal_size = ${MIN_WAL_SIZE:-1GB}
checkpoint_timeout = 30min
wal_level = ${WAL_LEVEL:-logical}
max_wal_senders = ${MAX_WAL_SENDERS:-10}
max_prepared_transactions = 32
max_connections = 200
maintenance_work_mem = 256MB
fsync = ${FSYNC:-on}
synchronous_commit = ${SYNC_COMMIT:-on}
autovacuum = off
log_checkpoints = on
jit = off
${EXTRA_CONF:-}
C
  fi
  (cd "$dir" && as "$PGBIN/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start >/dev/null) ||
    { tail -n 20 "$dir/server.log" >&2; exit 1; }
  port=$(sed -n 4p "$dir/data/postmaster.pid")
  printf 'PGHOST=%s\nPGPORT=%s\nPGUSER=postgres\nPGBIN=%q\n' "$dir/sock" "$port" "$PGBIN" >"$dir/env"
  cat "$dir/env"
  ;;
env) sed 's/^/export /' "$dir/env" ;;
stop | down)
  if [ -s "$dir/data/postmaster.pid" ]; then
    (cd "$dir" && as "$PGBIN/pg_ctl" -D "$dir/data" -m fast -w stop >/dev/null) || true
  fi
  [ "$cmd" = stop ] || rm -rf "$dir"
  ;;
*)
  echo "unknown command $cmd; $usage" >&2
  exit 2
  ;;
esac
