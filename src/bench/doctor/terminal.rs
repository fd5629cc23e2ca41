//! What the terminal can show: whether there is one, its size, its colours, its alphabet.
//!
//! Everything is asked at the edge, so that other terminals can be tested on this one. Nothing here
//! keeps a benchmark from running: without a terminal it prints lines.

use std::env;
use std::io::IsTerminal as _;

use super::Finding;

const AREA: &str = "terminal";

/// The terminal as the environment describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether standard input is one.
    pub input: bool,
    /// Whether standard output is one.
    pub output: bool,
    /// Columns and rows.
    pub size: Option<(u16, u16)>,
    /// `TERM`.
    pub term: String,
    /// `COLORTERM`.
    pub colorterm: String,
    /// Whether `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// The locale of characters: `LC_ALL`, `LC_CTYPE` or `LANG`, the first that is set.
    pub locale: String,
}

impl Terminal {
    /// This process' terminal.
    #[must_use]
    pub fn here(size: Option<(u16, u16)>) -> Self {
        let variable = |name: &str| {
            env::var_os(name)
                .map(|value| value.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
        Self {
            input: std::io::stdin().is_terminal(),
            output: std::io::stdout().is_terminal(),
            size,
            term: variable("TERM"),
            colorterm: variable("COLORTERM"),
            no_color: !variable("NO_COLOR").is_empty(),
            locale: locale
                .into_iter()
                .find(|value| !value.is_empty())
                .unwrap_or_default(),
        }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        vec![self.screen(), self.colours(), self.characters()]
    }

    fn screen(&self) -> Finding {
        let missing = match (self.input, self.output) {
            (true, true) => None,
            (false, true) => Some("standard input is no terminal"),
            (true, false) => Some("standard output is no terminal"),
            (false, false) => Some("standard input and output are no terminal"),
        };
        if let Some(missing) = missing {
            return Finding::warn(AREA, "screen", format!("{missing}: lines only, no screen"))
                .remedy("run it in a terminal, without a pipe");
        }
        if matches!(self.term.as_str(), "" | "dumb") {
            return Finding::warn(
                AREA,
                "screen",
                "TERM says that this terminal can do nothing",
            )
            .remedy("set TERM to what it is, xterm-256color for most");
        }
        let size = self
            .size
            .map(|(width, height)| format!(", {width} x {height}"))
            .unwrap_or_default();
        Finding::ok(AREA, "screen", format!("{}{size}", self.term))
    }

    fn colours(&self) -> Finding {
        let text = if self.no_color {
            "none, because NO_COLOR is set"
        } else if !self.output || matches!(self.term.as_str(), "" | "dumb") {
            "none"
        } else if matches!(self.colorterm.as_str(), "truecolor" | "24bit") {
            "16 million"
        } else if self.term.contains("256color") {
            "256"
        } else {
            "16"
        };
        Finding::ok(AREA, "colours", text)
    }

    fn characters(&self) -> Finding {
        let folded = self.locale.to_ascii_lowercase().replace('-', "");
        if folded.contains("utf8") {
            Finding::ok(AREA, "characters", self.locale.clone())
        } else {
            let locale = match self.locale.as_str() {
                "" => "no locale is set".to_owned(),
                locale => format!("the locale is {locale}"),
            };
            Finding::warn(
                AREA,
                "characters",
                format!("{locale}: lines and bars may not be drawn"),
            )
            .remedy("set LANG to a UTF-8 locale, C.UTF-8 for one")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn good() -> Terminal {
        Terminal {
            input: true,
            output: true,
            size: Some((120, 36)),
            term: "xterm-256color".into(),
            locale: "de_DE.UTF-8".into(),
            ..Terminal::default()
        }
    }

    #[test]
    fn a_terminal_that_can_do_all_of_it_is_ok() {
        let found = good().findings();
        assert!(found.iter().all(|f| f.state == State::Ok), "{found:?}");
        assert_eq!(found[0].text, "xterm-256color, 120 x 36");
        assert_eq!(found[1].text, "256");
        let more = Terminal {
            colorterm: "truecolor".into(),
            ..good()
        };
        assert_eq!(more.colours().text, "16 million");
    }

    #[test]
    fn what_is_missing_is_told_and_keeps_nothing_from_running() {
        for (terminal, word, remedy) in [
            (
                Terminal {
                    input: false,
                    ..good()
                },
                "standard input",
                "run it in a terminal, without a pipe",
            ),
            (
                Terminal {
                    output: false,
                    ..good()
                },
                "standard output",
                "run it in a terminal, without a pipe",
            ),
            (
                Terminal {
                    term: "dumb".into(),
                    ..good()
                },
                "TERM",
                "set TERM to what it is, xterm-256color for most",
            ),
            (
                Terminal {
                    locale: "C".into(),
                    ..good()
                },
                "the locale is C",
                "set LANG to a UTF-8 locale, C.UTF-8 for one",
            ),
            (
                Terminal {
                    locale: String::new(),
                    ..good()
                },
                "no locale",
                "set LANG to a UTF-8 locale, C.UTF-8 for one",
            ),
        ] {
            let found = terminal.findings();
            let told: Vec<&Finding> = found.iter().filter(|f| f.state == State::Warn).collect();
            assert_eq!(told.len(), 1, "{found:?}");
            assert!(told[0].text.contains(word), "{word}: {found:?}");
            assert_eq!(told[0].remedy.as_deref(), Some(remedy));
        }
        let grey = Terminal {
            no_color: true,
            ..good()
        };
        assert!(grey.colours().text.contains("NO_COLOR"));
    }
}
