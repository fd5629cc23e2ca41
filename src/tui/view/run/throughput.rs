//! How fast it is now, and what each arm has come to.
//!
//! ```text
//! +- Throughput -----------------------+
//! | now 288.3 MB/s    5.6 krow/s       |
//! | before 241.0   after 287.9  x1.19  |
//! |   ..::--==++**##****####**####     |
//! +------------------------------------+
//! ```

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use crate::bench::order::Arm;
use crate::tui::app::App;
use crate::tui::snapshot::{median_rate, median_ratio};
use crate::tui::view::pane::block;
use crate::units::{ByteRate, RowRate};

/// Draws the pane.
pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let pane = block(theme, "Throughput", false);
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let width = usize::from(inner.width).saturating_sub(2);
    let values = squeezed(&app.seen.rates, width);
    let lines = vec![
        Line::from(vec![
            Span::raw(" now "),
            Span::styled(now(app), theme.heading()),
        ]),
        arms(app),
        Line::styled(
            format!(" {}", theme.sparkline(values.iter(), width)),
            theme.after(),
        ),
    ];
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}

/// The same in one line.
pub fn line(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let mut spans = vec![
        Span::raw(" "),
        Span::styled(now(app), theme.heading()),
        Span::raw(" "),
    ];
    spans.extend(arms(app).spans);
    let used: usize = spans.iter().map(Span::width).sum();
    let width = usize::from(area.width).saturating_sub(used + 2).min(40);
    let values = squeezed(&app.seen.rates, width);
    spans.push(Span::raw(" "));
    spans.push(Span::styled(
        theme.sparkline(values.iter(), width),
        theme.after(),
    ));
    frame.render_widget(Line::from(spans), area);
}

fn now(app: &App) -> String {
    format!(
        "{}  {}",
        ByteRate(app.seen.mb_per_s * 1e6),
        RowRate(app.seen.rows_per_s)
    )
}

/// The medians of both arms, and the ratio of the pairs.
fn arms<'a>(app: &App) -> Line<'a> {
    let theme = app.theme;
    let rate = |arm| {
        median_rate(&app.iterations, arm)
            .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))
    };
    let ratio = median_ratio(&app.iterations).map_or_else(String::new, |r| format!("x{r:.2}"));
    Line::from(vec![
        Span::raw(" before "),
        Span::styled(rate(Arm::Before), theme.before()),
        Span::raw("  after "),
        Span::styled(rate(Arm::After), theme.after()),
        Span::raw("  "),
        Span::styled(ratio, theme.heading()),
    ])
}

/// Samples in so many columns: as they are where they fit, else each column the mean of its samples.
#[must_use]
pub fn squeezed(samples: &VecDeque<f64>, columns: usize) -> Vec<f64> {
    if columns == 0 || samples.len() <= columns {
        return samples.iter().copied().collect();
    }
    (0..columns)
        .map(|n| {
            let from = n * samples.len() / columns;
            let to = ((n + 1) * samples.len() / columns).max(from + 1);
            let part = samples.range(from..to.min(samples.len()));
            part.sum::<f64>() / (to - from) as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_samples_become_means_and_few_stay() {
        let samples: VecDeque<f64> = [1.0, 3.0, 5.0, 7.0].into();
        assert_eq!(squeezed(&samples, 2), [2.0, 6.0]);
        assert_eq!(squeezed(&samples, 9), [1.0, 3.0, 5.0, 7.0]);
        assert_eq!(squeezed(&samples, 3).len(), 3);
        assert_eq!(squeezed(&samples, 0).len(), 4);
    }
}
