//! A table that somebody might have: random columns, key, partitions, and a history of changes.
//!
//! Everything follows from a seed; its values are SQL over the row number `i`.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _};

/// Types and values of them, as SQL over `h`, a hash of row and column that may be negative.
const TYPES: &[(&str, &str)] = &[
    ("smallint", "(h % 32768)::int2"),
    ("integer", "(h % 2147483648)::int4"),
    ("bigint", "h"),
    (
        "numeric",
        "CASE h % 11 WHEN 0 THEN 'NaN' ELSE h / 1000003.0 END",
    ),
    ("numeric(14, 3)", "(h % 100000000000) / 1000.0"),
    (
        "real",
        "CASE h % 13 WHEN 0 THEN '-Infinity' ELSE (h % 1000)::float4 / 7 END",
    ),
    ("double precision", "h::float8 / 3"),
    ("boolean", "h % 2 = 0"),
    ("text", "repeat(md5(h::text), (abs(h) % 5)::int)"),
    (
        "text",
        "CASE h % 4 WHEN 0 THEN '' WHEN 1 THEN E'\\\\N' WHEN 2 THEN E'a\\tb\\nc\\\\.' ELSE 'é🐘' || h END",
    ),
    ("character varying(20)", "left(md5(h::text), 20)"),
    ("character(9)", "left(md5(h::text), (abs(h) % 9)::int)"),
    ("bytea", "decode(md5(h::text), 'hex')"),
    // wide and hardly compressible: out of line
    (
        "text",
        "(SELECT string_agg(md5((h + k)::text), '') FROM generate_series(1, (CASE WHEN h % 9 = 0 THEN 400 ELSE 3 END)) k)",
    ),
    ("date", "date '2000-01-01' + (h % 20000)::int"),
    ("time", "time '00:00' + (abs(h) % 86400) * interval '1 s'"),
    (
        "timestamp",
        "timestamp '2020-02-29' + (h % 100000000) * interval '1 s'",
    ),
    (
        "timestamptz",
        "CASE h % 17 WHEN 0 THEN 'infinity' ELSE timestamptz '2020-02-29+02' + (h % 1000000000) * interval '1 ms' END",
    ),
    ("interval", "(h % 1000) * interval '1 month 2 days 3.5 s'"),
    ("uuid", "md5(h::text)::uuid"),
    ("json", "json_build_object('h', h, 'l', ARRAY[h, NULL])"),
    (
        "jsonb",
        "jsonb_build_object('h', h, 'deep', jsonb_build_array(h / 3.0, NULL))",
    ),
    ("inet", "inet '10.0.0.0/8' + abs(h) % 1000"),
    ("integer[]", "ARRAY[(h % 100)::int, NULL, 3]"),
    ("text[]", "ARRAY[md5(h::text), '', NULL, '\"']"),
    ("int4range", "int4range((h % 100)::int, (h % 100)::int + 5)"),
    ("point", "point(h % 1000, -1)"),
    ("bit(7)", "(abs(h) % 128)::int::bit(7)"),
    ("mood", "(enum_range(NULL::mood))[1 + abs(h) % 3]"),
    ("pair", "ROW((h % 10)::int, 'x,\"' || h)::pair"),
];

/// What the tables' own types are; both databases have them.
pub(crate) const OWN_TYPES: &str =
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE TYPE pair AS (x int, y text)";

/// What holds the rows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// `PRIMARY KEY (id)`.
    Single,
    /// `PRIMARY KEY (id, part)`.
    Composite,
    /// None; values of `id` come several times.
    None,
}

/// A table of the source.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) key: Key,
    columns: Vec<(String, &'static str, &'static str, u32)>,
    partitions: u32,
    fillfactor: u32,
    pub(crate) rows: u32,
    /// The number of the next new row.
    next: u32,
    seed: i64,
}

