//! The prompt: what is being typed in it, and what was run from it before.

use crate::tui::app::Typing;

/// Lines that are kept.
const KEPT: usize = 200;

/// What the prompt keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// What is being typed; none while it is closed.
    pub line: Option<Typing>,
    /// What was run from it, oldest first.
    past: Vec<String>,
    /// Which of those is shown; past the last for what was typed anew.
    at: usize,
    /// What was typed before the past was looked at.
    draft: String,
}

impl State {
    /// Opens it, with nothing in it.
    pub fn open(&mut self) {
        self.line = Some(Typing::default());
        self.at = self.past.len();
        self.draft.clear();
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.line = None;
    }

    /// What stands before the cursor.
    #[must_use]
    pub fn before_cursor(&self) -> Option<String> {
        let line = self.line.as_ref()?;
        Some(line.text.chars().take(line.cursor).collect())
    }

    /// Puts a text in place of what stands before the cursor.
    pub fn replace_before_cursor(&mut self, text: &str) {
        if let Some(line) = &mut self.line {
            let rest: String = line.text.chars().skip(line.cursor).collect();
            line.cursor = text.chars().count();
            line.text = format!("{text}{rest}");
            line.problem = None;
        }
    }

    /// Keeps a line that was run.
    pub fn keep(&mut self, line: &str) {
        if self.past.last().is_none_or(|last| last != line) {
            self.past.push(line.to_owned());
        }
        if self.past.len() > KEPT {
            self.past.remove(0);
        }
    }

    /// Shows the line that was run before the one that is shown, or the one after it.
    pub fn recall(&mut self, is_older: bool) {
        let to = if is_older {
            self.at.checked_sub(1)
        } else {
            Some(self.at + 1).filter(|to| *to <= self.past.len())
        };
        let (Some(to), Some(line)) = (to, &mut self.line) else {
            return;
        };
        if self.at == self.past.len() {
            self.draft.clone_from(&line.text);
        }
        let text = self.past.get(to).unwrap_or(&self.draft).clone();
        self.at = to;
        *line = Typing {
            cursor: text.chars().count(),
            text,
            ..Typing::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_gone_through_and_what_was_begun_comes_back() {
        let mut state = State::default();
        state.keep("doctor");
        state.keep("selftest");
        state.keep("selftest");
        state.open();
        state.replace_before_cursor("re");
        let mut seen = Vec::new();
        for is_older in [true, true, true, false, false, false] {
            state.recall(is_older);
            seen.push(state.line.as_ref().unwrap().text.clone());
        }
        assert_eq!(
            seen,
            ["selftest", "doctor", "doctor", "selftest", "re", "re"]
        );
    }
}
