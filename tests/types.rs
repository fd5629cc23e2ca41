//! Every type that a column can have arrives as it left: built-in ones, arrays of them, and what
//! users make; and what would lose something is refused before a row moves.

mod support;

use std::fmt::Write as _;

use serde_json::{Value, json};
use support::copies::{Databases, command, plan, result_line, run, try_run};
use support::values::{VALUES, WITHOUT_VALUES};
use support::{sql, try_sql};

/// A column for the tests: its name, its type, and its values as SQL expressions.
struct Sample {
    name: String,
    type_name: String,
    values: Vec<String>,
    binary: bool,
}

/// Every type that pg_type has for columns, with values; arrays too.
fn samples(url: &str) -> Vec<Sample> {
    let list = sql(
        url,
        "SELECT t.typname, format_type(t.oid, -1), coalesce(e.typname, ''),
           t.typsend <> 0 AND t.typreceive <> 0 AND t.typname !~ '^_?(int2vector|oidvector|tsquery)$' AND t.typname !~ '^_?reg' AND coalesce(e.typsend <> 0, true)
         FROM pg_type t LEFT JOIN pg_type e ON e.typarray = t.oid
         WHERE t.typtype IN ('b', 'r', 'm') AND t.oid < 16384 AND coalesce(e.typtype IN ('b', 'r', 'm'), true) ORDER BY t.oid",
    );
    list.lines()
        .map(|line| {
            let [name, type_name, element, binary] = line.split('|').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let of = if element.is_empty() { name } else { element };
            let scalars: Vec<String> = match VALUES.iter().find(|(known, _)| *known == of) {
                Some((_, values)) => values
                    .iter()
                    .map(|value| format!("'{}'::pg_catalog.\"{of}\"", value.replace('\'', "''")))
                    .collect(),
                None if WITHOUT_VALUES.contains(&of) => Vec::new(),
                None => panic!("type {of} has no values in tests/support/values.rs"),
            };
            let values = if element.is_empty() || scalars.is_empty() {
                scalars
            } else {
                let list = scalars.join(", ");
                let (first, last) = (&scalars[0], &scalars[scalars.len() - 1]);
                vec![
                    format!("ARRAY[{list}, NULL]::{type_name}"),
                    format!("'{{}}'::{type_name}"),
                    format!("ARRAY[ARRAY[{first}, {last}], ARRAY[NULL, {last}]]::{type_name}"),
                    format!("array_fill({first}, ARRAY[2, 1, 2], ARRAY[-1, 0, 7])::{type_name}"),
                ]
            };
            Sample {
                name: name.to_owned(),
                type_name: type_name.to_owned(),
                values,
                binary: binary == "t",
            }
        })
        .collect()
}

/// A table of these columns with more rows than the type of most values has, the last all NULL.
fn table(name: &str, columns: &[&Sample], with_rows: bool) -> String {
    let list: Vec<String> = columns
        .iter()
        .map(|c| format!("\"{}\" {}", c.name, c.type_name))
        .collect();
    let mut sql = format!("CREATE TABLE {name} (row integer, {});", list.join(", "));
    if with_rows {
        let most = columns.iter().map(|c| c.values.len()).max().unwrap_or(0);
        for row in 0..most {
            let values: Vec<&str> = columns
                .iter()
                .map(|c| {
                    c.values
                        .get(row % c.values.len().max(1))
                        .map_or("NULL", String::as_str)
                })
                .collect();
            write!(
                sql,
                "INSERT INTO {name} VALUES ({row}, {});",
                values.join(", ")
            )
            .unwrap();
        }
        write!(
            sql,
            "INSERT INTO {name} (row) VALUES (-1);
             INSERT INTO {name} SELECT t.* FROM {name} t, generate_series(1, 3);"
        )
        .unwrap();
    }
    sql
}

