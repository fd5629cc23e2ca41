//! The Run screen: what the engine does, and why it runs at this width.
//!
//! ```text
//! parallelism  mode auto  effective 2  cap 2  (2 cores, 1 eligible stream, no transforms)        x explain
//! +- Shards ---------------------------------------++- Throughput --------+
//! |                                                |+- CPU ---------------+
//! |                                                |+- Where time goes ---+
//! +- Iterations -----------------------------------++- Events ------------+
//! +------------------------------------------------++---------------------+
//! ```
//!
//! Under 110 columns the right column becomes two lines above the table.

mod cpu;
mod events;
mod iterations;
mod shards;
mod throughput;
mod waits;

use std::fmt::Write as _;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::pane::fitted;
use crate::bench::order::Arm;
use crate::tui::app::App;
use crate::tui::snapshot::{IterationRow, median_rate, median_ratio};
use crate::tui::state::profile::Resolution;
use crate::tui::state::run::Pane;
use crate::units::Seconds;

/// The least columns that have room for two columns of panes.
const WIDE: u16 = 110;
/// Columns of the right one.
const RIGHT: u16 = 42;

/// Draws the screen into what lies between the tabs and the bottom line.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let [line, rest] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    parallelism_line(app, frame, line);
    if app.run.is_zoomed {
        match app.run.pane {
            Pane::Shards => shards::view(app, frame, rest),
            Pane::Iterations => iterations::view(app, frame, rest),
            Pane::Events => events::view(app, frame, rest),
        }
    } else if area.width >= WIDE {
        wide(app, frame, rest);
    } else {
        narrow(app, frame, rest);
    }
}

fn wide(app: &App, frame: &mut Frame, area: Rect) {
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(RIGHT)]).areas(area);
    let wanted = iterations::height(app).clamp(9, (area.height / 2).max(9));
    let [top, bottom] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(wanted)]).areas(left);
    shards::view(app, frame, top);
    iterations::view(app, frame, bottom);
    let cores = cpu::height(app, RIGHT - 2);
    let [rate, used, waiting, log] = Layout::vertical([
        Constraint::Length(5),
        Constraint::Length(cores),
        Constraint::Length(6),
        Constraint::Fill(1),
    ])
    .areas(right);
    throughput::view(app, frame, rate);
    cpu::view(app, frame, used);
    waits::view(app, frame, waiting);
    events::view(app, frame, log);
}

fn narrow(app: &App, frame: &mut Frame, area: Rect) {
    let wanted = iterations::height(app).clamp(4, (area.height / 3).max(4));
    let [rate, used, top, middle, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(wanted),
        Constraint::Length(if area.height > 18 { 5 } else { 0 }),
    ])
    .areas(area);
    throughput::line(app, frame, rate);
    cpu::line(app, frame, used);
    shards::view(app, frame, top);
    iterations::view(app, frame, middle);
    if bottom.height > 0 {
        events::view(app, frame, bottom);
    }
}

fn parallelism_line(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let hint = "x explain";
    let width = usize::from(area.width);
    let room = width.saturating_sub(hint.width() + 3);
    let long = parallelism(app);
    let text = match resolution(app) {
        Some(Resolution { fields, .. }) if long.width() > room => format!(
            "{}, effective {}, cap {} ({})",
            fields.parallelism_mode,
            fields.parallelism_effective,
            fields.parallelism_cap,
            because(fields)
        ),
        _ => long,
    };
    let text = fitted(theme, &text, room);
    let gap = width.saturating_sub(text.width() + hint.width() + 2);
    let line = Line::from(vec![
        Span::raw(" "),
        Span::raw(text),
        Span::raw(" ".repeat(gap)),
        Span::styled(hint, theme.quiet()),
    ]);
    frame.render_widget(line, area);
}

/// What the arm under way resolves to; the after arm's where none is.
fn resolution(app: &App) -> Option<&Resolution> {
    let upcoming = app.seen.upcoming.as_ref();
    let arm = upcoming.map_or(Arm::After, |upcoming| upcoming.arm);
    let mut all = app.profile.resolutions.iter();
    all.find(|resolution| resolution.arm == arm)
}

