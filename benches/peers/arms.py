"""The ways of copying a table that are compared: ARMS maps a name to (group, function).

A function takes a Table and returns what to time, or None where the tool is not installed:
    cmd    shell command, the timed part
    prep   called before it, untimed          after  called after it, untimed
    dest   kind of destination table, when another than the comparison's
    where  table that the rows land in, when another than public.<table>
    check  False where no rows land           env    more environment
Groups: base, limits, streams, tune, pass, peers, ours (README.md says what each is for).
"""

import os
import shlex
import shutil
import tempfile

import servers
from servers import DST, DST_DB, DST_HOST, DST_PORT, DST_TCP, SRC, SRC_DB, SRC_HOST, SRC_PORT, SRC_TCP, USER, E, sql

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS_HOME = E.get("PEERS_HOME", "")
TMP = tempfile.mkdtemp(prefix="peers-")
os.chmod(TMP, 0o777)
QUIET = "set client_min_messages=warning; "

ARMS = {}


def arm(name, group):
    def register(function):
        ARMS[name] = (group, function)
        return function

    return register


def interpreter(name):
    """The Python of the environment PEERS_HOME/<name>."""
    path = os.path.join(PEERS_HOME, name, "bin", "python3")
    return path if PEERS_HOME and os.path.exists(path) else None


def program(name, inside):
    """PEERS_HOME/<inside>, else <name> from PATH."""
    path = os.path.join(PEERS_HOME, inside)
    return path if PEERS_HOME and os.path.exists(path) else shutil.which(name)


class Table:
    """One source table, its empty twin in the destination, its size."""

    def __init__(self, profile, dest):
        self.profile, self.name, self.dest = profile, f"bench_{profile}", dest
        self.rows = int(sql(SRC, f"select count(*) from {self.name}"))
        self.pages = int(sql(SRC, f"select pg_relation_size('{self.name}')/8192"))
        sql(DST, "create schema if not exists tpl")
        if sql(DST, f"select to_regclass('tpl.{self.name}') is null") == "t":
            sql(DST, f"alter table public.{self.name} set schema tpl")
        self.file = os.path.join(TMP, self.name + ".bin")
        sql(SRC, f"copy {self.name} to '{self.file}' (format binary)")
        self.bytes = os.path.getsize(self.file)

    def part(self, parts, i):
        """The i-th of `parts` ranges of blocks, as a query."""
        low, high = self.pages * i // parts, self.pages * (i + 1) // parts
        until = "" if i == parts - 1 else f" and ctid < '({high},0)'"
        return f"(select * from {self.name} where ctid >= '({low},0)'{until})"

    def make_destination(self, dest=None):
        kind = dest or self.dest
        unlogged = "unlogged" if kind.startswith("unlogged") else ""
        indexes = "" if kind.endswith("nopk") else " including indexes"
        sql(
            DST,
            f"{QUIET}drop table if exists public.{self.name}; "
            f"create {unlogged} table public.{self.name} (like tpl.{self.name} including defaults{indexes})",
        )

    def files(self, parts):
        """The table in `parts` binary COPY files."""
        if parts == 1:
            return [self.file]
        out = []
        for i in range(parts):
            file = os.path.join(TMP, f"{self.name}.{parts}.{i}.bin")
            if not os.path.exists(file):
                sql(SRC, f"copy {self.part(parts, i)} to '{file}' (format binary)")
            out.append(file)
        return out


def psql(where):
    return f"psql -X -q -v ON_ERROR_STOP=1 -d '{where}'"


def at_once(commands):
    if len(commands) == 1:
        return commands[0]
    return " & ".join(commands) + " & rc=0; for p in $(jobs -p); do wait $p || rc=1; done; exit $rc"


# ---- psql to psql: base and streams ----


def pipe(table, streams, tcp=False, form="(format binary)", freeze=False):
    source, destination = (SRC_TCP, DST_TCP) if tcp else (SRC, DST)
    out = []
    for i in range(streams):
        what = table.name if streams == 1 else table.part(streams, i)
        if freeze:
            frozen = form.replace("(", "(freeze on, ")
            sink = (
                f'{psql(destination)} -c "begin" -c "truncate {table.name}" '
                f'-c "copy {table.name} from stdin {frozen}" -c "commit"'
            )
        else:
            sink = f'{psql(destination)} -c "copy {table.name} from stdin {form}"'
        out.append(f'({psql(source)} -c "copy {what} to stdout {form}" | {sink})')
    return dict(cmd="set -o pipefail; " + at_once(out))


