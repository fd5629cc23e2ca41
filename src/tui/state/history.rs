//! The History screen: what is saved, how it is filtered and sorted, and which two are marked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bench::archive::{Entry, TuningEntry, Unreadable};
use crate::bench::artifact::Status;
use crate::bench::order::Arm;
use crate::bench::trend::Trend;

/// The panes, in the order Tab goes through them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pane {
    /// One line a saved session or tuning.
    #[default]
    Saved,
    /// The course of the chosen one's series.
    Trend,
    /// Files that could not be read.
    Unreadable,
}

impl Pane {
    /// Every pane.
    pub const ALL: [Self; 3] = [Self::Saved, Self::Trend, Self::Unreadable];
}

/// What a directory of artifacts holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Where.
    pub directory: PathBuf,
    /// Sessions and tunings, newest first.
    pub rows: Vec<Row>,
    /// Files that should be artifacts and cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The series that the sessions form.
    pub trends: Vec<Trend>,
}

/// Something saved.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A session.
    Session(Entry),
    /// A tuning.
    Tuning(TuningEntry),
}

impl Row {
    /// The file's name in its directory.
    #[must_use]
    pub fn file(&self) -> &str {
        match self {
            Self::Session(entry) => &entry.file,
            Self::Tuning(entry) => &entry.file,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Session(entry) => &entry.id,
            Self::Tuning(entry) => &entry.id,
        }
    }

    /// When it began, UTC.
    #[must_use]
    pub fn created_at(&self) -> &str {
        match self {
            Self::Session(entry) => &entry.created_at,
            Self::Tuning(entry) => &entry.created_at,
        }
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> &str {
        match self {
            Self::Session(entry) => &entry.profile,
            Self::Tuning(entry) => &entry.profile,
        }
    }

    /// The user's name for it.
    #[must_use]
    pub fn label(&self) -> &str {
        let label = match self {
            Self::Session(entry) => &entry.label,
            Self::Tuning(entry) => &entry.label,
        };
        label.as_deref().unwrap_or_default()
    }

    /// What was set, or what was tuned.
    #[must_use]
    pub fn settings(&self) -> String {
        match self {
            Self::Session(entry) => entry.settings.clone(),
            Self::Tuning(entry) => match &entry.knob {
                Some(knob) => format!("tune {}", knob.rsplit('.').next().unwrap_or(knob)),
                None => "isolate".to_owned(),
            },
        }
    }

    /// The median of the after arm's throughput, megabytes a second; a tuning has none.
    #[must_use]
    pub fn mb_per_s(&self) -> Option<f64> {
        match self {
            Self::Session(entry) => entry.mb_per_s.map(|spread| spread.median),
            Self::Tuning(_) => None,
        }
    }

    /// How it ended and what it says, in words.
    #[must_use]
    pub fn standing(&self) -> String {
        let (status, said) = match self {
            Self::Session(entry) => (entry.status, entry.verdict.clone().unwrap_or_default()),
            Self::Tuning(entry) => {
                let choice = entry.choice.as_ref().map(|c| format!("choice {c}"));
                // the destination against the source is no verdict on the pipeline
                let limit = entry.limit.as_ref().map(|limit| match &limit.side {
                    Some(side) => format!("{side} limits"),
                    None => "no limit shown".to_owned(),
                });
                (entry.status, choice.or(limit).unwrap_or_default())
            }
        };
        match status {
            Status::Complete => said,
            Status::Partial => format!("{said} (partial)").trim().to_owned(),
            Status::Invalid => "INVALID".to_owned(),
            Status::Failed => format!("{said} (failed)").trim().to_owned(),
        }
    }

    /// Whether any word of it holds the text, in either case.
    fn holds(&self, text: &str) -> bool {
        let words = [
            self.id().to_owned(),
            self.profile().to_owned(),
            self.label().to_owned(),
            self.settings(),
            self.standing(),
            began(self.created_at()),
            self.file().to_owned(),
        ];
        let text = text.to_lowercase();
        words.iter().any(|word| word.to_lowercase().contains(&text))
    }
}

/// To the minute, `2026-11-23 20:27`.
#[must_use]
pub fn began(created_at: &str) -> String {
    created_at.get(..16).unwrap_or(created_at).replace('T', " ")
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// When they began, newest first.
    #[default]
    Began,
    /// The profile's name.
    Profile,
    /// The label.
    Label,
    /// Throughput, the most first.
    Throughput,
    /// How they ended and what they say.
    Standing,
}

impl Order {
    const ALL: [Self; 5] = [
        Self::Began,
        Self::Profile,
        Self::Label,
        Self::Throughput,
        Self::Standing,
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
            Self::Began => "began",
            Self::Profile => "profile",
            Self::Label => "label",
            Self::Throughput => "throughput",
            Self::Standing => "verdict",
        }
    }
}

