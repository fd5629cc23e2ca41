//! The Tune screen: the sweep as it fills, the choice, and what auto loses against it.
//!
//! ```text
//!  medium: parallelism, 3 rounds of 8 values, seed 5                                 id 0f3a9c21
//! +- Throughput over workers -----------------++- Values --------------------------------------+
//! | 192 MB/s          @....                   || N  workers  median (range)  cores  vs auto    |
//! |            o..                            ||                                               |
//! |  1   2   3   4      6      8              ||                                               |
//! +-------------------------------------------++-----------------------------------------------+
//! +- Choice -----------------------------------------------------------------------------------+
//! | choice   2: not worse than the best ...                                                    |
//! +--------------------------------------------------------------------------------------------+
//! ```
//!
//! Under 100 columns the values come first, then the choice, and the chart where there is room.

mod chart;
mod choice;
#[cfg(test)]
mod tests;
mod values;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr as _;

use super::pane::{block, fitted, wrapped};
use crate::bench::tune::artifact::TuneArtifact;
use crate::report;
use crate::report::tune::name_of;
use crate::tui::app::App;
use crate::tui::state::tune::Pane;

/// From which width on chart and values stand beside each other.
const WIDE: u16 = 100;
/// The least lines of a chart that says something.
const LEAST_CHART: u16 = 9;

/// Draws the screen into what lies between the tabs and the footer.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let Some(shown) = app.tune.shown.clone() else {
        nothing(app, frame, area);
        return;
    };
    let tuning = shown.as_ref();
    let width = usize::from(area.width).saturating_sub(2);
    let words = choice::lines(app, tuning, width).len();
    // what was scrolled past the end is taken back
    let scrolled = &mut app.tune.scrolled[Pane::Choice as usize];
    *scrolled = (*scrolled).min(words.saturating_sub(1));
    if app.tune.is_zoomed {
        pane(app, frame, area, app.tune.pane, tuning);
        return;
    }
    let [head, rest] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    frame.render_widget(headline(app, tuning, usize::from(head.width)), head);
    let values = (tuning.protocol.values.len() as u16 + 3).max(5);
    let words = words as u16;
    let words = (words + 2).min((rest.height / 2).max(4));
    if rest.width >= WIDE {
        let [upper, lower] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(words)]).areas(rest);
        let [left, right] =
            Layout::horizontal([Constraint::Fill(3), Constraint::Fill(5)]).areas(upper);
        pane(app, frame, left, Pane::Chart, tuning);
        pane(app, frame, right, Pane::Values, tuning);
        pane(app, frame, lower, Pane::Choice, tuning);
        return;
    }
    let values = values.min(rest.height.saturating_sub(4)).max(3);
    let left = rest.height.saturating_sub(values);
    let chart = if left >= LEAST_CHART + words {
        left - words
    } else {
        0
    };
    // the chart has the place of the values while it has the keys
    let (upper, upper_height) = if app.tune.pane == Pane::Chart && chart == 0 {
        (Pane::Chart, values.max(rest.height.saturating_sub(words)))
    } else {
        (Pane::Values, values)
    };
    let [first, second, third] = Layout::vertical([
        Constraint::Length(upper_height),
        Constraint::Length(chart),
        Constraint::Fill(1),
    ])
    .areas(rest);
    pane(app, frame, first, upper, tuning);
    pane(app, frame, second, Pane::Chart, tuning);
    pane(app, frame, third, Pane::Choice, tuning);
}

fn pane(app: &App, frame: &mut Frame, area: Rect, pane: Pane, tuning: &TuneArtifact) {
    if area.height < 3 {
        return;
    }
    match pane {
        Pane::Values => values::view(app, frame, area, tuning),
        Pane::Chart => chart::view(app, frame, area, tuning),
        Pane::Choice => choice::view(app, frame, area, tuning),
    }
}

/// What was tuned, how, and what is known of its end.
fn headline<'a>(app: &App, tuning: &TuneArtifact, width: usize) -> Line<'a> {
    let protocol = &tuning.protocol;
    let left = format!(
        " {}: {}, {} rounds of {} values, seed {}",
        tuning.profile.name,
        name_of(tuning),
        protocol.rounds,
        protocol.values.len(),
        protocol.seed
    );
    let state = if app.tune.is_live {
        format!("{} iterations so far", tuning.iterations.len())
    } else if tuning.partial && protocol.knob.is_some() {
        "PARTIAL: r goes on with it".to_owned()
    } else if tuning.partial {
        "PARTIAL".to_owned()
    } else {
        "complete".to_owned()
    };
    let right = format!("{state}  id {} ", tuning.id);
    let gap = width.saturating_sub(left.width() + right.width());
    if gap < 2 {
        return Line::styled(
            fitted(
                app.theme,
                &format!(" {state}, {}", left.trim_start()),
                width,
            ),
            app.theme.heading(),
        );
    }
    Line::styled(
        format!("{left}{}{right}", " ".repeat(gap)),
        app.theme.heading(),
    )
}

/// No tuning is shown: what can be begun.
fn nothing(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let frame_of = block(theme, "Tune", true);
    let inner = frame_of.inner(area);
    frame.render_widget(frame_of, area);
    let width = usize::from(inner.width).saturating_sub(2);
    let mut lines = Vec::new();
    if app.tune.is_live {
        let text =
            "the servers are made ready; the first round follows the warm-up. l shows what happens";
        lines.extend(wrapped(text, width).into_iter().map(Line::from));
    } else {
        let ways = [
            format!("t  tunes the parallelism of {}: every value in 3 rounds, then the choice against auto in 10 pairs", app.subject.name()),
            format!("i  says which side limits {}: the whole beside the source alone and the destination alone", app.subject.name()),
            "n  measures the noise of this machine and profile: two equal arms; no smaller change is called one then".to_owned(),
            "r  goes on with the tuning that was interrupted last".to_owned(),
            "4  History has saved tunings; Enter opens one here".to_owned(),
        ];
        for way in ways {
            lines.extend(wrapped(&way, width).into_iter().map(Line::from));
        }
    }
    let inner = Rect {
        x: inner.x + 1.min(inner.width),
        width: inner.width.saturating_sub(2),
        ..inner
    };
    frame.render_widget(Paragraph::new(lines), inner);
}

/// The choice and what auto loses against it, else how far the sweep is.
pub fn in_short(app: &App) -> Option<String> {
    let tuning = app.tune.shown.as_ref()?;
    let summary = &tuning.summary;
    Some(
        match (&summary.choice, &summary.confirmation, &summary.limit) {
            (_, Some(confirmation), _) => confirmation.text.clone(),
            (Some(choice), None, _) => format!("choice {}", choice.setting),
            (None, None, Some(limit)) => limit.text.clone(),
            (None, None, None) => format!("{} iterations", tuning.iterations.len()),
        },
    )
}

/// What `y` copies: the tuning as `rb-bench tune` prints it, as a block of text.
pub fn markdown(app: &App) -> String {
    let Some(tuning) = &app.tune.shown else {
        return String::new();
    };
    let path = app.tune.path.as_deref();
    let text = report::tune::text(tuning, path, report::Paper::PLAIN);
    format!("```text\n{}\n```\n", text.trim_end())
}
