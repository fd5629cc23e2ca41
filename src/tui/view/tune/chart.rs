//! Throughput over workers: each value's median with its range, and the fitted curve.
//!
//! ```text
//! +- Throughput over workers ---------------+
//! | 200 |              .....@.....          |
//! |     |         ..o..                     |
//! |     |    o.                             |
//! |   0 +-----------------------------------|
//! |       1    2    3    4                  |
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr as _;

use crate::bench::tune::artifact::{SettingSummary, TuneArtifact};
use crate::bench::tune::knob::Knob;
use crate::tui::app::App;
use crate::tui::state::tune::Pane;
use crate::tui::theme::Theme;
use crate::tui::view::pane::{block, fitted};
use crate::units::ByteRate;

/// Draws the pane.
pub(super) fn view(app: &App, frame: &mut Frame, area: Rect, tuning: &TuneArtifact) {
    let theme = app.theme;
    let is_workers = is_of_workers(tuning);
    let title = match (is_workers, &tuning.summary.fit) {
        (true, Some(_)) => "Throughput over workers, and the USL curve",
        (true, None) => "Throughput over workers",
        (false, _) => "Throughput of each value",
    };
    let block = block(theme, title, app.tune.pane == Pane::Chart)
        .title_bottom(Line::styled(legend(theme, tuning), theme.quiet()));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let settings = &tuning.summary.settings;
    if settings.is_empty() {
        let text = "the first point comes with the first round";
        frame.render_widget(Paragraph::new(text).style(theme.quiet()), inner);
        return;
    }
    let chart = Chart::of(
        theme,
        tuning,
        usize::from(inner.width),
        usize::from(inner.height),
    );
    frame.render_widget(Paragraph::new(chart.lines()), inner);
}

/// What the signs mean.
fn legend(theme: Theme, tuning: &TuneArtifact) -> String {
    let [curve, range, median, choice] = signs(theme);
    let mut parts = vec![format!("{median} median"), format!("{range} range")];
    if tuning.summary.choice.is_some() {
        parts.push(format!("{choice} choice"));
    }
    if tuning.summary.fit.is_some() {
        parts.push(format!("{curve} USL"));
    }
    format!(" {} ", parts.join("  "))
}

/// The signs of a curve, a range, a median and the choice.
fn signs(theme: Theme) -> [&'static str; 4] {
    if theme.unicode {
        ["·", "│", "●", "◆"]
    } else {
        [".", "|", "o", "@"]
    }
}

/// Whether the values are numbers of workers, which have a scale.
fn is_of_workers(tuning: &TuneArtifact) -> bool {
    tuning.protocol.knob.as_deref() == Some(Knob::Parallelism.key())
}

/// What a place of the chart shows; the later one hides the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Nothing,
    Curve,
    Range,
    Median,
    Choice,
}

/// A chart in places.
struct Chart {
    theme: Theme,
    marks: Vec<Vec<Mark>>,
    /// What stands to the left of each line.
    scale: Vec<String>,
    /// What stands under them.
    bottom: [String; 2],
}

impl Chart {
    fn of(theme: Theme, tuning: &TuneArtifact, width: usize, height: usize) -> Self {
        let settings = &tuning.summary.settings;
        let fit = tuning
            .summary
            .fit
            .as_ref()
            .filter(|_| is_of_workers(tuning));
        let largest = settings.iter().map(|s| s.mb_per_s.max).fold(0.0, f64::max);
        // the curve may lie above every point
        let widest = settings.iter().map(|s| s.workers).max().unwrap_or(1);
        let top = fit.map_or(largest, |fit| {
            let at = fit
                .parameters
                .peak()
                .unwrap_or(f64::MAX)
                .min(f64::from(widest));
            largest.max(fit.parameters.throughput(at))
        }) * 1.05;
        let top = if top > 0.0 { top } else { 1.0 };
        let lines = height.saturating_sub(2).max(1);
        let middle = lines / 2;
        let at = |line: usize| {
            let share = 1.0 - line as f64 / (lines - 1).max(1) as f64;
            top * share
        };
        let labels = [top, at(middle), 0.0].map(|mb| ByteRate(mb * 1e6).to_string());
        let margin = labels
            .iter()
            .map(|l| l.width())
            .max()
            .unwrap_or(0)
            .min(width / 3);
        let columns = width.saturating_sub(margin + 2).max(1);
        let line_of = |mb: f64| -> usize {
            let share = (mb / top).clamp(0.0, 1.0);
            lines - 1 - (share * (lines - 1) as f64).round() as usize
        };
        let places: Vec<usize> = places(tuning, columns);
        let mut chart = Self {
            theme,
            marks: vec![vec![Mark::Nothing; columns]; lines],
            scale: vec![String::new(); lines],
            bottom: [String::new(), String::new()],
        };
        chart.scale[0].clone_from(&labels[0]);
        chart.scale[middle].clone_from(&labels[1]);
        chart.scale[lines - 1].clone_from(&labels[2]);
        for label in &mut chart.scale {
            *label = format!(
                "{:>margin$}",
                label.chars().take(margin).collect::<String>()
            );
        }
        if let (Some(fit), Some(scale)) = (fit, Scale::of(tuning, columns)) {
            for column in 0..columns {
                if let Some(workers) = scale.workers_at(column) {
                    let line = line_of(fit.parameters.throughput(workers));
                    chart.put(line, column, Mark::Curve);
                }
            }
        }
        let choice = tuning
            .summary
            .choice
            .as_ref()
            .map(|choice| choice.setting.as_str());
        for (setting, column) in settings.iter().zip(&places) {
            let (from, to) = (line_of(setting.mb_per_s.max), line_of(setting.mb_per_s.min));
            for line in from..=to {
                chart.put(line, *column, Mark::Range);
            }
            let is_choice = choice == Some(setting.setting.as_str());
            let mark = if is_choice {
                Mark::Choice
            } else {
                Mark::Median
            };
            chart.put(line_of(setting.mb_per_s.median), *column, mark);
        }
        let (axis, corner) = if theme.unicode {
            ("─", "└")
        } else {
            ("-", "+")
        };
        chart.bottom = [
            format!("{:margin$} {corner}{}", "", axis.repeat(columns)),
            format!(
                "{:margin$}  {}",
                "",
                names(theme, settings, &places, columns, !is_of_workers(tuning))
            ),
        ];
        chart
    }