/// What a line of text is being typed for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Question {
    /// Which rows are shown.
    #[default]
    Filter,
    /// Where a page for a browser goes.
    Page,
    /// Where an export goes.
    Export,
    /// Whether the file is to be deleted.
    Delete,
}

/// What the screen keeps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// What is saved; none before it was looked at.
    pub listing: Option<Arc<Listing>>,
    /// Why the directory could not be looked through.
    pub problem: Option<String>,
    /// Whether it is being looked through.
    pub is_loading: bool,
    /// The pane that has the keys.
    pub pane: Pane,
    /// Whether that pane has the whole screen.
    pub is_zoomed: bool,
    /// Only rows that hold this are shown; empty for all.
    pub filter: String,
    /// What rows are sorted by.
    pub order: Order,
    /// Whether the other way round.
    pub is_inverted: bool,
    /// The chosen one of the rows that are shown.
    pub chosen: usize,
    /// The first line shown of the list of unreadable files.
    pub scrolled: usize,
    /// The files that are marked, by arm.
    pub marks: BTreeMap<Arm, String>,
    /// What is being typed.
    pub question: Question,
}

impl State {
    /// The rows as they are to be shown.
    #[must_use]
    pub fn arranged(&self) -> Vec<&Row> {
        let Some(listing) = &self.listing else {
            return Vec::new();
        };
        let mut rows: Vec<&Row> = listing
            .rows
            .iter()
            .filter(|row| self.filter.is_empty() || row.holds(&self.filter))
            .collect();
        match self.order {
            Order::Began => {}
            Order::Profile => rows.sort_by(|a, b| a.profile().cmp(b.profile())),
            // those without one last
            Order::Label => rows.sort_by_key(|row| (row.label().is_empty(), row.label())),
            Order::Throughput => rows.sort_by(|a, b| {
                let of = |row: &Row| row.mb_per_s().unwrap_or(f64::NEG_INFINITY);
                of(b).total_cmp(&of(a))
            }),
            Order::Standing => rows.sort_by_cached_key(|row| row.standing()),
        }
        if self.is_inverted {
            rows.reverse();
        }
        rows
    }

    /// The row that is chosen.
    #[must_use]
    pub fn chosen(&self) -> Option<&Row> {
        self.arranged().get(self.chosen).copied()
    }

    /// The series that a session is in.
    #[must_use]
    pub fn trend_of(&self, row: &Row) -> Option<&Trend> {
        let id = row.id();
        let listing = self.listing.as_ref()?;
        let mut trends = listing.trends.iter();
        trends.find(|trend| trend.sessions.iter().any(|session| session == id))
    }

