//! Sessions in the forms of other programs: HdrHistogram logs, CSV, Bencher's metrics.
//!
//! Values as the artifact has them, nothing rounded and nothing left out but warm-ups, which never
//! count; iterations that were not verified are marked where the form allows it, and left out else.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::bench::artifact::{Artifact, Iteration, IterationPhase};
use crate::bench::metric::Metric;
use crate::bench::stats::Spread;
use crate::error::{Error, Kind, Result};
use crate::telemetry::histogram::decode;

/// The latency distributions of a session as an HdrHistogram interval log: one interval for each
/// counted iteration and distribution, tagged `before.chunk_us`, values in microseconds.
///
/// # Errors
/// `Kind::Data` where a time or a histogram of the artifact cannot be read.
pub fn hlog(session: &Artifact) -> Result<String> {
    let failed =
        |e: &dyn std::fmt::Display| Error::internal(format!("writing a histogram log: {e}"));
    let began = instant(&session.created_at)?;
    let mut intervals = Vec::new();
    for iteration in session.iterations.iter().filter(|i| i.is_measured()) {
        let started = instant(&iteration.started_at)?;
        let offset = started.duration_since(began).unwrap_or_default();
        for (name, text) in &iteration.hdr {
            intervals.push((offset, iteration, name, decode(text)?));
        }
    }
    // readers expect them in the order of time
    intervals.sort_by_key(|(offset, ..)| *offset);
    let (mut bytes, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(&format!(
            "rb-bench {}, session {}, profile {}; microseconds; warm-ups left out; tags are arm.distribution",
            session.tool.version, session.id, session.profile.name
        ))
        .with_start_time(began)
        .with_base_time(began)
        .begin_log_with(&mut bytes, &mut serializer)
        .map_err(|e| failed(&e))?;
    for (offset, iteration, name, histogram) in &intervals {
        let tag = format!("{}.{name}", iteration.arm);
        let length = Duration::try_from_secs_f64(iteration.duration_s).unwrap_or_default();
        let tag = Tag::new(&tag)
            .ok_or_else(|| Error::new(Kind::Data, format!("`{tag}` cannot be a tag")))?;
        log.write_histogram(histogram, *offset, length, Some(tag))
            .map_err(|e| failed(&format!("{e:?}")))?;
    }
    String::from_utf8(bytes).map_err(|e| failed(&e))
}

fn instant(text: &str) -> Result<SystemTime> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|e| Error::new(Kind::Data, format!("`{text}` is not a time: {e}")))?;
    let since = Duration::try_from(time.as_duration())
        .map_err(|e| Error::new(Kind::Data, format!("`{text}` is before 1970: {e}")))?;
    Ok(SystemTime::UNIX_EPOCH + since)
}

