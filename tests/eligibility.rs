//! Rules 4 to 8 of eligibility: what takes a stream to one worker once both servers have been
//! looked at, and that the plan says why; and how many workers a stream gets when nothing does.

mod support;

use std::sync::Arc;

use rb_bench::engine::{RunOptions, RunRequest, explain};
use rb_bench::telemetry::counters::Telemetry;
use serde_json::{Value, json};
use support::copies::{Databases, as_role, plan, run, try_run};
use support::sql;
use tokio_util::sync::CancellationToken;

const ROWS: &str =
    "SELECT g AS id, g AS other, repeat('x', 100) AS v FROM generate_series(1, 2000) g";

/// The plan of one stream, with eight workers asked for.
fn one_stream(databases: &Databases, stream: &Value) -> Value {
    let json = plan(&databases.sharded(std::slice::from_ref(stream), 8));
    json["streams"][0].clone()
}

#[test]
fn row_security_on_a_partition_is_a_reason() {
    let databases = Databases::new("security");
    sql(
        &databases.source,
        "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (5000);
         INSERT INTO p SELECT generate_series(1, 2000); ALTER TABLE p1 ENABLE ROW LEVEL SECURITY;
         DROP ROLE IF EXISTS security_reader; CREATE ROLE security_reader LOGIN PASSWORD 'x'; GRANT SELECT ON p, p1 TO security_reader",
    );
    let mut document = databases.sharded(&[json!("p")], 4);
    let url = as_role(&databases.source, "security_reader", "x");
    document["source"]["config"]["url"] = json!(url);
    let json = run(&document);
    assert_eq!(
        json["plan"]["streams"][0]["why_one_worker"],
        "row security applies to partition public.p1"
    );
    // a policy of a partition does not apply where the rows are read through the parent
    assert_eq!(json["result"]["records_written"], 2000);
}

#[test]
fn a_key_of_the_target_that_the_source_does_not_guarantee_is_a_reason() {
    let databases = Databases::new("meeting");
    sql(
        &databases.source,
        &format!(
            "CREATE TABLE t AS {ROWS}; ALTER TABLE t ADD PRIMARY KEY (id), ADD word text; CREATE UNIQUE INDEX ON t (lower(v || id))"
        ),
    );
    let columns = "id int, other int, v text, word text";
    // (target, what its key is called; none where it keeps workers apart)
    for (target, key) in [
        (format!("({columns}, PRIMARY KEY (id))"), None),
        (format!("({columns}, UNIQUE (other, id))"), None),
        (
            format!("({columns}); CREATE UNIQUE INDEX k ON t (lower(v || id))"),
            None,
        ),
        (
            format!("({columns}, CONSTRAINT k UNIQUE (other))"),
            Some("unique key k"),
        ),
        (
            format!("({columns}); CREATE UNIQUE INDEX k ON t (lower(v))"),
            Some("unique key k"),
        ),
        (
            format!("({columns}); CREATE UNIQUE INDEX k ON t (other) WHERE other > 5"),
            Some("unique key k"),
        ),
        (
            format!("({columns}, extra int DEFAULT 1 CONSTRAINT k UNIQUE)"),
            Some("unique key k"),
        ),
        (
            format!("({columns}, CONSTRAINT k EXCLUDE (other WITH =))"),
            Some("exclusion constraint k"),
        ),
        // another type, another collation: what was different may become equal
        (
            "(id numeric CONSTRAINT k PRIMARY KEY, other int, v text, word text)".into(),
            Some("unique key k"),
        ),
    ] {
        sql(
            &databases.dest,
            &format!("DROP TABLE IF EXISTS t; CREATE TABLE t {target}"),
        );
        let stream = one_stream(&databases, &json!("t"));
        let why = key.map(|key| {
            format!(
                "two workers could meet on the target's {key}, which the source does not guarantee"
            )
        });
        assert_eq!(
            stream["why_one_worker"].as_str(),
            why.as_deref(),
            "{target}"
        );
        assert_eq!(
            stream["workers"],
            if why.is_some() { 1 } else { 8 },
            "{target}"
        );
    }
}

#[test]
fn a_key_of_each_partition_is_no_key_of_the_whole() {
    let databases = Databases::new("leafkeys");
    sql(
        &databases.source,
        "CREATE TABLE p (id int, region int) PARTITION BY LIST (region);
         CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
         CREATE UNIQUE INDEX ON p1 (id); CREATE UNIQUE INDEX ON p2 (id);
         INSERT INTO p SELECT g, 1 + g % 2 FROM generate_series(1, 2000) g",
    );
    sql(
        &databases.dest,
        "CREATE TABLE p (id int CONSTRAINT k PRIMARY KEY, region int)",
    );
    let stream = one_stream(&databases, &json!("p"));
    assert_eq!(stream["workers"], 1, "{stream}");
    assert!(
        stream["why_one_worker"]
            .as_str()
            .unwrap()
            .contains("unique key k")
    );
    // a key of the whole is one
    sql(&databases.source, "ALTER TABLE p ADD UNIQUE (id, region)");
    sql(
        &databases.dest,
        "ALTER TABLE p DROP CONSTRAINT k, ADD UNIQUE (region, id)",
    );
    let stream = one_stream(&databases, &json!("p"));
    assert_eq!(stream["why_one_worker"], Value::Null);
}

