//! What may have disturbed an iteration, and why: flags beside its figures.
//!
//! A flag never drops an iteration and never changes a figure; it tells the reader what else was going
//! on, with the cause where it is known.

use std::time::Duration;

use super::artifact::{CpuRecord, Flag, ServerActivity};
use super::host::HostUse;
use super::sampler::Seen;
use crate::engine::result::PipelineResult;

/// Steal above this share of the machine is told.
const STEAL: f64 = 0.01;
/// Cores that others keep busy beyond this many are told.
const OTHERS: f64 = 0.25;

/// What a run used of this machine and of the server.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) cpu: CpuRecord,
    pub(super) host: HostUse,
    pub(super) rss_peak: Option<u64>,
    pub(super) pg: ServerActivity,
    /// Whether the CPU time of all that took part is in `cpu`, where it can be known.
    pub(super) is_whole: bool,
}

impl Used {
    /// Of a run by another program: its CPU time is its own word, its backends and its memory are not
    /// known.
    pub(super) fn of_other(&mut self, result: &PipelineResult) {
        self.cpu = CpuRecord {
            rb_bench_s: result.process_cpu_secs,
            host_busy_per_core: std::mem::take(&mut self.cpu.host_busy_per_core),
            ..CpuRecord::default()
        };
        self.rss_peak = None;
        self.is_whole = false;
    }
}

/// What may have disturbed the iteration.
pub(super) fn flags(
    used: &Used,
    seen: &Seen,
    result: &PipelineResult,
    duration: Duration,
) -> Vec<Flag> {
    let mut flags = Vec::new();
    let mut flag = |kind: &str, text: String| {
        flags.push(Flag {
            kind: kind.to_owned(),
            text,
        });
    };
    if let Some(n @ 1..) = used.pg.checkpoints_requested {
        flag(
            "checkpoint_requested",
            format!(
                "{n} checkpoint(s) asked for during the run: max_wal_size was reached, or somebody ran CHECKPOINT"
            ),
        );
    }
    if let Some(n @ 1..) = used.pg.checkpoints_timed {
        flag(
            "checkpoint_timed",
            format!("{n} checkpoint(s) by the clock during the run (checkpoint_timeout)"),
        );
    }
    if used.host.steal > STEAL {
        flag(
            "cpu_steal",
            format!(
                "the hypervisor gave {:.0} % of this machine's time to others",
                used.host.steal * 100.0
            ),
        );
    }
    if used.host.throttled_s > 0.0 {
        flag(
            "cpu_throttled",
            format!(
                "the cgroup's CPU quota held processes back for {:.2} s",
                used.host.throttled_s
            ),
        );
    }
    if seen.company.foreign > 0 {
        flag(
            "foreign_backends",
            format!(
                "{} backend(s) of others were active on the server",
                seen.company.foreign
            ),
        );
    }
    if seen.company.vacuums > 0 {
        flag(
            "autovacuum",
            format!("{} autovacuum worker(s) were running", seen.company.vacuums),
        );
    }
    if let Some(cores) = others(used, duration).filter(|cores| *cores > OTHERS) {
        flag(
            "other_processes",
            format!(
                "other processes of this machine, the servers' writers included, used {cores:.1} cores"
            ),
        );
    }
    if result.retry_count > 0 {
        flag(
            "retried",
            format!("the run was tried again {} time(s)", result.retry_count),
        );
    }
    flags
}

/// Cores that neither rb-bench nor its backends kept busy; none where one of them is not known.
fn others(used: &Used, duration: Duration) -> Option<f64> {
    let seconds = duration.as_secs_f64();
    // what is counted in ticks of a hundredth of a second says nothing about less
    if seconds < 0.2 || !used.is_whole || used.host.busy_per_core.is_empty() {
        return None;
    }
    let busy: f64 = used.host.busy_per_core.iter().sum();
    let ours = used.cpu.rb_bench_s
        + used.cpu.source_s.unwrap_or(0.0)
        + used.cpu.destination_s.unwrap_or(0.0);
    Some(busy - ours / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disturbances_are_flagged_with_their_cause() {
        let used = Used {
            cpu: CpuRecord {
                rb_bench_s: 0.5,
                source_s: Some(0.5),
                destination_s: Some(1.0),
                ..CpuRecord::default()
            },
            host: HostUse {
                busy_per_core: vec![0.9, 0.9],
                steal: 0.05,
                throttled_s: 0.0,
            },
            rss_peak: None,
            is_whole: true,
            pg: ServerActivity {
                checkpoints_requested: Some(1),
                ..ServerActivity::default()
            },
        };
        let kinds = |seconds| -> Vec<String> {
            flags(
                &used,
                &Seen::default(),
                &PipelineResult::default(),
                Duration::from_secs(seconds),
            )
            .into_iter()
            .map(|flag| flag.kind)
            .collect()
        };
        assert_eq!(
            kinds(2),
            ["checkpoint_requested", "cpu_steal", "other_processes"]
        );
        assert_eq!(kinds(1), ["checkpoint_requested", "cpu_steal"]);
    }
}
