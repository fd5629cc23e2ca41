//! A run that is going to fail: two databases, a document, the binary, and what must be true after.

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::running::{Outcome, Running};
use crate::session::{Gate, Held};
use crate::support;

/// What a table holds, as its server sums it up.
pub(crate) const CONTENTS: &str =
    "count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0)";

/// Two databases and the document of a run between them.
pub(crate) struct Rehearsal {
    pub(crate) source: String,
    pub(crate) dest: String,
    /// The URLs that rb-bench is given, where they are others.
    source_seen: String,
    dest_seen: String,
    pub(crate) streams: Vec<&'static str>,
    /// The column by which streams are incremental.
    pub(crate) cursor: Option<&'static str>,
    /// What stands behind `write_mode:`; a key may follow in a line of its own.
    pub(crate) write_mode: &'static str,
    pub(crate) load_method: &'static str,
    pub(crate) commit: &'static str,
    pub(crate) parallelism: u32,
    pub(crate) max_retries: u32,
    pub(crate) chunk_bytes: u32,
    files: tempfile::TempDir,
    count: Cell<u32>,
}

impl Rehearsal {
    /// Two empty databases on the shared server.
    pub(crate) fn new(name: &str) -> Self {
        Self::between(
            support::fresh_database(&format!("{name}_source")),
            support::fresh_database(&format!("{name}_dest")),
        )
    }

    /// A run between these databases.
    pub(crate) fn between(source: String, dest: String) -> Self {
        Self {
            source_seen: source.clone(),
            dest_seen: dest.clone(),
            source,
            dest,
            streams: vec!["t"],
            cursor: None,
            write_mode: "append",
            load_method: "copy",
            commit: "auto",
            parallelism: 2,
            max_retries: 0,
            chunk_bytes: 65_536,
            files: tempfile::tempdir().expect("a directory for the document"),
            count: Cell::new(0),
        }
    }

    /// Two databases with table `t`, filled in the source, empty in the destination.
    pub(crate) fn with_table(name: &str, rows: u32) -> Self {
        let rehearsal = Self::new(name);
        rehearsal.fill(rows);
        rehearsal
    }

    /// Makes table `t` on both sides and fills the source's; about 100 bytes a row.
    pub(crate) fn fill(&self, rows: u32) {
        let table = "CREATE TABLE t (id int PRIMARY KEY, note text NOT NULL)";
        support::sql(
            &self.source,
            &format!(
                "{table}; INSERT INTO t SELECT i, repeat(md5(i::text), 2) FROM generate_series(1, {rows}) i"
            ),
        );
        support::sql(&self.dest, table);
    }

