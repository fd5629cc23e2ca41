//! The course of the chosen session's series: its throughput from session to session, and where its level
//! changed.
//!
//! ```text
//! +- Trend: medium, parallelism=auto ---+
//! | 125 MB/s .. 158 MB/s, oldest first  |
//! |  o oo o                             |
//! |         v ooo                       |
//! | v from 00000005 on: -19.8 % ...     |
//! ```

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{block, wrapped};
use crate::bench::stats::Spread;
use crate::bench::trend::{Change, Trend};
use crate::bench::verdict::signed_percent;
use crate::tui::app::App;
use crate::tui::state::history::{Listing, Pane, Row, State};
use crate::tui::theme::Theme;
use crate::units::ByteRate;

/// Draws the pane.
pub(super) fn view(app: &App, frame: &mut Frame, area: Rect) {
    let (theme, state) = (app.theme, &app.history);
    let chosen = state.chosen();
    let trend = chosen.and_then(|row| state.trend_of(row));
    let title = trend.map_or_else(|| "Trend".to_owned(), title);
    let frame_of = block(theme, &title, state.pane == Pane::Trend);
    let inner = frame_of.inner(area);
    frame.render_widget(frame_of, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let lines = match (chosen, trend, &state.listing) {
        (Some(row), Some(trend), Some(listing)) => {
            course(theme, listing, trend, row, width, height)
        }
        (Some(row), ..) => details(state, row, width),
        _ => Vec::new(),
    };
    frame.render_widget(Paragraph::new(lines), inner);
}

fn title(trend: &Trend) -> String {
    if trend.settings.is_empty() {
        format!("Trend: {}", trend.profile)
    } else {
        format!("Trend: {}, {}", trend.profile, trend.settings)
    }
}

/// What is in no series.
fn details<'a>(state: &State, row: &Row, width: usize) -> Vec<Line<'a>> {
    let text = match row {
        Row::Tuning(entry) => {
            let regret = entry.regret.map_or_else(String::new, |regret| {
                format!("; auto loses {:.1} % against the choice", regret * 100.0)
            });
            format!(
                "a tuning: {}{regret}. Enter opens it on Tune",
                match &entry.choice {
                    Some(choice) => format!("the choice is {choice}"),
                    None => state
                        .chosen()
                        .map(Row::standing)
                        .filter(|standing| !standing.is_empty())
                        .unwrap_or_else(|| "it has no choice".to_owned()),
                }
            )
        }
        Row::Session(_) => "in no series: it has no valid measurement".to_owned(),
    };
    wrapped(&text, width).into_iter().map(Line::from).collect()
}

fn course<'a>(
    theme: Theme,
    listing: &Listing,
    trend: &Trend,
    chosen: &Row,
    width: usize,
    height: usize,
) -> Vec<Line<'a>> {
    let rates: BTreeMap<&str, f64> = listing
        .rows
        .iter()
        .filter_map(|row| Some((row.id(), row.mb_per_s()?)))
        .collect();
    let points: Vec<(&str, f64)> = trend
        .sessions
        .iter()
        .filter_map(|id| Some((id.as_str(), *rates.get(id.as_str())?)))
        .collect();
    // the newest that fit
    let points = &points[points.len().saturating_sub(width)..];
    let values: Vec<f64> = points.iter().map(|(_, rate)| *rate).collect();
    let Some(spread) = Spread::of(&values) else {
        return Vec::new();
    };
    let words = words(theme, trend, width);
    let drawn = height.saturating_sub(words.len() + 1).clamp(2, 24);
    let [least, most] = [spread.min, spread.max].map(|mb| ByteRate(mb * 1e6));
    let mut lines = vec![Line::styled(
        format!("{least} .. {most}, oldest first"),
        theme.quiet(),
    )];
    lines.extend(dots(theme, trend, points, spread, chosen.id(), drawn));
    lines.extend(words);
    lines.truncate(height);
    lines
}

/// One column a session, oldest first; where the level changes, a sign in place of the dot.
fn dots<'a>(
    theme: Theme,
    trend: &Trend,
    points: &[(&str, f64)],
    spread: Spread,
    chosen: &str,
    height: usize,
) -> Vec<Line<'a>> {
    let dot = if theme.unicode { "●" } else { "o" };
    let mut lines: Vec<Vec<Span>> = vec![Vec::new(); height];
    for (id, rate) in points {
        let share = (rate - spread.min) / (spread.max - spread.min).max(f64::MIN_POSITIVE);
        let at = height - 1 - (share * (height - 1) as f64).round() as usize;
        let change = trend.changes.iter().find(|change| change.id == *id);
        let (sign, style) = match change {
            Some(change) if change.ratio > 1.0 => (mark(theme, change), theme.good()),
            Some(change) => (mark(theme, change), theme.bad()),
            None => (dot, theme.after()),
        };
        let style = if *id == chosen { theme.chosen() } else { style };
        for (n, line) in lines.iter_mut().enumerate() {
            line.push(if n == at {
                Span::styled(sign, style)
            } else {
                Span::raw(" ")
            });
        }
    }
    lines.into_iter().map(Line::from).collect()
}

fn mark(theme: Theme, change: &Change) -> &'static str {
    match (change.ratio > 1.0, theme.unicode) {
        (true, true) => "▲",
        (false, true) => "▼",
        (true, false) => "^",
        (false, false) => "v",
    }
}

fn words<'a>(theme: Theme, trend: &Trend, width: usize) -> Vec<Line<'a>> {
    let count = match trend.sessions.len() {
        1 => "1 session".to_owned(),
        n => format!("{n} sessions"),
    };
    let mut texts = Vec::new();
    for change in &trend.changes {
        let style = if change.ratio > 1.0 {
            theme.good()
        } else {
            theme.bad()
        };
        let faster = if change.ratio > 1.0 {
            "faster"
        } else {
            "slower"
        };
        texts.push((
            format!(
                "{} {faster} from {} on: {} % (medians of {} and {} sessions, p = {:.3})",
                mark(theme, change),
                change.id,
                signed_percent(change.ratio),
                change.before,
                change.after,
                change.p
            ),
            style,
        ));
    }
    if trend.missing > 0 {
        texts.push((
            format!("no change is looked for: that takes {} more", trend.missing),
            ratatui::style::Style::new(),
        ));
    } else if trend.changes.is_empty() {
        texts.push((
            "no change of level was found".to_owned(),
            ratatui::style::Style::new(),
        ));
    }
    texts.push((
        format!("{count} under the same conditions ({})", trend.conditions),
        ratatui::style::Style::new(),
    ));
    texts
        .into_iter()
        .flat_map(|(text, style)| {
            let lines = wrapped(&text, width).into_iter();
            lines.map(move |line| Line::styled(line, style))
        })
        .collect()
}
