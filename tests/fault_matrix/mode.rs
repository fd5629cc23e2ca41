//! What is run into a fault: each mode pair, and each way that a run of it becomes visible.
//!
//! A mode sets the stage (tables, earlier runs, changes since), says how the run under test is
//! commanded, and what both sides must agree on once it is done.

use serde_json::{Value, json};

/// A mode pair, and where it matters the commit form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// Its name in the table.
    pub(crate) name: &'static str,
    sync: &'static str,
    write: &'static str,
    commit: &'static str,
    /// The target does not exist yet.
    new_target: bool,
    /// Rows that are in the target before the run.
    target_has: &'static str,
    /// There is a second stream, `u`, so that a run of streams with one worker each has two.
    two_streams: bool,
    /// The run carries an id, by which the same command again knows it is done.
    pub(crate) run_id: bool,
}

const PLAIN: Mode = Mode {
    name: "",
    sync: "full_refresh",
    write: "append",
    commit: "auto",
    new_target: false,
    target_has: "",
    two_streams: false,
    run_id: false,
};

/// Every row of the matrix' outermost dimension.
pub(crate) const MODES: &[Mode] = &[
    Mode {
        name: "full_refresh append, single_writer",
        commit: "single_writer",
        run_id: true,
        ..PLAIN
    },
    Mode {
        name: "full_refresh append, two_phase",
        commit: "two_phase",
        run_id: true,
        ..PLAIN
    },
    Mode {
        name: "full_refresh append, ledger",
        commit: "ledger",
        run_id: true,
        ..PLAIN
    },
    Mode {
        name: "full_refresh append, new table",
        new_target: true,
        run_id: true,
        ..PLAIN
    },
    Mode {
        name: "full_refresh upsert, single_writer",
        write: "upsert",
        commit: "single_writer",
        target_has: OLD_ROWS,
        ..PLAIN
    },
    Mode {
        name: "full_refresh upsert, two_phase",
        write: "upsert",
        commit: "two_phase",
        target_has: OLD_ROWS,
        ..PLAIN
    },
    Mode {
        name: "full_refresh upsert, ledger",
        write: "upsert",
        commit: "ledger",
        target_has: OLD_ROWS,
        ..PLAIN
    },
    Mode {
        name: "incremental append",
        sync: "incremental",
        ..PLAIN
    },
    Mode {
        name: "incremental append, two_phase",
        sync: "incremental",
        commit: "two_phase",
        two_streams: true,
        ..PLAIN
    },
    Mode {
        name: "incremental append, ledger",
        sync: "incremental",
        commit: "ledger",
        two_streams: true,
        ..PLAIN
    },
    Mode {
        name: "incremental upsert",
        sync: "incremental",
        write: "upsert",
        ..PLAIN
    },
    Mode {
        name: "cdc upsert",
        sync: "cdc",
        write: "upsert",
        ..PLAIN
    },
    Mode {
        name: "cdc append",
        sync: "cdc",
        new_target: true,
        ..PLAIN
    },
    Mode {
        name: "full_refresh replace",
        write: "replace",
        target_has: OLD_ROWS,
        ..PLAIN
    },
];

/// Drops what cdc set up, without which its database cannot be dropped.
pub(crate) const DROP_SLOTS: &str = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
     WHERE database = current_database()";
/// Rows of the target that are in the source too, and other there.
const OLD_ROWS: &str = "INSERT INTO t SELECT i, 'old', NULL, 0 FROM generate_series(1, 1500) i";
const ROWS: u32 = 3000;
const TABLE: &str =
    "CREATE TABLE t (id int PRIMARY KEY, note text NOT NULL, amount numeric, changed int NOT NULL)";
const ROW: &str = "i, repeat(md5(i::text), 2), CASE WHEN i % 7 <> 0 THEN i / 3.0 END, i";

impl Mode {
    /// SQL for the source before anything runs.
    pub(crate) fn source_begins(&self) -> String {
        if self.is_log() {
            return TABLE.to_owned();
        }
        self.in_each(format!(
            "{TABLE}; INSERT INTO t SELECT {ROW} FROM generate_series(1, {ROWS}) i"
        ))
    }

    /// The same statements for the second stream's table as well.
    fn in_each(&self, statements: String) -> String {
        if self.two_streams {
            format!("{statements}; {}", statements.replace(" t ", " u "))
        } else {
            statements
        }
    }

