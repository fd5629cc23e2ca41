//! Looking at an iteration while it runs: five times a second, from one task.
//!
//! It reads counters and /proc and asks the servers once a second who else is there. It must stay
//! cheap, for whatever it costs is measured with the copy, and it must never fail an iteration.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::artifact::Series;
use super::host::HostClock;
use super::progress::{Progress, Sample, Upcoming};
use super::server::Company;
use super::server_work::ServerWork;
use crate::postgres::Session;
use crate::telemetry::counters::{Side, Telemetry};
use crate::telemetry::sampler::{cpu_secs_of, own_cpu_secs};

/// Samples a second.
const HZ: u32 = 5;

/// CPU seconds of both servers' backends; none for a side on another host.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct BackendCpu {
    pub(super) source: Option<f64>,
    pub(super) destination: Option<f64>,
}

impl BackendCpu {
    /// Not less than was seen earlier: a backend that left without telling is gone from /proc, and counts.
    pub(super) fn at_least(&self, earlier: &Self) -> Self {
        let larger = |now: Option<f64>, then: Option<f64>| Some(now?.max(then.unwrap_or_default()));
        Self {
            source: larger(self.source, earlier.source),
            destination: larger(self.destination, earlier.destination),
        }
    }
}

/// What was seen of an iteration.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Its course.
    pub(super) series: Series,
    /// The most company there was at once.
    pub(super) company: Company,
    /// CPU of backends when last seen, for those that left without telling.
    pub(super) cpu: BackendCpu,
}

/// A sampler that runs until it is stopped.
pub(super) struct Sampler {
    stop: CancellationToken,
    task: JoinHandle<Seen>,
}

impl Sampler {
    /// Starts looking. `watches` are sessions on the servers, to ask who else is there.
    pub(super) fn start(
        telemetry: Arc<Telemetry>,
        watches: Vec<Arc<Session>>,
        progress: Arc<dyn Progress>,
        upcoming: Upcoming,
    ) -> Self {
        let stop = CancellationToken::new();
        let watching = watch(telemetry, watches, progress, upcoming, stop.clone());
        Self {
            task: tokio::spawn(watching),
            stop,
        }
    }

    /// Stops, and says what was seen.
    pub(super) async fn stop(self) -> Seen {
        self.stop.cancel();
        self.task.await.unwrap_or_default()
    }
}

/// CPU of the run's backends: what they said when they left, else what the system says now.
pub(super) fn backend_cpu(telemetry: &Telemetry) -> BackendCpu {
    let backends = telemetry.backends();
    let here: Vec<i32> = backends
        .iter()
        .filter(|b| b.local && b.final_cpu_secs.is_none())
        .map(|b| b.pid)
        .collect();
    let now = cpu_secs_of(&here);
    let of = |side: Side| {
        let mut mine = backends.iter().filter(|b| b.side == side).peekable();
        mine.peek()?;
        if mine.clone().any(|b| !b.local) {
            return None;
        }
        let secs = mine.map(|b| {
            b.final_cpu_secs.unwrap_or_else(|| {
                now.iter()
                    .find(|(pid, _)| *pid == b.pid)
                    .map_or(0.0, |(_, secs)| *secs)
            })
        });
        Some(secs.sum())
    };
    BackendCpu {
        source: of(Side::Source),
        destination: of(Side::Destination),
    }
}