impl Table {
    /// A random table; `keyed` where the mode needs a key.
    pub(crate) fn random(rng: &mut StdRng, keyed: bool) -> Self {
        let key = if keyed {
            *[Key::Single, Key::Composite].choose(rng).expect("two")
        } else {
            *[Key::Single, Key::Composite, Key::None]
                .choose(rng)
                .expect("three")
        };
        let count = rng.random_range(1..9);
        let columns = (0..count)
            .map(|n| {
                let (type_name, value) = TYPES.choose(rng).expect("some");
                let name = if rng.random_bool(0.2) {
                    format!("Odd \"{n}\" näme")
                } else {
                    format!("c{n}")
                };
                // of a hundred values, how many are NULL
                let nulls = *[0, 0, 10, 60, 100].choose(rng).expect("some");
                (name, *type_name, *value, nulls)
            })
            .collect();
        let partitions = *[0, 0, 0, 2, 5].choose(rng).expect("some");
        let fillfactor = *[100, 100, 50].choose(rng).expect("some");
        let rows = *[0, 1, 7, 300, 2000].choose(rng).expect("some");
        Self {
            key,
            columns,
            partitions,
            fillfactor,
            rows,
            next: rows + 1,
            seed: i64::from(rng.next_u32()),
        }
    }

    /// The key's columns.
    pub(crate) fn key_columns(&self) -> Vec<&'static str> {
        match self.key {
            Key::Single => vec!["id"],
            Key::Composite => vec!["id", "part"],
            Key::None => Vec::new(),
        }
    }

    /// Its columns and their types, in their order.
    pub(crate) fn columns_with_types(&self) -> Vec<(String, &'static str)> {
        let own = [("id", "bigint"), ("part", "int"), ("cursor", "bigint")];
        let own = own.map(|(name, type_name)| (name.to_owned(), type_name));
        let more = self.columns.iter();
        let more = more.map(|(name, type_name, _, _)| (name.clone(), *type_name));
        own.into_iter().chain(more).collect()
    }

    /// The table and its partitions, at the source.
    pub(crate) fn with_partitions(&self, name: &str) -> Vec<String> {
        let parts = (0..self.partitions).map(|i| format!("{name}_{i}"));
        std::iter::once(name.to_owned()).chain(parts).collect()
    }

    /// Makes the table, empty. The destination's is never partitioned.
    pub(crate) fn create(&self, name: &str, at_source: bool) -> String {
        let mut sql =
            format!("CREATE TABLE {name} (id bigint NOT NULL, part int NOT NULL, cursor bigint");
        for (column, type_name, _, _) in &self.columns {
            let _ = write!(sql, ", \"{}\" {type_name}", column.replace('"', "\"\""));
        }
        if self.key != Key::None {
            let _ = write!(sql, ", PRIMARY KEY ({})", self.key_columns().join(", "));
        }
        sql.push(')');
        if at_source && self.partitions > 0 {
            let by = if self.key == Key::Composite {
                "part"
            } else {
                "id"
            };
            let n = self.partitions;
            let _ = write!(sql, " PARTITION BY HASH ({by})");
            for i in 0..n {
                let _ = write!(
                    sql,
                    "; CREATE TABLE {name}_{i} PARTITION OF {name} FOR VALUES WITH (MODULUS {n}, REMAINDER {i})"
                );
            }
        } else {
            let _ = write!(sql, " WITH (fillfactor = {})", self.fillfactor);
        }
        sql
    }

    /// Inserts rows `from..to`; `salt` makes their contents others.
    pub(crate) fn insert(&self, name: &str, from: u32, to: u32, salt: i64) -> String {
        self.insert_at(name, from, to, salt, "i")
    }

    /// Inserts rows whose cursor is this, as SQL over `i`.
    pub(crate) fn insert_at(
        &self,
        name: &str,
        from: u32,
        to: u32,
        salt: i64,
        cursor: &str,
    ) -> String {
        // negative ids, and without a key some that come twice
        let id = match self.key {
            Key::None => "(i / 2) * CASE WHEN i % 3 = 0 THEN -1 ELSE 1 END",
            _ => "i * CASE WHEN i % 3 = 0 THEN -1 ELSE 1 END",
        };
        let mut sql = format!("INSERT INTO {name} SELECT {id}, i % 5, {cursor}");
        for n in 0..self.columns.len() {
            let _ = write!(sql, ", {}", self.value(n, salt, "i"));
        }
        let _ = write!(
            sql,
            " FROM generate_series({from}::bigint, {to}::bigint - 1) i"
        );
        sql
    }

    /// The value of the n-th column in the row of this number, as SQL.
    fn value(&self, n: usize, salt: i64, row: &str) -> String {
        let (_, type_name, value, nulls) = &self.columns[n];
        let hash = format!("hashint8extended({}, {row})", self.seed + salt + n as i64);
        let value = value.replace("h::", "(h)::");
        format!(
            "(SELECT CASE WHEN abs(h) % 100 >= {nulls} THEN ({value})::{type_name} END FROM (SELECT {hash} / 1000 AS h) x)"
        )
    }

    /// The numbers of some more rows: `from..to`.
    pub(crate) fn more(&mut self, rng: &mut StdRng) -> (u32, u32) {
        let from = self.next;
        self.next += rng.random_range(1..60);
        (from, self.next)
    }

    /// Some of the rows, as a condition.
    pub(crate) fn these(rng: &mut StdRng) -> String {
        let modulus = rng.random_range(2..9);
        format!("abs(id) % {modulus} = {}", rng.random_range(0..2))
    }

    /// Gives one column other values in some rows; its cursor stays.
    pub(crate) fn rewrite(&self, name: &str, salt: i64, these: &str, rng: &mut StdRng) -> String {
        let n = rng.random_range(0..self.columns.len());
        let column = self.columns[n].0.replace('"', "\"\"");
        let value = self.value(n, salt, "id");
        format!("UPDATE {name} SET \"{column}\" = {value} WHERE {these}")
    }

    /// One statement of any kind that changes rows. A key stays one: what a row's id can become, no
    /// other row's can.
    pub(crate) fn change(&mut self, name: &str, rng: &mut StdRng) -> String {
        let these = Self::these(rng);
        let set = match rng.random_range(0..12) {
            0..=2 => {
                let (from, to) = self.more(rng);
                return self.insert(name, from, to, i64::from(from));
            }
            3 => return format!("DELETE FROM {name} WHERE {these}"),
            4 if rng.random_bool(0.3) => return format!("TRUNCATE {name}"),
            5 => "part = part",
            6 => "id = id + 10000000",
            7 => "id = -id",
            8 => "part = part + 10",
            9 => "cursor = NULL",
            10 => "id = id + 10000000, part = part + 1, cursor = -cursor",
            _ => {
                let salt = rng.random_range(1..1000);
                return self.rewrite(name, salt, &these, rng);
            }
        };
        format!("UPDATE {name} SET {set} WHERE {these}")
    }

    /// Deletes, updates within the page and across pages, and a new column that old rows lack.
    pub(crate) fn history(&self, name: &str, rng: &mut StdRng) -> String {
        let mut sql = String::new();
        for _ in 0..rng.random_range(0..4) {
            let these = Self::these(rng);
            let _ = match rng.random_range(0..4) {
                0 => write!(sql, "DELETE FROM {name} WHERE {these};"),
                1 => write!(sql, "UPDATE {name} SET part = part WHERE {these};"),
                2 if self.key == Key::Single => {
                    write!(sql, "UPDATE {name} SET part = part + 10 WHERE {these};")
                }
                _ => write!(sql, "VACUUM {name};"),
            };
        }
        sql
    }

    /// What the table holds, as its server sums it up.
    pub(crate) fn contents(name: &str) -> String {
        format!(
            "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0), coalesce(sum(hashtextextended(t::text, 1)), 0) FROM {name} t"
        )
    }
}
