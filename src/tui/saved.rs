//! What is asked about saved artifacts, and the answers: looked up, compared, written at the rim.
//!
//! [`answer`] reads and writes files and computes what takes its time, on a thread of its own, by the same
//! functions as the headless commands. It starts no session and changes no artifact; a file is deleted only
//! by [`Request::Delete`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::state::compare::Pair;
use super::state::history::{Listing, Row};
use crate::bench::archive::{Archive, Document};
use crate::bench::artifact::Artifact;
use crate::bench::compared::{self, Compared, Side};
use crate::bench::conditions::Condition;
use crate::bench::order::Arm;
use crate::bench::store;
use crate::bench::trend;
use crate::bench::tune::artifact::TuneArtifact;
use crate::bench::tune::document;
use crate::bench::tune::knob::Knob;
use crate::error::{Error, Kind, Result};
use crate::report::{export, html};

/// Something to look up or to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// What the directory holds.
    List,
    /// Two arms side by side.
    Compare {
        /// Which two.
        pair: Pair,
        /// Conditions that may differ.
        allowed: BTreeSet<Condition>,
    },
    /// A saved tuning, by its file's name.
    Tuning(String),
    /// Put a tuning's choice into a document.
    Write {
        /// The tuning's file.
        tuning: PathBuf,
        /// The document.
        document: PathBuf,
    },
    /// A page for a browser of a saved artifact.
    Page {
        /// The artifact.
        artifact: PathBuf,
        /// The page.
        to: PathBuf,
    },
    /// The same of a comparison.
    ComparisonPage {
        /// Which two.
        pair: Pair,
        /// Conditions that may differ.
        allowed: BTreeSet<Condition>,
        /// The page.
        to: PathBuf,
    },
    /// A session in another program's format: `.csv`, `.hlog`, or Bencher's `.json`.
    Export {
        /// The session's file's name.
        session: String,
        /// The file to write.
        to: PathBuf,
    },
    /// Delete a saved artifact, by its file's name.
    Delete(String),
}

/// What came of it.
#[derive(Debug)]
pub enum Reply {
    /// What the directory holds.
    Listed(Result<Listing>),
    /// The comparison, and what was asked for.
    Compared {
        /// Which two.
        pair: Pair,
        /// What came of it.
        outcome: Result<Box<Compared>>,
    },
    /// A saved tuning and its file.
    Tuning(Result<(Arc<TuneArtifact>, PathBuf)>),
    /// A file was written: a line for the user.
    Written(Result<String>),
    /// A file was deleted: a line for the user.
    Deleted(Result<String>),
}

/// Does what is asked; `out` is the directory of artifacts.
#[must_use]
pub fn answer(request: Request, out: &Path) -> Reply {
    match request {
        Request::List => Reply::Listed(listing(out)),
        Request::Compare { pair, allowed } => {
            let outcome = compare(&pair, &allowed, out).map(Box::new);
            Reply::Compared { pair, outcome }
        }
        Request::Tuning(file) => {
            let path = out.join(file);
            Reply::Tuning(store::load_tuning(&path).map(|tuning| (Arc::new(tuning), path)))
        }
        Request::Write { tuning, document } => Reply::Written(write(&tuning, &document)),
        Request::Page { artifact, to } => Reply::Written(page(&artifact, &to)),
        Request::ComparisonPage { pair, allowed, to } => {
            Reply::Written(compare(&pair, &allowed, out).and_then(|compared| {
                let title = format!("{}: before and after", compared.after.profile);
                written(&to, &html::page(&title, &[html::comparison(&compared)]))
            }))
        }
        Request::Export { session, to } => Reply::Written(exported(&out.join(session), &to)),
        Request::Delete(file) => {
            let path = out.join(&file);
            let deleted = std::fs::remove_file(&path).map_err(|e| Error::file("delete", &path, e));
            Reply::Deleted(deleted.map(|()| format!("deleted {file}")))
        }
    }
}

/// Sessions and tunings, newest first.
fn listing(out: &Path) -> Result<Listing> {
    let archive = Archive::open(out)?;
    let entries: Vec<_> = archive.entries().iter().collect();
    let trends = trend::trends(&entries);
    let sessions = archive.entries().iter().cloned().map(Row::Session);
    let tunings = archive.tunings().iter().cloned().map(Row::Tuning);
    let mut rows: Vec<Row> = sessions.chain(tunings).collect();
    rows.sort_by(|a, b| (b.created_at(), b.file()).cmp(&(a.created_at(), a.file())));
    Ok(Listing {
        directory: out.to_owned(),
        rows,
        unreadable: archive.unreadable().to_vec(),
        trends,
    })
}