    /// Takes in what was found, keeping the choice on the file it was on.
    pub fn take(&mut self, listing: Listing) {
        let chosen = self.chosen().map(|row| row.file().to_owned());
        let there = |file: &String| listing.rows.iter().any(|row| row.file() == file);
        self.marks.retain(|_, file| there(file));
        self.listing = Some(Arc::new(listing));
        self.problem = None;
        self.is_loading = false;
        if let Some(file) = chosen {
            let rows = self.arranged();
            self.chosen = rows
                .iter()
                .position(|row| row.file() == file)
                .unwrap_or(self.chosen.min(rows.len().saturating_sub(1)));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bench::archive::Limit;
    use crate::bench::examples;
    use crate::bench::stats::Spread;
    use crate::bench::trend::trends;
    use crate::bench::tune;

    /// Ten sessions of one series whose level falls, one invalid, and a tuning, newest first.
    pub(crate) fn listing() -> Listing {
        let mut entries: Vec<Entry> = (0..10)
            .map(|n| {
                let mut session = examples::session();
                session.id = format!("{n:08x}");
                session.created_at = format!("2026-11-{:02}T10:00:00Z", n + 1);
                session.label = (n == 2).then(|| "nightly".into());
                let slower = if n < 5 { 1.0 } else { 1.25 } + f64::from(n % 3) / 100.0;
                let mut entry = Entry::of(&format!("{n}-medium.json"), &session);
                let scaled = |spread: Option<Spread>, by: f64| {
                    spread.map(|s| Spread {
                        median: s.median * by,
                        min: s.min * by,
                        max: s.max * by,
                    })
                };
                entry.duration_s = scaled(entry.duration_s, slower);
                entry.mb_per_s = scaled(entry.mb_per_s, 1.0 / slower);
                entry
            })
            .collect();
        entries[9].status = Status::Invalid;
        entries[9].profile = "large".into();
        let mut tuning =
            examples::tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
        tuning.created_at = "2026-11-12T08:30:00Z".into();
        tuning.summary = tune::summary::of(&tuning, Status::Complete, None);
        let trends = trends(&entries.iter().collect::<Vec<_>>());
        let mut rows: Vec<Row> = entries.into_iter().map(Row::Session).collect();
        rows.push(Row::Tuning(TuningEntry::of("tune.json", &tuning)));
        rows.reverse();
        Listing {
            directory: "bench-results".into(),
            rows,
            unreadable: vec![Unreadable {
                file: "cut.json".into(),
                reason: "it ends in the middle".into(),
            }],
            trends,
        }
    }

    pub(crate) fn state() -> State {
        let mut state = State::default();
        state.take(listing());
        state
    }

    fn ids(state: &State) -> Vec<&str> {
        state.arranged().iter().map(|row| row.id()).collect()
    }

    #[test]
    fn rows_are_filtered_then_sorted_then_inverted() {
        let mut state = state();
        assert_eq!(ids(&state)[..2], ["0f3a9c21", "00000009"]);
        state.filter = "NIGHTLY".into();
        assert_eq!(ids(&state), ["00000002"]);
        state.filter = "invalid".into();
        assert_eq!(ids(&state), ["00000009"]);
        state.filter = "medium".into();
        state.order = Order::Throughput;
        assert_eq!(ids(&state)[0], "00000003");
        state.is_inverted = true;
        assert_eq!(ids(&state).last(), Some(&"00000003"));
        state.filter = "nothing like it".into();
        assert_eq!(state.chosen(), None);
    }

    #[test]
    fn the_choice_stays_on_its_file_when_another_comes() {
        let mut state = state();
        state.chosen = 3;
        let file = state.chosen().unwrap().file().to_owned();
        state.marks.insert(Arm::Before, "0-medium.json".into());
        state.marks.insert(Arm::After, "gone.json".into());
        let mut more = listing();
        let mut newer = more.rows[1].clone();
        if let Row::Session(entry) = &mut newer {
            entry.file = "newer.json".into();
        }
        more.rows.insert(0, newer);
        state.take(more);
        assert_eq!(state.chosen().unwrap().file(), file);
        assert_eq!(state.marks.keys().collect::<Vec<_>>(), [&Arm::Before]);
    }

    #[test]
    fn sides_measured_alone_say_which_of_them_limits_and_no_verdict() {
        let mut tuning = examples::tuning(&[]);
        tuning.protocol.knob = None;
        let standing = |side: Option<&str>| {
            let mut entry = TuningEntry::of("isolate.json", &tuning);
            entry.status = Status::Complete;
            entry.limit = Some(Limit {
                side: side.map(str::to_owned),
            });
            let row = Row::Tuning(entry);
            format!("{}: {}", row.settings(), row.standing())
        };
        assert_eq!(standing(Some("destination")), "isolate: destination limits");
        assert_eq!(standing(None), "isolate: no limit shown");
    }

    #[test]
    fn a_session_knows_its_series_and_a_tuning_has_none() {
        let state = state();
        let rows = state.arranged();
        assert_eq!(state.trend_of(rows[0]), None);
        let trend = state.trend_of(rows[2]).unwrap();
        assert_eq!(trend.changes.len(), 1, "{trend:?}");
    }
}
