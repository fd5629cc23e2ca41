"""The two servers of a comparison: where they are, how they are asked, what CPU they used.

Environment: PGHOST PGPORT PGUSER (source; PGHOST may be a socket directory), DST_PGHOST DST_PGPORT
(destination, when it is another server), SRC_DB DST_DB (database names: src, dst).
"""

import os
import subprocess
import time
from urllib.parse import quote

E = os.environ
E.setdefault("PGUSER", "postgres")
USER = E["PGUSER"]
SRC_DB, DST_DB = E.get("SRC_DB", "src"), E.get("DST_DB", "dst")
SRC_HOST, SRC_PORT = E.get("PGHOST", "localhost"), E.get("PGPORT", "5432")
DST_HOST, DST_PORT = E.get("DST_PGHOST", SRC_HOST), E.get("DST_PGPORT", SRC_PORT)
TWO_SERVERS = (SRC_HOST, SRC_PORT) != (DST_HOST, DST_PORT)


def tcp_host(host):
    return "127.0.0.1" if host.startswith("/") else host


def uri(db, host, port, tcp=False):
    if tcp or not host.startswith("/"):
        return f"postgresql://{USER}:x@{tcp_host(host)}:{port}/{db}"
    return f"postgresql://{USER}@/{db}?host={quote(host, safe='')}&port={port}"


SRC, DST = uri(SRC_DB, SRC_HOST, SRC_PORT), uri(DST_DB, DST_HOST, DST_PORT)
SRC_TCP, DST_TCP = uri(SRC_DB, SRC_HOST, SRC_PORT, True), uri(DST_DB, DST_HOST, DST_PORT, True)


def sql(where, text, check=True):
    command = ["psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", where, "-c", text]
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{text[:90]}: {done.stderr.strip()[:400]}")
    return done.stdout.strip()


def checkpoint():
    sql(SRC, "checkpoint")
    if TWO_SERVERS:
        sql(DST, "checkpoint")


def postmasters():
    """Process ids of the servers, as far as their data directories can be read here."""
    pids = set()
    for where in {SRC, uri("postgres", DST_HOST, DST_PORT)}:
        try:
            with open(sql(where, "show data_directory") + "/postmaster.pid") as file:
                pids.add(int(file.readline()))
        except (OSError, ValueError, RuntimeError):
            pass
    return sorted(pids)


TICK = os.sysconf("SC_CLK_TCK")


def server_cpu(pids):
    """CPU seconds of the servers and all their children, ended ones included."""
    # a backend reaped while /proc is being read would be missed: take the larger of two readings
    first = _cpu_once(pids)
    time.sleep(0.03)
    return max(first, _cpu_once(pids))


def _cpu_once(pids):
    total = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(entry) in pids:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) in pids:
            total += int(fields[11]) + int(fields[12])
    return total / TICK