/// The columns of [`csv`], each with what it is of an iteration.
type Column = (&'static str, fn(&Iteration) -> String);

const COLUMNS: [Column; 20] = [
    ("idx", |i| i.idx.to_string()),
    ("arm", |i| i.arm.to_string()),
    ("pair", |i| i.pair.to_string()),
    ("valid", |i| i.verify.is_ok().to_string()),
    ("started_at", |i| i.started_at.clone()),
    ("duration_s", |i| i.duration_s.to_string()),
    ("rows", |i| i.rows.to_string()),
    ("bytes", |i| i.bytes.to_string()),
    ("rows_per_s", |i| i.rows_per_s.to_string()),
    ("mb_per_s", |i| i.mb_per_s.to_string()),
    ("cpu_rb_bench_s", |i| i.cpu.rb_bench_s.to_string()),
    ("cpu_source_s", |i| known(i.cpu.source_s)),
    ("cpu_destination_s", |i| known(i.cpu.destination_s)),
    ("rss_peak", |i| known(i.rss_peak)),
    ("wal_bytes", |i| known(i.pg.wal_bytes)),
    ("skew_ratio", |i| i.skew_ratio.to_string()),
    ("chunk_p50_us", |i| known(Metric::ChunkP50Us.of(i))),
    ("chunk_p99_us", |i| known(Metric::ChunkP99Us.of(i))),
    ("workers", |i| {
        known(
            i.result
                .read::<Resolved>()
                .and_then(|r| r.parallelism_effective),
        )
    }),
    ("flags", |i| {
        let kinds: Vec<&str> = i.flags.iter().map(|flag| flag.kind.as_str()).collect();
        kinds.join(" ")
    }),
];

/// What of a result is the number of workers.
#[derive(serde::Deserialize)]
struct Resolved {
    parallelism_effective: Option<u32>,
}

fn known<T: ToString>(value: Option<T>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// The iterations of a session as CSV: a heading, then one line each, warm-ups left out. What is not
/// known is empty.
pub fn csv(session: &Artifact) -> Result<String> {
    let heading = COLUMNS.map(|(name, _)| name.to_owned());
    let lines = session
        .iterations
        .iter()
        .filter(|i| i.phase == IterationPhase::Measure)
        .map(|iteration| COLUMNS.map(|(_, value)| value(iteration)));
    csv_text(std::iter::once(heading).chain(lines))
}

/// Records as CSV (RFC 4180), quoted where they must be.
pub(super) fn csv_text<R, F>(records: impl Iterator<Item = R>) -> Result<String>
where
    R: IntoIterator<Item = F>,
    F: AsRef<[u8]>,
{
    let failed = |e: String| Error::internal(format!("writing CSV: {e}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer
            .write_record(record)
            .map_err(|e| failed(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| failed(e.to_string()))
}

/// A session in the Bencher Metric Format (bencher.dev): `profile/arm`, each measure with its median
/// and its range as the bounds.
#[must_use]
pub fn bmf(session: &Artifact) -> serde_json::Value {
    let mut benchmarks = serde_json::Map::new();
    for (arm, summary) in &session.summary.arms {
        let spread = |s: Spread| serde_json::json!({"value": s.median, "lower_value": s.min, "upper_value": s.max});
        let one = |value: f64| serde_json::json!({"value": value});
        let mut measures = serde_json::Map::from_iter([
            ("duration-s".to_owned(), spread(summary.duration_s)),
            ("mb-per-s".to_owned(), spread(summary.mb_per_s)),
            ("rows-per-s".to_owned(), spread(summary.rows_per_s)),
            ("cpu-rb-bench-s".to_owned(), one(summary.cpu_rb_bench_s)),
        ]);
        let known = [
            ("cpu-source-s", summary.cpu_source_s),
            ("cpu-destination-s", summary.cpu_destination_s),
            ("rss-peak-bytes", summary.rss_peak.map(|v| v as f64)),
            ("chunk-p50-us", summary.chunk_p50_us.map(|v| v as f64)),
            ("chunk-p99-us", summary.chunk_p99_us.map(|v| v as f64)),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                measures.insert(name.to_owned(), one(value));
            }
        }
        let name = format!("{}/{arm}", session.profile.name);
        benchmarks.insert(name, measures.into());
    }
    benchmarks.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::bench::artifact::Flag;
    use crate::bench::examples;

    #[test]
    fn a_histogram_log_reads_back_with_every_value() {
        let text = hlog(&examples::session()).unwrap();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let (mut last, mut started) = (Duration::ZERO, false);
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            match entry.unwrap() {
                LogEntry::Interval(interval) => {
                    assert!(interval.start_timestamp() >= last);
                    last = interval.start_timestamp();
                    let histogram = decode(interval.encoded_histogram()).unwrap();
                    let tag = interval.tag().unwrap().as_str().to_owned();
                    if tag.ends_with("chunk_us") {
                        assert!(histogram.equivalent(histogram.max(), 100_000), "{tag}");
                    }
                    *counts.entry(tag).or_default() += histogram.len();
                }
                LogEntry::BaseTime(_) => {}
                LogEntry::StartTime(at) => {
                    started = true;
                    assert_eq!(at.as_secs(), 1_795_465_651);
                }
            }
        }
        // two counted iterations of each arm, one chunk in each; no warm-up
        assert!(started);
        assert_eq!(counts["before.chunk_us"], 2);
        assert_eq!(counts["after.chunk_us"], 2);
        assert_eq!(counts["after.commit_us"], 0);
        assert_eq!(counts.len(), 8);
    }

    /// `tests/data/hdr_log.py` says how the log and what was read in it were made.
    #[test]
    fn hdr_histograms_own_python_package_reads_a_log_as_we_do() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/measured.json");
        let session = crate::bench::store::load(std::path::Path::new(file)).unwrap();
        let log = hlog(&session).unwrap();
        assert_eq!(log, include_str!("../../tests/data/measured.hlog"));
        let theirs: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/data/hdr_log.json")).unwrap();
        let mut ours = Vec::new();
        for entry in IntervalLogIterator::new(log.as_bytes()) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let histogram = decode(interval.encoded_histogram()).unwrap();
                let values: Vec<(u64, u64)> = histogram
                    .iter_recorded()
                    .map(|value| (value.value_iterated_to(), value.count_at_value()))
                    .collect();
                let tag = interval.tag().unwrap().as_str();
                ours.push(serde_json::json!({ "tag": tag, "values": values }));
            }
        }
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_damaged_histogram_is_an_error() {
        let mut session = examples::session();
        session.iterations[2]
            .hdr
            .insert("chunk_us".into(), "AAAA".into());
        assert_eq!(hlog(&session).unwrap_err().kind(), Kind::Data);
    }

    #[test]
    fn csv_has_one_line_for_every_counted_iteration() {
        let mut session = examples::session();
        session.iterations[3].cpu.source_s = None;
        session.iterations[3].verify.checksum_ok = Some(false);
        for kind in ["cpu_steal", "checkpoint_requested"] {
            session.iterations[3].flags.push(Flag {
                kind: kind.into(),
                text: String::new(),
            });
        }
        insta::assert_snapshot!(csv(&session).unwrap(), @"
        idx,arm,pair,valid,started_at,duration_s,rows,bytes,rows_per_s,mb_per_s,cpu_rb_bench_s,cpu_source_s,cpu_destination_s,rss_peak,wal_bytes,skew_ratio,chunk_p50_us,chunk_p99_us,workers,flags
        2,after,0,true,2026-11-23T20:27:40Z,1.2,50000,190000000,41666.66666666667,158.33333333333334,0.25,0.8,1.9,21000000,200000000,1,100031,100031,2,
        3,before,0,false,2026-11-23T20:27:40Z,2,50000,190000000,25000,95,0.25,,1.9,21000000,200000000,1,100031,100031,1,cpu_steal checkpoint_requested
        4,before,1,true,2026-11-23T20:27:40Z,2.1,50000,190000000,23809.52380952381,90.47619047619047,0.25,0.8,1.9,21000000,200000000,1,100031,100031,1,
        5,after,1,true,2026-11-23T20:27:40Z,1.2,50000,190000000,41666.66666666667,158.33333333333334,0.25,0.8,1.9,21000000,200000000,1,100031,100031,2,
        ");
    }

    #[test]
    fn what_holds_a_comma_is_quoted() {
        let text = csv_text([["a,b", "say \"c\""]].into_iter()).unwrap();
        assert_eq!(text, "\"a,b\",\"say \"\"c\"\"\"\n");
    }

    #[test]
    fn bencher_gets_every_arm_with_its_bounds() {
        let metrics = bmf(&examples::session());
        assert_eq!(
            metrics["medium/before"]["duration-s"],
            serde_json::json!({"value": 2.05, "lower_value": 2.0, "upper_value": 2.1})
        );
        assert_eq!(metrics["medium/after"]["chunk-p50-us"]["value"], 100_031.0);
        assert_eq!(metrics.as_object().unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_time_is_told() {
        let said = |text: &str| instant(text).unwrap_err().to_string();
        let never = said("never");
        assert!(never.starts_with("`never` is not a time: "), "{never}");
        let old = said("1969-07-20T20:17:40Z");
        assert!(
            old.starts_with("`1969-07-20T20:17:40Z` is before 1970: "),
            "{old}"
        );
    }
}
