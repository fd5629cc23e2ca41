#!/usr/bin/env bash
# install-peers.sh [PEERS_HOME]   (default: $PEERS_HOME, else a fresh temporary directory, printed)
# Installs the tools to compare with: Debian packages (as root) and Python environments, from
# whatever apt and pip are configured with. What cannot be had is said and skipped; peers.py skips
# it too.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${1:-${PEERS_HOME:-$(mktemp -d -t peers-home-XXXX)}}
mkdir -p "$home"
home=$(cd "$home" && pwd)
python=${PYTHON:-python3}

say() { printf '%-12s %s\n' "$1" "$2"; }
venv() { [ -x "$home/$1/bin/python3" ] || "$python" -m venv "$home/$1"; }
pip() { "$home/$1/bin/pip" install -q "${@:2}"; }

debian() {
  apt-get install -y -qq pgcopydb pgloader postgresql-client >/dev/null 2>&1 && say apt 'pgcopydb, pgloader'
}

dlt() {
  venv dlt &&
    pip dlt 'dlt[postgres,parquet,sql_database]' sqlalchemy connectorx pyarrow pandas adbc-driver-postgresql polars 'psycopg[binary]' &&
    say dlt "$("$home/dlt/bin/pip" list 2>/dev/null |
      awk '/^(dlt|connectorx|pyarrow|adbc-driver-postgresql|polars) / { printf "%s %s, ", $1, $2 }')"
}

# from 1.0 on the wheel is a launcher that downloads its program; the last 0.x carries it
ingestr() {
  venv ingestr && pip ingestr 'ingestr<1' && say ingestr "$("$home/ingestr/bin/ingestr" --version 2>&1 | tail -n 1)"
}

# the launcher wheel downloads too; the wheel for one platform carries the program
sling() {
  venv sling && pip sling sling-linux-amd64 &&
    install -m 755 "$(find "$home/sling" -type f -path '*bin/sling-linux-amd64' | head -n 1)" "$home/sling/sling" &&
    say sling "$("$home/sling/sling" --version 2>&1 | head -n 1)"
}

passthru() {
  rustc -O --edition 2024 "$here/passthru.rs" -o "$home/passthru" && say passthru built
}

# rdlt: build it yourself and put its two programs (or links to them) there
rdlt() { [ -x "$home/rdlt/rdlt" ] && [ -x "$home/rdlt/rdlt-connector-postgres" ] && say rdlt present; }

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then debian || say apt FAILED; fi
dlt || say dlt FAILED
ingestr || say ingestr FAILED
sling || say sling FAILED
rdlt || say rdlt "absent (optional: $home/rdlt/rdlt and $home/rdlt/rdlt-connector-postgres)"
passthru || say passthru 'absent (needs rustc)'
echo "PEERS_HOME=$home"
