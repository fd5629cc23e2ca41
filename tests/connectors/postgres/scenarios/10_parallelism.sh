#!/usr/bin/env bash
# Three tables at once, one of them with a column of every type, copied with parallelism auto and
# by hand; rows and checksums are compared by psql, in both databases. Fails loudly at the first
# difference. It starts nothing but rb-bench, whose managed server holds both databases.
#
#   tests/connectors/postgres/scenarios/10_parallelism.sh [RUNS]
#
# RUNS (5) is how often each setting is copied. RB_BENCH names the binary; one on PATH otherwise.
set -euo pipefail

RB_BENCH=${RB_BENCH:-rb-bench}
export RB_BENCH

fail() { printf '10_parallelism: FAILED: %s\n' "$*" >&2; exit 1; }
say() { printf '10_parallelism: %s\n' "$*"; }

# The first time, outside of the server: runs itself inside `rb-bench cluster psql`, which starts the
# server, gives its children PGHOST, PGPORT, PGUSER and PGPASSWORD, and stops it when they end.
if [ -z "${SCENARIO_VERDICT:-}" ]; then
  SCENARIO_VERDICT=$(mktemp)
  export SCENARIO_VERDICT
  trap 'rm -f "$SCENARIO_VERDICT"' EXIT
  programs=$("$RB_BENCH" cluster status --format json | sed -n 's/.*"programs":{[^}]*"directory":"\([^"]*\)".*/\1/p')
  PATH="${programs:+$programs:}$PATH" "$RB_BENCH" cluster psql -- -X -q -d postgres -c "\\! '$0' ${1:-5}"
  [ "$(cat "$SCENARIO_VERDICT")" = passed ] || fail "see above"
  exit 0
fi

runs=${1:-5}
source=scenario_10_source
dest=scenario_10_dest
psql() { PGOPTIONS="-c client_min_messages=warning" command psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
cleared() {
  psql -d postgres -c "DROP DATABASE IF EXISTS $source WITH (FORCE)" -c "DROP DATABASE IF EXISTS $dest WITH (FORCE)" 2>/dev/null
}
trap cleared EXIT
cleared

psql -d postgres -c "CREATE DATABASE $source TEMPLATE template0" -c "CREATE DATABASE $dest TEMPLATE template0"
psql -d "$source" <<'SQL'
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy ''n quoted');
CREATE TYPE pair AS (x int, y text);
CREATE DOMAIN percentage AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);

CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, note text, total numeric(12, 2), placed timestamptz);
INSERT INTO orders SELECT i, i % 977, CASE WHEN i % 5 > 0 THEN repeat(md5(i::text), i % 9) END, i / 7.0,
  timestamptz '2026-01-01 00:00+00' + i * interval '37 seconds' FROM generate_series(1, 20000) i;

CREATE TABLE events (id int NOT NULL, at date NOT NULL, body text) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
INSERT INTO events SELECT i, date '2025-06-01' + i % 400, repeat('x', i % 300) FROM generate_series(1, 20000) i;

CREATE TABLE every_type (
  id int PRIMARY KEY, a_bool bool, a_bytea bytea, a_char "char", a_name name, an_int2 int2, an_int4 int4, an_int8 int8,
  an_oid oid, a_text text, a_varchar varchar(40), a_bpchar char(12), a_json json, a_jsonb jsonb, a_jsonpath jsonpath,
  an_xml xml, a_float4 float4, a_float8 float8, a_money money, a_numeric numeric, a_date date, a_time time,
  a_timetz timetz, a_timestamp timestamp, a_timestamptz timestamptz, an_interval interval, a_uuid uuid,
  an_inet inet, a_cidr cidr, a_macaddr macaddr, a_macaddr8 macaddr8, a_bit bit(11), a_varbit varbit, a_point point,
  a_line line, an_lseg lseg, a_box box, a_path path, a_polygon polygon, a_circle circle, a_tsvector tsvector,
  a_tsquery tsquery, a_pg_lsn pg_lsn, an_xid8 xid8, a_tid tid, a_regclass regclass, a_regtype regtype,
  an_int4range int4range, an_int8range int8range, a_numrange numrange, a_tsrange tsrange, a_tstzrange tstzrange,
  a_daterange daterange, an_int4multirange int4multirange, a_datemultirange datemultirange, ints int[], texts text[],
  dates date[][], a_mood mood, moods mood[], a_pair pair, pairs pair[], a_percentage percentage,
  twice int GENERATED ALWAYS AS (an_int4 * 2) STORED);
