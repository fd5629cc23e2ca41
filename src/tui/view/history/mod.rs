//! The History screen: what is saved, the course of the chosen one's series, what could not be read.
//!
//! ```text
//!  bench-results: 12 saved, 1 not read      sorted by began      before 00000001  after 00000004
//! +- Saved 12 --------------------------------------------++- Trend: medium, parallelism=auto -+
//! |    began             id        profile  MB/s  verdict ||  .:-=+*                           |
//! +-------------------------------------------------------++------------------------------------+
//! +- Not read 1 -------------------------------------------------------------------------------+
//! ```
//!
//! Under 100 columns the trend stands below, and gives way where there are few lines.

mod list;
#[cfg(test)]
mod tests;
mod trend;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::columns;
use super::pane::{block, fitted, window, wrapped};
use crate::bench::order::Arm;
use crate::tui::app::App;
use crate::tui::state::history::{Pane, began};
use crate::units::ByteRate;

/// From which width on the trend stands beside the list.
const WIDE: u16 = 100;

/// Draws the screen into what lies between the tabs and the footer.
pub fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let focus = app.history.pane;
    if app.history.is_zoomed {
        pane(app, frame, area, focus);
        return;
    }
    let unreadable = app
        .history
        .listing
        .as_ref()
        .map_or(0, |l| l.unreadable.len());
    let below = if unreadable == 0 || area.height < 12 {
        0
    } else if app.history.pane == Pane::Unreadable {
        (unreadable as u16 + 2).min(area.height / 2)
    } else {
        3
    };
    let [head, rest, lower] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(below),
    ])
    .areas(area);
    frame.render_widget(headline(app, usize::from(head.width)), head);
    pane(app, frame, lower, Pane::Unreadable);
    if rest.width >= WIDE {
        let [left, right] =
            Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(rest);
        pane(app, frame, left, Pane::Saved);
        pane(app, frame, right, Pane::Trend);
        return;
    }
    let height = match (app.history.pane, rest.height) {
        (Pane::Trend, height) if height >= 14 => 9,
        (_, height) if height >= 16 => 6,
        (Pane::Trend, _) => rest.height,
        _ => 0,
    };
    let [upper, lower] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(height)]).areas(rest);
    pane(app, frame, upper, Pane::Saved);
    pane(app, frame, lower, Pane::Trend);
}

fn pane(app: &mut App, frame: &mut Frame, area: Rect, pane: Pane) {
    if area.height < 3 {
        return;
    }
    match pane {
        Pane::Saved => list::view(app, frame, area),
        Pane::Trend => trend::view(app, frame, area),
        Pane::Unreadable => not_read(app, frame, area),
    }
}

/// Where, how many, in which order, what is marked.
fn headline<'a>(app: &App, width: usize) -> Line<'a> {
    let (theme, state) = (app.theme, &app.history);
    let (saved, unreadable) = state
        .listing
        .as_ref()
        .map_or((0, 0), |l| (l.rows.len(), l.unreadable.len()));
    let mut parts = vec![format!(" {}: {saved} saved", app.out.display())];
    if unreadable > 0 {
        parts.push(format!("{unreadable} not read"));
    }
    if !state.filter.is_empty() {
        parts.push(format!(
            "{} with \"{}\"",
            state.arranged().len(),
            state.filter
        ));
    }
    let turned = if state.is_inverted { ", inverted" } else { "" };
    parts.push(format!("by {}{turned}", state.order.name()));
    let listing = state.listing.as_ref();
    let id = |file: &String| {
        let rows = listing.map(|l| l.rows.as_slice()).unwrap_or_default();
        let row = rows.iter().find(|row| row.file() == file);
        row.map_or_else(|| file.clone(), |row| row.id().to_owned())
    };
    let mut spans = vec![Span::styled(parts.join(", "), theme.heading())];
    for (arm, style) in [(Arm::Before, theme.before()), (Arm::After, theme.after())] {
        if let Some(file) = state.marks.get(&arm) {
            spans.push(Span::styled(format!("  {arm} {}", id(file)), style));
        }
    }
    let used: usize = spans.iter().map(Span::width).sum();
    if used > width {
        let text: String = spans.iter().map(|span| span.content.as_ref()).collect();
        return Line::styled(fitted(theme, &text, width), theme.heading());
    }
    Line::from(spans)
}

/// Files that should be artifacts and cannot be read, each with the reason.
fn not_read(app: &mut App, frame: &mut Frame, area: Rect) {
    let (theme, state) = (app.theme, &app.history);
    let unreadable = state
        .listing
        .as_ref()
        .map(|l| l.unreadable.as_slice())
        .unwrap_or_default();
    let title = format!("Not read {}", unreadable.len());
    let block = block(theme, &title, state.pane == Pane::Unreadable);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let height = usize::from(inner.height);
    let first = window(state.scrolled, unreadable.len(), height);
    let lines: Vec<Line> = unreadable
        .iter()
        .skip(first)
        .take(height)
        .map(|one| {
            let text = format!("{}: {}", one.file, one.reason.replace('\n', " "));
            Line::styled(
                fitted(theme, &text, usize::from(inner.width)),
                theme.warning(),
            )
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inner);
    // what was scrolled past the end is taken back
    app.history.scrolled = first;
}

/// Lines for a screen with nothing in it.
fn empty<'a>(app: &App, width: usize) -> Vec<Line<'a>> {
    let state = &app.history;
    let text = match (&state.problem, &state.listing) {
        (Some(problem), _) => problem.clone(),
        (None, None) if state.is_loading => format!("looking through {}", app.out.display()),
        (None, Some(listing)) if !listing.rows.is_empty() => {
            "nothing saved passes the filter; Esc clears it".to_owned()
        }
        _ => format!(
            "nothing is saved in {} yet; 5 chooses what to measure, g runs it",
            app.out.display()
        ),
    };
    wrapped(&text, width).into_iter().map(Line::from).collect()
}

/// How many are saved.
pub fn in_short(app: &App) -> Option<String> {
    let listing = app.history.listing.as_ref()?;
    let (saved, not_read) = (listing.rows.len(), listing.unreadable.len());
    Some(format!("{saved} saved, {not_read} not read"))
}

/// What `y` copies: the rows that are shown, as a table.
pub fn markdown(app: &App) -> String {
    use std::fmt::Write as _;

    let mut text = String::from(
        "| began | id | profile | label | settings | throughput | verdict |\n| --- | --- | --- | --- | --- | ---: | --- |\n",
    );
    for row in app.history.arranged() {
        let rate = row.mb_per_s().map(|mb| ByteRate(mb * 1e6).to_string());
        let cells = [
            began(row.created_at()),
            row.id().to_owned(),
            row.profile().to_owned(),
            row.label().to_owned(),
            row.settings(),
            rate.unwrap_or_default(),
            row.standing(),
        ];
        let cells = cells.map(|cell| crate::report::compared::escaped(&cell));
        // writing to a String cannot fail
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}
