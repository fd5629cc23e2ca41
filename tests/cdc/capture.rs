//! A pipeline that captures changes, between two databases of a test's own.

use serde_json::{Value, json};

use crate::support::copies::{self, Databases, Outcome};
use crate::support::sql;

/// The databases and the document. Dropping it drops the slots of the source, which would keep the
/// server's log and its databases from being removed.
pub(crate) struct Capture {
    pub(crate) databases: Databases,
    pub(crate) document: Value,
}

impl Capture {
    /// A document of these tables, whose changes are applied.
    pub(crate) fn applied(name: &str, streams: &[&str]) -> Self {
        Self::between(Databases::new(name), streams, "upsert")
    }

    /// A document of these tables, whose changes are written down.
    pub(crate) fn logged(name: &str, streams: &[&str]) -> Self {
        Self::between(Databases::new(name), streams, "append")
    }

    pub(crate) fn between(databases: Databases, streams: &[&str], write_mode: &str) -> Self {
        let streams: Vec<Value> = streams
            .iter()
            .map(|name| json!({ "name": name, "sync_mode": "cdc" }))
            .collect();
        let mut document = databases.document(&streams);
        document["destination"]["write_mode"] = json!(write_mode);
        Self {
            databases,
            document,
        }
    }

    /// Makes a table at the source and sets capture up.
    pub(crate) fn of(self, statements: &str) -> Self {
        self.at_source(statements);
        self.setup();
        self
    }

    /// The same, and the initial copy.
    pub(crate) fn copied(self, statements: &str) -> Self {
        let capture = self.of(statements);
        capture.run();
        capture
    }

    pub(crate) fn at_source(&self, statements: &str) -> String {
        sql(&self.databases.source, statements)
    }

    /// Runs each of these as a transaction of its own.
    pub(crate) fn each(&self, transactions: &[&str]) {
        for transaction in transactions {
            self.at_source(transaction);
        }
    }

    pub(crate) fn at_dest(&self, statements: &str) -> String {
        sql(&self.databases.dest, statements)
    }

    pub(crate) fn cdc(&self, action: &str, flags: &[&str]) -> Outcome {
        copies::cdc(&self.document, action, flags)
    }

    #[track_caller]
    pub(crate) fn setup(&self) -> Value {
        self.cdc("setup", &["--format", "json"]).ok()
    }

    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        self.cdc("status", &["--format", "json"]).ok()
    }

    /// A run that succeeds; its JSON.
    #[track_caller]
    pub(crate) fn run(&self) -> Value {
        self.try_run(&["--format", "json"]).ok()
    }

    pub(crate) fn try_run(&self, flags: &[&str]) -> Outcome {
        copies::command("run", &self.document, flags)
    }

    /// Both sides have the same rows of this table.
    #[track_caller]
    pub(crate) fn assert_same(&self, table: &str) {
        self.databases
            .assert_same(&format!("SELECT * FROM {table} t ORDER BY t::text"));
    }

    /// Changes at the source arrive: they are made, run, and compared.
    #[track_caller]
    pub(crate) fn assert_arrives(&self, statements: &str, table: &str) -> Value {
        self.at_source(statements);
        let json = self.run();
        self.assert_same(table);
        json
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // a test that kills servers may have none left to ask
        let _ = crate::support::try_sql(
            &self.databases.source,
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active",
        );
    }
}
