//! What is said of the session under way in one line: headline, cost, place of the artifact.

use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use super::app::{App, Kind, Running};
use crate::bench::control::Wish;
use crate::bench::rules::LOOKS;
use crate::units::Rows;

/// The session in a line of at most so many columns: what is least needed is left out first.
#[must_use]
pub fn headline(app: &App, columns: usize) -> String {
    let parts = parts(app);
    if parts.join("  ").width() > columns
        && let Some(short) = short(app).into_iter().find(|s| s.width() <= columns)
    {
        return short;
    }
    for keep in (1..=parts.len()).rev() {
        // the last parts are the most important ones
        let text = parts[parts.len() - keep..].join("  ");
        if text.width() <= columns {
            return text;
        }
    }
    parts.last().cloned().unwrap_or_default()
}

fn parts(app: &App) -> Vec<String> {
    let Some(running) = &app.running else {
        let name = app.subject.name();
        let state = match &app.last {
            None => "READY",
            Some(last) if last.is_stopped => "STOPPED",
            Some(last) if last.error.is_some() => "ENDED WITH AN ERROR",
            Some(_) => "DONE",
        };
        return vec![format!("profile {name}"), state.to_owned()];
    };
    let mut parts = vec![format!("profile {}", running.subject.name())];
    let seen = &app.seen;
    if let Some(upcoming) = &seen.upcoming {
        parts.push(match (&upcoming.setting, upcoming.pair) {
            (Some(setting), _) => format!("{}/{} {setting}", upcoming.number, upcoming.of),
            (None, Some(pair)) => {
                let arm = upcoming.arm.name().to_uppercase();
                match next_look(running, pair) {
                    Some((at, look, looks)) => {
                        format!("pair {pair}/{at} look {look}/{looks} {arm}")
                    }
                    None => format!("pair {pair}/{} {arm}", pairs(app).unwrap_or(pair)),
                }
            }
            (None, None) => format!(
                "{}/{} {}",
                upcoming.number,
                upcoming.of,
                upcoming.arm.name().to_uppercase()
            ),
        });
    }
    let stage = stage(app);
    let clock = clock(app.now.saturating_sub(running.since));
    parts.push(format!("{stage} {clock}"));
    parts.push(if app.is_frozen {
        "FROZEN".to_owned()
    } else {
        match (running.is_aborted, running.wish) {
            (true, _) => "STOPPING".to_owned(),
            (_, Wish::Pause) => "PAUSE AFTER PAIR".to_owned(),
            (_, Wish::Stop) => "LAST PAIR".to_owned(),
            (_, Wish::GoOn) => "LIVE".to_owned(),
        }
    });
    parts
}

/// Which iteration it is, and for how long the session runs, where there is no room for words; the shorter
/// form is without the clock.
fn short(app: &App) -> Vec<String> {
    let (Some(running), Some(upcoming), Some(state)) =
        (&app.running, &app.seen.upcoming, parts(app).pop())
    else {
        return Vec::new();
    };
    let which = format!(
        "{}/{} {}",
        upcoming.number,
        upcoming.of,
        upcoming.arm.name()
    );
    let clock = clock(app.now.saturating_sub(running.since));
    vec![
        format!("{which} {clock} {state}"),
        format!("{which} {state}"),
    ]
}

/// What the session is at, in a word.
fn stage(app: &App) -> String {
    let seen = &app.seen;
    if let Some((done, total)) = seen.seeding {
        return format!("SEED {}%", done * 100 / total.max(1));
    }
    let kind = app.running.as_ref().map(|running| running.kind);
    match (&seen.upcoming, kind) {
        (None, _) => "PREPARE".to_owned(),
        (Some(upcoming), _) if upcoming.warmup => "WARM-UP".to_owned(),
        (_, Some(Kind::Tuning)) => "TUNE".to_owned(),
        (_, Some(Kind::Calibration)) => "CALIBRATE".to_owned(),
        _ => "MEASURE".to_owned(),
    }
}

/// The pairs of the session under way; none where it is not known yet.
fn pairs(app: &App) -> Option<u32> {
    let running = app.running.as_ref()?;
    if running.kind == Kind::Calibration {
        return Some(running.subject.calibration_pairs());
    }
    let base = app.profile.base.as_ref()?;
    running.subject.pairs(base).ok()
}

/// Which look at the verdict comes next, where the session ends when that is clear: the pairs it is at,
/// its number, and how many there are.
fn next_look(running: &Running, pair: u32) -> Option<(u32, usize, usize)> {
    let is_looked_at = running.kind == Kind::Benchmark && running.subject.both_arms;
    if !is_looked_at || !running.subject.until_resolved {
        return None;
    }
    let at = LOOKS.iter().position(|look| pair <= *look)?;
    Some((LOOKS[at], at + 1, LOOKS.len()))
}

/// Minutes and seconds; hours where there are any.
#[must_use]
pub fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds >= 3600 {
        return format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds % 3600 / 60,
            seconds % 60
        );
    }
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// What the workbench costs, and what is saved where.
#[must_use]
pub fn cost_and_place(app: &App, columns: usize) -> String {
    let cost = &app.cost;
    let left = format!(
        "ui {:.0} fps  draw p99 {:.1} ms  {:.1}% of a core  dropped {}",
        cost.fps,
        cost.draw_p99_us as f64 / 1e3,
        cost.cpu_share * 100.0,
        cost.dropped
    );
    let right = match &app.last {
        Some(last) => match &last.path {
            Some(path) => format!("saved {}", path.display()),
            None => "nothing was saved".to_owned(),
        },
        None => format!("saves to {}", app.out.display()),
    };
    let gap = columns.saturating_sub(left.width() + right.width());
    if gap < 2 {
        // where it is saved matters more than what we cost
        return right;
    }
    format!("{left}{}{right}", " ".repeat(gap))
}

/// The seeding in words.
#[must_use]
pub fn seeding(done: u64, total: u64) -> String {
    format!("making rows: {} of {}", Rows(done), Rows(total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::app::Screen;
    use crate::tui::examples::under_way;

    #[test]
    fn a_headline_without_room_for_the_clock_still_says_which_iteration_it_is() {
        let app = under_way(Screen::Run);
        assert_eq!(headline(&app, 20), "5/8 after 00:41 LIVE");
        assert_eq!(headline(&app, 19), "5/8 after LIVE");
        assert_eq!(headline(&app, 10), "LIVE");
    }
}
