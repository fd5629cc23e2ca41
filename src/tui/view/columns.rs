//! A table of text in so many columns of the terminal: cells aligned, and whole columns left out where there
//! is no room, the least needed first.

use unicode_width::UnicodeWidthStr as _;

use super::pane::fitted;
use crate::tui::theme::Theme;

/// Blanks between two columns.
const GAP: usize = 2;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// Whether its cells end where it ends.
    pub is_right: bool,
    /// Where there is no room, the column of the largest number goes first; 0 never does.
    pub gone: u8,
}

/// A column of words.
#[must_use]
pub const fn left(title: &'static str, gone: u8) -> Column {
    Column {
        title,
        is_right: false,
        gone,
    }
}

/// A column of figures.
#[must_use]
pub const fn right(title: &'static str, gone: u8) -> Column {
    Column {
        title,
        is_right: true,
        gone,
    }
}

/// A table that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// Which of the columns there are.
    pub columns: Vec<usize>,
    /// The titles, padded.
    pub titles: Vec<String>,
    /// The rows, padded, the gaps in them.
    pub rows: Vec<Vec<String>>,
}

impl Laid {
    /// The titles in one line.
    #[must_use]
    pub fn title_line(&self) -> String {
        self.titles.concat()
    }
}

/// Lays rows out in at most so many columns of the terminal.
#[must_use]
pub fn laid(theme: Theme, columns: &[Column], rows: &[Vec<String>], width: usize) -> Laid {
    let widest = |n: usize| -> usize {
        let cells = rows.iter().filter_map(|row| row.get(n));
        let longest = cells.map(|cell| cell.width()).max().unwrap_or(0);
        longest.max(columns[n].title.width())
    };
    let mut kept: Vec<(usize, usize)> = (0..columns.len()).map(|n| (n, widest(n))).collect();
    let used = |kept: &[(usize, usize)]| -> usize {
        let gaps = GAP * kept.len().saturating_sub(1);
        kept.iter().map(|(_, width)| width).sum::<usize>() + gaps
    };
    while used(&kept) > width {
        let goes = (0..kept.len())
            .filter(|at| columns[kept[*at].0].gone > 0)
            .max_by_key(|at| columns[kept[*at].0].gone);
        match goes {
            Some(at) => {
                kept.remove(at);
            }
            None => break,
        }
    }
    // what must stay gives way where it is widest
    while used(&kept) > width {
        let Some(widest) = kept.iter_mut().max_by_key(|(_, width)| *width) else {
            break;
        };
        if widest.1 == 0 {
            break;
        }
        widest.1 -= 1;
    }
    let padded = |cells: &dyn Fn(usize) -> String| -> Vec<String> {
        let last = kept.len().saturating_sub(1);
        kept.iter()
            .enumerate()
            .map(|(at, (n, width))| {
                let text = fitted(theme, &cells(*n), *width);
                let blanks = " ".repeat(width.saturating_sub(text.width()));
                let gap = " ".repeat(if at == last { 0 } else { GAP });
                if columns[*n].is_right {
                    format!("{blanks}{text}{gap}")
                } else {
                    format!("{text}{blanks}{gap}")
                }
            })
            .collect()
    };
    Laid {
        titles: padded(&|n| columns[n].title.to_owned()),
        rows: rows
            .iter()
            .map(|row| padded(&|n| row.get(n).cloned().unwrap_or_default()))
            .collect(),
        columns: kept.iter().map(|(n, _)| *n).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Colours, Environment};

    const COLUMNS: [Column; 3] = [left("N", 0), right("MB/s", 1), left("verdict", 2)];

    fn table(width: usize) -> Vec<String> {
        let theme = Theme::of(Colours::Never, &Environment::default());
        let rows = [["1", "80.5", "REGRESSED"], ["16", "192", "= auto"]];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect();
        let laid = laid(theme, &COLUMNS, &rows, width);
        std::iter::once(laid.title_line())
            .chain(laid.rows.iter().map(|row| row.concat()))
            .collect()
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            table(40),
            [
                "N   MB/s  verdict  ",
                "1   80.5  REGRESSED",
                "16   192  = auto   ",
            ]
        );
    }

    #[test]
    fn where_there_is_no_room_columns_go_in_their_order() {
        assert_eq!(table(18), ["N   MB/s", "1   80.5", "16   192"]);
        assert_eq!(table(7), ["N ", "1 ", "16"]);
        for width in 0..30 {
            assert!(table(width).iter().all(|line| line.width() <= width));
        }
    }
}
