//! One case: a table, a mode pair, one or two runs, and both sides' own word.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::support;
use crate::table::{OWN_TYPES, Table};

/// Sync mode, write mode.
const MODES: &[(&str, &str)] = &[
    ("full_refresh", "append"),
    ("full_refresh", "upsert"),
    ("full_refresh", "replace"),
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
    let (sync, write) = *MODES.choose(&mut rng).expect("some");
    let table = Table::random(&mut rng, write == "upsert" || sync == "cdc");
    let source = support::fresh_database(&format!("random_{seed}_source"));
    let dest = support::fresh_database(&format!("random_{seed}_dest"));
    let case = Case {
        words: format!("case {seed}: {sync} {write}, {table:?}"),
        source,
        dest,
        sync,
        write,
    };
    case.play(&table, &mut rng);
    support::drop_databases(&[&case.source, &case.dest]);
}

struct Case {
    words: String,
    source: String,
    dest: String,
    sync: &'static str,
    write: &'static str,
}

impl Case {
    fn play(&self, table: &Table, rng: &mut StdRng) {
        for url in [&self.source, &self.dest] {
            self.sql(url, OWN_TYPES);
        }
        self.sql(&self.source, &table.create("t", true));
        self.sql(&self.source, &table.insert("t", 1, table.rows + 1, 0));
        for statement in table.history("t", rng).split_terminator(';') {
            self.sql(&self.source, statement);
        }
        if rng.random_bool(0.7) {
            self.sql(&self.dest, &table.create("t", false));
            self.fill_target();
        }
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
        self.run(&document);
        self.assert_equal(&document);
    }

    /// Rows that are in the target before: with upsert the same keys with other contents, with
    /// replace what has to go.
    fn fill_target(&self) {
        if self.write == "replace" {
            let old = "INSERT INTO t (id, part) SELECT i, 77 FROM generate_series(1, 50) i";
            self.sql(&self.dest, old);
        }
        if self.write == "upsert" {
            let keys =
                "SELECT string_agg(format('(%s, %s)', id, part), ', ') FROM t WHERE id % 2 = 0";
            let keys = self.sql(&self.source, keys);
            if !keys.is_empty() {
                self.sql(
                    &self.dest,
                    &format!("INSERT INTO t (id, part) VALUES {keys}"),
                );
            }
        }
    }

    fn sql(&self, url: &str, sql: &str) -> String {
        support::try_sql(url, sql).unwrap_or_else(|e| panic!("{}\n{sql}\n{e:?}", self.words))
    }

    fn run(&self, document: &Value) {
        let file = tempfile::NamedTempFile::with_suffix(".json").expect("a file");
        std::fs::write(file.path(), document.to_string()).expect("the document can be written");
        let output = support::rb_bench()
            .arg("run")
            .arg(file.path())
            .output()
            .expect("the binary runs");
        assert!(
            output.status.success(),
            "{}\n{document}\n{}",
            self.words,
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn assert_equal(&self, document: &Value) {
        let contents = Table::contents("t");
        assert_eq!(
            self.sql(&self.dest, &contents),
            self.sql(&self.source, &contents),
            "{}\n{document}",
            self.words
        );
    }
}
