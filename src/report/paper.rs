//! What text is written on: how wide it is, and whether it takes colour.
//!
//! Asked once, at the edge; everything else is given a [`Paper`] and stays testable.

use std::io::IsTerminal;

/// Width of text where there is no terminal to ask.
const DEFAULT_WIDTH: u16 = 100;

/// A surface for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    /// Columns.
    pub width: u16,
    /// Whether colour may be used.
    pub colour: bool,
}

impl Paper {
    /// Paper without colour, of the usual width.
    pub const PLAIN: Self = Self {
        width: DEFAULT_WIDTH,
        colour: false,
    };

    /// Standard output as it is: a terminal's width, and colour unless `NO_COLOR` is set
    /// (no-color.org) or nobody would see it.
    #[must_use]
    pub fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = terminal_size::terminal_size().map(|(width, _)| width.0);
        Self {
            width: width.filter(|_| terminal).unwrap_or(DEFAULT_WIDTH).max(40),
            colour: terminal && !forbidden,
        }
    }

    /// The text in this colour where colour is used.
    #[must_use]
    pub fn paint(self, ink: Ink, text: &str) -> String {
        if self.colour {
            format!("\x1b[{}m{text}\x1b[0m", ink.sgr())
        } else {
            text.to_owned()
        }
    }
}

/// A colour by what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Something is wrong.
    Bad,
    /// Something is better.
    Good,
    /// Something is not decided.
    Open,
    /// Something is as it was.
    Same,
}

impl Ink {
    /// The parameters of ECMA-48's SGR. The ground may be white or black: green and yellow letters vanish on
    /// white, so these colours are a ground of their own, for black letters.
    fn sgr(self) -> &'static str {
        match self {
            Self::Bad => "1;31",
            Self::Good => "30;42",
            Self::Open => "30;43",
            Self::Same => "1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_used_only_where_it_is_taken() {
        assert_eq!(Paper::PLAIN.paint(Ink::Good, "x"), "x");
        let colour = Paper {
            colour: true,
            ..Paper::PLAIN
        };
        assert_eq!(colour.paint(Ink::Bad, "x"), "\x1b[1;31mx\x1b[0m");
    }

    #[test]
    fn what_is_not_red_has_no_colour_or_a_ground_of_its_own() {
        for ink in [Ink::Good, Ink::Open, Ink::Same] {
            let (sgr, own) = (ink.sgr(), ["30;42", "30;43"]);
            assert!(sgr == "1" || own.contains(&sgr), "{ink:?}: {sgr}");
        }
    }
}