/// The resolved parallelism in a line.
#[must_use]
pub fn parallelism(app: &App) -> String {
    let Some(Resolution { fields, .. }) = resolution(app) else {
        return match &app.profile.problem {
            Some(problem) => problem.lines().next().unwrap_or_default().to_owned(),
            None => "parallelism: reading the profile".to_owned(),
        };
    };
    format!(
        "parallelism  mode {}  effective {}  cap {}  ({})",
        fields.parallelism_mode,
        fields.parallelism_effective,
        fields.parallelism_cap,
        because(fields)
    )
}

/// What the number depends on, in a few words.
fn because(fields: &crate::parallelism::ParallelismFields) -> String {
    let count = |n: u32, noun: &str| match n {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    };
    [
        count(fields.parallelism_available_cores, "core"),
        count(fields.parallelism_eligible_streams, "eligible stream"),
        count(fields.parallelism_transform_count, "transform"),
    ]
    .join(", ")
}

/// How the parallelism was resolved, as text: the steps, then every stream; what the engine found out once
/// it was connected where an iteration has run.
#[must_use]
pub fn explanation(app: &App) -> String {
    let mut text = String::new();
    for resolution in &app.profile.resolutions {
        let fields = &resolution.fields;
        let arm = resolution.arm;
        // writing to a String cannot fail
        let _ = writeln!(
            text,
            "{arm}  mode {}, effective {}, cap {}",
            fields.parallelism_mode, fields.parallelism_effective, fields.parallelism_cap
        );
        let _ = writeln!(text, "  {}", fields.parallelism_reason);
        let ran = app.iterations.iter().rfind(|row| row.upcoming.arm == arm);
        match ran {
            Some(row) => planned(&mut text, row),
            None => {
                for (stream, workers, why) in &resolution.streams {
                    let _ = write!(text, "  {stream}: at most {}", workers_word(*workers));
                    let _ = match why {
                        Some(why) => writeln!(text, ": {why}"),
                        None => writeln!(text),
                    };
                }
            }
        }
        text.push('\n');
    }
    if text.is_empty() {
        return "no profile has been read yet".to_owned();
    }
    text.push_str(
        "The number depends on the document and the cores alone. What the databases hold can only take a \
         stream down to one worker; that is known once a run is connected.\n",
    );
    text
}

fn planned(text: &mut String, row: &IterationRow) {
    for stream in &row.plan.streams {
        let _ = write!(
            text,
            "  {}: {} chunks, {}",
            stream.stream,
            stream.chunks,
            workers_word(stream.workers)
        );
        if let Some(why) = &stream.why_one_worker {
            let _ = write!(text, " ({why})");
        }
        let _ = write!(text, ", {}", stream.format);
        if let Some(why) = &stream.why_text {
            let _ = write!(text, " ({why})");
        }
        text.push('\n');
    }
    let plan = &row.plan;
    let _ = writeln!(text, "  commit {}: {}", plan.commit, plan.commit_reason);
}

fn workers_word(workers: u32) -> String {
    if workers == 1 {
        "1 worker".to_owned()
    } else {
        format!("{workers} workers")
    }
}

/// What `y` copies: the iterations as a table, medians, the verdict.
#[must_use]
pub fn markdown(app: &App) -> String {
    let mut text = format!("`rb-bench {}`\n\n", app.subject.arguments().join(" "));
    text.push_str(
        "| pair | arm | wall | MB/s | cpu % | verify |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for row in &app.iterations {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} | {:.0} | {} |",
            iterations::pair(row),
            row.upcoming.arm,
            Seconds(row.wall_s),
            row.mb_per_s,
            row.cpu_pct,
            row.verify
        );
    }
    text.push('\n');
    if let (Some(before), Some(after)) = (
        median_rate(&app.iterations, Arm::Before),
        median_rate(&app.iterations, Arm::After),
    ) {
        let _ = write!(text, "before {before:.1} MB/s, after {after:.1} MB/s");
        if let Some(ratio) = median_ratio(&app.iterations) {
            let _ = write!(text, ", x{ratio:.2}");
        }
        text.push_str("\n\n");
    }
    if let Some(verdict) = verdict(app) {
        let _ = writeln!(text, "{verdict}");
    }
    text
}

/// What the last session says, when it has ended.
fn verdict(app: &App) -> Option<&str> {
    let artifact = app.last.as_ref()?.artifact.as_ref()?;
    Some(artifact.summary.comparison.as_ref()?.text.as_str())
}
