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
fn a_copy_whose_name_is_taken_in_the_meantime_is_not_written_to() {
    let tables = "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)";
    let (source, destination) = (fresh_database("taken_s"), fresh_database("taken_d"));
    sql(&source, &format!("{tables}; INSERT INTO t VALUES (1)"));
    // as soon as the copy of `t` is made, somebody makes what is to be the copy of `u`
    sql(
        &destination,
        &format!(
            "{tables}; CREATE FUNCTION take() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made text; BEGIN \
               SELECT substring(object_identity FROM '(rb_bench_[^.]+_)t$') INTO made FROM pg_event_trigger_ddl_commands() \
                 WHERE object_type = 'table'; \
               IF made IS NOT NULL THEN EXECUTE format('CREATE TABLE %I (mine int)', made || 'u'); END IF; END $$; \
             CREATE EVENT TRIGGER take ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION take()"
        ),
    );
    let place = tempfile::tempdir().unwrap();
    let document = place.path().join("pipeline.yaml");
    let text = format!(
        "version: \"1.0\"\npipeline: mine\nsource:\n  use: source-postgres\n  config: {{ url: \"{source}\" }}\n  \
         streams: [{{ name: t }}, {{ name: u }}]\ndestination:\n  use: dest-postgres\n  config: {{ url: \"{destination}\" }}\n"
    );
    fs::write(&document, text).unwrap();
    let output = rb_bench()
        .arg("--pipeline")
        .arg(&document)
        .args(["--iters", "1", "--warmup", "0", "--guard", "off", "--out"])
        .arg(place.path().join("results"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "_u\" is there already",
        "what to do: run the benchmark again: each session has an id of its own",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    // our own copy is gone, what somebody else made is not
    let left = sql(
        &destination,
        "SELECT string_agg(attname, ',') FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid \
         WHERE starts_with(relname, 'rb_bench_') AND relkind = 'r' AND attnum > 0",
    );
    assert_eq!(left, "mine");
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