ARMS["base"] = ("base", lambda t: pipe(t, 1))
for _n in (1, 2, 4):
    for _tcp in (False, True):
        if _n > 1 or _tcp:
            _name = f"psql-psql bin {_n}x {'tcp' if _tcp else 'sock'}"
            ARMS[_name] = ("streams", lambda t, n=_n, tcp=_tcp: pipe(t, n, tcp))
ARMS["psql-psql text 1x sock"] = ("streams", lambda t: pipe(t, 1, form=""))
ARMS["psql-psql bin 1x sock freeze"] = ("streams", lambda t: pipe(t, 1, freeze=True))

# ---- what the servers alone can do: limits ----


def read(parts, form="(format binary)"):
    def make(t):
        whats = [t.name] if parts == 1 else [t.part(parts, i) for i in range(parts)]
        commands = [f"{psql(SRC)} -c \"copy {what} to '/dev/null' {form}\"" for what in whats]
        return dict(check=False, cmd=at_once(commands))

    return make


def write(parts, dest, freeze=False, options=""):
    def make(t):
        if freeze:
            copy = f"copy {t.name} from '{t.file}' (format binary, freeze on)"
            commands = [f"{psql(DST)} -c begin -c 'truncate {t.name}' -c \"{copy}\" -c commit"]
        else:
            commands = [f"{psql(DST)} -c \"copy {t.name} from '{f}' (format binary)\"" for f in t.files(parts)]
        return dict(cmd=with_options(options) + at_once(commands), dest=dest)

    return make


def with_options(options):
    """PGOPTIONS for every psql of an arm; the settings used here act on the writing side alone."""
    return f"export PGOPTIONS='{options}'; " if options else ""


ARMS["read 1x (COPY TO /dev/null)"] = ("limits", read(1))
ARMS["read 2x ctid halves"] = ("limits", read(2))
ARMS["read text 1x"] = ("limits", read(1, ""))
ARMS["write 1x pk"] = ("limits", write(1, "pk"))
ARMS["write 1x nopk"] = ("limits", write(1, "nopk"))
ARMS["write 2x pk"] = ("limits", write(2, "pk"))
ARMS["write 2x nopk"] = ("limits", write(2, "nopk"))
ARMS["write 1x pk freeze"] = ("limits", write(1, "pk", freeze=True))
ARMS["write 1x nopk unlogged"] = ("limits", write(1, "unlogged-nopk"))
ARMS["write 2x nopk unlogged"] = ("limits", write(2, "unlogged-nopk"))
ARMS["write 1x pk sync_commit=off"] = ("limits", write(1, "pk", options="-c synchronous_commit=off"))


@arm("insert-select same db pk", "limits")
def insert_select(t):
    twin = "lab_insel"

    def prep():
        sql(SRC, f"{QUIET}drop table if exists {twin}; create table {twin} (like {t.name} including indexes)")

    def after():
        rows = int(sql(SRC, f"select count(*) from {twin}"))
        sql(SRC, f"drop table {twin}")
        if rows != t.rows:
            raise RuntimeError(f"{rows} rows of {t.rows}")

    return dict(cmd=f'{psql(SRC)} -c "insert into {twin} select * from {t.name}"', prep=prep, after=after, check=False)


# ---- what a changed destination buys: tune ----

LZ4 = "-c default_toast_compression=lz4"


def pipe_with(streams, options):
    return lambda t: dict(cmd=with_options(options) + pipe(t, streams)["cmd"])


def key_afterwards(streams):
    def make(t):
        key = f"{psql(DST)} -c 'alter table {t.name} add primary key (id)'"
        return dict(cmd=f"({pipe(t, streams)['cmd']}) && {key}", dest="nopk")

    return make


