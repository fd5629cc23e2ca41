//! What one run did, or would do, for a person and for a program.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::engine::result::PipelineResult;
use crate::engine::{FinishedRun, PlanSummary, StreamVerification};
use crate::units::{ByteRate, Bytes, RowRate, Rows, Seconds};

/// A run as text: what was copied, how fast, how parallel and why, where time went.
#[must_use]
pub fn text(run: &FinishedRun, verified: Option<&[StreamVerification]>, dry: bool) -> String {
    let result = &run.result;
    let mut out = String::new();
    let seconds = std::time::Duration::from_secs_f64(result.duration_secs);
    if let Some(changes) = &run.changes {
        line(&mut out, "changes", &super::cdc::changes(changes));
        let rate = RowRate::over(result.records_read, seconds);
        line(
            &mut out,
            "time",
            &format!("{}, {rate}", Seconds(result.duration_secs)),
        );
        for note in &run.notes {
            line(&mut out, "note", note);
        }
        return out;
    }
    let verb = match (run.replayed, dry) {
        (true, _) => "copied earlier",
        (_, true) => "read",
        _ => "copied",
    };
    line(
        &mut out,
        "rows",
        &format!(
            "{} {verb}, {}",
            Rows(result.records_read),
            Bytes(result.bytes_read)
        ),
    );
    line(
        &mut out,
        "time",
        &format!(
            "{}, {}, {}",
            Seconds(result.duration_secs),
            ByteRate::over(result.bytes_read, seconds),
            RowRate::over(result.records_read, seconds)
        ),
    );
    if !run.replayed {
        plan_lines(&mut out, &run.plan, Some(result));
        line(&mut out, "worker time", &worker_time(result));
    }
    if let Some(verified) = verified {
        let right = verified.iter().all(|v| v.row_count_ok() && v.checksum_ok());
        let rows: i64 = verified.iter().map(|v| v.destination.rows).sum();
        let text = if right {
            format!(
                "{} rows equal on both servers, by count and sums",
                Rows(rows.max(0) as u64)
            )
        } else {
            "FAILED".to_owned()
        };
        line(&mut out, "verified", &text);
    }
    for note in &run.notes {
        line(&mut out, "note", note);
    }
    out
}

/// Where the time of the slowest worker went, as shares of the run.
fn worker_time(result: &PipelineResult) -> String {
    let share = |seconds: f64| {
        if result.duration_secs > 0.0 {
            100.0 * seconds / result.duration_secs
        } else {
            0.0
        }
    };
    format!(
        "waiting for the source {:.0} %, for the destination {:.0} %, committing {:.0} %",
        share(result.source_fetch_secs),
        share(result.dest_flush_secs),
        share(result.dest_commit_secs)
    )
}

/// A plan as text: per stream workers and why, format and why, what would be created.
#[must_use]
pub fn plan_text(plan: &PlanSummary) -> String {
    let mut out = String::new();
    plan_lines(&mut out, plan, None);
    for note in &plan.notes {
        line(&mut out, "note", note);
    }
    let creates: Vec<&String> = plan
        .streams
        .iter()
        .flat_map(|stream| &stream.creates)
        .collect();
    let alters: Vec<&String> = plan
        .streams
        .iter()
        .flat_map(|stream| &stream.alters)
        .collect();
    for (what, statements) in [("create", creates), ("alter", alters)] {
        if !statements.is_empty() {
            let _ = writeln!(out, "\nwould {what}:");
            for sql in statements {
                let _ = writeln!(out, "  {sql};");
            }
        }
    }
    out
}

fn plan_lines(out: &mut String, plan: &PlanSummary, result: Option<&PipelineResult>) {
    line(out, "parallelism", &plan.parallelism_reason);
    let workers = format!(
        "{} for {}",
        count(u64::from(plan.workers), "worker"),
        count(plan.streams.len() as u64, "stream")
    );
    line(out, "workers", &workers);
    for stream in &plan.streams {
        let to = if stream.target.is_empty() {
            String::new()
        } else {
            format!(" -> {}", stream.target)
        };
        let rows = result.map_or_else(String::new, |result| {
            let metrics = result
                .stream_metrics
                .iter()
                .filter(|m| m.stream_name == stream.stream);
            format!("{} rows, ", Rows(metrics.map(|m| m.records_read).sum()))
        });
        let why = |text: &Option<String>| {
            text.as_ref()
                .map_or_else(String::new, |why| format!(" ({why})"))
        };
        let text = format!(
            "{}{to}: {rows}{}, {}{}, {}{}",
            stream.stream,
            count(stream.chunks, "chunk"),
            count(u64::from(stream.workers), "worker"),
            why(&stream.why_one_worker),
            stream.format,
            why(&stream.why_text),
        );
        line(out, "stream", &text);
    }
    line(
        out,
        "commit",
        &format!("{}: {}", plan.commit, plan.commit_reason),
    );
}

pub(super) fn line(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "{name:<12} {text}");
}

fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", Rows(n), if n == 1 { "" } else { "s" })
}

/// A run as one JSON document.
#[must_use]
pub fn json(run: &FinishedRun, verified: Option<&[StreamVerification]>, dry: bool) -> Value {
    let verify = verified.map(|verified| {
        json!({
            "row_count_ok": verified.iter().all(StreamVerification::row_count_ok),
            "checksum_ok": verified.iter().all(StreamVerification::checksum_ok),
            "streams": verified,
        })
    });
    json!({
        "result": run.result,
        "plan": run.plan,
        "notes": run.notes,
        "replayed": run.replayed,
        "changes": run.changes,
        "dry_run": dry,
        "verify": verify,
    })
}
