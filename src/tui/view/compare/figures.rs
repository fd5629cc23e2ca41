//! The table of figures: both sides, and the change with its interval where there are data for one.
//!
//! ```text
//! +- Figures (medians; changes at 95 %) -----------------+
//! |                    before     after        change, % |
//! | wall time          2.05 s    1.20 s  -41.2 (-43 ..)  |
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::bench::compared::Measure;
use crate::bench::stats::Spread;
use crate::report::compared::{change, figure, number};
use crate::tui::app::App;
use crate::tui::state::compare::Pane;
use crate::tui::view::columns::{self, Column, left, right};
use crate::tui::view::pane::{block, window};

const COLUMNS: [Column; 4] = [
    left("", 0),
    right("before", 0),
    right("after", 0),
    right("change, % (95 % interval)", 0),
];

/// Draws the pane; with ranges where they fit, else medians alone.
pub(super) fn view(app: &mut App, frame: &mut Frame, area: Rect) {
    let (theme, state) = (app.theme, &app.compare);
    let Some(compared) = state.compared() else {
        return;
    };
    let rows = |show: fn(&Measure, Option<Spread>) -> String| -> Vec<Vec<String>> {
        let row = |measure: &Measure| {
            vec![
                measure.name.to_owned(),
                show(measure, measure.before),
                show(measure, measure.after),
                change(measure).unwrap_or_else(|| "too few data".to_owned()),
            ]
        };
        compared.measures.iter().map(row).collect()
    };
    let width = usize::from(area.width).saturating_sub(2);
    let whole = rows(figure);
    let fits = {
        let wide = columns::laid(theme, &COLUMNS, &whole, usize::MAX / 2);
        wide.title_line().chars().count() <= width
    };
    let (title, rows) = if fits {
        ("Figures: median (least .. most)", whole)
    } else {
        ("Figures: medians (z: with ranges)", rows(median))
    };
    let block = block(theme, title, state.pane == Pane::Figures);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let laid = columns::laid(theme, &COLUMNS, &rows, width);
    let height = usize::from(inner.height).saturating_sub(1);
    let first = window(state.scrolled, rows.len(), height);
    let mut lines = vec![Line::styled(laid.title_line(), theme.heading())];
    let shown = laid.rows.iter().skip(first).take(height);
    lines.extend(shown.map(|row| Line::from(row.concat())));
    frame.render_widget(Paragraph::new(lines), inner);
    // what was scrolled past the end is taken back
    app.compare.scrolled = first;
}

fn median(measure: &Measure, value: Option<Spread>) -> String {
    value.map_or_else(
        || "unknown".to_owned(),
        |value| number(measure.unit, value.median),
    )
}