    fn put(&mut self, line: usize, column: usize, mark: Mark) {
        if let Some(place) = self.marks.get_mut(line).and_then(|l| l.get_mut(column)) {
            *place = (*place).max(mark);
        }
    }

    fn lines<'a>(&self) -> Vec<Line<'a>> {
        let theme = self.theme;
        let [curve, range, median, choice] = signs(theme);
        let edge = if theme.unicode { "│" } else { "|" };
        let drawn = |mark: Mark| match mark {
            Mark::Nothing => (" ", Style::new()),
            Mark::Curve => (curve, theme.before()),
            Mark::Range => (range, theme.after()),
            Mark::Median => (median, theme.after()),
            Mark::Choice => (choice, theme.good()),
        };
        let mut lines: Vec<Line> = self
            .marks
            .iter()
            .zip(&self.scale)
            .map(|(marks, label)| {
                let mut spans = vec![Span::styled(format!("{label} {edge}"), theme.quiet())];
                spans.extend(marks.iter().map(|mark| {
                    let (sign, style) = drawn(*mark);
                    Span::styled(sign, style)
                }));
                Line::from(spans)
            })
            .collect();
        lines.extend(
            self.bottom
                .iter()
                .map(|text| Line::styled(text.clone(), theme.quiet())),
        );
        lines
    }
}

/// Where numbers of workers lie: one at the left, the largest at the right, each as far from the next as
/// it is more.
struct Scale {
    most: f64,
    columns: usize,
}

impl Scale {
    fn of(tuning: &TuneArtifact, columns: usize) -> Option<Self> {
        let settings = &tuning.summary.settings;
        let most = settings
            .iter()
            .map(|s| s.workers)
            .max()
            .filter(|most| *most > 1)?;
        Some(Self {
            most: f64::from(most),
            columns,
        })
    }

    /// A place is left free at either end.
    fn span(&self) -> f64 {
        self.columns.saturating_sub(3) as f64
    }

    fn column_of(&self, workers: u32) -> usize {
        let share = (f64::from(workers) - 1.0) / (self.most - 1.0);
        (1.0 + share.max(0.0) * self.span()).round() as usize
    }

    fn workers_at(&self, column: usize) -> Option<f64> {
        let share = (column as f64 - 1.0) / self.span().max(1.0);
        (0.0..=1.0)
            .contains(&share)
            .then_some(1.0 + share * (self.most - 1.0))
    }
}

/// The column of each value: by its workers, or where these are no scale, one after the other.
fn places(tuning: &TuneArtifact, columns: usize) -> Vec<usize> {
    let settings = &tuning.summary.settings;
    let scale = Scale::of(tuning, columns).filter(|_| is_of_workers(tuning));
    let count = settings.len().max(1);
    settings
        .iter()
        .enumerate()
        .map(|(n, setting)| match &scale {
            Some(scale) => scale.column_of(setting.workers),
            None => (2 * n + 1) * columns / (2 * count),
        })
        .map(|column| column.min(columns.saturating_sub(1)))
        .collect()
}

/// The values' names under their columns. A number that would touch the last is left out, for the axis says what lies
/// between; words are cut to the room that each has.
fn names(
    theme: Theme,
    settings: &[SettingSummary],
    places: &[usize],
    columns: usize,
    are_words: bool,
) -> String {
    let room = columns / settings.len().max(1);
    let mut text = String::new();
    for (setting, place) in settings.iter().zip(places) {
        let name = if are_words {
            fitted(theme, &setting.setting, room.saturating_sub(1))
        } else {
            setting.setting.clone()
        };
        let latest = columns.saturating_sub(name.width());
        let from = place.saturating_sub(name.width() / 2).min(latest);
        if text.is_empty() || from > text.width() {
            text.push_str(&" ".repeat(from - text.width()));
            text.push_str(&name);
        }
    }
    text
}
