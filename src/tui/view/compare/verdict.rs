//! The verdict, both sides, and whether they may be compared.
//!
//! ```text
//!  IMPROVED duration_s: ...
//!  before  0f3a9c21 before: medium, rb-bench 0.1.0 release, 2026-11-23 20:27, resources.parallelism=1
//!  after   0f3a9c21 after: medium, ...
//!  comparable: yes, in pairs in one session
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::bench::compared::Compared;
use crate::report::compared::{UNPAIRED, side};
use crate::tui::app::App;
use crate::tui::theme::Theme;
use crate::tui::view::pane::{block, fitted, window, wrapped};

/// How a verdict's word looks.
#[must_use]
pub fn style(theme: Theme, verdict: &str) -> Style {
    match verdict {
        "IMPROVED" => theme.good(),
        "REGRESSED" | "INVALID" | "NOT COMPARABLE" => theme.bad(),
        "EQUIVALENT" => theme.heading(),
        _ => theme.warning(),
    }
}

/// A verdict's word in a cell of a table, where there is little room.
#[must_use]
pub fn short(verdict: &str) -> String {
    verdict.replace("INSUFFICIENT DATA", "too few data")
}

/// The head of the screen in lines of at most so many columns.
pub(super) fn lines<'a>(app: &App, compared: &Compared, width: usize) -> Vec<Line<'a>> {
    let theme = app.theme;
    let mut lines = Vec::new();
    if compared.is_comparable() {
        for record in &compared.verdicts {
            let style = style(theme, &record.verdict);
            let mut parts = wrapped(&record.text, width).into_iter();
            if let Some(first) = parts.next() {
                lines.push(worded(&first, &record.verdict, style));
            }
            lines.extend(parts.map(Line::from));
        }
    } else {
        lines.push(Line::styled(
            compared.verdict.clone(),
            style(theme, &compared.verdict),
        ));
    }
    for (name, style, record) in [
        ("before  ", theme.before(), &compared.before),
        ("after   ", theme.after(), &compared.after),
    ] {
        let text = fitted(theme, &side(record), width.saturating_sub(8));
        lines.push(Line::from(vec![Span::styled(name, style), Span::raw(text)]));
    }
    let which = super::pair_name(&app.compare.pair);
    for text in wrapped(&format!("{} ({which})", comparable(compared)), width) {
        lines.push(Line::from(text));
    }
    lines
}

/// The line with the verdict's word set off.
fn worded<'a>(line: &str, word: &str, style: Style) -> Line<'a> {
    match line.split_once(word) {
        Some((before, after)) => Line::from(vec![
            Span::raw(before.to_owned()),
            Span::styled(word.to_owned(), style),
            Span::raw(after.to_owned()),
        ]),
        None => Line::styled(line.to_owned(), style),
    }
}

/// Whether the two may be compared, in words.
fn comparable(compared: &Compared) -> String {
    let differs = match compared.differences.len() {
        0 => String::new(),
        1 => "comparable: no, 1 condition differs; a allows it".to_owned(),
        n => format!("comparable: no, {n} conditions differ; a allows the chosen one"),
    };
    if !differs.is_empty() {
        return differs;
    }
    if compared.paired {
        return "comparable: yes, in pairs in one session".to_owned();
    }
    let waived: Vec<String> = compared.waived.iter().map(ToString::to_string).collect();
    if waived.is_empty() {
        format!("comparable: yes, nothing differs; {UNPAIRED}")
    } else {
        format!(
            "comparable: only because you allowed {}; {UNPAIRED}",
            waived.join(", ")
        )
    }
}

/// Every difference by name, in place of figures.
pub(super) fn differences(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let all = app.compare.differences();
    let title = format!("What differs {} (a allows the chosen one)", all.len());
    let block = block(theme, &title, true);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let chosen = app.compare.chosen.min(all.len().saturating_sub(1));
    let first = window(chosen.saturating_sub(height / 2), all.len(), height);
    let lines: Vec<Line> = all
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(n, (is_waived, difference))| {
            let sign = if n == chosen { ">" } else { " " };
            let word = if *is_waived { "allowed  " } else { "differs  " };
            let text = fitted(theme, &format!("{sign} {word}{difference}"), width);
            let style = match (n == chosen, *is_waived) {
                (true, _) => theme.chosen(),
                (false, true) => theme.quiet(),
                (false, false) => Style::new(),
            };
            Line::styled(text, style)
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inner);
}
