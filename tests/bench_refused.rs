//! Databases that a benchmark refuses to write to, and what it says about them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use support::{fresh_database, rb_bench, sql};

struct Place {
    directory: tempfile::TempDir,
    source: String,
    destination: String,
}

impl Place {
    /// A source with `t`, and a destination made by this SQL.
    fn new(name: &str, destination: &str) -> Self {
        let source = fresh_database(&format!("{name}_s"));
        sql(
            &source,
            "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); ANALYZE t",
        );
        let url = fresh_database(&format!("{name}_d"));
        if !destination.is_empty() {
            sql(&url, destination);
        }
        Self {
            directory: tempfile::tempdir().unwrap(),
            source,
            destination: url,
        }
    }

    /// What a benchmark of `t` says when it is refused; the destination is as it was.
    #[track_caller]
    fn refused(&self, flags: &[&str], code: i32, parts: &[&str]) {
        let document = self.directory.path().join("pipeline.yaml");
        let text = format!(
            "version: \"1.0\"\npipeline: mine\nsource:\n  use: source-postgres\n  config: {{ url: \"{}\" }}\n  streams: [{{ name: t }}]\n\
             destination:\n  use: dest-postgres\n  config: {{ url: \"{}\" }}\n",
            self.source, self.destination
        );
        fs::write(&document, text).unwrap();
        let objects = "SELECT coalesce(string_agg(relname, ',' ORDER BY relname), '') FROM pg_class
                       WHERE relkind IN ('r', 'v', 'p') AND relnamespace = 'public'::regnamespace";
        let before = sql(&self.destination, objects);
        let output = rb_bench()
            .arg("--pipeline")
            .arg(&document)
            .args(["--iters", "1", "--warmup", "0", "--guard", "off", "--out"])
            .arg(self.directory.path().join("results"))
            .args(flags)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        for part in parts {
            assert!(said.contains(part), "no `{part}` in {said}");
        }
        assert_eq!(sql(&self.destination, objects), before);
    }
}

#[test]
fn in_place_a_table_must_be_there_and_be_a_table() {
    Place::new("absent", "").refused(
        &["--in-place"],
        1,
        &[
            " does not exist in ",
            "create it, or leave --in-place out: a copy is then made and dropped",
        ],
    );
    Place::new("view", "CREATE VIEW t AS SELECT 1 AS id").refused(
        &["--in-place"],
        1,
        &["\"public\".\"t\" is not a table"],
    );
}

#[test]
fn in_place_rows_of_others_and_references_to_the_table_are_left_alone() {
    Place::new(
        "full",
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (7)",
    )
    .refused(
        &["--in-place"],
        1,
        &[
            "holds rows that rb-bench did not write; --in-place needs it empty",
            "empty it yourself, or leave --in-place out: a copy is then made and dropped",
        ],
    );
    Place::new(
        "referred",
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE item (t int CONSTRAINT item_t REFERENCES t)",
    )
    .refused(
        &["--in-place"],
        1,
        &[
            "the foreign key item_t of item points to ",
            ", which therefore cannot be emptied between iterations",
            "leave --in-place out: a copy without foreign keys is then made and dropped",
        ],
    );
}

#[test]
fn what_is_no_table_cannot_be_copied_beside() {
    Place::new("beside", "CREATE VIEW t AS SELECT 1 AS id").refused(
        &[],
        1,
        &[" is not a table, so no copy of it can be written to"],
    );
}
