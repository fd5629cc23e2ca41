//! A pane: a frame with a title, and texts that fit into it.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::tui::theme::Theme;

/// The frame of a pane; of the one that has the keys, the title is set off.
#[must_use]
pub fn block<'a>(theme: Theme, title: &str, has_keys: bool) -> Block<'a> {
    let style = if has_keys {
        theme.accent()
    } else {
        theme.heading()
    };
    Block::new()
        .borders(Borders::ALL)
        .border_set(theme.border())
        .border_style(if has_keys {
            Style::new()
        } else {
            theme.quiet()
        })
        .title(Line::from(Span::styled(format!(" {title} "), style)))
}

/// A text cut to so many columns, with a sign that it was.
#[must_use]
pub fn fitted(theme: Theme, text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let sign = theme.ellipsis();
    let room = columns.saturating_sub(sign.width());
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used + width > room {
            break;
        }
        used += width;
        cut.push(c);
    }
    if sign.width() <= columns {
        cut.push_str(sign);
    }
    cut
}

/// A text on the left of so many columns, cut where it is longer.
#[must_use]
pub fn left(theme: Theme, text: &str, columns: usize) -> String {
    let text = fitted(theme, text, columns);
    let gap = columns.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(gap))
}

/// A text on the right of so many columns, cut where it is longer.
#[must_use]
pub fn right(theme: Theme, text: &str, columns: usize) -> String {
    let text = fitted(theme, text, columns);
    let gap = columns.saturating_sub(text.width());
    format!("{}{text}", " ".repeat(gap))
}

/// A text broken into lines of so many columns, at spaces where there are any.
#[must_use]
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let indent: String = paragraph.chars().take_while(|c| *c == ' ').collect();
        let indent = if indent.len() * 2 < columns {
            indent
        } else {
            String::new()
        };
        let mut line = indent.clone();
        let mut is_empty = true;
        for word in paragraph.split_whitespace() {
            let mut word = word.to_owned();
            loop {
                let gap = usize::from(!is_empty);
                let used = line.width() + gap;
                if used + word.width() <= columns {
                    if !is_empty {
                        line.push(' ');
                    }
                    line.push_str(&word);
                    is_empty = false;
                    break;
                }
                if !is_empty {
                    lines.push(std::mem::replace(&mut line, indent.clone()));
                    is_empty = true;
                    continue;
                }
                // a word longer than a line is cut: at least a character, or there were no end
                let mut taken = String::new();
                while let Some(c) = word.chars().next() {
                    let fits = line.width() + taken.width() + c.width().unwrap_or(0) <= columns;
                    if !fits && !taken.is_empty() {
                        break;
                    }
                    taken.push(c);
                    word.remove(0);
                }
                lines.push(format!("{line}{taken}"));
                line.clone_from(&indent);
                if word.is_empty() {
                    break;
                }
            }
        }
        if !is_empty || paragraph.trim().is_empty() {
            lines.push(line);
        }
    }
    lines
}

/// The largest area of at most this size in the middle of another.
#[must_use]
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// Which lines of so many are seen: the scroll, taken back where it is past the end.
#[must_use]
pub fn window(scroll: usize, count: usize, height: usize) -> usize {
    scroll.min(count.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Colours, Environment};

    #[test]
    fn a_text_that_was_cut_says_so_and_fits() {
        let theme = Theme::of(Colours::Never, &Environment::default());
        assert_eq!(fitted(theme, "public.orders", 20), "public.orders");
        assert_eq!(fitted(theme, "public.orders", 8), "public..");
        assert_eq!(fitted(theme, "日本語", 5), "日..");
        for columns in 0..6 {
            assert!(fitted(theme, "abcdefgh", columns).width() <= columns);
        }
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrapped("  a b c", 5), ["  a b", "  c"]);
        assert_eq!(wrapped("a\n\nb", 4), ["a", "", "b"]);
        assert_eq!(wrapped("日本", 1), ["日", "本"]);
        for columns in 0..12 {
            let lines = wrapped(
                "the chunks of shard_with_a_long_name were requeued",
                columns,
            );
            assert!(lines.iter().all(|line| line.width() <= columns.max(1)));
        }
    }
}
