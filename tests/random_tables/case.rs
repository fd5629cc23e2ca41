//! One case: a table, a mode pair, some runs, and both sides' own word.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support;
use crate::support::copies::{Outcome, try_run};
use crate::table::{OWN_TYPES, Table};

/// Sync mode, write mode.
const MODES: &[(&str, &str)] = &[
    ("full_refresh", "append"),
    ("full_refresh", "upsert"),
    ("full_refresh", "replace"),
    ("incremental", "append"),
    ("incremental", "upsert"),
    ("cdc", "upsert"),
    ("cdc", "append"),
];

/// Transforms that change no row: what arrives must be what was there. The last is not row-wise.
const TRANSFORMS: &[&str] = &[
    "SELECT * FROM input",
    "WITH w AS (SELECT * FROM input) SELECT * FROM w WHERE id IS NOT NULL",
    "SELECT * FROM input ORDER BY part LIMIT 1000000",
];

/// Plays the case of this seed.
pub(crate) fn play(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (sync, write) = MODES[(seed % MODES.len() as u64) as usize];
    let keyed = write == "upsert" && sync != "cdc";
    let mut table = Table::random(&mut rng, keyed);
    let case = Case {
        words: format!("case {seed}: {sync} {write}, {table:?}"),
        source: support::fresh_database(&format!("random_{seed}_source")),
        dest: support::fresh_database(&format!("random_{seed}_dest")),
        sync,
        write,
    };
    case.begin(&table, &mut rng);
    match (sync, write) {
        ("incremental", _) => case.play_increments(&mut table, &mut rng),
        ("cdc", "append") => case.play_logged(&mut table, &mut rng),
        ("cdc", _) => case.play_applied(&mut table, &mut rng),
        _ => case.play_once(&table, &mut rng),
    }
    support::drop_databases(&[&case.source, &case.dest]);
}

/// Two databases and the modes between them.
pub(crate) struct Case {
    /// What it is, for whoever sees it fail.
    pub(crate) words: String,
    pub(crate) source: String,
    pub(crate) dest: String,
    sync: &'static str,
    pub(crate) write: &'static str,
}

impl Case {
    /// The table with its history at the source, and often an empty one at the destination.
    fn begin(&self, table: &Table, rng: &mut StdRng) {
        for url in [&self.source, &self.dest] {
            self.sql(url, OWN_TYPES);
        }
        self.sql(&self.source, &table.create("t", true));
        self.sql(&self.source, &table.insert("t", 1, table.rows + 1, 0));
        for statement in table.history("t", rng).split_terminator(';') {
            self.sql(&self.source, statement);
        }
        // a change log has columns of its own
        let is_log = (self.sync, self.write) == ("cdc", "append");
        if rng.random_bool(0.7) && !is_log {
            self.sql(&self.dest, &table.create("t", false));
        }
    }

    fn play_once(&self, table: &Table, rng: &mut StdRng) {
        let document = self.document(table, rng);
        if self.write == "replace" && self.target_exists() {
            let old = "INSERT INTO t (id, part) SELECT i, 77 FROM generate_series(1, 50) i";
            self.sql(&self.dest, old);
        }
        self.fill_target(&document);
        self.run(&document);
        self.assert_equal("t", "t", &document);
    }

    /// A document of random settings.
    pub(crate) fn document(&self, table: &Table, rng: &mut StdRng) -> Value {
        let commit = ["auto", "ledger", "single_writer"].choose(rng);
        let chunk_bytes = [8192, 65_536, 1 << 20].choose(rng);
        let mut document = json!({
            "version": "1.0",
            "pipeline": "random",
            "source": {
                "use": "source-postgres",
                "config": { "url": self.source },
                "streams": [{ "name": "t", "sync_mode": self.sync }],
            },
            "destination": {
                "use": "dest-postgres",
                "config": { "url": self.dest },
                "write_mode": self.write,
                "commit": commit,
            },
            "resources": { "chunk_bytes": chunk_bytes },
        });
        document["resources"]["parallelism"] = match rng.random_range(0..5) {
            0 => json!("auto"),
            n => json!(n),
        };
        if self.write == "upsert" {
            document["destination"]["primary_key"] = json!(table.key_columns());
        }
        let transforms: Vec<Value> = (0..rng.random_range(0..3))
            .filter(|_| self.sync != "cdc")
            .map(|_| {
                let query = TRANSFORMS.choose(rng).expect("some");
                json!({ "use": "transform-sql", "config": { "query": query } })
            })
            .collect();
        document["transforms"] = json!(transforms);
        document
    }

    fn target_exists(&self) -> bool {
        !self.sql(&self.dest, "SELECT to_regclass('t')").is_empty()
    }

    /// Rows that are in the target before an upsert by key: keys of the source with other contents.
    /// Those keys, as VALUES; empty where there are none.
    pub(crate) fn fill_target(&self, document: &Value) -> String {
        let key = &document["destination"]["primary_key"];
        if !self.target_exists() || key.as_array().is_none_or(Vec::is_empty) {
            return String::new();
        }
        let keys = "SELECT 'VALUES ' || string_agg(format('(%s, %s)', id, part), ', ') FROM t WHERE id % 2 = 0";
        let keys = self.sql(&self.source, keys);
        if !keys.is_empty() {
            self.sql(&self.dest, &format!("INSERT INTO t (id, part) {keys}"));
        }
        keys
    }

    pub(crate) fn sql(&self, url: &str, sql: &str) -> String {
        support::try_sql(url, sql).unwrap_or_else(|e| panic!("{}\n{sql}\n{e:?}", self.words))
    }

    pub(crate) fn run(&self, document: &Value) {
        let outcome = try_run(document, &[]);
        self.assert_succeeded(&outcome, document);
    }

    pub(crate) fn assert_succeeded(&self, outcome: &Outcome, document: &Value) {
        let said = &outcome.stderr;
        assert_eq!(outcome.code, Some(0), "{}\n{document}\n{said}", self.words);
    }

    /// A table of the source and one of the destination have the same contents.
    pub(crate) fn assert_equal(&self, at_source: &str, at_dest: &str, document: &Value) {
        assert_eq!(
            self.sql(&self.dest, &Table::contents(at_dest)),
            self.sql(&self.source, &Table::contents(at_source)),
            "{}\n{document}",
            self.words
        );
    }
}

impl Drop for Case {
    /// A case that failed leaves no slot, which the next ones need.
    fn drop(&mut self) {
        let _ = support::try_sql(
            &self.source,
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active",
        );
    }
}
