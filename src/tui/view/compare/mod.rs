//! The Compare screen: the verdict first, then whether the two may be compared, then everything else.
//!
//! ```text
//!  IMPROVED wall time: after / before -15.3 % ...
//!  before  0f3a9c21 before: medium, ...
//!  after   0f3a9c21 after: medium, ...
//!  comparable: yes, in pairs in one session
//! +- Latencies chunk_us, mirror (v) -----++- Figures ----------------------------------+
//! |   before                 after       ||                 before    after   change, % |
//! +--------------------------------------++---------------------------------------------+
//! +- Wall time of every iteration ------------------------------------------------------+
//! | before   o  o o                                                                     |
//! | after                 o2                                                            |
//! +-------------------------------------------------------------------------------------+
//! ```
//!
//! Under 100 columns there is one of the two upper panes, the one that has the keys.

mod figures;
mod latencies;
mod strip;
#[cfg(test)]
mod tests;
mod verdict;

pub use verdict::{short as short_verdict, style as verdict_style};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::pane::{block, wrapped};
use crate::report;
use crate::tui::app::App;
use crate::tui::state::compare::{Outcome, Pair, Pane};

/// From which width on both upper panes are shown.
const WIDE: u16 = 100;

/// Draws the screen into what lies between the tabs and the footer.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let state = &app.compare;
    let Some(compared) = state.compared() else {
        nothing(app, frame, area);
        return;
    };
    let focus = state.pane;
    if state.is_zoomed && compared.is_comparable() {
        pane(app, frame, area, focus);
        return;
    }
    let lines = verdict::lines(app, compared, usize::from(area.width).saturating_sub(2));
    // what is below must have its least
    let head = (lines.len() as u16).min(area.height.saturating_sub(7));
    let [top, rest] = Layout::vertical([Constraint::Length(head), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(lines), inset(top));
    if !compared.is_comparable() {
        verdict::differences(app, frame, rest);
        return;
    }
    let strip = if rest.height >= 13 { 5 } else { 0 };
    let [upper, lower] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(strip)]).areas(rest);
    if upper.width >= WIDE {
        let [left, right] =
            Layout::horizontal([Constraint::Fill(2), Constraint::Fill(3)]).areas(upper);
        pane(app, frame, left, Pane::Latencies);
        pane(app, frame, right, Pane::Figures);
        pane(app, frame, lower, Pane::Iterations);
    } else if focus == Pane::Iterations {
        pane(app, frame, rest, Pane::Iterations);
    } else {
        pane(app, frame, upper, focus);
        pane(app, frame, lower, Pane::Iterations);
    }
}

fn pane(app: &mut App, frame: &mut Frame, area: Rect, pane: Pane) {
    if area.height < 3 {
        return;
    }
    match pane {
        Pane::Latencies => latencies::view(app, frame, area),
        Pane::Figures => figures::view(app, frame, area),
        Pane::Iterations => strip::view(app, frame, area),
    }
}

/// A column free on either side.
fn inset(area: Rect) -> Rect {
    Rect {
        x: area.x + 1.min(area.width),
        width: area.width.saturating_sub(2),
        ..area
    }
}

/// Which two, in words.
#[must_use]
pub fn pair_name(pair: &Pair) -> &'static str {
    match pair {
        Pair::Newest => "the newest session's arms",
        Pair::Previous => "the newest session against the one before",
        Pair::Within(_) => "the arms of a session",
        Pair::Between { .. } => "the two marked sessions",
    }
}

/// There is nothing to compare, or not yet.
fn nothing(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let title = format!("Compare: {}", pair_name(&app.compare.pair));
    let inner = block(theme, &title, true).inner(area);
    let width = usize::from(inner.width).saturating_sub(2);
    let mut lines: Vec<Line> = match &app.compare.outcome {
        Some(Outcome::Failed(why)) => wrapped(why, width).into_iter().map(Line::from).collect(),
        _ if app.compare.is_loading => vec![Line::from("reading the artifacts")],
        _ => vec![Line::from("nothing is compared yet")],
    };
    lines.push(Line::default());
    let ways = [
        "c  compares another two: the newest session's arms, the newest session against the one before, the marked two",
        "4  History: mark two sessions with b and a, then c",
        "1  Run: measure",
    ];
    for way in ways {
        lines.extend(
            wrapped(way, width)
                .into_iter()
                .map(|line| Line::styled(line, theme.quiet())),
        );
    }
    frame.render_widget(block(theme, &title, true), area);
    frame.render_widget(Paragraph::new(lines), inset(inner));
}

/// The verdict.
pub fn in_short(app: &App) -> Option<String> {
    match &app.compare.outcome {
        Some(Outcome::Compared(compared)) if compared.is_comparable() => {
            compared.verdicts.first().map(|record| record.text.clone())
        }
        Some(Outcome::Compared(compared)) => Some(compared.verdict.clone()),
        Some(Outcome::Failed(why)) => Some(why.clone()),
        None => None,
    }
}

/// What `y` copies: the markdown of `rb-bench compare --format markdown`.
pub fn markdown(app: &App) -> String {
    app.compare
        .compared()
        .map(report::compared::markdown)
        .unwrap_or_default()
}
