//! Every built-in type that a column can have, and arrays of it, arrive as they left; and what
//! would lose something is refused before a row moves.

mod support;

use std::fmt::Write as _;

use serde_json::json;
use support::copies::{Databases, run, try_run};
use support::sql;
use support::values::{VALUES, WITHOUT_VALUES};

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
                let (first, other) = (&scalars[0], &scalars[scalars.len() - 1]);
                vec![
                    format!("ARRAY[{list}, NULL]::{type_name}"),
                    format!("'{{}}'::{type_name}"),
                    format!("ARRAY[ARRAY[{first}, {other}], ARRAY[NULL, {other}]]::{type_name}"),
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
            .expect("a string takes it");
        }
        write!(
            sql,
            "INSERT INTO {name} (row) VALUES (-1);
             INSERT INTO {name} SELECT t.* FROM {name} t, generate_series(1, 3);"
        )
        .expect("a string takes it");
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
    let error = try_run(&databases.document(&streams), &[]).refused(&[
        "the source does not fit the destination:",
        "correct the tables or the document; nothing was copied",
    ]);
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