    pub(crate) fn streams(mut self, streams: &[&'static str]) -> Self {
        self.streams = streams.to_vec();
        self
    }

    /// Streams are copied from mark to mark of this column.
    pub(crate) fn incremental(mut self, cursor: &'static str) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Rows are upserted by `id`.
    pub(crate) fn upsert(mut self) -> Self {
        self.write_mode = "upsert\n  primary_key: [id]";
        self
    }

    /// Rows are written by COPY or INSERT.
    pub(crate) fn load_method(mut self, method: &'static str) -> Self {
        self.load_method = method;
        self
    }

    pub(crate) fn commit(mut self, form: &'static str) -> Self {
        self.commit = form;
        self
    }

    pub(crate) fn parallelism(mut self, workers: u32) -> Self {
        self.parallelism = workers;
        self
    }

    pub(crate) fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    pub(crate) fn chunk_bytes(mut self, bytes: u32) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// rb-bench reaches the source by this URL.
    pub(crate) fn source_through(mut self, url: impl Into<String>) -> Self {
        self.source_seen = url.into();
        self
    }

    /// rb-bench reaches the destination by this URL.
    pub(crate) fn dest_through(mut self, url: impl Into<String>) -> Self {
        self.dest_seen = url.into();
        self
    }

    /// Runs SQL in the source.
    pub(crate) fn at_source(&self, sql: &str) -> String {
        support::sql(&self.source, sql)
    }

    /// Runs SQL in the destination.
    pub(crate) fn at_dest(&self, sql: &str) -> String {
        support::sql(&self.dest, sql)
    }

    fn document(&self) -> PathBuf {
        let path = self.files.path().join("pipeline.yaml");
        let mut streams = String::new();
        for stream in &self.streams {
            let cursor = self.cursor.map_or_else(String::new, |cursor| {
                format!(", sync_mode: incremental, cursor_field: {cursor}")
            });
            let _ = write!(streams, "{{ name: \"{stream}\"{cursor} }}, ");
        }
        let text = format!(
            "version: \"1.0\"\npipeline: rehearsal\n\
             source:\n  use: source-postgres\n  config: {{ url: \"{}\" }}\n  streams: [{streams}]\n\
             destination:\n  use: dest-postgres\n  config: {{ url: \"{}\", load_method: {} }}\n  write_mode: {}\n  commit: {}\n\
             resources: {{ parallelism: {}, max_retries: {}, chunk_bytes: {} }}\n",
            self.source_seen,
            self.dest_seen,
            self.load_method,
            self.write_mode,
            self.commit,
            self.parallelism,
            self.max_retries,
            self.chunk_bytes
        );
        std::fs::write(&path, text).expect("the document can be written");
        path
    }

    /// Starts `rb-bench run` with these flags.
    pub(crate) fn start(&self, flags: &[&str]) -> Running {
        let mut command = support::command(Path::new(support::BINARY));
        command.arg("run").arg(self.document()).args(flags);
        self.start_command(command)
    }

    /// `rb-bench runs` with these arguments, about this destination.
    pub(crate) fn runs(&self, arguments: &[&str]) -> Outcome {
        let mut command = support::command(Path::new(support::BINARY));
        command
            .args(["runs", "--dest-url", &self.dest])
            .args(arguments);
        self.start_command(command).finish()
    }

    fn start_command(&self, command: Command) -> Running {
        let number = self.count.get();
        self.count.set(number + 1);
        Running::start(command, &self.files.path().join(number.to_string()))
    }

    /// Runs `rb-bench run` to its end.
    pub(crate) fn run(&self, flags: &[&str]) -> Outcome {
        self.start(flags).finish()
    }

    /// From now on inserting such a row waits at a gate, which is closed.
    pub(crate) fn gate_at_insert(&self, condition: &str) -> Gate {
        let trigger = format!(
            "CREATE TRIGGER gate_at_insert BEFORE INSERT ON t FOR EACH ROW WHEN ({condition}) \
             EXECUTE FUNCTION wait_at_insert()"
        );
        self.gate("insert", 4711, "trigger", &trigger)
    }

    /// From now on committing or preparing such a row waits at a gate, which is closed.
    pub(crate) fn gate_at_commit(&self, condition: &str) -> Gate {
        let trigger = format!(
            "CREATE CONSTRAINT TRIGGER gate_at_commit AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION wait_at_commit()"
        );
        self.gate("commit", 4712, "trigger", &trigger)
    }

    /// From now on every ALTER TABLE waits at a gate, which is closed.
    pub(crate) fn gate_at_alter(&self) -> Gate {
        let trigger = "CREATE EVENT TRIGGER gate_at_alter ON ddl_command_start WHEN TAG IN ('ALTER TABLE') \
                       EXECUTE FUNCTION wait_at_alter()";
        self.gate("alter", 4713, "event_trigger", trigger)
    }

    /// From now on a worker that makes its staging table waits at a gate, which is closed.
    fn gate_at_staging(&self) -> Gate {
        let trigger = "CREATE EVENT TRIGGER gate_at_staging ON ddl_command_start WHEN TAG IN ('CREATE TABLE') \
                       EXECUTE FUNCTION wait_at_staging()";
        self.gate("staging", 4714, "event_trigger", trigger)
    }

    fn gate(&self, name: &str, key: i32, returns: &str, trigger: &str) -> Gate {
        let value = if returns == "trigger" {
            "RETURN NEW;"
        } else {
            ""
        };
        self.at_dest(&format!(
            "CREATE FUNCTION wait_at_{name}() RETURNS {returns} LANGUAGE plpgsql AS \
             $$ BEGIN IF '{name}' <> 'staging' OR current_setting('application_name') LIKE 'rb-bench write%' THEN \
             PERFORM pg_advisory_xact_lock_shared({key}); END IF; {value} END $$; {trigger}"
        ));
        Gate::close(&self.dest, key)
    }

    /// Starts a run of two workers of which each has rows, for either waits for the other.
    pub(crate) fn start_shared(&self, flags: &[&str]) -> Running {
        // an upsert inserts only when all rows are shared out
        let gate = if self.write_mode == "append" {
            self.gate_at_insert("NEW.id % 100 = 0")
        } else {
            self.gate_at_staging()
        };
        let running = self.start(flags);
        gate.until_waiting(2);
        gate.open();
        running
    }

    /// Committing or preparing this row fails.
    pub(crate) fn fail_at_commit(&self, condition: &str) {
        self.at_dest(&format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE 'row % is refused at the end', NEW.id USING ERRCODE = 'check_violation'; END $$; \
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
        ));
    }

    /// Waits until this query of the destination says true.
    pub(crate) fn until_dest(&self, query: &str) {
        Held::connect(&self.dest).until(query);
    }

    /// Waits until this query of the source says true.
    pub(crate) fn until_source(&self, query: &str) {
        Held::connect(&self.source).until(query);
    }

    /// Every row of the source is in the destination once, and nothing is left behind.
    pub(crate) fn assert_complete(&self) {
        for table in &self.streams {
            let contents = format!("SELECT {CONTENTS} FROM {table} t");
            assert_eq!(
                self.at_dest(&contents),
                self.at_source(&contents),
                "{table}"
            );
        }
        self.assert_nothing_left();
    }

    /// The destination has no row, and nothing is left behind.
    pub(crate) fn assert_untouched(&self) {
        for table in &self.streams {
            let rows = support::sql(
                &self.dest,
                &format!(
                    "SELECT CASE WHEN to_regclass('{table}') IS NULL THEN 0 \
                          ELSE (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM {table}', false, true, '')))[1]::text::int END"
                ),
            );
            assert_eq!(rows, "0", "{table}");
        }
        self.assert_nothing_left();
    }

    /// No session, no prepared transaction, no hidden table, no unsettled run on either server.
    pub(crate) fn assert_nothing_left(&self) {
        for url in [&self.source, &self.dest] {
            let held = Held::connect(url);
            held.until(
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rb-bench%'",
            );
            let prepared =
                held.sql("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()");
            assert_eq!(prepared, "", "prepared transactions");
            let hidden = held.sql(
                "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                                   WHERE nspname = 'rb_bench' AND (relname LIKE 'aside%' OR relname LIKE 'staging%')",
            );
            assert_eq!(hidden, "", "hidden and staging tables");
            if held.sql("SELECT to_regclass('rb_bench.runs') IS NOT NULL") == "t" {
                let open =
                    held.sql("SELECT run, state FROM rb_bench.runs WHERE state <> 'committed'");
                assert_eq!(open, "", "unsettled runs");
            }
        }
    }
}