async fn watch(
    telemetry: Arc<Telemetry>,
    watches: Vec<Arc<Session>>,
    progress: Arc<dyn Progress>,
    upcoming: Upcoming,
    stop: CancellationToken,
) -> Seen {
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / HZ);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut seen = Seen {
        series: Series {
            hz: f64::from(HZ),
            ..Series::default()
        },
        ..Seen::default()
    };
    let mut last = Reading::now(&telemetry, started);
    let mut tick = 0;
    loop {
        let stopped = tokio::select! {
            () = stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        let now = Reading::now(&telemetry, started);
        // a last sliver of a second says nothing about rates
        if !stopped || now.at - last.at > 0.02 {
            let sample = append(&mut seen.series, &last, &now, &telemetry);
            progress.sampled(&upcoming, &sample);
        }
        seen.cpu = now.cpu.at_least(&seen.cpu);
        last = now;
        if stopped {
            return seen;
        }
        if tick % HZ == 0 {
            for watch in &watches {
                // a server that does not answer must not hold up the end of the iteration
                tokio::select! {
                    company = Company::seen(watch) => seen.company = seen.company.most(company),
                    () = stop.cancelled() => continue,
                }
                if progress.wants_server_work() {
                    tokio::select! {
                        work = ServerWork::seen(watch, &telemetry) => progress.server_works(&work),
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        tick += 1;
    }
}

struct Reading {
    at: f64,
    totals: crate::telemetry::counters::Totals,
    own: f64,
    cpu: BackendCpu,
    host: HostClock,
}

impl Reading {
    fn now(telemetry: &Telemetry, started: Instant) -> Self {
        Self {
            at: started.elapsed().as_secs_f64(),
            totals: telemetry.totals(),
            own: own_cpu_secs(),
            cpu: backend_cpu(telemetry),
            host: HostClock::now(),
        }
    }
}

fn append(series: &mut Series, last: &Reading, now: &Reading, telemetry: &Telemetry) -> Sample {
    let span = (now.at - last.at).max(1e-9);
    // counters go back to zero when a worker's transaction was undone
    let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / span;
    let cores = |now: Option<f64>, then: Option<f64>| {
        Some(rounded((now? - then.unwrap_or(0.0)).max(0.0) / span))
    };
    let rows_per_s = rate(now.totals.rows_read, last.totals.rows_read);
    let mb_per_s = rate(now.totals.bytes_written, last.totals.bytes_written) / 1e6;
    series.t_s.push(rounded(now.at));
    series.rows_per_s.push(rows_per_s.round());
    series.mb_per_s.push(rounded(mb_per_s));
    let cpu_rb_bench = rounded((now.own - last.own).max(0.0) / span);
    let cpu_source = cores(now.cpu.source, last.cpu.source);
    let cpu_destination = cores(now.cpu.destination, last.cpu.destination);
    let host = now.host.since(&last.host);
    series.cpu_rb_bench.push(cpu_rb_bench);
    series.cpu_source.push(cpu_source);
    series.cpu_destination.push(cpu_destination);
    series.host_busy.push(host.busy().map(rounded));
    Sample {
        at_s: now.at,
        phase: telemetry.phase(),
        totals: now.totals,
        mb_per_s,
        rows_per_s,
        cpu_rb_bench,
        cpu_source,
        cpu_destination,
        busy_per_core: host.busy_per_core,
    }
}

/// Three digits: more than a sample of a fifth of a second is worth.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::bench::order::Arm;
    use crate::bench::progress::Silent;

    #[tokio::test]
    async fn a_sampler_ends_with_what_moved_until_it_was_stopped() {
        let telemetry = Telemetry::new();
        let upcoming = Upcoming {
            arm: Arm::After,
            warmup: false,
            number: 1,
            of: 1,
            pair: None,
            setting: None,
        };
        let sampler = Sampler::start(
            Arc::clone(&telemetry),
            Vec::new(),
            Arc::new(Silent),
            upcoming,
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        telemetry
            .shard("public.t", 0)
            .bytes_written
            .fetch_add(5_000_000, Relaxed);
        let seen = sampler.stop().await;
        assert_eq!(seen.series.t_s.len(), 1);
        assert!(seen.series.mb_per_s[0] > 0.0);
        assert_eq!(seen.series.cpu_source, [None]);
    }

    #[test]
    fn what_a_backend_used_that_is_gone_still_counts() {
        let seen = |source, destination| BackendCpu {
            source,
            destination,
        };
        let left = seen(Some(0.0), None).at_least(&seen(Some(1.5), Some(2.0)));
        assert_eq!((left.source, left.destination), (Some(1.5), None));
        let grown = seen(Some(2.0), Some(0.5)).at_least(&seen(Some(1.5), None));
        assert_eq!((grown.source, grown.destination), (Some(2.0), Some(0.5)));
    }

    #[test]
    fn a_side_on_another_host_has_no_cpu_figure() {
        let telemetry = Telemetry::new();
        telemetry.backend_arrived(Side::Source, 1, true);
        telemetry.backend_leaves(1, Some(1.5));
        telemetry.backend_arrived(Side::Destination, 2, false);
        let cpu = backend_cpu(&telemetry);
        assert_eq!(cpu.source, Some(1.5));
        assert_eq!(cpu.destination, None);
    }
}
