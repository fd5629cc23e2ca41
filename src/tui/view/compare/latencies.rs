//! Latencies of both sides on one scale: back to back, over each other, or as percentiles.
//!
//! ```text
//! +- Latencies chunk_us 1/4, mirror ---------+
//! |      before                       after  |
//! |      ######  100 ms .. 120 ms  ##        |
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr as _;

use crate::bench::compared::{Compared, Distribution, Percentiles};
use crate::report::compared::micros;
use crate::tui::app::App;
use crate::tui::state::compare::{Pane, Shape};
use crate::tui::theme::Theme;
use crate::tui::view::columns::{self, Column, left, right};
use crate::tui::view::pane::{block, fitted};

/// Most columns of one side's bars.
const WIDEST: usize = 50;

const COLUMNS: [Column; 8] = [
    left("", 0),
    left("", 0),
    right("values", 5),
    right("p50", 0),
    right("p90", 4),
    right("p99", 1),
    right("p99.9", 3),
    right("max", 2),
];

/// Draws the pane.
pub(super) fn view(app: &App, frame: &mut Frame, area: Rect) {
    let (theme, state) = (app.theme, &app.compare);
    let (Some(compared), distribution) = (state.compared(), state.distribution()) else {
        return;
    };
    let count = compared.distributions.len();
    let shape = state.shape;
    let title = match (distribution, shape) {
        (Some(one), Shape::Mirror | Shape::Overlay) => format!(
            "{} {}/{count}, {} (v)",
            one.name,
            state.chosen.min(count - 1) + 1,
            shape.name()
        ),
        _ => format!("Latencies, {} (v)", shape.name()),
    };
    let block = block(theme, &title, state.pane == Pane::Latencies);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width);
    let lines = match (distribution, shape) {
        (None, _) => vec![Line::from("no latency was recorded")],
        (Some(one), Shape::Mirror) => mirrored(theme, one, width),
        (Some(one), Shape::Overlay) => overlaid(theme, one, width),
        (Some(_), Shape::Table) => percentiles(theme, compared, width),
    };
    let height = usize::from(inner.height);
    let hidden = lines.len().saturating_sub(height);
    let mut lines = lines;
    if hidden > 0 && height > 0 {
        lines.truncate(height - 1);
        lines.push(Line::styled(
            fitted(theme, &format!("{} lines more: z zooms", hidden + 1), width),
            theme.quiet(),
        ));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

fn ranges(distribution: &Distribution) -> (Vec<String>, usize) {
    let ranges: Vec<String> = distribution
        .classes
        .iter()
        .map(|class| format!("{} .. {}", micros(class.from_us), micros(class.to_us)))
        .collect();
    let widest = ranges.iter().map(|range| range.width()).max().unwrap_or(0);
    (ranges, widest)
}

fn largest(distribution: &Distribution) -> f64 {
    let shares = distribution
        .classes
        .iter()
        .flat_map(|c| [c.before, c.after]);
    shares.fold(f64::MIN_POSITIVE, f64::max)
}

/// Columns of a share; what is not nothing has one at least.
fn columns_of(share: f64, width: usize) -> usize {
    let columns = (share * width as f64).round() as usize;
    columns.clamp(usize::from(share > 0.0), width.max(1))
}

fn mirrored<'a>(theme: Theme, distribution: &Distribution, width: usize) -> Vec<Line<'a>> {
    let (ranges, middle) = ranges(distribution);
    let side = (width.saturating_sub(middle + 4) / 2).min(WIDEST);
    let most = largest(distribution);
    let full = if theme.unicode { "█" } else { "#" };
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{:>side$}", "before"), theme.before()),
        Span::raw(format!("  {:^middle$}  ", "")),
        Span::styled("after", theme.after()),
    ])];
    for (class, range) in distribution.classes.iter().zip(&ranges) {
        let [before, after] =
            [class.before, class.after].map(|share| columns_of(share / most, side));
        lines.push(Line::from(vec![
            Span::raw(" ".repeat(side.saturating_sub(before))),
            Span::styled(full.repeat(before), theme.before()),
            Span::raw(format!("  {range:^middle$}  ")),
            Span::styled(full.repeat(after), theme.after()),
        ]));
    }
    lines
}

/// Both bars from one place; what both reach has a sign of its own.
fn overlaid<'a>(theme: Theme, distribution: &Distribution, width: usize) -> Vec<Line<'a>> {
    let (ranges, first) = ranges(distribution);
    let room = width.saturating_sub(first + 2).min(2 * WIDEST);
    let most = largest(distribution);
    let [both, before, after] = if theme.unicode {
        ["█", "▒", "░"]
    } else {
        ["#", "b", "a"]
    };
    let mut lines = vec![Line::from(vec![
        Span::raw(format!("{both} both  ")),
        Span::styled(format!("{before} before alone  "), theme.before()),
        Span::styled(format!("{after} after alone"), theme.after()),
    ])];
    for (class, range) in distribution.classes.iter().zip(&ranges) {
        let [b, a] = [class.before, class.after].map(|share| columns_of(share / most, room));
        let alone = if b > a {
            Span::styled(before.repeat(b - a), theme.before())
        } else {
            Span::styled(after.repeat(a - b), theme.after())
        };
        lines.push(Line::from(vec![
            Span::raw(format!("{range:>first$}  ")),
            Span::raw(both.repeat(b.min(a))),
            alone,
        ]));
    }
    lines
}

fn percentiles<'a>(theme: Theme, compared: &Compared, width: usize) -> Vec<Line<'a>> {
    let cells = |side: Option<Percentiles>| -> Vec<String> {
        let Some(side) = side else {
            return vec!["none".to_owned()];
        };
        let values = [side.p50, side.p90, side.p99, side.p99_9, side.max];
        let values = values.into_iter().map(|us| micros(us as f64));
        std::iter::once(side.count.to_string())
            .chain(values)
            .collect()
    };
    let rows: Vec<Vec<String>> = compared
        .distributions
        .iter()
        .flat_map(|one| {
            [("before", one.before), ("after", one.after)].map(|(name, side)| {
                let mut row = vec![one.name.to_owned(), name.to_owned()];
                row.extend(cells(side));
                row
            })
        })
        .collect();
    let laid = columns::laid(theme, &COLUMNS, &rows, width);
    let mut lines = vec![Line::styled(laid.title_line(), theme.heading())];
    for (n, row) in laid.rows.iter().enumerate() {
        let style = if n % 2 == 0 {
            theme.before()
        } else {
            theme.after()
        };
        lines.push(Line::styled(row.concat(), style));
    }
    lines
}
