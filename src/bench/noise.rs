//! Noise floors: what two equal arms were found to differ by, kept for each host and profile.
//!
//! `rb-bench calibrate` measures a profile against itself and keeps the session here; no later
//! session on this host and profile may call a smaller change than that one. A floor holds under
//! the [`Conditions`] it was measured under; another kernel, Postgres or machine ends it.

use std::fs;
use std::path::{Path, PathBuf};

use super::artifact::{Artifact, NoiseFloor};
use super::conditions::{Condition, Conditions, Difference};
use super::store::{self, Output};
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
    Floor(NoiseFloor),
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

    /// Keeps a session of two equal arms, in place of older ones of the same subject.
    ///
    /// # Errors
    /// `Kind::Internal` for a session that has no interval, and what the file system says.
    pub fn keep(&self, session: &Artifact) -> Result<Calibration> {
        let floor = floor(session)
            .ok_or_else(|| Error::internal("a session without an interval was to be kept"))?;
        let path = Output::at(&self.directory)?.save(session)?;
        for older in self.all() {
            if older.path != path && differences(&older.session, session, is_subject).is_empty() {
                fs::remove_file(&older.path).map_err(|e| Error::file("delete", &older.path, e))?;
            }
        }
        Ok(Calibration {
            path,
            session: session.clone(),
            floor,
        })
    }

    /// What is known of the noise of sessions like this one.
    #[must_use]
    pub fn of(&self, session: &Artifact) -> Known {
        let all = self.all();
        let mut same = all
            .iter()
            .filter(|kept| differences(&kept.session, session, is_subject).is_empty());
        let Some(newest) = same.next() else {
            return Known::Unmeasured;
        };
        let changed = differences(&newest.session, session, |condition| !is_subject(condition));
        if changed.is_empty() {
            Known::Floor(newest.floor.clone())
        } else {
            Known::Expired(changed)
        }
    }

    /// Everything that is kept and can be read, newest first.
    #[must_use]
    pub fn all(&self) -> Vec<Calibration> {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let mut all: Vec<Calibration> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .filter_map(|path| {
                let session = store::load(&path).ok()?;
                let floor = floor(&session)?;
                Some(Calibration {
                    path,
                    session,
                    floor,
                })
            })
            .collect();
        all.sort_by(|a, b| b.session.created_at.cmp(&a.session.created_at));
        all
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

/// The larger end, in absolute value, of the interval around the ratio of two equal arms; none
/// where there is no interval.
fn floor(session: &Artifact) -> Option<NoiseFloor> {
    let comparison = session.summary.comparison.as_ref()?;
    let end = comparison
        .ci_low?
        .ln()
        .abs()
        .max(comparison.ci_high?.ln().abs());
    Some(NoiseFloor {
        percent: end.exp_m1() * 100.0,
        pairs: comparison.pairs,
        measured_at: session.created_at.clone(),
        session: session.id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::artifact::Status;
    use super::super::order::Arm;
    use super::super::rules::Rules;
    use super::super::{examples, summary};
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
        session.created_at = created_at.into();
        session.summary = summary::of(&session.iterations, &Rules::at(0.0), Status::Complete, None);
        session
    }

    #[test]
    fn the_floor_is_the_larger_end_of_the_interval() {
        let session = equal("00000001", "2026-11-24T10:00:00Z");
        let kept = floor(&session).unwrap();
        let comparison = session.summary.comparison.unwrap();
        let high = (comparison.ci_high.unwrap() - 1.0) * 100.0;
        assert!(
            (kept.percent - high).abs() < 1e-9 && kept.percent > 2.0,
            "{kept:?}"
        );
        let mut mirrored = equal("00000001", "2026-11-24T10:00:00Z");
        let record = mirrored.summary.comparison.as_mut().unwrap();
        (record.ci_low, record.ci_high) = (Some(1.0 / comparison.ci_high.unwrap()), Some(1.0));
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
        assert_eq!(floors.of(&session), Known::Floor(kept.floor));
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
        assert_eq!(all[0].session.id, "00000002");
    }
}