#[test]
fn every_built_in_type_arrives_equal() {
    let databases = Databases::new("builtin");
    let samples = samples(&databases.source);
    assert!(samples.len() > 140, "{}", samples.len());
    let all: Vec<&Sample> = samples.iter().collect();
    let binary: Vec<&Sample> = samples.iter().filter(|s| s.binary).collect();
    let tables = [("every_type", &all), ("every_binary_type", &binary)];
    for (name, columns) in tables {
        sql(&databases.source, &table(name, columns, true));
    }
    for (workers, method, existing) in [
        (1, "copy", false),
        (4, "copy", true),
        (4, "copy", false),
        (1, "insert", true),
        (4, "insert", false),
    ] {
        for (name, columns) in tables {
            sql(&databases.dest, &format!("DROP TABLE IF EXISTS {name}"));
            if existing {
                sql(&databases.dest, &table(name, columns, false));
            }
        }
        let mut document =
            databases.sharded(&[json!("every_type"), json!("every_binary_type")], workers);
        document["destination"]["config"]["load_method"] = json!(method);
        let json = run(&document);
        let streams = &json["plan"]["streams"];
        assert_eq!(streams[0]["format"], "text");
        assert_eq!(streams[1]["format"], "binary", "{}", streams[1]["why_text"]);
        assert_eq!(json["plan"]["workers"], workers, "{}", json["plan"]);
        for (name, _) in tables {
            databases.assert_same(&format!(
                "SELECT * FROM {name} t ORDER BY row, t::text COLLATE \"C\""
            ));
            // the text of a value may hide what pg_column_size does not: a type modifier, a header
            databases.assert_same(&format!(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute \
                 WHERE attrelid = '{name}'::regclass AND attnum > 0 ORDER BY attnum"
            ));
        }
    }
}

const USER_TYPES: &str = r#"
    CREATE SCHEMA shop;
    CREATE TYPE mood AS ENUM ('sad', 'it''s, ok', '"happy"', '');
    CREATE TYPE shop."Odd Name" AS ENUM ('ä', '\');
    CREATE DOMAIN percent AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);
    CREATE DOMAIN half AS percent CHECK (VALUE <= 50);
    CREATE DOMAIN names AS text[];
    CREATE TYPE inner_pair AS (a integer, b text[], c mood);
    CREATE TYPE outer_pair AS (p inner_pair, ps inner_pair[], d half, t timestamptz);
    CREATE TYPE moods AS RANGE (subtype = mood);
    CREATE TYPE percents AS RANGE (subtype = percent);
    CREATE DOMAIN pair_domain AS inner_pair;
"#;

const USER_TABLE: &str = r#"
    CREATE TABLE made (id integer, m mood, ms mood[], o shop."Odd Name", os shop."Odd Name"[], p percent, h half, hs half[],
      n names, i inner_pair, "is" inner_pair[], op outer_pair, ops outer_pair[], r moods, rs moods[], rm moods_multirange, rp percents,
      pd pair_domain, v varchar(5)[], x numeric(6, 2)[]);
"#;

#[test]
fn user_defined_types_travel_as_text_and_arrive_equal() {
    let databases = Databases::new("made");
    databases.both(USER_TYPES);
    sql(&databases.source, USER_TABLE);
    sql(
        &databases.source,
        r#"INSERT INTO made SELECT g, 'it''s, ok', '{sad,NULL,"\"happy\"",""}', 'ä', '{\\,ä}', 99.99, 0.10, '{50,0.01}',
             '{"a b",NULL}', (1, '{"x,y","\"z\"\\"}', 'sad')::inner_pair, ARRAY[(NULL, '{}', '')::inner_pair, NULL],
             ROW((g, '{1}', 'sad')::inner_pair, ARRAY[(1, NULL, NULL)::inner_pair], 12.5, 'infinity')::outer_pair,
             ARRAY[(NULL, NULL, NULL, '2024-01-01 BC')::outer_pair], '[sad,"""happy"""]', ARRAY['empty'::moods, '(,)'],
             '{[sad,sad],["""happy""",""]}', '[0.5,99)', (3, '{}', 'sad')::inner_pair, '{"  a  "}', '{1.50,NaN}'
           FROM generate_series(1, 50) g;
           INSERT INTO made (id) VALUES (0)"#,
    );
    for (workers, method) in [(1, "copy"), (4, "copy"), (4, "insert"), (1, "insert")] {
        for existing in [false, true] {
            sql(&databases.dest, "DROP TABLE IF EXISTS made");
            if existing {
                sql(&databases.dest, USER_TABLE);
            }
            let mut document = databases.sharded(&[json!("made")], workers);
            document["destination"]["config"]["load_method"] = json!(method);
            let json = run(&document);
            let stream = &json["plan"]["streams"][0];
            assert_eq!(stream["format"], "text");
            assert!(
                stream["why_text"]
                    .as_str()
                    .unwrap()
                    .contains("user-defined type public.mood"),
                "{stream}"
            );
            databases.assert_same("SELECT * FROM made ORDER BY id");
        }
    }
}

