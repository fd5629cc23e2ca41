//! What is said of a session, in figures and short sentences: the same in the terminal and on a page.
//!
//! Every figure that varies stands with its range. Nothing here lays out or decides.

use std::collections::BTreeMap;

use crate::bench::artifact::{
    ArmSummary, Artifact, ComparisonRecord, HostRecord, IterationPhase, PostgresRecord,
};
use crate::bench::order::Arm;
use crate::bench::stats::Spread;
use crate::units::{ByteRate, Bytes, RowRate, Rows, Seconds};

/// What a figure is called, and how it reads for an arm.
pub(super) type Figure = (&'static str, fn(&ArmSummary) -> String);

/// The figures of an arm, in the order they are read.
pub(super) const FIGURES: [Figure; 13] = [
    ("wall time", |a| {
        spread(a.duration_s, |s| Seconds(s).to_string())
    }),
    ("throughput", |a| {
        spread(a.mb_per_s, |v| ByteRate(v * 1e6).to_string())
    }),
    ("rows", |a| RowRate(a.rows_per_s.median).to_string()),
    ("workers", |a| {
        format!("{} ({})", a.parallelism_effective, a.parallelism_mode)
    }),
    ("CPU rb-bench", |a| Seconds(a.cpu_rb_bench_s).to_string()),
    ("CPU source", |a| {
        optional(a.cpu_source_s, |s| Seconds(s).to_string())
    }),
    ("CPU destination", |a| {
        optional(a.cpu_destination_s, |s| Seconds(s).to_string())
    }),
    ("peak memory", |a| {
        optional(a.rss_peak, |b| Bytes(b).to_string())
    }),
    ("chunk p50 / p99", |a| {
        let micros = |us: Option<u64>| optional(us, |us| Seconds(us as f64 / 1e6).to_string());
        format!("{} / {}", micros(a.chunk_p50_us), micros(a.chunk_p99_us))
    }),
    ("waiting for source", |a| percent(a.source_wait_share)),
    ("waiting for dest.", |a| percent(a.destination_wait_share)),
    ("committing", |a| percent(a.commit_share)),
    ("verified", |a| {
        let retries = if a.retries > 0 {
            let retries = if a.retries == 1 { "retry" } else { "retries" };
            format!(", {} {retries}", a.retries)
        } else {
            String::new()
        };
        format!("{} of {}{retries}", a.verified, a.iterations)
    }),
];

/// How many pairs or iterations were planned, and what ran before them.
pub(super) fn extent(artifact: &Artifact) -> String {
    let protocol = &artifact.protocol;
    let (unit, each) = if protocol.arms == "both" {
        ("pair", " of each arm")
    } else {
        ("iteration", "")
    };
    let most = if protocol.looks.is_empty() {
        ""
    } else {
        "at most "
    };
    format!(
        "{most}{}, {}{each} before them",
        counted(u64::from(protocol.pairs), unit),
        counted(u64::from(protocol.warmup), "warm-up"),
    )
}

/// What was copied, between which servers, on which host: a word and a line each.
pub(super) fn setting(artifact: &Artifact) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(iteration) = artifact.iterations.last() {
        let width = iteration.bytes.checked_div(iteration.rows).unwrap_or(0);
        let data = format!(
            "{} rows, {} in COPY format, {} a row",
            Rows(iteration.rows),
            Bytes(iteration.bytes),
            Bytes(width),
        );
        lines.push(("data", data));
    }
    lines.push(("servers", servers(&artifact.postgres)));
    let host = &artifact.host;
    let host = format!(
        "{}, {} memory",
        counted(u64::from(host.available_cores), "core"),
        Bytes(host.memory_bytes)
    );
    lines.push(("host", host));
    lines
}

/// Both servers' versions and places; one of them where they are alike.
pub(super) fn servers(postgres: &PostgresRecord) -> String {
    let mut servers: Vec<String> = [&postgres.source, &postgres.destination]
        .into_iter()
        .flatten()
        .map(|server| match &server.endpoint {
            Some(endpoint) => format!("PostgreSQL {} ({endpoint})", number(&server.version)),
            None => format!("PostgreSQL {} (managed)", number(&server.version)),
        })
        .collect();
    servers.dedup();
    servers.join(" -> ")
}

/// The machine: processor, operating system, kernel; none where nothing of it is known.
pub(super) fn machine(host: &HostRecord) -> Option<String> {
    let kernel = host
        .kernel
        .as_ref()
        .map(|kernel| format!("kernel {kernel}"));
    let parts = [host.cpu.clone(), host.os.clone(), kernel];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(", "))
}

/// `15.18` of `15.18 (Debian 15.18-0+deb12u1)`.
fn number(version: &str) -> &str {
    version.split(' ').next().unwrap_or(version)
}

