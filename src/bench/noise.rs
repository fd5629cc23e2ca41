//! Noise floors: what two equal arms were found to differ by, kept for each host and profile.
//!
//! `rb-bench calibrate` measures a profile against itself and keeps the session here; no later
//! session on this host and profile may call a smaller change than that one. A floor holds under
//! the [`Conditions`] it was measured under; another kernel, Postgres or machine ends it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::artifact::{Artifact, NoiseFloor};
use super::conditions::{Condition, Conditions, Difference};
use super::metric::Metric;
use super::rules::Rules;
use super::store::{self, Output};
use super::summary;
use super::verdict::Comparison;
use crate::error::{Error, Result};

/// Conditions by which a floor is found: those of what was measured, not of where.
const SUBJECT: [Condition; 6] = [
    Condition::Profile,
    Condition::Data,
    Condition::Server,
    Condition::Build,
    Condition::Ui,
    Condition::Target,
];

/// The directory that floors are kept in.
#[derive(Debug, Clone)]
pub struct Floors {
    directory: PathBuf,
}

/// A session of two equal arms that was kept, and what it says.
#[derive(Debug)]
pub struct Calibration {
    /// Where it is kept.
    pub path: PathBuf,
    /// The session.
    pub session: Artifact,
    /// The floor.
    pub floor: NoiseFloor,
}

/// What is known of a session's noise.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// Nothing.
    Unmeasured,
    /// What was measured no longer holds.
    Expired(Vec<Difference>),
    /// The floor.
    Floor {
        /// Of wall time.
        floor: NoiseFloor,
        /// Of every metric that it is known of, as a relative change: 0.02 for 2 %.
        by_metric: BTreeMap<Metric, f64>,
    },
}