fn compare(pair: &Pair, allowed: &BTreeSet<Condition>, out: &Path) -> Result<Compared> {
    let named = |word: &str| -> Result<Artifact> {
        let archive = Archive::open(out)?;
        store::load(&archive.path(archive.find(word)?))
    };
    let between = |before: &Artifact, after: &Artifact| {
        let side = |session| Side {
            session,
            arm: Arm::After,
        };
        let rules = compared::rules_between([before, after], None);
        Compared::between(side(before), side(after), &rules, allowed)
    };
    match pair {
        Pair::Newest => Compared::of_session(&named("latest")?),
        Pair::Previous => between(&named("previous")?, &named("latest")?),
        Pair::Within(file) => Compared::of_session(&store::load(&out.join(file))?),
        Pair::Between { before, after } => between(
            &store::load(&out.join(before))?,
            &store::load(&out.join(after))?,
        ),
    }
}

fn write(tuning: &Path, to: &Path) -> Result<String> {
    let artifact = store::load_tuning(tuning)?;
    let knob = artifact.protocol.knob.as_deref().ok_or_else(|| {
        Error::new(
            Kind::Unsupported,
            "the sides were measured alone: there is no setting to write",
        )
    })?;
    Ok(document::write(to, Knob::find(knob)?, &artifact)?.to_string())
}

fn page(artifact: &Path, to: &Path) -> Result<String> {
    let (name, part) = match Document::load(artifact)? {
        Document::Session(session) => (session.profile.name.clone(), html::session(&session)),
        Document::Tuning(tuning) => (tuning.profile.name.clone(), html::tuning(&tuning)),
    };
    written(to, &html::page(&format!("Benchmark: {name}"), &[part]))
}

fn exported(session: &Path, to: &Path) -> Result<String> {
    let extension = to.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let artifact = store::load(session)?;
    let text = match extension {
        "csv" => export::csv(&artifact)?,
        "hlog" => export::hlog(&artifact)?,
        "json" => export::bmf(&artifact).to_string(),
        other => {
            return Err(Error::new(
                Kind::Usage,
                format!("`.{other}` is no format that a session is exported to"),
            )
            .remedy("end the name with .csv, .hlog or .json"));
        }
    };
    written(to, &text)
}