#[test]
fn nulls_that_count_as_equal_are_a_reason_where_the_source_may_repeat_them() {
    let databases = Databases::new("nulls");
    if sql(
        &databases.dest,
        "SELECT current_setting('server_version_num')::int >= 150000",
    ) != "t"
    {
        return;
    }
    sql(
        &databases.source,
        &format!("CREATE TABLE t AS {ROWS}; CREATE UNIQUE INDEX ON t (id)"),
    );
    sql(
        &databases.dest,
        "CREATE TABLE t (id int, other int, v text, CONSTRAINT k UNIQUE NULLS NOT DISTINCT (id))",
    );
    assert_eq!(one_stream(&databases, &json!("t"))["workers"], 1);
    sql(&databases.source, "ALTER TABLE t ALTER id SET NOT NULL");
    assert_eq!(one_stream(&databases, &json!("t"))["workers"], 8);
}

#[test]
fn foreign_keys_between_targets_put_streams_on_one_worker_parents_first() {
    let databases = Databases::new("parents");
    sql(
        &databases.source,
        "CREATE TABLE line (id int PRIMARY KEY, orders int); CREATE TABLE customer (id int PRIMARY KEY, boss int);
         CREATE TABLE orders (id int PRIMARY KEY, customer int); CREATE TABLE alone (id int PRIMARY KEY);
         INSERT INTO customer SELECT g, 2001 - g FROM generate_series(1, 2000) g; INSERT INTO orders SELECT g, g FROM generate_series(1, 2000) g;
         INSERT INTO line SELECT g, g FROM generate_series(1, 2000) g; INSERT INTO alone SELECT generate_series(1, 2000)",
    );
    sql(
        &databases.dest,
        "CREATE TABLE customer (id int PRIMARY KEY, boss int REFERENCES customer); CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer);
         CREATE TABLE line (id int PRIMARY KEY, orders int NOT NULL REFERENCES orders); CREATE TABLE alone (id int PRIMARY KEY)",
    );
    let names = ["line", "orders", "alone", "customer"];
    let json = run(&databases.sharded(&names.map(|name| json!(name)), 4));
    for (i, name) in names.iter().enumerate() {
        let stream = &json["plan"]["streams"][i];
        let why = stream["why_one_worker"].as_str();
        if *name == "alone" {
            assert_eq!(why, None);
        } else {
            assert_eq!(
                why,
                Some(
                    "foreign keys tie the target to other targets of the run: one worker, parents first"
                )
            );
        }
        databases.assert_same(&format!("SELECT * FROM {name} ORDER BY id"));
    }
    // alone, a self-reference is one COPY
    sql(&databases.dest, "TRUNCATE customer CASCADE");
    let json = run(&databases.sharded(&[json!("customer")], 4));
    assert_eq!(
        json["plan"]["streams"][0]["why_one_worker"],
        "the target refers to itself by a foreign key"
    );
    databases.assert_same("SELECT * FROM customer ORDER BY id");
}

#[test]
fn a_circle_of_foreign_keys_needs_deferrable_constraints() {
    let databases = Databases::new("circle");
    let tables =
        "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int)";
    databases.both(tables);
    sql(
        &databases.source,
        "INSERT INTO a SELECT g, g FROM generate_series(1, 1000) g; INSERT INTO b SELECT g, g FROM generate_series(1, 1000) g",
    );
    sql(
        &databases.dest,
        "ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b; ALTER TABLE b ADD CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a",
    );
    let document = databases.sharded(&[json!("a"), json!("b")], 4);
    try_run(&document, &[]).refused(&["the targets refer to each other in a circle, and the constraints (to_a, to_b) are not DEFERRABLE", "see `rb-bench check` for the plan; nothing was copied"]);
    sql(
        &databases.dest,
        "ALTER TABLE a ALTER CONSTRAINT to_b DEFERRABLE",
    );
    for form in ["auto", "two_phase", "ledger"] {
        sql(&databases.dest, "TRUNCATE a, b");
        let mut document = document.clone();
        document["destination"]["commit"] = json!(form);
        run(&document);
        databases.assert_same("SELECT * FROM a ORDER BY id");
        databases.assert_same("SELECT * FROM b ORDER BY id");
    }
}