    /// SQL for the destination before anything runs.
    pub(crate) fn dest_begins(&self) -> String {
        if self.new_target {
            String::new()
        } else {
            self.in_each(format!("{TABLE}; {}", self.target_has))
        }
    }

    /// What rb-bench does with the document before the run under test.
    pub(crate) fn commands_before(self) -> &'static [&'static [&'static str]] {
        match self.sync {
            "cdc" => &[&["cdc", "setup"], &["run"]],
            "incremental" => &[&["run"]],
            _ => &[],
        }
    }

    /// A change log begins with the slot: what was in the table before is not in it.
    fn is_log(self) -> bool {
        (self.sync, self.write) == ("cdc", "append")
    }

    /// SQL for the source between those and the run under test.
    pub(crate) fn source_changes(self) -> String {
        match self.sync {
            "cdc" if self.is_log() => format!(
                "INSERT INTO t SELECT {ROW} FROM generate_series(1, {ROWS}) i; \
                 UPDATE t SET note = 'changed' WHERE id % 5 = 0; DELETE FROM t WHERE id % 11 = 0"
            ),
            "cdc" => format!(
                "BEGIN; INSERT INTO t SELECT {ROW} FROM generate_series({ROWS} + 1, {ROWS} + 500) i; \
                 UPDATE t SET note = 'changed', changed = changed + 10000 WHERE id % 5 = 0; COMMIT; \
                 DELETE FROM t WHERE id % 11 = 0; UPDATE t SET id = -id WHERE id % 13 = 0"
            ),
            // an upsert sees changed rows too, an append only new ones
            "incremental" => {
                let new = format!(
                    "INSERT INTO t SELECT {ROW} FROM generate_series({ROWS} + 1, {ROWS} + 500) i"
                );
                self.in_each(match self.write {
                    "upsert" => format!(
                        "{new}; UPDATE t SET note = 'changed', changed = changed + 10000 WHERE id % 5 = 0"
                    ),
                    _ => new,
                })
            }
            _ => String::new(),
        }
    }

    /// The document, between these two databases.
    pub(crate) fn document(&self, source: &str, dest: &str) -> Value {
        let key = if self.write == "upsert" {
            json!(["id"])
        } else {
            json!([])
        };
        let stream = |name: &str| {
            let mut stream = json!({ "name": name, "sync_mode": self.sync });
            if self.sync == "incremental" {
                stream["cursor_field"] = json!("changed");
            }
            stream
        };
        let mut streams = vec![stream("t")];
        streams.extend(self.two_streams.then(|| stream("u")));
        json!({
            "version": "1.0",
            "pipeline": "matrix",
            "source": {
                "use": "source-postgres",
                "config": { "url": source },
                "streams": streams,
            },
            "destination": {
                "use": "dest-postgres",
                "config": { "url": dest },
                "write_mode": self.write,
                "primary_key": key,
                "commit": self.commit,
            },
            "resources": { "parallelism": 2, "max_retries": 2, "chunk_bytes": 65_536 },
        })
    }

    /// The same of the destination: a change log must hold every change, and lead to the same rows.
    pub(crate) fn agreement_at_dest(self) -> String {
        if !self.is_log() {
            return self.agreement();
        }
        "WITH last AS (SELECT DISTINCT ON (id) * FROM t ORDER BY id, _rb_lsn DESC, _rb_seq DESC) \
             SELECT (SELECT count(*) FROM t), count(*), sum(hashtextextended(x::text, 0)) \
             FROM (SELECT id, note, amount, changed FROM last WHERE _rb_op <> 'D') x"
            .to_owned()
    }

    /// What both sides share once the run is done, asked of the source.
    pub(crate) fn agreement(self) -> String {
        if self.is_log() {
            let changes = ROWS + ROWS / 5 + ROWS / 11;
            return format!("SELECT {changes}, count(*), sum(hashtextextended(t::text, 0)) FROM t");
        }
        let rows = if self.two_streams {
            "(SELECT 't', * FROM t UNION ALL SELECT 'u', * FROM u)"
        } else {
            "t"
        };
        format!(
            "SELECT count(*), coalesce(sum(hashtextextended(x::text, 0)), 0), coalesce(sum(hashtextextended(x::text, 1)), 0) FROM {rows} x"
        )
    }
}
