//! Progress on stderr: bars on a terminal, short plain lines elsewhere.
//!
//! Standard output is never touched: it belongs to the result.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::bench::artifact::Iteration;
use crate::bench::progress::{Progress, Sample, Upcoming};
use crate::units::{ByteRate, Bytes, RowRate, Rows, Seconds};

/// How often a bar may be drawn, times a second: what is drawn costs what is measured.
const DRAWN_HZ: u8 = 5;

/// Shows a session on stderr.
pub struct Terminal {
    draws: bool,
    bar: Mutex<Option<ProgressBar>>,
    /// The tenth of the seeding that was told last (plain lines only).
    told: Mutex<u64>,
}

impl Terminal {
    /// Stderr as it is.
    #[must_use]
    pub fn stderr() -> Self {
        Self {
            draws: std::io::stderr().is_terminal(),
            bar: Mutex::new(None),
            told: Mutex::new(0),
        }
    }

    /// Prints a line above whatever is drawn. Nobody reading it is no error of ours.
    pub fn line(&self, text: &str) {
        let print = || {
            let _ = writeln!(std::io::stderr(), "rb-bench: {text}");
        };
        match self.locked().as_ref() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Whether lines can move.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.draws
    }

    /// Draws a line that the next one replaces.
    pub fn show(&self, text: String) {
        self.draw(
            || bar(None, RUNNING),
            |bar| {
                bar.set_message(text);
                bar.tick();
            },
        );
    }

    /// Takes away what is drawn.
    pub fn clear(&self) {
        if let Some(bar) = self.locked().take() {
            bar.finish_and_clear();
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, make: impl FnOnce() -> ProgressBar, change: impl FnOnce(&ProgressBar)) {
        let mut bar = self.locked();
        change(bar.get_or_insert_with(make));
    }
}

fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWN_HZ);
    let bar = ProgressBar::with_draw_target(length, target);
    // a template that does not parse is a defect a test finds; the plain bar is no reason to fail
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

const SEEDING: &str = "seeding {msg} [{bar:30}] {percent:>3} %, {eta} left";
const RUNNING: &str = "{spinner} {msg}";

impl Progress for Terminal {
    fn step(&self, text: &str) {
        self.line(text);
    }

    fn seeded(&self, done: u64, total: u64) {
        if self.draws {
            let message = format!("{} rows", Rows(total));
            self.draw(
                || bar(Some(total), SEEDING).with_message(message),
                |bar| bar.set_position(done),
            );
            if done == total {
                self.clear();
            }
            return;
        }
        let tenth = done * 10 / total.max(1);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // a line at each fifth is enough for a log
        if done == 0 || tenth / 2 > *told / 2 {
            *told = tenth;
            self.line(&format!("seeding: {} of {} rows", Rows(done), Rows(total)));
        }
    }

    fn iteration_began(&self, upcoming: &Upcoming) {
        if self.draws {
            let message = name(upcoming);
            self.draw(
                || bar(None, RUNNING),
                |bar| {
                    bar.enable_steady_tick(Duration::from_millis(200));
                    bar.set_message(message);
                },
            );
        }
    }

    fn sampled(&self, upcoming: &Upcoming, sample: &Sample) {
        if self.draws {
            let message = live(upcoming, sample);
            self.show(message);
        }
    }

    fn verifying(&self, upcoming: &Upcoming) {
        if self.draws {
            let message = format!("{}  verifying", name(upcoming));
            self.draw(|| bar(None, RUNNING), |bar| bar.set_message(message));
        }
    }

    fn iteration_ended(&self, upcoming: &Upcoming, iteration: &Iteration) {
        self.clear();
        self.line(&result(upcoming, iteration));
    }
}

fn name(upcoming: &Upcoming) -> String {
    let before = match (upcoming.warmup, upcoming.pair) {
        (true, _) => "warm-up, ".to_owned(),
        (false, Some(pair)) => format!("pair {pair}, "),
        (false, None) => String::new(),
    };
    let what = upcoming.setting.as_deref().unwrap_or(upcoming.arm.name());
    let width = upcoming.of.to_string().len();
    format!(
        "[{:>width$}/{}] {before}{what}",
        upcoming.number, upcoming.of
    )
}

fn live(upcoming: &Upcoming, sample: &Sample) -> String {
    let totals = &sample.totals;
    let share = match totals.chunks_total {
        0 => String::new(),
        chunks => format!("  {:>3} %", 100 * totals.chunks / chunks),
    };
    format!(
        "{}  {}{share}  {}  {}  {}",
        name(upcoming),
        sample.phase.name(),
        ByteRate(sample.mb_per_s * 1e6),
        RowRate(sample.rows_per_s),
        Bytes(totals.bytes_written),
    )
}

fn result(upcoming: &Upcoming, iteration: &Iteration) -> String {
    let verify = &iteration.verify;
    let verified = match (verify.is_ok(), verify.row_count_ok, verify.checksum_ok) {
        (false, _, _) => "INVALID",
        (true, _, Some(_)) => "verified",
        (true, Some(_), None) => "counted",
        (true, None, None) => "nothing to verify",
    };
    let flags: Vec<&str> = iteration
        .flags
        .iter()
        .map(|flag| flag.kind.as_str())
        .collect();
    let flags = if flags.is_empty() {
        String::new()
    } else {
        format!("  ({})", flags.join(", "))
    };
    format!(
        "{}  {}  {}  {verified}{flags}",
        name(upcoming),
        Seconds(iteration.duration_s),
        ByteRate(iteration.mb_per_s * 1e6),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples;
    use crate::bench::order::Arm;
    use crate::telemetry::counters::{Phase, Totals};

    const UPCOMING: Upcoming = Upcoming {
        arm: Arm::After,
        warmup: false,
        number: 3,
        of: 12,
        pair: Some(1),
        setting: None,
    };

    #[test]
    fn the_templates_are_templates() {
        for template in [SEEDING, RUNNING] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn an_iteration_is_one_line_while_it_runs_and_one_after() {
        let sample = Sample {
            phase: Phase::Moving,
            totals: Totals {
                chunks: 3,
                chunks_total: 8,
                bytes_written: 71_000_000,
                ..Totals::default()
            },
            mb_per_s: 158.3,
            rows_per_s: 41_000.0,
            ..Sample::default()
        };
        insta::assert_snapshot!(live(&UPCOMING, &sample), @"[ 3/12] pair 1, after  copying   37 %  158 MB/s  41.0 krow/s  71.0 MB");
        let session = examples::session();
        insta::assert_snapshot!(result(&UPCOMING, &session.iterations[2]), @"[ 3/12] pair 1, after  1.20 s  158 MB/s  verified");
    }
}