fn request(document: &Value, cores: u32) -> RunRequest {
    RunRequest {
        pipeline: Arc::new(serde_json::from_value(document.clone()).expect("a pipeline")),
        available_cores: cores,
        options: RunOptions::default(),
        telemetry: Telemetry::new(),
        cancel: CancellationToken::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fan_out_bounds_hold_with_several_streams() {
    let databases = Databases::new("fanout");
    sql(
        &databases.source,
        &format!(
            "CREATE TABLE t1 AS {ROWS}; CREATE TABLE t2 AS {ROWS}; CREATE TABLE t3 AS {ROWS}; CREATE VIEW w AS SELECT * FROM t1"
        ),
    );
    let names = ["t1", "t2", "t3", "w"].map(|name| json!(name));
    let mut document = databases.sharded(&names, 2);
    // manual: each stream may have all of them, and the run no more
    let summary = explain(&request(&document, 2)).await.unwrap();
    assert_eq!(summary.workers, 2);
    let workers: Vec<u32> = summary.streams.iter().map(|s| s.workers).collect();
    assert_eq!(workers, [2, 2, 2, 1]);
    // auto: 8 cores over 4 streams that may be sharded by the document's word, 2 each
    document["resources"]["parallelism"] = json!("auto");
    let summary = explain(&request(&document, 8)).await.unwrap();
    let workers: Vec<u32> = summary.streams.iter().map(|s| s.workers).collect();
    assert_eq!(workers, [2, 2, 2, 1], "{}", summary.parallelism_reason);
    assert_eq!(summary.workers, 7);
    let finished = rb_bench::engine::run(request(&document, 8)).await.unwrap();
    for stream in &finished.plan.streams {
        let shards = &finished.result.stream_metrics;
        let mine: Vec<_> = shards
            .iter()
            .filter(|shard| shard.stream_name == stream.stream)
            .collect();
        let rows: u64 = mine.iter().map(|shard| shard.records_written).sum();
        assert_eq!(rows, 2000, "{mine:?}");
        // a worker may come after another has left, so a stream has as many shards as workers met it
        assert!(mine.len() <= finished.plan.workers as usize, "{mine:?}");
        assert!(stream.chunks > 1 || mine.len() == 1, "{mine:?}");
    }
    finished.close().await;
}

#[test]
fn bench_json_includes_stream_shard_metrics() {
    let databases = Databases::new("line");
    sql(
        &databases.source,
        &format!("CREATE TABLE t AS {ROWS}; CREATE VIEW w AS SELECT * FROM t LIMIT 10"),
    );
    let outcome = try_run(&databases.sharded(&[json!("t"), json!("w")], 2), &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let line = support::copies::result_line(&outcome.stdout);
    let mut keys: Vec<&str> = line
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "available_cores",
            "bytes_read",
            "bytes_written",
            "dest_commit_secs",
            "dest_connect_secs",
            "dest_flush_secs",
            "duration_secs",
            "parallelism",
            "parallelism_available_cores",
            "parallelism_cap",
            "parallelism_effective",
            "parallelism_eligible_streams",
            "parallelism_mode",
            "parallelism_reason",
            "parallelism_transform_count",
            "process_cpu_pct_available_cores",
            "process_cpu_pct_one_core",
            "process_cpu_secs",
            "records_read",
            "records_written",
            "retry_count",
            "source_connect_secs",
            "source_fetch_secs",
            "source_query_secs",
            "stream_metrics",
            "worker_dest_active_secs",
            "worker_dest_wait_secs",
            "worker_records_max",
            "worker_records_min",
            "worker_records_skew_ratio",
        ]
    );
    assert_eq!(line["parallelism"], 2);
    assert_eq!(line["parallelism_mode"], "manual");
    assert_eq!(line["parallelism_effective"], 2);
    assert_eq!(line["parallelism_eligible_streams"], 2);
    assert_eq!(line["parallelism_transform_count"], 0);
    assert_eq!(line["parallelism_available_cores"], line["available_cores"]);
    assert_eq!(line["records_written"], 2010);
    let shards = line["stream_metrics"].as_array().unwrap();
    let fields = [
        "stream_name",
        "partition_index",
        "partition_count",
        "records_read",
        "records_written",
        "bytes_read",
        "bytes_written",
        "chunks",
        "source_duration_secs",
        "dest_duration_secs",
        "first_byte_secs",
        "last_chunk_secs",
    ];
    for shard in shards {
        let shard = shard.as_object().unwrap();
        assert_eq!(shard.len(), fields.len(), "{shard:?}");
        assert!(
            fields.iter().all(|field| shard.contains_key(*field)),
            "{shard:?}"
        );
    }
    let of = |name: &str| -> Vec<&Value> {
        shards
            .iter()
            .filter(|shard| shard["stream_name"] == name)
            .collect()
    };
    let sharded = of("public.t");
    for (i, shard) in sharded.iter().enumerate() {
        if sharded.len() > 1 {
            assert_eq!(shard["partition_index"], i);
            assert_eq!(shard["partition_count"], sharded.len());
        }
    }
    let unsharded = of("public.w");
    assert_eq!(unsharded.len(), 1);
    assert_eq!(unsharded[0]["partition_index"], Value::Null);
    assert_eq!(unsharded[0]["partition_count"], Value::Null);
    assert_eq!(unsharded[0]["records_written"], 10);
}