INSERT INTO every_type (id) VALUES (0);
INSERT INTO every_type SELECT i, i % 2 = 0, decode(md5(i::text), 'hex'), chr(65 + i % 26)::"char", 'n' || i, i % 32767, -i, i * 1e12,
  i, E'tab\t line\n back\\ ' || i, 'v' || i, 'b' || i, json_build_object('b', i, 'a', ARRAY[i, NULL]),
  jsonb_build_object('n', i, 'deep', jsonb_build_array(i / 3.0, NULL, 'é')), '$.a[*] ? (@ > 1)', xmlelement(name e, i),
  i / 3.0::float4, CASE i % 4 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' ELSE i::float8 / 7 END, i::numeric::money, i / 7.0,
  CASE WHEN i % 50 = 0 THEN 'infinity' ELSE date '0044-03-15 BC' + i END, time '00:00' + i * interval '1 s', timetz '12:00+02' + i * interval '1 s',
  timestamp '2026-01-01' + i * interval '1 ms', timestamptz '2026-01-01 00:00+05:30' + i * interval '1 us',
  i * interval '1 month 2 days 3.000004 s', md5(i::text)::uuid, inet '10.0.0.0/8' + i, cidr '10.1.0.0/16',
  macaddr '08:00:2b:01:02:03', macaddr8 '08:00:2b:01:02:03:04:05', (i % 2048)::bit(11), (i % 128)::bit(7), point(i, -i / 3.0),
  line(point(0, i), point(1, 0)), lseg(point(0, 0), point(i, 1)), box(point(0, 0), point(i, i)), path '[(0,0),(1,2)]',
  polygon '((0,0),(1,1),(2,0))', circle(point(0, 0), i), to_tsvector('simple', 'row number ' || i), to_tsquery('simple', 'row & ' || i),
  ('0/' || upper(to_hex(i)))::pg_lsn, i::text::xid8, ('(' || i || ',1)')::tid, 'pg_class'::regclass, 'int4'::regtype,
  int4range(i, i + 5), int8range(NULL, i), numrange(i / 2.0, i, '[]'), tsrange('2026-01-01', NULL), tstzrange('2026-01-01+00', '2026-02-01+00'),
  daterange('2026-01-01', date '2026-01-01' + i), int4multirange(int4range(1, i + 1), int4range(i + 5, i + 7)), datemultirange(), ARRAY[i, NULL, -i],
  ARRAY['', 'NULL', E'a"b\\c', NULL], ARRAY[ARRAY[date '2026-01-01'], ARRAY[date '2026-01-01' + i]], (enum_range(NULL::mood))[1 + i % 3],
  enum_range(NULL::mood), ROW(i, E'a,"b\n')::pair, ARRAY[ROW(i, NULL)::pair], (i % 100) + 0.25
  FROM generate_series(1, 3000) i;
SQL

# Only types are there before: the tables are rb-bench's to make.
prepare() {
  psql -d "$dest" <<'SQL'
DROP TABLE IF EXISTS orders, events, every_type;
DROP TYPE IF EXISTS mood, pair;
DROP DOMAIN IF EXISTS percentage;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy ''n quoted');
CREATE TYPE pair AS (x int, y text);
CREATE DOMAIN percentage AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);
SQL
}

# Rows, and order-free sums of the rows' hashes with two seeds.
sums() {
  psql -d "$1" -c "SET TimeZone = 'UTC'" \
    -c "SELECT count(*), sum(hashtextextended(t::text, 0)), sum(hashtextextended(t::text, 1)) FROM $2 t"
}

address="host=$PGHOST port=$PGPORT user=$PGUSER"
for ((run = 1; run <= runs; run++)); do
  for parallelism in auto 1 4; do
    prepare
    result=$("$RB_BENCH" copy "$address dbname=$source" "$address dbname=$dest" \
      --table orders events every_type --parallelism "$parallelism") || fail "run $run, parallelism $parallelism: rb-bench ended with $?"
    for table in orders events every_type; do
      there=$(sums "$source" "$table")
      here=$(sums "$dest" "$table")
      [ -n "$there" ] || fail "$table: the source has no sums"
      [ "$there" = "$here" ] || fail "run $run, parallelism $parallelism: $table has $there in the source, $here in the destination"
    done
    grep -q '"records_written":43001[,}]' <<<"$result" || fail "run $run, parallelism $parallelism: other than 43001 records written: $result"
    say "run $run, parallelism $parallelism: 3 tables, 43001 rows, equal"
  done
done
printf passed >"$SCENARIO_VERDICT"
