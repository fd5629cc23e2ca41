//! One line a value: its throughput with its range, what it costs, how it stands against auto.
//!
//! ```text
//! +- Values (parallelism) ---------------------------------------+
//! | N   workers  MB/s (least .. most)  cores  MB/s/core  vs auto |
//! | 2 @       2  192 (188 .. 195)       1.90        101  = auto  |
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::bench::tune::artifact::TuneArtifact;
use crate::bench::tune::beside::{self, Beside};
use crate::report::tune::name_of;
use crate::tui::app::App;
use crate::tui::state::tune::Pane;
use crate::tui::view::columns::{self, Column, left, right};
use crate::tui::view::compare::{short_verdict, verdict_style};
use crate::tui::view::pane::{block, window};
use crate::units::ByteRate;

const AGAINST: usize = 6;
const COLUMNS: [Column; 7] = [
    left("value", 0),
    right("workers", 5),
    right("throughput (least .. most)", 0),
    right("rounds", 6),
    right("cores", 4),
    right("MB/s/core", 3),
    left("against auto", 1),
];

/// Draws the pane.
pub(super) fn view(app: &App, frame: &mut Frame, area: Rect, tuning: &TuneArtifact) {
    let theme = app.theme;
    let title = format!("Values of {}", name_of(tuning));
    let block = block(theme, &title, app.tune.pane == Pane::Values);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let beside = beside::all(tuning);
    let rows = rows(tuning, &beside);
    if rows.is_empty() {
        let text = "no round has a measured iteration yet";
        frame.render_widget(Paragraph::new(text).style(theme.quiet()), inner);
        return;
    }
    // sides that were measured alone have no reference
    let columns = match tuning.protocol.reference {
        Some(_) => &COLUMNS[..],
        None => &COLUMNS[..AGAINST],
    };
    let laid = columns::laid(theme, columns, &rows, width);
    let room = height.saturating_sub(1);
    let chosen = app.tune.scrolled[Pane::Values as usize].min(rows.len() - 1);
    let first = window(chosen.saturating_sub(room / 2), rows.len(), room);
    let mut lines = vec![Line::styled(laid.title_line(), theme.heading())];
    for (n, row) in laid.rows.iter().enumerate().skip(first).take(room) {
        let word = rows[n].get(AGAINST).map(String::as_str).unwrap_or_default();
        let cells = row.iter().zip(&laid.columns).map(|(cell, column)| {
            let style = if *column == AGAINST && !word.starts_with('=') {
                verdict_style(theme, word)
            } else {
                Style::new()
            };
            Span::styled(cell.clone(), style)
        });
        let line = Line::from(cells.collect::<Vec<_>>());
        lines.push(if n == chosen && app.tune.pane == Pane::Values {
            line.style(theme.chosen())
        } else {
            line
        });
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

fn rows(tuning: &TuneArtifact, beside: &[Beside]) -> Vec<Vec<String>> {
    let summary = &tuning.summary;
    let chosen = summary
        .choice
        .as_ref()
        .map(|choice| choice.setting.as_str());
    let reference = tuning.protocol.reference.as_deref().unwrap_or("auto");
    summary
        .settings
        .iter()
        .map(|setting| {
            let mut value = setting.setting.clone();
            if !setting.same_as.is_empty() {
                value = format!("{value} (and {})", setting.same_as.join(", "));
            }
            if chosen == Some(setting.setting.as_str()) {
                value.push_str(" choice");
            }
            let rate = |mb: f64| ByteRate(mb * 1e6).to_string();
            let spread = setting.mb_per_s;
            let [least, most] = [spread.min, spread.max].map(|mb| {
                let text = rate(mb);
                text.split(' ').next().unwrap_or_default().to_owned()
            });
            let of = beside.iter().find(|one| one.setting == setting.setting);
            vec![
                value,
                setting.workers.to_string(),
                format!("{} ({least} .. {most})", rate(spread.median)),
                setting.rounds.to_string(),
                of.and_then(|one| one.cores)
                    .map_or_else(|| "-".to_owned(), |cores| format!("{:.2}", cores.median)),
                of.and_then(|one| one.mb_per_core)
                    .map_or_else(|| "-".to_owned(), |each| format!("{:.1}", each.median)),
                of.map(|one| short_verdict(&one.against.word(reference)))
                    .unwrap_or_default(),
            ]
        })
        .collect()
}