ARMS["tune psql-psql bin 2x lz4 toast"] = ("tune", pipe_with(2, LZ4))
ARMS["tune write 1x pk lz4 toast"] = ("tune", write(1, "pk", options=LZ4))
ARMS["tune write 2x pk lz4 toast"] = ("tune", write(2, "pk", options=LZ4))
ARMS["tune psql-psql bin 2x then pk"] = ("tune", key_afterwards(2))

# ---- a bare forwarding client, the floor for any client: pass ----


def passthru(mode, streams, buffer, chunks=None, tcp=False, setting="", dest=None, then=()):
    def at(host, port):
        by_tcp = tcp or not host.startswith("/")
        return f"{servers.tcp_host(host)}:{port}" if by_tcp else f"{host}/.s.PGSQL.{port}"

    def make(t):
        path = program("passthru", "passthru")
        if not path:
            return None
        cmd = (
            f"{path} {at(SRC_HOST, SRC_PORT)} {SRC_DB} {at(DST_HOST, DST_PORT)} {DST_DB} {USER} {t.name} {t.pages} "
            f"{streams} {mode} {buffer} {chunks or streams}" + (f" '{setting}'" if setting else "")
        )
        if then:
            # each of these by a session of its own, at once
            sessions = [f"{psql(DST)} -c '{statements.replace('TABLE', t.name)}'" for statements in then]
            cmd += f" && {{ {at_once(sessions)}; }}"
        return dict(cmd=cmd, dest=dest)

    return make


for _mode, _n, _buffer in (
    ("raw", 1, 8 << 10),
    ("raw", 1, 256 << 10),
    ("frame", 1, 64 << 10),
    ("frame", 1, 1 << 20),
    ("raw", 2, 256 << 10),
    ("frame", 2, 64 << 10),
    ("frame", 2, 1 << 20),
    ("frame", 3, 64 << 10),
    ("frame", 4, 64 << 10),
):
    ARMS[f"pass {_mode} {_n}x {_buffer >> 10}k"] = ("pass", passthru(_mode, _n, _buffer))
ADD_KEY = "alter table TABLE add primary key (id)"
MAKE_INDEXES = [
    f"create index on TABLE ({what})" for what in ("(id % 97)", "md5(id::text)", "(id * 7)", "id, (id % 7)")
]
ARMS["pass frame 2x 64k tcp"] = ("pass", passthru("frame", 2, 64 << 10, tcp=True))
ARMS["pass frame 2x 64k 16 chunks"] = ("pass", passthru("frame", 2, 64 << 10, 16))
ARMS["pass frame 2x 64k lz4 toast"] = (
    "pass",
    passthru("frame", 2, 64 << 10, setting="set default_toast_compression=lz4"),
)
ARMS["pass frame 2x 64k then pk"] = ("pass", passthru("frame", 2, 64 << 10, dest="nopk", then=[ADD_KEY]))
ARMS["pass frame 2x 64k then 4 indexes"] = (
    "pass",
    passthru("frame", 2, 64 << 10, dest="nopk", then=["; ".join(MAKE_INDEXES)]),
)
ARMS["pass frame 2x 64k then 4 indexes by 2 sessions"] = (
    "pass",
    passthru("frame", 2, 64 << 10, dest="nopk", then=["; ".join(MAKE_INDEXES[i::2]) for i in (0, 1)]),
)
ARMS["pass frame 2x 64k unlogged nopk"] = ("pass", passthru("frame", 2, 64 << 10, dest="unlogged-nopk"))

# ---- other tools: peers ----


def fresh_schema(name):
    return lambda: sql(DST, f"{QUIET}drop schema if exists {name} cascade; create schema {name}")


@arm("pg_dump to psql (plain)", "peers")
def pg_dump_plain(t):
    return dict(cmd=f"set -o pipefail; pg_dump --data-only -t {t.name} -d '{SRC}' | {psql(DST)} >/dev/null")


@arm("pg_dump -Fd -j2 + pg_restore -j2", "peers")
def pg_dump_directory(t):
    folder = os.path.join(TMP, "dumpdir")
    return dict(
        cmd=f"pg_dump -Fd -j2 -Z0 --data-only -t {t.name} -f {folder} -d '{SRC}' "
        f"&& pg_restore -j2 --data-only -d '{DST}' {folder}",
        prep=lambda: shutil.rmtree(folder, ignore_errors=True),
    )


