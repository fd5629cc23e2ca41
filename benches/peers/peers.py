#!/usr/bin/env python3
"""Side-by-side timing of ways to copy one Postgres table to another database.

    peers.py --set limits|streams|tune|pass|peers|ours[,...] [--arms a,b] --profile small[,medium,...]
             [--rounds 3] [--dest pk|nopk|unlogged|unlogged-nopk] [--checksum] [--json FILE]

The servers must be up and seeded (cluster.sh, seed.sh; peers.sh does both). Environment: that of
servers.py, and
  PEERS_HOME   where install-peers.sh put the other tools
  OUR_CMD      another command than rb-bench's: a shell template; {src} {dst} {table} {srctcp}
               {dsttcp} {tmp} are replaced (URIs, table name, scratch directory)
  OUR_CMDS     several, one 'name=template' a line

Arms run in turn inside each round; each starts from an empty destination table and a CHECKPOINT on
both servers, outside the timed part. A figure's ratio is taken against the arm `base` (psql | psql,
COPY binary, one stream, socket) of the SAME round, then the median of those ratios is printed.
rows/s and MB/s use the COPY binary size. CPU: client = the command and its children; server =
postmaster and all its children (both servers when two). Memory: the largest process of the command.
"""

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import servers
from arms import ARMS, TMP, Table
from servers import DST, SRC, sql


def main():
    options = arguments()
    if options.list:
        print("\n".join(f"{group}\t{name}" for name, (group, _) in ARMS.items()))
        return
    adopt_orphans()
    groups = set(options.set.split(",")) | {"base", "ours"}
    if "ours" in options.set.split(",") and not any(group == "ours" for group, _ in ARMS.values()):
        sys.exit("peers.py: no rb-bench: build it (cargo build --release), or name a command in OUR_CMD")
    want = options.arms.split(",") if options.arms else None
    skip = options.skip.split(",")
    chosen = [
        (name, function)
        for name, (group, function) in ARMS.items()
        if (name in want or name == "base" if want else group in groups) and name not in skip
    ]
    pids = servers.postmasters()
    everything = []
    for profile in options.profile.split(","):
        table = Table(profile, options.dest)
        results, sums, dead = measure(table, chosen, pids, options)
        report(table, chosen, results, sums, dead, options)
        everything.append(
            dict(
                profile=profile,
                rows=table.rows,
                bytes=table.bytes,
                dest=options.dest,
                res=results,
                same_checksum=sums,
                failed=dead,
            )
        )
        for name in os.listdir(TMP):
            if name.startswith(table.name):
                os.unlink(os.path.join(TMP, name))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(everything, file, indent=1)


def arguments():
    parser = argparse.ArgumentParser(description="Times ways of copying one Postgres table to another database.")
    parser.add_argument("--set", default="peers", help="groups of arms, comma separated")
    parser.add_argument("--arms", help="these arms alone, comma separated (and base)")
    parser.add_argument("--skip", default="", help="arms to leave out, comma separated")
    parser.add_argument("--profile", default="small", help="small, medium, large, comma separated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dest", default="pk", help="destination: pk, nopk, unlogged, unlogged-nopk")
    parser.add_argument("--checksum", action="store_true", help="compare the rows' hash sums in the first round")
    parser.add_argument("--timeout", type=int, default=300, help="seconds that one arm may take")
    parser.add_argument("--json", help="write every figure to this file")
    parser.add_argument("--list", action="store_true", help="print the arms with their groups")
    return parser.parse_args()


def measure(table, chosen, pids, options):
    """Every arm once a round. An arm that fails is left out of the rounds that follow."""
    results, sums, dead = {name: [] for name, _ in chosen}, {}, {}
    expected = checksum(table, SRC, table.name) if options.checksum else None
    if expected == "":
        sys.exit(f"peers.py: the rows of {table.name} in the source cannot be summed up: leave --checksum out")
    for round_number in range(options.rounds):
        base = None
        for name, function in chosen:
            if name in dead:
                continue
            label = f"# {table.profile} r{round_number} {name}"
            try:
                table.make_destination()
                what = function(table)
                if not what:
                    dead[name] = "not installed"
                    continue
                if what.get("dest"):
                    table.make_destination(what["dest"])
                if what.get("prep"):
                    what["prep"]()
                servers.checkpoint()
                figures, output = timed(what, pids, options.timeout)
                if what.get("after"):
                    what["after"]()
                if what.get("check", True):
                    where = what.get("where", f"public.{table.name}")
                    check_rows(table, where, output)
                    if options.checksum and round_number == 0:
                        sums[name] = checksum(table, DST, where) == expected
                if name == "base":
                    base = figures["wall"]
                figures["ratio"] = figures["wall"] / base if base else None
                results[name].append(figures)
                print(
                    "{}: {wall:.2f}s cli {cli:.2f} srv {srv:.2f}".format(label, **figures), file=sys.stderr, flush=True
                )
            except Exception as error:  # an arm may fail in any way; the others go on
                dead[name] = str(error).replace("\n", " ")[:500]
                print(f"{label}: FAILED {dead[name]}", file=sys.stderr, flush=True)
    return results, sums, dead


