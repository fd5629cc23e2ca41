//! Partitioned destinations: rows find their partitions in every mode and commit form.

mod support;

use serde_json::json;
use support::copies::{Databases, run, try_run};
use support::sql;

const PLAIN: &str = "CREATE TABLE t (id int, region text NOT NULL, v text, PRIMARY KEY (id, region)); \
    INSERT INTO t SELECT g, (ARRAY['north', 'south', 'east'])[1 + g % 3], repeat('v', 50) || g FROM generate_series(1, 3000) g";

/// Partitions by hash, by range (with an index below and one level more), and by list.
const KINDS: [(&str, &str); 3] = [
    (
        "hash",
        "PARTITION BY HASH (id); CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 3, REMAINDER 0); \
         CREATE TABLE t_1 PARTITION OF t FOR VALUES WITH (MODULUS 3, REMAINDER 1); \
         CREATE TABLE t_2 PARTITION OF t FOR VALUES WITH (MODULUS 3, REMAINDER 2)",
    ),
    (
        "range",
        "PARTITION BY RANGE (id); CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (MINVALUE) TO (1000) PARTITION BY LIST (region); \
         CREATE TABLE t_low_all PARTITION OF t_low DEFAULT; CREATE TABLE t_high PARTITION OF t FOR VALUES FROM (1000) TO (5000)",
    ),
    (
        "list",
        "PARTITION BY LIST (region); CREATE TABLE t_north PARTITION OF t FOR VALUES IN ('north'); \
         CREATE TABLE t_rest PARTITION OF t FOR VALUES IN ('south', 'east')",
    ),
];

fn partitioned(name: &str, by: &str) -> Databases {
    let databases = Databases::new(name);
    sql(&databases.source, PLAIN);
    sql(
        &databases.dest,
        &format!(
            "CREATE TABLE t (id int, region text NOT NULL, v text, PRIMARY KEY (id, region)) {by}"
        ),
    );
    databases
}

#[test]
fn rows_are_added_and_updated_in_partitions_of_every_kind() {
    for (kind, by) in KINDS {
        let databases = partitioned(kind, by);
        let mut document = databases.sharded(&[json!("t")], 3);
        for form in ["two_phase", "ledger", "single_writer"] {
            sql(&databases.dest, "TRUNCATE t");
            document["destination"]["commit"] = json!(form);
            assert_eq!(run(&document)["plan"]["commit"], form);
            databases.assert_same("SELECT * FROM t ORDER BY id");
        }
        sql(
            &databases.source,
            "UPDATE t SET v = v || '!' WHERE id % 2 = 0; INSERT INTO t VALUES (4000, 'north', 'new')",
        );
        document["destination"]["write_mode"] = json!("upsert");
        document["destination"]["primary_key"] = json!(["id", "region"]);
        for form in ["two_phase", "ledger", "single_writer"] {
            document["destination"]["commit"] = json!(form);
            assert_eq!(run(&document)["plan"]["commit"], form, "{kind}");
            databases.assert_same("SELECT * FROM t ORDER BY id");
        }
    }
}

#[test]
fn a_row_without_a_partition_is_an_error_that_says_so_and_leaves_nothing() {
    let databases = partitioned("missing", KINDS[1].1);
    sql(
        &databases.source,
        "INSERT INTO t VALUES (9000, 'north', 'beyond')",
    );
    let mut document = databases.sharded(&[json!("t")], 3);
    for mode in ["append", "upsert"] {
        document["destination"]["write_mode"] = json!(mode);
        document["destination"]["primary_key"] = json!(if mode == "upsert" {
            vec!["id", "region"]
        } else {
            vec![]
        });
        for form in ["two_phase", "ledger", "single_writer"] {
            document["destination"]["commit"] = json!(form);
            try_run(&document, &[]).refused(&[
                "no partition of relation \"t\" found for row",
                "(9000)",
                "create the partition that it belongs in, or a DEFAULT one; or leave the row out of the source",
            ]);
            assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
            assert_eq!(
                sql(
                    &databases.dest,
                    "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()"
                ),
                "0"
            );
        }
    }
    sql(
        &databases.dest,
        "CREATE TABLE t_beyond PARTITION OF t DEFAULT",
    );
    run(&document);
    databases.assert_same("SELECT * FROM t ORDER BY id");
}

#[test]
fn a_ledger_commit_that_fails_is_taken_back_in_every_partition() {
    let databases = partitioned("taken_back", KINDS[0].1);
    sql(
        &databases.dest,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused at the end''; END'; \
         CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 3000) EXECUTE FUNCTION refuse()",
    );
    let mut document = databases.sharded(&[json!("t")], 3);
    document["destination"]["commit"] = json!("ledger");
    try_run(&document, &[]).refused(&["refused at the end"]);
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM t"), "0");
}

#[test]
fn neither_a_partitioned_table_nor_a_partition_is_replaced() {
    let databases = partitioned("replaced", KINDS[2].1);
    let mut document = databases.document(&[json!("t")]);
    document["destination"]["write_mode"] = json!("replace");
    try_run(&document, &[]).refused(&["t is not an ordinary table"]);
    let mut document = databases.document(&[json!({ "name": "t", "target": "t_north" })]);
    document["destination"]["write_mode"] = json!("replace");
    try_run(&document, &[]).refused(&["t_north is a partition of public.t"]);
}

#[test]
fn a_table_and_a_part_of_it_are_not_both_copied_into() {
    let databases = partitioned("twice", KINDS[2].1);
    sql(&databases.source, "CREATE TABLE more (LIKE t)");
    let part = json!({ "name": "more", "target": "t_north" });
    let document = databases.document(&[json!("t"), part]);
    try_run(&document, &[]).refused(&[
        "public.t_north is a part of public.t: what both streams copy would be there twice; leave one of them out",
    ]);
}

#[test]
fn a_partition_may_be_the_target_itself() {
    let databases = partitioned("one", KINDS[2].1);
    sql(&databases.source, "DELETE FROM t WHERE region <> 'north'");
    run(&databases.sharded(&[json!({ "name": "t", "target": "t_north" })], 3));
    databases.assert_same("SELECT * FROM t ORDER BY id");
    sql(&databases.dest, "TRUNCATE t");
    sql(
        &databases.source,
        "INSERT INTO t VALUES (9000, 'south', 'elsewhere')",
    );
    try_run(
        &databases.document(&[json!({ "name": "t", "target": "t_north" })]),
        &[],
    )
    .refused(&["violates partition constraint"]);
}