#[test]
fn a_missing_type_is_refused_with_what_creates_it() {
    let databases = Databases::new("missing_type");
    sql(&databases.source, USER_TYPES);
    sql(&databases.source, USER_TABLE);
    let error = try_run(&databases.document(&[json!("made")]), &[]).refused(&[
        r#"CREATE SCHEMA shop"#,
        r#"CREATE TYPE public.mood AS ENUM ('sad', 'it''s, ok', '"happy"', '')"#,
        r"AS ENUM ('ä', ",
        "CREATE DOMAIN public.percent AS numeric(5,2) CHECK",
        "CREATE DOMAIN public.half AS public.percent CHECK",
        "CREATE TYPE public.inner_pair AS (a integer, b text[], c public.mood)",
        "CREATE TYPE public.outer_pair AS (p public.inner_pair, ps public.inner_pair[], d public.half, t timestamp with time zone)",
        "CREATE TYPE public.moods AS RANGE (subtype = public.mood",
    ]);
    // what it says, taken as it is and in its order, is what helps
    let statements: Vec<&str> = error
        .lines()
        .filter_map(|line| line.find("CREATE ").map(|at| line[at..].trim()))
        .collect();
    for statement in statements {
        sql(&databases.dest, statement);
    }
    run(&databases.document(&[json!("made")]));
    databases.assert_same("SELECT * FROM made");
}

#[test]
fn a_type_of_the_same_name_and_another_shape_is_refused() {
    for (here, there, column) in [
        (
            "CREATE TYPE t AS (a integer, b integer)",
            "CREATE TYPE t AS (b integer, a integer)",
            "t",
        ),
        (
            "CREATE TYPE t AS (a integer, b integer)",
            "CREATE TYPE t AS (b integer, a integer)",
            "t[]",
        ),
        (
            "CREATE TYPE n AS (a int, b int); CREATE TYPE t AS (x n)",
            "CREATE TYPE n AS (b int, a int); CREATE TYPE t AS (x n)",
            "t",
        ),
        (
            "CREATE TYPE n AS (a int, b int); CREATE TYPE t AS (x n[])",
            "CREATE TYPE n AS (b int, a int); CREATE TYPE t AS (x n[])",
            "t",
        ),
        (
            "CREATE TYPE n AS (a int, b int); CREATE DOMAIN t AS n",
            "CREATE TYPE n AS (b int, a int); CREATE DOMAIN t AS n",
            "t",
        ),
        (
            "CREATE DOMAIN t AS timestamptz",
            "CREATE DOMAIN t AS timestamp",
            "t",
        ),
        (
            "CREATE DOMAIN t AS numeric",
            "CREATE DOMAIN t AS numeric(5, 1)",
            "t[]",
        ),
        (
            "CREATE DOMAIN n AS numeric; CREATE TYPE t AS (a n)",
            "CREATE DOMAIN n AS numeric(5, 1); CREATE TYPE t AS (a n)",
            "t",
        ),
        (
            "CREATE TYPE t AS ENUM ('a', 'b')",
            "CREATE TYPE t AS ENUM ('a')",
            "t",
        ),
        (
            "CREATE TYPE t AS RANGE (subtype = timestamptz)",
            "CREATE TYPE t AS RANGE (subtype = timestamp)",
            "t",
        ),
        (
            "CREATE TYPE t AS RANGE (subtype = timestamptz)",
            "CREATE TYPE t AS RANGE (subtype = timestamp)",
            "t_multirange",
        ),
        (
            "CREATE TYPE t AS ENUM ('a')",
            "CREATE DOMAIN t AS text",
            "t",
        ),
    ] {
        let databases = Databases::new("same_name");
        sql(
            &databases.source,
            &format!("{here}; CREATE TABLE c (v {column})"),
        );
        sql(&databases.dest, there);
        // the table missing, then there
        try_run(&databases.document(&[json!("c")]), &[]).refused(&["column `v`"]);
        sql(&databases.dest, &format!("CREATE TABLE c (v {column})"));
        try_run(&databases.document(&[json!("c")]), &[]).refused(&["column `v`"]);
    }
}

