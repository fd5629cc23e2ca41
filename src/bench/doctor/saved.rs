//! What was kept: sessions in the results directory, and the noise that this machine is known to have.

use std::path::Path;

use super::{Finding, State};
use crate::bench::archive::Archive;
use crate::bench::artifact::{HostRecord, Status};
use crate::bench::host;
use crate::bench::noise::{Calibration, Floors};
use crate::cluster::{self, ClusterOptions, readiness};

const AREA: &str = "results";

pub(super) fn findings(options: &ClusterOptions, out: &Path) -> Vec<Finding> {
    let mut findings = vec![directory(out)];
    findings.extend(sessions(out));
    let floors = cluster::home(options).map(|home| Floors::beside(&home).all());
    findings.extend(noise(&floors.unwrap_or_default(), &host::describe()));
    findings
}

fn directory(out: &Path) -> Finding {
    match readiness::may_write(out) {
        Ok(()) if out.exists() => Finding::ok(AREA, "directory", out.display().to_string()),
        Ok(()) => Finding::ok(
            AREA,
            "directory",
            format!("{}, made by the first benchmark", out.display()),
        ),
        Err(error) => Finding::of_error(AREA, "directory", State::Fail, &error)
            .remedy("take another directory with --out"),
    }
}

fn sessions(out: &Path) -> Option<Finding> {
    if !out.exists() {
        return None;
    }
    Some(match Archive::open(out) {
        Ok(archive) => {
            let all = archive.entries();
            let broken = archive.unreadable();
            let whole = all.iter().filter(|e| e.status == Status::Complete).count();
            let saved = count(all.len(), "session");
            let text = match all.len() - whole {
                0 => format!("{saved} saved"),
                part => format!("{saved} saved, {part} of them not complete"),
            };
            match broken.first() {
                None => Finding::ok(AREA, "sessions", text),
                Some(first) => Finding::warn(
                    AREA,
                    "sessions",
                    format!(
                        "{text}; {} cannot be read, {} for one: {}",
                        count(broken.len(), "file"),
                        first.file,
                        first.reason
                    ),
                )
                .remedy("`rb-bench history` lists them; delete what is no session"),
            }
        }
        Err(error) => Finding::of_error(AREA, "sessions", State::Warn, &error),
    })
}

fn noise(floors: &[Calibration], here: &HostRecord) -> Vec<Finding> {
    if floors.is_empty() {
        return vec![
            Finding::warn(AREA, "noise", "no noise floor of this machine is known")
                .remedy("`rb-bench calibrate` measures it, a profile at a time"),
        ];
    }
    let finding = |known: &Calibration| {
        let of = format!(
            "{}: {:.1} %, of {} on {}",
            known.session.profile.name,
            known.floor.percent,
            count(known.floor.pairs as usize, "pair"),
            known.floor.measured_at
        );
        if known.session.host == *here {
            Finding::ok(AREA, "noise", of)
        } else {
            Finding::warn(
                AREA,
                "noise",
                format!("{of}, on a machine that was another"),
            )
            .remedy(format!(
                "`rb-bench calibrate --profile {}` measures it anew",
                known.session.profile.name
            ))
        }
    };
    floors.iter().map(finding).collect()
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::bench::artifact::NoiseFloor;
    use crate::bench::examples;

    #[test]
    fn a_floor_of_another_machine_does_not_count() {
        let session = examples::session();
        let here = session.host.clone();
        let known = [Calibration {
            path: PathBuf::from("noise/x.json"),
            floor: NoiseFloor {
                percent: 1.84,
                pairs: 20,
                measured_at: "2026-11-24T10:00:00Z".into(),
                session: session.id.clone(),
            },
            session,
        }];
        let found = noise(&known, &here);
        assert_eq!(found[0].state, State::Ok);
        assert!(found[0].text.contains("1.8 %, of 20 pairs"), "{found:?}");
        let elsewhere = HostRecord {
            kernel: Some("6.12".into()),
            ..here
        };
        let expired = &noise(&known, &elsewhere)[0];
        assert_eq!(expired.state, State::Warn);
        let remedy = expired.remedy.as_deref().unwrap_or_default();
        assert!(
            remedy.starts_with("`rb-bench calibrate --profile ")
                && remedy.ends_with("` measures it anew"),
            "{remedy}"
        );
        let none = &noise(&[], &elsewhere)[0];
        assert_eq!(none.state, State::Warn);
        assert_eq!(
            none.remedy.as_deref(),
            Some("`rb-bench calibrate` measures it, a profile at a time")
        );
    }

    #[test]
    fn a_file_that_is_no_session_is_named() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(sessions(&place.path().join("none")), None);
        assert_eq!(sessions(place.path()).unwrap().state, State::Ok);
        std::fs::write(place.path().join("x.json"), "{").unwrap();
        let found = sessions(place.path()).unwrap();
        assert_eq!(found.state, State::Warn);
        assert!(found.text.contains("x.json"), "{found:?}");
        assert_eq!(
            found.remedy.as_deref(),
            Some("`rb-bench history` lists them; delete what is no session")
        );
    }

    #[test]
    fn a_results_directory_that_cannot_be_is_a_failure() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), "").unwrap();
        assert_eq!(directory(&place.path().join("new")).state, State::Ok);
        let wrong = directory(&place.path().join("file/results"));
        assert_eq!(wrong.state, State::Fail);
        assert_eq!(
            wrong.remedy.as_deref(),
            Some("take another directory with --out")
        );
    }
}
