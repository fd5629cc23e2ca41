//! Every setting of both arms, and where the value under the cursor comes from.
//!
//! ```text
//! +- Settings of medium: SaaS orders, ... ----------------------------+
//! | setting                 before      after       from              |
//! | resources.parallelism   1           auto        medium:73         |
//! | iters                   3           3           medium            |
//! +-------------------------------------------------------------------+
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line as TextLine, Span, Text};
use ratatui::widgets::Paragraph;

use crate::bench::order::Arm;
use crate::tui::app::App;
use crate::tui::state::profile::{Cell, Line, Pane};
use crate::tui::view::pane::{block, left, window, wrapped};

/// Draws the pane.
pub fn view(app: &App, frame: &mut Frame, area: Rect) {
    let theme = app.theme;
    let state = &app.profile;
    let mut title = format!("Settings of {}", app.subject.name());
    if let Some(text) = state
        .base
        .as_ref()
        .and_then(|base| base.description.as_ref())
    {
        title = format!("{title}: {text}");
    }
    if !state.filter.is_empty() {
        title = format!("Settings with `{}`", state.filter);
    }
    let room = usize::from(area.width).saturating_sub(6);
    let title = crate::tui::view::pane::fitted(theme, &title, room);
    let pane = block(theme, &title, state.pane == Pane::Settings);
    let inner = pane.inner(area);
    frame.render_widget(pane, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let mut lines: Vec<TextLine> = Vec::new();
    if let Some(problem) = &state.problem {
        let most = if state.lines.is_empty() {
            height
        } else {
            height / 2
        };
        let texts = wrapped(problem, width);
        lines.extend(
            texts
                .into_iter()
                .take(most)
                .map(|l| TextLine::styled(l, theme.bad())),
        );
    }
    if state.lines.is_empty() {
        if lines.is_empty() {
            let text = if state.filter.is_empty() {
                "reading the profile ..."
            } else {
                "no setting with that in its name; Esc shows all"
            };
            lines.push(TextLine::raw(text));
        }
        frame.render_widget(Paragraph::new(Text::from(lines)), inner);
        return;
    }
    let widths = Widths::of(app, width);
    lines.push(widths.header(app));
    let room = height.saturating_sub(lines.len());
    // the cursor stays in sight
    let first = window(
        state.chosen.saturating_sub(room / 2),
        state.lines.len(),
        room,
    );
    for (n, line) in state.lines.iter().enumerate().skip(first).take(room) {
        lines.push(widths.line(app, line, n == state.chosen));
    }
    frame.render_widget(Paragraph::new(Text::from(lines)), inner);
}

/// Columns of each column.
struct Widths {
    name: usize,
    value: usize,
    from: usize,
    both: bool,
}

impl Widths {
    fn of(app: &App, width: usize) -> Self {
        let both = app.subject.both_arms;
        let names = app.profile.lines.iter().map(|line| line.name().len());
        let name = names.max().unwrap_or(0).clamp(12, (width * 2 / 5).max(12));
        let from = if width >= 60 { 20 } else { 12 };
        let columns = if both { 2 } else { 1 };
        let value = width.saturating_sub(name + from + 4) / columns;
        Self {
            name,
            value: value.saturating_sub(1),
            from,
            both,
        }
    }

    fn header<'a>(&self, app: &App) -> TextLine<'a> {
        let theme = app.theme;
        let mut text = format!(" {} ", left(theme, "setting", self.name));
        if self.both {
            text.push_str(&left(theme, "before", self.value));
            text.push(' ');
        }
        text.push_str(&left(theme, "after", self.value));
        text.push(' ');
        text.push_str(&left(theme, "from", self.from));
        TextLine::styled(text, theme.heading())
    }

    fn line<'a>(&self, app: &App, line: &Line, is_chosen: bool) -> TextLine<'a> {
        let theme = app.theme;
        let here = is_chosen && app.profile.pane == Pane::Settings;
        let mark = if is_chosen { ">" } else { " " };
        let name = format!("{mark}{} ", left(theme, line.name(), self.name));
        let mut spans = vec![if is_chosen {
            Span::styled(name, theme.accent())
        } else {
            Span::raw(name)
        }];
        let from = match line {
            Line::Session { value, from, .. } => {
                let columns = if self.both {
                    2 * self.value + 1
                } else {
                    self.value
                };
                let text = left(theme, value, columns);
                spans.push(if here {
                    Span::styled(text, theme.chosen())
                } else {
                    Span::raw(text)
                });
                from.clone()
            }
            Line::Pipeline { .. } => {
                let arms: &[Arm] = if self.both {
                    &[Arm::Before, Arm::After]
                } else {
                    &[Arm::After]
                };
                for (n, arm) in arms.iter().enumerate() {
                    if n > 0 {
                        spans.push(Span::raw(" "));
                    }
                    let at = here && app.profile.arm == *arm;
                    spans.push(self.value(app, line.cell(*arm), at));
                }
                let cell = line.cell(app.profile.arm);
                cell.map_or_else(String::new, |cell| cell.from.clone())
            }
        };
        spans.push(Span::styled(
            format!(" {}", left(theme, &from, self.from)),
            theme.quiet(),
        ));
        TextLine::from(spans)
    }

    fn value<'a>(&self, app: &App, cell: Option<&Cell>, at: bool) -> Span<'a> {
        let theme = app.theme;
        let Some(cell) = cell else {
            return Span::raw(left(theme, "-", self.value));
        };
        let one_line = cell.value.split_whitespace().collect::<Vec<_>>().join(" ");
        let mark = if cell.is_changed { "*" } else { "" };
        let text = left(theme, &format!("{one_line}{mark}"), self.value);
        if at {
            Span::styled(text, theme.chosen())
        } else if cell.is_changed {
            Span::styled(text, theme.warning())
        } else {
            Span::raw(text)
        }
    }
}
