//! Modes that capture changes: everything that may happen to a table, in transactions of every
//! shape, applied or written down.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::case::Case;
use crate::replay;
use crate::support::copies::cdc;
use crate::table::{Key, Table};

/// Runs that apply changes, each after some.
const ROUNDS: u32 = 2;

impl Case {
    /// Captures and copies, changes the source and runs again: after each run both sides are the same.
    pub(crate) fn play_applied(&self, table: &mut Table, rng: &mut StdRng) {
        let mut document = self.document(table, rng);
        self.identify(table, &document, rng);
        if table.key == Key::None || rng.random_bool(0.5) {
            // changes find their rows by the replica identity
            document["destination"]["primary_key"] = json!([]);
        }
        self.setup(&document);
        if rng.random_bool(0.5) {
            // kept by the slot, and seen by the copy as well
            self.change(table, rng);
        }
        self.fill_target(&document);
        self.run(&document);
        self.assert_equal("t", "t", &document);
        for _ in 0..ROUNDS {
            self.change(table, rng);
            self.run(&document);
            self.assert_equal("t", "t", &document);
        }
        self.assert_succeeded(&cdc(&document, "drop", &["--yes"]), &document);
    }

    /// Writes changes down, round after round, and replays what was written: it leads from what the
    /// table was to what it is.
    pub(crate) fn play_logged(&self, table: &mut Table, rng: &mut StdRng) {
        let document = self.document(table, rng);
        self.identify(table, &document, rng);
        self.sql(&self.source, "TRUNCATE t");
        self.setup(&document);
        let end = table.rows + 1;
        self.sql(&self.source, &table.insert("t", 1, end, 0));
        for _ in 0..ROUNDS {
            self.change(table, rng);
            self.run(&document);
        }
        let replay = replay::statements(table, self.is_identified_by_whole_rows());
        self.sql(&self.dest, &replay);
        self.assert_equal("t", "replayed", &document);
        self.assert_succeeded(&cdc(&document, "drop", &["--yes"]), &document);
    }

    /// Gives the table a replica identity; without one, setup must refuse it.
    fn identify(&self, table: &Table, document: &Value, rng: &mut StdRng) {
        if table.key == Key::None {
            let refused = cdc(document, "setup", &[]);
            let says = "public.t has no replica identity";
            assert!(
                refused.code == Some(1) && refused.stderr.contains(says),
                "{}\n{refused:?}",
                self.words
            );
        } else if rng.random_bool(0.7) {
            return;
        }
        for name in table.with_partitions("t") {
            let sql = format!("ALTER TABLE {name} REPLICA IDENTITY FULL");
            self.sql(&self.source, &sql);
        }
    }

    fn is_identified_by_whole_rows(&self) -> bool {
        let sql = "SELECT relreplident = 'f' FROM pg_class WHERE oid = 't'::regclass";
        self.sql(&self.source, sql) == "t"
    }

    fn setup(&self, document: &Value) {
        self.assert_succeeded(&cdc(document, "setup", &[]), document);
    }

    /// Some transactions at the source: of one statement and of several, undone as a whole and in part.
    fn change(&self, table: &mut Table, rng: &mut StdRng) {
        for _ in 0..rng.random_range(1..6) {
            let mut one = || table.change("t", rng);
            let (a, b, c) = (one(), one(), one());
            let transaction = match rng.random_range(0..5) {
                0 | 1 => a,
                2 => format!("BEGIN; {a}; {b}; {c}; COMMIT"),
                3 => format!("BEGIN; {a}; SAVEPOINT s; {b}; ROLLBACK TO s; {c}; COMMIT"),
                _ => format!("BEGIN; {a}; {b}; ROLLBACK"),
            };
            self.sql(&self.source, &transaction);
        }
    }
}