fn written(to: &Path, text: &str) -> Result<String> {
    if to.is_dir() {
        return Err(
            Error::new(Kind::Usage, format!("{} is a directory", to.display()))
                .remedy("name a file in it"),
        );
    }
    store::replace(to, format!("{}\n", text.trim_end()).as_bytes())?;
    Ok(format!("wrote {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::artifact::Status;
    use crate::bench::examples;
    use crate::bench::store::Output;
    use crate::bench::tune::summary;

    /// Two sessions, the later one twice as fast, and a tuning.
    fn archive() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let output = Output::at(place.path()).unwrap();
        let slow = [2.0, 2.01, 2.02, 2.03, 2.04, 2.05];
        let fast = slow.map(|s| s / 2.0);
        for (id, time, after) in [("aaaa0001", "10", slow), ("aaaa0002", "11", fast)] {
            let mut session = examples::session_of(&slow, &after);
            session.id = id.into();
            session.created_at = format!("2026-11-23T{time}:00:00Z");
            output.save(&session).unwrap();
        }
        let mut tuning =
            examples::tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
        tuning.created_at = "2026-11-23T12:00:00Z".into();
        tuning.summary = summary::of(&tuning, Status::Complete, None);
        output.save(&tuning).unwrap();
        place
    }

    fn verdict(pair: Pair, out: &Path) -> String {
        let request = Request::Compare {
            pair,
            allowed: BTreeSet::new(),
        };
        match answer(request, out) {
            Reply::Compared {
                outcome: Ok(compared),
                ..
            } => format!("{} {}", compared.verdict, compared.before.session),
            other => format!("{other:?}"),
        }
    }

    fn files(out: &Path) -> Vec<String> {
        match answer(Request::List, out) {
            Reply::Listed(Ok(listing)) => {
                listing.rows.iter().map(|r| r.file().to_owned()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_saved_is_listed_newest_first_with_tunings() {
        let place = archive();
        let files = files(place.path());
        assert_eq!(files.len(), 3);
        assert!(files[0].contains("-tune-"), "{files:?}");
        assert!(files[2].contains("aaaa0001"), "{files:?}");
    }

    #[test]
    fn every_pair_is_what_its_name_says() {
        let place = archive();
        let out = place.path();
        assert_eq!(verdict(Pair::Newest, out), "IMPROVED aaaa0002");
        assert_eq!(verdict(Pair::Previous, out), "IMPROVED aaaa0001");
        let files = files(out);
        assert_eq!(
            verdict(Pair::Within(files[2].clone()), out),
            "EQUIVALENT aaaa0001"
        );
        let turned = Pair::Between {
            before: files[1].clone(),
            after: files[2].clone(),
        };
        assert_eq!(verdict(turned, out), "REGRESSED aaaa0002");
    }

    #[test]
    fn a_screen_against_none_is_refused_unless_allowed() {
        let place = archive();
        let files = files(place.path());
        let path = place.path().join(&files[1]);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            text.replace("\"ui\": \"headless\"", "\"ui\": \"tui\""),
        )
        .unwrap();
        assert_eq!(
            verdict(Pair::Previous, place.path()),
            "NOT COMPARABLE aaaa0001"
        );
        let request = Request::Compare {
            pair: Pair::Previous,
            allowed: BTreeSet::from([Condition::Ui]),
        };
        let Reply::Compared {
            outcome: Ok(compared),
            ..
        } = answer(request, place.path())
        else {
            panic!("not compared");
        };
        assert_eq!(compared.verdict, "IMPROVED");
        assert_eq!(compared.waived.len(), 1);
    }

    #[test]
    fn pages_and_exports_are_written_where_they_were_asked_for() {
        let place = archive();
        let out = place.path();
        let files = files(out);
        let told = |request| match answer(request, out) {
            Reply::Written(Ok(text)) => text,
            other => format!("{other:?}"),
        };
        for (name, holds) in [
            ("s.csv", "duration_s"),
            ("s.hlog", "HISTFAAAA"),
            ("s.json", "\"value\""),
        ] {
            let to = out.join("made").with_file_name(name);
            let request = Request::Export {
                session: files[1].clone(),
                to: to.clone(),
            };
            assert_eq!(told(request), format!("wrote {}", to.display()));
            let text = std::fs::read_to_string(&to).unwrap();
            assert!(text.contains(holds), "{name}: {text}");
        }
        for file in [&files[0], &files[1]] {
            let to = out.join("page.html");
            told(Request::Page {
                artifact: out.join(file),
                to: to.clone(),
            });
            let text = std::fs::read_to_string(&to).unwrap();
            assert!(text.contains("<!DOCTYPE html>") || text.contains("<!doctype html>"));
            std::fs::remove_file(&to).unwrap();
        }
        let request = Request::Export {
            session: files[1].clone(),
            to: out.join("s.xml"),
        };
        assert!(told(request).contains(".csv, .hlog or .json"));
    }

    #[test]
    fn a_choice_is_written_into_the_document_that_was_named() {
        let place = archive();
        let tuning = place.path().join(&files(place.path())[0]);
        let document = place.path().join("orders.yaml");
        std::fs::write(&document, "version: 1\nname: orders # nightly\n").unwrap();
        let reply = answer(
            Request::Write {
                tuning,
                document: document.clone(),
            },
            place.path(),
        );
        assert!(matches!(&reply, Reply::Written(Ok(text)) if text.contains("parallelism = 2")));
        let text = std::fs::read_to_string(&document).unwrap();
        assert!(
            text.contains("# nightly") && text.contains("parallelism: 2"),
            "{text}"
        );
    }

    #[test]
    fn a_deleted_file_is_gone() {
        let place = archive();
        let all = files(place.path());
        let reply = answer(Request::Delete(all[1].clone()), place.path());
        assert!(matches!(reply, Reply::Deleted(Ok(_))), "{reply:?}");
        assert_eq!(files(place.path()).len(), 2);
    }

    #[test]
    fn what_cannot_be_written_is_told_with_what_can() {
        let place = archive();
        let to = |name: &str| place.path().join(name);
        let session = std::fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| store::load(path).is_ok())
            .unwrap();
        assert_eq!(
            exported(&session, &to("x.xml")).unwrap_err().to_string(),
            "`.xml` is no format that a session is exported to\n  what to do: end the name with .csv, .hlog or .json"
        );
        std::fs::create_dir(to("taken.csv")).unwrap();
        assert_eq!(
            exported(&session, &to("taken.csv"))
                .unwrap_err()
                .to_string(),
            format!(
                "{} is a directory\n  what to do: name a file in it",
                to("taken.csv").display()
            )
        );
        let mut sides = examples::tuning(&[("1", 1, &[3.0])]);
        sides.protocol.knob = None;
        sides.id = "cccc0001".into();
        let saved = Output::at(place.path()).unwrap().save(&sides).unwrap();
        assert_eq!(
            write(&saved, &to("x.yaml")).unwrap_err().message(),
            "the sides were measured alone: there is no setting to write"
        );
    }
}
