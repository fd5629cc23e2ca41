//! A small session with round numbers, for tests of whatever reads sessions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::artifact::{
    Artifact, CpuRecord, Document, HostRecord, Invocation, Iteration, IterationPhase,
    PostgresRecord, ProfileRecord, Protocol, SCHEMA, Series, ServerActivity, ServerRecord,
    ShardRecord, Status, Tool, VerifyRecord,
};
use super::order::Arm;
use super::rules::Rules;
use super::tune;
use super::tune::artifact::{Stage, TuneArtifact, TuneIteration, TuneProtocol, TuneSummary};
use crate::engine::result::PipelineResult;
use crate::parallelism::ParallelismFields;
use crate::telemetry::histogram::{Histograms, encode, record};

/// Two pairs of medium after one warm-up each: 2.0 and 2.1 s before, 1.2 s after.
pub(crate) fn session() -> Artifact {
    let iterations = vec![
        iteration(0, Arm::Before, 0, IterationPhase::Warmup, 9.0),
        iteration(1, Arm::After, 0, IterationPhase::Warmup, 8.0),
        iteration(2, Arm::After, 0, IterationPhase::Measure, 1.2),
        iteration(3, Arm::Before, 0, IterationPhase::Measure, 2.0),
        iteration(4, Arm::Before, 1, IterationPhase::Measure, 2.1),
        iteration(5, Arm::After, 1, IterationPhase::Measure, 1.2),
    ];
    let server = ServerRecord {
        endpoint: None,
        version: "15.8".into(),
        version_num: 150_008,
        managed: true,
        local: true,
        settings: BTreeMap::from([("wal_level".into(), "logical".into())]),
    };
    Artifact {
        schema: SCHEMA.into(),
        id: "0f3a9c21".into(),
        created_at: "2026-11-23T20:27:31Z".into(),
        label: None,
        partial: true,
        tool: Tool {
            name: "rb-bench".into(),
            version: "0.1.0".into(),
            build: "release".into(),
        },
        invocation: Invocation {
            args: vec!["--profile".into(), "medium".into()],
            ui: "headless".into(),
            repeat: "rb-bench --profile medium --seed 7".into(),
        },
        profile: ProfileRecord {
            name: "medium".into(),
            origin: "shipped".into(),
            description: Some("orders".into()),
            data_digest: Some("ab".repeat(32)),
            pipeline_digest: "cd".repeat(32),
            streams: vec!["public.bench_orders".into()],
            rows: Some(50_000),
        },
        host: HostRecord {
            name: Some("lab".into()),
            os: Some("Debian 12".into()),
            kernel: Some("6.1".into()),
            cpu: Some("EPYC".into()),
            cores: 2,
            available_cores: 2,
            memory_bytes: 24_000_000_000,
        },
        postgres: PostgresRecord {
            source: Some(server.clone()),
            destination: Some(server),
        },
        protocol: Protocol {
            arms: "both".into(),
            before: BTreeMap::from([("resources.parallelism".into(), "1".into())]),
            after: BTreeMap::from([("resources.parallelism".into(), "auto".into())]),
            binaries: BTreeMap::new(),
            warmup: 1,
            pairs: 2,
            order: vec![vec![Arm::After, Arm::Before], vec![Arm::Before, Arm::After]],
            seed: 7,
            target: "existing".into(),
            writes_to: "managed".into(),
            resets: vec!["TRUNCATE target".into(), "CHECKPOINT destination".into()],
            cache_state: "warm".into(),
            gate_metric: "duration_s".into(),
            gates: Vec::new(),
            looks: Vec::new(),
            noise_threshold_pct: 2.0,
            noise_floor: None,
            guard: None,
        },
        ui: None,
        summary: super::summary::of(&iterations, &Rules::at(0.02), Status::Complete, None),
        iterations,
        warnings: Vec::new(),
    }
}

/// A session with these wall times, seconds, of both arms, in pairs and without warm-ups.
pub(crate) fn session_of(before: &[f64], after: &[f64]) -> Artifact {
    let mut session = session();
    session.partial = false;
    session.iterations = before
        .iter()
        .zip(after)
        .zip(0..)
        .flat_map(|((before, after), pair)| {
            let one =
                |idx, arm, seconds| iteration(idx, arm, pair, IterationPhase::Measure, seconds);
            [
                one(2 * pair, Arm::Before, *before),
                one(2 * pair + 1, Arm::After, *after),
            ]
        })
        .collect();
    session.protocol.pairs = before.len() as u32;
    session.summary = super::summary::of(
        &session.iterations,
        &Rules::at(0.02),
        Status::Complete,
        None,
    );
    session
}

