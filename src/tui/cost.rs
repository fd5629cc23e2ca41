//! What the workbench itself costs: frames, the time of drawing one, the CPU of the thread that draws.
//!
//! Written by that thread, read by sessions for their artifacts; a session counts from where it began.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::sys::resource::{UsageWho, getrusage};

use crate::bench::artifact::ScreenRecord;

/// The longest drawing that is told apart, microseconds: a minute.
const LONGEST_US: u64 = 60_000_000;

/// What drawing has cost since it was last reset.
#[derive(Debug)]
pub struct Cost {
    inner: Mutex<Counted>,
}

#[derive(Debug)]
struct Counted {
    since: Instant,
    frames: u64,
    draws: Option<Histogram<u64>>,
    cpu: Duration,
    cpu_before: Duration,
    dropped_before: u64,
}

/// The cost as the screen shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shown {
    /// Frames a second, over the time since the last reset.
    pub fps: f64,
    /// 99th percentile of drawing one, microseconds.
    pub draw_p99_us: u64,
    /// CPU of the thread that draws, share of one core.
    pub cpu_share: f64,
    /// Events that were dropped.
    pub dropped: u64,
}

impl Default for Cost {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Counted {
                since: Instant::now(),
                frames: 0,
                // bounds and digits are constants that hdrhistogram accepts
                draws: Histogram::new_with_bounds(1, LONGEST_US, 2).ok(),
                cpu: Duration::ZERO,
                cpu_before: Duration::ZERO,
                dropped_before: 0,
            }),
        }
    }
}

impl Cost {
    fn locked(&self) -> MutexGuard<'_, Counted> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a frame, on the thread that drew it.
    pub fn drew(&self, took: Duration) {
        let mut counted = self.locked();
        counted.frames += 1;
        counted.cpu = thread_cpu();
        if let Some(draws) = &mut counted.draws {
            draws.saturating_record(took.as_micros() as u64);
        }
    }

    /// Counts from here, for a session that begins; called on the thread that draws.
    pub fn begin(&self, dropped: u64) {
        let mut counted = self.locked();
        counted.since = Instant::now();
        counted.frames = 0;
        counted.cpu = thread_cpu();
        counted.cpu_before = counted.cpu;
        counted.dropped_before = dropped;
        if let Some(draws) = &mut counted.draws {
            draws.reset();
        }
    }

    /// The cost since the last begin, for an artifact.
    #[must_use]
    pub fn record(&self, dropped: u64) -> ScreenRecord {
        let counted = self.locked();
        let quantile = |q: f64| {
            let draws = counted.draws.as_ref();
            draws.map_or(0, |draws| draws.value_at_quantile(q))
        };
        let cpu = counted.cpu.saturating_sub(counted.cpu_before).as_secs_f64();
        ScreenRecord {
            frames: counted.frames,
            draw_p50_us: quantile(0.5),
            draw_p99_us: quantile(0.99),
            cpu_s: cpu,
            cpu_share: cpu / counted.since.elapsed().as_secs_f64().max(1e-3),
            events_dropped: dropped.saturating_sub(counted.dropped_before),
        }
    }

    /// The same, for the screen.
    #[must_use]
    pub fn shown(&self, dropped: u64) -> Shown {
        let record = self.record(dropped);
        let span = self.locked().since.elapsed().as_secs_f64().max(1e-3);
        Shown {
            fps: record.frames as f64 / span,
            draw_p99_us: record.draw_p99_us,
            cpu_share: record.cpu_share,
            dropped: record.events_dropped,
        }
    }
}

/// CPU this thread has used, user and system.
fn thread_cpu() -> Duration {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(Duration::ZERO, |usage| {
        let span = |t: nix::sys::time::TimeVal| {
            Duration::from_secs(t.tv_sec() as u64) + Duration::from_micros(t.tv_usec() as u64)
        };
        span(usage.user_time()) + span(usage.system_time())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_counts_from_where_it_began() {
        let cost = Cost::default();
        cost.drew(Duration::from_millis(3));
        cost.begin(7);
        cost.drew(Duration::from_micros(500));
        let record = cost.record(9);
        assert_eq!((record.frames, record.events_dropped), (1, 2));
        assert!((490..=520).contains(&record.draw_p99_us), "{record:?}");
    }
}