/// The overrides of an arm, shortened: `parallelism=1`.
pub(super) fn overrides(artifact: &Artifact, arm: Arm) -> Vec<String> {
    let settings = match arm {
        Arm::Before => &artifact.protocol.before,
        Arm::After => &artifact.protocol.after,
    };
    settings
        .iter()
        .map(|(key, value)| format!("{}={value}", key.rsplit('.').next().unwrap_or(key)))
        .collect()
}

/// How fast the after arm ran by the pairs alone, without a claim; none where there is no pair.
pub(super) fn ratio(comparison: &ComparisonRecord) -> Option<String> {
    let ratio = comparison.ratio?;
    Some(format!(
        "after ran at {:.2} x the speed of before ({:.2} .. {:.2} over {})",
        ratio.median,
        ratio.min,
        ratio.max,
        counted(u64::from(comparison.pairs), "pair"),
    ))
}

/// What may have disturbed measured iterations: each kind once, with the iterations it was seen in.
pub(super) fn disturbances(artifact: &Artifact) -> Vec<String> {
    let mut seen: BTreeMap<&str, (Vec<String>, &str)> = BTreeMap::new();
    for iteration in &artifact.iterations {
        if iteration.phase == IterationPhase::Warmup {
            continue;
        }
        for flag in &iteration.flags {
            let entry = seen.entry(&flag.kind).or_insert((Vec::new(), &flag.text));
            entry.0.push((iteration.idx + 1).to_string());
        }
    }
    seen.into_iter()
        .map(|(kind, (iterations, example))| {
            let noun = if iterations.len() == 1 {
                "iteration"
            } else {
                "iterations"
            };
            format!("{kind}: {example} ({noun} {})", iterations.join(", "))
        })
        .collect()
}

/// The middle and both ends.
pub(super) fn spread(spread: Spread, show: impl Fn(f64) -> String) -> String {
    format!(
        "{} ({} .. {})",
        show(spread.median),
        show(spread.min),
        show(spread.max)
    )
}

/// The value, or that it is not known.
pub(super) fn optional<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "unknown".into(), show)
}

/// A share, 0 to 1, in whole percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// `1 pair`, `2 pairs`.
pub(super) fn counted(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
/// Which programs ran the arms, where they were others.
#[must_use]
pub fn programs(artifact: &Artifact) -> Vec<String> {
    let binaries = artifact.protocol.binaries.iter();
    binaries
        .map(|(arm, binary)| {
            let digest = binary.sha256.get(..12).unwrap_or(&binary.sha256);
            format!("{arm:<7} {} ({}, {digest})", binary.path, binary.version)
        })
        .collect()
}

/// In what the machine was not quiet when the session began, and nobody waited.
pub(super) fn waived(artifact: &Artifact) -> Vec<String> {
    let guard = artifact.protocol.guard.iter();
    guard
        .flat_map(|guard| &guard.waived)
        .map(|flag| format!("{}: {}", flag.kind, flag.text))
        .collect()
}

/// What the screen cost that showed the session; none for a session without one.
pub(super) fn screen(artifact: &Artifact) -> Option<String> {
    let screen = artifact.ui.as_ref()?;
    Some(format!(
        "{} drawn in {} of CPU, {:.2} % of a core; a frame took {} (p99 {}); {} not shown",
        counted(screen.frames, "frame"),
        Seconds(screen.cpu_s),
        screen.cpu_share * 100.0,
        Seconds(screen.draw_p50_us as f64 / 1e6),
        Seconds(screen.draw_p99_us as f64 / 1e6),
        counted(screen.events_dropped, "event"),
    ))
}

/// Where the threshold of a verdict comes from; none where there is no verdict.
#[must_use]
pub fn threshold(artifact: &Artifact) -> Option<String> {
    artifact.summary.comparison.as_ref()?.estimate?;
    let protocol = &artifact.protocol;
    Some(match &protocol.noise_floor {
        Some(floor) if floor.percent >= protocol.noise_threshold_pct => format!(
            "the threshold is the noise floor that was measured here: {:.1} % in {}",
            floor.percent,
            counted(u64::from(floor.pairs), "pair")
        ),
        Some(floor) => format!(
            "the threshold is as asked for; the noise floor that was measured here is {:.1} %",
            floor.percent
        ),
        None => "the threshold is as asked for; the noise of this machine is not known (rb-bench calibrate)".into(),
    })
}

/// What was seen where it was decided whether to go on, a line a look.
#[must_use]
pub fn looks(artifact: &Artifact) -> Vec<String> {
    let reached = artifact.protocol.looks.iter();
    reached
        .filter(|look| !look.verdicts.is_empty())
        .map(|look| {
            format!(
                "looked at {} pairs: {}",
                look.pairs,
                look.verdicts.join("; ")
            )
        })
        .collect()
}