/// A tuning of these values: (value, workers, seconds of each round).
pub(crate) fn tuning(values: &[(&str, u32, &[f64])]) -> TuneArtifact {
    let Artifact {
        tool,
        invocation,
        profile,
        host,
        postgres,
        iterations,
        ..
    } = session();
    let mut artifact = TuneArtifact {
        schema: tune::artifact::SCHEMA.into(),
        id: "0f3a9c21".into(),
        created_at: "2026-11-23T20:27:31Z".into(),
        resumed_at: Vec::new(),
        label: None,
        partial: false,
        tool,
        invocation,
        profile,
        host,
        postgres,
        protocol: TuneProtocol {
            knob: Some(tune::knob::Knob::Parallelism.key().into()),
            values: values
                .iter()
                .map(|(value, _, _)| (*value).to_owned())
                .collect(),
            same: BTreeMap::new(),
            reference: Some("auto".into()),
            reference_workers: Some(2),
            reference_same_as: None,
            rounds: 3,
            warmup: 1,
            pairs: 10,
            seed: 5,
            target: "existing".into(),
            writes_to: "managed".into(),
            databases: "managed".into(),
            resets: Vec::new(),
            noise_threshold_pct: 2.0,
        },
        ui: None,
        iterations: Vec::new(),
        summary: TuneSummary::blank(),
        warnings: Vec::new(),
    };
    for (value, workers, seconds) in values {
        for (round, seconds) in (0..).zip(*seconds) {
            let mut iteration = iterations[2].clone();
            iteration.pair = round;
            iteration.duration_s = *seconds;
            iteration.mb_per_s = 190.0 / seconds;
            iteration.plan = Document::from(&serde_json::json!({ "workers": workers }));
            artifact.iterations.push(TuneIteration {
                stage: Stage::Sweep,
                setting: (*value).to_owned(),
                iteration,
            });
        }
    }
    artifact
}

fn iteration(idx: u32, arm: Arm, pair: u32, phase: IterationPhase, seconds: f64) -> Iteration {
    let workers = if arm == Arm::Before { 1 } else { 2 };
    let mut histograms = Histograms::default();
    record(&mut histograms.chunk, Duration::from_millis(100));
    let hdr = histograms
        .named()
        .into_iter()
        .map(|(name, h)| (name.to_owned(), encode(h).unwrap()))
        .collect();
    let result = PipelineResult {
        records_read: 50_000,
        records_written: 50_000,
        bytes_written: 190_000_000,
        duration_secs: seconds,
        parallelism: workers,
        dest_commit_secs: seconds / 100.0,
        resolved: ParallelismFields {
            parallelism_mode: if workers == 1 { "manual" } else { "auto" }.into(),
            parallelism_effective: workers,
            parallelism_cap: 2,
            parallelism_available_cores: 2,
            parallelism_eligible_streams: 1,
            parallelism_transform_count: 0,
            parallelism_reason: if workers == 1 {
                "set to 1 by hand; 2 cores, cap 2 not applied; effective 1".into()
            } else {
                "2 cores, cap 2; 1 eligible stream x 2 shards = 2; no transforms; effective 2"
                    .into()
            },
        },
        ..PipelineResult::default()
    };
    let shards = (0..workers)
        .map(|n| ShardRecord {
            stream: "public.bench_orders".into(),
            partition_index: (workers > 1).then_some(n),
            partition_count: (workers > 1).then_some(workers),
            rows: 50_000 / u64::from(workers),
            bytes: 190_000_000 / u64::from(workers),
            chunks: 8,
            source_wait_s: seconds / 10.0,
            destination_wait_s: seconds / 2.0,
            first_byte_s: 0.05,
            last_chunk_s: Some(seconds * 0.9),
        })
        .collect();
    Iteration {
        idx,
        arm,
        pair,
        phase,
        started_at: "2026-11-23T20:27:40Z".into(),
        duration_s: seconds,
        phases: BTreeMap::from([("copying".into(), seconds)]),
        rows: 50_000,
        bytes: 190_000_000,
        rows_per_s: 50_000.0 / seconds,
        mb_per_s: 190.0 / seconds,
        verify: VerifyRecord {
            row_count_ok: Some(true),
            checksum_ok: Some(true),
            differences: Vec::new(),
        },
        cpu: CpuRecord {
            rb_bench_s: 0.25,
            source_s: Some(0.8),
            destination_s: Some(1.9),
            host_busy_per_core: vec![0.9, 0.8],
            voluntary_switches: 1000,
            involuntary_switches: 10,
        },
        rss_peak: Some(21_000_000),
        pg: ServerActivity {
            wal_bytes: Some(200_000_000),
            checkpoints_timed: Some(0),
            checkpoints_requested: Some(0),
            temp_bytes: Some(0),
        },
        result: Document::of(&result).unwrap(),
        plan: Document::from(&serde_json::json!({"workers": workers, "commit": "two_phase"})),
        shards,
        skew_ratio: 1.0,
        series: Series {
            hz: 5.0,
            ..Series::default()
        },
        hdr,
        flags: Vec::new(),
    }
}