def adopt_orphans():
    """Makes this process the parent of every process whose own parent ends before it (Linux)."""
    set_child_subreaper = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(set_child_subreaper, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def launch(command, log_path, environment):
    """Starts a shell command in a process group of its own; the group's id, and the command's process.

    Linux counts what a process had before it became another program to its peak memory, and all that is
    started from here has had this Python. So a shell, which is small, starts the command and ends; what it
    leaves behind becomes our child.
    """
    launcher = subprocess.Popen(
        ["bash", "-c", 'bash -c "$1" >"$2" 2>&1 & echo $!', "launch", command, log_path],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    said, _ = launcher.communicate()
    return launcher.pid, int(said)


def timed(what, pids, timeout):
    """Runs one command; wall and CPU seconds, peak memory in MB, and what it printed."""
    log_path = os.path.join(TMP, "log")
    server_before, start = servers.server_cpu(pids), time.monotonic()
    group, command = launch(what["cmd"], log_path, {**os.environ, **what.get("env", {})})
    while True:
        pid, status, usage = os.wait4(command, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > start + timeout:
            os.killpg(group, 15)
            os.wait4(command, 0)
            raise RuntimeError(f"over {timeout}s")
        time.sleep(0.002)
    wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    server = servers.server_cpu(pids) - server_before
    with open(log_path, errors="replace") as log:
        output = log.read().strip()
    if code:
        last = " / ".join(output.splitlines()[-4:])[:500]
        raise RuntimeError(f"exit {code}: {last}")
    peak = usage.ru_maxrss * 1024 / 1e6
    return dict(wall=wall, cli=usage.ru_utime + usage.ru_stime, srv=server, rss_mb=peak), output


def check_rows(table, where, output):
    rows = int(sql(DST, f"select count(*) from {where}"))
    if rows != table.rows:
        raise RuntimeError(f"{rows} rows of {table.rows}: {output[-300:]}")


def checksum(table, server, relation):
    """Row count and the sum of row hashes; empty where the landed columns cannot be read so."""
    columns = sql(
        SRC,
        "select string_agg(quote_ident(attname), ',' order by attnum) from pg_attribute "
        f"where attrelid='{table.name}'::regclass and attnum>0 and not attisdropped",
    )
    hashes = f"hashtextextended((row({columns}))::text,0)::numeric"
    return sql(server, f"select count(*)||':'||coalesce(sum({hashes}),0) from {relation} t", check=False)


def report(table, chosen, results, sums, dead, options):
    """The figures of one table, as markdown."""
    row_bytes = table.bytes / table.rows
    print(
        f"\n### {table.profile}: {table.rows} rows, {table.bytes / 1e6:.1f} MB COPY binary ({row_bytes:.0f} B/row), "
        f"destination {options.dest}, {options.rounds} rounds\n"
    )
    print("| arm | wall s median (min-max) | rows/s | MB/s | x base (median) | client cpu s | server cpu s ", end="")
    print("| peak RSS MB | same checksum |\n|---|---|---|---|---|---|---|---|---|")
    median = statistics.median
    for name, _ in chosen:
        runs = results[name]
        if not runs:
            print(f"| {name} | {dead.get(name, '-').replace('|', '/')[:200]} | | | | | | | |")
            continue
        walls, ratios = [r["wall"] for r in runs], [r["ratio"] for r in runs if r["ratio"]]
        wall = median(walls)
        cells = [
            name,
            f"{wall:.2f} ({min(walls):.2f}-{max(walls):.2f})",
            f"{table.rows / wall:,.0f}",
            f"{table.bytes / 1e6 / wall:.0f}",
            f"{median(ratios):.2f}" if ratios else "",
            f"{median(r['cli'] for r in runs):.2f}",
            f"{median(r['srv'] for r in runs):.2f}",
            f"{max(r['rss_mb'] for r in runs):.0f}",
            {True: "yes", False: "no"}.get(sums.get(name), "") + (f" (then: {dead[name]})" if name in dead else ""),
        ]
        print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(TMP, ignore_errors=True)
