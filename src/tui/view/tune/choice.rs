//! The choice, what the reference loses against it, which side limits, and what explains the sweep.
//!
//! ```text
//! +- Choice (w writes it) --------------------------------+
//! | choice   2: the best                                  |
//! | confirm  auto = 2, the same plan as the choice ...    |
//! | why      ...                                          |
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::bench::artifact::Status;
use crate::bench::tune::artifact::TuneArtifact;
use crate::tui::app::App;
use crate::tui::state::tune::Pane;
use crate::tui::view::compare::verdict_style;
use crate::tui::view::pane::{block, window, wrapped};

/// Columns of the word before a sentence.
const WORD: usize = 9;

/// Draws the pane.
pub(super) fn view(app: &App, frame: &mut Frame, area: Rect, tuning: &TuneArtifact) {
    let theme = app.theme;
    let title = if tuning.summary.limit.is_some() {
        "Which side limits"
    } else if tuning.summary.choice.is_some() && !app.tune.is_live {
        "Choice (w writes it)"
    } else {
        "Choice"
    };
    let block = block(theme, title, app.tune.pane == Pane::Choice);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines = lines(app, tuning, usize::from(inner.width));
    let height = usize::from(inner.height);
    let first = window(
        app.tune.scrolled[Pane::Choice as usize],
        lines.len(),
        height,
    );
    let shown: Vec<Line> = lines.into_iter().skip(first).take(height).collect();
    frame.render_widget(Paragraph::new(shown), inner);
}

/// All of it, in lines of so many columns.
pub(super) fn lines<'a>(app: &App, tuning: &TuneArtifact, width: usize) -> Vec<Line<'a>> {
    let (theme, summary) = (app.theme, &tuning.summary);
    let mut lines = Vec::new();
    let mut say = |word: &str, text: &str, style: Style| {
        let parts = wrapped(text, width.saturating_sub(WORD));
        for (n, part) in parts.into_iter().enumerate() {
            let word = if n == 0 { word } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{word:<WORD$}"), theme.heading()),
                Span::styled(part, style),
            ]));
        }
    };
    let plain = Style::new();
    if summary.status == Status::Invalid {
        let text = "rows did not arrive as they left; no figure above counts";
        say("INVALID", text, theme.bad());
    }
    if let Some(error) = &summary.error {
        say("ended", error, theme.bad());
    }
    match &summary.choice {
        Some(choice) if choice.setting == choice.best => {
            say(
                "choice",
                &format!("{}: the best", choice.setting),
                theme.good(),
            );
        }
        Some(choice) => {
            let text = format!(
                "{}: not worse than the best, {}, by more than {:.1} %",
                choice.setting, choice.best, tuning.protocol.noise_threshold_pct
            );
            say("choice", &text, theme.good());
        }
        None if tuning.protocol.knob.is_some() && !app.tune.is_live => {
            say("choice", "none: not every value had its rounds", plain);
        }
        None if tuning.protocol.knob.is_some() => {
            say("choice", "known when every value has had its rounds", plain);
        }
        None => {}
    }
    match &summary.confirmation {
        Some(confirmation) => {
            let style = verdict_style(theme, &confirmation.verdict);
            say("confirm", &confirmation.text, style);
        }
        None if summary.choice.is_some() && !app.tune.is_live => {
            say(
                "confirm",
                "it was not measured what auto loses against it",
                plain,
            );
        }
        None if summary.choice.is_some() => {
            say(
                "confirm",
                "what auto loses against it follows in fresh pairs",
                plain,
            );
        }
        None => {}
    }
    if let Some(limit) = &summary.limit {
        say("limit", &limit.text, theme.heading());
    } else if tuning.protocol.knob.is_none() {
        say("limit", "known when the sides have had their rounds", plain);
    }
    if let Some(why) = &summary.fit_text {
        say("why", why, plain);
    }
    if let Some(choice) = &summary.choice {
        say("yaml", &choice.yaml, plain);
    }
    for warning in &tuning.warnings {
        say("to know", warning, theme.warning());
    }
    if !tuning.invocation.repeat.is_empty() {
        say("again", &tuning.invocation.repeat, theme.quiet());
    }
    lines
}
