//! The course of saved sessions: those of one profile, under the same conditions and settings, in the
//! order of time, and where their level changed.
//!
//! A level is information, never a verdict: sessions are days apart, and what else changed between
//! them is not controlled.

use std::collections::BTreeMap;

use serde::Serialize;

use super::archive::Entry;
use super::artifact::Status;
use super::change_points::{LEAST, change_points};
use super::stats::Spread;

/// Newest sessions of a series in which a change is looked for.
const MOST: usize = 100;

/// A series of sessions that may be set against each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// The profile that was measured.
    pub profile: String,
    /// The after arm's overrides.
    pub settings: String,
    /// The digest of the conditions.
    pub conditions: String,
    /// The sessions' ids, oldest first.
    pub sessions: Vec<String>,
    /// How many more sessions it takes before a change can be found; 0 where it was looked for.
    pub missing: usize,
    /// Where the level of throughput changed among the newest 100.
    pub changes: Vec<Change>,
}

/// A change of level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The first session on the new level.
    pub id: String,
    /// New level over old one, in throughput: above 1 it became faster. A level is the median of its
    /// sessions' medians.
    pub ratio: f64,
    /// Sessions on the old level.
    pub before: usize,
    /// Sessions on the new level.
    pub after: usize,
    /// The share of random orders of the sessions that change as much: at most 0.05.
    pub p: f64,
}

/// A session's id and the median of its wall time, seconds.
type Point<'a> = (&'a str, f64);

/// The series that sessions form, given oldest first. Sessions without a valid measurement are in none.
#[must_use]
pub fn trends(entries: &[&Entry]) -> Vec<Trend> {
    let mut series: BTreeMap<[&str; 3], Vec<Point>> = BTreeMap::new();
    for entry in entries {
        let Some(seconds) = entry.duration_s.filter(|_| entry.status != Status::Invalid) else {
            continue;
        };
        series
            .entry([&entry.profile, &entry.settings, &entry.conditions])
            .or_default()
            .push((&entry.id, seconds.median));
    }
    series
        .into_iter()
        .map(|([profile, settings, conditions], points)| {
            let newest = &points[points.len().saturating_sub(MOST)..];
            Trend {
                profile: profile.to_owned(),
                settings: settings.to_owned(),
                conditions: conditions.to_owned(),
                sessions: points.iter().map(|(id, _)| (*id).to_owned()).collect(),
                missing: LEAST.saturating_sub(points.len()),
                changes: changes(newest),
            }
        })
        .collect()
}

fn changes(points: &[Point]) -> Vec<Change> {
    let logs: Vec<f64> = points.iter().map(|(_, seconds)| seconds.ln()).collect();
    let found = change_points(&logs);
    let mut ends: Vec<usize> = found.iter().map(|change| change.at).collect();
    ends.insert(0, 0);
    ends.push(logs.len());
    let level = |of: &[f64]| Spread::of(of).map_or(0.0, |spread| spread.median);
    found
        .iter()
        .zip(ends.windows(3))
        .map(|(change, w)| Change {
            id: points[change.at].0.to_owned(),
            ratio: (level(&logs[w[0]..w[1]]) - level(&logs[w[1]..w[2]])).exp(),
            before: w[1] - w[0],
            after: w[2] - w[1],
            p: change.p,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    fn entry(n: usize, seconds: f64) -> Entry {
        let mut session = examples::session();
        session.id = format!("{n:08x}");
        Entry {
            duration_s: Some(Spread {
                median: seconds,
                min: seconds,
                max: seconds,
            }),
            ..Entry::of("x.json", &session)
        }
    }

    fn trends_of(entries: &[Entry]) -> Vec<Trend> {
        trends(&entries.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_slower_level_is_told_with_its_size() {
        let seconds = [2.0, 2.01, 1.99, 2.0, 2.02, 2.5, 2.51, 2.49, 2.5, 2.52];
        let entries: Vec<Entry> = seconds
            .iter()
            .enumerate()
            .map(|(n, s)| entry(n, *s))
            .collect();
        let trends = trends_of(&entries);
        assert_eq!(trends.len(), 1);
        let [change] = &trends[0].changes[..] else {
            panic!("{trends:?}");
        };
        assert_eq!(
            (change.id.as_str(), change.before, change.after),
            ("00000005", 5, 5)
        );
        assert!((change.ratio - 0.8).abs() < 1e-9, "{change:?}");
        assert!(change.p < 0.05);
    }

    #[test]
    fn a_long_series_is_kept_whole_and_looked_at_where_it_is_new() {
        let entries: Vec<Entry> = (0..MOST + 20)
            .map(|n| entry(n, if n < 10 { 4.0 } else { 2.0 }))
            .collect();
        let trends = trends_of(&entries);
        assert_eq!(trends[0].sessions.len(), MOST + 20);
        assert_eq!(trends[0].changes, []);
    }

    #[test]
    fn only_what_may_be_compared_is_one_series() {
        let mut entries: Vec<Entry> = (0..4).map(|n| entry(n, 2.0)).collect();
        entries[1].conditions = "other".into();
        entries[2].settings = "parallelism=4".into();
        entries[3].status = Status::Invalid;
        let trends = trends_of(&entries);
        assert_eq!(trends.len(), 3);
        assert!(
            trends
                .iter()
                .all(|t| t.sessions.len() == 1 && t.missing == 7)
        );
    }
}