def pgcopydb(jobs, split=None):
    def make(t):
        if not shutil.which("pgcopydb"):
            return None
        folder, filters = os.path.join(TMP, "pgcopydb"), os.path.join(TMP, "filter.ini")
        with open(filters, "w") as file:
            file.write(f"[include-only-table]\npublic.{t.name}\n")

        def prep():
            shutil.rmtree(folder, ignore_errors=True)
            if split:
                sql(DST, f"drop table if exists public.{t.name}")

        verb = "clone" if split else "copy table-data"
        cmd = (
            f"pgcopydb {verb} --dir {folder} --source '{SRC}' --target '{DST}' --filters {filters} "
            f"--table-jobs {jobs} --not-consistent"
        )
        if split:
            cmd += (
                f" --index-jobs 2 --split-tables-larger-than {split} --skip-large-objects --skip-extensions"
                " --no-owner --no-acl --no-comments"
            )
        return dict(cmd=cmd, prep=prep)

    return make


ARMS["pgcopydb copy table-data j1"] = ("peers", pgcopydb(1))
ARMS["pgcopydb clone j2 split"] = ("peers", pgcopydb(2, "32MB"))
ARMS["pgcopydb clone j4 split"] = ("peers", pgcopydb(4, "32MB"))


@arm("pgloader", "peers")
def pgloader(t):
    path = shutil.which("pgloader")
    if not path:
        return None
    script = os.path.join(TMP, "load.load")

    def prep():
        source, destination = (u.replace("postgresql", "pgsql") for u in (SRC_TCP, DST_TCP))
        with open(script, "w") as file:
            file.write(
                f"load database from {source} into {destination}\n"
                "with data only, workers = 2, concurrency = 1, batch rows = 10000, batch size = 20MB, "
                "prefetch rows = 10000\n"
                f"including only table names matching '{t.name}' in schema 'public';\n"
            )

    cmd = f"{path} --dynamic-space-size 8192 --no-ssl-cert-verification --root-dir {TMP}/pgl {script}"
    return dict(cmd=cmd, prep=prep)


def dlt(backend, form):
    def make(t):
        python = interpreter("dlt")
        if not python:
            return None
        work = os.path.join(TMP, "dltwork")
        os.makedirs(work, exist_ok=True)

        def prep():
            shutil.rmtree(work + "/state", ignore_errors=True)
            sql(DST, f"{QUIET}drop schema if exists bench_dlt cascade; drop schema if exists bench_dlt_staging cascade")

        cmd = f"cd {work} && {python} {HERE}/peer_dlt.py '{SRC_TCP}' '{DST_TCP}' {backend} {t.name} {form} {work}/state"
        return dict(cmd=cmd, prep=prep, where=f"bench_dlt.{t.name}")

    return make


for _backend in ("connectorx", "pyarrow"):
    for _form in ("auto", "csv", "parquet"):
        ARMS[f"dlt {_backend} {_form}"] = ("peers", dlt(_backend, _form))


@arm("ingestr", "peers")
def ingestr(t):
    path = program("ingestr", "ingestr/bin/ingestr")
    if not path:
        return None
    # its uuid reader hands 16 raw bytes to the writer, which refuses them: land uuids as text
    uuids = sql(
        SRC,
        "select string_agg(attname||':text', ',') from pg_attribute "
        f"where attrelid='{t.name}'::regclass and atttypid='uuid'::regtype and attnum>0",
    )
    return dict(
        cmd=f"{path} ingest --source-uri '{SRC_TCP}?sslmode=disable' --dest-uri '{DST_TCP}?sslmode=disable' "
        f"--source-table public.{t.name} --dest-table lab_ingestr.{t.name} "
        f"--incremental-strategy replace --yes --progress log --full-refresh --columns {uuids}",
        where=f"lab_ingestr.{t.name}",
        prep=fresh_schema("lab_ingestr"),
        env={"DISABLE_TELEMETRY": "true", "INGESTR_DISABLE_TELEMETRY": "true"},
    )


