//! The Run screen: which pane has the keys, how the shards are sorted and filtered.

use crate::tui::snapshot::ShardRow;

/// The panes, in the order Tab goes through them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pane {
    /// One line a stream and worker.
    #[default]
    Shards,
    /// One line a finished iteration.
    Iterations,
    /// What happened.
    Events,
}

impl Pane {
    /// Every pane.
    pub const ALL: [Self; 3] = [Self::Shards, Self::Iterations, Self::Events];
}

/// What shards are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Their number.
    #[default]
    Number,
    /// The stream's name.
    Stream,
    /// Rows.
    Rows,
    /// Megabytes a second now.
    Rate,
    /// Chunks.
    Chunks,
}

impl Order {
    const ALL: [Self; 5] = [
        Self::Number,
        Self::Stream,
        Self::Rows,
        Self::Rate,
        Self::Chunks,
    ];

    /// The column after this one.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|order| *order == self);
        Self::ALL[(at.unwrap_or(0) + 1) % Self::ALL.len()]
    }

    /// The column's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "shard",
            Self::Stream => "stream",
            Self::Rows => "rows",
            Self::Rate => "MB/s",
            Self::Chunks => "chunks",
        }
    }
}

/// What the screen keeps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The pane that has the keys.
    pub pane: Pane,
    /// Whether that pane has the whole screen.
    pub is_zoomed: bool,
    /// Only streams whose name holds this are shown; empty for all.
    pub filter: String,
    /// What shards are sorted by.
    pub order: Order,
    /// Whether the other way round.
    pub is_inverted: bool,
    /// The first line shown of each pane, from the top; of events and iterations from the end.
    pub scrolled: [usize; 3],
}

impl State {
    /// The shards as they are to be shown: their number, and the shard.
    #[must_use]
    pub fn arranged<'a>(&self, shards: &'a [ShardRow]) -> Vec<(usize, &'a ShardRow)> {
        let mut rows: Vec<(usize, &ShardRow)> = shards
            .iter()
            .enumerate()
            .filter(|(_, shard)| shard.stream.contains(&self.filter))
            .collect();
        match self.order {
            Order::Number => {}
            Order::Stream => rows.sort_by(|(_, a), (_, b)| a.stream.cmp(&b.stream)),
            // the most first: that is what one looks for
            Order::Rows => rows.sort_by_key(|(_, shard)| std::cmp::Reverse(shard.rows)),
            Order::Rate => rows.sort_by(|(_, a), (_, b)| b.mb_per_s.total_cmp(&a.mb_per_s)),
            Order::Chunks => rows.sort_by_key(|(_, shard)| std::cmp::Reverse(shard.chunks)),
        }
        if self.is_inverted {
            rows.reverse();
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(stream: &str, rows: u64) -> ShardRow {
        ShardRow {
            stream: stream.into(),
            rows,
            ..ShardRow::default()
        }
    }

    #[test]
    fn shards_are_filtered_then_sorted_then_inverted() {
        let shards = [shard("a.x", 1), shard("a.y", 9), shard("b.z", 5)];
        let numbers = |state: &State| -> Vec<usize> {
            let rows = state.arranged(&shards);
            rows.into_iter().map(|(n, _)| n).collect()
        };
        let mut state = State::default();
        assert_eq!(numbers(&state), [0, 1, 2]);
        state.order = Order::Rows;
        assert_eq!(numbers(&state), [1, 2, 0]);
        state.filter = "a.".into();
        state.is_inverted = true;
        assert_eq!(numbers(&state), [0, 1]);
    }
}