impl Floors {
    /// Those kept beside the servers of this directory.
    #[must_use]
    pub fn beside(home: &Path) -> Self {
        Self {
            directory: home.join("noise"),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps a session of two equal arms, in place of older ones of the same subject with the same settings.
    ///
    /// # Errors
    /// `Kind::Internal` for a session that has no interval, and what the file system says.
    pub fn keep(&self, session: &Artifact) -> Result<Calibration> {
        let floor = floor(session)
            .ok_or_else(|| Error::internal("a session without an interval was to be kept"))?;
        let path = Output::at(&self.directory)?.save(session)?;
        for (older, of) in self.sessions() {
            let is_alike = of.protocol.after == session.protocol.after
                && differences(&of, session, is_subject).is_empty();
            if older != path && is_alike {
                fs::remove_file(&older).map_err(|e| Error::file("delete", &older, e))?;
            }
        }
        Ok(Calibration {
            path,
            session: session.clone(),
            floor,
        })
    }

    /// What is known of the noise of sessions like this one: the largest floor that holds, whatever settings it
    /// was measured with.
    #[must_use]
    pub fn of(&self, session: &Artifact) -> Known {
        let all = self.all();
        let same: Vec<&Calibration> = all
            .iter()
            .filter(|kept| differences(&kept.session, session, is_subject).is_empty())
            .collect();
        let changed = |kept: &Calibration| {
            differences(&kept.session, session, |condition| !is_subject(condition))
        };
        let holding = same.iter().filter(|kept| changed(kept).is_empty());
        match holding.max_by(|a, b| a.floor.percent.total_cmp(&b.floor.percent)) {
            Some(kept) => Known::Floor {
                floor: kept.floor.clone(),
                by_metric: by_metric(&kept.session),
            },
            None => same
                .first()
                .map_or(Known::Unmeasured, |newest| Known::Expired(changed(newest))),
        }
    }

    /// Every whole calibration that is kept and can be read, newest first.
    #[must_use]
    pub fn all(&self) -> Vec<Calibration> {
        let mut all: Vec<Calibration> = self
            .sessions()
            .filter(|(_, session)| !session.partial)
            .filter_map(|(path, session)| {
                Some(Calibration {
                    floor: floor(&session)?,
                    path,
                    session,
                })
            })
            .collect();
        all.sort_by(|a, b| b.session.created_at.cmp(&a.session.created_at));
        all
    }

    /// Everything that can be read, those that were killed included.
    fn sessions(&self) -> impl Iterator<Item = (PathBuf, Artifact)> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten();
        entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .filter_map(|path| Some((path.clone(), store::load(&path).ok()?)))
    }
}

fn is_subject(condition: Condition) -> bool {
    SUBJECT.contains(&condition)
}

/// What of these conditions is not the same, where a session may not have measured anything yet.
fn differences(
    kept: &Artifact,
    session: &Artifact,
    which: impl Fn(Condition) -> bool,
) -> Vec<Difference> {
    let all = Conditions::of(kept).differences(&Conditions::of(session));
    // how many rows there were is known after the first iteration only
    let counted = |d: &Difference| d.condition == Condition::Data && d.what == "rows";
    let named = all
        .into_iter()
        .filter(|d| which(d.condition) && !counted(d));
    named.collect()
}

/// The floor of wall time; none where there is no interval.
fn floor(session: &Artifact) -> Option<NoiseFloor> {
    let compared = compared(session, Metric::DurationS);
    Some(NoiseFloor {
        percent: larger_end(&compared)? * 100.0,
        pairs: compared.size.least() as u32,
        measured_at: session.created_at.clone(),
        session: session.id.clone(),
    })
}

fn by_metric(session: &Artifact) -> BTreeMap<Metric, f64> {
    let metrics = Metric::ALL.into_iter();
    metrics
        .filter_map(|metric| Some((metric, larger_end(&compared(session, metric))?)))
        .collect()
}

/// The two equal arms in one metric, at 95 % whatever else is asked of the session.
fn compared(session: &Artifact, metric: Metric) -> Comparison {
    let pairs: Vec<(f64, f64)> = summary::pairs(&session.iterations)
        .iter()
        .filter_map(|(before, after)| metric.of(before).zip(metric.of(after)))
        .collect();
    Comparison::of_pairs(&pairs, Rules::at(0.0).rule(metric))
}

/// The larger end, in absolute value, of the interval around a ratio, as a relative change.
fn larger_end(compared: &Comparison) -> Option<f64> {
    let (low, high) = compared.estimate?.interval();
    Some(low.ln().abs().max(high.ln().abs()).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::super::artifact::Status;
    use super::super::examples;
    use super::super::order::Arm;
    use super::*;

    /// Two equal arms of eight pairs that differ by at most 4 %.
    fn equal(id: &str, created_at: &str) -> Artifact {
        let mut session = examples::session();
        let (before, after) = (session.iterations[3].clone(), session.iterations[2].clone());
        session.iterations.clear();
        for pair in 0..8_u32 {
            for (arm, like) in [(Arm::Before, &before), (Arm::After, &after)] {
                let mut iteration = like.clone();
                iteration.pair = pair;
                let noise = f64::from(pair % 3) * 0.02;
                iteration.duration_s = if arm == Arm::Before { 1.0 + noise } else { 1.0 };
                session.iterations.push(iteration);
            }
        }
        session.id = id.into();
        session.partial = false;
        session.created_at = created_at.into();
        session.summary = summary::of(&session.iterations, &Rules::at(0.0), Status::Complete, None);
        session
    }

    #[test]
    fn the_floor_is_the_larger_end_of_the_interval() {
        let session = equal("00000001", "2026-11-24T10:00:00Z");
        let kept = floor(&session).unwrap();
        let comparison = session.summary.comparison.clone().unwrap();
        let high = (comparison.ci_high.unwrap() - 1.0) * 100.0;
        assert!(
            (kept.percent - high).abs() < 1e-9 && kept.percent > 2.0,
            "{kept:?}"
        );
        // the arms exchanged: the same floor
        let mut mirrored = session;
        for iteration in &mut mirrored.iterations {
            iteration.arm = match iteration.arm {
                Arm::Before => Arm::After,
                Arm::After => Arm::Before,
            };
        }
        assert!((floor(&mirrored).unwrap().percent - kept.percent).abs() < 1e-9);
        assert_eq!(floor(&examples::session()), None);
    }

    #[test]
    fn a_floor_holds_for_its_profile_until_the_host_changes() {
        let place = tempfile::tempdir().unwrap();
        let floors = Floors::beside(place.path());
        let session = equal("00000001", "2026-11-24T10:00:00Z");
        assert_eq!(floors.of(&session), Known::Unmeasured);
        let kept = floors.keep(&session).unwrap();
        let Known::Floor { floor, by_metric } = floors.of(&session) else {
            panic!("{:?}", floors.of(&session));
        };
        assert_eq!(floor, kept.floor);
        assert!((by_metric[&Metric::DurationS] * 100.0 - floor.percent).abs() < 1e-9);
        // memory was the same in all iterations
        assert!(by_metric[&Metric::RssPeak].abs() < 1e-12);
        let mut larger = session.clone();
        larger.profile.data_digest = Some("12".repeat(32));
        assert_eq!(floors.of(&larger), Known::Unmeasured);
        let mut moved = session.clone();
        moved.host.kernel = Some("6.12".into());
        let Known::Expired(why) = floors.of(&moved) else {
            panic!("{:?}", floors.of(&moved));
        };
        assert_eq!(why[0].to_string(), "host: kernel 6.1 -> 6.12");
        let mut newer = session.clone();
        newer.postgres.destination.as_mut().unwrap().version = "17.2".into();
        assert!(matches!(floors.of(&newer), Known::Expired(_)));
    }

    #[test]
    fn a_floor_of_other_settings_is_kept_beside_and_the_larger_one_counts() {
        let place = tempfile::tempdir().unwrap();
        let floors = Floors::beside(place.path());
        let noisy = equal("00000001", "2026-11-24T10:00:00Z");
        let larger = floors.keep(&noisy).unwrap().floor;
        let mut calm = equal("00000002", "2026-11-24T11:00:00Z");
        let one = ("resources.parallelism".to_owned(), "1".to_owned());
        calm.protocol.after = std::iter::once(one).collect();
        for iteration in &mut calm.iterations {
            iteration.duration_s = 1.0 + f64::from(iteration.pair) * 1e-4;
        }
        assert!(floors.keep(&calm).unwrap().floor.percent < larger.percent);
        assert_eq!(floors.all().len(), 2);
        for session in [&noisy, &calm] {
            let Known::Floor { floor, .. } = floors.of(session) else {
                panic!("{:?}", floors.of(session));
            };
            assert_eq!(floor, larger);
        }
    }

    #[test]
    fn a_newer_floor_takes_the_place_of_an_older_one() {
        let place = tempfile::tempdir().unwrap();
        let floors = Floors::beside(place.path());
        floors
            .keep(&equal("00000001", "2026-11-24T10:00:00Z"))
            .unwrap();
        floors
            .keep(&equal("00000002", "2026-11-24T11:00:00Z"))
            .unwrap();
        let all = floors.all();
        assert_eq!(all.len(), 1);
        let mut killed = equal("00000003", "2026-11-24T12:00:00Z");
        killed.partial = true;
        Output::at(floors.directory())
            .unwrap()
            .save(&killed)
            .unwrap();
        let all = floors.all();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].session.id, "00000002");
    }
}