@arm("sling", "peers")
def sling(t):
    path = program("sling", "sling/sling")
    if not path:
        return None
    return dict(
        cmd=f"{path} run --src-conn '{SRC_TCP}?sslmode=disable' --src-stream public.{t.name} "
        f"--tgt-conn '{DST_TCP}?sslmode=disable' --tgt-object lab_sling.{t.name} --mode full-refresh",
        where=f"lab_sling.{t.name}",
        prep=fresh_schema("lab_sling"),
        env={"SLING_DISABLE_TELEMETRY": "TRUE", "HOME": TMP},
    )


def arrow(kind):
    def make(t):
        python = interpreter("dlt")
        return python and dict(
            cmd=f"{python} {HERE}/peer_arrow.py {kind} '{SRC_TCP}' '{DST_TCP}' {t.name}",
            where=f"lab_arrow.{t.name}",
            prep=fresh_schema("lab_arrow"),
        )

    return make


ARMS["adbc stream read+ingest"] = ("peers", arrow("adbc"))
ARMS["connectorx 2 parts -> adbc"] = ("peers", arrow("cx"))
ARMS["polars cx read adbc write"] = ("peers", arrow("polars"))


@arm("psycopg3 copy passthrough", "peers")
def psycopg3(t):
    python = interpreter("dlt")
    return python and dict(cmd=f"{python} {HERE}/peer_arrow.py psycopg '{SRC}' '{DST}' {t.name}")


@arm("rdlt", "peers")
def rdlt(t):
    path = program("rdlt", "rdlt/rdlt")
    connector = program("rdlt-connector-postgres", "rdlt/rdlt-connector-postgres")
    if not path or not connector:
        return None
    work, document = os.path.join(TMP, "rdltwork"), os.path.join(TMP, "rdlt.yaml")

    def connection(db, host, port):
        return f"host={servers.tcp_host(host)} port={port} user={USER} password=x dbname={db}"

    def prep():
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        sql(DST, f"{QUIET}drop schema if exists lab_rdlt cascade")
        with open(document, "w") as file:
            file.write(f"""pipeline: lab
workdir: {work}/.rdlt
write_mode: replace
source:
  connector:
    id: io.rapidbyte.postgres
    path: {connector}
    config:
      conn: "{connection(SRC_DB, SRC_HOST, SRC_PORT)}"
      tables:
        - name: {t.name}
destination:
  connector:
    id: io.rapidbyte.postgres
    path: {connector}
    config:
      conn: "{connection(DST_DB, DST_HOST, DST_PORT)}"
      dataset: lab_rdlt
""")

    return dict(cmd=f"{path} run {document} --report {TMP}/rdlt.json", prep=prep, where=f"lab_rdlt.{t.name}")


# ---- rb-bench, or what OUR_CMD and OUR_CMDS name: ours ----


def ours(template):
    def make(t):
        values = dict(src=SRC, dst=DST, srctcp=SRC_TCP, dsttcp=DST_TCP, table=t.name, tmp=TMP)
        cmd = template
        for key, value in values.items():
            cmd = cmd.replace("{" + key + "}", shlex.quote(value))
        return dict(cmd=cmd)

    return make


def our_templates():
    """Lines of `name=template`; rb-bench with one worker and with auto, where it is built."""
    if E.get("OUR_CMD"):
        yield "ours", E["OUR_CMD"]
    for line in E.get("OUR_CMDS", "").splitlines():
        if "=" in line:
            name, template = line.split("=", 1)
            yield "ours " + name.strip(), template.strip()
    if E.get("OUR_CMD") or E.get("OUR_CMDS"):
        return
    target = E.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "..", "target"))
    built = os.path.abspath(os.path.join(target, "release", "rb-bench"))
    path = built if os.path.exists(built) else shutil.which("rb-bench")
    if path:
        copy = shlex.quote(path) + " copy {src} {dst} --table public.{table} --parallelism "
        yield "ours one worker", copy + "1"
        yield "ours auto", copy + "auto"


for _name, _template in our_templates():
    ARMS[_name] = ("ours", ours(_template))
