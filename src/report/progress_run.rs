//! The progress of one run on stderr: a line that moves on a terminal, a line now and then elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::progress::Terminal;
use crate::telemetry::counters::{Phase, Telemetry, Totals};
use crate::units::{ByteRate, Bytes, Rows, Seconds};

/// How often the telemetry is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
const PLAIN: Duration = Duration::from_secs(10);

/// Shows a run until it is dropped.
pub struct RunProgress {
    terminal: Arc<Terminal>,
    telemetry: Arc<Telemetry>,
    task: JoinHandle<()>,
}

impl RunProgress {
    /// Starts to show what `telemetry` says.
    #[must_use]
    pub fn show(telemetry: &Arc<Telemetry>) -> Self {
        let terminal = Arc::new(Terminal::stderr());
        let (shown, watched) = (Arc::clone(&terminal), Arc::clone(telemetry));
        let task = tokio::spawn(async move {
            let began = Instant::now();
            let mut printed = Instant::now();
            let mut tick = tokio::time::interval(LOOK);
            loop {
                tick.tick().await;
                tell_events(&shown, &watched);
                let line = line(watched.phase(), &watched.totals(), began.elapsed());
                if shown.draws() {
                    shown.show(line);
                } else if printed.elapsed() >= PLAIN {
                    printed = Instant::now();
                    shown.line(&line);
                }
            }
        });
        Self {
            terminal,
            telemetry: Arc::clone(telemetry),
            task,
        }
    }
}

fn tell_events(terminal: &Terminal, telemetry: &Telemetry) {
    for event in telemetry.take_events() {
        terminal.line(&event.text);
    }
}

impl Drop for RunProgress {
    fn drop(&mut self) {
        self.task.abort();
        self.terminal.clear();
        tell_events(&self.terminal, &self.telemetry);
    }
}

/// One line: phase, chunks, rows, rate, and what is left where that can be said; a rate only while
/// rows move.
fn line(phase: Phase, totals: &Totals, elapsed: Duration) -> String {
    if totals.bytes_read == 0 || phase > Phase::Moving {
        return format!("{} ({})", phase.name(), Seconds::from(elapsed));
    }
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
        "{}  {}/{} chunks  {} rows  {}  {}  {}{left}",
        phase.name(),
        totals.chunks,
        totals.chunks_total,
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
        insta::assert_snapshot!(
            line(Phase::Moving, &totals, Duration::from_secs(10)),
            @"copying  5/10 chunks  12,345 rows  50.0 MB  5.00 MB/s  10.0 s, about 10.0 s left"
        );
        insta::assert_snapshot!(
            line(Phase::Connecting, &Totals::default(), Duration::from_secs(1)),
            @"connecting (1.00 s)"
        );
        insta::assert_snapshot!(
            line(Phase::Verifying, &totals, Duration::from_secs(40)),
            @"verifying (40.0 s)"
        );
    }
}
