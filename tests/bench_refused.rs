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

#[test]
fn sides_are_measured_alone_where_there_are_two() {
    let place = tempfile::tempdir().unwrap();
    let document = place.path().join("null.yaml");
    let source = fresh_database("one_side");
    sql(&source, "CREATE TABLE t (id int PRIMARY KEY)");
    let tune = |destination: &str| {
        let text = format!(
            "version: \"1.0\"\npipeline: mine\nsource:\n  use: source-postgres\n  config: {{ url: \"{source}\" }}\n  streams: [{{ name: t }}]\n\
             destination:\n{destination}"
        );
        fs::write(&document, text).unwrap();
        let output = rb_bench()
            .args(["tune", "--isolate", "--warmup", "1", "--pipeline"])
            .arg(&document)
            .arg("--out")
            .arg(place.path().join("results"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = tune("  use: dest-null\n");
    assert!(
        said.contains(
            "this pipeline has one side only: dest-null measures the source alone already"
        ),
        "{said}"
    );
    let dest = fresh_database("no_rows");
    let said = tune(&format!(
        "  use: dest-postgres\n  config: {{ url: \"{dest}\" }}\n"
    ));
    assert!(
        said.contains("the source has no rows, so that neither side has anything to do"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_too_large_for_an_artifact_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("huge.json");
    fs::File::create(&file).unwrap().set_len(8 << 30).unwrap();
    let output = rb_bench().arg("compare").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("; an artifact has less than "), "{said}");
}
