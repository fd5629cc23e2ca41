//! A run's progress on stderr: a line that moves on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::telemetry::counters::{Phase, Telemetry, Totals};
use crate::units::{ByteRate, Bytes, Rows, Seconds};

/// How often a terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
const PLAIN: Duration = Duration::from_secs(10);

/// Shows a run until it is dropped.
pub(super) struct Progress {
    telemetry: Arc<Telemetry>,
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Progress {
    /// Starts to show what `telemetry` says.
    pub(super) fn show(telemetry: &Arc<Telemetry>) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        let kept = Arc::clone(telemetry);
        let (telemetry, shown) = (Arc::clone(telemetry), bar.clone());
        let task = tokio::spawn(async move {
            let began = Instant::now();
            let mut tick = tokio::time::interval(REDRAW);
            let mut printed = Instant::now();
            loop {
                tick.tick().await;
                tell_events(&telemetry, &shown);
                let line = line(telemetry.phase(), &telemetry.totals(), began.elapsed());
                if terminal {
                    shown.set_message(line);
                    shown.tick();
                } else if printed.elapsed() >= PLAIN {
                    printed = Instant::now();
                    super::print_error(&format!("rb-bench: {line}"));
                }
            }
        });
        Self {
            telemetry: kept,
            bar,
            task,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        // also what led to an error that is printed next
        tell_events(&self.telemetry, &self.bar);
        self.bar.finish_and_clear();
    }
}

/// Prints what happened since the last time.
fn tell_events(telemetry: &Telemetry, bar: &ProgressBar) {
    for event in telemetry.take_events() {
        if bar.is_hidden() {
            super::print_error(&format!("rb-bench: {}", event.text));
        } else {
            bar.println(&event.text);
        }
    }
}

/// One line: phase, chunks, rows, rate over the run, and what is left where that can be said.
fn line(phase: Phase, totals: &Totals, elapsed: Duration) -> String {
    if totals.bytes_read == 0 {
        return format!("{} ({})", phase.name(), Seconds::from(elapsed));
    }
    let chunks = format!("{}/{} chunks", totals.chunks, totals.chunks_total);
    let left = match phase {
        Phase::Moving if totals.chunks > 0 && totals.chunks < totals.chunks_total => {
            // by chunks, which are of about one size; bytes on disk are not bytes on the wire
            let share = totals.chunks as f64 / totals.chunks_total as f64;
            let seconds = elapsed.as_secs_f64() * (1.0 - share) / share;
            format!(", about {} left", Seconds(seconds.ceil()))
        }
        _ => String::new(),
    };
    format!(
        "{}  {chunks}  {} rows  {}  {}  {}{left}",
        phase.name(),
        Rows(totals.rows_read),
        Bytes(totals.bytes_read),
        ByteRate::over(totals.bytes_read, elapsed),
        Seconds::from(elapsed),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_phase_rate_and_what_is_left() {
        let totals = Totals {
            bytes_read: 50_000_000,
            rows_read: 12_345,
            chunks: 5,
            chunks_total: 10,
            ..Totals::default()
        };
        assert_eq!(
            line(Phase::Moving, &totals, Duration::from_secs(10)),
            "copying  5/10 chunks  12,345 rows  50.0 MB  5.00 MB/s  10.0 s, about 10.0 s left"
        );
        assert_eq!(
            line(
                Phase::Connecting,
                &Totals::default(),
                Duration::from_secs(1)
            ),
            "connecting (1.00 s)"
        );
    }
}
