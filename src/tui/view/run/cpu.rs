//! Who uses the processors: each core, and by role.
//!
//! ```text
//! +- CPU ------------------------------+
//! | core 0 [#########-]  core 1 [####] |
//! | rb-bench 6%  source 41%  dest 88%  |
//! +------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use crate::tui::app::App;
use crate::tui::view::pane::{block, fitted};

/// Columns of one core: `core 12 [######] `.
const CORE: usize = 19;
/// Lines of cores at most; with more cores than fit, the busiest are not told apart.
const MOST_LINES: usize = 4;

/// Lines of the pane with its frame, in so many columns.
pub fn height(app: &App, columns: u16) -> u16 {
    let a_line = (usize::from(columns) / CORE).max(1);
    let lines = app.seen.cpu.cores.len().div_ceil(a_line);
    lines.clamp(1, MOST_LINES) as u16 + 3
}

/// Draws the pane.
pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let pane = block(theme, "CPU", false);
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let cores = &app.seen.cpu.cores;
    let a_line = (usize::from(inner.width) / CORE).max(1);
    let mut lines: Vec<Line> = Vec::new();
    if cores.is_empty() {
        let text = if app.running.is_some() {
            " no sample yet"
        } else {
            " -"
        };
        lines.push(Line::styled(text, theme.quiet()));
    } else if cores.len() > a_line * MOST_LINES {
        // one bar for all of them: a wall of bars says less
        let mean = cores.iter().sum::<f64>() / cores.len() as f64;
        let most = cores.iter().copied().fold(0.0, f64::max);
        lines.push(Line::raw(format!(
            " {} cores [{}] busiest {:.0}%",
            cores.len(),
            theme.bar(mean, 12),
            most * 100.0
        )));
    } else {
        for (n, some) in cores.chunks(a_line).enumerate() {
            let cores = some.iter().enumerate().map(|(m, busy)| {
                let number = n * a_line + m;
                format!(" core {number:<2} [{}]", theme.bar(*busy, 8))
            });
            lines.push(Line::raw(cores.collect::<String>()));
        }
    }
    lines.push(roles(app, usize::from(inner.width)));
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}

/// The same in one line, with what limits.
pub fn line(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let cores = &app.seen.cpu.cores;
    let host = if cores.is_empty() {
        "-".to_owned()
    } else {
        let mean = cores.iter().sum::<f64>() / cores.len() as f64;
        format!("{:.0}%", mean * 100.0)
    };
    let mut line = roles(app, usize::from(area.width));
    line.spans.insert(0, Span::raw(format!(" host {host} ")));
    let used: usize = line.spans.iter().map(Span::width).sum();
    let room = usize::from(area.width).saturating_sub(used + 2);
    let text = fitted(theme, &super::waits::limiting(app), room);
    line.spans
        .push(Span::styled(format!("  {text}"), theme.warning()));
    frame.render_widget(line, area);
}

fn roles<'a>(app: &App, width: usize) -> Line<'a> {
    let cpu = &app.seen.cpu;
    let percent = |cores: Option<f64>| match cores {
        Some(cores) => format!("{:.0}%", cores * 100.0),
        None => "?".to_owned(),
    };
    let text = format!(
        " rb-bench {}  source {}  dest {}",
        percent(Some(cpu.rb_bench)),
        percent(cpu.source),
        percent(cpu.destination)
    );
    Line::raw(fitted(app.theme, &text, width))
}