#[test]
fn lossless_widenings_arrive_and_every_other_difference_is_refused() {
    let databases = Databases::new("widen");
    let accepted = [
        ("smallint", "bigint", "'-32768'"),
        ("integer", "bigint", "'-2147483648'"),
        ("smallint", "numeric(5)", "'-32768'"),
        ("bigint", "numeric(19, 0)", "'-9223372036854775808'"),
        ("integer[]", "bigint[]", "'{1,NULL,-5}'"),
        ("numeric(10, 2)", "numeric(12, 4)", "'12345678.90'"),
        ("numeric(10, 2)", "numeric", "'NaN'"),
        ("varchar(5)", "text", "'a\tb '"),
        ("varchar(5)", "varchar(6)", "' bcd '"),
        ("varchar(5)[]", "text[]", "'{\"a,b\",\" \"}'"),
        ("name", "text", "'n'"),
        (
            "timestamp(3)",
            "timestamp(6)",
            "'2024-01-01 BC 01:02:03.456'",
        ),
        (
            "timestamptz(0)",
            "timestamptz",
            "'2024-01-01 00:00:00+05:30'",
        ),
        ("time(1)", "time(2)", "'24:00'"),
        ("timetz(1)", "timetz", "'01:02:03.4+15:59'"),
        ("interval day to second(2)", "interval", "'1 day 0.25 s'"),
        ("bit varying(4)", "bit varying(9)", "'1011'"),
        ("cidr", "inet", "'10.0.0.0/8'"),
        ("json", "text", r#"'{"a":  1}'"#),
    ];
    let columns = |which: fn(&(&str, &str, &str)) -> String| {
        let list: Vec<String> = accepted
            .iter()
            .enumerate()
            .map(|(i, pair)| format!("c{i} {}", which(pair)))
            .collect();
        format!("CREATE TABLE wide ({})", list.join(", "))
    };
    sql(&databases.source, &columns(|(from, _, _)| (*from).into()));
    sql(&databases.dest, &columns(|(_, to, _)| (*to).into()));
    let values: Vec<&str> = accepted.iter().map(|(_, _, value)| *value).collect();
    sql(
        &databases.source,
        &format!(
            "INSERT INTO wide VALUES ({}); INSERT INTO wide DEFAULT VALUES",
            values.join(", ")
        ),
    );
    let json = run(&databases.document(&[json!("wide")]));
    assert!(
        json["plan"]["streams"][0]["why_text"]
            .as_str()
            .unwrap()
            .contains("widens")
    );
    databases.assert_equal(
        "SELECT c0, c3, c4, c5::numeric(12, 4), c6, c7, c8, c9, c10, c11, c12, c14, c16 FROM wide ORDER BY 1",
        "SELECT c0, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c14, c16 FROM wide ORDER BY 1",
    );

    let refused = [
        ("bigint", "integer"),
        ("integer", "double precision"),
        ("bigint", "numeric(18)"),
        ("numeric", "numeric(30, 10)"),
        ("numeric(10, 2)", "numeric(10, 3)"),
        ("double precision", "real"),
        ("real", "double precision"),
        ("double precision", "numeric"),
        ("numeric", "double precision"),
        ("text", "varchar(10)"),
        ("varchar(6)", "varchar(5)"),
        ("char(3)", "text"),
        ("char(3)", "char(2)"),
        ("text", "char(9)"),
        ("timestamptz", "timestamp"),
        ("timestamp", "timestamptz"),
        ("timestamp(6)", "timestamp(3)"),
        ("timestamp", "date"),
        ("timetz", "time"),
        ("interval", "interval day"),
        ("inet", "cidr"),
        ("bit(4)", "bit(5)"),
        ("bit varying", "bit varying(5)"),
        ("json", "jsonb"),
        ("text", "bytea"),
        ("integer", "text"),
        ("integer[]", "integer"),
        ("oid", "bigint"),
        ("money", "numeric"),
    ];
    let mut tables = (String::new(), String::new());
    let mut streams = Vec::new();
    for (i, (from, to)) in refused.iter().enumerate() {
        write!(tables.0, "CREATE TABLE no{i} (v {from});").unwrap();
        write!(tables.1, "CREATE TABLE no{i} (v {to});").unwrap();
        streams.push(json!(format!("no{i}")));
    }
    sql(&databases.source, &tables.0);
    sql(&databases.dest, &tables.1);
    let error = try_run(&databases.document(&streams), &[]).refused(&["nothing was copied"]);
    let refusals = error.lines().filter(|line| line.contains("column `v`"));
    assert_eq!(refusals.count(), refused.len(), "{error}");
}

#[test]
fn pinned_settings_keep_text_equal_whatever_the_databases_say() {
    let databases = Databases::new("settings");
    let table = "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE t (id int, d date, i interval, z timestamptz, ts timestamp, f float8, r real, \
                 b bytea, m money, x xml, n text[], k regclass, mood mood, dr daterange)";
    sql(&databases.source, table);
    sql(
        &databases.source,
        "INSERT INTO t SELECT g, '2024-02-03', '-1 mon 2 days -3:04:05.6', '2024-02-03 04:05:06+00', '2024-02-03', 0.1::float8 + 0.2, 1/3::real, \
         '\\x00ff5c', 1234.56, '<!DOCTYPE a><a/>', ARRAY['NULL', NULL, 'x'], 'pg_class', 'a', '[2024-02-03,2024-03-04)' FROM generate_series(1, 100) g",
    );
    let set = |url: &str, settings: &[&str]| {
        let name = sql(url, "SELECT current_database()");
        for setting in settings {
            sql(url, &format!("ALTER DATABASE \"{name}\" SET {setting}"));
        }
    };
    set(
        &databases.source,
        &[
            "DateStyle = 'SQL, DMY'",
            "IntervalStyle = 'sql_standard'",
            "TimeZone = 'America/Caracas'",
            "bytea_output = 'escape'",
            "extra_float_digits = -10",
            "quote_all_identifiers = on",
            "search_path = 'pg_catalog'",
            "standard_conforming_strings = off",
            "xmloption = document",
        ],
    );
    set(
        &databases.dest,
        &[
            "DateStyle = 'German'",
            "IntervalStyle = 'iso_8601'",
            "TimeZone = 'Asia/Kolkata'",
            "extra_float_digits = 0",
            "array_nulls = off",
            "search_path = ''",
            "default_transaction_isolation = 'serializable'",
            "backslash_quote = off",
        ],
    );
    for (workers, existing) in [(1, false), (3, false), (3, true)] {
        sql(
            &databases.dest,
            "DROP TABLE IF EXISTS public.t; DROP TYPE IF EXISTS public.mood",
        );
        sql(&databases.dest, "CREATE TYPE public.mood AS ENUM ('a')");
        if existing {
            let made = table.split_once(';').unwrap().1;
            sql(
                &databases.dest,
                &format!("SET search_path = public; {made}"),
            );
        }
        run(&databases.sharded(&[json!("t")], workers));
        databases.assert_same("SELECT * FROM public.t ORDER BY id");
    }
}

#[test]
fn dest_null_counts_rows_of_every_format() {
    let databases = Databases::new("null");
    sql(
        &databases.source,
        "CREATE TYPE mood AS ENUM ('a'); CREATE TABLE b AS SELECT g, repeat('x', g) FROM generate_series(1, 1000) g; \
         CREATE TABLE t AS SELECT g, E'\\n\\\\'::text, 'a'::mood FROM generate_series(1, 1000) g",
    );
    let mut document = databases.sharded(&[json!("b"), json!("t")], 3);
    document["destination"] = json!({ "use": "dest-null" });
    let outcome = try_run(&document, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let line = result_line(&outcome.stdout);
    assert_eq!(line["records_read"], 2000);
    assert_eq!(line["records_written"], 2000);
    assert_eq!(plan(&document)["commit"], "none");
    let limited = command("run", &document, &["--limit", "1500", "--format", "json"]).ok();
    assert_eq!(limited["result"]["records_read"], 1500);
}

fn generate(databases: &Databases, settings: &Value) -> Value {
    let mut document = databases.document(&[json!("made_up")]);
    document["source"]["use"] = json!("source-generate");
    document["source"]["config"] = settings.clone();
    document
}

#[test]
fn generated_rows_arrive_in_missing_and_existing_tables() {
    let databases = Databases::new("generate");
    let document = generate(&databases, &json!({ "rows": 3000, "row_bytes": 100 }));
    let json = command("run", &document, &["--format", "json"]).ok();
    assert_eq!(json["result"]["records_written"], 3000);
    let summary = "SELECT count(*), min(id), max(id), count(DISTINCT payload), min(length(payload)), max(length(payload)) FROM made_up";
    assert_eq!(sql(&databases.dest, summary), "3000|1|3000|3000|100|100");
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*) FROM pg_index WHERE indrelid = 'made_up'::regclass AND indisprimary"
        ),
        "1"
    );

    // the same seed makes the same rows, and existing tables take them; with --limit, fewer
    sql(
        &databases.dest,
        "ALTER TABLE made_up RENAME TO first; CREATE TABLE made_up (payload text, id bigint, more int)",
    );
    let limited = command("run", &document, &["--limit", "10", "--format", "json"]).ok();
    assert_eq!(limited["result"]["records_written"], 10);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*) FROM made_up JOIN first USING (id, payload)"
        ),
        "10"
    );

    sql(&databases.dest, "DROP TABLE made_up");
    let mut some = generate(
        &databases,
        &json!({ "rows": 5, "rows_per_second": 1_000_000 }),
    );
    some["source"]["streams"][0]["columns"] = json!(["payload"]);
    some["destination"]["config"]["load_method"] = json!("insert");
    let json = command("run", &some, &["--format", "json"]).ok();
    assert_eq!(json["result"]["records_written"], 5);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT DISTINCT length(payload), count(*) OVER () FROM made_up GROUP BY payload"
        ),
        "500|5"
    );
}

#[test]
fn generated_rows_come_no_faster_than_asked_for() {
    let databases = Databases::new("rate");
    let document = generate(
        &databases,
        &json!({ "rows": 600, "row_bytes": 1000, "rows_per_second": 600 }),
    );
    let json = command("run", &document, &["--format", "json"]).ok();
    assert!(json["result"]["duration_secs"].as_f64().unwrap() >= 0.95);
    // a target of another shape is refused like any other
    sql(
        &databases.dest,
        "DROP TABLE made_up; CREATE TABLE made_up (id integer, payload text)",
    );
    try_run(&document, &[]).refused(&["column `id`", "bigint"]);
    assert!(try_sql(&databases.dest, "SELECT FROM rb_bench.runs").is_err());
}
