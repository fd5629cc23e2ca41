#!/usr/bin/env bash
# peers.sh PROFILE[,PROFILE] [peers.py options]
# The whole comparison in one go: cluster up, seed, all arms, cluster down. Options after the
# profiles go to peers.py (--set ours,streams,peers  --rounds N  --dest nopk  --checksum  --arms a,b).
# Environment: LAB_DIR (where the cluster lives; a fresh temporary directory otherwise), KEEP=1
# (leaves it up and seeded for a next call with the same LAB_DIR), ROWS (rows to seed, for one
# profile), TWO=1 (a second cluster for the destination), PEERS_HOME, OUR_CMD, OUR_CMDS (peers.py).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
profiles=${1:-small}
shift || true
LAB_DIR=${LAB_DIR:-$(mktemp -d -t lab-XXXX)}
mkdir -p "$LAB_DIR"
chmod 755 "$LAB_DIR"
KEEP=${KEEP:-0}

up() { [ -s "$LAB_DIR/$1/data/postmaster.pid" ] || "$here/cluster.sh" up "$LAB_DIR/$1" >/dev/null; }

down() {
  [ "$KEEP" = 1 ] && return
  local name
  for name in a b; do
    if [ -d "$LAB_DIR/$name/data" ]; then "$here/cluster.sh" down "$LAB_DIR/$name"; fi
  done
  rmdir "$LAB_DIR" 2>/dev/null || true
}
trap down EXIT

up a
set -a
# shellcheck source=/dev/null
. "$LAB_DIR/a/env"
set +a
# psql itself: on Debian the one in PATH is a script that looks for it, at 20 ms of CPU a call
PATH=$PGBIN:$PATH
if [ "${TWO:-0}" = 1 ]; then
  up b
  export DST_PGHOST DST_PGPORT
  DST_PGHOST=$(sed -n 's/^PGHOST=//p' "$LAB_DIR/b/env")
  DST_PGPORT=$(sed -n 's/^PGPORT=//p' "$LAB_DIR/b/env")
fi

for profile in ${profiles//,/ }; do
  if [ ! -e "$LAB_DIR/seeded.$profile" ]; then
    "$here/seed.sh" "$profile${ROWS:+:$ROWS}"
    if [ "$KEEP" = 1 ]; then touch "$LAB_DIR/seeded.$profile"; fi
  fi
done
python3 "$here/peers.py" --profile "$profiles" "$@"
