//! Wall time of every iteration as a dot, both sides on one scale; below it, where there is room, each in
//! figures.
//!
//! ```text
//! +- Wall time of every iteration --------+
//! | before            o  o o              |
//! | after    o2                           |
//! |          1.20 s               2.10 s  |
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr as _;

use crate::bench::compared::Compared;
use crate::bench::stats::Spread;
use crate::tui::app::App;
use crate::tui::state::compare::Pane;
use crate::tui::theme::Theme;
use crate::tui::view::pane::block;
use crate::units::Seconds;

/// Columns of the names.
const NAME: usize = 8;

/// Draws the pane.
pub(super) fn view(app: &App, frame: &mut Frame, area: Rect) {
    let (theme, state) = (app.theme, &app.compare);
    let Some(compared) = state.compared() else {
        return;
    };
    let title = "Wall time of every iteration";
    let block = block(theme, title, state.pane == Pane::Iterations);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let mut lines = strip(theme, compared, usize::from(inner.width));
    if usize::from(inner.height) > lines.len() + 2 {
        lines.push(Line::default());
        lines.extend(each(theme, compared));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

fn strip<'a>(theme: Theme, compared: &Compared, width: usize) -> Vec<Line<'a>> {
    let sides = [
        ("before", theme.before(), &compared.before.durations_s),
        ("after", theme.after(), &compared.after.durations_s),
    ];
    let all: Vec<f64> = sides
        .iter()
        .flat_map(|(_, _, s)| s.iter().copied())
        .collect();
    let Some(range) = Spread::of(&all) else {
        return vec![Line::from("no iteration counts")];
    };
    let columns = width.saturating_sub(NAME + 1).max(1);
    let mut lines: Vec<Line> = sides
        .into_iter()
        .map(|(name, style, values)| {
            let dots = dots(theme, values, range, columns);
            Line::from(vec![
                Span::styled(format!("{name:<NAME$}"), style),
                Span::styled(dots, style),
            ])
        })
        .collect();
    let [least, most] = [range.min, range.max].map(|s| Seconds(s).to_string());
    let gap = columns.saturating_sub(least.width());
    lines.push(Line::styled(
        format!("{:NAME$}{least}{most:>gap$}", ""),
        theme.quiet(),
    ));
    lines
}

/// Where several fall on one place, their number.
fn dots(theme: Theme, values: &[f64], range: Spread, columns: usize) -> String {
    let mut counts = vec![0_u32; columns];
    for value in values {
        let share = (value - range.min) / (range.max - range.min).max(f64::MIN_POSITIVE);
        counts[(share * (columns - 1) as f64).round() as usize] += 1;
    }
    let one = if theme.unicode { '●' } else { 'o' };
    let dot = |count: u32| match count {
        0 => ' ',
        1 => one,
        n => char::from_digit(n, 10).unwrap_or('+'),
    };
    counts.into_iter().map(dot).collect()
}

/// Each iteration in figures: pairs in one line each, with their ratio.
fn each<'a>(theme: Theme, compared: &Compared) -> Vec<Line<'a>> {
    let (before, after) = (&compared.before.durations_s, &compared.after.durations_s);
    let mut lines = vec![Line::styled(
        format!(
            "{:>4}  {:>9}  {:>9}  {}",
            if compared.paired { "pair" } else { "" },
            "before",
            "after",
            if compared.paired {
                "before / after"
            } else {
                ""
            }
        ),
        theme.heading(),
    )];
    for n in 0..before.len().max(after.len()) {
        let show = |of: &[f64]| {
            of.get(n)
                .map_or_else(String::new, |s| Seconds(*s).to_string())
        };
        let ratio = match (before.get(n), after.get(n)) {
            (Some(b), Some(a)) if compared.paired && *a > 0.0 => format!("x{:.2}", b / a),
            _ => String::new(),
        };
        lines.push(Line::from(format!(
            "{:>4}  {:>9}  {:>9}  {ratio}",
            n + 1,
            show(before),
            show(after)
        )));
    }
    lines
}
