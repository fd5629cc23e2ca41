//! Incremental modes: some runs with changes at the source between them, and what they promised to
//! bring, said once more in SQL.

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::json;

use crate::case::Case;
use crate::table::{Key, Table};

/// Runs after the first.
const ROUNDS: u32 = 2;
/// What lies above every mark of a round.
const STEP: i64 = 1_000_000;

impl Case {
    /// Runs, changes the source and runs again. After each run the target is what the runs so far
    /// have promised: every row whose cursor was above the mark then, as it was then.
    pub(crate) fn play_increments(&self, table: &mut Table, rng: &mut StdRng) {
        let mut document = self.document(table, rng);
        document["source"]["streams"][0]["cursor_field"] = json!("cursor");
        let lag = match self.write {
            "upsert" => *[None, Some(0), Some(100)].choose(rng).expect("three"),
            _ => None,
        };
        if let Some(lag) = lag {
            document["source"]["streams"][0]["cursor_lag"] = json!(lag.to_string());
        }
        self.sql(&self.source, "CREATE TABLE promised (LIKE t)");
        let there = self.fill_target(&document);
        if !there.is_empty() {
            let sql = format!("INSERT INTO promised (id, part) {there}");
            self.sql(&self.source, &sql);
        }
        self.without_cursor(rng);
        let mut mark = None;
        for round in 0..=ROUNDS {
            mark = self.promise(table, lag, mark);
            self.run(&document);
            self.assert_equal("promised", "t", &document);
            self.assert_mark(mark, &document);
            if round < ROUNDS {
                self.go_on(table, i64::from(round + 1) * STEP, rng);
            }
        }
    }

    /// Some rows that no run may see.
    fn without_cursor(&self, rng: &mut StdRng) {
        if rng.random_bool(0.5) {
            let sql = "UPDATE t SET cursor = NULL WHERE abs(id) % 7 = 3";
            self.sql(&self.source, sql);
        }
    }

    /// Brings `promised` to where the next run must bring the target; the mark it must leave.
    fn promise(&self, table: &Table, lag: Option<i64>, mark: Option<i64>) -> Option<i64> {
        let due = match (mark, lag) {
            (None, _) => "cursor IS NOT NULL".to_owned(),
            (Some(mark), None) => format!("cursor > {mark}"),
            (Some(mark), Some(lag)) => format!("cursor >= {}", mark - lag),
        };
        if self.write == "upsert" {
            let keys = table.key_columns().join(", ");
            let sql = format!(
                "DELETE FROM promised WHERE ({keys}) IN (SELECT {keys} FROM t WHERE {due})"
            );
            self.sql(&self.source, &sql);
        }
        let sql = format!("INSERT INTO promised SELECT * FROM t WHERE {due}");
        self.sql(&self.source, &sql);
        let highest = self.sql(
            &self.source,
            &format!("SELECT max(cursor) FROM t WHERE {due}"),
        );
        mark.max(highest.parse().ok())
    }

    /// The mark that is kept, none where no row ever had a cursor.
    fn assert_mark(&self, mark: Option<i64>, document: &serde_json::Value) {
        let made = "SELECT to_regclass('rb_bench.cursors')";
        let kept = match self.sql(&self.dest, made).as_str() {
            "" => String::new(),
            _ => self.sql(&self.dest, "SELECT value FROM rb_bench.cursors"),
        };
        let mark = mark.map_or(String::new(), |mark| mark.to_string());
        assert_eq!(kept, mark, "the mark; {}\n{document}", self.words);
    }

    /// New rows, changed rows whose cursor moves or does not, late rows, rows at the mark itself.
    /// An append brings a changed row a second time, which a key would forbid.
    fn go_on(&self, table: &mut Table, above: i64, rng: &mut StdRng) {
        let twice = self.write == "upsert" || table.key == Key::None;
        for _ in 0..rng.random_range(1..6) {
            let these = Table::these(rng);
            let sql = match rng.random_range(0..7) {
                // new rows, above every mark
                0 | 1 => {
                    let (from, to) = table.more(rng);
                    table.insert_at("t", from, to, above, &format!("i + {above}"))
                }
                // late rows, where marks were long ago
                2 => {
                    let (from, to) = table.more(rng);
                    let late = rng.random_range(-5..above).to_string();
                    table.insert_at("t", from, to, above, &late)
                }
                // changed within the page; no run may see it
                3 => format!("UPDATE t SET part = part WHERE {these}"),
                4 => table.rewrite("t", above, &these, rng),
                5 if twice => {
                    format!("UPDATE t SET cursor = {above} + abs(id), part = part WHERE {these}")
                }
                6 if twice => {
                    format!("UPDATE t SET cursor = (SELECT max(cursor) FROM t) WHERE {these}")
                }
                _ => "UPDATE t SET cursor = NULL WHERE abs(id) % 31 = 7".to_owned(),
            };
            self.sql(&self.source, &sql);
        }
    }
}
