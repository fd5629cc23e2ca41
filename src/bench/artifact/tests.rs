//! Pins the names of the saved form: others read them.

use crate::bench::examples;

/// Every key of a document with the path to it; lists count as their first item.
fn names(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let path = format!("{path}.{key}");
                found.push(path.trim_start_matches('.').to_owned());
                names(value, &path, found);
            }
        }
        serde_json::Value::Array(items) => {
            if let Some(item) = items.first() {
                names(item, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_published_schema_is_that_of_what_is_written() {
    let published = include_str!("../../../docs/schema/rb-bench.run.v1.json");
    let written = serde_json::to_string_pretty(&super::schema()).unwrap();
    assert!(
        published.trim_end() == written,
        "the artifact has changed: rb-bench schema run > docs/schema/rb-bench.run.v1.json"
    );
}

#[test]
fn the_schema_asks_for_every_name_that_is_written() {
    let schema = serde_json::to_value(super::schema()).unwrap();
    let session = serde_json::to_value(examples::session()).unwrap();
    let names = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let iteration = &schema["$defs"]["Iteration"]["properties"];
    assert_eq!(names(&schema["properties"]), names(&session));
    assert_eq!(names(iteration), names(&session["iterations"][0]));
    let required = schema["required"].as_array().unwrap();
    assert_eq!(required.len(), names(&session).len());
}

#[test]
fn a_session_names_the_command_that_repeats_it() {
    let mut session = examples::session();
    session.invocation.args = ["--profile", "my profile.yaml", "--iters=10"]
        .map(str::to_owned)
        .into();
    session.invocation.repeat = String::new();
    assert_eq!(
        session.repeating_command(),
        "rb-bench --profile 'my profile.yaml' '--iters=10' --seed 7"
    );
    session.invocation.args = vec!["--seed=5".into()];
    assert_eq!(session.repeating_command(), "rb-bench '--seed=5'");
    session.invocation.repeat = "benches/workbench.sh 10 medium".into();
    let written = &session.invocation.repeat;
    assert_eq!(&session.repeating_command(), written);
}

#[test]
fn the_names_that_others_rely_on_stay() {
    let mut value = serde_json::to_value(examples::session()).unwrap();
    // the engine's own contract is pinned where its result is
    value["iterations"][0]["result"] = serde_json::json!({});
    value["iterations"][0]["plan"] = serde_json::json!({});
    let mut found = Vec::new();
    names(&value, "", &mut found);
    insta::assert_snapshot!(found.join("\n"), @"
    created_at
    host
    host.available_cores
    host.cores
    host.cpu
    host.kernel
    host.memory_bytes
    host.name
    host.os
    id
    invocation
    invocation.args
    invocation.repeat
    invocation.ui
    iterations
    iterations[].arm
    iterations[].bytes
    iterations[].cpu
    iterations[].cpu.destination_s
    iterations[].cpu.host_busy_per_core
    iterations[].cpu.involuntary_switches
    iterations[].cpu.rb_bench_s
    iterations[].cpu.source_s
    iterations[].cpu.voluntary_switches
    iterations[].duration_s
    iterations[].flags
    iterations[].hdr
    iterations[].hdr.chunk_us
    iterations[].hdr.commit_us
    iterations[].hdr.fetch_us
    iterations[].hdr.flush_us
    iterations[].idx
    iterations[].mb_per_s
    iterations[].pair
    iterations[].pg
    iterations[].pg.checkpoints_requested
    iterations[].pg.checkpoints_timed
    iterations[].pg.temp_bytes
    iterations[].pg.wal_bytes
    iterations[].phase
    iterations[].phases
    iterations[].phases.copying
    iterations[].plan
    iterations[].result
    iterations[].rows
    iterations[].rows_per_s
    iterations[].rss_peak
    iterations[].series
    iterations[].series.cpu_destination
    iterations[].series.cpu_rb_bench
    iterations[].series.cpu_source
    iterations[].series.host_busy
    iterations[].series.hz
    iterations[].series.mb_per_s
    iterations[].series.rows_per_s
    iterations[].series.t_s
    iterations[].shards
    iterations[].shards[].bytes
    iterations[].shards[].chunks
    iterations[].shards[].destination_wait_s
    iterations[].shards[].first_byte_s
    iterations[].shards[].last_chunk_s
    iterations[].shards[].partition_count
    iterations[].shards[].partition_index
    iterations[].shards[].rows
    iterations[].shards[].source_wait_s
    iterations[].shards[].stream
    iterations[].skew_ratio
    iterations[].started_at
    iterations[].verify
    iterations[].verify.checksum_ok
    iterations[].verify.differences
    iterations[].verify.row_count_ok
    label
    partial
    postgres
    postgres.destination
    postgres.destination.endpoint
    postgres.destination.local
    postgres.destination.managed
    postgres.destination.settings
    postgres.destination.settings.wal_level
    postgres.destination.version
    postgres.destination.version_num
    postgres.source
    postgres.source.endpoint
    postgres.source.local
    postgres.source.managed
    postgres.source.settings
    postgres.source.settings.wal_level
    postgres.source.version
    postgres.source.version_num
    profile
    profile.data_digest
    profile.description
    profile.name
    profile.origin
    profile.pipeline_digest
    profile.rows
    profile.streams
    protocol
    protocol.after
    protocol.after.resources.parallelism
    protocol.arms
    protocol.before
    protocol.before.resources.parallelism
    protocol.binaries
    protocol.cache_state
    protocol.gate_metric
    protocol.gates
    protocol.guard
    protocol.looks
    protocol.noise_floor
    protocol.noise_threshold_pct
    protocol.order
    protocol.pairs
    protocol.resets
    protocol.seed
    protocol.target
    protocol.warmup
    protocol.writes_to
    schema
    summary
    summary.arms
    summary.arms.after
    summary.arms.after.bytes
    summary.arms.after.chunk_p50_us
    summary.arms.after.chunk_p99_us
    summary.arms.after.commit_share
    summary.arms.after.cpu_destination_s
    summary.arms.after.cpu_rb_bench_s
    summary.arms.after.cpu_source_s
    summary.arms.after.destination_wait_share
    summary.arms.after.duration_s
    summary.arms.after.duration_s.max
    summary.arms.after.duration_s.median
    summary.arms.after.duration_s.min
    summary.arms.after.iterations
    summary.arms.after.mb_per_s
    summary.arms.after.mb_per_s.max
    summary.arms.after.mb_per_s.median
    summary.arms.after.mb_per_s.min
    summary.arms.after.parallelism_effective
    summary.arms.after.parallelism_mode
    summary.arms.after.parallelism_reason
    summary.arms.after.retries
    summary.arms.after.rows
    summary.arms.after.rows_per_s
    summary.arms.after.rows_per_s.max
    summary.arms.after.rows_per_s.median
    summary.arms.after.rows_per_s.min
    summary.arms.after.rss_peak
    summary.arms.after.source_wait_share
    summary.arms.after.verified
    summary.arms.before
    summary.arms.before.bytes
    summary.arms.before.chunk_p50_us
    summary.arms.before.chunk_p99_us
    summary.arms.before.commit_share
    summary.arms.before.cpu_destination_s
    summary.arms.before.cpu_rb_bench_s
    summary.arms.before.cpu_source_s
    summary.arms.before.destination_wait_share
    summary.arms.before.duration_s
    summary.arms.before.duration_s.max
    summary.arms.before.duration_s.median
    summary.arms.before.duration_s.min
    summary.arms.before.iterations
    summary.arms.before.mb_per_s
    summary.arms.before.mb_per_s.max
    summary.arms.before.mb_per_s.median
    summary.arms.before.mb_per_s.min
    summary.arms.before.parallelism_effective
    summary.arms.before.parallelism_mode
    summary.arms.before.parallelism_reason
    summary.arms.before.retries
    summary.arms.before.rows
    summary.arms.before.rows_per_s
    summary.arms.before.rows_per_s.max
    summary.arms.before.rows_per_s.median
    summary.arms.before.rows_per_s.min
    summary.arms.before.rss_peak
    summary.arms.before.source_wait_share
    summary.arms.before.verified
    summary.comparison
    summary.comparison.ci_high
    summary.comparison.ci_low
    summary.comparison.confidence
    summary.comparison.estimate
    summary.comparison.metric
    summary.comparison.pairs
    summary.comparison.ratio
    summary.comparison.ratio.max
    summary.comparison.ratio.median
    summary.comparison.ratio.min
    summary.comparison.text
    summary.comparison.threshold_pct
    summary.comparison.verdict
    summary.error
    summary.gates
    summary.status
    tool
    tool.build
    tool.name
    tool.version
    ui
    warnings
    ");
}
