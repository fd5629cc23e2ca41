//! How the destination stores what a run copies, where the document says so: compression of large values, and
//! what a COMMIT waits for. Without a word the server's own settings hold.

mod support;

use serde_json::{Value, json};
use support::copies::{Databases, command, run, try_run};
use support::machine::Machine;
use support::sql;

/// Values that are compressed and stay in their row, and a target that remembers how it was written.
fn documents(name: &str) -> Databases {
    let databases = Databases::new(name);
    databases.both("CREATE TABLE t (id bigint PRIMARY KEY, v text)");
    sql(
        &databases.source,
        "INSERT INTO t SELECT g, repeat('a line of a document ', 300) FROM generate_series(1, 2000) g",
    );
    sql(
        &databases.dest,
        "CREATE TABLE seen (setting text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
         CREATE TRIGGER note AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION note()",
    );
    databases
}

fn with(databases: &Databases, settings: &[(&str, &str)]) -> Value {
    let mut document = databases.sharded(&[json!("t")], 2);
    for (key, value) in settings {
        document["destination"]["config"][key] = json!(value);
    }
    document
}

#[test]
fn large_values_are_compressed_as_the_document_asks() {
    for (asked, stored) in [("lz4", "lz4"), ("pglz", "pglz"), ("server", "pglz")] {
        for mode in ["append", "replace"] {
            let databases = documents("compression");
            sql(&databases.dest, "DROP TRIGGER note ON t");
            let mut document = with(&databases, &[("toast_compression", asked)]);
            document["destination"]["write_mode"] = json!(mode);
            run(&document);
            databases.assert_equal("SELECT * FROM t ORDER BY 1", "SELECT * FROM t ORDER BY 1");
            let found = sql(
                &databases.dest,
                "SELECT DISTINCT pg_column_compression(v) FROM t",
            );
            assert_eq!(found, stored, "{asked} {mode}");
        }
    }
}

#[test]
fn a_column_with_a_compression_of_its_own_keeps_it() {
    let databases = documents("own_compression");
    sql(
        &databases.dest,
        "ALTER TABLE t ALTER COLUMN v SET COMPRESSION pglz",
    );
    run(&with(&databases, &[("toast_compression", "lz4")]));
    let found = sql(
        &databases.dest,
        "SELECT DISTINCT pg_column_compression(v) FROM t",
    );
    assert_eq!(found, "pglz");
}

#[test]
fn a_commit_waits_for_what_the_document_says() {
    for (asked, seen) in [("off", "off"), ("local", "local"), ("server", "on")] {
        for form in ["two_phase", "ledger", "single_writer"] {
            let databases = documents("commit");
            let mut document = with(&databases, &[("synchronous_commit", asked)]);
            document["destination"]["commit"] = json!(form);
            run(&document);
            databases.assert_equal("SELECT * FROM t ORDER BY 1", "SELECT * FROM t ORDER BY 1");
            let found = sql(&databases.dest, "SELECT DISTINCT setting FROM seen");
            assert_eq!(found, seen, "{asked} {form}");
        }
    }
}

#[test]
fn another_word_is_told_with_those_that_are_known() {
    let databases = documents("words");
    let document = with(
        &databases,
        &[("toast_compression", "zstd"), ("synchronous_commit", "on")],
    );
    try_run(&document, &[]).refused(&["server, pglz, lz4", "server, local, off"]);
}

#[test]
fn a_server_that_cannot_compress_so_is_told_of_before_anything_is_made() {
    let databases = documents("too_old");
    let machine = Machine::start(12);
    let old = machine.fresh_database("dest");
    let mut document = with(&databases, &[("toast_compression", "lz4")]);
    document["destination"]["config"]["url"] = json!(old);
    let why = [
        "default_toast_compression",
        "toast_compression needs PostgreSQL 14 or newer, and lz4 a server that was built with it; leave it out",
    ];
    command("check", &document, &[]).refused(&why);
    try_run(&document, &["--dry-run"]).refused(&why);
    try_run(&document, &[]).refused(&why);
    let made = "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text NOT LIKE 'pg_%' \
        AND relnamespace::regnamespace::text NOT IN ('information_schema', 'rb_bench')";
    assert_eq!(sql(&old, made), "0");
    document["destination"]["config"]["toast_compression"] = json!("server");
    run(&document);
    assert_eq!(sql(&old, "SELECT count(*) FROM t"), "2000");
}
